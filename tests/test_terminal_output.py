"""What anything prints while a person types stands above the prompt, whole, and the prompt keeps what was typed."""

import re
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import CONTROL_C, Person, starts


def prints_over_half_a_line(person: Person, function: str, shown: str) -> None:
    """Have something printed while half a line is there, and see it above that."""
    person.runs(f"task = asyncio.create_task(when_flagged({function}))")
    person.types("half = 'typ")
    (person.folder / "flag").touch()
    person.sees(f"{shown}\n>>> half = 'typ$")
    assert person.typed == "half = 'typ"
    assert person.runs("ed'; half") == ["'typed'"]


FLAGGED = """\
import os, sys, time, threading, subprocess, logging
flag = {flag!r}
async def when_flagged(function):
    while not os.path.exists(flag):
        await asyncio.sleep(0.01)
    os.remove(flag)
    function()
"""

HANDLER = """\
import logging, sys
early = logging.getLogger("early")
early.addHandler(logging.StreamHandler())
early_out = logging.getLogger("early.out")
early_out.addHandler(logging.StreamHandler(sys.stdout))
early_out.propagate = False
saved = sys.stdout
"""


def printing(folder: Path, *arguments: str) -> Person:
    # Made before the prompt exists, so that its handlers hold the streams of then.
    config = folder / "home" / "config" / "aiorepl"
    config.mkdir(parents=True)
    (config / "startup.py").write_text(HANDLER)
    person = starts(folder, "-q", "--hints", "off", "--suggest", "off", *arguments)
    person.runs(FLAGGED.format(flag=str(folder / "flag")))
    return person


@pytest.mark.parametrize("options", [(), ("--main-loop",)], ids=["worker", "main"])
def test_prints_of_every_kind_stand_above_half_a_line(tmp_path: Path, options: tuple[str, ...]) -> None:
    with printing(tmp_path, *options) as person:
        for function, shown in (
            ("lambda: print('from a task')", "from a task"),
            ("lambda: print('to stderr', file=sys.stderr)", "to stderr"),
            ("lambda: print('kept stream', file=saved)", "kept stream"),
            ("lambda: threading.Thread(target=print, args=('from a thread',)).start()", "from a thread"),
            ("lambda: sys.stdout.buffer.write(b'bytes\\n') and sys.stdout.buffer.flush()", "bytes"),
            ("lambda: sys.stdout.writelines(['line 1\\n', 'line 2\\n'])", "line 1\nline 2"),
            ("lambda: os.write(1, b'descriptor 1\\n')", "descriptor 1"),
            ("lambda: os.write(2, b'descriptor 2\\n')", "descriptor 2"),
            ("lambda: early.warning('an early handler')", "an early handler"),
            ("lambda: early_out.warning('an early one of stdout')", "an early one of stdout"),
            ("lambda: subprocess.Popen(['echo', 'a child'])", "a child"),
            ("lambda: subprocess.Popen('echo a child complains >&2', shell=True)", "a child complains"),
        ):
            prints_over_half_a_line(person, function, shown)


def test_colours_stay_and_the_prompt_does_not_take_them_on(tmp_path: Path) -> None:
    with printing(tmp_path) as person:
        person.runs("task = asyncio.create_task(when_flagged(lambda: print('\\x1b[31mred\\x1b[0m plain')))")
        person.types("half")
        (tmp_path / "flag").touch()
        person.sees("^red plain\n>>> half$")
        cells = person.screen.buffer[person.row - 1]
        assert (cells[0].fg, cells[4].fg) == ("red", "default")
        prompt = person.screen.buffer[person.row]
        assert prompt[4].fg == "default"


def test_part_of_a_line_is_not_overwritten_by_the_prompt(tmp_path: Path) -> None:
    with printing(tmp_path) as person:
        assert person.runs("print('no newline', end='')") == ["no newline"]
        assert person.runs("sys.stderr.write('nor here');") == ["nor here"]


def test_output_while_the_cell_runs_comes_at_once_and_in_order(tmp_path: Path) -> None:
    cell = """\
print("one", flush=True)
print("two", file=sys.stderr)
subprocess.run(["echo", "three"])
print("four")
await gate.wait()
"""
    with printing(tmp_path) as person:
        person.runs("gate = asyncio.Event()")
        person.enters(cell)
        person.sees("^one\ntwo\nthree\nfour$")
        person.sees("waits on Event.wait")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last[:4] == ["one", "two", "three", "four"]
        assert len(person.last) == 5


def test_lines_of_many_threads_and_tasks_are_whole(tmp_path: Path) -> None:
    cell = """\
def work(n):
    for i in range(200):
        sys.stdout.write(f"<{n}:{i:03}:{'x' * 20}>\\n")

await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(4)))
"""
    with printing(tmp_path) as person:
        person.types("half")
        person.send("\x15")
        person.runs(cell + "\n" + "1;")
        lines = re.findall(rb"<\d:\d{3}:x{20}>\r", person.raw)
        assert len(set(lines)) == 800


def test_twenty_thousand_lines_in_a_burst_leave_the_prompt_intact(tmp_path: Path) -> None:
    burst = "lambda: sys.stdout.write(''.join(f'line {n}\\n' for n in range(20_000)))"
    with printing(tmp_path) as person:
        prints_over_half_a_line(person, burst, "line 19998\nline 19999")
        numbers = [int(number) for number in re.findall(rb"line (\d+)\r", person.raw)]
        assert numbers == list(range(20_000))


def test_many_prints_and_keys_at_the_same_time(tmp_path: Path) -> None:
    cell = """\
async def chatter():
    for n in range(400):
        print("chatter", n)
        await asyncio.sleep(0.002)

"""
    with printing(tmp_path) as person:
        person.runs(cell)
        person.runs("task = asyncio.create_task(chatter())")
        for character in "typed = 'meanwhile'":
            person.send(character)
            person.wait(lambda c=character: person.typed.endswith(c), f"the echo of {character}")  # type: ignore[misc]
        person.send("\r")
        person.waits_for_prompt()
        person.runs("await task")
        numbers = [int(number) for number in re.findall(rb"chatter (\d+)\r", person.raw)]
        assert numbers == list(range(400))
        assert person.runs("typed") == ["'meanwhile'"]


def test_task_that_fails_alone_and_coroutine_never_awaited_are_announced_at_once(tmp_path: Path) -> None:
    fails = """\
async def fails():
    1 / 0

def forget():
    fails()

async def fail_later():
    await when_flagged(lambda: asyncio.create_task(fails(), name="lonely"))
"""
    with printing(tmp_path) as person:
        person.runs(fails)
        person.runs("task = asyncio.create_task(fail_later())")
        person.types("half")
        (tmp_path / "flag").touch()
        person.sees(
            r"^! 1 never-retrieved: lonely \(fails\) failed and nobody awaits it: ZeroDivisionError: division by zero\n"
            r"  <cell 3>, line 2: 1 / 0\n"
            r"  Await the task, or put it into a TaskGroup; it was made in <cell 3>, line 8.\n"
            r"  %alerts 1 shows the traceback.\n>>> half$"
        )
        person.sees(r"! never-retrieved: lonely \(fails\)")  # in the toolbar
        person.send(CONTROL_C)
        person.waits_for_prompt()
        person.enters("forget()")
        person.sees("^! 2 never-awaited: coroutine 'fails' was never awaited\n  <cell 3>, line 5: fails\\(\\)$")
        person.waits_for_prompt()
        details = person.runs("%alerts 1")
        assert details[-1] == "ZeroDivisionError: division by zero"


def test_hints_are_one_line_and_come_once(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        first = person.runs("asyncio.sleep(0)")
        assert first[0].startswith("<coroutine object sleep")
        assert "that is a coroutine, and it runs only when awaited: await asyncio.sleep(0)" in first
        assert "that is" not in "\n".join(person.runs("asyncio.sleep(0);"))
        ran = person.runs("asyncio.run(asyncio.sleep(0, 5))")
        assert any(line == "a loop is running here already, so type: await asyncio.sleep(0, 5)" for line in ran)


def test_results_are_bounded_with_the_whole_in_underscore(tmp_path: Path) -> None:
    raises = """\
class Raises:
    def __repr__(self):
        raise ValueError("no repr")

class Huge:
    def __repr__(self):
        return "h" * 100_000_000

"""
    with starts(tmp_path, "-q") as person:
        person.runs(raises)
        shown = person.runs("list(range(100_000))")
        assert len(shown) < 38
        assert person.runs("len(_)") == ["100000"]
        assert len(person.runs("'x' * 100_000")) < 38
        shown = person.runs("Raises()")
        [line] = shown
        assert line.startswith("<__main__.Raises object at 0x")
        assert line.endswith("> (Raises.__repr__ raised ValueError: no repr)")
        shown = person.runs("Huge()")
        assert len(shown) <= 30
        assert person.runs("1 + 1; 2 + 2;") == []
        assert person.runs("_") == ["4"]
        assert person.runs("%set max_lines 3") == []
        assert len(person.runs("[{'key': n, 'value': 'v' * 30} for n in range(50)]")) <= 5


def test_escapes_in_names_of_the_program_are_made_visible(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.runs("event = asyncio.Event()")
        person.runs("async def wait(): await event.wait()\n")
        person.runs("task = asyncio.create_task(wait(), name='\\x1b[2Jevil')")
        person.enters("await task")
        person.sees("waits on .*evil")
        assert "\x1b[2Jevil" not in person.raw.decode()
        person.send(CONTROL_C)
        person.waits_for_prompt()
