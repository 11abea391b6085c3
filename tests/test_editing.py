"""Keys typed into a real prompt, and the text that comes out of it."""

import os
import shutil
import sys
from pathlib import Path

import pexpect
import pytest
from prompt_toolkit.history import InMemoryHistory
from typing_keys import (
    BACKSPACE,
    CONTROL_C,
    CONTROL_D,
    CONTROL_E,
    CONTROL_R,
    CONTROL_RIGHT,
    DOWN,
    END,
    ENTER,
    ESCAPE,
    HOME,
    LEFT,
    META_ENTER,
    META_F,
    RIGHT,
    SHIFT_TAB,
    TAB,
    UNDO,
    UP,
    paste,
    suggestion,
    typed,
)

from aiorepl.terminal.history import SuggestFromHistory


def test_whole_statement_runs() -> None:
    assert typed("await f()", ENTER) == "await f()"


def test_wrong_statement_runs_so_that_its_error_shows() -> None:
    assert typed("x = = 1", ENTER) == "x = = 1"


@pytest.mark.parametrize("line", ["%time x", "!ls -l", "asyncio?", "class?", "%timeit for"])
def test_lines_that_are_not_python_run(line: str) -> None:
    assert typed(line, ENTER) == line


def test_block_runs_at_a_blank_line() -> None:
    assert typed("for i in x:", ENTER, "print(i)", ENTER, ENTER) == "for i in x:\n    print(i)"


def test_block_on_one_line_needs_a_blank_line_too() -> None:
    assert typed("if x: y()", ENTER, "else: z()", ENTER, ENTER) == "if x: y()\nelse: z()"


def test_block_on_one_line_goes_on_at_its_end() -> None:
    assert typed("if x: y()", HOME, ENTER, "else: z()", ENTER, ENTER) == "if x: y()\nelse: z()"


def test_expression_over_several_lines_runs_without_a_blank_line() -> None:
    assert typed("f(", ENTER, "1,", ENTER, BACKSPACE, ")", ENTER) == "f(\n    1,\n)"


def test_enter_in_the_middle_of_several_lines_splits() -> None:
    keys = ["f(", ENTER, "ab)", LEFT, LEFT, ENTER, END, ENTER]
    assert typed(*keys) == "f(\n    a\n    b)"


def test_enter_in_the_middle_of_one_line_runs_it() -> None:
    assert typed("f(a)", LEFT, LEFT, ENTER) == "f(a)"


def test_meta_enter_begins_a_line() -> None:
    assert typed("a = 1", META_ENTER, "b = 2", ENTER) == "a = 1\nb = 2"


def test_line_after_return_is_dedented() -> None:
    keys = ["def f():", ENTER, "if x:", ENTER, "return 1", ENTER, "return 2", ENTER, ENTER]
    assert typed(*keys) == "def f():\n    if x:\n        return 1\n    return 2"


def test_decorated_function() -> None:
    assert typed("@d", ENTER, "def f(): pass", ENTER, ENTER) == "@d\ndef f(): pass"


def test_blank_lines_in_a_string_do_not_end_it() -> None:
    assert typed('"""a', ENTER, ENTER, 'b"""', ENTER) == '"""a\n\nb"""'


def test_tab_and_backspace_go_by_four_in_the_indentation() -> None:
    assert typed("if x:", ENTER, TAB, "a", ENTER, BACKSPACE, "b", ENTER, ENTER) == "if x:\n        a\n    b"
    assert typed("if x:", ENTER, "  ", TAB, "a", ENTER, " ", BACKSPACE, "b", ENTER, ENTER) == (
        "if x:\n        a\n        b"
    )


def test_backspace_elsewhere_deletes_one() -> None:
    assert typed("x =  ", BACKSPACE, "1", ENTER) == "x = 1"


def test_shift_tab_dedents_the_line_and_keeps_the_cursor_on_its_character() -> None:
    assert typed("if x:", ENTER, "      ab", LEFT, SHIFT_TAB, "-", ENTER, END, ENTER, ENTER) == (
        "if x:\n        a-\n        b"
    )


def test_undo_takes_back_a_new_line_a_paste_and_a_held_backspace() -> None:
    assert typed("x", META_ENTER, UNDO, "=1", ENTER) == "x=1"
    assert typed("x", paste(" = 1\ny"), UNDO, ENTER) == "x"
    assert typed("if x:", ENTER, TAB, BACKSPACE, BACKSPACE, UNDO, "y", ENTER, ENTER) == "if x:\n        y"


BLOCK = "async def f():\n    a = 1\n\n    b = 2\n\n\nx = f()"


def test_pasted_block_is_inserted_whole_and_runs_at_enter() -> None:
    assert typed(paste(BLOCK), ENTER) == BLOCK


def test_pasted_block_that_ends_a_line_runs_at_one_enter() -> None:
    assert typed(paste("for i in x:\r\n\tf(i)\r\n"), ENTER) == "for i in x:\n        f(i)"


def test_pasted_prompts_are_taken_off() -> None:
    assert typed(paste(">>> for i in x:\n...     f(i)\n... \n1\n2\n>>> y\n"), ENTER) == "for i in x:\n    f(i)\n\ny"


def test_prompts_pasted_into_a_string_stay() -> None:
    assert typed('"""', paste(">>> f()\n1\n"), '"""', ENTER) == '""">>> f()\n1\n"""'


def test_pasted_indentation_replaces_that_of_the_line() -> None:
    assert typed("if x:", ENTER, paste("    a\n    b"), ENTER, ENTER) == "if x:\n    a\n    b"


def test_paste_without_brackets_keeps_its_own_indentation_and_blank_lines() -> None:
    text = "def f():\r  if x:\r    a\r\r  b\r"
    assert typed(text, ENTER) == "def f():\n  if x:\n    a\n\n  b"


def history() -> InMemoryHistory:
    return InMemoryHistory(["import os", "await f(1)", "import asyncio as a", "for i in x:\n    i"])


def test_up_goes_through_entries_that_begin_with_what_was_typed() -> None:
    assert typed("im", UP, ENTER, history=history()) == "import asyncio as a"
    assert typed("im", UP, UP, ENTER, history=history()) == "import os"
    assert typed("im", UP, UP, DOWN, ENTER, history=history()) == "import asyncio as a"
    assert typed("im", UP, DOWN, "x", ENTER, history=history()) == "imx"


def test_up_and_down_move_within_several_lines_first() -> None:
    assert typed(UP, UP, UP, ENTER, history=history()) == "import asyncio as a"
    assert typed(UP, UP, DOWN, END, "+1", ENTER, ENTER, history=history()) == "for i in x:\n    i+1"


def test_control_r_searches() -> None:
    assert typed(CONTROL_R, "f(", ENTER, ENTER, history=history()) == "await f(1)"


def test_paste_while_searching_goes_into_the_search() -> None:
    assert typed(CONTROL_R, paste("f("), ENTER, ENTER, history=history()) == "await f(1)"


@pytest.mark.parametrize("key", [RIGHT, END, CONTROL_E])
def test_suggestion_is_accepted(key: str) -> None:
    keys = ["await", suggestion(" f(1)"), key, ENTER]
    assert typed(*keys, history=history(), auto_suggest=SuggestFromHistory()) == "await f(1)"


@pytest.mark.parametrize("key", [META_F, CONTROL_RIGHT])
def test_suggestion_is_accepted_by_words(key: str) -> None:
    words = [suggestion(" f(1)"), key, suggestion("(1)"), key, suggestion("1)"), key]
    assert typed("await", *words, "+2)", ENTER, history=history(), auto_suggest=SuggestFromHistory()) == "await f(1+2)"


def test_suggestion_for_a_later_line() -> None:
    old = InMemoryHistory(["def f():\n    return value\n"])
    keys = ["def g():", ENTER, "ret", suggestion("urn value"), RIGHT, ENTER, ENTER]
    assert typed(*keys, history=old, auto_suggest=SuggestFromHistory()) == "def g():\n    return value"


def test_control_c_and_control_d() -> None:
    with pytest.raises(KeyboardInterrupt):
        typed("abc", CONTROL_C)
    with pytest.raises(EOFError):
        typed(CONTROL_D)
    assert typed("abc", HOME, CONTROL_D, ENTER) == "bc"


def test_vi_keys() -> None:
    assert typed("if x:", ENTER, "y", ENTER, ENTER, vi=True) == "if x:\n    y"
    assert typed("abc", ESCAPE, "x", ENTER, vi=True) == "ab"
    assert typed("a", ESCAPE, "ob", ESCAPE, ENTER, vi=True) == "a\nb"


@pytest.mark.parametrize("vi", [False, True])
def test_external_editor(vi: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is one of Python, and what was written into it runs."""
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\ncase "$1" in *.py) echo "edited = 1" >> "$1";; esac\n')
    script.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(script))
    keys = [ESCAPE, "v"] if vi else ["\x18\x05"]
    assert typed(paste("x = 1\n"), *keys, vi=vi) == "x = 1\nedited = 1"


SUSPENDED = """
from prompt_toolkit.shortcuts import PromptSession
from aiorepl.terminal import editing
session = PromptSession('>>> ', multiline=True, key_bindings=editing.bindings(), enable_suspend=True)
print('typed', repr(session.prompt()))
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
def test_control_z_suspends_to_the_shell_and_fg_comes_back(tmp_path: Path) -> None:
    """In the middle of a text of several lines, which is there again afterwards."""
    (script := tmp_path / "prompt.py").write_text(SUSPENDED)
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
    shell = pexpect.spawn("bash", ["--norc", "--noprofile", "-i"], env=environment, encoding="utf-8", timeout=30)
    try:
        shell.sendline(f"{sys.executable} {script}")
        shell.expect(">>>")
        shell.send("if x:\r")
        shell.send("y\x1a")
        shell.expect("Stopped")
        shell.sendline("fg")
        shell.expect("if x:")
        shell.send("\r\r")
        shell.expect_exact(r"typed 'if x:\n    y'")
    finally:
        shell.close(force=True)


def test_typed_ahead_lines_run_one_by_one() -> None:
    """What was typed while there was no prompt stays for the next ones."""
    assert typed("a\rb\r") == "a"
