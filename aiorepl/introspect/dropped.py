"""Which tasks nothing refers to but the future that is to wake them, told by counting references; at no great cost.

No reference to a task is held where the loop may go on.
"""

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Generator, Iterable
from types import CoroutineType
from typing import Any

from aiorepl.introspect.book import BOOK

__all__ = ["dropped_in_pieces", "pending_task"]

# Tasks, or callbacks of a future, that are looked at in one piece.
_AT_A_TIME = 16
# The callbacks of a future for which more tasks wait are gone through once, and not for each of these.
_FEW = 8


def pending_task(number: int) -> Any:
    """Return the task of a number, if it has not ended."""
    task = BOOK.find(number)
    return task if isinstance(task, asyncio.Task) and not task.done() else None


def dropped_in_pieces(numbers: Iterable[int]) -> Generator[None, None, list[int]]:
    """Return those of the tasks to which nothing refers but the future that is to wake them."""
    found = []
    crowds: dict[int, tuple[object, Counter[int]]] = {}
    for count, number in enumerate(numbers):
        if count % _AT_A_TIME == 0:
            yield
        future = _awaited(number)
        if future is None:
            continue
        # The future is kept, so that no other one has its identity.
        crowd = crowds.get(id(future))
        if crowd is None and _is_crowded(future):
            crowd = crowds[id(future)] = (future, (yield from _wakings(future)))
        if _is_dropped(number, future, crowd[1] if crowd is not None else None):
            found.append(number)
    return found


def _awaited(number: int) -> Any:
    task = pending_task(number)
    return task._fut_waiter if task is not None else None


def _is_dropped(number: int, future: Any, wakings: Counter[int] | None) -> bool:
    task = pending_task(number)
    if task is None or task._fut_waiter is not future:
        return False
    waking = _waking(future, task) if wakings is None else wakings[id(task)]
    return _references(task) - _ALONE <= waking


def _references(item: object) -> int:
    return sys.getrefcount(item)


def _references_of_a_variable() -> int:
    """How many references are counted of what only a variable refers to, which depends on the version."""
    item = _Nothing()
    return _references(item)


class _Nothing:
    pass


_ALONE = _references_of_a_variable()


def _waking(future: Any, task: object) -> int:
    """How often a future, or what it calls when it is done, refers to a task."""
    # Up to 3.13 the callback, later on the future itself too ("awaited by") refers to the task.
    waking = _count(gc.get_referents(future), task)
    for part in gc.get_referents(future):
        if type(part) is not CoroutineType and part is not task:
            waking += _count(_within(part) if type(part) in (list, tuple) else gc.get_referents(part), task)
    return waking


def _wakings(future: Any) -> Generator[None, None, Counter[int]]:
    """The same for all tasks that wait for a future, by their identities."""
    wakings: Counter[int] = Counter()
    for place in range(len(gc.get_referents(future))):
        callbacks = _counted(future, place, wakings)
        for start in range(0, len(callbacks), _AT_A_TIME):
            wakings.update(map(id, _within(callbacks[start : start + _AT_A_TIME])))
            yield
    return wakings


def _counted(future: Any, place: int, wakings: Counter[int]) -> Any:
    """Count what a part of a future refers to; if that is its callbacks, return them to be counted one by one."""
    parts = gc.get_referents(future)
    part = parts[place] if place < len(parts) else None
    wakings[id(part)] += 1
    if type(part) in (list, tuple):
        return part
    if type(part) is not CoroutineType and not isinstance(part, asyncio.Task):
        wakings.update(map(id, gc.get_referents(part)))
    return ()


def _is_crowded(future: object) -> bool:
    return any(type(part) in (list, set) and len(part) > _FEW for part in gc.get_referents(future))


def _within(parts: Any) -> list[object]:
    """What is referred to by the items of a list of callbacks, each with its context."""
    found: list[object] = []
    for part in parts:
        items = part if type(part) is tuple else (part,)
        found += [referent for item in items for referent in gc.get_referents(item)]
    return found


def _count(parts: Iterable[object], wanted: object) -> int:
    return sum(part is wanted for part in parts)
