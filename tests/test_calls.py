"""Calls read from the source, token by token."""

import pytest

from aiorepl.alerts.calls import calls_in, whole_call


@pytest.mark.parametrize(
    ("text", "function", "arguments"),
    [
        ("time.sleep(0.5)", "time.sleep", ("0.5",)),
        ("f()", "f", ()),
        ("f(x,)", "f", ("x",)),
        ("a.b(c)[1].d(e, f=(1, 2), *g)", "a.b(c)[1].d", ("e", "f=(1, 2)", "*g")),
        ("f(x)(y)", "f(x)", ("y",)),
        ("'x'.join(y)", "'x'.join", ("y",)),
        ("(a or b)(1)", "(a or b)", ("1",)),
        ("f(f'{a(1)}, )', '(')", "f", ("f'{a(1)}, )'", "'('")),
        ("f(\n    1,\n    {2: 3,\n     4: 5},\n)", "f", ("1", "{2: 3, 4: 5}")),
    ],
)
def test_a_call_is_read_with_its_arguments(text: str, function: str, arguments: tuple[str, ...]) -> None:
    assert whole_call(text) == (function, arguments)


@pytest.mark.parametrize(
    "text", ["", "x", "await f(1)", "x = f(1)", "f(1).real", "f(1", "f(1))", "if (x):", "'", "\\", "f(1) + g(2)"]
)
def test_what_is_no_call_is_none(text: str) -> None:
    assert whole_call(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("with open(path) as file:", ["open(path)"]),
        ("work(fetch(7), [get(n) for n in y])", ["work(fetch(7), [get(n) for n in y])", "fetch(7)", "get(n)"]),
        ("return (yield fetch(1))", ["fetch(1)"]),
        # What goes on in the next line is not there.
        ("gather(fetch(1),", ["fetch(1)"]),
        ("print('fetch(1)')  # fetch(2)", ["print('fetch(1)')"]),
    ],
)
def test_the_calls_in_a_line_are_found_also_if_it_goes_on(text: str, found: list[str]) -> None:
    assert [str(call) for call in calls_in(text)] == found
