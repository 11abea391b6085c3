"""An app's own loop, on which a session is a guest: nothing of it is changed, and it goes on when the session ends."""

import asyncio
import concurrent.futures
from collections.abc import Callable

from aiorepl.interpret.host import HostListener
from aiorepl.introspect.loops import thread_of

__all__ = ["AppHost"]


class AppHost:
    """See ``aiorepl.interpret.host.Host``.

    There are no hooks on such a loop, so its listener is never told anything: whoever has to know that it was closed
    looks at it.
    """

    owned = False

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: HostListener | None = None) -> None:
        """Be a guest on this loop, which somebody else runs."""
        self.loop = loop
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()

    @property
    def thread(self) -> int | None:
        """The identifier of the loop's thread; with uvloop it takes a look at all threads to find it."""
        return thread_of(self.loop)

    def start(self) -> None:
        """The app does so."""

    def call(self, function: Callable[[], object]) -> bool:
        """Call a function on the loop's thread, soon; False if the loop is closed."""
        try:
            self.loop.call_soon_threadsafe(function)
        except RuntimeError:
            return False
        return True

    def close(self, *, timeout: float) -> None:
        """Leave the loop alone; the session has ended its own cells before."""
        if not self.ended.done():
            self.ended.set_result(None)
