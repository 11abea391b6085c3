"""Which waits nothing can end, as nobody but the waiting tasks has the thing that they wait for.

The collector is asked who refers to it, and who to those, until something is met that may act: then it is silence. What
the collector does not see (the variables of a function that runs in another thread, a reference of a compiled library)
is noticed by the reference count, and counts as somebody. This goes through all objects of the process: about 16 ms for
each million of them and for each step, during which nothing else of the process runs.
"""

import asyncio
import gc
import itertools
import sys
import weakref
from collections import Counter, deque
from collections.abc import Generator, Iterable, Sequence
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

__all__ = ["MOST", "MOST_OBJECTS", "Search", "is_main", "parts_of", "search_for"]

Task = asyncio.Task[Any]

# Waits that are worth examining at a time, objects that are gone through for one of them, and steps away from it.
MOST = 20
MOST_OBJECTS = 200
_STEPS = 8
# So many are looked for in one piece, as each makes that longer; and so many of those that refer to them are looked at.
_AT_ONCE = 8
_PARTS = 64
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


def search_for(
    tasks: Sequence[Task], waiting: set[int], *, whole: bool, but_for_cancelling: bool = False
) -> "Search | None":
    """Prepare to look who can reach what the first task waits for; on the loop's own thread.

    Args:
        tasks: Tasks that wait for the same thing, together with those that can do nothing before these have ended
            (the ones that only await them).
        waiting: The identities of what makes up all of these.
        whole: Whether these are all.
        but_for_cancelling: Do not ask who can cancel them, be it how they are meant to end.

    Returns:
        None if it can be reached, as is seen at first sight, or if too much would have to be gone through.
    """
    wanted = _awaited_objects(tasks[0])
    weakly = any(weakref.getweakrefcount(item) for item in wanted[1:]) or _has_weakly(wanted[0], len(tasks))
    if is_main(tasks[0]) or weakly:
        # Ctrl-C ends the first, and who has a weak reference has all that is needed.
        return None
    if not (but_for_cancelling or _has_by_name(tasks[0], wanted)):
        # "await Event().wait()", or "await Future()", is how to run until one is cancelled: who can do that must be
        # part of the waiting, too.
        if not whole or len(tasks) > MOST_OBJECTS:
            return None
        wanted += tasks
        waiting = waiting.difference(map(id, tasks))
    return Search(waiting, wanted)


def _has_weakly(future: object, looks: int) -> bool:
    """Tell whether somebody has a weak reference to a future, beside so many looks that note what a task waits for."""
    references: list[object] = list(weakref.getweakrefs(future))
    gauge: list[object] = [_Gauge()]
    # Whoever asks for a plain one gets the same.
    return len(references) > 1 or (
        bool(references) and sys.getrefcount(references[0]) - sys.getrefcount(gauge[0]) > looks
    )


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


def parts_of(task: Task) -> set[int]:
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


def _count(parts: Iterable[object], wanted: object) -> int:
    return sum(part is wanted for part in parts)


class _Gauge:
    """What only the search itself refers to: whatever refers to it, and as often as it does, is the search's own."""


class Search:
    """Goes from who refers to the wanted objects to who refers to those, until somebody else is met, or nobody.

    What is found in different pieces need not have been so at one time, as the loop goes on in between. So at the end
    all references are counted: whoever has got hold of something meanwhile, wherever from, is one too many.
    """

    def __init__(self, waiting: set[int], wanted: list[object]) -> None:
        """``waiting`` are the identities of what waits, which need not be looked at."""
        self._waiting = waiting
        self._gauge = _Gauge()
        # By identity; the gauge is the first. Beside what was found these are the only references where the loop may go
        # on.
        self._seen: dict[int, object] = {id(item): item for item in (self._gauge, *wanted)}
        # What refers to something that was looked for last, as far as it has not been looked at.
        self._found: list[object] = []
        # How often parts of what waits refer to what.
        self._visible: Counter[int] = Counter()

    def in_pieces(self) -> Generator[None, None, bool]:
        """Tell whether whatever can reach what is wanted is part of the waiting; all on the loop's own thread."""
        numbers = list(self._seen)[1:]
        for _ in range(_STEPS):
            known = len(self._seen)
            for start in range(0, len(numbers), _AT_ONCE):
                piece = numbers[start : start + _AT_ONCE]
                self._look_for(piece)
                yield
                while self._found:
                    if self._meets_somebody(piece):
                        return False
                    yield
            numbers = list(itertools.islice(self._seen, known, None))
            if not numbers:
                return self._is_complete()
        return False

    def _look_for(self, numbers: list[int]) -> None:
        self._found = gc.get_referrers(self._gauge, *map(self._seen.__getitem__, numbers))

    def _meets_somebody(self, numbers: list[int]) -> bool:
        """Look at some of what refers to what was looked for; tell whether one is neither waiting nor does nothing."""
        some = self._found[-_PARTS:]
        del self._found[-_PARTS:]
        for found in some:
            referents = gc.get_referents(found)
            if id(found) in self._waiting:
                self._visible.update(number for number in map(id, referents) if number in numbers)
            # From 3.13 on the very arguments of the call are among the others.
            elif id(found) not in self._seen and not _count(referents, self._gauge):
                if _may_act(found) or len(self._seen) > MOST_OBJECTS:
                    return True
                self._seen[id(found)] = found
        return False

    def _is_complete(self) -> bool:
        """Tell whether every reference to what was seen is one that was seen, too."""
        visible = self._visible.copy()
        for found in self._seen.values():
            visible.update(number for number in map(id, gc.get_referents(found)) if number in self._seen)
        del found
        own = 0
        for number, item in self._seen.items():
            references = sys.getrefcount(item)
            # The gauge has one reference that the others have not: the search's own.
            if not own:
                own = references - 1
            elif references > own + visible[number]:
                # The collector does not see who that is; or it came later.
                return False
        return True


def _may_act(found: object) -> bool:
    """Tell whether an object may do something by itself, or is reached from everywhere."""
    kind = type(found)
    if issubclass(kind, _ACTIVE):
        return True
    # Instances of classes that are written in Python do nothing unless they are called; what others do is not known.
    return not (issubclass(kind, _PASSIVE) or kind.__name__ in OPAQUE or kind.__flags__ & _HEAP_TYPE)
