"""Know of each task when it is made: where, by whom, and whether from the right thread.

``create_task`` of the loop object is replaced, and not the task factory: the program may set one, and with any factory
Python 3.13.0 names the tasks without a name "None". Everything that is passed is passed on.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

from aiorepl.alerts.guests import guarded
from aiorepl.alerts.replacing import replace_method
from aiorepl.introspect.book import BOOK, Entry
from aiorepl.introspect.loops import thread_of

__all__ = ["Births", "caller"]


class Births:
    """Replaces ``create_task`` of one loop until ``undo``; nothing of a task is kept but a weak reference."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        born: Callable[[Entry], object],
        stray: Callable[[Entry, tuple[str, int, str]], object],
    ) -> None:
        """Tell ``born`` of each task, and ``stray`` of each that was made on a thread that is not the loop's."""
        inner: Any = loop.create_task

        def create_task(coro: Any, **options: Any) -> Any:
            task = inner(guarded(coro), **options)
            # In debug mode a task remembers the calls that made it, and this one is not the user's.
            if source := getattr(task, "_source_traceback", None):
                del source[-1]
            place = caller()
            entry = BOOK.record_birth(task, place, asyncio.current_task(loop) if _here(loop) else None)
            born(entry)
            if not _here(loop) and thread_of(loop) not in (None, threading.get_ident()):
                stray(entry, place)
            return task

        self.undo = replace_method(loop, "create_task", create_task)


def _here(loop: asyncio.AbstractEventLoop) -> bool:
    return asyncio._get_running_loop() is loop


def caller(depth: int = 2) -> tuple[str, int, str]:
    """Where the user's code made a call: the innermost frame that is neither ours nor asyncio's."""
    frame = sys._getframe(depth)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("asyncio.", "aiorepl.")):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname
