"""What a diagnosis looks like: causes with their evidence, then what was measured. Importing this registers it."""

from collections.abc import Iterator

from aiorepl.alerts.doctor_values import Cause, CauseKind, Diagnosis, Figures
from aiorepl.introspect.values import ExecutorInfo
from aiorepl.render.blocks import Block, Column, Lines, Rule, Table
from aiorepl.render.describe import describe
from aiorepl.render.text import seconds

__all__: list[str] = []

_LABELS: dict[CauseKind, str] = {
    "blocked": "blocked by code",
    "waiting": "waiting in line",
    "executor": "starved executor",
    "busy": "too many steps",
    "growing": "growing tasks",
    "memory": "memory of pending tasks",
    "failed": "failed, and nobody looked",
    "other": "something else",
    "healthy": "no fault found",
}
_ROLES = {3: "error", 2: "alert", 1: "hint", 0: ""}
_EMPTY = Lines(("",))


@describe.register
def _(value: Diagnosis) -> tuple[Block, ...]:
    loop = value.loop
    thread = f" in thread {loop.thread}" if loop.thread else ""
    blocks: list[Block] = [Rule(f"loop {loop.number}{thread}, looked at for {seconds(round(value.seconds, 2))}")]
    for cause in value.causes:
        blocks += [_EMPTY, *describe(cause)]
    columns = (Column(role="dim"), Column(), Column(role="dim"))
    return (*blocks, _EMPTY, Table(columns, tuple(_rows(value.figures))))


@describe.register
def _(value: Cause) -> tuple[Block, ...]:
    blocks: list[Block] = [Lines((f"{_LABELS[value.kind]}: {value.title}",), _ROLES[value.severity])]
    if value.evidence:
        blocks.append(Lines(value.evidence, indent=4))
    if value.advice:
        blocks.append(Lines((value.advice,), "hint", indent=2))
    if value.command:
        shows = f"  ({value.shows})" if value.shows else ""
        blocks.append(Lines((f"next: {value.command}{shows}",), "function", indent=2))
    return tuple(blocks)


def _rows(figures: Figures) -> Iterator[tuple[str, str, str]]:
    looks = "measured" if figures.measured else f"of {_plural(figures.looks, 'look')}"
    yield "at work", _share(figures.busy), looks
    yield "processor", _share(figures.processor), "of one, for the loop's thread"
    lag = f"{seconds(figures.lag)}, {seconds(figures.worst)} at worst" if figures.beats else seconds(figures.worst)
    yield "called back late by", lag, f"median of {_plural(figures.beats, 'call')}" if figures.beats else ""
    yield "longest step seen", seconds(figures.longest), "by looks 10 ms apart"
    yield "passes a second", _count(figures.passes), ""
    yield (
        "steps a second",
        _count(figures.steps),
        "%stats on counts them" if figures.countable and figures.steps is None else "",
    )
    first, last = figures.tasks
    yield "tasks", f"{last:,}", "" if first == last else f"{first:,} at first"
    yield "executor", *_executor(figures.executor)
    before, now = figures.memory
    more = f"{_bytes(before)} at first" if before is not None and now != before else ""
    yield "memory", _bytes(now), more
    estimate = f"an estimate from {figures.estimated:,} of them" if figures.pending is not None else ""
    yield "of pending tasks", f"{'about ' if estimate else ''}{_bytes(figures.pending)}", estimate


def _executor(executor: ExecutorInfo | None) -> tuple[str, str]:
    if executor is None:
        return "–", "none yet"
    return f"{len(executor.running):,} of {executor.limit:,} threads work", f"{_plural(executor.queued, 'call')} queued"


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _bytes(size: int | None) -> str:
    if size is None:
        return "–"
    number, unit = float(size), "bytes"
    for bigger in ("kB", "MB", "GB"):
        if number < 1000:
            break
        number, unit = number / 1000, bigger
    return f"{number:.3g} {unit}"
