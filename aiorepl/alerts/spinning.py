"""Tasks that wake themselves again and again; known while statistics are kept."""

import asyncio
import time
from collections.abc import Callable, Mapping

from aiorepl.alerts.blocked import Report
from aiorepl.alerts.endings import standing, task_name
from aiorepl.alerts.places import line_text
from aiorepl.alerts.records import TaskStats
from aiorepl.alerts.stats import account_of
from aiorepl.alerts.values import Alert, Rules
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.loops import number_of

__all__ = ["SpinWatch"]

# Wakes within the time that is judged, fewer of which say nothing.
_FEWEST = 100
# Of more tasks than this nothing is read: that would hold up the thread that watches.
_MOST = 5_000


class SpinWatch:
    """Compares what the tasks of one loop have done with some seconds before; used by the thread that watches."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, report: Report, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Begin with the next seconds."""
        self._loop = loop
        self._report = report
        self._clock = clock
        self._judged = clock()
        self._before: Mapping[int, TaskStats] = {}

    def tick(self, rules: Rules) -> None:
        """Judge, if the last time is long enough ago."""
        now = self._clock()
        if not rules.spinning or now - self._judged < rules.window:
            return
        self._judged = now
        account = account_of(self._loop)
        if account is None or len(account) > _MOST:
            self._before = {}
            return
        counted = account.read()
        for number, stats in counted.items():
            recent = stats.since(self._before.get(number))
            if recent.wakes >= _FEWEST and recent.own > rules.spinning * recent.wakes:
                self._tell(number, recent, rules)
        self._before = counted

    def _tell(self, number: int, recent: TaskStats, rules: Rules) -> None:
        task = BOOK.find(number)
        if task is None or task.done():
            return
        where = standing(task)
        self._report(
            Alert(
                "spinning",
                f"{task_name(task)} woke itself, {recent.own:,} of {recent.wakes:,} times in {rules.window:g} s",
                where=where,
                source=line_text(where),
                task=number,
                loop=number_of(self._loop),
                cure="Wait for what is to come, with an Event or a Queue, instead of asking again with sleep(0).",
            ),
            number,
        )
