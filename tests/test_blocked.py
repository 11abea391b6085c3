"""The watch for a blocked loop, tick by tick: what cannot be made to happen at the wrong moment with a real loop."""

import asyncio
import sys
from typing import Any, cast

from aiorepl.alerts.blocked import BlockWatch
from aiorepl.alerts.pulse import Pulse, Sample
from aiorepl.alerts.steps import SlowStep
from aiorepl.alerts.values import Alert, Rules


class MadeUp:
    """A pulse, a clock and a ledger that do as they are told."""

    def __init__(self) -> None:
        self.time = self.sent = self.last_lag = self.overdue = 0.0
        self.samples: Sample | None = None
        self.told: list[Alert] = []
        self.revised: list[dict[str, Any]] = []
        loop = asyncio.new_event_loop()
        loop.close()
        self.watch = BlockWatch(loop, cast(Pulse, self), self._report, self._revise, clock=lambda: self.time)
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

    def tick(self, time: float, *, blocked: bool) -> None:
        self.time = time
        self.overdue = 1.0 if blocked else 0.0
        self.samples = Sample(1, None, sys._getframe()) if blocked else None
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
