"""The ways out: the right exit status, everything told to end, and the terminal as it was."""

import signal
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import CONTROL_C, CONTROL_D, starts

modes = pytest.mark.parametrize("options", [(), ("--main-loop",)], ids=["worker", "main"])


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("exit", 0),
        ("quit", 0),
        ("exit()", 0),
        ("exit(3)", 3),
        ("%exit 4", 4),
        ("import sys; sys.exit(5)", 5),
        ("raise SystemExit(6)", 6),
        ("async def leave(): await asyncio.sleep(0); raise SystemExit(7)\n\nawait leave()", 7),
        ("await asyncio.create_task(asyncio.sleep(0)); exit(8)", 8),
    ],
)
def test_exit_status(tmp_path: Path, cell: str, status: int) -> None:
    with starts(tmp_path, "-q") as person:
        person.enters(cell)
        assert person.ends() == status
        assert not person.shows("Traceback")


@modes
def test_control_d_leaves_only_from_an_empty_prompt(tmp_path: Path, options: tuple[str, ...]) -> None:
    with starts(tmp_path, "-q", *options) as person:
        person.types("1 + 1")
        person.send(CONTROL_D)  # deletes under the cursor, where nothing is
        person.types("1")
        person.send("\r")
        person.sees("^12$")
        person.waits_for_prompt()
        person.send(CONTROL_D)
        assert person.ends() == 0


def test_message_of_sys_exit_is_shown(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.enters("import sys; sys.exit('not today')")
        assert person.ends() == 1
        assert person.shows("^not today$")


@modes
def test_pending_tasks_generators_and_threads_end_before_it_leaves(tmp_path: Path, options: tuple[str, ...]) -> None:
    cell = """\
async def tidy():
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.01)
        print("task tidied")

async def numbers():
    try:
        yield 1
    finally:
        print("generator tidied")

task = asyncio.create_task(tidy())
generator = numbers()
await anext(generator)
"""
    with starts(tmp_path, "-q", *options) as person:
        assert person.runs(cell) == ["1"]
        person.enters("exit(2)")
        assert person.ends() == 2
        assert person.last == ["task tidied", "generator tidied"]


@modes
def test_tasks_that_refuse_to_end_are_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    cell = """\
async def stubborn():
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            print("no")

task = asyncio.create_task(stubborn(), name="mule")
await asyncio.sleep(0)
"""
    with starts(tmp_path, "-q", "--exit-timeout", "0.3", *options) as person:
        person.runs(cell)
        person.enters("exit(2)")
        assert person.ends() == 2
        assert person.shows("^did not end in time: mule")


@modes
def test_second_control_c_leaves_at_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    cell = """\
async def stubborn():
    try:
        await asyncio.sleep(1000)
    finally:
        print("waiting for ever")
        await asyncio.sleep(1000)

task = asyncio.create_task(stubborn())
await asyncio.sleep(0)
"""
    with starts(tmp_path, "-q", "--exit-timeout", "1000", *options) as person:
        person.runs(cell)
        person.enters("exit(2)")
        person.sees("^waiting for ever$")
        person.send(CONTROL_C)
        person.send(CONTROL_C)
        assert person.ends() in (2, 130, -signal.SIGINT)
        assert not person.shows("Traceback")


def test_thread_that_never_ends_does_not_keep_it(tmp_path: Path) -> None:
    with starts(tmp_path, "-q", "--exit-timeout", "0.3") as person:
        person.runs("import time; f = asyncio.get_running_loop().run_in_executor(None, time.sleep, 1000)")
        person.enters("exit(2)")
        assert person.ends() == 2
