"""Follow functions on a clock that moves only when a program says so, and read what is told of their calls."""

import asyncio
import contextlib
import sys
import threading
import types
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from aiorepl.alerts.trace import Limits, Trace
from aiorepl.render.plain import draw

# More calls than any program here makes.
MANY = Limits(maximum=1_000_000)


class Clock:
    """Tells the time that has passed."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def new_trace(function: object, clock: Clock, *, limits: Limits = MANY, name: str = "", only: object = None) -> Trace:
    assert isinstance(function, types.FunctionType)
    return Trace(function, limits, name=name, only=only, clock=clock)


def tools() -> list[object]:
    """Who has which id of sys.monitoring."""
    monitoring: Any = getattr(sys, "monitoring", None)
    return [monitoring.get_tool(number) for number in range(6)] if monitoring else []


def in_threads(count: int, function: Callable[[], object]) -> None:
    barrier = threading.Barrier(count)

    def work() -> None:
        barrier.wait()
        function()

    threads = [threading.Thread(target=work, name=f"thread-{n}") for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def traced(function: object, clock: Clock | None = None, **options: Any) -> Iterator[Trace]:
    """Follow a function, and see at the end that nothing is left of it."""
    assert isinstance(function, types.FunctionType)
    own, before = function.__code__, tools()
    trace = new_trace(function, clock or Clock(), **options)
    trace.start()
    try:
        yield trace
    finally:
        trace.stop("the test is over")
        assert function.__code__ is own
        assert tools() == before


def lines(trace: Trace, most: int = 1_000) -> list[str]:
    """What a person reads of the calls that have ended since the last time."""
    trace.tidy()
    calls, more = trace.take(most)
    assert more == 0
    return [draw(call, 200).rstrip("\n") for call in calls]


def told(function: object, program: Callable[[Clock], object]) -> list[str]:
    """What is told of a function's calls while a program runs."""
    clock = Clock()
    with traced(function, clock) as trace:
        program(clock)
        return lines(trace)


def told_on_loop(function: object, program: Callable[[Clock], Coroutine[Any, Any, object]]) -> list[str]:
    """The same of a program that is a task called "main"."""

    async def main() -> None:
        await asyncio.create_task(program(clock), name="main")

    clock = Clock()
    with traced(function, clock) as trace:
        asyncio.run(main())
        return lines(trace)
