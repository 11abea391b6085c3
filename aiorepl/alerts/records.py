"""What is counted of each task while statistics are kept: steps, busy time, wakes, and who woke it.

A record lives as long as its task, which it does not keep alive, and holds nothing but numbers and names.
"""

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import Places, coroutine_name, coroutine_of, links, program_place
from aiorepl.introspect.values import Frame

__all__ = ["TaskRecord", "TaskStats", "Waker", "Woken", "new_record"]

Task = asyncio.Future[Any]

# A longest step is told with its place if it took at least so many seconds: finding that takes some microseconds.
_WORTH_A_PLACE = 0.001
# How many wakers of a task are told apart, and how many more may gather before they are merged.
_FEW = 8
_MANY = 32


class Woken(NamedTuple):
    """Who woke a task how often: a task, or tasks of a coroutine that have ended, or "timer", "I/O" and the like."""

    by: str
    task: int | None
    times: int


class TaskStats(NamedTuple):
    """What was counted of one task; None where the loop's kind does not allow it.

    ``busy`` are the seconds that its ``steps`` held the loop, ``longest`` those of the longest, after which it stood at
    ``longest_at`` (None if that was under a millisecond, or the task's last). ``waited`` are the seconds between being
    woken and running. Of the ``wakes``, ``own`` were by the task itself: it gave way and wanted to go on at once.
    The most frequent of the others come first in ``woken``.
    """

    task: int
    steps: int | None = None
    busy: float | None = None
    longest: float | None = None
    longest_at: Frame | None = None
    waited: float | None = None
    wakes: int = 0
    own: int = 0
    woken: tuple[Woken, ...] = ()

    def since(self, before: "TaskStats | None") -> "TaskStats":
        """Return what was counted after an earlier reading; its longest step is not known."""
        if before is None:
            return self
        earlier = {(one.by, one.task): one.times for one in before.woken}
        woken = (one._replace(times=one.times - earlier.get((one.by, one.task), 0)) for one in self.woken)
        return TaskStats(
            self.task,
            None if self.steps is None or before.steps is None else self.steps - before.steps,
            None if self.busy is None or before.busy is None else self.busy - before.busy,
            None,
            None,
            None if self.waited is None or before.waited is None else self.waited - before.waited,
            self.wakes - before.wakes,
            self.own - before.own,
            tuple(sorted((one for one in woken if one.times > 0), key=lambda one: -one.times)),
        )

    def going_on(self, elapsed: float) -> "TaskStats":
        """Return the same with a step that has not ended yet."""
        if self.busy is None:
            return self
        if elapsed <= (self.longest or 0.0):
            return self._replace(busy=self.busy + elapsed)
        return self._replace(busy=self.busy + elapsed, longest=elapsed, longest_at=None)


class Waker:
    """Somebody who wakes tasks; ``kind`` is the coroutine's name for a task, and ``ended`` if that is no more."""

    __slots__ = ("ended", "kind", "number")

    def __init__(self, kind: str) -> None:
        """Still there."""
        self.kind = kind
        self.ended = False
        # A task's, once it has been read.
        self.number: int | None = None


class TaskRecord(weakref.ref[Task]):
    """One task's counts. The loop's thread writes them; any may read."""

    __slots__ = (
        "account",
        "at",
        "busy",
        "counts",
        "key",
        "last",
        "longest",
        "own",
        "steps",
        "times",
        "waited",
        "waker",
        "wakes",
        "woken",
    )

    # What the records of its loop are kept in.
    account: Any
    key: int
    steps: int
    busy: float
    longest: float
    at: Frame | None
    waited: float
    # When it was woken for the step that comes next; 0.0 if that is not known, or as soon as the step that runs ends.
    woken: float
    wakes: int
    own: int
    # The task as the waker of others.
    waker: Waker
    # The waker of late, how often it woke the task without another one in between, and the counts before that.
    last: Waker | None
    times: int
    counts: dict[Waker | str, int]

    def wake(self, waker: Waker) -> None:
        """Note that somebody has scheduled the task's next step."""
        self.woken = perf_counter()
        self.wakes += 1
        self.woken_by(waker)

    def woken_by(self, waker: Waker) -> None:
        """Count a waker."""
        if waker is self.waker:
            self.own += 1
            return
        if waker is self.last:
            self.times += 1
            return
        if self.last is not None:
            self.counts[self.last] = self.counts.get(self.last, 0) + self.times
            if len(self.counts) > _MANY:
                self.counts = _merged(self.counts)
        self.last = waker
        self.times = 1

    def stepped(self, busy: float) -> None:
        """Note a step that has just ended."""
        self.steps += 1
        self.busy += busy
        if busy > self.longest:
            self.longer(busy)

    def longer(self, busy: float) -> None:
        """Note a step that took longer than any before."""
        self.longest = busy
        task: Any = self() if busy >= _WORTH_A_PLACE else None
        self.at = None if task is None or task.done() else _place(task)

    def read(self, *, measured: bool) -> TaskStats | None:
        """Return the counts; None if the task is no more. ``measured``: its steps are."""
        task = self()
        if task is None:
            return None
        counts = dict(self.counts)
        if self.last is not None:
            counts[self.last] = counts.get(self.last, 0) + self.times
        number = BOOK.number_of(task)
        woken = _told(counts)
        if not measured:
            return TaskStats(number, wakes=self.wakes, own=self.own, woken=woken)
        return TaskStats(number, self.steps, self.busy, self.longest, self.at, self.waited, self.wakes, self.own, woken)


def new_record(task: Task, account: Any, forget: Callable[[TaskRecord], object]) -> TaskRecord:
    """Return a record in which nothing has been counted; ``forget`` is called with it when the task is no more."""
    record = TaskRecord(task, forget)
    record.account = account
    record.key = id(task)
    record.steps = record.wakes = record.own = record.times = 0
    record.busy = record.longest = record.waited = record.woken = 0.0
    record.at = record.last = None
    record.counts = {}
    record.waker = Waker(_name(task))
    return record


def _name(task: Task) -> str:
    try:
        return coroutine_name(coroutine_of(task))
    except Exception:
        # A coroutine of the program's own making may have anything for a name; that must not keep its task from waking.
        return "?"


def _place(task: Any) -> Frame | None:
    return program_place(Places().stack(links(coroutine_of(task))))


def _merged(counts: Mapping[Waker | str, int]) -> dict[Waker | str, int]:
    """Tasks that have ended under the names of their coroutines; the rarest of what is still too many as one."""
    merged: Counter[Waker | str] = Counter()
    for waker, times in counts.items():
        merged[waker.kind if isinstance(waker, Waker) and waker.ended else waker] += times
    kept = dict(merged.most_common(_FEW))
    rest = merged.total() - sum(kept.values())
    if rest:
        kept["others"] = kept.get("others", 0) + rest
    return kept


def _told(counts: Mapping[Waker | str, int]) -> tuple[Woken, ...]:
    told: Counter[tuple[str, int | None]] = Counter()
    for waker, times in _merged(counts).items():
        if isinstance(waker, Waker):
            told[waker.kind, waker.number] += times
        else:
            told[waker, None] += times
    return tuple(Woken(by, task, times) for (by, task), times in told.most_common())
