"""The editor as a person sees it: what Enter does, pasting, history, suggestions, the menu and the signature."""

import json
import re
import stat
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import (
    CONTROL_C,
    CONTROL_E,
    CONTROL_R,
    CONTROL_U,
    CONTROL_X,
    DOWN,
    ENTER,
    ESCAPE,
    META_ENTER,
    RIGHT,
    TAB,
    UNDO,
    UP,
    paste,
    starts,
)

PLAIN = ("-q", "--suggest", "off", "--complete", "off")


def test_enter_runs_what_is_complete_and_goes_on_with_what_is_not(tmp_path: Path) -> None:
    with starts(tmp_path, *PLAIN) as person:
        person.enters("total = sum(")
        person.wait(lambda: person.before_cursor == "...     ", "an indented second line")
        person.types("[1, 2])")
        person.send(ENTER)
        person.waits_for_prompt()
        assert person.runs("total") == ["3"]

        for line, margin in (("if total:", "    "), ("for n in range(2):", "        "), ("print(n)", "        ")):
            person.enters(line)
            person.wait(lambda m=margin: person.before_cursor == f"... {m}", f"after {line}")  # type: ignore[misc]
        person.send(ENTER)  # the blank line, which ends the block
        person.waits_for_prompt()
        assert person.last[-2:] == ["0", "1"]

        person.enters("def f():")
        person.wait(lambda: person.before_cursor == "...     ", "the body")
        person.enters("return 5")
        person.wait(lambda: person.before_cursor == "... ", "the dedent after return")
        person.send(ENTER)
        person.waits_for_prompt()
        assert person.runs("f()") == ["5"]

        assert person.runs("1 +* 2")[-1] == "SyntaxError: invalid syntax"
        person.types("1 +")
        person.send(META_ENTER)
        person.wait(lambda: person.before_cursor.startswith("... "), "a second line")
        person.send(CONTROL_C)
        person.waits_for_prompt()

        person.types("wrong")
        person.send(UNDO * 5)
        person.waits_for_prompt()


def test_pasted_blocks_with_blank_lines_and_prompts_run_as_one(tmp_path: Path) -> None:
    block = """\
def first():

    x = 1

    return x


async def second():
    return first() + 1

await second()
"""
    session = """\
>>> a = 5
>>> for n in range(2):
...     a += n
...
>>> a
6
"""
    ipython = "In [3]: b = a * 2\n\nIn [4]: b\n"
    with starts(tmp_path, *PLAIN) as person:
        person.send(paste(block))
        person.sees(r"^\.\.\. await second\(\)$")
        person.send(ENTER)
        person.sees("^2$")
        person.waits_for_prompt()
        person.send(paste(session))
        person.sees(r"^\.\.\. a$")
        assert not person.shows(">>> >>>")
        person.send(ENTER)
        person.sees("^6$")
        person.waits_for_prompt()
        person.send(paste(ipython))
        person.sees(r"^\.\.\. b$")
        person.send(ENTER)
        person.sees("^12$")
        person.waits_for_prompt()


def test_vi_keys(tmp_path: Path) -> None:
    with starts(tmp_path, *PLAIN, "--edit-mode", "vi") as person:
        person.types("abc = 12")
        person.send(ESCAPE + "0")
        person.wait(lambda: person.typed == "", "the line's begin")
        person.send("x")
        person.sees("^>>> bc = 12$")
        person.send("A")
        person.wait(lambda: person.typed == "bc = 12", "the line's end")
        person.send("3\r")
        person.waits_for_prompt()
        person.runs("%set edit_mode emacs")
        assert person.runs("bc") == ["123"]


def history_file(folder: Path) -> Path:
    return folder / "home" / "state" / "aiorepl" / "history"


def test_history_is_there_in_the_next_run_and_after_a_kill(tmp_path: Path) -> None:
    with starts(tmp_path, *PLAIN) as person:
        person.runs("first = 1")
        person.runs("def f():\n    return 'several lines'\n")
        person.runs("second = 2")
        person.runs("second = 2")
        person.kill()
    assert stat.S_IMODE(history_file(tmp_path).stat().st_mode) == 0o600
    entries = [json.loads(line) for line in history_file(tmp_path).read_text().splitlines()]
    assert entries == ["first = 1", "def f():\n    return 'several lines'", "second = 2"]

    with starts(tmp_path, *PLAIN) as person:
        person.send(UP)
        person.wait(lambda: person.typed == "second = 2", "the last entry")
        person.send(UP)
        person.sees(r"^>>> def f\(\):\n\.\.\.     return 'several lines'$")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        person.types("fir")
        person.send(UP)
        person.wait(lambda: person.typed == "first = 1", "the entry that begins so")
        person.send(ENTER)
        person.waits_for_prompt()
        person.send(CONTROL_R)
        person.wait(lambda: person.before_cursor == "I-search backward: ", "the question for what")
        person.send("several")
        person.wait(lambda: person.before_cursor == "I-search backward: several", "the echo")
        person.sees(r"^>>> def f\(\):\n\.\.\.     return 'several lines'$")
        person.send(ENTER)
        person.wait(lambda: person.before_cursor == "...     return '", "the entry, at what was found")
        person.send(CONTROL_C)
        person.waits_for_prompt()


def test_damaged_history_is_set_aside_with_one_line(tmp_path: Path) -> None:
    file = history_file(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_bytes(b'"good = 1"\n\xff\xfe broken\n"better = 2"\n')
    with starts(tmp_path, *PLAIN) as person:
        assert person.shows(r"^history: 1 of 3 lines could not be read; the file is kept as")
        person.send(UP)
        person.wait(lambda: person.typed == "better = 2", "the entry after the damage")


def test_two_sessions_at_once_write_one_history(tmp_path: Path) -> None:
    with starts(tmp_path, *PLAIN) as one, starts(tmp_path, *PLAIN) as other:
        one.runs("a = 1")
        other.runs("b = 2")
        one.runs("c = 3")
    entries = [json.loads(line) for line in history_file(tmp_path).read_text().splitlines()]
    assert entries == ["a = 1", "b = 2", "c = 3"]


def test_suggestion_is_dim_and_taken_with_the_right_key(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.runs("remembered = 'once'")
        person.types("rem")
        person.wait(lambda: person.lines[person.row] == ">>> remembered = 'once'", "the suggestion")
        assert person.typed == "rem"
        cells = person.screen.buffer[person.row]
        assert cells[8].fg != cells[5].fg
        person.send(RIGHT)
        person.wait(lambda: person.typed == "remembered = 'once'", "the suggestion")


def test_menu_comes_while_typing_and_runs_no_property(tmp_path: Path) -> None:
    cell = """\
class Thing:
    ordinary = 1

    @property
    def dangerous(self):
        print("PROPERTY", "RAN")
        return self

    def method(self, first, *, second=None):
        \"\"\"What it does, in a line.\"\"\"

thing = Thing()
"""
    with starts(tmp_path, "-q") as person:
        person.runs(cell)
        person.types("thing.")
        person.sees("^ +dangerous")
        person.sees("^ +method")
        person.types("dangerous.")
        person.sees_no("^ +method +What")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        person.types("thing.ord")
        person.sees("^ +ordinary")
        person.send(TAB)
        person.wait(lambda: person.typed == "thing.ordinary", "the completed name")
        person.send(ENTER)
        person.send(ENTER)
        person.sees("^1$")
        person.waits_for_prompt()
        assert not person.shows("^PROPERTY RAN")

        person.types("thing.method(")
        person.sees(r"^ *thing\.method\(first, \*, second=None\)$")
        person.sees("What it does, in a line")
        person.types("sec")
        person.sees("^ +second=")
        person.send(CONTROL_U)
        person.types("text = 'done'")
        person.settle()
        assert not person.shows("^ +(and|async|else)")
        person.send(CONTROL_U)
        person.types("%hist")
        person.sees("^ +%?history")
        person.send(CONTROL_U)
        person.types("%set the")
        person.sees("^ +theme")
        person.send(CONTROL_U)
        person.types("import asyn")
        person.sees("^ +asyncio")
        person.send(CONTROL_U)
        (tmp_path / "known_file.txt").touch()
        person.types("open('known")
        person.sees(r"^ +known_file\.txt")


def test_names_whose_dir_hangs_and_many_names_do_not_hold_up_typing(tmp_path: Path) -> None:
    cell = """\
import time
class Hangs:
    def __dir__(self):
        time.sleep(1000)
hangs = Hangs()
globals().update({f"name_{n}": n for n in range(20_000)})
"""
    with starts(tmp_path, "-q") as person:
        person.runs(cell)
        person.types("hangs.x = 5")
        person.send(ENTER)
        person.waits_for_prompt()
        person.types("name_1999")
        person.sees("^ +name_1999[0-9]")
        person.types("9")
        person.send(ENTER)
        person.sees("^19999$")


def test_enter_takes_what_was_chosen_in_the_menu_and_runs_what_was_not(tmp_path: Path) -> None:
    with starts(tmp_path, "-q") as person:
        person.runs("apple_one, apple_two = 1, 2")
        person.types("apple_")
        person.sees("^ +apple_two")
        person.send(TAB)
        person.wait(lambda: person.typed == "apple_one", "the first choice")
        person.send(DOWN)
        person.wait(lambda: person.typed == "apple_two", "the second choice")
        person.send(ENTER)
        person.sees_no("^ +apple_one")
        person.send(ENTER)
        person.sees("^2$")
        person.waits_for_prompt()
        person.types("apple_one")
        person.send(ENTER)
        person.sees("^1$")


def editor(folder: Path, script: str) -> str:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_external_editor_gets_the_cell_and_gives_it_back(tmp_path: Path) -> None:
    command = editor(tmp_path, """echo 'edited = 42' > "$1"; echo "$1" > edited_name""")
    with starts(tmp_path, *PLAIN, EDITOR=command) as person:
        person.types("before")
        person.send(CONTROL_X + CONTROL_E)
        person.wait(
            lambda: person.typed.strip() == "edited = 42" or person.shows("^>>> edited = 42"), "the edited text"
        )
        person.send(ENTER)
        person.waits_for_prompt()
        assert person.runs("edited") == ["42"]
        assert (tmp_path / "edited_name").read_text().strip().endswith(".py")


def test_resize_redraws_prompt_and_results(tmp_path: Path) -> None:
    with starts(tmp_path, *PLAIN) as person:
        person.types("half")
        person.resize(60, 45)
        person.wait(lambda: person.lines[-1].startswith(" loop"), "the toolbar at the new bottom")
        assert person.typed == "half"
        person.send(CONTROL_U)
        person.waits_for_prompt()
        assert person.runs("import shutil; shutil.get_terminal_size()") == ["os.terminal_size(columns=60, lines=45)"]
        assert person.runs("!stty size") == ["45 60"]
        assert all(len(line) <= 60 for line in person.runs("list(range(100))"))


def test_wide_characters_and_text_longer_than_a_line(tmp_path: Path) -> None:
    with starts(tmp_path, *PLAIN) as person:
        person.send("'日本語 🐍 é'")
        person.sees("^>>> '日本語 🐍 é'$")
        person.send(ENTER)
        person.sees("^'日本語 🐍 é'$")
        person.waits_for_prompt()
        person.types("long = '" + "x" * 150 + "'")
        person.send(ENTER)
        person.waits_for_prompt()
        assert person.runs("len(long)") == ["150"]


def test_window_title_is_set_and_given_back(tmp_path: Path) -> None:
    with starts(tmp_path, *PLAIN) as person:
        person.enters("exit")
        person.ends()
        assert re.search(rb"\x1b\[22;0t\x1b\]2;aiorepl\x07", person.raw)
        assert person.raw.rindex(b"\x1b[23;0t") > person.raw.rindex(b"exit")
    with starts(tmp_path, *PLAIN, "--title", "off") as person:
        person.enters("exit")
        person.ends()
        assert b"\x1b]2;" not in person.raw
