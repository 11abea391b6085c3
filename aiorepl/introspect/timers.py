"""What a loop is to call at a time, and which task each timer is for."""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from typing import Any

from aiorepl.introspect import uv
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.callbacks import Task, callback_name, defined_at, served_task
from aiorepl.introspect.chain import coroutine_of, frame_of, links, place
from aiorepl.introspect.loops import Listing, now, read
from aiorepl.introspect.values import Frame, Timer

__all__ = ["task_place", "timers"]


def timers(
    loop: asyncio.AbstractEventLoop, number: Callable[[Task], int] = BOOK.number_of, *, top: int | None = None
) -> Listing[Timer]:
    """List what a loop is to call, the soonest first, and at most ``top`` of it. Never raises; from any thread.

    A timer's frame is where its task stands in the program's code; without a task, where the callback begins.
    """
    errors: list[str] = []
    found = read(lambda: _scheduled(loop), errors)
    if found is None:
        return Listing(error="; ".join(errors))
    handles, total = found
    time = now(loop)
    rows: list[Timer] = []
    for handle in handles:
        if top is not None and len(rows) >= top:
            break
        timer = read(lambda handle=handle: _timer(handle, time, number), errors)  # type: ignore[misc]
        if timer is not None:
            rows.append(timer)
    return Listing(tuple(rows), total, "; ".join(errors[:3]))


def task_place(task: Any) -> Frame | None:
    """Where a task stands in the program's own code; in Python's if it has none."""
    places = [place(frame) for link in links(coroutine_of(task)) if (frame := frame_of(link)) is not None]
    program = [where for where in places if not (where.library or where.own)]
    found = program or places
    return found[-1] if found else None


def _scheduled(loop: asyncio.AbstractEventLoop) -> tuple[Iterator[Any], int] | None:
    """The timers in their order, and how many there are; None if the loop does not tell."""
    if uv.is_uvloop(loop):
        handles = sorted(uv.timers(loop), key=lambda handle: handle.when())
        return iter(handles), len(handles)
    scheduled = getattr(loop, "_scheduled", None)
    if type(scheduled) is not list:
        return None
    # Copied in one step, as the loop goes on meanwhile.
    heap = list(scheduled)
    return _in_order(heap), max(0, len(heap) - getattr(loop, "_timer_cancelled_count", 0))


def _in_order(heap: list[Any]) -> Iterator[Any]:
    """Go through a heap from its smallest on, without changing it or sorting more than is asked for."""
    next_ones = [(heap[0]._when, 0)] if heap else []
    while next_ones:
        _, index = heapq.heappop(next_ones)
        if not heap[index]._cancelled:
            yield heap[index]
        for below in (2 * index + 1, 2 * index + 2):
            if below < len(heap):
                heapq.heappush(next_ones, (heap[below]._when, below))


def _timer(handle: Any, time: float, number: Callable[[Task], int]) -> Timer | None:
    # uvloop's are of another type.
    own = issubclass(type(handle), asyncio.TimerHandle)
    callback, arguments = (handle._callback, handle._args or ()) if own else uv.called_by(handle)
    if callback is None:
        # It has run, or was cancelled, meanwhile.
        return None
    task = served_task(callback, arguments)
    frame = defined_at(callback) if task is None else task_place(task)
    return Timer(handle.when() - time, callback_name(callback), frame, None if task is None else number(task))
