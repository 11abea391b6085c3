"""Ctrl-C and Ctrl-Z as a person sees them: it hits the cell, one line says so, and a prompt comes back."""

from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import CONTROL_C, CONTROL_Z, REPL, UNDER_A_SHELL, Person, starts

WORKER = ()
MAIN = ("--main-loop",)
UVLOOP = ("--loop", "uvloop")
NO_UVLOOP = pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
everywhere = pytest.mark.parametrize(
    "options",
    [
        pytest.param(WORKER, id="worker"),
        pytest.param(MAIN, id="main"),
        pytest.param(UVLOOP, id="uvloop", marks=NO_UVLOOP),
    ],
)

# A task that turns up on the loop again and again, and would tell if an interrupt hit it.
BYSTANDER = """\
async def bystander(pause):
    try:
        while True:
            await asyncio.sleep(pause)
    except BaseException as error:
        print("HIT", repr(error))
        raise
"""

# ``tell(2)`` in a cell prints when its thread is in a call of line 2: other threads run then, and not on the way there.
TELL = """\
import os, sys, threading, time

def tell(line):
    thread, cell = threading.get_ident(), sys._getframe(1).f_code.co_filename
    def look():
        frame = None
        while frame is None or (frame.f_code.co_filename, frame.f_lineno) != (cell, line):
            frame = sys._current_frames().get(thread)
            time.sleep(0.001)
        print("there")
    threading.Thread(target=look).start()

"""


def with_bystander(folder: Path, options: tuple[str, ...], pause: float = 0.001) -> Person:
    person = starts(folder, "-q", "--hints", "off", *options)
    person.runs(BYSTANDER)
    person.runs(f"task = asyncio.create_task(bystander({pause}))")
    return person


def bystander_lives(person: Person) -> bool:
    return person.runs("'alive' if not task.done() else task") == ["'alive'"] and not person.shows("^HIT")


@everywhere
def test_cell_parked_in_an_await_is_cancelled_and_nothing_else(tmp_path: Path, options: tuple[str, ...]) -> None:
    cell = """\
try:
    await asyncio.sleep(1000)
except asyncio.CancelledError:
    print("cell was cancelled")
    raise
"""
    with with_bystander(tmp_path, options) as person:
        person.enters(cell)
        person.sees(r"^\d+ s  waits on asyncio.sleep")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last == ["cell was cancelled", "KeyboardInterrupt (<cell 3>, line 2)"]
        assert bystander_lives(person)


@everywhere
def test_interrupt_reaches_the_await_that_a_task_of_the_cell_is_in(tmp_path: Path, options: tuple[str, ...]) -> None:
    with with_bystander(tmp_path, options) as person:
        person.enters("await asyncio.gather(asyncio.sleep(1000), asyncio.Event().wait())")
        person.sees("waits on gather, 2 of 2 pending")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last == ["KeyboardInterrupt (<cell 3>, line 1)"]
        assert person.runs("len(asyncio.all_tasks())") == ["2"]
        assert bystander_lives(person)


@everywhere
def test_cell_executing_python_gets_keyboard_interrupt(tmp_path: Path, options: tuple[str, ...]) -> None:
    with with_bystander(tmp_path, options) as person:
        person.enters('print("spinning")\nwhile True:\n    pass\n')
        person.sees("^spinning$")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last[0] == "spinning"
        assert person.last[1].startswith("KeyboardInterrupt (<cell 3>, line ")
        assert len(person.last) == 2
        assert bystander_lives(person)


@everywhere
def test_keyboard_interrupt_can_be_caught_by_the_cell(tmp_path: Path, options: tuple[str, ...]) -> None:
    cell = """\
try:
    print("spinning")
    while True:
        pass
except KeyboardInterrupt:
    print("caught")
"""
    with with_bystander(tmp_path, options) as person:
        person.enters(cell)
        person.sees("^spinning$")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last == ["spinning", "caught"]
        assert bystander_lives(person)


@everywhere
def test_many_interrupts_between_many_tasks_hit_the_cell_alone(tmp_path: Path, options: tuple[str, ...]) -> None:
    cell = """\
print("going")
while True:
    await asyncio.sleep(0)
"""
    with with_bystander(tmp_path, options, pause=0) as person:
        for number in range(5):
            person.runs("print('\\n' * 50)")
            person.enters(cell)
            person.sees("^going$")
            person.send(CONTROL_C)
            person.waits_for_prompt()
            assert person.last[0] == "going"
            assert person.last[1].startswith("KeyboardInterrupt"), number
            assert len(person.last) == 2
        assert bystander_lives(person)


@everywhere
def test_task_that_blocks_the_loop_is_named_first_and_hit_second(tmp_path: Path, options: tuple[str, ...]) -> None:
    blocker = """\
async def blocker():
    print("blocking")
    while True:
        pass
"""
    with starts(tmp_path, "-q", *options) as person:
        person.runs(blocker)
        person.enters("culprit = asyncio.create_task(blocker(), name='culprit'); await asyncio.wait([culprit])")
        person.sees("^blocking$")
        person.send(CONTROL_C)
        person.sees(r"^culprit holds the loop in <cell 1>, line [34]")
        assert not person.at_prompt
        person.send(CONTROL_C)
        person.sees("^! .* never-retrieved: culprit .* failed and nobody awaits it")
        person.waits_for_prompt()
        assert person.runs("culprit.exception()") == ["KeyboardInterrupt()"]
        assert person.runs("await asyncio.sleep(0, 'the loop works')") == ["'the loop works'"]


@everywhere
def test_callback_that_blocks_the_loop_is_named_first_and_hit_second(tmp_path: Path, options: tuple[str, ...]) -> None:
    blocker = """\
def blocker():
    print("blocking")
    while True:
        pass
"""
    with starts(tmp_path, "-q", *options) as person:
        person.runs(blocker)
        person.enters("asyncio.get_running_loop().call_soon(blocker); await asyncio.sleep(0.01)")
        person.sees("^blocking$")
        person.send(CONTROL_C)
        person.sees(r"holds the loop in <cell 1>, line [34]")
        person.send(CONTROL_C)
        person.sees("^a callback raised KeyboardInterrupt; the loop goes on$")
        person.waits_for_prompt()
        assert person.runs("await asyncio.sleep(0, 'the loop works')") == ["'the loop works'"]


@pytest.mark.parametrize(
    "options", [pytest.param(WORKER, id="worker"), pytest.param(UVLOOP, id="uvloop", marks=NO_UVLOOP)]
)
def test_call_that_cannot_be_interrupted_is_left_behind_with_its_loop(tmp_path: Path, options: tuple[str, ...]) -> None:
    with with_bystander(tmp_path, options) as person:
        person.runs(TELL + "reader, writer = os.pipe()")
        person.enters("tell(2)\nos.read(reader, 1)")
        person.sees("^there$")
        person.send(CONTROL_C)
        person.sees(r"^still in <cell 4>, line 2: os\.read\(reader, 1\); Ctrl-C again leaves th")
        assert not person.at_prompt
        person.send(CONTROL_C)
        person.waits_for_prompt()
        # The namespace is what it was, and cells run on the new loop.
        assert person.runs("await asyncio.sleep(0, (type(writer), task.done()))") == ["(<class 'int'>, False)"]
        assert not person.shows("^HIT")
        # When the call returns, the tasks of the loop that was left are cancelled.
        person.enters("os.write(writer, b'x')")
        person.sees(r"^HIT CancelledError\(\)$")
        person.waits_for_prompt()
        assert person.runs("task.cancelled()") == ["True"]


def test_sleep_that_never_ends_is_left_behind(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.runs(TELL + "x = 41")
        person.enters("tell(2)\ntime.sleep(1000)")
        person.sees("^there$")
        person.send(CONTROL_C)
        person.sees(r"^still in <cell 2>, line 2: time\.sleep\(1000\)")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.runs("x + 1") == ["42"]
        person.enters("exit(5)")
        assert person.ends() == 5


def test_in_the_main_thread_a_sleep_is_broken_off_by_the_first_press(tmp_path: Path) -> None:
    with with_bystander(tmp_path, MAIN) as person:
        person.runs(TELL)
        person.enters("tell(2)\ntime.sleep(1000)")
        person.sees("^there$")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last == ["there", "KeyboardInterrupt (<cell 4>, line 2)"]
        assert bystander_lives(person)


@everywhere
def test_cell_that_refuses_to_be_cancelled_is_explained(tmp_path: Path, options: tuple[str, ...]) -> None:
    cell = """\
try:
    await asyncio.sleep(1000)
finally:
    await asyncio.sleep(1000)
"""
    with starts(tmp_path, "-q", *options) as person:
        person.enters(cell)
        person.sees("waits on asyncio.sleep")
        person.send(CONTROL_C)
        person.sees("^the cell was cancelled and still waits on asyncio.sleep")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last[-1] == "KeyboardInterrupt (<cell 1>, line 4)"


@everywhere
def test_interrupt_at_the_prompt_drops_what_was_typed_and_touches_no_job(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with starts(tmp_path, "-q", *options) as person:
        person.enters("await asyncio.sleep(1000) &")
        person.waits_for_prompt()
        person.types("half a thou")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.lines[person.row - 2 : person.row] == [">>> half a thou", "KeyboardInterrupt"]
        assert "await asyncio.sleep(1000)" in "\n".join(person.runs("%jobs"))


@everywhere
def test_control_z_makes_a_job_of_the_cell_which_ends_with_its_result(tmp_path: Path, options: tuple[str, ...]) -> None:
    with starts(tmp_path, "-q", *options) as person:
        person.runs("event = asyncio.Event()")
        person.enters("await event.wait(); 6 * 7")
        person.sees("waits on Event.wait")
        person.send(CONTROL_Z)
        person.waits_for_prompt()
        assert person.last == ["[1] in the background; %fg brings it back"]
        assert "Event.wait" in "\n".join(person.runs("%jobs"))
        person.enters("event.set()")
        person.sees(r"^\[1\] done after \d+\.\d s: await event.wait\(\); 6 \* 7\n42$")
        person.waits_for_prompt()
        assert person.runs("%jobs") == ["no jobs in the background"]


@everywhere
def test_trailing_ampersand_fg_and_interrupt_in_the_foreground(tmp_path: Path, options: tuple[str, ...]) -> None:
    with starts(tmp_path, "-q", *options) as person:
        assert person.runs("await asyncio.sleep(1000, 'slept') &") == ["[1] in the background; %fg brings it back"]
        person.enters("%fg 1")
        person.sees("waits on asyncio.sleep")
        person.send(CONTROL_Z)
        person.waits_for_prompt()
        person.enters("%fg")
        person.sees("waits on asyncio.sleep")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last == ["KeyboardInterrupt (<cell 1>, line 1)"]
        assert person.runs("%fg 7") == ["no job 7; there is none"]


@pytest.mark.parametrize("command", [pytest.param(REPL, id="alone"), pytest.param(UNDER_A_SHELL, id="under-a-shell")])
def test_shell_command_is_stopped_by_control_z_and_goes_on_with_fg(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Also where the REPL is all there is on the terminal, as in a container: no shell is above it."""
    with starts(tmp_path, "-q", command=command) as person:
        person.enters("!echo going; read line; echo got $line")
        person.sees("^going$")
        person.send(CONTROL_Z)
        person.waits_for_prompt()
        assert "stopped; %bg or %fg lets it go on" in "\n".join(person.runs("%jobs"))
        person.enters("%fg")
        person.sees("waits on process")
        person.send("that\r")
        person.sees("^got that$")
        person.waits_for_prompt()


def test_shell_command_ends_at_control_c(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.enters("!echo going; sleep 1000")
        person.sees("^going$")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.runs("1 + 1") == ["2"]


def test_second_wait_shows_a_status_line_that_goes_without_a_trace(tmp_path: Path) -> None:
    cell = """\
import os

async def set_when_flagged():
    while not os.path.exists("flag"):
        await asyncio.sleep(0.01)
    event.set()

event = asyncio.Event()
task = asyncio.create_task(set_when_flagged())
"""
    with starts(tmp_path, "-q") as person:
        person.runs(cell)
        person.enters("await event.wait()")
        first = person.sees(r"^(\d+) s  waits on Event.wait \(line 1 of <cell 2>\)  \(Ctrl-C interrupts,")
        person.sees(rf"^(?!{first[1]} )\d+ s  waits on")
        (tmp_path / "flag").touch()
        person.waits_for_prompt()
        assert person.last == ["True"]
        assert not person.shows("waits on")
