"""What is measured of the price of being watched: each function starts one process, which works plain and watched.

Times are seconds; see ``inside/cost.py``.
"""

import json
import subprocess
from functools import partial

from benchmarks.environments import ROOT, Program
from benchmarks.measures import Bench, Measure, Samples

__all__ = ["COST", "MODES"]

SCRIPT = ROOT / "benchmarks" / "inside" / "cost.py"

# The program's name is the column's, and its argument the mode of the script.
PLAIN = Program("plain", ("plain",), "cost")
DEBUG = Program("debug mode", ("debug",), "cost")
AIOMONITOR = Program("aiomonitor", ("aiomonitor",), "cost")
OURS = (
    Program("pulse", ("pulse",), "cost"),
    Program("alerts", ("alerts",), "cost"),
    Program("stats", ("stats",), "cost"),
)
MODES = (PLAIN, *OURS, DEBUG, Program("aiodebug", ("aiodebug",), "cost"), AIOMONITOR)
# Where nothing of asyncio's is patched, aiodebug measures nothing; and with aiomonitor's hooks no task can be made.
ON_UVLOOP = (PLAIN, *OURS, DEBUG)


def cost(bench: Bench, program: Program, *, work: str, kind: str = "") -> Samples:
    """Do a work without and with a watch in turn, on asyncio's loop or on one of another kind."""
    command = [*bench.python(program), str(SCRIPT), *program.arguments, work, *([kind] if kind else [])]
    ended = subprocess.run(
        command, env=bench.variables(program), cwd=bench.directory, capture_output=True, text=True, check=True
    )
    samples: Samples = json.loads(ended.stdout.splitlines()[-1])
    return samples


COST = (
    *(Measure(f"cost-{work}", partial(cost, work=work), MODES) for work in ("step", "echo", "task")),
    *(
        Measure(f"cost-{work}-uvloop", partial(cost, work=work, kind="uvloop"), ON_UVLOOP)
        for work in ("step", "echo", "task")
    ),
)
