"""A loop that is late all the time, or busy all the time, though no single step stands out."""

import asyncio
import time
from collections.abc import Callable

from aiorepl.alerts.blocked import Report
from aiorepl.alerts.pulse import WINDOW, Pulse
from aiorepl.alerts.values import Alert, Rules
from aiorepl.introspect.loops import number_of

__all__ = ["LagWatch"]

# Beats that make a median.
_FEWEST = 20


class LagWatch:
    """Judges the last seconds of one loop; used by the thread that watches."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pulse: Pulse,
        report: Report,
        utilisation: Callable[[float], tuple[float | None, bool]],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``utilisation(window)`` tells which part of the last seconds the loop was busy, and whether by samples."""
        self._loop = loop
        self._pulse = pulse
        self._report = report
        self._utilisation = utilisation
        self._clock = clock
        self._next = clock() + WINDOW

    def tick(self, rules: Rules) -> None:
        """Judge, if the last time is long enough ago."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + WINDOW
        self._judge_lag(now, rules)
        self._judge_load(rules)

    def _judge_lag(self, now: float, rules: Rules) -> None:
        lags = [lag for when, lag in list(self._pulse.lags) if now - when < WINDOW]
        if not rules.lag or len(lags) < _FEWEST:
            return
        median = sorted(lags)[len(lags) // 2]
        if median > rules.lag:
            cure = "%doctor looks for the reason; %tasks --sort busy shows who works most, with %stats on."
            what = "callbacks come late: this is the median of the last 5 s"
            alert = Alert("laggy-loop", what, loop=number_of(self._loop), cure=cure, duration=median, sampled=True)
            self._report(alert, number_of(self._loop))

    def _judge_load(self, rules: Rules) -> None:
        busy, sampled = self._utilisation(WINDOW)
        if busy is None or not rules.saturation or busy <= rules.saturation:
            return
        self._report(
            Alert(
                "saturated-loop",
                f"the loop was busy for {busy:.0%} of the last 5 s",
                loop=number_of(self._loop),
                cure="One thread can do no more: move work to threads or processes. %doctor shows who works.",
                sampled=sampled,
            ),
            number_of(self._loop),
        )
