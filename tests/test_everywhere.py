"""Each command does the same at a prompt of its own, on an app's loop, over a socket and in a process attached to."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from app_session import converse_with, running_app
from attach_targets import PATIENCE, TARGETS, needs_remote_exec, skip_unless_permitted, target
from command_session import new_session
from processes import Home
from served import Guest, serving, visiting
from sessions import Conversation, conversation

from aiorepl.commands.standard import COMMANDS
from aiorepl.model import Answer, Event, Notice, Progress
from aiorepl.remote.attach.attaching import attach
from aiorepl.remote.discovery import Found

# Names that the lines below are about; bound anew in each session.
SETUP = """
import asyncio
async def work(): await asyncio.sleep(1000)
async def fetch(n): return n
workers = [asyncio.create_task(work(), name=f"worker-{n}") for n in range(3)]; await asyncio.sleep(0)
"""

# One line or more for each command, and how the last one ends. Those that end the session are elsewhere.
LINES = {
    "alerts": (["%alerts off lost-wait", "%alerts"], "ok"),
    "bg": (["%bg"], "error"),
    "cancel": (["%cancel worker-1"], "ok"),
    "debug": (["%debug on", "%debug off", "%debug"], "ok"),
    "doctor": (["%doctor 0.05"], "ok"),
    "dump": (["%dump"], "ok"),
    "edit": (["%edit nothing.py"], "error"),
    "fg": (["await fetch(3) &", "%fg 9"], "error"),
    "help": (["%help tasks"], "ok"),
    "hints": (["%hints"], "ok"),
    "history": (["%history fetch"], "ok"),
    "io": (["%io"], "ok"),
    "jobs": (["await asyncio.sleep(1000) &", "%jobs"], "ok"),
    "load": (["%load {file}"], "ok"),
    "locks": (["lock = asyncio.Lock(); await lock.acquire()", "%locks"], "ok"),
    "log": (["%log info some.logger", "%log"], "ok"),
    "loop": (["%loop"], "ok"),
    "loops": (["%loops"], "ok"),
    "reset": (["%reset"], "ok"),
    "run": (["%run {file}"], "ok"),
    "save": (["%save {file}"], "error"),
    "set": (["%set hints off", "%set hints"], "ok"),
    "slow": (["%slow 0.5", "%slow"], "ok"),
    "stats": (["%stats on", "%stats off"], "ok"),
    "stdin": (["%stdin yes"], "error"),
    "stuck": (["%stuck"], "ok"),
    "task": (["%task worker-2"], "ok"),
    "tasks": (["%tasks worker-* --sort left", "%tasks --group"], "ok"),
    "thread": (["%thread sum(range(10))"], "ok"),
    "time": (["%time await fetch(1)"], "ok"),
    "timeit": (["%timeit await asyncio.sleep(0.2)"], "ok"),
    "timers": (["%timers --top 3"], "ok"),
    "trace": (["%trace fetch --max 2", "await fetch(1)", "%trace off", "%trace"], "ok"),
    "tree": (["%tree"], "ok"),
    "where": (["%where worker-2 --locals", "%where --group"], "ok"),
    "who": (["%who w*"], "ok"),
    "why": (["%why worker-2"], "ok"),
    "write": (["%write"], "ok"),
}
ELSEWHERE = {"exit", "quit"}

Type = Callable[[str], Awaitable[list[Event]]]
Script = Callable[[Type], Awaitable[None]]


def at_a_prompt(folder: Path, script: Script) -> None:
    async def run() -> None:
        async with conversation(new_session()) as talk:
            await script(talk.type)

    asyncio.run(run())


def in_an_app(folder: Path, script: Script) -> None:
    async def converse(talk: Conversation) -> None:
        await script(talk.type)

    with running_app() as app:
        converse_with(app, converse)


def over_a_socket(folder: Path, script: Script) -> None:
    async def visit(guest: Guest) -> None:
        await script(guest.type)

    with serving(folder) as served:
        served.visit(visit)


def attached(folder: Path, script: Script) -> None:
    with target(Home(folder), TARGETS["idle"], python=(sys.executable, "-I", "-S")) as program:
        skip_unless_permitted(program.pid)
        inside = attach(program.pid, options={"write": True}, patience=PATIENCE)

        async def run() -> None:
            async with visiting(Found(program.pid, "attached", ""), connected=inside.socket) as guest:
                await script(guest.type)

        asyncio.run(run())
        assert inside.wait_until_left(PATIENCE)


def kinds(events: list[Event]) -> list[str]:
    """What kinds of events there were, and of what kind the answers and notices."""
    found = []
    for event in events:
        if isinstance(event, Answer):
            found.append(f"Answer: {type(event.value).__name__}")
        elif isinstance(event, Notice):
            found.append(f"Notice: {event.level}")
        elif not isinstance(event, Progress):
            found.append(type(event).__name__)
    return found


def test_all_of_them_are_here() -> None:
    assert {command.name for command in COMMANDS} == LINES.keys() | ELSEWHERE


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[str]]]:
    """What each command does at a prompt of its own."""
    return done_by_each(at_a_prompt, tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("where", [in_an_app, over_a_socket, pytest.param(attached, marks=needs_remote_exec)])
def test_each_does_the_same(
    where: Callable[[Path, Script], None], at_home: dict[str, list[list[str]]], tmp_path: Path
) -> None:
    assert done_by_each(where, tmp_path) == at_home


def done_by_each(where: Callable[[Path, Script], None], folder: Path) -> dict[str, list[list[str]]]:
    done: dict[str, list[list[str]]] = {}
    (folder / "code.py").write_text("value = 1\n")

    async def script(type_line: Type) -> None:
        await type_line(SETUP)
        # The one that forgets all names comes last.
        for name, (lines, outcome) in sorted(LINES.items(), key=lambda item: item[0] == "reset"):
            events: list[Event] = []
            done[name] = []
            for line in lines:
                events = await type_line(line.format(file=folder / "code.py"))
                done[name].append(kinds(events))
            assert getattr(events[-1], "outcome", None) == outcome, (name, events)

    where(folder, script)
    return done
