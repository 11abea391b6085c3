"""A prompt inside a program on a real terminal: what it sees, what it leaves alone, and how it is left."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import CONTROL_C, CONTROL_D, CONTROL_Z, ENTER, PATIENCE, Person
from processes import Home

import aiorepl
from aiorepl.errors import AioreplError

PRELUDE = f"""\
import asyncio, contextvars, gc, logging, os, signal, sys, weakref
sys.path.insert(0, {str(Path(__file__).parent)!r})
import aiorepl
from left_as_found import LOG, compare, state
"""

SERVICE = """
logging.basicConfig(handlers=[LOG], format="logged %(message)s")
request = contextvars.ContextVar("request")
LIMIT = 10

class Order:
    pass

async def ticker(ticks):
    while True:
        await asyncio.sleep(0.01)
        ticks.append(len(ticks))

async def handler(ticks):
    request.set("number 7")
    order = Order()
    kept = weakref.ref(order)
    total = 1
    add = lambda: total + 1
    before = state()
    await aiorepl.embed()
    compare(before)
    print("total", total, add(), "limit", LIMIT)
    return kept

async def main():
    ticks = []
    ticking = asyncio.create_task(ticker(ticks), name="ticker")
    kept = await handler(ticks)
    gc.collect()
    print("kept", kept())
    ticking.cancel()
"""


def opens(folder: Path, source: str, *, prompt: bool = True) -> Person:
    """Run a program at a terminal and wait for the prompt in it."""
    (folder / "program.py").write_text(PRELUDE + source)
    person = Person(folder, "program.py", command=(sys.executable,), columns=200)
    if prompt:
        try:
            person.waits_for_prompt()
        except BaseException:
            person.close()
            raise
    return person


@pytest.mark.parametrize(
    "loop", ["asyncio.run(main())", "import uvloop; uvloop.run(main())"], ids=["asyncio", "uvloop"]
)
def test_a_prompt_on_the_running_loop(tmp_path: Path, loop: str) -> None:
    if "uvloop" in loop:
        pytest.importorskip("uvloop")
    with opens(tmp_path, SERVICE + loop) as person:
        assert person.lines[0] == "aiorepl in handler (program.py, line 25); exit or Ctrl-D goes on from here"
        assert person.runs("n = len(ticks); await asyncio.sleep(0.1); len(ticks) > n") == ["True"]
        assert person.runs("request.get(), [total + n for n in (1, 2)], LIMIT") == ["('number 7', [2, 3], 10)"]
        assert person.runs("total = 41; LIMIT += 1; new = order") == []
        assert person.runs("logging.warning('now'); print(add())") == ["logged now", "42"]
        rows = person.runs("%tasks")[3:]
        assert [line.split()[1] for line in rows] == ["Task-1", "ticker"]
        assert rows[0].endswith("  this prompt")
        # An interrupt is the cell's own, be it parked or at work.
        for cell in ("await asyncio.sleep(1000)", "any(False for _ in iter(int, 1))"):
            person.enters(f"print('begun'); {cell}")
            person.sees("^begun$")
            person.send(CONTROL_C)
            person.waits_for_prompt()
            assert any(line.startswith("KeyboardInterrupt") for line in person.last)
        person.enters("input('name? ')")
        person.is_asked("name? ")
        person.types("Ada")
        person.send(ENTER)
        person.waits_for_prompt()
        assert "'Ada'" in person.last
        person.runs("ord")
        person.runs("order.price")
        assert person.runs("_exc.obj is order is _") == ["False"]
        # What is switched on is off when the prompt is left, and a job ends with it.
        for command in ("%debug on", "%log debug", "%stats on", "%trace ticker --max 5"):
            assert "off" in person.runs(command)[-1]
        person.runs("%slow 0.5")
        person.runs("await asyncio.sleep(1000) &")
        assert person.runs("import left_as_found; ticker.__name__, left_as_found.state()['debug']") == [
            "('ticker', (True, 0.5))"
        ]
        person.types("half a line")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        person.enters("exit()")
        assert person.ends() == 0
        assert person.last == ["changed:", "nothing", "total 41 42 limit 11", "kept None"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_signal_that_ends_the_program_leaves_no_prompt_behind(tmp_path: Path, loop: str) -> None:
    pytest.importorskip(loop)
    with opens(tmp_path, f"{SERVICE}import {loop}; {loop}.run(main())") as person:
        person.is_ended_by(signal.SIGTERM)


SYNC = """
def work(number):
    word = "local"
    before = state()
    print("returned", aiorepl.embed() is None)
    compare(before)
    print(number, word)

work(1)
"""


def test_a_prompt_where_no_loop_is_running(tmp_path: Path) -> None:
    with opens(tmp_path, SYNC) as person:
        assert person.runs("await asyncio.sleep(0, (number, word))") == ["(1, 'local')"]
        assert person.runs("import threading; threading.current_thread().name") == ["'MainThread'"]
        assert person.runs("word = 'changed'; t = asyncio.create_task(asyncio.sleep(1000)); t.get_name()") == [
            "'Task-1'"
        ]
        person.enters("quit")
        assert person.ends() == 0
        assert person.last == ["returned False", "changed:", "nothing", "1 changed"]


MORE_THAN_ONE = """
async def ask(name, before):
    value = name
    await aiorepl.embed()
    print(name, "goes on with", value)

async def main():
    before = state()
    async with asyncio.TaskGroup() as group:
        group.create_task(ask("first", before))
        group.create_task(ask("second", before))
    try:
        async with asyncio.timeout(None) as timeout:
            await aiorepl.embed({"timeout": timeout})
    except TimeoutError:
        print("taken away", flush=True)
    signal.signal(signal.SIGUSR1, lambda *_: print("signalled", flush=True))
    await aiorepl.embed()
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    compare(before)
    child = None
    await aiorepl.embed()
    await child.communicate(b"there\\n")
    await asyncio.to_thread(input)
    print("without a terminal:", flush=True)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    await aiorepl.embed()

asyncio.run(main())
"""


def test_one_prompt_after_the_other(tmp_path: Path) -> None:
    with opens(tmp_path, MORE_THAN_ONE) as person:
        assert person.runs("value += ' choice'; name") == ["'first'"]
        person.send(CONTROL_D)
        person.sees("^first goes on with first choice$")
        person.waits_for_prompt()
        assert person.runs("name") == ["'second'"]
        person.enters("raise SystemExit('only the prompt')")
        person.sees("^only the prompt$")
        person.sees("^second goes on with second$")
        person.waits_for_prompt()
        assert person.runs("dir()") == ["['asyncio', 'exit', 'quit', 'repl', 'timeout']"]
        person.enters("timeout.reschedule(0); await timeout._task.get_loop().create_future()")
        person.sees("^taken away$")
        person.waits_for_prompt()
        os.kill(person.pid, signal.SIGUSR1)
        person.sees("^signalled$")
        person.enters("exit")
        person.sees("^nothing$")
        person.waits_for_prompt()
        # A child that a cell has started goes on, and what it prints is seen.
        shell = "'/bin/sh', '-c', 'read line; echo still $line'"
        person.runs(f"child = await asyncio.create_subprocess_exec({shell}, stdin=-1)")
        person.enters("%exit")
        person.sees("^still there$")
        person.send(ENTER)
        assert person.ends() == 0
        why = "was passed over: the standard input is not a terminal"
        assert person.lines[person.row - 2 : person.row] == [
            "without a terminal:",
            f"aiorepl: aiorepl.embed() in main (program.py, line 31) {why}",
        ]


def test_a_signal_that_ends_the_program_finds_the_terminal_given_back(tmp_path: Path) -> None:
    source = """
async def main():
    before = state()
    try:
        await aiorepl.embed()
    finally:
        compare(before)

asyncio.run(main())
"""
    with opens(tmp_path, source) as person:
        person.types("half a cell")
        os.kill(person.pid, signal.SIGINT)
        assert person.ends() == -signal.SIGINT
        assert person.shows("^nothing$")
        assert person.lines[person.row - 1] == "KeyboardInterrupt"


FAILING = """
import json
LIMIT = 10
TICKS = []

async def fail(data):
    local = [data]
    return json.loads(data)

def work():
    share = 0.5
    with aiorepl.post_mortem():
        return LIMIT / int(share)

async def main(how):
    async def tick():
        while True:
            TICKS.append(1)
            await asyncio.sleep(0.01)
    ticking = asyncio.create_task(tick())
    if how == "async":
        async with aiorepl.post_mortem():
            await fail("{")
    else:
        with aiorepl.post_mortem():
            await fail("{")

before = state()
try:
    work()
except ZeroDivisionError as error:
    print("went on:", error)
compare(before)
for how in ("async", "plain"):
    try:
        asyncio.run(main(how))
    except ValueError as error:
        print("went on:", error)
with aiorepl.post_mortem():
    sys.exit(3)
"""


def test_a_prompt_where_an_exception_was_raised(tmp_path: Path) -> None:
    with opens(tmp_path, FAILING) as person:
        assert [line for line in person.lines[: person.row] if "^" not in line] == [
            "Traceback (most recent call last):",
            f'  File "{tmp_path}/program.py", line 17, in work',
            "    return LIMIT / int(share)",
            "ZeroDivisionError: division by zero",
            "aiorepl where this was raised, in work (program.py, line 17); exit or Ctrl-D goes on from here",
        ]
        assert person.runs("share, LIMIT, type(_exc)") == ["(0.5, 10, <class 'ZeroDivisionError'>)"]
        assert person.runs("await asyncio.sleep(0, 'awaits')") == ["'awaits'"]
        person.send(CONTROL_D)
        person.sees("^went on: division by zero$")
        person.sees("^nothing$")
        for how in ("async", "plain"):
            person.waits_for_prompt()
            # Of the user's frames the innermost, not one of the json module's.
            assert person.runs("local, data") == ["(['{'], '{')"]
            person.runs("n = len(TICKS); await asyncio.sleep(0.1)")
            assert person.runs("len(TICKS) > n") == [str(how == "async")]
            person.send(CONTROL_D)
            person.sees(f"(?s)went on: Expecting.*{'went on: Expecting' if how == 'plain' else ''}")
        assert person.ends() == 3


def test_without_a_terminal_a_line_says_so_and_the_program_goes_on(home: Home) -> None:
    source = """
async def main():
    await aiorepl.embed()
    async with aiorepl.post_mortem():
        raise ValueError("first")

aiorepl.embed()
for work in (lambda: asyncio.run(main()), lambda: 1 / 0):
    try:
        with aiorepl.post_mortem():
            work()
    except Exception as error:
        print(type(error).__name__)
"""
    (home.path / "program.py").write_text("import asyncio, aiorepl" + source)
    command = [sys.executable, "program.py"]
    ended = subprocess.run(
        command, cwd=home.path, env=home.environment, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=60
    )
    why = "was passed over: the standard input is not a terminal"
    assert ended.stdout == "ValueError\nZeroDivisionError\n"
    assert ended.stderr.splitlines() == [
        f"aiorepl: aiorepl.embed() in <module> (program.py, line 7) {why}",
        f"aiorepl: aiorepl.embed() in main (program.py, line 3) {why}",
        f"aiorepl: aiorepl.post_mortem() in main (program.py, line 5) {why}",
        f"aiorepl: aiorepl.post_mortem() in main (program.py, line 5) {why}",
        f"aiorepl: aiorepl.post_mortem() in <lambda> (program.py, line 8) {why}",
    ]


def test_where_it_cannot_be_awaited_it_says_how_it_can() -> None:
    def called_by_a_coroutine() -> None:
        aiorepl.embed()

    async def main() -> None:
        called_by_a_coroutine()

    with pytest.raises(AioreplError) as raised:
        asyncio.run(main())
    assert str(raised.value) == (
        "a loop is running in this thread: write `await aiorepl.embed()` in a coroutine function"
    )


SHELLS = """
async def main():
    signal.signal(signal.SIGINT, lambda *_: print("the program was interrupted"))
    before = state()
    await aiorepl.embed()
    compare(before)

asyncio.run(main())
"""


def has_the_keys(person: Person) -> None:
    """Wait until something else than the program is in the foreground of the terminal; nothing shows that."""
    deadline = time.monotonic() + PATIENCE
    while person.foreground == os.getpgid(person.pid):
        assert time.monotonic() < deadline
        person.read(0.01)


def test_shell_commands_have_the_terminal_and_their_keys_are_no_signals_to_the_program(tmp_path: Path) -> None:
    with opens(tmp_path, SHELLS) as person:
        person.enters("!stty -a; read line; echo got $line")
        person.sees(r"(?m)^isig icanon iexten echo ")
        person.types("a line")
        person.send(ENTER)
        person.sees("^got a line$")
        person.waits_for_prompt()
        # Not a child of the shell, which would miss a key that is pressed before it has begun.
        person.enters("!echo begun; exec sleep 1000")
        person.sees("^begun$")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last[-1] == "exit status -2"
        # Ctrl-Z makes a job of it, which can have the terminal again.
        person.enters("!echo waits; read line; echo heard $line")
        person.sees("^waits$")
        person.send(CONTROL_Z)
        person.waits_for_prompt()
        assert person.last[-1] == "[1] in the background; %fg brings it back"
        assert person.runs("await asyncio.sleep(0, 'the loop goes on')") == ["'the loop goes on'"]
        person.enters("%fg")
        has_the_keys(person)
        person.send("another\r")
        person.sees("^heard another$")
        person.waits_for_prompt()
        # It ends with the prompt.
        person.runs("!sleep 1000 &")
        person.enters("exit")
        assert person.ends() == 0
        assert person.last == ["changed:", "nothing"]
