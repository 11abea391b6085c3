"""What the threads of an executor do: from a thread's stack to the function that it was given."""

import asyncio
import concurrent.futures.thread
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from aiorepl.introspect import uv
from aiorepl.introspect.callbacks import callback_name
from aiorepl.introspect.values import ExecutorInfo

__all__ = ["executor_info", "outwards", "running_item", "work_name"]

_RUN = concurrent.futures.thread._WorkItem.run.__code__


def executor_info(loop: asyncio.AbstractEventLoop) -> ExecutorInfo | None:
    """Describe a loop's default executor; None if there is none yet, or it cannot be told. From any thread."""
    executor: Any = uv.executor(loop) if uv.is_uvloop(loop) else getattr(loop, "_default_executor", None)
    if not issubclass(type(executor), ThreadPoolExecutor):
        return None
    threads = list(executor._threads)
    frames = sys._current_frames()
    # Seen, and not taken from _idle_semaphore, which counts too many on 3.11.
    items = (running_item(frames.get(thread.ident)) for thread in threads)
    running = tuple(work_name(item) for item in items if item is not None)
    idle = len(threads) - len(running)
    return ExecutorInfo(len(threads), executor._max_workers, idle, executor._work_queue.qsize(), running)


def running_item(innermost: FrameType | None) -> Any:
    """What a thread of an executor runs, as its queue had it; None if it waits for work, or is another thread."""
    for frame in outwards(innermost):
        if frame.f_code is _RUN:
            # A frame of the standard library that ends with the work, so its locals may be looked at.
            return frame.f_locals.get("self")
    return None


def work_name(item: Any) -> str:
    """The name of the function that an executor's work item calls."""
    if hasattr(item, "fn"):
        return callback_name(item.fn)
    # Python 3.14 and later keep the function with its arguments.
    return callback_name(item.task[0]) if type(item.task) is tuple and item.task else ""


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame, its caller, and so on."""
    while frame is not None:
        yield frame
        frame = frame.f_back
