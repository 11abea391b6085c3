"""The await chain: from a coroutine through all that it awaits to the innermost, with nothing run and nothing kept.

Everything here may be called from any thread; what moves meanwhile ends the chain early.
"""

import asyncio
import functools
import gc
from collections.abc import Sequence
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, cast

from aiorepl.introspect.failures import in_library, own_frame
from aiorepl.introspect.summary import type_name
from aiorepl.introspect.values import Frame, Stack

__all__ = [
    "OPAQUE",
    "Places",
    "bounded",
    "coroutine_name",
    "coroutine_of",
    "definition",
    "frame_of",
    "innermost_own",
    "links",
    "origin",
    "place",
    "program_place",
    "thread_stack",
]

# Awaitables that hide from cr_await what is behind them; the collector knows what they refer to.
OPAQUE = frozenset(
    ("async_generator_asend", "async_generator_athrow", "coroutine_wrapper", "anext_awaitable", "FutureIter")
)


class _NoLoop:
    def get_debug(self) -> bool:
        return False


# The type of what a future's __await__ returns, which has no name in any module; a future needs no loop for that.
_FutureIter: object = type(asyncio.Future(loop=cast(asyncio.AbstractEventLoop, _NoLoop())).__await__())
# Names and paths are cut at this many characters.
_LONGEST = 300


def coroutine_of(task: Any) -> Any:
    """Return a task's coroutine; None for an eager task that ended in its first step.

    Not by ``get_coro``, which crashes Python 3.12.0 and 3.12.1 for such a task.
    """
    coroutine = getattr(task, "_coro", None)
    # See aiorepl.alerts.guests.
    return coroutine if type(coroutine) is CoroutineType else getattr(coroutine, "guarded", coroutine)


def coroutine_name(coroutine: Any) -> str:
    """Return the qualified name of a coroutine, also of one that another compiler made; empty for None."""
    if type(coroutine) is CoroutineType:
        return bounded(coroutine.__qualname__)
    if coroutine is None:
        # An eager task that ended in its first step has given it up.
        return ""
    name = getattr(coroutine, "__qualname__", None) or getattr(coroutine, "__name__", None)
    return bounded(name) if type(name) is str else type_name(coroutine)


def links(awaitable: object) -> list[object]:
    """Return a coroutine, what it awaits, what that awaits, and so on; the last one is usually a future.

    An awaitable without a frame, such as what ``anext`` returns, is left out; a circle ends where it closes.
    """
    found: list[object] = []
    # Only what is not a coroutine can close a circle, so that only it is looked up here.
    seen: set[int] = set()
    current: Any = awaitable
    while current is not None:
        kind = type(current)
        if kind is CoroutineType:
            found.append(current)
            # Of what executes, 3.11 and 3.12 look for that on a stack that is not there, and may crash.
            current = None if current.cr_running else current.cr_await
            continue
        if kind is _FutureIter:
            # What a future's __await__ returns refers to nothing else.
            # On 3.14 also to its type.
            found += (part for part in gc.get_referents(current) if type(part) is not type)
            break
        if id(current) in seen:
            break
        seen.add(id(current))
        if kind.__name__ in OPAQUE:
            current = _behind(current)
            continue
        found.append(current)
        if kind is GeneratorType:
            current = (None if current.gi_running else current.gi_yieldfrom) or _driven(current)
        elif kind is AsyncGeneratorType:
            current = _awaited_by_generator(current)
        else:
            current = _awaited_by_other(current)
    return found


def frame_of(link: Any) -> FrameType | None:
    """Return the frame of a link of the chain; None if it has none, or has ended."""
    kind = type(link)
    frame: FrameType | None
    if kind is asyncio.Future or kind is asyncio.Task:
        # The end of most chains.
        frame = None
    elif kind is CoroutineType:
        frame = link.cr_frame
    elif kind is GeneratorType:
        frame = link.gi_frame
    elif kind is AsyncGeneratorType:
        frame = link.ag_frame
    else:
        # Coroutines of other compilers look like Python's; their attributes are slots of their type.
        name = next((name for name in ("cr_frame", "gi_frame", "ag_frame") if hasattr(kind, name)), "")
        value = getattr(link, name) if name else None
        frame = value if isinstance(value, FrameType) else None
    return frame


def place(frame: FrameType) -> Frame:
    """Describe where a frame stands."""
    return _frame(frame.f_code, frame.f_lineno or 0)


def definition(code: CodeType) -> Frame:
    """Describe where a function begins."""
    return _frame(code, code.co_firstlineno)


def thread_stack(innermost: FrameType | None, outermost: FrameType | None = None) -> Stack:
    """Describe a running stack, as ``sys._current_frames`` gives it, without aiorepl's frames.

    It begins at the outermost call, or at the frame ``outermost`` if that is in it.
    """
    frames = []
    while innermost is not None:
        frames.append(place(innermost))
        if innermost is outermost:
            break
        innermost = innermost.f_back
    return tuple(frame for frame in reversed(frames) if not frame.own)


def program_place(stack: Stack) -> Frame | None:
    """Where a stack stands in the program's own code, or else in a package's, or else where it ends."""
    return innermost_own(stack) or (stack[-1] if stack else None)


def innermost_own(stack: Stack) -> Frame | None:
    """The innermost frame of a stack that is the program's own, or else a package's; None if all is Python's."""
    packaged: Frame | None = None
    for frame in reversed(stack):
        if frame.library:
            continue
        if "site-packages" not in frame.file:
            return frame
        packaged = packaged or frame
    return packaged


class Places:
    """Describes stacks; equal ones are one object, which is what makes a snapshot of many tasks small.

    It holds the code that it has seen, so it lives no longer than one look.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        # By the identity of each frame's code, which is held so that it stays one, and the place in it.
        self._stacks: dict[tuple[int, ...], Stack] = {}
        self._codes: set[CodeType] = set()

    def stack(self, chain: Sequence[object]) -> Stack:
        """Describe where each link of a chain stands, without aiorepl's own frames."""
        keys: list[int] = []
        for link in chain:
            frame = link.cr_frame if type(link) is CoroutineType else frame_of(link)
            if frame is not None:
                keys += (id(frame.f_code), frame.f_lasti)
        whole = tuple(keys)
        stack = self._stacks.get(whole)
        if stack is None:
            frames = [frame for frame in map(frame_of, chain) if frame is not None]
            self._codes.update(frame.f_code for frame in frames)
            stack = self._stacks[whole] = tuple(found for found in map(place, frames) if not found.own)
        return stack


def bounded(text: str) -> str:
    """Return a text of the program's that is no longer than needs be."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _frame(code: CodeType, line: int) -> Frame:
    # asyncio's own code counts as Python's wherever it is from; uvloop's has no frames.
    file, library, own = origin(code.co_filename)
    return Frame(bounded(code.co_qualname), file, line, library, own)


@functools.lru_cache(maxsize=1_000)
def origin(file: str) -> tuple[str, bool, bool]:
    """Return a code's file in bounded length, whether it is one of Python's, and whether it is one of aiorepl's."""
    return bounded(file), in_library(file), own_frame(file)


def _behind(awaitable: object) -> object:
    """What an opaque awaitable refers to that can be gone into, or ends the chain."""
    for referent in gc.get_referents(awaitable):
        if _can_be_awaited(referent):
            return referent
        # anext(): it holds the awaitable of __anext__, which may be opaque itself.
        if type(referent).__name__ in OPAQUE:
            return referent
    return None


def _awaited_by_generator(generator: "AsyncGeneratorType[Any, Any]") -> object:
    """What an asynchronous generator awaits; None if it executes, as then 3.11 and 3.12 may crash."""
    frame = generator.ag_frame
    # ``ag_running`` is also true of one that is suspended in an await.
    return None if frame is None or frame.f_back is not None else generator.ag_await


def _driven(generator: "GeneratorType[Any, Any, Any]") -> object:
    """What a generator drives without ``yield from``, if it is known to do so."""
    if own_frame(generator.gi_code.co_filename):
        # It goes step by step through a cell's coroutine, or through a traced call.
        return next((r for r in gc.get_referents(generator) if _is_driven(r)), None)
    if generator.gi_code in _FUTURE_AWAITS:
        return next((r for r in gc.get_referents(generator) if asyncio.isfuture(r)), None)
    return None


def _is_driven(value: object) -> bool:
    return type(value) in (CoroutineType, GeneratorType) or type(value).__name__ in OPAQUE


# Of futures that are written in Python, ``__await__`` is a generator.
_FUTURE_AWAITS = {asyncio.futures._PyFuture.__await__.__code__}  # type: ignore[attr-defined]


def _awaited_by_other(awaitable: object) -> object:
    """What another compiler's coroutine awaits, or the iterator that an ``__await__`` gave."""
    kind = type(awaitable)
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        if hasattr(kind, name):
            awaited: object = getattr(awaitable, name)
            return awaited
    if asyncio.isfuture(awaitable):
        return None
    return next((value for value in _held_by(awaitable) if _can_be_awaited(value) and not _has_ended(value)), None)


def _held_by(iterator: object) -> list[object]:
    """What an object refers to, be it through its ``__dict__``."""
    found: list[object] = []
    for referent in gc.get_referents(iterator):
        found += list(referent.values()) if type(referent) is dict else [referent]
    return found


def _can_be_awaited(value: object) -> bool:
    return type(value) in (CoroutineType, GeneratorType, AsyncGeneratorType) or (
        type(value).__name__ in OPAQUE or (not isinstance(value, type) and asyncio.isfuture(value))
    )


def _has_ended(value: Any) -> bool:
    return value.done() if asyncio.isfuture(value) else frame_of(value) is None and type(value).__name__ not in OPAQUE
