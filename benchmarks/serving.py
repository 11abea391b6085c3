"""What is measured of being served: what it costs an app, and how fast it answers a client.

Times are seconds, memory is MiB or KiB; see ``inside/serving.py`` and ``inside/listing.py``.
"""

import json
import subprocess
from collections.abc import Callable
from functools import partial

from benchmarks.environments import AIOREPL, ROOT, Program
from benchmarks.inside.app import APP
from benchmarks.measures import Bench, Measure, Samples, complete, echo, enter, start
from benchmarks.report import Row, Target

__all__ = ["COLUMNS", "ROWS", "SERVING"]

SCRIPTS = ROOT / "benchmarks" / "inside"

# The same script in each; the argument is what the process is served by.
SERVED = Program("served", ("aiorepl",), "cost")
NOTHING = Program("not served", ("nothing",), "cost")
AIOMONITOR = Program("aiomonitor", ("aiomonitor",), "cost")
CONNECT = Program("connect", ("-m", "aiorepl", "connect", "measured"), "checkout")
LOCAL = Program("local prompt", AIOREPL.arguments, "checkout")
COLUMNS = (SERVED, NOTHING, AIOMONITOR, CONNECT, LOCAL)

# Seconds: more than the longest of them takes.
PATIENCE = 200.0


def inside(bench: Bench, program: Program, *, script: str, measure: tuple[str, ...] = ()) -> Samples:
    """Run a script with one of its measures."""
    command = [*bench.python(program), str(SCRIPTS / script), *measure, *program.arguments]
    ended = subprocess.run(
        command,
        env=bench.variables(program),
        cwd=bench.directory,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    samples: Samples = json.loads(ended.stdout.splitlines()[-1])
    return samples


def at_prompt(bench: Bench, program: Program, *, measure: Callable[[Bench, Program], Samples]) -> Samples:
    """Measure something at a prompt: in this process, and in one that is served."""
    if program is not CONNECT:
        return measure(bench, program)
    command = [*bench.python(program), "-c", APP]
    variables = bench.variables(program, PYTHONPATH=str(SCRIPTS))
    app = subprocess.Popen(command, env=variables, cwd=bench.directory, stdout=subprocess.PIPE)
    with app:
        try:
            assert app.stdout is not None
            app.stdout.readline()
            # The first client makes the program load what a session needs.
            start(bench, program)
            return measure(bench, program)
        finally:
            app.kill()


SERVING = (
    *(
        Measure(f"served-{name}", partial(inside, script="serving.py", measure=(name,)), programs)
        for name, programs in (("times", (SERVED,)), ("start", (SERVED, AIOMONITOR)), ("trips", (SERVED,)))
    ),
    Measure("served-crowd", partial(inside, script="listing.py"), (NOTHING, SERVED, AIOMONITOR)),
    *(
        Measure(f"served-{name}", partial(at_prompt, measure=measure), (LOCAL, CONNECT))
        for name, measure in (("connect", start), ("echo", echo), ("enter", enter), ("complete", complete))
    ),
)


def _once(limit: float) -> Target:
    return Target(limit, program="served")


def _as_local(limit: float) -> Target:
    return Target(limit, ("local prompt",), program="connect")


ROWS = (
    Row("served-step-times", "100 tasks of `sleep(0)`, times a loop that is not served", "×", targets=(_once(1.01),)),
    Row("served-echo-times", "an echo server, the same", "×", targets=(_once(1.01),)),
    Row("served-share", "processor time of the server's threads, in each second of that", targets=(_once(10),)),
    Row("served-load", "to import it, over asyncio", targets=(_once(15),)),
    Row("served-start", "to start it"),
    Row("served-memory", "memory of both", "MiB", targets=(_once(2),)),
    Row("crowd-task", "to make each of 10,000 tasks", "us"),
    Row("crowd-memory", "memory of each", "KiB"),
    Row("list-first", "the first `aiorepl tasks`, 50 of them shown, whole process", targets=(_once(1000),)),
    Row("list-first-held", "the longest that a 1 ms ticker was held up by its own process", targets=(_once(2),)),
    Row("list", "the next `aiorepl tasks`", targets=(_once(1000),)),
    Row("list-held", "the longest that the ticker was held up by its own process", targets=(_once(2),)),
    Row("list-alone-held", "the same while nobody asks"),
    Row("list-step", "the longest step of it on the loop", targets=(_once(2),)),
    Row("list-gap", "how late the ticker was, with what others on the machine did"),
    Row("list-alone-gap", "the same while nobody asks"),
    Row("list-all", "all 10,000 listed (aiomonitor: `ps` at its console)"),
    Row("list-all-held", "the longest that the ticker was held up by its own process"),
    Row("list-all-page", "the same list by its web page"),
    Row("list-all-page-held", "the longest that the ticker was held up by its own process"),
    Row("trip-cell", "`1 + 1` in a session that is open", targets=(_once(10),)),
    Row("trip-complete", "completions of `asyncio.w` there"),
    Row("start", "process start until a line typed at once is answered", targets=(_as_local(1.3),)),
    Row("echo", "echo of a key", targets=(_as_local(1.1),)),
    Row("enter", "`await asyncio.sleep(0)`, Enter to prompt"),
    Row("complete-attribute", "first completions, `asyncio.w`", targets=(_as_local(1.1),)),
    Row("complete-name", "first completions, a name", targets=(_as_local(1.1),)),
)
