"""What is measured of being served: what it costs an app, and how fast it answers a client.

Times are seconds, memory is MiB or KiB; see ``inside/serving.py``.
"""

import json
import subprocess
from functools import partial

from benchmarks.environments import AIOREPL, ROOT, Program
from benchmarks.measures import Bench, Measure, Samples, start
from benchmarks.report import Row, Target

__all__ = ["COLUMNS", "ROWS", "SERVING"]

SCRIPT = ROOT / "benchmarks" / "inside" / "serving.py"

# The same script in each; the argument is what the process is served by.
SERVED = Program("served", ("aiorepl",), "cost")
NOTHING = Program("not served", ("nothing",), "cost")
AIOMONITOR = Program("aiomonitor", ("aiomonitor",), "cost")
CONNECT = Program("connect", ("-m", "aiorepl", "connect", "measured"), "checkout")
LOCAL = Program("local prompt", AIOREPL.arguments, "checkout")
COLUMNS = (SERVED, NOTHING, AIOMONITOR, CONNECT, LOCAL)

APP = """
import asyncio, aiorepl
async def main():
    aiorepl.serve("measured")
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


def inside(bench: Bench, program: Program, *, measure: str) -> Samples:
    """Run the script with one of its measures."""
    command = [*bench.python(program), str(SCRIPT), measure, *program.arguments]
    ended = subprocess.run(
        command, env=bench.variables(program), cwd=bench.directory, capture_output=True, text=True, check=True
    )
    samples: Samples = json.loads(ended.stdout.splitlines()[-1])
    return samples


def connect(bench: Bench, program: Program) -> Samples:
    """Process start to the answer to a line that is typed at once: in this process, and in one that is served."""
    if program is not CONNECT:
        return start(bench, program)
    command = [*bench.python(program), "-c", APP]
    app = subprocess.Popen(command, env=bench.variables(program), cwd=bench.directory, stdout=subprocess.PIPE)
    with app:
        try:
            assert app.stdout is not None
            app.stdout.readline()
            # The first client makes the program load what a session needs.
            start(bench, program)
            return start(bench, program)
        finally:
            app.kill()


SERVING = (
    Measure("served-times", partial(inside, measure="times"), (SERVED,)),
    Measure("served-start", partial(inside, measure="start"), (SERVED, AIOMONITOR)),
    Measure("served-crowd", partial(inside, measure="crowd"), (NOTHING, SERVED, AIOMONITOR)),
    Measure("served-trips", partial(inside, measure="trips"), (SERVED,)),
    Measure("served-connect", connect, (LOCAL, CONNECT)),
)


def _once(limit: float) -> Target:
    return Target(limit, program="served")


ROWS = (
    Row("served-step-times", "100 tasks of `sleep(0)`, times a loop that is not served", "×", targets=(_once(1.01),)),
    Row("served-echo-times", "an echo server, the same", "×", targets=(_once(1.01),)),
    Row("served-start", "to load and start it, over asyncio", targets=(_once(15),)),
    Row("served-memory", "its memory", "MiB", targets=(_once(2),)),
    Row("crowd-task", "to make each of 10,000 tasks", "us"),
    Row("crowd-memory", "memory of each", "KiB"),
    Row("list-first", "the first `aiorepl tasks`, 50 of them shown, whole process", targets=(_once(1000),)),
    Row("list", "the next one", targets=(_once(1000),)),
    Row("list-all", "all of them listed"),
    Row("list-held", "the longest that a step of it holds the loop, processor time", targets=(_once(2),)),
    Row("list-gap", "longest gap of a 1 ms ticker meanwhile"),
    Row("list-gap-alone", "the same while nobody asks"),
    Row("trip-cell", "`1 + 1` in a session that is open", targets=(_once(10),)),
    Row("trip-complete", "completions of `asyncio.w` there"),
    Row(
        "start",
        "process start until a line typed at once is answered",
        targets=(Target(1.3, ("local prompt",), program="connect"),),
    ),
)
