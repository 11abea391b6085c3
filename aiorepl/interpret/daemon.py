"""Wait on a loop for what a thread does that may never end."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Call what may block for ever in a thread that does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        if not future.done():
            set_it()

    def call() -> None:
        try:
            value = function()
            outcome = lambda: future.set_result(value)  # noqa: E731
        except BaseException as raised:
            error = raised
            outcome = lambda: future.set_exception(error)  # noqa: E731
        # The loop may be closed by now, and nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=call, name=f"aiorepl-{function.__name__}", daemon=True).start()
    return await future
