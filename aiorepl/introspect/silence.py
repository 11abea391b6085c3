"""Which of the other loops of a process do not answer, and where they stand."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import bounded, innermost_own
from aiorepl.introspect.loops import loop_info
from aiorepl.introspect.values import Finding, LoopInfo, Stack
from aiorepl.introspect.why import line_of

__all__ = ["Asked", "ask", "silent", "silent_finding", "wait_for_answers"]


# Seconds; a loop that works, on a machine that is busy, is not said to be silent.
PATIENCE = 1.0


class Asked(NamedTuple):
    """A running loop that was asked to answer."""

    loop: asyncio.AbstractEventLoop
    answer: "concurrent.futures.Future[None]"


def ask(loops: Iterable[asyncio.AbstractEventLoop]) -> list[Asked]:
    """Ask those loops that run, but not on this thread; from any thread."""
    asked = []
    for loop in loops:
        if not loop.is_running() or asyncio._get_running_loop() is loop:
            continue
        answer: concurrent.futures.Future[None] = concurrent.futures.Future()
        # It may be closed just now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(answer.set_result, None, context=contextvars.Context())
            asked.append(Asked(loop, answer))
    return asked


def wait_for_answers(asked: Sequence[Asked]) -> None:
    """Wait until all have answered, or should have; blocks this thread."""
    concurrent.futures.wait([one.answer for one in asked], timeout=PATIENCE)


def silent(asked: Iterable[Asked]) -> tuple[LoopInfo, ...]:
    """Describe those that have not answered, with where their threads stand."""
    infos = (loop_info(one.loop, outside=True) for one in asked if not one.answer.done())
    return tuple(info for info in infos if info.running)


def silent_finding(info: LoopInfo) -> Finding:
    """Say that a loop does not answer."""
    place = innermost_own(info.stack)
    where = f": {place.function} ({line_of(place)}) holds it" if place is not None else ""
    called = info.stack[info.stack.index(place) + 1 :] if place is not None else ()
    within = f", in {called[0].function}" if called else ""
    task = BOOK.find(info.current) if info.current is not None else None
    who = (f"it executes {bounded(task.get_name())}",) if isinstance(task, asyncio.Task) else ()
    calls = " > ".join(f"{frame.function} ({line_of(frame)})" for frame in _calls(info.stack))
    return Finding(
        "blocked-loop",
        3,
        f"loop {info.number} in thread {info.thread or '–'} does not answer{where}{within}",
        (*who, calls) if calls else who,
        "What runs on a loop must not block its thread: await it, or await asyncio.to_thread(...).",
        (info.current,) if info.current is not None else (),
    )


def _calls(stack: Stack) -> Stack:
    """The last calls of a stack, without those of the loop that lead to the program's."""
    runs = [number for number, frame in enumerate(stack) if frame.library and "/asyncio/" in frame.file]
    return (stack[runs[-1] + 1 :] if runs else stack)[-_CALLS:] or stack[-_CALLS:]


_CALLS = 4
