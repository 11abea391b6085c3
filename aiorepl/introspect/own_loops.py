"""The loops that aiorepl made for itself: nobody asks for them."""

import asyncio
import weakref
from typing import Any

__all__ = ["OWN_LOOPS", "make_own", "mark_own"]

OWN_LOOPS: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def mark_own(loop: asyncio.AbstractEventLoop) -> None:
    """Leave a loop out of the loops of the process."""
    OWN_LOOPS.add(loop)


def make_own() -> asyncio.AbstractEventLoop:
    """Return a new loop of ours, whose tasks leave the numbers of ``Task-N`` to the program.

    Python's own, whatever kind of loop the program has chosen for itself.
    """

    def name_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        options["name"] = options.get("name") or "aiorepl"
        return asyncio.Task(coro, loop=loop, **options)

    loop = asyncio.SelectorEventLoop()
    mark_own(loop)
    # A program in debug mode asks for news of its own loops.
    loop.set_debug(False)
    loop.set_task_factory(name_task)
    return loop
