"""A loop that is late all the time, or busy all the time, though no single step stands out."""

import asyncio
import time
from collections.abc import Callable

from aiorepl.alerts.blocked import Report
from aiorepl.alerts.pulse import Pulse
from aiorepl.alerts.turns import utilisation
from aiorepl.alerts.values import Alert, Rules
from aiorepl.introspect.loops import number_of

__all__ = ["LagWatch"]

# Beats that make a median.
_FEWEST = 5


class LagWatch:
    """Judges the last seconds of one loop; used by the thread that watches."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pulse: Pulse,
        report: Report,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin with the next seconds."""
        self._loop = loop
        self._pulse = pulse
        self._report = report
        self._clock = clock
        self._judged = clock()

    def tick(self, rules: Rules) -> None:
        """Judge, if the last time is long enough ago."""
        now = self._clock()
        if now - self._judged < rules.window:
            return
        self._judged = now
        self._judge_lag(now, rules)
        self._judge_load(rules)

    def _judge_lag(self, now: float, rules: Rules) -> None:
        lags = [lag for when, lag in list(self._pulse.lags) if now - when < rules.window]
        if not rules.lag or len(lags) < _FEWEST:
            return
        median = sorted(lags)[len(lags) // 2]
        if median > rules.lag:
            cure = "%doctor looks for the reason; %tasks --sort busy shows who works most, with %stats on."
            what = f"callbacks come late: this is the median of the last {rules.window:g} s"
            alert = Alert("laggy-loop", what, loop=number_of(self._loop), cure=cure, duration=median, sampled=True)
            self._report(alert, number_of(self._loop))

    def _judge_load(self, rules: Rules) -> None:
        measured = utilisation(self._loop, rules.window)
        # uvloop does not tell: what the samples found stands for it.
        busy = self._pulse.busy(rules.window) if measured is None else measured
        if busy is None or not rules.saturation or busy <= rules.saturation:
            return
        self._report(
            Alert(
                "saturated-loop",
                f"the loop was busy for {busy:.0%} of the last {rules.window:g} s",
                loop=number_of(self._loop),
                cure="One thread can do no more: move work to threads or processes. %doctor shows who works.",
                sampled=measured is None,
            ),
            number_of(self._loop),
        )
