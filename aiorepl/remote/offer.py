"""What an app offers to its clients."""

import asyncio
import sys
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from aiorepl.remote.loading import FORKING

if TYPE_CHECKING:
    from aiorepl.interpret.interpreter import Represent
    from aiorepl.session.access import Mode
    from aiorepl.settings import Settings

__all__ = ["Offer", "program_loop"]

Loop = asyncio.AbstractEventLoop


class Offer(NamedTuple):
    """What every client of a server gets.

    ``namespace`` are the names that cells see; None for those of the program's ``__main__``. ``loop`` returns the loop
    on which cells run, None if none is running. ``represent`` is called for each session, with its settings and what
    tells its client's columns, and makes what shows the values of cells.
    """

    name: str
    mode: "Mode"
    namespace: dict[str, object] | None
    loop: Callable[[], Loop | None]
    represent: "Callable[[Settings, Callable[[], int]], Represent]"

    def names(self) -> dict[str, object]:
        """The names that cells see."""
        return sys.modules["__main__"].__dict__ if self.namespace is None else self.namespace


def program_loop() -> Callable[[], Loop | None]:
    """Return what finds the program's loop: the one that is running here and now, as long as it runs.

    Else one that runs in the main thread, or any other; to find that, all objects of the process are gone through.
    """
    here = asyncio._get_running_loop()
    last: Callable[[], Loop | None] = (lambda: None) if here is None else weakref.ref(here)

    def find() -> Loop | None:
        nonlocal last
        loop = last()
        if loop is None or not loop.is_running():
            loop = _running_loop()
            last = (lambda: None) if loop is None else weakref.ref(loop)
        return loop

    return find


def _running_loop() -> Loop | None:
    # Not loaded by an app that nobody looks at.
    with FORKING.kept_away():
        from aiorepl.introspect.loops import loops, thread_of

    running = loops()
    main = threading.main_thread().ident
    return next((loop for loop in running if thread_of(loop) == main), next(iter(running), None))
