"""Run the measures in interleaved rounds and put the table together.

Every program is measured once, then all again: a machine that slows down for a while does so for all of
them, and the ratios hold.
"""

import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Sequence

from benchmarks import attaching, environments
from benchmarks.cost import COST, MODES
from benchmarks.environments import Program
from benchmarks.looking import LOOKING, TOOLS
from benchmarks.measures import MEASURES, Bench, Measure, start
from benchmarks.report import COST_ROWS, LOOKING_ROWS, ROWS, Row, table
from benchmarks.serving import COLUMNS, SERVING
from benchmarks.serving import ROWS as SERVING_ROWS
from benchmarks.terminal import ProgramEnded, TimedOut

__all__ = ["UnknownMeasure", "run"]


# A table for each kind of thing that is measured, and what it is measured in.
TABLES: tuple[tuple[Sequence[Row], Sequence[Program]], ...] = (
    (ROWS, environments.PROGRAMS),
    (LOOKING_ROWS, TOOLS),
    (COST_ROWS, MODES),
    (SERVING_ROWS, COLUMNS),
    (attaching.ROWS, attaching.COLUMNS),
)
# Those that start no program at its prompt, and those that do.
WITHOUT_PROMPT = (*LOOKING, *COST, *SERVING, *attaching.ATTACHING)
ALL = (*MEASURES, *WITHOUT_PROMPT)


class UnknownMeasure(Exception):
    """There is no measure of that name; the message lists those there are."""


class Results:
    """The samples by series and program, and a line for each measurement that failed."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.failures: list[str] = []

    def add(self, bench: Bench, measure: Measure, program: Program) -> None:
        """Measure once; a program that does not answer must not cost the results of the others."""
        try:
            for series, samples in measure.samples(bench, program).items():
                self.samples[series, program.name] += samples
        except (TimedOut, ProgramEnded, subprocess.SubprocessError) as error:
            print(f"\n{program.name}: {error}", flush=True)
            self.failures.append(f"{program.name}: {measure.name} failed")


def run(python: str, repeat: int, only: Sequence[str] | None = None) -> str:
    """Return the tables with the conditions they hold under.

    Raises:
        UnknownMeasure: If ``only`` names one that there is not.
    """
    results = Results()
    chosen = [_measure(name) for name in only] if only else ALL
    bench = Bench(environments.interpreters(python))
    try:
        if not set(WITHOUT_PROMPT).issuperset(chosen):
            _warm_up(bench)
        for measure in chosen:
            _rounds(bench, measure, repeat, results)
    finally:
        bench.close()
    tables = [table(results.samples, [one.name for one in programs], rows) for rows, programs in TABLES]
    text = "\n\n".join(one for one in tables if one)
    failures = "".join(f"- {line}\n" for line in dict.fromkeys(results.failures))
    return f"{text}\n\n{failures}{_conditions(python, repeat)}\n"


def _measure(name: str) -> Measure:
    for measure in ALL:
        if measure.name == name:
            return measure
    raise UnknownMeasure(f"no measure {name!r}; there are {', '.join(one.name for one in ALL)}")


def _warm_up(bench: Bench) -> None:
    """Start each program once: the first start makes profiles and fills the disk's cache."""
    for program in environments.PROGRAMS:
        Results().add(bench, Measure("start", start), program)


def _rounds(bench: Bench, measure: Measure, repeat: int, results: Results) -> None:
    print(f"{measure.name} ", end="", flush=True)
    for _ in range(repeat):
        for program in measure.programs:
            results.add(bench, measure, program)
        print(".", end="", flush=True)
    print()


def _conditions(python: str, repeat: int) -> str:
    """What the figures hold for: versions, and the kind of machine."""
    packages = ", ".join(f"{name} {version}" for name, version in environments.versions(python).items())
    return (
        f"{repeat} interleaved rounds on {platform.system()} ({platform.machine()}, {os.cpu_count()} cores), "
        f"{platform.python_implementation()} {platform.python_version()}, {packages}; a terminal of 80 × 24."
    )
