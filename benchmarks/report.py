"""From samples to the table: medians, ratios, targets. Pure."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["COST_ROWS", "LOOKING_ROWS", "ROWS", "Row", "Target", "table"]

SCALES = {"us": 1e6, "ms": 1000, "MiB": 1, "KiB": 1, "%": 100, "×": 1}
NOT_MEASURED = "–"
OURS = "aiorepl"

Results = Mapping[tuple[str, str], Sequence[float]]
"""Samples by (series, program)."""


@dataclass(frozen=True)
class Target:
    """At most ``limit``: times the best of the programs ``of``; without any, in the row's own unit.

    It is asked of ``program``, which is named if it is not the only one of ours.
    """

    limit: float
    of: tuple[str, ...] = ()
    program: str = OURS


@dataclass(frozen=True)
class Row:
    """One line of the table: which samples, how they become one figure, and what it is held against."""

    series: str
    title: str
    unit: str = "ms"
    statistic: str = "median"
    targets: tuple[Target, ...] = ()


ASYNCIO, IPYTHON, PTPYTHON = "python -m asyncio", "IPython", "ptpython --asyncio"

ROWS = (
    Row(
        "start",
        "process start until a line typed at once is answered",
        targets=(Target(0.72, (IPYTHON, PTPYTHON)), Target(2.2, (ASYNCIO,))),
    ),
    Row("start-seen", "the same, typed when the prompt is seen"),
    Row("nothing", "`-c pass`, whole process (asyncio: `</dev/null`)", targets=(Target(1.15, (ASYNCIO,)),)),
    Row("echo", "echo of a key", targets=(Target(1.0, (IPYTHON,)),)),
    Row("echo-spinning", "echo of a key while the loop spins, p95", statistic="p95", targets=(Target(60),)),
    Row("enter", "`await asyncio.sleep(0)`, Enter to prompt", targets=(Target(1.5, (ASYNCIO,)),)),
    Row("complete-attribute", "first completions, `asyncio.w`", targets=(Target(20),)),
    Row("complete-name", "first completions, a name", targets=(Target(20),)),
    Row("complete-crowd", "first completions, 20,000 names", targets=(Target(50),)),
    Row("flood", "20,000 lines printed by a task", targets=(Target(1.5, (ASYNCIO,)),)),
    Row("flood-broken", "prompt not intact after them", "%", "mean", (Target(0),)),
    Row("memory", "peak memory at the prompt", unit="MiB", targets=(Target(1.0, (IPYTHON,)),)),
)

LOOKING_ROWS = (
    Row("crowd", "100,000 waiting tasks, time to answer", targets=(Target(1000),)),
    Row("gap", "longest gap of a 1 ms ticker on their loop meanwhile"),
    Row("gap-without", "the same while nobody looks"),
    Row("gap-added", "the difference", targets=(Target(2),)),
    Row("memory-of-crowd", "memory of that snapshot", unit="MiB", targets=(Target(100),)),
    Row("memory-peak", "the most while it is made", unit="MiB"),
    Row("deep-owners", "1,000 tasks four frames deep, with waits and owners", targets=(Target(15),)),
    Row("deep", "the same without owners", targets=(Target(4),)),
)


PULSE = Target(1.02, program="pulse")
ALERTS = Target(1.25, program="alerts")
STATS = Target(1.6, program="stats")
TIMES = "times a loop that nobody watches"

COST_ROWS = (
    Row("step", "a step, of 100 tasks of `sleep(0)`", "us"),
    Row("step-times", TIMES, "×", targets=(PULSE, ALERTS, STATS)),
    Row("echo", "a line to an echo server and back", "us"),
    Row("echo-times", TIMES, "×", targets=(PULSE,)),
    Row("task", "a task is made and awaited", "us"),
    Row("task-times", TIMES, "×"),
    Row("step-uvloop", "a step, uvloop", "us"),
    Row("step-uvloop-times", TIMES, "×", targets=(PULSE,)),
    Row("echo-uvloop", "a line and back, uvloop", "us"),
    Row("echo-uvloop-times", TIMES, "×", targets=(PULSE,)),
    Row("task-uvloop", "a task, uvloop", "us"),
    Row("task-uvloop-times", TIMES, "×"),
)


def table(results: Results, programs: Sequence[str], rows: Sequence[Row] = ROWS) -> str:
    """Return the results as a Markdown table: a column for each program, then target and verdict.

    Empty if nothing of it was measured.
    """
    body = [_line(row, results, programs) for row in rows if any((row.series, name) in results for name in programs)]
    if not body:
        return ""
    head = ["", *programs, "target", "measured", ""]
    rule = ["---", *["---:"] * len(programs), "---", "---:", "---"]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *body])


def figure(row: Row, samples: Sequence[float]) -> float:
    """The row's one figure of these samples, in the row's unit."""
    return SCALES[row.unit] * STATISTICS[row.statistic](samples)


def p95(samples: Sequence[float]) -> float:
    """The sample that 95 of 100 do not exceed."""
    return sorted(samples)[math.ceil(len(samples) * 0.95) - 1]


STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "mean": statistics.mean,
    "p95": p95,
}


def _line(row: Row, results: Results, programs: Sequence[str]) -> list[str]:
    figures = {name: figure(row, results[row.series, name]) for name in programs if results.get((row.series, name))}
    cells = [_cell(figures.get(name), row.unit) for name in programs]
    verdicts = [_verdict(target, figures, row.unit) for target in row.targets] or [("", "", "")]
    return [row.title, *cells, *("; ".join(column) for column in zip(*verdicts, strict=True))]


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return NOT_MEASURED
    return f"{_number(value, unit)} {unit}"


def _number(value: float, unit: str) -> str:
    if value >= 10:
        return f"{value:.0f}"
    # A few parts of a hundred are what is asked for.
    return f"{value:.2f}" if unit in ("×", "us") else f"{value:.1f}"


def _verdict(target: Target, figures: Mapping[str, float], unit: str) -> tuple[str, str, str]:
    """What is asked, what was measured, and whether that is met."""
    ours = figures.get(target.program)
    if not target.of:
        named = "" if target.program == OURS else f"{target.program} "
        return f"{named}≤ {target.limit:g} {unit}", _cell(ours, unit), _met(ours, target.limit)
    peers = [figures[name] for name in target.of if name in figures]
    ratio = ours / min(peers) if ours is not None and peers else None
    asked = f"≤ {target.limit:g} × {' or '.join(target.of)}"
    return asked, NOT_MEASURED if ratio is None else f"{ratio:.2f}", _met(ratio, target.limit)


def _met(value: float | None, limit: float) -> str:
    if value is None:
        return NOT_MEASURED
    return "met" if value <= limit else "missed"
