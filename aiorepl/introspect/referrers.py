"""Which waits nothing can end, as nobody but the waiting tasks has the thing that they wait for.

The collector is asked who refers to it, and who to those, until something is met that may act: then it is silence. What
the collector does not see (the variables of a function that runs in another thread, a reference of a compiled library)
is noticed by the reference count, and counts as somebody. This goes through all objects of the process: about 16 ms for
each million of them and for each step, during which nothing else of the process runs.
"""

import asyncio
import gc
import sys
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

from aiorepl.introspect.chain import OPAQUE, coroutine_of, frame_of, links

__all__ = ["MOST", "dropped_tasks", "is_lost", "is_main"]

Task = asyncio.Task[Any]

# Waits that are worth examining at a time, objects that are gone through for one of them, and steps away from it.
MOST = 20
_OBJECTS = 200
_STEPS = 8
_SUSPENDED = (CoroutineType, GeneratorType, AsyncGeneratorType)
# What does nothing by itself, so that only who refers to it matters.
_CONTAINERS: tuple[type, ...] = (dict, list, tuple, set, frozenset, deque, CellType, asyncio.Future)
_PASSIVE: tuple[type, ...] = (
    *(*_SUSPENDED, *_CONTAINERS),
    *(FrameType, MethodType, FunctionType, BuiltinFunctionType),
)
_ACTIVE: tuple[type, ...] = (asyncio.Task, asyncio.AbstractEventLoop, asyncio.Handle, ModuleType, type)
# Py_TPFLAGS_HEAPTYPE
_HEAP_TYPE = 1 << 9


def dropped_tasks(tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks to which nothing refers but the future that is to wake them; at no great cost.

    The iterable is to hold no reference to a task that it has given.
    """
    found = []
    for task in tasks:
        future = task._fut_waiter  # type: ignore[attr-defined]
        if future is None:
            continue
        # Up to 3.13 the callback, later on the future itself too ("awaited by") refers to the task.
        waking = _count(gc.get_referents(future), task)
        for part in gc.get_referents(future):
            if type(part) is not CoroutineType and part is not task:
                waking += _count(gc.get_referents(part) if type(part) not in (list, tuple) else _within(part), task)
        # The loop's variable, the argument of getrefcount, and what the iterable holds while it gives it.
        if sys.getrefcount(task) - _OWN <= waking:
            found.append(task)
    return found


_OWN = 2


def _within(parts: Any) -> list[object]:
    """What is referred to by the items of a list of callbacks, each with its context."""
    found: list[object] = []
    for part in parts:
        items = part if type(part) is tuple else (part,)
        found += [referent for item in items for referent in gc.get_referents(item)]
    return found


def _count(parts: Iterable[object], wanted: object) -> int:
    return sum(part is wanted for part in parts)


def is_lost(group: Sequence[Task]) -> bool:
    """Tell whether whatever can reach what the first task waits for is part of the waiting itself.

    Call it on the loop's own thread, or nothing it says is certain.

    Args:
        group: Tasks that wait for the same thing, together with those that can do nothing before these have ended
            (the ones that only await them).
    """
    waiting: set[int] = set()
    for task in group:
        waiting |= _parts_of(task)
    wanted = _awaited_objects(group[0])
    if is_main(group[0]) or any(weakref.getweakrefcount(item) for item in wanted[1:]):
        # Ctrl-C ends the first, and who has a weak reference has all that is needed.
        return False
    if not _has_by_name(group[0], wanted[1:]):
        # "await Event().wait()" is how to run until one is cancelled: who can do that must be part of the waiting, too.
        wanted += group
        waiting -= set(map(id, group))
    return _reached_only_by(waiting, wanted)


def _has_by_name(task: Task, wanted: list[object]) -> bool:
    """Tell whether the program's own code has one of these at hand where it waits."""
    users = [
        link for link in links(coroutine_of(task)) if type(link) in _SUSPENDED and _code_of(link) not in _SYNC_CODES
    ]
    return any(_count(gc.get_referents(link), item) for link in users for item in wanted)


def _code_of(link: Any) -> object:
    return getattr(link, "cr_code", None)


def is_main(task: Task) -> bool:
    """Tell whether a task is the one that ``run_until_complete`` waits for."""
    callbacks = task._callbacks or ()
    return any(entry[0] is asyncio.base_events._run_until_complete_cb for entry in callbacks)  # type: ignore[attr-defined]


def _parts_of(task: Task) -> set[int]:
    """The identities of what makes up a waiting task; no reference to it is left behind."""
    chain = links(coroutine_of(task))
    return {id(task), *map(id, chain), *(id(frame) for frame in map(frame_of, chain) if frame is not None)}


def _awaited_objects(task: Task) -> list[object]:
    """The future that a task waits for, and the event, queue or the like that it comes from."""
    found: list[object] = [task._fut_waiter]  # type: ignore[attr-defined]
    for link in links(coroutine_of(task)):
        if type(link) is CoroutineType and _code_of(link) in _SYNC_CODES:
            found += [part for part in gc.get_referents(link) if isinstance(part, _SYNC)]
    return found


_SYNC = (asyncio.Event, asyncio.Queue, asyncio.Condition, asyncio.Lock, asyncio.Semaphore)
_SYNC_CODES = frozenset(
    function.__code__
    for function in (
        asyncio.Event.wait,
        asyncio.Queue.get,
        asyncio.Queue.put,
        asyncio.Condition.wait,
        asyncio.Lock.acquire,
        asyncio.Semaphore.acquire,
    )
)


class _Gauge:
    """What only the search itself refers to: whatever refers to it, and as often as it does, is the search's own."""


def _reached_only_by(waiting: set[int], wanted: list[object]) -> bool:
    """Go from who refers to the wanted objects to who refers to those, until somebody else is met, or nobody."""
    gauge = _Gauge()
    wanted.append(gauge)
    seen: dict[int, object] = {id(item): item for item in wanted}
    # Those have one reference more, by the list.
    given = set(map(id, wanted)) - {id(gauge)}
    frontier = [gauge, *wanted[:-1]]
    for _ in range(_STEPS):
        # From 3.13 on the very arguments of the call are among them.
        referrers = [found for found in gc.get_referrers(*frontier) if not _count(gc.get_referents(found), gauge)]
        if _is_hidden(frontier, referrers, given):
            return False
        following = {id(found): found for found in referrers if id(found) not in waiting and id(found) not in seen}
        if any(map(_may_act, following.values())) or len(seen) + len(following) > _OBJECTS:
            return False
        if not following:
            return True
        seen.update(following)
        frontier = [gauge, *following.values()]
        del referrers, following
    return False


def _is_hidden(frontier: list[object], referrers: list[Any], given: set[int]) -> bool:
    """Tell whether something refers to one of these objects that the collector does not see; the first is the gauge."""
    own = 0
    for item in frontier:
        visible = sum(_count(gc.get_referents(found), item) for found in referrers)
        references = sys.getrefcount(item)
        # The gauge has two references that the others have not: a variable's and the list's of what is wanted.
        if not own:
            own = references - 2
        elif references > own + visible + (id(item) in given):
            return True
    return False


def _may_act(found: object) -> bool:
    """Tell whether an object may do something by itself, or is reached from everywhere."""
    kind = type(found)
    if issubclass(kind, _ACTIVE):
        return True
    # Instances of classes that are written in Python do nothing unless they are called; what others do is not known.
    return not (issubclass(kind, _PASSIVE) or kind.__name__ in OPAQUE or kind.__flags__ & _HEAP_TYPE)
