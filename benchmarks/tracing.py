"""What is measured of a trace, in one process; see ``inside/tracing.py``."""

import json
import subprocess

from benchmarks.environments import AIOREPL, ROOT, Program
from benchmarks.measures import Bench, Measure, Samples
from benchmarks.report import Row

__all__ = ["ROWS", "TRACING"]

SCRIPT = ROOT / "benchmarks" / "inside" / "tracing.py"


def cost(bench: Bench, program: Program) -> Samples:
    """How many times as long a program takes while it, or something else of the process, is traced."""
    ended = subprocess.run(
        [*bench.python(program), str(SCRIPT)],
        env=bench.variables(program),
        cwd=bench.directory,
        capture_output=True,
        text=True,
        check=True,
    )
    samples: Samples = json.loads(ended.stdout)
    return samples


TRACING = (Measure("tracing", cost, (AIOREPL,)),)

# How many times as long, and how many microseconds more.
ROWS = (
    Row("traced-call", "a call of an empty function that is traced", "×"),
    Row("traced-call-us", "the same, more for each call", "us"),
    Row("traced-counted", "a traced call that is only counted", "×"),
    Row("traced-counted-us", "the same, more for each call", "us"),
    Row("traced-task", "a task of a traced coroutine function, suspended three times", "×"),
    Row("traced-task-us", "the same, more for each task", "us"),
    Row("untraced-call", "a call of another function meanwhile", "×"),
    Row("untraced-call-us", "the same, more for each call", "us"),
    Row("untraced-exception", "an exception that another function raises meanwhile", "×"),
    Row("untraced-exception-us", "the same, more for each exception", "us"),
)
