"""How much memory the process has, and about how much of it a pending task takes."""

import asyncio
import collections
import gc
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

from aiorepl.introspect.chain import OPAQUE, coroutine_of, links

__all__ = ["process_memory", "task_sizes"]

# References that are followed from a task, and objects of one that are looked at.
_STEPS = 5
_OBJECTS = 200
# What a program has once, whoever refers to it.
_SHARED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType)
_SINGLE = (type(None), bool, type(...), type(NotImplemented))
# Of other types the size is asked of ``object``: ``__sizeof__`` may be the program's code.
_BUILTIN = frozenset((int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, collections.deque))


def process_memory() -> int | None:
    """Return the bytes of memory that the process has now; None where the system does not tell (it is not Linux)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def task_sizes(tasks: Sequence[Any]) -> list[int]:
    """Estimate how many bytes each of these tasks takes: itself, its coroutines, and what only it refers to.

    Two tasks and more are needed to tell what is shared. What stands five references away, or behind 200 others, and
    memory that no Python object has, is not counted. Runs no code of the program's. For the loop's own thread, as
    otherwise the tasks go on meanwhile.
    """
    levels: list[list[Any]] = [_roots(task) for task in tasks]
    seen: list[dict[int, Any]] = [{id(part): part for part in level} for level in levels]
    # What several refer to belongs to none of them, and neither does what is behind it.
    shared: dict[int, Any] = {}
    for _ in range(_STEPS):
        reached = [_next(level, known, shared) for level, known in zip(levels, seen, strict=True)]
        times = collections.Counter(key for found in (*reached, *seen) for key in found)
        shared.update((key, part) for found in reached for key, part in found.items() if times[key] > 1)
        levels = [[part for key, part in found.items() if key not in shared] for found in reached]
        for level, known in zip(levels, seen, strict=True):
            known.update((id(part), part) for part in level)
    return [sum(_size(part) for key, part in known.items() if key not in shared) for known in seen]


def _roots(task: Any) -> list[Any]:
    """The task and its chain, up to another task: what that has is its own."""
    chain = []
    for link in links(coroutine_of(task)):
        if issubclass(type(link), asyncio.Task):
            break
        chain.append(link)
    return [task, *chain]


def _next(level: list[Any], known: dict[int, Any], shared: dict[int, Any]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for referent in gc.get_referents(*level):
        kind = type(referent)
        if issubclass(kind, (*_SHARED, asyncio.Task, asyncio.AbstractEventLoop)) or kind in _SINGLE:
            continue
        if id(referent) not in known and id(referent) not in shared and len(found) + len(known) < _OBJECTS:
            found[id(referent)] = referent
    return found


def _size(value: Any) -> int:
    kind = type(value)
    if kind in _BUILTIN or kind.__name__ in OPAQUE or issubclass(kind, _MEASURED):
        return sys.getsizeof(value)
    return object.__sizeof__(value) + (_HEADER if gc.is_tracked(value) else 0)


# What the collector keeps in front of an object.
_HEADER = 16
# A coroutine contains its frame, of any length.
_MEASURED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
