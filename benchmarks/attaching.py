"""What is measured of attaching to a process that was not prepared for it. Python 3.14 and newer, Linux and macOS.

Times are seconds, from the start of the process that attaches.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.environments import AIOREPL, Program
from benchmarks.measures import Bench, Measure, Samples, start
from benchmarks.report import Row, Target

__all__ = ["ATTACHING", "COLUMNS", "ROWS"]

# What the process does meanwhile: the columns. uvloop is in the environment of the costs only.
IDLE = Program("idle", (), "checkout")
BUSY = Program("busy", (), "checkout")
IDLE_UVLOOP = Program("idle, uvloop", (), "cost")
LOCAL = Program("local prompt", AIOREPL.arguments, "checkout")
COLUMNS = (IDLE, BUSY, IDLE_UVLOOP, LOCAL)

# Seconds.
PATIENCE = 30.0

WAITS = "    await asyncio.sleep(1000)"
# Python code without an end, 20 ms at a time.
COMPUTES = """
    while True:
        for _ in range(10**6):
            pass
        await asyncio.sleep(0)
"""
APP = """
import asyncio
async def main():
    print("ready", flush=True)
{does}
{run}(main())
"""


@contextlib.contextmanager
def running(bench: Bench, program: Program) -> Iterator[int]:
    """Start a process that has nothing of aiorepl; give its number."""
    run = "import uvloop; uvloop.run" if program is IDLE_UVLOOP else "asyncio.run"
    code = APP.format(does=COMPUTES if program is BUSY else WAITS, run=run)
    command = [*bench.python(program), "-c", code]
    with subprocess.Popen(command, env=bench.variables(program), cwd=bench.directory, stdout=subprocess.PIPE) as app:
        try:
            assert app.stdout is not None
            app.stdout.readline()
            yield app.pid
        finally:
            app.kill()


def attach(bench: Bench, program: Program) -> Samples:
    """Process start to the answer to a line that is typed at once, and to one typed when the prompt is seen."""
    if not _can_attach():
        return {}
    if program is LOCAL:
        return _started(bench, program)
    with running(bench, program) as pid:
        arguments = ("-m", "aiorepl", "attach", "--write", str(pid))
        return _started(bench, Program(program.name, arguments, program.environment))


def _started(bench: Bench, program: Program) -> Samples:
    # A local prompt's are in another table, too.
    return {f"attach-{series}": samples for series, samples in start(bench, program).items()}


def look(bench: Bench, program: Program) -> Samples:
    """The whole process that reads the tasks from outside."""
    if not _can_attach():
        return {}
    with running(bench, program) as pid:
        command = [*bench.python(program), "-m", "aiorepl", "attach", "--look", str(pid)]
        started = time.perf_counter()
        subprocess.run(
            command,
            env=bench.variables(program),
            cwd=bench.directory,
            capture_output=True,
            check=True,
            timeout=PATIENCE,
        )
        return {"attach-look": [time.perf_counter() - started]}


def _can_attach() -> bool:
    # This process runs the same Python as those that are measured.
    return sys.version_info >= (3, 14)


TARGETS = (IDLE, BUSY, IDLE_UVLOOP)
ATTACHING = (Measure("attach", attach, COLUMNS), Measure("attach-look", look, TARGETS))

_SOON = tuple(Target(1500, program=program.name) for program in TARGETS)

ROWS = (
    Row("attach-start", "`attach` to a process: start until a line typed at once is answered", targets=_SOON),
    Row("attach-start-seen", "the same, typed when the prompt is seen", targets=_SOON),
    Row("attach-look", "`attach --look`, whole process"),
)
