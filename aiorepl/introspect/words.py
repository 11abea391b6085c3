"""A wait in one short phrase of plain text."""

import asyncio
from collections.abc import Callable, Sequence

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.callbacks import FUTURES
from aiorepl.introspect.chain import bounded, frame_of, links
from aiorepl.introspect.failures import in_library, own_frame
from aiorepl.introspect.values import Wait
from aiorepl.introspect.waits import wait_of

__all__ = ["OVERDUE", "ordinal", "wait_in_words", "wait_words"]

# How many holders are named.
_FEW = 3
_LONGEST = 120
# Seconds; a loop with much to do calls a timer a little late.
OVERDUE = 0.1


def wait_words(wait: Wait, name: Callable[[int], str]) -> str:
    """Say what a task waits on; ``name`` gives the names of tasks. What a wait does not tell is left out."""
    text = _SAID[wait.kind](wait, name) if wait.kind in _SAID else wait.what or wait.kind
    if wait.error:
        text += f" (not read: {wait.error})"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def wait_in_words(awaitable: object, loop: asyncio.AbstractEventLoop) -> str:
    """Say in a few words what a parked coroutine waits on and where; empty if that cannot be read.

    May be called from any thread.
    """
    chain = links(awaitable)
    frames = [frame for frame in map(frame_of, chain) if frame is not None]
    if not frames:
        return ""
    future = next((link for link in chain[::-1] if issubclass(type(link), FUTURES)), None)
    text = wait_words(wait_of(future, chain, loop, BOOK.number_of), _task_name)
    for frame in reversed(frames):
        code = frame.f_code
        if not in_library(code.co_filename) and not own_frame(code.co_filename):
            where = code.co_filename if code.co_name == "<module>" else code.co_name
            return f"{text} (line {frame.f_lineno} of {bounded(where)})"
    return text


def _task_name(number: int) -> str:
    task = BOOK.find(number)
    return bounded(task.get_name()) if isinstance(task, asyncio.Task) else f"task {number}"


def _names(numbers: Sequence[int], name: Callable[[int], str]) -> str:
    named = ", ".join(name(number) for number in numbers[:_FEW])
    return named + (f" and {len(numbers) - _FEW} more" if len(numbers) > _FEW else "")


def _task(wait: Wait, name: Callable[[int], str]) -> str:
    return _names(wait.tasks, name) or wait.what or "a task"


def _future(wait: Wait, _: Callable[[int], str]) -> str:
    return (wait.what or "a future") + ("" if wait.known else " (who sets it is not known)")


def _several(wait: Wait, _: Callable[[int], str]) -> str:
    return (wait.what or wait.kind) + _pending(wait) + _left(wait)


def _shield(wait: Wait, name: Callable[[int], str]) -> str:
    # Of one task its name is all there is to say.
    inner = name(wait.tasks[0]) if wait.pending is None and wait.tasks else wait.what + _pending(wait)
    return f"shield of {inner}" if inner else "shield"


def _wait_for(wait: Wait, _: Callable[[int], str]) -> str:
    return f"wait_for {wait.what}".rstrip() + _left(wait)


def _sleep(wait: Wait, _: Callable[[int], str]) -> str:
    return "asyncio.sleep" + _left(wait)


def _held(wait: Wait, name: Callable[[int], str]) -> str:
    holders = f" held by {_names(wait.holders, name)}" if wait.holders else ""
    return (wait.what or wait.kind.capitalize()) + holders + _line(wait)


def _event(wait: Wait, _: Callable[[int], str]) -> str:
    return f"{wait.what or 'Event'}.wait"


def _condition(wait: Wait, _: Callable[[int], str]) -> str:
    return f"{wait.what or 'Condition'}.wait" + _line(wait)


def _barrier(wait: Wait, _: Callable[[int], str]) -> str:
    missing = f", {wait.pending} of {wait.total} missing" if wait.pending is not None else ""
    return (wait.what or "Barrier") + missing


def _queue_get(wait: Wait, _: Callable[[int], str]) -> str:
    return f"{wait.what or 'Queue'}.get, empty" + _line(wait)


def _queue_put(wait: Wait, _: Callable[[int], str]) -> str:
    return f"{wait.what or 'Queue'}.put, full" + _line(wait)


def _queue_join(wait: Wait, _: Callable[[int], str]) -> str:
    items = "" if wait.pending is None else f", {wait.pending} item{'' if wait.pending == 1 else 's'} not done"
    return f"{wait.what or 'Queue'}.join{items}"


def _thread(wait: Wait, _: Callable[[int], str]) -> str:
    return ("thread" + (f": {wait.what}" if wait.what else "")) + (" (not started)" if wait.started is False else "")


def _pending(wait: Wait) -> str:
    if wait.pending is None:
        return ""
    return f", {wait.pending} pending" if wait.total is None else f", {wait.pending} of {wait.total} pending"


def _left(wait: Wait) -> str:
    if wait.left is None:
        return ""
    return f", {-wait.left:.1f} s overdue" if wait.left <= -OVERDUE else f", {max(0.0, wait.left):.1f} s left"


def _line(wait: Wait) -> str:
    """The place in line; who stands there alone needs not be told."""
    if wait.place is None or wait.total in (None, 1):
        return ""
    return f" ({ordinal(wait.place)} of {wait.total} in line)"


def ordinal(number: int) -> str:
    """Write a place: ``1st``, ``12th``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


_SAID: dict[str, Callable[[Wait, Callable[[int], str]], str]] = {
    "task": _task,
    "future": _future,
    "gather": _several,
    "wait": _several,
    "as_completed": _several,
    "taskgroup": _several,
    "shield": _shield,
    "wait_for": _wait_for,
    "sleep": _sleep,
    "lock": _held,
    "semaphore": _held,
    "event": _event,
    "condition": _condition,
    "barrier": _barrier,
    "queue.get": _queue_get,
    "queue.put": _queue_put,
    "queue.join": _queue_join,
    "thread": _thread,
}
