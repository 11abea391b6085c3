"""Programs and questions that want the terminal for themselves get it, and give it back as it was."""

import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import CONTROL_C, CONTROL_D, CONTROL_U, CONTROL_Z, UNDER_A_SHELL, Person, starts

modes = pytest.mark.parametrize("options", [(), ("--main-loop",)], ids=["worker", "main"])


def terminal_modes(person: Person) -> str:
    """How the terminal stands while a cell has it."""
    return "\n".join(person.runs("!stty -a"))


@modes
def test_questions_and_debugger_leave_the_terminal_as_it_was(tmp_path: Path, options: tuple[str, ...]) -> None:
    with starts(tmp_path, "-q", *options) as person:
        before = terminal_modes(person)
        assert " echo " in before
        person.enters("input('name? ')")
        person.is_asked("name? ")
        person.types("Ada")
        person.send("\r")
        person.waits_for_prompt()
        assert person.last[-2:] == ["name? Ada", "'Ada'"]
        assert terminal_modes(person) == before

        person.enters("import getpass; getpass.getpass()")
        person.is_asked("Password: ")
        person.send("secret\r")
        person.sees("^'secret'$")
        person.waits_for_prompt()
        assert person.raw.count(b"secret") == 1
        assert terminal_modes(person) == before

        person.enters("x = 5\nbreakpoint()\nx += 1")
        person.is_asked("(Pdb) ")
        person.types("p x * 2")
        person.send("\r")
        person.sees("^10$")
        person.is_asked("(Pdb) ")
        person.types("c")
        person.send("\r")
        person.waits_for_prompt()
        assert person.runs("x") == ["6"]
        assert terminal_modes(person) == before

        person.enters("input('again? ')")
        person.is_asked("again? ")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last[-1].startswith("KeyboardInterrupt")
        person.enters("input('end? ')")
        person.is_asked("end? ")
        person.send(CONTROL_D)
        person.waits_for_prompt()
        # From Python 3.13 on the call is underlined.
        assert [re.sub("cell \\d+", "cell N", line) for line in person.last if "~" not in line] == [
            "end?",
            "Traceback (most recent call last):",
            '  File "<cell N>", line 1, in <module>',
            "    input('end? ')",
            "EOFError",
        ]
        assert terminal_modes(person) == before


def test_post_mortem_of_the_last_exception(tmp_path: Path) -> None:
    cell = """\
def broken():
    local = 17
    1 / 0

"""
    with starts(tmp_path, "-q") as person:
        before = terminal_modes(person)
        person.runs(cell)
        person.runs("broken()")
        person.enters("import pdb; pdb.post_mortem(_exc.__traceback__)")
        person.is_asked("(Pdb) ")
        person.types("p local")
        person.send("\r")
        person.sees("^17$")
        person.is_asked("(Pdb) ")
        person.types("q")
        person.send("\r")
        person.waits_for_prompt()
        assert person.runs("await asyncio.sleep(0, 'works')") == ["'works'"]
        assert terminal_modes(person) == before


@modes
def test_interrupt_hits_the_cell_also_after_the_debugger(tmp_path: Path, options: tuple[str, ...]) -> None:
    with starts(tmp_path, "-q", *options) as person:
        person.enters("x = 1\nbreakpoint()\nx = 2")
        person.is_asked("(Pdb) ")
        person.types("c")
        person.send("\r")
        person.waits_for_prompt()
        person.enters("await asyncio.sleep(1000)")
        person.sees("waits on asyncio.sleep")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last == ["KeyboardInterrupt (<cell 2>, line 1)"]


def test_question_of_a_background_task_makes_the_prompt_wait(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.runs("event = asyncio.Event()")
        person.enters("await asyncio.to_thread(input, 'which? ') &")
        person.is_asked("which? ")
        person.types("that one")
        person.send("\r")
        person.sees(r"^\[1\] done")
        person.sees("^'that one'$")
        person.waits_for_prompt()


def test_help_goes_through_the_pager(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho paged:; head -3; read answer </dev/tty; echo answered $answer\n")
    pager.chmod(0o755)
    with starts(tmp_path, "-q", PAGER=str(pager)) as person:
        before = terminal_modes(person)
        person.enters("help(str.split)")
        person.sees("^paged:\nHelp on method.descriptor")
        person.send("yes\r")
        person.sees("^answered yes$")
        person.waits_for_prompt()
        assert terminal_modes(person) == before
    with starts(tmp_path, "-q", PAGER="cat") as person:
        shown = person.runs("help(str.split)")
        assert any("split(self, /, sep=None, maxsplit=-1)" in line for line in shown)


@modes
@pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed")
def test_full_screen_program_of_a_cell(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "long.txt").write_text("".join(f"row {n}\n" for n in range(500)))
    with starts(tmp_path, "-q", *options) as person:
        before = terminal_modes(person)
        person.enters("import subprocess; subprocess.run(['less', 'long.txt']).returncode")
        person.sees("^row 0$")
        person.send("G")
        person.sees("^row 499$")
        person.send("q")
        person.waits_for_prompt()
        assert person.last[-1] == "0"
        assert terminal_modes(person) == before
        person.enters("!less long.txt")
        person.sees("^row 0$")
        person.send("q")
        person.waits_for_prompt()
        assert terminal_modes(person) == before


@pytest.mark.skipif(shutil.which("vim") is None, reason="vim is not installed")
def test_vim_of_a_cell(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        before = terminal_modes(person)
        person.enters("import os; os.system('vim -u NONE -N note.txt')")
        person.sees("^~$")
        person.send("ihello from vim\x1b")
        person.sees("^hello from vim$")
        person.send(":wq\r")
        person.waits_for_prompt()
        assert (tmp_path / "note.txt").read_text() == "hello from vim\n"
        assert terminal_modes(person) == before


CURSES = """\
import curses
def main(screen):
    screen.addstr(2, 5, "in curses")
    key = screen.getkey()
    return "got " + key

curses.wrapper(main)
"""


def test_curses_of_a_cell(tmp_path: Path) -> None:
    pytest.importorskip("curses")
    with starts(tmp_path, "-q") as person:
        before = terminal_modes(person)
        person.enters(CURSES)
        person.sees("^     in curses")
        person.send("k")
        person.waits_for_prompt()
        assert person.last[-1] == "'got k'"
        assert terminal_modes(person) == before


def test_shell_command_shows_its_output_its_status_and_takes_input(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        assert person.runs("!echo to stdout; echo to stderr >&2; exit 3") == ["to stdout", "to stderr", "exit status 3"]
        person.enters("!echo ready; read line; echo got $line")
        person.sees("^ready$")
        person.send("typed\r")
        person.sees("^got typed$")
        person.waits_for_prompt()
        person.runs("!sleep 0.3; echo late &")
        person.types("half")
        person.sees("^late\n")
        person.send(CONTROL_U)


@pytest.mark.parametrize("options", [(), ("--main-loop",)], ids=["worker", "main"])
def test_shell_stops_and_continues_the_repl(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Ctrl-Z at the prompt stops the whole; the shell's ``fg`` brings it back with what was typed."""
    person = Person(tmp_path, command=("/bin/sh", "-i"), prompt="$ ", PS1="$ ", ENV="")
    with person:
        person.wait(lambda: person.before_cursor == "$ ", "the shell's prompt")
        shell_modes = at_the_shell(person, "stty -a")
        person.send(f"{sys.executable} -m aiorepl -q {' '.join(options)}\r")
        person.prompt = ">>> "
        person.waits_for_prompt()
        person.runs("x = 42")
        person.types("x + ")
        person.send(CONTROL_Z)
        person.prompt = "$ "
        person.wait(lambda: person.before_cursor == "$ ", "the shell's prompt")
        assert at_the_shell(person, "stty -a") == shell_modes
        person.send("fg\r")
        person.wait(lambda: person.before_cursor == ">>> x + ", "the prompt with what was typed")
        person.types("1")
        person.send("\r")
        person.sees("^43$")
        person.prompt = ">>> "
        person.waits_for_prompt()
        person.send("exit(3)\r")
        person.prompt = "$ "
        person.wait(lambda: person.before_cursor == "$ ", "the shell's prompt")
        assert at_the_shell(person, "stty -a") == shell_modes
        assert at_the_shell(person, "echo $?") == "0"
        if options:
            return
        # In the background it may not touch the terminal: a signal ends it nevertheless.
        person.send(f"{sys.executable} -m aiorepl -q\r")
        person.prompt = ">>> "
        person.waits_for_prompt()
        person.send(CONTROL_Z)
        person.prompt = "$ "
        person.wait(lambda: person.before_cursor == "$ ", "the shell's prompt")
        assert at_the_shell(person, "kill %1; bg %1; wait %1; echo $?").endswith("143")


def at_the_shell(person: Person, command: str) -> str:
    """Run a command at the shell's own prompt; return what it printed."""
    end = f"the end {len(person.output)}"
    person.send(f"clear; {command}; echo '{end}'\r")
    person.wait(lambda: person.shows(f"^{end}$") and person.before_cursor == "$ ", f"the end of {command}")
    return person.text.partition(f"\n{end}")[0].strip()


@modes
def test_a_signal_that_ends_it_leaves_no_prompt_behind(tmp_path: Path, options: tuple[str, ...]) -> None:
    with starts(tmp_path, "-q", *options) as person:
        person.is_ended_by(signal.SIGHUP if options else signal.SIGTERM)


def test_killed_by_the_terminal_it_leaves_no_process(tmp_path: Path) -> None:
    """The shell's ``kill`` ends it with the terminal as it was."""
    with starts(tmp_path, "-q", command=UNDER_A_SHELL) as person:
        person.enters("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
        person.sees(r"^left with 143$")
        assert person.ends() == 0
    assert re.search(rb"\x1b\[\?2004l(?!.*\x1b\[\?2004h)", person.raw, re.DOTALL)
