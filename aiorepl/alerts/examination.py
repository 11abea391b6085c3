"""Observe a loop for some seconds: what ``doctor`` draws its conclusions from. Nothing is changed, or left behind.

A look at all tasks stands at the beginning, at the end, and in between; otherwise only the loop's thread is looked at.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

from aiorepl.alerts.doctor_values import Limits, Observations, Sampled
from aiorepl.alerts.ledger import Ledger
from aiorepl.alerts.records import TaskStats
from aiorepl.alerts.sampling import Sampler
from aiorepl.alerts.stats import account_of
from aiorepl.alerts.steps import supports
from aiorepl.alerts.ticking import EVERY
from aiorepl.alerts.turns import TurnReading, turn_reading
from aiorepl.alerts.values import Alert
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import innermost_own
from aiorepl.introspect.diagnose import Facts, Place, counts, findings
from aiorepl.introspect.facts import gathering
from aiorepl.introspect.look import GRACE, Slices, look_now
from aiorepl.introspect.loops import loops, number_of
from aiorepl.introspect.silence import ask, silent, wait_for_answers
from aiorepl.introspect.sizes import process_memory, task_sizes
from aiorepl.introspect.values import ExecutorInfo, LoopInfo, LoopSnapshot

__all__ = ["Examination"]

T = TypeVar("T")

# How often it is told how far it is, and how often the tasks are looked at, first and last included.
_TOLD = 10
_COUNTS = 4
# Tasks of which the size is estimated, all at once on the loop's thread: some milliseconds at most.
_SIZED = 20
# Tasks that may be named as those that work most.
_BUSIEST = 3

# An examination that takes less is too short to say that nobody looks why a task failed. Between its first look and its
# last there may seem to be a little less than it took.
_SHORT, _ALMOST = 2.5, 0.9

# The states of a task that has not ended.
PENDING = frozenset(("running", "ready", "waiting", "cancelling"))

Progress = Callable[[float], object]


class Examination:
    """One examination of one loop; ``run`` may be called once, on any thread but the loop's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        *,
        limits: Limits | None = None,
        ledger: Ledger | None = None,
        progress: Progress = lambda fraction: None,
    ) -> None:
        """Prepare to look for so many seconds.

        Args:
            loop: What is looked at.
            seconds: How long.
            limits: From when on a step is slow.
            ledger: Where its alerts are found.
            progress: Called in between, with the part that is done, by the thread that runs this.
        """
        self._loop = loop
        self._seconds = seconds
        self._limits = limits or Limits()
        self._ledger = ledger
        self._progress = progress
        self._stopped = threading.Event()
        self._counts: list[Mapping[Place, int]] = []
        self._executors: list[ExecutorInfo | None] = []

    def stop(self) -> None:
        """Give up; ``run`` returns soon, with what it has."""
        self._stopped.set()

    def run(self) -> Observations:
        """Look, and return what was observed."""
        begun = time.time()
        memory = process_memory()
        first = self._look()
        silent_at_first = self._silent()
        started = time.perf_counter()
        before, counted = turn_reading(self._loop), self._counted()
        sampled = self._sample(started)
        after, elapsed = turn_reading(self._loop), time.perf_counter() - started
        stats = None if counted is None else _since(self._counted() or {}, counted)
        everything = look_now(self._loop, ended=True)
        last = self._noted(_pending(everything))
        facts = self._on_loop(lambda: gathering(self._loop, everything, {})) if not last.outside else None
        return Observations(
            elapsed,
            first,
            last,
            sampled,
            tuple(self._counts),
            tuple(self._executors),
            *_turns_between(before, after),
            memory=(memory, process_memory()),
            sizes=self._sizes(last),
            findings=findings(everything, (facts or Facts())._replace(patience=_patience(elapsed))),
            alerts=self._alerts(begun),
            steps=None if stats is None else sum(one.steps or 0 for one in stats) / elapsed,
            stats=() if stats is None else stats[:_BUSIEST],
            countable=supports(self._loop),
            silent=self._still_silent(silent_at_first),
        )

    def _silent(self) -> tuple[LoopInfo, ...]:
        """The other loops of the process that do not answer."""
        asked = ask(loop for loop in loops(self._loop) if loop is not self._loop)
        wait_for_answers(asked)
        return silent(asked)

    def _still_silent(self, before: tuple[LoopInfo, ...]) -> tuple[LoopInfo, ...]:
        """Those of them that stand in the same line."""
        stood = {(info.number, innermost_own(info.stack)) for info in before}
        if not stood:
            return ()
        return tuple(info for info in self._silent() if (info.number, innermost_own(info.stack)) in stood)

    def _look(self) -> LoopSnapshot:
        # Of those that have ended it is noted since when they are known to have.
        return self._noted(_pending(look_now(self._loop, ended=True)))

    def _noted(self, snapshot: LoopSnapshot) -> LoopSnapshot:
        self._counts.append(counts(snapshot))
        self._executors.append(snapshot.loop.executor)
        return snapshot

    def _sample(self, started: float) -> Sampled:
        sampler = Sampler(self._loop, self._limits.slow)
        part = told = 0.0
        while part < 1.0 and not sampler.wait(self._stopped):
            sampler.look()
            part = (time.perf_counter() - started) / self._seconds
            if part >= told:
                told += 1 / _TOLD
                self._progress(min(part, 1.0))
            if len(self._counts) / (_COUNTS - 1) <= part < 1.0:
                self._count(sampler)
        return sampler.result()

    def _count(self, sampler: Sampler) -> None:
        if sampler.overdue > 2 * EVERY:
            # On a loop that does not answer no task is made, and a look at it would take as long as ten of the thread.
            self._counts.append(self._counts[-1])
        else:
            self._noted(look_now(self._loop, holders=False))

    def _counted(self) -> Mapping[int, TaskStats] | None:
        """What has been counted of the steps of each task, if that is done anyway, and can be on such a loop."""
        account = account_of(self._loop)
        return account.read() if account is not None and account.measured else None

    def _on_loop(self, work: Callable[[], Generator[None, None, T]]) -> T | None:
        """Have the loop do some work in slices; None if it does not come to it."""
        with Slices(work, self._loop) as slices:
            slices.start()
            while not slices.stalled() and not self._stopped.is_set():
                try:
                    return slices.done.result(GRACE)
                except TimeoutError:
                    continue
        return None

    def _sizes(self, snapshot: LoopSnapshot) -> tuple[int, ...]:
        numbers = [info.number for info in snapshot.tasks if info.state == "waiting" and not info.own]
        chosen = numbers[:: max(1, len(numbers) // _SIZED)][:_SIZED]

        def work() -> Generator[None, None, tuple[int, ...]]:
            yield
            tasks = [task for task in map(BOOK.find, chosen) if task is not None]
            return tuple(task_sizes(tasks)) if len(tasks) > 1 else ()

        return self._on_loop(work) or ()

    def _alerts(self, begun: float) -> tuple[Alert, ...]:
        if self._ledger is None:
            return ()
        mine = (None, number_of(self._loop))
        return tuple(alert for alert in self._ledger.list() if alert.last >= begun and alert.loop in mine)


def _pending(snapshot: LoopSnapshot) -> LoopSnapshot:
    """Leave out the tasks that have ended."""
    return snapshot._replace(tasks=tuple(info for info in snapshot.tasks if info.state in PENDING))


def _patience(seconds: float) -> float:
    """For how long a task has to have failed: all the time, unless that is too short to tell anything."""
    return min(Facts().patience, _ALMOST * seconds) if seconds > _SHORT else Facts().patience


def _since(now: Mapping[int, TaskStats], before: Mapping[int, TaskStats]) -> tuple[TaskStats, ...]:
    """What was counted after an earlier reading, the tasks first that were busy most."""
    stats = [one.since(before.get(number)) for number, one in now.items()]
    return tuple(sorted(stats, key=lambda one: -(one.busy or 0.0)))


def _turns_between(before: TurnReading | None, after: TurnReading | None) -> tuple[float | None, float | None]:
    """The part of the time in which a loop was busy, and its passes in a second, where they are measured anyway."""
    if before is None or after is None:
        return None, None
    busy, whole = after.busy - before.busy, after.busy + after.idle - before.busy - before.idle
    passed = after.time - before.time
    return busy / whole if whole > 0 else None, (after.passes - before.passes) / passed if passed > 0 else None
