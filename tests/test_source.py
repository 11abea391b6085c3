"""What was typed: whole or not, of which kind, cut into cells, and compiled."""

import __future__

import ast
import asyncio
import gc
import inspect
import linecache
import traceback
import warnings
from pathlib import Path

import pytest

from aiorepl.interpret.source import (
    Command,
    Help,
    Python,
    Shell,
    Typed,
    classify,
    compile_cell,
    completeness,
    is_block,
    silence_checks,
    split,
)

COMPLETE = [
    "",
    "1",
    "x = 1\n",
    "# a comment",
    "x = 1; y = 2;",
    "await f()",
    "x = await f()",
    "[x async for x in y]",
    "lambda: 0",
    "x = \\\n1",
    "'''a\nb'''",
    "f'{x!r:>{n}}'",
    "if 1: pass",
    "if 1:\n    pass",
    "if 1:\n    pass\n",
    "if 1:\n    pass\nelse:\n    pass",
    "for x in y:\n    pass",
    "async for x in y:\n    pass",
    "async with a as b, c:\n    pass",
    "@d\ndef f(): pass",
    "@d\nasync def f():\n\n    await g()\n",
    "class A: x = 1",
    "match x:\n    case 1: pass",
    "try:\n    pass\nexcept* E:\n    pass",
    # Whether these may stand here is said by the compiler when they are run, not by the parser.
    "return 1",
    "break",
    "def f(): await x",
    "f() &",
    "async with a:\n    await b() &",
    "%who",
    "%time await f(",
    "!ls '",
    "!",
    "obj?",
    "obj.attribute[0]??",
    "?obj",
    "%time?",
]

INCOMPLETE = [
    "if 1:",
    "if 1:\n",
    "if 1:\n    pass\nelse:",
    "while x: # comment",
    "async for x in y:",
    "async with a as b:",
    "async with (a as b,",
    "def f(",
    "def f():",
    "async def f():\n    # comment\n",
    "@d",
    "@d\n",
    "@d\n@e(1,",
    "class A:",
    "match x:",
    "match x:\n    case 1:",
    "try:",
    "try:\n    pass",
    "try:\n    pass\n",
    "(",
    "f(1,\n  2",
    "[x for x in y",
    "{1: (2",
    "if 1:\n    f(",
    '"""a',
    "'''a\n\nb",
    "r'''\\",
    "x = \\",
    "x = 1 + \\\n",
    "with a, \\\n",
    "!ls \\",
]

INVALID = [
    "x =",
    "1 +* 2",
    "1 2",
    ")",
    "(]",
    "'a",
    "  x",
    "else:",
    "def f(:",
    "if 1:\npass",
    "if 1:\n    a\n  b",
    "&",
    "f( &",
    "1 &&",
    "%",
    "? ?",
    "x = $",
    "a\0b",
    "(" * 1000,
    "0_",
    "1__0",
]


@pytest.mark.parametrize("text", COMPLETE)
def test_a_whole_text_is_complete(text: str) -> None:
    assert completeness(text) == "complete"


@pytest.mark.parametrize("text", INCOMPLETE)
def test_the_beginning_of_something_is_incomplete(text: str) -> None:
    assert completeness(text) == "incomplete"


@pytest.mark.parametrize("text", INVALID)
def test_what_nothing_can_follow_is_invalid(text: str) -> None:
    assert completeness(text) == "invalid"


def test_deep_nesting_is_an_answer_and_not_a_crash() -> None:
    assert completeness("(" * 50 + "1") == "incomplete"
    assert completeness("-" * 5_000 + "1") in ("complete", "invalid")
    assert completeness("\n".join(" " * depth + "if 1:" for depth in range(200))) == "invalid"


def test_no_beginning_of_a_real_file_is_invalid() -> None:
    source = Path(asyncio.locks.__file__).read_text()
    lines = source.splitlines(keepends=True)[:250]
    wrong = [number for number in range(1, len(lines)) if completeness("".join(lines[:number])) == "invalid"]
    assert wrong == []


def test_a_look_at_a_text_warns_of_nothing() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        silence_checks()
        assert completeness("x is 1; '\\d'") == "complete"
    assert caught == []


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("if 1:\n    pass", True),
        ("if 1: pass", True),
        ("@d\nasync def f(): pass", True),
        ("match x:\n    case 1: pass", True),
        ("x = 1\nwhile x:\n    x = 0", True),
        ("while x:\n    x = 0\nx", False),
        ("x", False),
        ("f(\n1)", False),
        ("lambda: 0", False),
        ("", False),
        ("if 1:", False),
    ],
)
def test_a_block_is_what_more_lines_could_belong_to(text: str, block: bool) -> None:
    assert is_block(text) is block


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("x", Python("x")),
        ("  x\n", Python("  x\n")),
        ("x % y", Python("x % y")),
        ("x = '?'", Python("x = '?'")),
        ("await f() &", Python("await f()", background=True)),
        ("await f() & \n", Python("await f()", background=True)),
        ("x &\ny", Python("x &\ny")),
        ("x = 'a &", Python("x = 'a &")),
        ("# a &", Python("# a &")),
        ("f( &", Python("f( &")),
        ("%who", Command("who")),
        (" % time  await f() \n", Command("time  await f()")),
        ("%time x & y", Command("time x & y")),
        ("%timeit\nx = 1\ny", Command("timeit\nx = 1\ny")),
        ("!ls -l", Shell("ls -l")),
        (" ! sleep 1 & ", Shell("sleep 1", background=True)),
        ("!a &&", Shell("a &&")),
        ("!", Shell("")),
        ("obj?", Help("obj", source=False)),
        ("a.b[0]['k'] ??", Help("a.b[0]['k']", source=True)),
        ("?obj", Help("obj", source=False)),
        ("??obj", Help("obj", source=True)),
        ("%time?", Help("%time", source=False)),
        ("f(x)?", Python("f(x)?")),
        ("x if y else z?", Python("x if y else z?")),
    ],
)
def test_what_was_typed_is_told_apart(text: str, typed: Typed) -> None:
    assert classify(text) == typed


def test_a_file_of_python_is_one_cell() -> None:
    text = "x = '''\n%who\n!ls\n'''\ny = (7\n%x)\n"
    assert list(split(text)) == [text]


def test_a_file_is_cut_at_its_command_lines_and_keeps_its_line_numbers() -> None:
    text = "x = 1\n%who\n\ndef f():\n    return 1/0\n\n!ls\nf()\n"
    cells = list(split(text))
    assert cells == [
        "x = 1\n",
        "%who\n",
        "\n\n\ndef f():\n    return 1/0\n\n",
        "!ls\n",
        "\n\n\n\n\n\n\nf()\n",
    ]


def test_a_percent_sign_that_goes_on_with_the_line_before_is_not_a_command() -> None:
    assert list(split("%who\nx = (7\n%y)\nz = '''\n%who\n'''\n")) == [
        "%who\n",
        "\nx = (7\n%y)\nz = '''\n%who\n'''\n",
    ]


def test_a_form_feed_does_not_shift_the_lines() -> None:
    assert list(split("x = 1\n\x0c\n%who\nx\n"))[-1] == "\n\n\nx\n"


def test_a_file_with_a_mistake_stays_whole() -> None:
    assert list(split("x = 1\nx y\n")) == ["x = 1\nx y\n"]


def test_a_file_of_nothing_is_nothing_to_run() -> None:
    assert [cell for cell in split("") if cell] == []


def run_cell(text: str, name: str = "<cell>") -> tuple[dict[str, object], object]:
    """Run a cell that awaits nothing; return its names and its value."""
    cell, _ = compile_cell(text, name)
    names: dict[str, object] = {}
    if cell.body is not None:
        exec(cell.body, names)
    return names, None if cell.value is None else eval(cell.value, names)


def test_the_last_expression_is_the_value() -> None:
    names, value = run_cell("x = 20\nx += 1\nx * 2")
    assert names["x"] == 21
    assert value == 42


@pytest.mark.parametrize("text", ["", "# nothing", "x = 1", "def f(): pass", "if 1:\n    2", "'a'; x = 1"])
def test_a_cell_without_a_last_expression_has_no_value(text: str) -> None:
    assert compile_cell(text, "<cell>")[0].value is None


@pytest.mark.parametrize("text", ["", "# nothing", "1", "await x"])
def test_a_cell_without_statements_has_no_body(text: str) -> None:
    assert compile_cell(text, "<cell>")[0].body is None


@pytest.mark.parametrize("text", ["1;", "1 ; ", "1; # comment", "x = 1\nx;", "'é';", "(1\n);", "'''\n''';", "1;\n\n"])
def test_a_trailing_semicolon_makes_it_silent(text: str) -> None:
    assert compile_cell(text, "<cell>")[0].silent


@pytest.mark.parametrize("text", ["1", "'a;'", "1 # ;", "1; 2", "';'\n# ;", "", "'\x0c'; 1"])
def test_any_other_semicolon_does_not(text: str) -> None:
    assert not compile_cell(text, "<cell>")[0].silent


@pytest.mark.parametrize("text", ["await x", "[x async for x in y]", "f(await x)"])
def test_an_awaiting_value_is_a_coroutine(text: str) -> None:
    value = compile_cell(text, "<cell>")[0].value
    assert value is not None
    assert value.co_flags & inspect.CO_COROUTINE


@pytest.mark.parametrize("text", ["async for x in y: pass", "async with x: pass", "x = await y"])
def test_an_awaiting_statement_is_a_coroutine(text: str) -> None:
    body = compile_cell(text, "<cell>")[0].body
    assert body is not None
    assert body.co_flags & inspect.CO_COROUTINE


@pytest.mark.parametrize(
    "text", ["return 1", "yield 1", "def f(): await x", "lambda: await x", "break", "x = ", "a\0b", "nonlocal x"]
)
def test_what_cannot_stand_at_the_top_level_is_an_error(text: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        compile_cell(text, "<cell>")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x = 1\nreturn 5", "line 2\n    return 5\n    ^^^^^^^^\nSyntaxError: 'return' outside function\n"),
        ("'ééé'; yield 3", "line 1\n    'ééé'; yield 3\n           ^^^^^^^\nSyntaxError: 'yield' outside function\n"),
        ("1; return (2,\n3)", "line 1\n    1; return (2,\n       ^^^^^^^^^^\nSyntaxError: 'return' outside function\n"),
        (
            "nonlocal z",
            "line 1\n    nonlocal z\n    ^^^^^^^^^^\nSyntaxError: nonlocal declaration not allowed at module level\n",
        ),
    ],
)
def test_what_the_compiler_refuses_is_shown_with_its_line(text: str, shown: str) -> None:
    with pytest.raises(SyntaxError) as caught:
        compile_cell(text, "<cell 1>")
    assert "".join(traceback.format_exception_only(caught.value)) == f'  File "<cell 1>", {shown}'


def test_future_imports_hold_for_later_cells() -> None:
    _, flags = compile_cell("from __future__ import annotations", "<cell 1>")
    assert flags == __future__.annotations.compiler_flag
    cell, later = compile_cell("def f(x: undefined): pass", "<cell 2>", flags=flags)
    assert later == flags
    names: dict[str, object] = {}
    assert cell.body is not None
    exec(cell.body, names)
    assert getattr(names["f"], "__annotations__", None) == {"x": "undefined"}


def test_future_imports_of_this_module_do_not_hold_for_cells() -> None:
    assert compile_cell("x = 1", "<cell>")[1] == 0


def test_the_source_of_a_cell_is_remembered() -> None:
    names, _ = run_cell("x = 1\n\ndef f():\n    return x\n", "<cell remembered>")
    assert inspect.getsource(names["f"]) == "def f():\n    return x\n"  # type: ignore[arg-type]
    linecache.checkcache()
    assert linecache.getline("<cell remembered>", 1) == "x = 1\n"


def test_lines_are_remembered_as_the_parser_counts_them() -> None:
    compile_cell("x = '\u2028'\n\x0c\r\n1/0", "<cell with odd lines>")
    assert linecache.getline("<cell with odd lines>", 3) == "1/0\n"


def test_the_source_of_a_cell_from_a_file_is_left_to_the_file() -> None:
    compile_cell("x = 1", "<cell not remembered>", remember=False)
    assert linecache.getline("<cell not remembered>", 1) == ""


def test_the_tree_is_of_the_whole_text() -> None:
    cell, _ = compile_cell("x = 1\nx", "<cell>")
    assert ast.unparse(cell.tree) == "x = 1\nx"
    assert (cell.text, cell.filename) == ("x = 1\nx", "<cell>")


class Untidy:
    """Garbage for the collector, whose finalizer parses, as one that prints a traceback does."""

    def __init__(self) -> None:
        self.cycle = self

    def __del__(self) -> None:
        ast.parse("((1))")


def test_a_finalizer_that_parses_does_not_disturb() -> None:
    cell = "\n".join(f"def f{n}(a, b=(1, [2])): return [x for x in (a, b) if x]" for n in range(300))
    gc.collect()
    for _ in range(20):
        # Young enough to be collected while the cell is being parsed, and only then.
        Untidy()
        compile_cell(cell, "<cell>")
