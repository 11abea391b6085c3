"""Highlighting adds escape codes and changes nothing else."""

import re
import traceback
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiorepl.render.highlight import LONGEST, highlight

ESCAPE = re.compile(r"\x1b\[[\d;]*m")
KINDS: tuple[Literal["python", "traceback", "repr"], ...] = ("python", "traceback", "repr")


def group() -> str:
    """A traceback with everything in it: a group within a group, a cause, notes of two lines, carets."""

    def fails(number: int) -> Exception:
        try:
            [number][1 + number] / 0
        except IndexError as error:
            error.add_note(f"a note\nof two lines: {number}")
            return error
        raise AssertionError

    try:
        try:
            raise ExceptionGroup("inner", [fails(1), KeyError("ä")])
        except ExceptionGroup as inner:
            raise ExceptionGroup("outer: two", [inner, SyntaxError("bad", ("f.py", 1, 2, "x y", 1, 3))]) from fails(2)
    except ExceptionGroup as error:
        return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("colors", [16, 256, 2**24])
@pytest.mark.parametrize("theme", ["dark", "light", "projector"])
def test_a_traceback_keeps_every_character(theme: str, colors: int) -> None:
    text = group()
    colored = highlight(text, "traceback", theme=theme, colors=colors)
    assert ESCAPE.sub("", colored) == text
    assert colored != text


def codes(text: str, kind: Literal["python", "traceback", "repr"] = "traceback") -> dict[str, str]:
    """What is written in one colour, by its text."""
    colored = highlight(text, kind, theme="dark", colors=256)
    return {found[2]: found[1] for found in re.finditer(r"\x1b\[([\d;]+)m([^\x1b]*)\x1b\[0m", colored)}


def test_the_parts_of_a_traceback_are_told_apart() -> None:
    styles = codes(
        "Traceback (most recent call last):\n"
        '  File "<cell 1>", line 3, in run\n'
        "    return await f(x)\n"
        "                 ~^^^\n"
        "package.WrongError: what: went wrong\n"
    )
    parts = ["<cell 1>", "3", "run", "return", "                 ~^^^", "package.WrongError", ": what: went wrong"]
    assert [part for part in parts if part not in styles] == []
    assert styles["                 ~^^^"] == styles["package.WrongError"] != styles["return"]


def test_exception_groups_are_read_inside_their_box() -> None:
    styles = codes(group())
    assert {"ExceptionGroup", "IndexError", "KeyError", "SyntaxError"} <= set(styles)
    assert "fails" in styles


def test_code_and_values_have_their_colours() -> None:
    styles = codes("async def f(x):\n    return '''a\nb''' + 1  # c", "python")
    assert {"async", "def", "f", "return", "1", "# c", "'''a", "b'''"} <= set(styles)
    assert codes("{'a': None, 1: <Foo object at 0x7f>}", "repr").keys() >= {"'a'", "None", "1"}


def test_sixteen_colours_are_enough() -> None:
    colored = highlight("None", "python", theme="dark", colors=16)
    assert colored == "\x1b[34mNone\x1b[0m"
    assert highlight("if", "python", theme="light", colors=16) == "\x1b[1;35mif\x1b[0m"


def test_no_colours_and_long_texts_stay_as_they_are() -> None:
    assert highlight("None", "python", theme="dark", colors=0) == "None"
    assert highlight("None", "python", theme="none", colors=256) == "None"
    text = "1 " * LONGEST
    assert highlight(text, "repr", theme="dark", colors=256) == text


traceback_lines = st.lists(
    st.sampled_from(
        [
            "Traceback (most recent call last):",
            "  + Exception Group Traceback (most recent call last):",
            "  | ",
            '    |   File "a.py", line 3, in f',
            '  File "a\r.py", line x',
            "    code('''",
            "    |     ^^^~~",
            "+-+---------------- 1 ----------------",
            "Error: x",
            "\t\x0c",
            "\r\n",
            "",
        ]
    )
    | st.text(st.characters(exclude_characters="\x1b")),
    max_size=12,
)


@given(traceback_lines.map("\n".join), st.sampled_from(KINDS))
def test_not_a_byte_is_changed(text: str, kind: Literal["python", "traceback", "repr"]) -> None:
    assert ESCAPE.sub("", highlight(text, kind, theme="light", colors=256)) == text
