"""A loop that runs in a thread of its own, as a program's does beside whoever looks at it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

# Seconds; what is waited for comes at once, unless it does not come.
PATIENCE = 20.0


class Elsewhere:
    """A loop in another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for what it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Block the loop with a callback for as long as the block lasts."""
        begun, ended = threading.Event(), threading.Event()

        def block() -> None:
            begun.set()
            ended.wait(PATIENCE)

        self.loop.call_soon_threadsafe(block)
        assert begun.wait(PATIENCE)
        try:
            yield
        finally:
            ended.set()


@contextlib.contextmanager
def loop_elsewhere(
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Iterator[Elsewhere]:
    loop = factory()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Elsewhere(loop)
    finally:
        loop.call_soon_threadsafe(_end, loop)
        thread.join(PATIENCE)
        loop.close()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
    # The cancelled ones have their step first.
    loop.call_soon(loop.call_soon, loop.stop)
