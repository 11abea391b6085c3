"""What is measured of a look at many tasks: each function starts one process, in which one tool looks at its tasks.

Times are seconds, memory is MiB; see ``inside/looking.py``.
"""

import json
import subprocess

from benchmarks.environments import AIOREPL, ROOT, Program
from benchmarks.measures import Bench, Measure, Samples

__all__ = ["LOOKING", "TOOLS"]

FORMAT_CALL_GRAPH = Program("format_call_graph", (), "checkout")
PSTREE = Program("pstree", (), "checkout")
STACKSCOPE = Program("stackscope", (), "stackscope")
TOOLS = (AIOREPL, FORMAT_CALL_GRAPH, PSTREE, STACKSCOPE)

SCRIPT = ROOT / "benchmarks" / "inside" / "looking.py"


def crowd(bench: Bench, program: Program) -> Samples:
    """All of 100,000 waiting tasks: time to answer, and the longest gap of a ticker on their loop."""
    return _looked(bench, program, "crowd")


def deep(bench: Bench, program: Program) -> Samples:
    """All of 1,000 tasks four frames deep, half of which wait for a lock that the other half hold."""
    return _looked(bench, program, "deep")


def memory(bench: Bench, program: Program) -> Samples:
    """What a snapshot of 100,000 tasks holds."""
    return _looked(bench, program, "memory")


def _looked(bench: Bench, program: Program, measure: str) -> Samples:
    command = [*bench.python(program), str(SCRIPT), program.name, measure]
    ended = subprocess.run(
        command, env=bench.variables(program), cwd=bench.directory, capture_output=True, text=True, check=True
    )
    samples: Samples = json.loads(ended.stdout)
    return samples


LOOKING = (
    Measure("crowd", crowd, TOOLS),
    Measure("deep", deep, TOOLS),
    Measure("crowd-memory", memory, (AIOREPL,)),
)
