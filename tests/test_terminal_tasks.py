"""The task commands as a person sees them, also while the loop is blocked."""

from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import starts

PROGRAM = """\
import asyncio, threading

let_go = threading.Event()

def crunch():
    let_go.wait(60)

async def culprit():
    await asyncio.sleep(0)
    crunch()

async def reader(lock):
    async with lock:
        await asyncio.sleep(3600)

async def writer(lock):
    async with lock:
        pass

async def start():
    lock = asyncio.Lock()
    tasks = [asyncio.create_task(reader(lock), name="reader"), asyncio.create_task(writer(lock), name="writer")]
    await asyncio.sleep(0)
    return tasks
"""


@pytest.mark.parametrize("options", [(), ("--main-loop",), ("--loop", "uvloop")], ids=["worker", "main", "uvloop"])
def test_commands_answer_while_the_loop_is_blocked_and_name_the_line(tmp_path: Path, options: tuple[str, ...]) -> None:
    if "uvloop" in options:
        pytest.importorskip("uvloop")
    (tmp_path / "program.py").write_text(PROGRAM)
    with starts(tmp_path, "-q", *options) as person:
        person.enters("%run program.py")
        person.waits_for_prompt()
        person.enters("tasks = await start()")
        person.waits_for_prompt()
        person.enters("blocks = asyncio.create_task(culprit(), name='culprit')")
        person.sees("loop blocked")
        person.waits_for_prompt()
        person.enters("%tasks")
        person.sees(r"blocked in (wait|crunch) \(\S+:\d+\) by \d+ culprit; this was seen from outside")
        person.sees(r"writer +waiting .* Lock held by reader")
        person.waits_for_prompt()
        person.enters("%where culprit")
        person.sees(r"> 6 +let_go.wait\(60\)")
        person.sees(r"> 10 +crunch\(\)")
        person.waits_for_prompt()
        person.enters("%why writer")
        person.sees(r"Lock held by reader")
        person.sees(r"The loop does not answer: culprit executes at program.py:6")
        person.waits_for_prompt()
        person.enters("%cancel writer")
        person.sees("the loop does not answer")
        person.waits_for_prompt()
        # Not in a cell: that would wait for the loop.
        person.enters("%thread let_go.set()")
        person.sees("loop (idle|busy)")
        person.enters("%cancel writer --wait")
        person.sees(r"writer.*ended")


def test_a_task_is_completed_with_what_it_is_doing(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with starts(tmp_path, "-q") as person:
        person.enters("%run program.py")
        person.enters("tasks = await start()")
        person.waits_for_prompt()
        # Nobody has looked at them yet.
        person.types("%why wr")
        person.send("\t")
        person.sees("writer.*Lock held by")
