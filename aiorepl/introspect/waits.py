"""What a coroutine waits on, read from its await chain; nothing is run and nothing is kept."""

import asyncio
import gc
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["await_chain", "wait_in_words"]

# Awaitables that hide the coroutine behind them from cr_await; the collector knows what they refer to.
_OPAQUE = {
    "async_generator_asend",
    "async_generator_athrow",
    "coroutine_wrapper",
    "anext_awaitable",
    "FutureIter",
}


def await_chain(awaitable: object) -> Iterator[object]:
    """Yield the coroutine, what it awaits, what that awaits, and so on; the last one is usually a future.

    May be called from any thread; what moves meanwhile ends the chain early.
    """
    seen: set[int] = set()
    current: Any = awaitable
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        if type(current).__name__ in _OPAQUE:
            current = next((r for r in gc.get_referents(current) if _frame(r) or asyncio.isfuture(r)), None)
        else:
            current = _awaited(current)


def wait_in_words(awaitable: object, loop: asyncio.AbstractEventLoop) -> str:
    """Say in a few words what a parked coroutine waits on and where; empty if that cannot be read.

    May be called from any thread.
    """
    chain = list(await_chain(awaitable))
    frames = [frame for frame in map(_frame, chain) if frame is not None]
    if not frames:
        return ""
    innermost = frames[-1]
    own = [frame for frame in frames if not _in_asyncio(frame)]
    where = f" (line {own[-1].f_lineno} of {_place(own[-1])})" if own else ""
    future = chain[-1]
    if isinstance(future, asyncio.Task):
        return future.get_name() + where
    if isinstance(future, asyncio.Future) and hasattr(future, "_children"):
        pending = sum(not child.done() for child in future._children)
        return f"gather, {pending} of {len(future._children)} pending{where}"
    if not _in_asyncio(innermost):
        return f"a future{where}"
    if innermost.f_code.co_name == "wait_for" and asyncio.isfuture(inner := innermost.f_locals.get("fut")):
        # Python 3.11 waits for a task of its own here; later versions await the coroutine itself.
        return _with_timeout(inner, loop) + where
    if innermost.f_code.co_name == "sleep":
        return f"asyncio.sleep{_time_left(innermost, loop)}{where}"
    return innermost.f_code.co_qualname + where


def _with_timeout(future: "asyncio.Future[object]", loop: asyncio.AbstractEventLoop) -> str:
    coroutine = future.get_coro() if isinstance(future, asyncio.Task) else None
    inner = wait_in_words(coroutine, loop).partition(" (line")[0] if coroutine is not None else "a future"
    return f"{inner}, with a timeout"


def _awaited(current: Any) -> object:
    for name in ("cr_await", "ag_await", "gi_yieldfrom"):
        if hasattr(type(current), name):
            return getattr(current, name)
    return None


def _frame(current: Any) -> FrameType | None:
    for name in ("cr_frame", "ag_frame", "gi_frame"):
        if hasattr(type(current), name):
            frame: FrameType | None = getattr(current, name)
            return frame
    return None


def _in_asyncio(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "asyncio"


def _place(frame: FrameType) -> str:
    name = frame.f_code.co_name
    return frame.f_code.co_filename if name == "<module>" else name


def _time_left(frame: FrameType, loop: asyncio.AbstractEventLoop) -> str:
    handle = frame.f_locals.get("h")
    if not isinstance(handle, asyncio.TimerHandle):
        return ""
    return f", {max(0.0, handle.when() - loop.time()):.1f} s left"
