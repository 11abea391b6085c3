"""asyncio's debug mode of a loop: who asked for it, switching it as long as somebody likes, and what it costs."""

import asyncio
import contextlib
import functools
import os
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from aiorepl.alerts.overrides import Overrides

__all__ = ["DEBUG", "SLOW", "Price", "Way", "Ways", "asked_by", "in_debug_mode", "measure_price", "ways_of"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# Who has switched it on or off: PYTHONASYNCIODEBUG, python -X dev, aiorepl --debug, %debug, or the program itself.
Way = Literal["environment", "development", "option", "command", "program"]

# Seconds that a measurement takes, but for the last round of it.
_LONGEST = 0.15
# One round: so many tasks, each of which takes a step so often.
_TASKS = 10
_STEPS = 20
_ROUNDS = 3


class Ways(NamedTuple):
    """How debug mode was asked for before the loop ran.

    ``environment`` is the value of PYTHONASYNCIODEBUG, None if that is not set; it counts unless it is empty, or Python
    is to ``ignore`` the environment (-E, -I). ``development`` is Python's -X dev, ``option`` aiorepl's --debug.
    """

    environment: str | None = None
    ignored: bool = False
    development: bool = False
    option: bool = False

    @property
    def asked(self) -> tuple[Way, ...]:
        """Those that count."""
        found: list[tuple[Way, bool]] = [
            ("environment", bool(self.environment) and not self.ignored),
            ("development", self.development),
            ("option", self.option),
        ]
        return tuple(way for way, counts in found if counts)


class Price(NamedTuple):
    """What a step of the loop takes, in seconds: without debug mode and with it."""

    plain: float
    debug: float


def in_debug_mode(factory: LoopFactory) -> LoopFactory:
    """Return what makes the same loops in debug mode, as ``asyncio.run(debug=True)`` does."""

    @functools.wraps(factory)
    def make() -> asyncio.AbstractEventLoop:
        loop = factory()
        if isinstance(loop, asyncio.AbstractEventLoop):
            loop.set_debug(True)
            _BY_OPTION.add(loop)
        return loop

    return make


def ways_of(loop: asyncio.AbstractEventLoop) -> Ways:
    """Tell how debug mode was asked for; see ``asyncio.coroutines._is_debug_mode`` for the first two."""
    return Ways(
        environment=os.environ.get("PYTHONASYNCIODEBUG"),
        ignored=bool(sys.flags.ignore_environment),
        development=sys.flags.dev_mode,
        option=loop in _BY_OPTION,
    )


def asked_by(loop: asyncio.AbstractEventLoop) -> tuple[Way, ...]:
    """Tell who has switched a loop's debug mode on or off; nobody, if it is off as usual."""
    on = loop.get_debug()
    if DEBUG.in_force(loop) is on:
        return ("command",)
    asked = ways_of(loop).asked
    if on:
        return asked or ("program",)
    return ("program",) if asked or DEBUG.in_force(loop) is not None else ()


def _set_debug(loop: asyncio.AbstractEventLoop, on: bool) -> None:
    # The loop may be closed between the two steps of which this consists; the first one is done then.
    with contextlib.suppress(RuntimeError):
        loop.set_debug(on)


def _set_slow(loop: Any, seconds: float) -> None:
    loop.slow_callback_duration = seconds


_BY_OPTION: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()

# The flag changes at once, on any thread; the tracking of origins, which belongs to a thread, follows on the loop's.
DEBUG: Overrides[asyncio.AbstractEventLoop, bool] = Overrides(lambda loop: loop.get_debug(), _set_debug)
# Seconds; ``loop.slow_callback_duration``, which asyncio goes by in debug mode.
SLOW: Overrides[asyncio.AbstractEventLoop, float] = Overrides(
    lambda loop: float(getattr(loop, "slow_callback_duration", 0.1)), _set_slow
)


async def measure_price(clock: Callable[[], float] = time.perf_counter) -> Price:
    """Measure what debug mode costs on the running loop, switching it to and fro for 0.15 s; it is left as it was."""
    loop = asyncio.get_running_loop()
    found = loop.get_debug()
    times: dict[bool, list[float]] = {False: [], True: []}
    end = clock() + _LONGEST
    try:
        while clock() < end or len(times[True]) < _ROUNDS:
            for on in (False, True):
                loop.set_debug(on)
                # What switches the tracking of origins is called first.
                await asyncio.sleep(0)
                times[on].append(await _round(loop, clock))
    finally:
        loop.set_debug(found)
    # The program's own tasks take turns meanwhile: the shortest is what was least held up by them.
    return Price(min(times[False]), min(times[True]))


async def _round(loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> float:
    """Return the seconds that one step takes."""
    # Not loop.create_task: nobody is to be told of these, and they are to take no Task-N from the user.
    tasks = [asyncio.Task(_spin(), loop=loop, name="aiorepl-price") for _ in range(_TASKS)]
    await asyncio.sleep(0)
    begun = clock()
    for task in tasks:
        await task
    return (clock() - begun) / (_TASKS * _STEPS)


async def _spin() -> None:
    for _ in range(_STEPS):
        await asyncio.sleep(0)
