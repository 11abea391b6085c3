"""Ctrl-C, press by press: what it does to the cell, and what it says when that is not enough."""

import asyncio
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from aiorepl.alerts.places import line_text, where_words
from aiorepl.alerts.running import callback_words, program_line, running_callback
from aiorepl.interpret.host import Host
from aiorepl.interpret.interpreter import Execution
from aiorepl.model import Notice

__all__ = ["Interrupts", "Raiser", "held_words"]

# Seconds after which a press that has had no effect is explained.
PATIENCE = 0.5


class Raiser(Protocol):
    """Raises KeyboardInterrupt in a thread that is executing Python code."""

    def __call__(self, thread: int) -> None:
        """Raise it there as soon as that thread can take it."""


class Interrupts:
    """Follows the presses for one cell at a time.

    The first press interrupts the cell where it stands: parked, its task is cancelled; executing, KeyboardInterrupt is
    raised in it. If something else holds the loop, the first press says what, and the second is raised into it. If a
    press has no effect within ``PATIENCE``, that is said, and the next one leaves the loop behind.

    On an app's loop a press reaches the cell and nothing else: what else holds the loop is named, and is left alone.
    """

    def __init__(self, *, tell: Callable[[Notice], None], raiser: Raiser, abandon: Callable[[Execution], bool]) -> None:
        """Tell with ``tell``; ``abandon`` leaves a cell's loop behind, or returns False where that cannot be."""
        self._tell = tell
        self._raise = raiser
        self._abandon = abandon
        # Weak: what a cell has returned is not ours to keep.
        self._execution: Callable[[], Execution | None] = lambda: None
        self._ineffective = False
        self._held_by_other = False
        # Counts presses, so that an older press's patience does not speak after a newer one.
        self._press = 0

    async def press(self, execution: Execution) -> None:
        """Ctrl-C was pressed while this cell was in the foreground; returns when the press has done what it could."""
        if execution is not self._execution():
            self._execution, self._ineffective, self._held_by_other = weakref.ref(execution), False, False
        self._press += 1
        press = self._press
        if self._ineffective and self._abandon(execution):
            return
        execution.interrupted = True
        ended = asyncio.ensure_future(asyncio.shield(asyncio.wrap_future(execution.done)))
        cancelled = self.reach(execution)
        await asyncio.wait({ended}, timeout=PATIENCE)
        if press == self._press and not ended.done():
            self._explain(execution, cancelled=cancelled.is_set())
        ended.cancel()

    def reach(self, execution: Execution) -> threading.Event:
        """Interrupt a cell where it stands; return what is set once its task has been cancelled."""
        cancelled = threading.Event()

        def cancel() -> None:
            # It may have begun to execute, or ended, since it was seen parked.
            if execution.task is not None and not execution.task.done():
                execution.task.cancel()
            cancelled.set()

        if not execution.gate.interrupt(self._raise):
            host = execution.host
            if self._held_by_other and host.owned and host.thread is not None:
                self._raise(host.thread)
            host.call(cancel)
        return cancelled

    def _explain(self, execution: Execution, *, cancelled: bool) -> None:
        host = execution.host
        to_background = "Ctrl-Z sends the cell to the background"
        if execution.gate.interrupt(self._raise):
            self._ineffective = True
            again = "Ctrl-C again leaves this loop behind" if host.owned else to_background
            self._tell(Notice(f"still{_in_place(host) or ' executing'}; {again}"))
        elif cancelled:
            waits = execution.waits_on() or "its cleanup"
            more = f"Ctrl-C cancels that too, {to_background}"
            self._tell(Notice(f"the cell was cancelled and still waits on {waits}; {more}"))
        elif not host.loop.is_running():
            self._tell(Notice(f"the loop does not run now; {to_background}"))
        elif not host.owned:
            self._tell(Notice(f"{held_words(host)}; that is the program's own; {to_background}"))
        else:
            again = "leaves this loop behind" if self._held_by_other else "raises KeyboardInterrupt in it"
            self._ineffective = self._held_by_other
            self._held_by_other = True
            self._tell(Notice(f"{held_words(host)}; Ctrl-C again {again}"))


def held_words(host: Host) -> str:
    """Say what holds the loop's thread now, and in which line; called from another thread."""
    if not host.loop.is_running():
        return "the loop does not run now"
    return f"{holder_of(host)} holds the loop{_in_place(host)}"


def holder_of(host: Host) -> str:
    """Name what is on the loop's thread now; called from another thread."""
    frame = _frame_of(host)
    task = asyncio.current_task(host.loop)
    if task is not None:
        return task.get_name()
    if frame is not None and running_callback(frame) is not None:
        return callback_words(frame)
    return "something else"


def _in_place(host: Host) -> str:
    """Say in which line of the program's the loop's thread is; nothing, if what it is in was called by the loop."""
    frame = _frame_of(host)
    found = program_line(frame) if frame is not None else None
    if found is None:
        return ""
    source = line_text(found)
    return f" in {where_words(found)}" + (f": {source}" if source else "")


def _frame_of(host: Host) -> FrameType | None:
    return None if host.thread is None else sys._current_frames().get(host.thread)
