"""The look of it: toolbar, themes, no colours, dumb and narrow terminals, no UTF-8, settings and startup files."""

import importlib
import re
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import CONTROL_C, CONTROL_D, ENTER, Person, starts

from aiorepl.model import Notice, Result
from aiorepl.settings import Settings
from aiorepl.terminal.drawing import Drawing

# A colour for letters or ground, not a mere style such as bold.
COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[0-9;]*m")


def config(folder: Path) -> Path:
    path = folder / "home" / "config" / "aiorepl"
    path.mkdir(parents=True)
    return path


def test_banner_says_what_this_is_and_q_hides_it(tmp_path: Path) -> None:
    with starts(tmp_path) as person:
        assert person.shows(r"^aiorepl \d+\.\d+\.\d+ on Python 3\.\d+\.\d+.* asyncio is imported")
    with starts(tmp_path, "-q") as person:
        assert person.row == 0


def test_toolbar_tells_of_tasks_debug_mode_jobs_and_alerts(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.sees(r"^ loop idle  lag \S+ [mu]?s  0 tasks  debug off$")
        person.runs("tasks = [asyncio.create_task(asyncio.sleep(1000)) for _ in range(3)]")
        person.sees("  3 tasks  debug off$")
        person.runs("asyncio.get_running_loop().set_debug(True)")
        person.sees("debug on$")
        person.runs("asyncio.get_running_loop().set_debug(False)")
        person.runs("await asyncio.sleep(1000) &")
        person.sees("  4 tasks  1 job  debug off$")
        person.runs("import threading; let_go = threading.Event()")
        person.runs("asyncio.get_running_loop().call_later(0.01, let_go.wait);")
        person.sees("^ loop blocked  lag ")
        person.runs("%thread let_go.set()")
        person.sees("^ loop idle  lag ")
        person.runs("%set toolbar off")
        person.sees_no("^ loop idle")
        person.runs("%set toolbar on")
        person.sees("^ loop idle")


@pytest.mark.parametrize("theme", ["dark", "light", "projector"])
def test_themes_have_colours_of_their_own_and_can_be_changed(tmp_path: Path, theme: str) -> None:
    with starts(tmp_path, "-q", "--theme", theme) as person:
        person.types("def f(): return 'text'")
        row = person.row
        # Colours for what is typed are loaded when the prompt is there.
        person.wait(lambda: person.screen.buffer[row][4].fg != "default", "the colour of the keyword")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        person.runs("1 / 0")
        first = set(COLOUR.findall(person.raw))
        assert len(first) > 4
        read = len(person.raw)
        person.runs("%set theme none")
        person.runs("def g(): return 'text'\n")
        person.runs("1 / 0")
        drawn = person.raw[read:].partition(b"theme none")[2]
        plain = drawn[drawn.index(b"def") :]
        assert not COLOUR.search(plain)


@pytest.mark.parametrize("colors", [0, 256])
def test_a_repr_may_have_colours_of_its_own_but_only_in_this_process(colors: int) -> None:
    def drawn(text: str, *, far: bool) -> str:
        drawing = Drawing(Settings(), colors=colors, ascii=False, width=lambda: 80, far=far)
        return drawing.draw(Result(text, 1))

    importlib.import_module("pygments.lexers.python")
    red = "\x1b[31mRED\x1b[0m 1"
    assert drawn(red, far=False) == f"{red}\x1b[0m\n"
    assert drawn("\x1b[2J\x1b[31mRED", far=False) == "\\x1b[2J\x1b[31mRED\x1b[0m\n"
    assert "RED" in drawn(red, far=True)
    assert drawn("two\nlines", far=True) == "two\nlines\n"
    far = drawn(red, far=True)
    assert "\\x1b[31mRED\\x1b[0m" in far if not colors else "\x1b[31m" not in far


def test_no_color_draws_none(tmp_path: Path) -> None:
    with starts(tmp_path, NO_COLOR="1") as person:
        person.runs("def f(): return 'text'\n")
        person.runs("1 / 0")
        person.runs("%help")
        person.runs("%set")
        person.types("asyncio.sl")
        person.sees("^ +sleep")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert not COLOUR.search(person.raw)


def test_dumb_terminal_has_plain_lines(tmp_path: Path) -> None:
    with Person(tmp_path, TERM="dumb", columns=60) as person:
        # Where it is broken depends on how long the version is.
        person.sees(r"asyncio\s+is\s+imported,\s+await\s+works\s+here\.\n%help lists")
        prompt = lambda: person.before_cursor == ">>> "  # noqa: E731
        person.wait(prompt, "the prompt")
        person.send("await asyncio.sleep(0, 6 * 7)\r")
        person.sees("^42$")
        person.wait(prompt, "the prompt")
        person.send("for n in range(2):\r")
        person.wait(lambda: person.before_cursor == "... ", "the second prompt")
        person.send("    print('n is', n)\r\r")
        person.sees("^n is 1$")
        person.wait(prompt, "the prompt")
        person.send("print('begun'); await asyncio.sleep(1000)\r")
        person.sees("^begun$")
        person.send(CONTROL_C)
        person.sees("KeyboardInterrupt .<cell 3>, line 1.$")
        person.wait(prompt, "the prompt")
        # As wide as the terminal, and broken at words.
        person.send("%help tasks\r")
        person.sees(r"^Who holds a lock is not looked for where there are more than\n5,000 tasks; %why and %locks do\.")
        person.wait(prompt, "the prompt")
        person.send(CONTROL_D)
        assert person.ends() == 0
        assert b"\x1b" not in person.raw


def test_what_is_said_is_broken_at_words() -> None:
    drawing = Drawing(Settings(), colors=0, ascii=False, width=lambda: 40)
    text = "aiorepl beside app.py: cells run on its loop and in its names.\nCtrl-D leaves."
    assert drawing.draw(Notice(text, detail="where\n")) == (
        "aiorepl beside app.py: cells run on its\nloop and in its names.\nCtrl-D leaves.\nwhere\n"
    )


def test_forty_columns(tmp_path: Path) -> None:
    with starts(tmp_path, columns=40, rows=30) as person:
        person.sees("^ loop idle  lag .*")
        person.runs("numbers = list(range(100))")
        assert person.runs("numbers[:3]") == ["[0, 1, 2]"]
        person.enters("await asyncio.sleep(1000)")
        person.sees(r"^\d+ s  waits on")
        assert all(len(line) <= 40 for line in person.lines)
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert len(person.last) == 1
        person.runs("%help")
        person.types("text = 'more than forty columns of it'")
        person.send(ENTER)
        person.waits_for_prompt()
        person.types("asyncio.slee")
        person.sees("sleep")


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["PYTHONIOENCODING", "C"],
)
def test_without_utf_8_everything_is_ascii(tmp_path: Path, variables: dict[str, str]) -> None:
    with starts(tmp_path, **variables) as person:
        assert person.runs("chr(233) + chr(8230)") == ["'\\xe9\\u2026'"]
        person.runs("%help")
        person.runs("%set")
        person.runs("list(range(10_000))")
        person.runs("1 / 0")
        person.enters("await asyncio.sleep(1000, 'a long value that makes the status line too long for the terminal')")
        person.sees(r"^\d+ s  waits on")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        person.runs("print(chr(8230))")
        assert person.runs("6 * 7") == ["42"]
        person.enters("exit(4)")
        assert person.ends() == 4
        assert person.raw.isascii()


def test_wrong_settings_are_named_with_their_line_and_ignored(tmp_path: Path) -> None:
    (config(tmp_path) / "settings.toml").write_text(
        """\
# mine
promt = "$ "
theme = "purple"

max_lines = 0
prompt = "py> "
"""
    )
    with starts(tmp_path, "-q", prompt="py> ", columns=250) as person:
        assert person.shows(r"settings\.toml: line 2: no setting 'promt'; did you mean prompt\?")
        assert person.shows(r"settings\.toml: line 3: theme takes auto or dark .*, not 'purple'")
        assert person.shows(r"settings\.toml: line 5: max_lines takes a whole number of at least 1")
        assert person.runs("1 + 1") == ["2"]


def test_settings_file_that_is_not_toml_is_told_and_options_go_before_it(tmp_path: Path) -> None:
    path = config(tmp_path) / "settings.toml"
    path.write_text("prompt = \n")
    with starts(tmp_path, "-q", columns=250) as person:
        assert person.shows(r"settings\.toml: not TOML: .*line 1")
    path.write_text('prompt = "file> "\n')
    with starts(tmp_path, "-q", "--prompt", "option> ", prompt="option> ") as person:
        assert person.runs("1 + 1") == ["2"]


def test_prompt_can_be_changed(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.types('%set prompt "py> "')
        person.send(ENTER)
        person.prompt = "py> "
        person.waits_for_prompt()
        assert person.runs("1 + 1") == ["2"]
        person.enters("if 1:")
        person.wait(lambda: person.before_cursor == "...     ", "the second line")


def test_pythons_own_prompts_and_excepthook_are_honoured(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.runs("import os, sys; sys.excepthook = lambda kind, *_: print('hooked', kind.__name__)")
        assert person.runs("1 / 0") == ["hooked ZeroDivisionError"]
        person.enters("sys.ps1, sys.ps2 = '\\x1b[31min:\\x1b[0m ', 'more: '")
        person.wait(lambda: person.before_cursor == "in: ", "the prompt")
        person.send("if True:" + ENTER)
        person.wait(lambda: person.before_cursor == "more:     ", "the second line")
        assert person.screen.buffer[person.row - 1][0].fg == "red"
        person.send("del sys.ps1" + ENTER + ENTER)
        person.waits_for_prompt()


def test_a_forked_child_leaves_the_terminal_alone(tmp_path: Path) -> None:
    # Python warns of a fork beside threads since 3.12.
    with starts(tmp_path, "-q", PYTHONWARNINGS="ignore") as person:
        person.runs("import os, sys; pid = os.fork(); pid and os.waitpid(pid, 0)[1]")
        assert person.runs("pid > 0") == ["True"]
        assert person.runs("child = os.fork() or sys.exit(3)\nos.waitstatus_to_exitcode(os.wait()[1])") == ["3"]


@pytest.mark.parametrize("where", ["PYTHONSTARTUP", "startup.py"])
@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("x = 1\n1 / 0\n", "^ZeroDivisionError: division by zero$"),
        ("x = = 1\n", "^SyntaxError: invalid syntax$"),
    ],
    ids=["exception", "syntax"],
)
def test_startup_that_fails_is_shown_and_the_prompt_comes(tmp_path: Path, where: str, source: str, shown: str) -> None:
    path = config(tmp_path) / "startup.py"
    if where == "PYTHONSTARTUP":
        path = tmp_path / "rc.py"
    path.write_text(source)
    variables = {where: str(path)} if where == "PYTHONSTARTUP" else {}
    with starts(tmp_path, "-q", **variables) as person:
        assert person.shows(shown)
        assert person.shows(re.escape(f'File "{path}", line ')[:60])
        assert person.runs("1 + 1") == ["2"]


def test_startup_files_run_in_order_and_await(tmp_path: Path) -> None:
    (config(tmp_path) / "startup.py").write_text("both = await asyncio.sleep(0, first + ['second'])\n")
    path = tmp_path / "rc.py"
    path.write_text("first = ['first']\n")
    with starts(tmp_path, "-q", PYTHONSTARTUP=str(path)) as person:
        assert person.runs("both") == ["['first', 'second']"]


def test_commands_of_the_session(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("import sys\nprint('tool', sys.argv[1:])\nmade = await asyncio.sleep(0, 5)\n")
    with starts(tmp_path, "-q") as person:
        assert person.runs("%run tool.py --fast 7") == ["tool ['--fast', '7']"]
        assert person.runs("made") == ["5"]
        person.enters("%load tool.py")
        person.sees(r"^>>> import sys\n\.\.\. print\('tool', sys\.argv\[1:\]\)\n\.\.\. made = await")
        person.wait(lambda: person.before_cursor.endswith("asyncio.sleep(0, 5)"), "the cursor at its end")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        person.runs("y = 17")
        assert person.runs("%save work.py") == ["saved as work.py"]
        assert "y = 17" in (tmp_path / "work.py").read_text()
        assert person.runs("%save work.py") == ["work.py exists; %save work.py --force writes over it"]
        timed = person.runs("%timeit await asyncio.sleep(0.2)")
        assert any("loop" in line for line in timed)
        # The bar is no longer there.
        assert "░ 1 of 5 repeats" in person.raw.decode()
        assert not person.shows("█|░")
        person.runs("%time await asyncio.sleep(0)")
        assert person.shows("elapsed|in all|took|wall|processor")
        assert person.runs("%histroy")[0].startswith("no command %histroy")
        assert "x" in "".join(person.runs("%help set"))
        shown = person.runs("asyncio.sleep?")
        assert any("Coroutine that completes after a given time" in line for line in shown)
        assert any("async def sleep(delay, result=None):" in line for line in person.runs("asyncio.sleep??"))
        person.runs("%who")
        assert person.shows("^ *y ")
        person.runs("%thread __import__('threading').current_thread().name")
        assert person.runs("%exit 9; 1") != []
        person.enters("%exit 9")
        assert person.ends() == 9


def test_edit_opens_the_last_cell_in_the_editor(tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i.bak s/one/two/ "$1"\n')
    editor.chmod(0o755)
    with starts(tmp_path, "-q", EDITOR=str(editor)) as person:
        person.runs("word = 'one'")
        person.enters("%edit")
        person.sees("^>>> word = 'two'")
        person.send(ENTER)
        person.waits_for_prompt()
        assert person.runs("word") == ["'two'"]


def test_mouse_is_taken_only_when_asked_for(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        assert person.runs("1 + 1") == ["2"]
        assert b"\x1b[?1000h" not in person.raw
        person.runs("%set mouse on")
        person.wait(lambda: b"\x1b[?1000h" in person.raw, "the mouse to be taken")
        assert person.runs("1 + 1") == ["2"]
