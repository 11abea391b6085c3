"""A loop that runs in a thread of its own, as a program's does beside whoever looks at it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from aiorepl.introspect import inspector, look, silence

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
        """Block the loop with a callback for as long as the block lasts; it is looked at from outside at once."""
        begun, ended = threading.Event(), threading.Event()

        def block() -> None:
            begun.set()
            ended.wait(PATIENCE)

        self.loop.call_soon_threadsafe(block)
        assert begun.wait(PATIENCE)
        try:
            with pytest.MonkeyPatch.context() as patch:
                give_time_to_answer(0.02, patch)
                yield
        finally:
            ended.set()


def give_time_to_answer(seconds: float, patch: pytest.MonkeyPatch) -> None:
    """Look from outside at a loop that has not answered within so many seconds."""
    for module in (look, inspector):
        patch.setattr(module, "GRACE", seconds)
    patch.setattr(silence, "PATIENCE", seconds)


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
