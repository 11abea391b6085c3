"""What it costs a loop to be measured: the same steps with and without, one after the other, here and now."""

import asyncio
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

__all__ = ["Price", "price_of"]

T = TypeVar("T")

_TASKS = 20
_STEPS = 50
_ROUNDS = 7

Loop = asyncio.AbstractEventLoop


class Price(NamedTuple):
    """Seconds that a step takes which does nothing but give way, without and with what was priced."""

    without: float
    with_: float

    @property
    def ratio(self) -> float:
        """How many times as long it takes."""
        return self.with_ / self.without


def price_of(switch_on: Callable[[Loop], Callable[[], object]], kind: type[Loop]) -> Price:
    """Measure what something adds to a step of a loop; on a thread that runs no loop, for some hundredths of a second.

    Each is measured several times in turn, and the shortest counts: whatever else the machine does can only add to it.

    Args:
        switch_on: Is called with a loop that does not run yet, and returns what switches it off again.
        kind: The type of loop; where that cannot be made without arguments, asyncio's own stands for it.
    """
    without: list[float] = []
    with_: list[float] = []
    for _ in range(_ROUNDS):
        without.append(_seconds_per_step(kind, lambda loop: lambda: None))
        with_.append(_seconds_per_step(kind, switch_on))
    return Price(min(without), min(with_))


def _seconds_per_step(kind: type[Loop], switch_on: Callable[[Loop], Callable[[], object]]) -> float:
    try:
        loop = kind()
    except TypeError:
        loop = asyncio.new_event_loop()
    loop.set_debug(False)
    try:
        switch_off = switch_on(loop)
        try:
            return loop.run_until_complete(_named(loop, _many()))
        finally:
            switch_off()
    finally:
        loop.close()


async def _many() -> float:
    loop = asyncio.get_running_loop()
    tasks = [_named(loop, _give_way()) for _ in range(_TASKS)]
    # They have begun.
    await asyncio.sleep(0)
    started = perf_counter()
    await asyncio.wait(tasks)
    return (perf_counter() - started) / (_TASKS * _STEPS)


async def _give_way() -> None:
    for _ in range(_STEPS):
        await asyncio.sleep(0)


def _named(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    # Without a name it would use up a number of the program's.
    return asyncio.Task(coroutine, loop=loop, name="aiorepl-price")
