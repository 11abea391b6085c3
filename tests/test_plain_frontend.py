"""The frontend for pipes: lines become cells, and events become text."""

import ast
import asyncio
import io
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st
from made_up import MadeUpSession

from aiorepl.commands.values import JobList
from aiorepl.model import (
    Answer,
    Done,
    Edit,
    Event,
    Failure,
    Insert,
    Leave,
    Notice,
    Output,
    Progress,
    Result,
    SettingChanged,
)
from aiorepl.session.protocol import Session
from aiorepl.terminal.lines import ByteLines, TextLines
from aiorepl.terminal.plain import CellReader, PlainFrontend


class Pipe:
    """A pipe and a frontend that reads its other end."""

    def __init__(self, session: Session, *, prompts: tuple[str, str] | None = None, out: io.TextIOBase | None = None):
        reading, writing = os.pipe()
        self.reading = reading
        self.writer = os.fdopen(writing, "w", buffering=1, encoding="utf-8")
        self.out, self.err = io.StringIO(), io.StringIO()
        self.lines = TextLines(ByteLines(reading), "utf-8")
        self.frontend = PlainFrontend(
            session,
            self.lines,
            out=out or self.out,  # type: ignore[arg-type]
            err=self.err,
            prompts=prompts,
        )

    def converse(self, text: str) -> None:
        """Let the frontend read all of a text."""
        with self.writer:
            self.writer.write(text)
        asyncio.run(self.frontend.converse())
        os.close(self.reading)


def converse(text: str, *events: Event, prompts: tuple[str, str] | None = None) -> Pipe:
    """Have a conversation in which the first line is answered with these events."""
    pipe = Pipe(MadeUpSession({text.splitlines()[0]: list(events)}), prompts=prompts)
    pipe.converse(text)
    return pipe


def test_every_kind_of_event_has_its_place() -> None:
    pipe = converse(
        "x\n",
        Output("printed\n"),
        Output("warned\n", "stderr"),
        Result("42", 1),
        Result("<object>", 2, "its repr raised"),
        Failure("Traceback ...\nE: 1\n", "E: 1"),
        Notice("what was done"),
        Notice("what to do", "hint"),
        Notice("what went wrong", "alert", "where\n"),
        Notice("what to type", "error"),
        Answer(JobList(())),
        Progress(0.5, "half"),
        SettingChanged("theme", "dark"),
        Insert("text"),
        Edit("text"),
    )
    drawn = pipe.out.getvalue().removeprefix("printed\n42\n<object>\n")
    assert "job" in drawn
    assert pipe.err.getvalue() == (
        "warned\n"
        "its repr raised\n"
        "Traceback ...\nE: 1\n"
        "what was done\n"
        "hint: what to do\n"
        "alert: what went wrong\nwhere\n"
        "what to type\n"
        "there is no prompt here to put the text into; %run FILE runs a file\n"
        "there is no prompt here to put the text into; %run FILE runs a file\n"
    )


def test_leaving_ends_the_conversation() -> None:
    session = MadeUpSession({"exit": [Leave(3, "the reason")]})
    pipe = Pipe(session)
    pipe.converse("a\nexit\nb\n")
    assert session.submitted == ["a\n", "exit\n"]
    assert pipe.frontend.left == Leave(3, "the reason")
    assert pipe.err.getvalue() == "the reason\n"


def test_announcements_are_printed() -> None:
    pipe = Pipe(MadeUpSession({}, [Notice("a task failed", "alert"), Result("7", 3)]))
    asyncio.run(pipe.frontend.show_announcements())
    assert (pipe.out.getvalue(), pipe.err.getvalue()) == ("7\n", "alert: a task failed\n")
    pipe.converse("")


def test_prompts_are_shown_where_a_person_types() -> None:
    pipe = converse("(1,\n\n2)\ny\n", prompts=(">>> ", "... "))
    assert pipe.out.getvalue() == ">>> ... ... >>> >>> "


def test_prompts_of_pythons_own_are_shown_if_somebody_has_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", "in: ", raising=False)
    monkeypatch.setattr(sys, "ps2", "more: ", raising=False)
    assert converse("(1,\n2)\n", prompts=(">>> ", "... ")).out.getvalue() == "in: more: in: "
    assert converse("x\n").out.getvalue() == ""
    # Whose __str__ would run on the frontend's thread.
    monkeypatch.setattr(sys, "ps1", 5)
    assert converse("x\n", prompts=(">>> ", "... ")).out.getvalue() == ">>> >>> "


def test_no_prompt_is_shown_on_a_pipe() -> None:
    assert converse("x\n").out.getvalue() == ""


def test_what_cannot_be_encoded_is_escaped() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    pipe = Pipe(MadeUpSession({"x": [Result("'né'", 1)]}), out=out)
    pipe.converse("x\n")
    assert raw.getvalue() == b"'n\\xe9'\n"


def test_nobody_reading_ends_the_conversation() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    session = MadeUpSession({"a": [Result("1", 1)]})
    with open(writing, "w") as out:
        pipe = Pipe(session, out=out)
        pipe.converse("a\nb\n")
    assert session.submitted == ["a\n"]
    assert pipe.frontend.left == Leave(1)
    assert pipe.err.getvalue() == ""


def test_interrupting_reaches_the_session_while_a_cell_runs() -> None:
    async def run() -> None:
        session = MadeUpSession({})
        pipe = Pipe(session)

        async def events() -> AsyncIterator[Event]:
            pipe.frontend.interrupt()
            await session.interrupted.wait()
            yield Done("interrupted")

        assert await pipe.frontend.submit(events()) == "interrupted"
        pipe.writer.close()
        os.close(pipe.reading)

    asyncio.run(run())


def test_interrupting_at_a_prompt_drops_what_was_begun() -> None:
    async def run() -> None:
        session = MadeUpSession({})
        pipe = Pipe(session, prompts=(">>> ", "... "))
        prompted = threading.Event()

        class Out(io.StringIO):
            def write(self, text: str) -> int:
                if text == "... ":
                    prompted.set()
                return super().write(text)

        pipe.frontend._out = out = Out()
        conversation = asyncio.create_task(pipe.frontend.converse())
        pipe.writer.write("if 1:\n")
        assert await asyncio.to_thread(prompted.wait, 20)
        pipe.frontend.interrupt()
        pipe.writer.write("x\n")
        pipe.writer.close()
        await conversation
        os.close(pipe.reading)
        assert session.submitted == ["x\n"]
        assert out.getvalue() == ">>> ... >>> >>> "
        assert pipe.err.getvalue() == "\nKeyboardInterrupt\n"

    asyncio.run(run())


def cells_of(text: str, *, slow: bool = False) -> list[str]:
    """The cells of a text whose lines are all there already, or (``slow``) come one by one."""
    reader = CellReader()
    lines = text.splitlines(keepends=True)
    cells = [cell for n, line in enumerate(lines, 1) for cell in reader.feed(line, more=not slow and n < len(lines))]
    return [*cells, *reader.end()]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("x\ny\n", ["x\n", "y\n"]),
        ("\n\nx\n\n", ["x\n"]),
        ("# comment\nx\n", ["x\n"]),
        ("if x:\n    y\nelse:\n    z\nw\n", ["if x:\n    y\nelse:\n    z\n", "w\n"]),
        ("if x:\n    y\n\nz\n", ["if x:\n    y\n\n", "z\n"]),
        ("def f():\n\n    x\n\n    y\nz\n", ["def f():\n\n    x\n\n    y\n", "z\n"]),
        ("try:\n    x\n\nexcept E:\n    y\n", ["try:\n    x\n\nexcept E:\n    y\n"]),
        ("@d\n\ndef f(): x\ny\n", ["@d\n\ndef f(): x\n", "y\n"]),
        ("f(1,\n\n2)\nx\n", ["f(1,\n\n2)\n", "x\n"]),
        ("'''a\n\nb'''\n", ["'''a\n\nb'''\n"]),
        ("if x: y\nz\n", ["if x: y\n", "z\n"]),
        ("x y\nz\n", ["x y\n", "z\n"]),
        ("%who\nx\n%time y\n", ["%who\n", "x\n", "%time y\n"]),
        ("if x:\n    y\n%who\n", ["if x:\n    y\n", "%who\n"]),
        ("f() &\nx?\n!ls\n", ["f() &\n", "x?\n", "!ls\n"]),
        ("if x:\n    y", ["if x:\n    y"]),
        ("if x:\n    y z\nw\n", ["if x:\n    y z\n", "w\n"]),
        ("if x:\n    y z\n", ["if x:\n    y z\n"]),
        ("if x:\n    y = (\n", []),
        ("f(1,\n", []),
        ("if x:\n", []),
        ("x", ["x"]),
    ],
)
def test_lines_become_cells(text: str, cells: list[str]) -> None:
    assert cells_of(text) == cells


def test_a_blank_line_ends_a_block_where_nothing_follows_at_once() -> None:
    assert cells_of("if x:\n    y\n\nz\n", slow=True) == ["if x:\n    y\n", "z\n"]
    assert cells_of("def f():\n    x\n\n    y\n", slow=True) == ["def f():\n    x\n", "    y\n"]


SIMPLE = st.sampled_from(
    [
        "x = 1",
        "await f()",
        "f(1,\n2)",
        "s = '''a\n\n# b\n    c'''",
        "x = \\\n    1",
        "[\n\n1,\n# in a list\n2]",
        "pass  # comment",
        "case = 1",
        "y = 'if 1:'",
    ]
)
GAPS = st.lists(st.sampled_from(["", "    ", "# at the left", "    # indented"]), max_size=2)


def indent(lines: list[str]) -> list[str]:
    """Indent statements; the lines of a string or a bracket may stand where they are."""
    return ["    " + line for line in lines]


@st.composite
def blocks(draw: st.DrawFn, body: st.SearchStrategy[list[str]]) -> list[str]:
    """One compound statement, as statements with their indentation."""
    heads = draw(
        st.sampled_from(
            [
                ("if x:",),
                ("if x:", "elif y:", "else:"),
                ("for x in y:", "else:"),
                ("while x:",),
                ("async for x in y:",),
                ("with x as y:",),
                ("async with x as y, z:",),
                ("try:", "except E:", "else:", "finally:"),
                ("try:", "except* E:"),
                ("def f(\n    a, b\n):",),
                ("@d\n@e(\n1)\nasync def f():",),
                ("@d\nclass A(B):",),
            ]
        )
    )
    lines: list[str] = []
    for head in heads:
        lines += [head, *indent(draw(body))]
    return lines


@st.composite
def bodies(draw: st.DrawFn, statement: st.SearchStrategy[list[str]]) -> list[str]:
    """Some statements with blank lines and comments between them."""
    lines: list[str] = []
    for part in draw(st.lists(statement, min_size=1, max_size=3)):
        lines += [*draw(GAPS), *part]
    return lines


STATEMENTS = st.recursive(SIMPLE.map(lambda line: [line]), lambda inner: blocks(bodies(inner)), max_leaves=8)


@given(bodies(STATEMENTS).map(lambda lines: "\n".join(lines) + "\n"))
@example("def f():\n    x\n# a comment at the left\n    y\n")
@example("if x:\n    y\n\n# a comment\n\nelse:\n    z\n")
def test_any_file_gives_the_statements_that_it_has(text: str) -> None:
    try:
        whole = ast.parse(text)
    except SyntaxError:
        # A comment that stands where the parser does not take one, or the like.
        reject()
    given = [statement for cell in cells_of(text) for statement in ast.parse(cell).body]
    assert [ast.dump(statement) for statement in given] == [ast.dump(statement) for statement in whole.body]


def test_a_real_file_gives_the_statements_that_it_has() -> None:
    source = Path(ast.__file__).read_text()
    given = [statement for cell in cells_of(source) for statement in ast.parse(cell).body]
    assert [ast.dump(statement) for statement in given] == [ast.dump(part) for part in ast.parse(source).body]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_lines_are_read_as_from_a_file(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = TextLines(ByteLines(reading), "utf-8")
    os.write(writing, "one\r\ntwo é\nthree\nfour".encode())
    os.close(writing)
    assert lines.readline() == "one\n"
    assert lines.readline(3) == "two"
    assert lines.read(3) == " é\n"
    assert list(lines) == ["three\n", "four"]
    assert lines.readline() == ""
    assert lines.read() == ""


def test_bytes_are_read_as_from_a_file(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = TextLines(ByteLines(reading), "utf-8")
    os.write(writing, b"one\ntwo\n\xff")
    os.close(writing)
    assert lines.buffer.read1(2) == b"on"
    assert lines.buffer.readline() == b"e\n"
    assert lines.buffer.read(2) == b"tw"
    assert lines.buffer.read() == b"o\n\xff"
    assert lines.buffer.read() == b""


def test_what_is_no_text_is_read_all_the_same(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, b"\xff\n")
    assert TextLines(ByteLines(reading), "utf-8").readline() == "\udcff\n"


def test_whether_more_is_there_is_known(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = ByteLines(reading)
    assert not lines.ready(0)
    os.write(writing, b"one\ntwo\n")
    assert lines.ready(20)
    lines.readline()
    assert lines.ready(0)
    lines.readline()
    assert not lines.ready(0)
    os.close(writing)
    assert lines.ready(20)
