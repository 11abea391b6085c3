"""What a task holds open around where it stands: locks, deadlines, TaskGroups that it has entered with ``async with``.

The interpreter keeps the ``__aexit__`` of each such block with the frame, and the collector tells what a coroutine
refers to. A lock taken by a plain ``await lock.acquire()`` leaves no such trace.
"""

import asyncio
import contextlib
import gc
import itertools
import sys
from asyncio import locks
from collections import deque
from collections.abc import Iterator, Sequence
from types import AsyncGeneratorType, CoroutineType, FrameType, FunctionType, MethodType
from typing import Any, NamedTuple

from aiorepl.introspect.chain import frame_of, place
from aiorepl.introspect.loops import now
from aiorepl.introspect.values import Frame, Held, Timeout
from aiorepl.introspect.waits import lock_name, semaphore_name

__all__ = ["Blocks", "open_blocks"]

_type_name = type.__dict__["__name__"].__get__


class Blocks(NamedTuple):
    """The blocks that are open, the outermost first; ``groups`` are alive, and for immediate use only."""

    holds: tuple[Held, ...]
    timeouts: tuple[Timeout, ...]
    groups: tuple["asyncio.TaskGroup", ...]


_NOTHING = Blocks((), (), ())
_MANAGERS = (
    asyncio.Lock,
    asyncio.Semaphore,
    asyncio.Condition,
    asyncio.Timeout,
    asyncio.TaskGroup,
    contextlib.AsyncExitStack,
    contextlib._AsyncGeneratorContextManager,
)
_CONDITION_WAIT = asyncio.Condition.wait.__code__
_WAIT_FOR = asyncio.wait_for.__code__


def open_blocks(chain: Sequence[object], loop: asyncio.AbstractEventLoop) -> Blocks:
    """Find the blocks that are open anywhere in an await chain, also within asynchronous context managers."""
    found: list[tuple[Any, int]] = []
    released: list[object] = []
    for index, link in enumerate(chain):
        parts = gc.get_referents(link)
        managers = _open_managers(parts)
        if managers:
            if _is_entering(chain, index, managers[-1]):
                del managers[-1]
            found += [(manager, index) for manager in managers]
        if type(link) is not CoroutineType:
            continue
        if link.cr_code is _CONDITION_WAIT:
            # It has let go of its lock, though it stands in a block of it.
            released += [part._lock for part in parts if issubclass(type(part), asyncio.Condition)]
        elif link.cr_code is _WAIT_FOR and sys.version_info < (3, 12):
            # Later versions stand in a block of asyncio.timeout here.
            found += [(part, index) for part in parts if _type_name(type(part)) == "TimerHandle"]
    return _blocks(found, released, chain, loop) if found else _NOTHING


if sys.version_info < (3, 14):

    def _open_managers(parts: list[Any]) -> list[Any]:
        """The context managers whose ``__aexit__`` is among what a coroutine refers to."""
        methods = [part for part in parts if type(part) is MethodType and _is_exit(part.__func__)]
        return [method.__self__ for method in methods if issubclass(type(method.__self__), _MANAGERS)]

else:

    def _open_managers(parts: list[Any]) -> list[Any]:
        """The context managers whose ``__aexit__`` stands before them in what a coroutine refers to."""
        # One is the coroutine's own.
        if list(map(type, parts)).count(FunctionType) < 2:
            return []
        pairs = [pair for pair in itertools.pairwise(parts) if _is_exit(pair[0])]
        return [manager for _, manager in pairs if issubclass(type(manager), _MANAGERS)]


def _is_exit(function: object) -> bool:
    return type(function) is FunctionType and function.__code__.co_name == "__aexit__"


def _is_entering(chain: Sequence[object], index: int, manager: object) -> bool:
    """Tell whether a link awaits the ``__aenter__`` of the block: its ``__aexit__`` is there before it is entered."""
    following = chain[index + 1] if index + 1 < len(chain) else None
    if type(following) is not CoroutineType or following.cr_code.co_name != "__aenter__":
        return False
    return any(part is manager for part in gc.get_referents(following))


def _blocks(
    found: list[tuple[Any, int]], released: list[object], chain: Sequence[object], loop: asyncio.AbstractEventLoop
) -> Blocks:
    holds: list[Held] = []
    timeouts: list[Timeout] = []
    groups: list[asyncio.TaskGroup] = []
    seen = {id(link) for link in chain if type(link) is AsyncGeneratorType}
    left = [(manager, _place(chain, index)) for manager, index in reversed(found)]
    while left:
        manager, frame = left.pop()
        kind = type(manager)
        if issubclass(kind, asyncio.TaskGroup):
            groups.append(manager)
        elif kind is asyncio.Timeout or _type_name(kind) == "TimerHandle":
            when = manager.when()
            if when is not None:
                timeouts.append(Timeout(when - now(loop), frame))
        elif issubclass(kind, locks._ContextManagerMixin):
            held = _held(manager, frame)
            if not any(id(lock) == held.key for lock in released):
                holds.append(held)
        else:
            left += list(_within(manager, frame, seen))[::-1]
    return Blocks(tuple(holds), tuple(timeouts), tuple(groups))


def _held(manager: Any, frame: Frame) -> Held:
    kind = type(manager)
    if issubclass(kind, asyncio.Condition):
        return Held(id(manager._lock), "lock", lock_name(manager), frame)
    if issubclass(kind, asyncio.Lock):
        return Held(id(manager), "lock", _type_name(kind), frame)
    return Held(id(manager), "semaphore", semaphore_name(manager), frame)


def _within(manager: Any, frame: Frame, seen: set[int]) -> Iterator[tuple[Any, Frame]]:
    """What a context manager of ``contextlib`` has entered itself."""
    if issubclass(type(manager), contextlib.AsyncExitStack):
        callbacks = manager._exit_callbacks
        for entry in list(callbacks) if type(callbacks) is deque else ():
            for inner in _of_callback(entry):
                yield inner, frame
        return
    generator = getattr(manager, "gen", None)
    if type(generator) is not AsyncGeneratorType or id(generator) in seen:
        return
    seen.add(id(generator))
    inside = frame_of(generator)
    for inner in _open_managers(gc.get_referents(generator)):
        yield inner, place(inside) if inside is not None else frame


def _of_callback(entry: Any) -> Iterator[Any]:
    callback = entry[1] if type(entry) is tuple and len(entry) == 2 else None
    if type(callback) is MethodType and issubclass(type(callback.__self__), _MANAGERS):
        yield callback.__self__


def _place(chain: Sequence[object], index: int) -> Frame:
    """Where the program's code stands that opened a block; asyncio's wait_for opens one for its caller."""
    nearest: Frame | None = None
    for link in chain[index::-1]:
        frame: FrameType | None = frame_of(link)
        if frame is None:
            continue
        here = place(frame)
        nearest = nearest or here
        if not here.library:
            return here
    return nearest or Frame("", "", 0)
