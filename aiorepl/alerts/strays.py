"""Uses of a loop from another thread than its own that do not wake it, so that the callback waits until something does.

asyncio notices them in debug mode only. Here ``create_task`` and ``call_at`` are checked by hooks, exactly; the others
(``call_soon``, ``Future.set_result``, ``Task.cancel``) by what comes of them: a loop that sleeps though it has work.
"""

import asyncio
import select
import threading
from collections.abc import Callable
from typing import Any

from aiorepl.alerts.births import caller
from aiorepl.alerts.blocked import Report
from aiorepl.alerts.endings import task_name
from aiorepl.alerts.places import frame_at, line_text
from aiorepl.alerts.pulse import Pulse
from aiorepl.alerts.replacing import replace_method
from aiorepl.alerts.values import Alert
from aiorepl.introspect import uv
from aiorepl.introspect.book import BOOK, Entry
from aiorepl.introspect.callbacks import callback_name, defined_at, served_task
from aiorepl.introspect.loops import number_of, thread_of
from aiorepl.introspect.values import Frame

__all__ = ["StrayWatch", "called"]

# A loop that is still asleep when it is looked at so many times more is one that nobody has woken. Of uvloop a sleep
# cannot be told from a wait for the GIL, which other threads pass on every now and then.
_LOOKS = 2
_LOOKS_OF_UVLOOP = 8


class StrayWatch:
    """Watches for uses of one loop from other threads, until ``undo``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pulse: Pulse, report: Report) -> None:
        """Watch from now on; ``report`` may be called on any thread."""
        self._loop = loop
        self._pulse = pulse
        self._report = report
        # A callback that waits in a loop that sleeps, and how often it has been seen to.
        self._suspect: object = None
        self._seen = 0
        self._looks = _LOOKS_OF_UVLOOP if uv.is_uvloop(loop) else _LOOKS
        self._undo = [_checked(loop, name, self._timed) for name in _timer_methods(loop)]

    def undo(self) -> None:
        """Give the loop its own methods back."""
        for undo in self._undo:
            undo()

    def created(self, entry: Entry, place: tuple[str, int, str]) -> None:
        """A task was made on another thread; called there."""
        task = entry()
        coroutine = getattr(getattr(task, "_coro", None), "__qualname__", "?")
        self._tell(
            f"create_task({coroutine}()) was called in thread {threading.current_thread().name}, not the loop's",
            frame_at(*place),
            f"asyncio.run_coroutine_threadsafe({coroutine}(...), loop)",
            task=entry.number,
        )

    def _timed(self, name: str, place: tuple[str, int, str]) -> None:
        self._tell(
            f"{name} was called in thread {threading.current_thread().name}, not the loop's",
            frame_at(*place),
            f"loop.call_soon_threadsafe(loop.{name}, ...)",
        )

    def tick(self) -> bool:
        """Look whether the loop sleeps though it has work; tell whether it may, so that it is not to be woken now."""
        first = _asleep_with(self._loop, self._pulse) if self._pulse.sent is None else None
        if first is None or first is not self._suspect:
            self._suspect, self._seen = first, 0
            return first is not None
        self._seen += 1
        if self._seen < self._looks:
            return True
        self._suspect = None
        self._tell_of_ready(first)
        return False

    def _tell_of_ready(self, handle: Any) -> None:
        callback, arguments = called(handle, self._loop)
        task = served_task(callback, arguments)
        name = callback_name(callback)
        if task is not None:
            what = f"{task_name(task)} was woken from another thread, and the loop sleeps on"
            instead = "loop.call_soon_threadsafe(future.set_result, ...), or loop.call_soon_threadsafe(task.cancel)"
        else:
            what = f"call_soon({name}) was called from another thread, and the loop sleeps on"
            instead = f"loop.call_soon_threadsafe({name}, ...)"
        where = defined_at(callback) if task is None else None
        self._tell(what, where, instead, task=BOOK.number_of(task) if task is not None else None, sampled=True)

    def _tell(
        self, what: str, where: Frame | None, instead: str, *, task: int | None = None, sampled: bool = False
    ) -> None:
        self._report(
            Alert(
                "non-threadsafe",
                what,
                where=where,
                source=line_text(where),
                task=task,
                loop=number_of(self._loop),
                cure=f"Write instead: {instead}",
                sampled=sampled,
            ),
            None,
        )


def _timer_methods(loop: asyncio.AbstractEventLoop) -> tuple[str, ...]:
    # asyncio's call_later calls the loop's call_at; uvloop's does not.
    return ("call_at", "call_later") if uv.is_uvloop(loop) else ("call_at",)


def _checked(
    loop: asyncio.AbstractEventLoop, name: str, stray: Callable[[str, tuple[str, int, str]], object]
) -> Callable[[], None]:
    """Have a method of a loop object check its thread; return what undoes that."""
    inner: Any = getattr(loop, name)

    def checked(*arguments: Any, **options: Any) -> Any:
        elsewhere = asyncio._get_running_loop() is not loop and thread_of(loop) not in (None, threading.get_ident())
        # In debug mode asyncio's own loops refuse it, which is told instead.
        if elsewhere and not (loop.get_debug() and not uv.is_uvloop(loop)):
            stray(name, caller())
        timer = inner(*arguments, **options)
        # In debug mode a timer remembers the calls that made it, and this one is not the program's.
        if source := getattr(timer, "_source_traceback", None):
            del source[-1]
        return timer

    return replace_method(loop, name, checked)


def _asleep_with(loop: asyncio.AbstractEventLoop, pulse: Pulse) -> object | None:
    """Return the first callback that is ready while the loop's thread sleeps; None if there is none, or it is awake."""
    ready = uv.ready_queue(loop) if uv.is_uvloop(loop) else getattr(loop, "_ready", None)
    if not ready or not pulse.asleep() or _is_woken(loop, pulse):
        return None
    try:
        first: object = ready[0]
    except IndexError:
        return None
    place = defined_at(called(first, loop)[0])
    return None if place is not None and place.own else first


def _is_woken(loop: asyncio.AbstractEventLoop, pulse: Pulse) -> bool:
    """Tell whether the loop has been woken, and its thread has only not come to run again; True where nothing tells."""
    wakeup = getattr(loop, "_ssock", None)
    if wakeup is not None and wakeup.fileno() >= 0:
        # What call_soon_threadsafe has written is there until the loop's thread reads it.
        poll = select.poll()
        poll.register(wakeup.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    return not pulse.thread_sleeps()


def called(handle: Any, loop: asyncio.AbstractEventLoop) -> tuple[object, tuple[object, ...]]:
    """Return what a handle of a loop calls, and with which arguments."""
    return uv.called_by(handle) if uv.is_uvloop(loop) else (handle._callback, tuple(handle._args or ()))
