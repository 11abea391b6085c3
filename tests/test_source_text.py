"""Indentation, pasted text and prompts, as pure functions."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiorepl.terminal.source_text import indentation_after, pasted, scan, without_prompts, without_tail


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("x = 1", 0),
        ("if x:", 4),
        ("if x:  # why:", 4),
        ("if x:\n    y", 4),
        ("if x:\n    # why", 4),
        ("if x:\n    y\n", 0),
        ("if x:\n    ", 4),
        ("x = 'if:'", 0),
        ("x  # if:", 0),
        ("def f():\n    return", 0),
        ("def f():\n    return g(\n        1)", 0),
        ("def f():\n    if x:\n        raise E", 4),
        ("for i in x:\n    passes = 1", 4),
        ("if x: return", 0),
        ("f(", 4),
        ("f(a,", 4),
        ("f(\n    a,", 4),
        ("f(\n    a, [", 8),
        ("f(\n    [\n        1,\n    ],", 4),
        ("def f(\n    a,\n):", 4),
        ("    x = f(\n        a\n    )", 4),
        ("x = '''\n  a", 2),
        ("x = '''if:", 0),
        ("x = {'a':", 4),
        ("x = 1 + \\", 0),
        ("x = '(", 0),
        ("x = '''(''' + y", 0),
        (r"x = '\'('", 0),
        ("f)", 0),
    ],
)
def test_indentation(text: str, width: int) -> None:
    assert indentation_after(text) == " " * width


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("'''", True),
        ("''''''", False),
        ("\"\"\"a'''", True),
        ("'''\\'''", True),
        ("'''\\", True),
        ("# '''", False),
    ],
)
def test_inside_a_triple_quoted_string(text: str, inside: bool) -> None:
    assert scan(text).in_string is inside


@given(st.text(alphabet="'\"\\\n #([{)]}:fx \t"))
def test_scan_accounts_for_every_line(text: str) -> None:
    found = scan(text)
    lines = text.count("\n")
    assert 0 <= found.statement <= lines
    assert found.string_lines <= set(range(1, lines + 1))
    assert all(line <= lines for line in found.brackets)


@pytest.mark.filterwarnings("ignore")  # of escapes that Python does not know
@given(st.text(alphabet="'\"\\\n x#", max_size=12))
def test_scan_agrees_with_the_parser_on_whole_text(text: str) -> None:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return
    assert not scan(text).in_string


def test_tail() -> None:
    assert without_tail("a\n\n  \n") == "a"
    assert without_tail("a\n  b  ") == "a\n  b  "
    assert without_tail("") == ""


SESSION = """\
>>> async def f():
...     return 1
...
>>> await f()
1
>>> print("a\\nb")
a
b
"""
CODE = 'async def f():\n    return 1\n\nawait f()\nprint("a\\nb")'


def test_python_prompts() -> None:
    assert without_prompts(SESSION) == CODE


def test_prompts_of_a_docstring() -> None:
    indented = "\n".join("    " + line for line in SESSION.splitlines())
    assert without_prompts("\n" + indented + "\n    ") == CODE


def test_ipython_prompts() -> None:
    session = "In [9]: for i in x:\n   ...:     f(i)\n   ...: \nOut[9]: 3\n\nIn [10]: y\n"
    assert without_prompts(session) == "for i in x:\n    f(i)\n\ny"
    assert without_prompts("In [10]: if x:\n    ...:     y") == "if x:\n    y"


def test_first_prompt_may_be_missing() -> None:
    assert without_prompts("for i in x:\n...     f(i)\n... \n>>> y") == "for i in x:\n    f(i)\n\ny"
    assert without_prompts("x = 1\n>>> x\n1") == "x = 1\nx"
    assert without_prompts("if x:\n   ...:     y") == "if x:\n    y"


@pytest.mark.parametrize("text", ["class A:\n    ...", "def f():\n    ...\n    x", "x >>> y", "...", "", "\n", "    x"])
def test_what_only_looks_like_a_prompt(text: str) -> None:
    assert without_prompts(text) == text


@pytest.mark.parametrize(
    "text",
    [
        'text = """\n>>> 1+1\n2\n"""\nprint(text)',
        'print("""\n... more\nrest of the text\n""")',
        "x = '''\nIn [1]: y\nOut[1]: 2\n'''",
        'text = """\n>>> 1+1\n2\n',
        "f(\n... , a)",
        "f(\n...\n)",
    ],
)
def test_what_looks_like_a_prompt_within_python_stays(text: str) -> None:
    assert without_prompts(text) == text
    assert pasted(text) == text


# Lines that are neither a prompt nor blank, as blank lines at the edges mean nothing in a session.
source_lines = st.text(alphabet="abc(): 	#'é", min_size=1).filter(str.strip)


@given(st.lists(st.lists(source_lines, min_size=1), min_size=1), st.sampled_from(["", "  ", "\t"]))
def test_prompts_put_on_come_off(statements: list[list[str]], margin: str) -> None:
    session = [margin + mark + line for lines in statements for mark, line in zip(marks(), lines, strict=False)]
    assert without_prompts("\n".join(session)) == "\n".join(line for lines in statements for line in lines)


def marks() -> list[str]:
    return [">>> "] + ["... "] * 1000


@given(st.text(alphabet="abc>.:\n In[1]"))
def test_stripping_twice_changes_nothing_of_ordinary_code(text: str) -> None:
    try:
        ast.parse(text)
    except SyntaxError:
        return
    if "In [" not in text:
        assert without_prompts(text) == text


pieces = st.sampled_from(
    ["\n", "\n", '"""', "'''", ">>> ", "... ", "...", "   ...: ", "f(", ")", "[", "]", "x", "1", ",", "=", "#", "\\"]
)


@given(st.lists(pieces, min_size=1, max_size=12).map("".join))
def test_nothing_is_left_out_of_what_is_python_already(text: str) -> None:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return
    assert without_prompts(text) == text


@given(st.lists(st.text(alphabet=">.: In[1]xyz'#", max_size=12)), st.sampled_from(['"""', "'''"]))
def test_the_lines_of_a_string_stay(lines: list[str], quotes: str) -> None:
    text = "\n".join([f"x = {quotes}", *(line.replace("'", "") for line in lines), quotes])
    assert without_prompts(text) == text


@given(st.text())
def test_pasted_text_has_one_kind_of_line_end(text: str) -> None:
    assert "\r" not in pasted(text)


def test_pasted_tabs_become_spaces_where_they_indent() -> None:
    assert pasted("if x:\n\ty\t= 1\n  \tz") == "if x:\n        y\t= 1\n        z"
    assert pasted("x = '''\n\ty\n'''\n\tz") == "x = '''\n\ty\n'''\n        z"


def test_text_pasted_into_a_string_stays() -> None:
    assert pasted("\t>>> x\r\n1", before="'''\n") == "\t>>> x\n1"
