"""What is counted of tasks, as it stands beside them in a list; all of it or that of a window."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from aiorepl.alerts.records import TaskStats
from aiorepl.alerts.stats import Account, account_of, keep_statistics
from aiorepl.commands.task_values import Counted
from aiorepl.errors import CommandError

__all__ = ["COUNTS", "Counts", "count_for", "counts_of", "woken_by"]

# What lists can be sorted by while it is counted.
COUNTS = frozenset(("steps", "busy", "longest", "waited", "wakes"))
# The longest window, in seconds: who asks has to wait for it.
_LONGEST = 3_600.0
# How many of those who woke a task are named in a list.
_NAMED = 2


class Counts(NamedTuple):
    """The counts of each task by its number; a task that is not there has done nothing since."""

    stats: Mapping[int, TaskStats]
    counted: Counted
    measured: bool

    def of(self, number: int) -> TaskStats:
        """What was counted of one task."""
        stats = self.stats.get(number)
        if stats is not None:
            return stats
        return TaskStats(number, 0, 0.0, None, None, 0.0) if self.measured else TaskStats(number)


def counts_of(loop: asyncio.AbstractEventLoop) -> Counts | None:
    """Return what has been counted of a loop's tasks since that was switched on; None if it is not."""
    account = account_of(loop)
    if account is None:
        return None
    return Counts(account.read(), Counted(account.elapsed), account.measured)


async def count_for(loop: asyncio.AbstractEventLoop, window: float) -> Counts:
    """Return what is counted during the next ``window`` seconds, for which it is switched on.

    Raises:
        CommandError: If nothing can be counted of this loop, or the window is no time.
    """
    if not 0 < window <= _LONGEST:
        raise CommandError(f"--window takes seconds, at most {_LONGEST:,.0f}: --window 2")
    try:
        hold = keep_statistics(loop)
    except ValueError as error:
        raise CommandError(str(error)) from None
    try:
        return await _window(hold.account, window)
    finally:
        hold.end()


def woken_by(stats: TaskStats, name: Callable[[int], str]) -> str:
    """Say in words who woke a task the most; empty if nobody did."""
    wakers = [(one.times, one.by if one.task is None else f"{one.task} {name(one.task)}") for one in stats.woken]
    if stats.own:
        wakers.append((stats.own, "itself"))
    wakers.sort(key=lambda waker: -waker[0])
    named = ", ".join(text for _, text in wakers[:_NAMED])
    return f"{named} …" if len(wakers) > _NAMED else named


async def _window(account: Account, window: float) -> Counts:
    before, started = account.read(), account.elapsed
    await asyncio.sleep(window)
    after, elapsed = account.read(), account.elapsed - started
    stats = {number: stats.since(before.get(number)) for number, stats in after.items()}
    return Counts(stats, Counted(elapsed, window=True), account.measured)
