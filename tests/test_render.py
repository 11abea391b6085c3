"""Values as text: the same lines plain and in colour, at any width, and nothing in them steers the terminal."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiorepl.commands.context import Job
from aiorepl.commands.values import (
    History,
    HistoryLine,
    JobList,
    NameInfo,
    NameList,
    ObjectHelp,
    SettingInfo,
    SettingList,
    Timeit,
    Timing,
)
from aiorepl.model import Notice
from aiorepl.render import colored, plain
from aiorepl.render.blocks import Block, Column, Lines, Table
from aiorepl.render.describe import describe
from aiorepl.render.text import cells, fit, harmless, seconds, visible, wrap

ESCAPE = re.compile(r"\x1b\[[\d;]*m")

VALUES = [
    NameList((NameInfo("name", "str", "'value'"), NameInfo("日本", "module.Type", ""))),
    JobList((Job(1, "await f()\nawait g()", 61.4, "sleep"), Job(12, "x", 0.5))),
    History((HistoryLine(0, "old"), HistoryLine(12, "if x:\n    '''a\n  b'''")), omitted=4312),
    ObjectHelp(
        "f", "function", "(x, *, y=1)", "Do it.\n\n    An example.", "f.py", 3, source="def f():\n    '''a\nb'''"
    ),
    ObjectHelp("f", "function", "(x, *, y=1)", "Do it.\n\n    An example.", "f.py", 3),
    SettingList((SettingInfo("mouse", True, "on or off", "what for"),)),
    Timing(1.5, 0.002, None),
    Timeit(1000, (0.25, 0.2, 0.3)),
    Notice("something went wrong", "error", "detail"),
    "a text\n\nof three lines",
    3.5,
]


def test_none_is_not_drawn_and_the_unknown_is_its_repr() -> None:
    assert plain.draw(None) == ""
    assert plain.draw({"a": 1}) == "{'a': 1}\n"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_colours_add_nothing_but_escape_codes(value: object, width: int) -> None:
    expected = plain.draw(value, width)
    assert expected
    for colors in (16, 256, 2**24):
        drawn = colored.draw(value, width, theme="dark", colors=colors)
        assert ESCAPE.sub("", drawn) == expected
    assert colored.draw(value, width, theme="dark", colors=0) == expected
    assert colored.draw(value, width, theme="none", colors=256) == expected


@pytest.mark.parametrize("width", [20, 40, 80])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_line_fits(value: object, width: int) -> None:
    for ascii in (False, True):
        drawn = plain.draw(value, width, ascii=ascii)
        assert all(cells(line) <= width for line in drawn.splitlines())
        assert drawn.isascii() or not ascii


def test_themes_differ() -> None:
    drawn = {theme: colored.draw(VALUES[0], 80, theme=theme, colors=256) for theme in ("dark", "light", "projector")}
    assert len(set(drawn.values())) == 3


def test_timings_are_one_line() -> None:
    assert plain.draw(Timing(1.5, 0.002, None)) == "1.5 s in all, 2 ms on the processor, – holding the loop\n"
    assert (
        plain.draw(Timeit(1000, (0.25, 0.2, 0.3))) == "best of 3: 200 us per loop (200 us … 300 us), 1,000 loops each\n"
    )
    assert plain.draw(Timeit(1, (0.25,)), ascii=True) == "best of 1: 250 ms per loop (250 ms ... 250 ms), 1 loop each\n"


def test_a_table_keeps_its_columns_where_they_have_room() -> None:
    jobs = JobList((Job(1, "await f()\nawait g()", 61.4, "sleep"), Job(12, "x", 0.5)))
    assert plain.draw(jobs) == (
        "job        time  waits on  code\n  1  1 min 1 s  sleep     await f() …\n 12     500 ms  –         x\n"
    ).replace("job        time", "job       time")


def test_the_last_column_goes_below_where_it_has_none() -> None:
    names = NameList((NameInfo("a_rather_long_name", "str", "'a value that needs some room'"),))
    assert plain.draw(names, 40) == (
        "name                type\na_rather_long_name  str\n    'a value that needs some room'\n"
    )


def test_wide_letters_take_two_columns() -> None:
    assert plain.draw(NameList((NameInfo("日本", "str", "x"), NameInfo("abc", "str", "y")))) == (
        "name  type  value\n日本  str   x\nabc   str   y\n"
    )


def test_a_text_may_have_colours_but_not_steer_the_terminal() -> None:
    assert harmless("\x1b[1;31mRED\x1b[0m\n\té") == "\x1b[1;31mRED\x1b[0m\n\té\x1b[0m"
    assert harmless("\x1b[2J\x1b]0;title\x07\r\x9b1m\x1b") == r"\x1b[2J\x1b]0;title\x07\r\x9b1m\x1b"
    assert harmless("one\n\ttwo") == "one\n\ttwo"


def test_control_characters_are_made_visible() -> None:
    hostile = "a\x1b[2Jb\x07\r\x9b1m\u202ec"
    for value in (
        NameList((NameInfo("x", hostile, hostile),)),
        hostile,
        Notice(hostile),
        History((HistoryLine(1, hostile),)),
    ):
        for drawn in (plain.draw(value, 200), colored.draw(value, 200, theme="dark", colors=0)):
            assert "a\\x1b[2Jb\\x07\\r\\x9b1m\\u202ec" in drawn or "\\x9b1m\\u202ec" in drawn
            assert all(char.isprintable() or char == "\n" for char in drawn)


@given(st.text(), st.integers(min_value=20, max_value=100))
def test_any_text_is_drawn_within_its_width(text: str, width: int) -> None:
    table = Table((Column("a"), Column("b", right=True), Column()), ((text, text, text), ("", "", "")))
    drawn = plain.draw(_Blocks((table, Lines((text,), indent=2))), width)
    assert all(cells(line) <= width for line in drawn.split("\n"))
    assert all(char.isprintable() or char == "\n" for char in drawn)


@dataclass(frozen=True)
class _Blocks:
    """A later room's value: it is drawn everywhere once it is described."""

    blocks: tuple[Block, ...]


@describe.register
def _(value: _Blocks) -> tuple[Block, ...]:
    return value.blocks


@given(st.text(), st.integers(min_value=2, max_value=50))
def test_wrapping_keeps_every_word(text: str, width: int) -> None:
    text = visible(text)
    lines = wrap(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cells(line) <= width for line in lines)


@given(st.text(), st.integers(min_value=3, max_value=20))
def test_what_is_cut_says_so(text: str, width: int) -> None:
    cut = fit(text, width)
    assert cut == text if cells(text) <= width else cut.endswith("…")
    assert cells(cut) <= width


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (1.234e-9, "1.23 ns"),
        (1.234e-6, "1.23 us"),
        (0.000_999_999_9, "1 ms"),
        (0.00123, "1.23 ms"),
        (0.1, "100 ms"),
        (1.0, "1 s"),
        (59.9, "59.9 s"),
        (59.99, "1 min"),
        (123, "2 min 3 s"),
        (3599.6, "1 h"),
        (3660, "1 h 1 min"),
        (86400, "1 d"),
        (90061, "1 d 1 h"),
        (-0.002, "-2 ms"),
    ],
)
def test_times_are_written_in_the_unit_that_suits_them(value: float | None, text: str) -> None:
    assert seconds(value) == text
