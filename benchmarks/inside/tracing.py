"""Measure what a trace costs, and print it as JSON: ``python tracing.py``.

Each figure is the processor time of a program with a trace by that without one, measured in turns; ``-us`` are the
microseconds that a call takes more.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiorepl.alerts.trace import Limits, Trace
from aiorepl.alerts.traced import Rate

# Calls in one go: fewer than a trace keeps, as those that nobody has taken are only counted.
CALLS = 500
ROUNDS = 15
SUSPENSIONS = 3
# One that nothing here reaches.
LIMITS = Limits(rate=Rate(10**9, 1.0))

Samples = dict[str, list[float]]


def empty(first: int, second: int = 2) -> int:
    """A call that does nothing: all that there is to it is what the trace adds."""
    return first


def other(first: int, second: int = 2) -> int:
    """The same, which nobody traces."""
    return first


def fail() -> None:
    """End with an exception."""
    raise ValueError


def catch(_: int) -> None:
    """Catch an exception that has gone through one frame."""
    try:
        fail()
    except ValueError:
        return


async def work(first: int) -> int:
    """Let others go on a few times."""
    for _ in range(SUSPENSIONS):
        await asyncio.sleep(0)
    return first


@contextmanager
def traced(function: Callable[..., object]) -> Iterator[Trace]:
    """Trace a function meanwhile."""
    trace = Trace(function, LIMITS)  # type: ignore[arg-type]
    trace.start()
    try:
        yield trace
    finally:
        trace.stop("measured")


def calls(function: Callable[[int], object]) -> float:
    """Seconds for one of many calls."""
    started = time.thread_time()
    for number in range(CALLS):
        function(number)
    return (time.thread_time() - started) / CALLS


def tasks(_: Callable[[int], object]) -> float:
    """Seconds for one of many tasks that work side by side."""

    async def main() -> float:
        started = time.thread_time()
        await asyncio.gather(*(work(number) for number in range(CALLS)))
        return (time.thread_time() - started) / CALLS

    return asyncio.run(main())


def compared(
    name: str,
    measure: Callable[[Callable[[int], object]], float],
    called: Callable[[int], object],
    function: Callable[..., object],
) -> Samples:
    """Measure with and without a trace of ``function``, in turns."""
    ratios, more = [], []
    measure(called)
    for _ in range(ROUNDS):
        without = measure(called)
        with traced(function):
            seconds = measure(called)
        ratios.append(seconds / without)
        more.append(seconds - without)
    return {name: ratios, f"{name}-us": more}


def counted() -> Samples:
    """What a call costs that is only counted, as too many others were not taken yet."""
    ratios, more = [], []
    for _ in range(ROUNDS):
        without = calls(empty)
        with traced(empty):
            # These are kept.
            calls(empty)
            calls(empty)
            seconds = calls(empty)
        ratios.append(seconds / without)
        more.append(seconds - without)
    return {"traced-counted": ratios, "traced-counted-us": more}


def measure() -> Samples:
    """All of it."""
    return {
        **compared("traced-call", calls, empty, empty),
        **counted(),
        **compared("traced-task", tasks, empty, work),
        **compared("untraced-call", calls, other, empty),
        **compared("untraced-exception", calls, catch, empty),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
