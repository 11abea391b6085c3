"""A whole session in a process that was not prepared for it, and the look at one from outside."""

import ast
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from attach_targets import PATIENCE, TARGETS, Target, needs_remote_exec, skip_unless_permitted, target
from person import CONTROL_C, CONTROL_D, starts
from processes import ROOT, Home, run, start
from sessions import texts

from aiorepl.model import Answer, Done, Event
from aiorepl.remote.attach.attaching import Attached, attach
from aiorepl.remote.client import RemoteSession
from aiorepl.remote.discovery import Found
from aiorepl.settings import Settings

pytestmark = [needs_remote_exec, pytest.mark.usefixtures("private_folder")]

# Neither an environment's packages nor a folder of aiorepl's is on its path.
BARE = (sys.executable, "-I", "-S")
COUNTING = "counter = 1\n" + TARGETS["idle"]


def talk(attached: Attached, *cells: str) -> list[list[Event]]:
    """Hold a session; return the events of each cell."""

    async def hold() -> list[list[Event]]:
        found = Found(attached.process.pid, "attached", "")
        session = RemoteSession(found, settings=Settings(), connected=attached.socket)
        await session.open()
        async with asyncio.timeout(PATIENCE):
            events = [[event async for event in session.submit(cell)] for cell in cells]
        await session.aclose()
        return events

    events = asyncio.run(hold())
    assert attached.wait_until_left(PATIENCE)
    return events


def attach_to(program: Target, **options: object) -> Attached:
    skip_unless_permitted(program.pid)
    return attach(program.pid, options=options, patience=PATIENCE)


def test_a_program_without_aiorepl_is_looked_at_and_changed_and_left(home: Home) -> None:
    with target(home, COUNTING, python=BARE) as program:
        before = program.tell()
        refused, tasks, unlocked, cell, slept = talk(
            attach_to(program),
            "counter",
            "%tasks",
            "%write on",
            "import sys; counter, [n for n in sys.path if 'aiorepl' in n], 'prompt_toolkit' in sys.modules",
            "await asyncio.sleep(0.01, 'slept')",
        )
        assert texts(refused) == ["this session is read-only; %write on allows it"]
        assert [row.task.name for event in tasks if isinstance(event, Answer) for row in event.value.rows] == [  # type: ignore[attr-defined]
            "the-waiter"
        ]
        assert texts(unlocked) == ["this session may change the program"]
        assert texts(cell) == ["(1, [], False)"]
        assert texts(slept) == ["'slept'"]
        program.comes_to_tell(before)


def test_it_may_write_from_the_start(home: Home) -> None:
    with target(home, COUNTING) as program:
        (changed, seen) = talk(attach_to(program, write=True), "counter += 1", "counter")
        assert (texts(changed), texts(seen)) == ([], ["2"])


def test_an_idle_uvloop_and_a_loop_in_another_thread(home: Home) -> None:
    pytest.importorskip("uvloop")
    names = {"uvloop": "uvloop.Loop", "loop in another thread": "asyncio.unix_events._UnixSelectorEventLoop"}
    for kind, name in names.items():
        with target(home, TARGETS[kind]) as program:
            before = program.tell()
            (cell,) = talk(attach_to(program, write=True), "await asyncio.sleep(0, type(asyncio.get_running_loop()))")
            assert texts(cell) == [f"<class '{name}'>"]
            program.comes_to_tell(before)


def test_a_client_that_is_killed_leaves_nothing(home: Home) -> None:
    with target(home, TARGETS["idle"]) as program:
        skip_unless_permitted(program.pid)
        before = program.tell()
        with start("attach", "--write", str(program.pid), home=home) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write("print('here'); await asyncio.Event().wait()\n")
            client.stdin.flush()
            assert client.stdout.readline() == "here\n"
            client.kill()
        program.comes_to_tell(before)


def test_a_program_that_is_killed_while_a_child_has_its_sockets(home: Home) -> None:
    """The child that was forked meanwhile keeps the other end open: the client is told all the same."""
    with target(home, TARGETS["idle"]) as program:
        skip_unless_permitted(program.pid)
        with start("attach", "--write", str(program.pid), home=home) as client:
            # Some versions warn of a fork in a program with threads.
            fork = "import warnings; warnings.simplefilter('ignore'); print(os.fork() or signal.pause())\n"
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(fork)
            client.stdin.flush()
            child = int(client.stdout.readline())
            try:
                program.process.kill()
                # Its input is still open.
                client.wait(PATIENCE)
                out, err = client.communicate()
            finally:
                os.kill(child, signal.SIGKILL)
        assert (client.returncode, out) == (2, "")
        assert err == f"aiorepl: attached (process {program.pid}): the program has ended\n"


@pytest.mark.parametrize("kind", ["idle", "uvloop", "loop in another thread, main sleeps"])
def test_at_a_terminal(home: Home, kind: str) -> None:
    """Looking, then changing: debug mode, and a cell that Ctrl-C ends; all that is over when the person has left."""
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    python = BARE if kind == "idle" else BARE[:1]
    with target(home, f"counter = 1\n{TARGETS[kind]}", python=python) as program:
        skip_unless_permitted(program.pid)
        before = program.tell()
        with starts(home.path, "attach", str(program.pid), columns=140) as person:
            version = sys.version.split()[0]
            assert person.lines[:2] == [
                f"aiorepl is connected to program (process {program.pid}, Python {version}): it only looks, and "
                "%write tells more.",
                "%help lists the commands, Ctrl-D leaves.",
            ]
            assert person.runs("counter") == ["this session is read-only; %write on allows it"]
            assert person.runs("%write on") == ["this session may change the program"]
            assert person.runs("%debug on")[0].startswith("debug mode is on for 600 s; ")
            # Where the machine is busy, debug mode may have more to say.
            assert "True" in person.runs("counter += 1; asyncio.get_running_loop().get_debug()")
            person.enters("print('begun'); await asyncio.sleep(1000)")
            person.sees("^begun$")
            person.send(CONTROL_C)
            person.waits_for_prompt()
            assert any(line.startswith("KeyboardInterrupt") for line in person.last)
            person.send(CONTROL_D)
            assert person.ends() == 0
            assert person.shows(f"aiorepl: process {program.pid}: left as it was, but for the modules of Python's own")
        program.comes_to_tell(before)
        (after,) = talk(attach_to(program, write=True), "counter, asyncio.get_running_loop().get_debug()")
        assert texts(after) == ["(2, False)"]


def libraries(pid: int) -> set[Path]:
    """The libraries that are loaded into a process."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]) for line in lines if ".so" in line}


def test_a_program_in_another_virtual_environment(home: Home) -> None:
    """Its paths are its own, and nothing is loaded as a library but what belongs to Python."""
    environment = home.path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = str(environment / "bin" / "python")
    paths = "import sys; [sys.executable, sys.prefix, *sys.path]"
    look = ("%tasks", "%doctor 0.05", "%where 1 --locals", "%help tasks", "1 / 0")
    with target(home, COUNTING, python=(python,)) as program:
        before, loaded = program.tell(), libraries(program.pid)
        first, *told = talk(attach_to(program, write=True), paths, *look)
        outcomes = [event.outcome for events in told for event in events if isinstance(event, Done)]
        assert outcomes == ["ok", "ok", "ok", "ok", "error"]
        program.comes_to_tell(before)
        (second,) = talk(attach_to(program, write=True), paths)
        program.comes_to_tell(before)
        new = libraries(program.pid) - loaded
    seen = ast.literal_eval(texts(first)[0])
    assert seen[:2] == [python, str(environment)]
    assert str(ROOT) not in seen
    assert {path for path in seen if "site-packages" in path} <= {path for path in seen if path.startswith(seen[1])}
    assert texts(second) == texts(first)
    # What Python's ctypes needs is the system's.
    own = {path for path in new if path.parent.name == "lib-dynload" and str(path.parent) in seen}
    assert own
    assert {path.name.partition(".")[0] for path in new - own} <= {"libffi"}


TREE = """
async def leaf(): await asyncio.sleep(1000)
async def middle(): await asyncio.create_task(leaf(), name="leaf")
async def top():
    async with asyncio.TaskGroup() as group:
        group.create_task(middle(), name="middle")
        group.create_task(asyncio.Event().wait(), name="event")
        await asyncio.sleep(0.01)
        print("ready")
        {last}
asyncio.run(top())
"""
BLOCK = "import re; re.match('(a+)+$', 'a' * 60 + 'b')"


def seen_from_outside(home: Home, program: Target) -> str:
    skip_unless_permitted(program.pid)
    told = run("attach", "--look", str(program.pid), home=home)
    assert (told.status, told.err) == (0, "")
    first, second, *rest = told.out.splitlines()
    assert first.startswith(f"process {program.pid}: ")
    assert second.startswith("read from outside in ")
    assert second.endswith("while it went on; nothing was run in it")
    return re.sub(r"locks\.py:\d{3}", "locks.py:NNN", "\n".join(rest))


def test_a_look_from_outside(home: Home) -> None:
    with target(home, TREE.format(last="pass")) as program:
        seen = seen_from_outside(home, program)
        while "_aexit" not in seen:
            seen = seen_from_outside(home, program)
    assert seen.startswith(
        """
4 tasks, none running
task          state  coroutine                waits in
1 Task-1      –      top program.py:34        TaskGroup._aexit
├─ 2 middle   –      middle program.py:32     –
│  └─ 4 leaf  –      leaf program.py:31       sleep
└─ 3 event    –      Event.wait locks.py:NNN  Event.wait
"""
    ), seen
    assert f"\nmain thread {program.pid}, runs an event loop\n" in seen


def test_a_look_from_outside_while_a_c_call_holds_the_gil(home: Home) -> None:
    with target(home, TREE.format(last=BLOCK)) as program:
        told = run("attach", "--look", "--json", str(program.pid), home=home)
    data = json.loads(told.out)
    running = [task for task in data["tasks"] if task["running"]]
    assert [task["name"] for task in running] == ["Task-1"]
    assert running[0]["stack"][0]["function"] == "top"
    assert [thread["loops"] for thread in data["threads"]] == [True]


def test_a_look_at_a_program_that_has_no_asyncio(home: Home) -> None:
    script = "print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        skip_unless_permitted(program.pid)
        told = run("attach", "--look", str(program.pid), home=home)
        program.communicate()
    assert told.out.splitlines()[2:6] == ["", "no tasks", "", f"main thread {program.pid}"]
