"""What is counted of tasks, as columns of a list and as lines on one task. Importing this registers ``%stats``, too."""

from collections.abc import Callable, Iterator

from aiorepl.alerts.records import TaskStats, Woken
from aiorepl.commands.task_values import Counted, StatsState, TaskRow
from aiorepl.introspect.values import Frame
from aiorepl.render.blocks import Block, Column, Lines
from aiorepl.render.describe import describe
from aiorepl.render.text import seconds

__all__ = ["STATS_COLUMNS", "counted_words", "stats_cells", "stats_rows"]

STATS_COLUMNS = (
    Column("steps", right=True),
    Column("busy", right=True),
    Column("longest", right=True),
    Column("waited", right=True),
    Column("wakes", right=True),
    Column("woken by"),
)
_WAKES_ONLY = "a loop of this kind runs the steps itself: wakes are counted, and how long a task was busy is not known"
# How many of those who woke a task are told of one task.
_NAMED = 5
# Seconds; counting that has lasted for less has just begun.
_BEGUN = 0.1


def counted_words(counted: Counted) -> str:
    """Say for how long it has been counted."""
    return f"counted {'during' if counted.window else 'for'} {seconds(counted.elapsed)}"


def stats_cells(row: TaskRow) -> tuple[str, ...]:
    """What was counted of a task, as a list shows it."""
    stats = row.stats
    if stats is None:
        return ("–",) * len(STATS_COLUMNS)
    times = (seconds(stats.busy), seconds(stats.longest), seconds(stats.waited))
    return (_count(stats.steps), *times, f"{stats.wakes:,}", row.woken_by or "–")


def stats_rows(stats: TaskStats, spot: Callable[[Frame | None], str]) -> Iterator[tuple[str, str]]:
    """What was counted of a task, in full; ``spot`` writes a place."""
    if stats.steps is not None:
        longest = f", the longest {seconds(stats.longest)}" if stats.longest is not None else ""
        place = f" (until {spot(stats.longest_at)})" if stats.longest_at else ""
        yield "steps", f"{stats.steps:,}, busy {seconds(stats.busy)}{longest}{place}"
        yield "waited to run", seconds(stats.waited)
    own = f", {stats.own:,} by itself" if stats.own else ""
    yield "woken", f"{stats.wakes:,} times{own}"
    for label, one in zip(("by", *[""] * _NAMED), stats.woken[:_NAMED], strict=False):
        yield label, f"{_who(one)}: {one.times:,}"


@describe.register
def _(value: StatsState) -> tuple[Block, ...]:
    blocks = [Lines((_state(value),))]
    if value.on and not value.measured:
        blocks.append(Lines((_WAKES_ONLY,), "dim"))
    if value.price is not None:
        without, with_, ratio = seconds(value.price.without), seconds(value.price.with_), value.price.ratio
        blocks.append(
            Lines((f"a step that only gives way takes {without}, and {with_} if counted: {ratio:.2f} times",))
        )
    if value.own or not value.on:
        hint = "%tasks and %task T show what is counted; %stats off ends it" if value.own else "%stats on begins it"
        blocks.append(Lines((hint,), "dim"))
    return tuple(blocks)


def _state(value: StatsState) -> str:
    if not value.on:
        return f"nothing is counted of the tasks of loop {value.loop}"
    tasks = f"{value.tasks:,} {'task' if value.tasks == 1 else 'tasks'}" if value.tasks else "the tasks"
    since = f"for {seconds(value.elapsed)}" if (value.elapsed or 0.0) >= _BEGUN else "from now on"
    others = "" if value.own else ", for another session"
    return f"steps and wakes are counted of {tasks} of loop {value.loop} {since}{others}"


def _who(one: Woken) -> str:
    return one.by if one.task is None else f"{one.task} {one.by.rpartition('<locals>.')[2]}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
