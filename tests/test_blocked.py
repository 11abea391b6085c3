"""The watch for a blocked loop, tick by tick: what cannot be made to happen at the wrong moment with a real loop."""

import asyncio
import contextlib
import functools
import operator
import sys
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, cast

import pytest
from loop_factories import EACH_LOOP, LoopFactory
from loops_elsewhere import PATIENCE, loop_elsewhere

from aiorepl.alerts.blocked import BlockWatch
from aiorepl.alerts.gil import GilWatch
from aiorepl.alerts.pulse import Pulse, Sample
from aiorepl.alerts.steps import SlowStep
from aiorepl.alerts.values import Alert, Rules
from aiorepl.introspect.look import Slices
from aiorepl.introspect.own_work import own_work


class MadeUp:
    """A pulse, a clock and a ledger that do as they are told."""

    def __init__(self) -> None:
        self.time = self.sent = self.last_lag = self.overdue = 0.0
        self.samples: Sample | None = None
        self.told: list[Alert] = []
        self.revised: list[dict[str, Any]] = []
        self.loop = asyncio.new_event_loop()
        self.loop.close()
        self.watch = BlockWatch(self.loop, cast(Pulse, self), self._report, self._revise, clock=lambda: self.time)
        self.watch.exact = True
        self.base = None

    def worked(self) -> float:
        return 0.0

    def sample(self) -> Sample | None:
        return self.samples

    def _report(self, alert: Alert, key: object) -> Alert:
        self.told.append(alert)
        return alert._replace(number=len(self.told))

    def _revise(self, number: int, **changes: Any) -> None:
        self.revised.append(changes)

    def tick(self, time: float, *, blocked: bool, frame: FrameType | None = None) -> None:
        self.time = time
        self.overdue = 1.0 if blocked else 0.0
        self.samples = Sample(1, None, frame or sys._getframe()) if blocked else None
        self.watch.tick(Rules())

    @property
    def kinds(self) -> list[str]:
        return [alert.kind for alert in self.told]


def test_a_step_that_is_measured_after_its_block_was_told_to_be_over_is_not_told_again() -> None:
    made = MadeUp()
    made.tick(0.02, blocked=True)
    made.tick(0.15, blocked=True)
    assert made.kinds == ["blocked-loop"]
    # The loop is through with the step, and its thread is not yet through with measuring it.
    made.tick(0.16, blocked=False)
    assert [changes["phase"] for changes in made.revised] == ["ended"]
    made.watch.step_ended(SlowStep(0.16, 0.0, "the step"))
    made.tick(0.18, blocked=False)
    assert made.kinds == ["blocked-loop"]
    # The next one is another.
    made.watch.step_ended(SlowStep(0.2, 0.17, "another step"))
    made.tick(0.4, blocked=False)
    assert made.kinds == ["blocked-loop", "slow-callback"]


def test_a_step_is_told_of_if_it_was_not_the_blocks() -> None:
    made = MadeUp()
    made.tick(0.02, blocked=True)
    made.tick(0.15, blocked=True)
    made.tick(0.16, blocked=False)
    made.watch.step_ended(SlowStep(0.12, 0.17, "another step"))
    made.tick(0.3, blocked=False)
    assert made.kinds == ["blocked-loop", "slow-callback"]


class Hold:
    """Holds a loop up, with three calls of what is not the program's own code, until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.calls: list[Callable[[], object]] = [
            self.begun.set,
            functools.partial(self.let_go.wait, PATIENCE),
            self.ended.set,
        ]

    def by_the_program(self) -> None:
        for call in self.calls:
            call()


async def thread_here() -> int:
    return threading.get_ident()


@EACH_LOOP
@pytest.mark.parametrize(("whose", "kinds"), [("aiorepl", []), ("the program", ["blocking-call"])])
def test_a_step_of_aiorepls_own_is_not_told_of(whose: str, kinds: list[str], factory: LoopFactory) -> None:
    with loop_elsewhere(factory) as other:
        made, hold, thread = MadeUp(), Hold(), other.run(thread_here())
        if whose == "aiorepl":
            work = cast("Generator[None, None, None]", map(operator.call, hold.calls))
            Slices(lambda: work, other.loop).start()
        else:
            other.loop.call_soon_threadsafe(hold.by_the_program)
        assert hold.begun.wait(PATIENCE)
        while (frame := sys._current_frames()[thread]).f_code.co_name != "wait":
            time.sleep(0.001)
        made.tick(0.02, blocked=True, frame=frame)
        made.tick(0.15, blocked=True, frame=frame)
        hold.let_go.set()
        assert hold.ended.wait(PATIENCE)
        assert made.kinds == kinds


@pytest.mark.parametrize(("whose", "kinds"), [("aiorepl", []), ("the program", ["blocked-loop"])])
def test_a_hold_of_the_gil_that_is_aiorepls_own_is_not_told_of(whose: str, kinds: list[str]) -> None:
    made = MadeUp()
    worked = 7.0
    made.watch._gil = GilWatch(lambda: worked, lambda: None)
    made.tick(time.perf_counter(), blocked=False)
    with own_work(made.loop) if whose == "aiorepl" else contextlib.nullcontext():
        time.sleep(0.15)
        worked += 0.15
        made.tick(time.perf_counter(), blocked=False)
    assert made.kinds == kinds
