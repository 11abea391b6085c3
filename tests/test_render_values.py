"""Results: as ``repr`` where they are short, broken into lines where not, and bounded always."""

import collections
import dataclasses
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiorepl.interpret.representation import Representation, represent_plain
from aiorepl.introspect.summary import summarize
from aiorepl.render.values import represent


def show(value: object, width: int = 60, **limits: int) -> Representation:
    return represent(value, **({"width": width, "max_lines": 8, "max_items": 50, "max_string": 100} | limits))


@dataclasses.dataclass
class Point:
    x: int
    y: object = None
    hidden: int = dataclasses.field(default=0, repr=False)


@dataclasses.dataclass
class Own:
    x: int

    def __repr__(self) -> str:
        return "my own"


class Pair(NamedTuple):
    left: object
    right: object


class Names(list[Any]):
    pass


class Quiet(list[Any]):
    def __repr__(self) -> str:
        return "quiet"


def recursive() -> list[Any]:
    items: list[Any] = [1]
    items += [items, {"again": items}]
    return items


SHORT = [
    None,
    1,
    "text\n",
    [],
    (),
    (1,),
    set(),
    {1},
    frozenset(),
    frozenset([1]),
    {},
    {1: {"a": (2, [3])}},
    collections.deque([1], maxlen=3),
    collections.deque(),
    collections.defaultdict(int, a=1),
    collections.Counter("abracadabra"),
    collections.Counter(),
    collections.OrderedDict(a=1),
    types.SimpleNamespace(a=1, b="2"),
    {"a": 1}.keys(),
    {"a": 1}.values(),
    {"a": 1}.items(),
    Point(1, [Point(2)]),
    Own(1),
    Pair(1, (2,)),
    Names([1]),
    Quiet([1]),
    recursive(),
    range(3),
    Point,
    ValueError("x"),
]


@pytest.mark.parametrize("value", SHORT, ids=lambda value: type(value).__name__)
def test_what_is_short_is_its_repr(value: object) -> None:
    assert show(value, width=200) == Representation(repr(value))


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.builds(Point, st.integers(), inner)
    ),
    max_leaves=20,
)


@given(nested, st.integers(min_value=10, max_value=80))
def test_however_it_is_broken_it_means_the_same(value: object, width: int) -> None:
    shown = show(value, width=width, max_lines=10_000, max_items=10_000, max_string=10_000)
    assert eval(shown.text, {"Point": Point}) == value
    assert shown.note == ""


def test_long_containers_are_broken_into_lines() -> None:
    value = {"first": list(range(30)), "second": Point(1, "x" * 50), "third": ("y" * 58,)}
    assert show(value, max_lines=20).text == (
        "{\n"
        "    'first': [\n"
        "        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,\n"
        "        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,\n"
        "        28, 29\n"
        "    ],\n"
        "    'second': Point(\n"
        "        x=1,\n"
        f"        y='{'x' * 50}'\n"
        "    ),\n"
        "    'third': (\n"
        f"        '{'y' * 58}',\n"
        "    )\n"
        "}"
    )


class Counted:
    """Counts how often it is shown."""

    count = 0

    def __repr__(self) -> str:
        Counted.count += 1
        return "c"


def test_only_what_is_shown_is_looked_at() -> None:
    Counted.count = 0
    shown = show([Counted()] * 1_000_000)
    assert Counted.count == 50
    assert shown.text.endswith(", c, … 999,950 more\n]")
    assert shown.note == "the whole value is in _"
    Counted.count = 0
    show([[[Counted()] * 1000] * 1000] * 1000, max_lines=10_000)
    assert Counted.count <= 500


def test_lines_are_limited() -> None:
    shown = show(["x" * 40] * 20)
    assert shown.text.count("\n") == 7
    assert shown.note == "… 14 more lines; the whole value is in _"


def test_a_long_text_is_cut() -> None:
    assert show("x" * 1100) == Representation(f"'{'x' * 100}'…", "… 1,000 more characters; the whole value is in _")
    assert show(["x" * 101]).note == "… 1 more character; the whole value is in _"


class Huge:
    def __repr__(self) -> str:
        return "z" * 100_000_000


class Lines:
    def __repr__(self) -> str:
        return "\n".join(f"line {number}" for number in range(1000))


class Grid:
    """As numpy's arrays."""

    def __repr__(self) -> str:
        return "grid([[1, 2],\n      [3, 4]])"


def test_a_huge_repr_is_cut() -> None:
    assert show(Huge()) == Representation("z" * 100 + "…", "… 99,999,900 more characters; the whole value is in _")
    assert show([Huge()]).note == "… 99,999,900 more characters; the whole value is in _"


def test_a_repr_of_many_lines_stays_as_it_is_and_is_cut() -> None:
    assert show(Grid()) == Representation(repr(Grid()))
    assert show({"a": Grid(), "b": 1}).text == ("{\n    'a': grid([[1, 2],\n               [3, 4]]),\n    'b': 1\n}")
    shown = show(Lines())
    assert shown.text == "\n".join(f"line {number}" for number in range(8))
    assert shown.note == "… 992 more lines; the whole value is in _"


class Raises:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


class NoText:
    def __repr__(self) -> str:
        return 3  # type: ignore[return-value]


class Endless:
    def __repr__(self) -> str:
        return repr(self)


class WorseError(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize("how", [show, represent_plain])
@pytest.mark.parametrize(
    ("value", "note"),
    [
        (Raises(ValueError("no\nway")), "Raises.__repr__ raised ValueError: no way"),
        (Raises(WorseError()), "Raises.__repr__ raised WorseError"),
        (NoText(), "NoText.__repr__ raised TypeError: "),
        (Endless(), "Endless.__repr__ raised RecursionError: maximum recursion depth exceeded"),
        (10**5000, "an int of about 5,000 digits is not written out (see sys.set_int_max_str_digits)"),
    ],
    ids=["raises", "worse", "no text", "endless", "int"],
)
def test_a_repr_that_fails_costs_one_line(how: Any, value: object, note: str) -> None:
    shown = how(value)
    assert shown.text.startswith(f"{object.__repr__(value)} (")
    assert shown.text.partition(" (")[2].replace(f"{__name__}.", "").startswith(note)
    assert "\n" not in shown.text
    assert shown.note == ""


def test_one_bad_item_does_not_cost_the_others() -> None:
    bad = Raises(ValueError("no"))
    shown = show([1, bad, 2], width=200)
    assert shown.text == f"[1, {object.__repr__(bad)}, 2]"
    assert shown.note.endswith("Raises.__repr__ raised ValueError: no")


@pytest.mark.parametrize("how", [show, represent_plain])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes_through(how: Any, error: type[BaseException]) -> None:
    with pytest.raises(error):
        how(Raises(error()))
    with pytest.raises(error):
        how([Raises(error())])


def test_deep_nesting_ends() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    shown = show(value, max_lines=1000)
    assert "[…]" in shown.text
    assert shown.note == "the whole value is in _"


def test_a_container_that_changes_meanwhile() -> None:
    class Grows:
        def __repr__(self) -> str:
            table[len(table)] = self
            return "g"

    table: dict[object, object] = {}
    table["a"] = table["b"] = Grows()
    assert show(table).note == "it changed while it was being shown"


class Probe:
    """Ends the test if its attributes are looked for, or what it derives from is asked."""

    def __getattr__(self, name: str) -> object:
        raise SystemExit(name)

    def __iter__(self) -> Iterator[object]:
        raise SystemExit("iter")

    def __repr__(self) -> str:
        return "probe"


def test_objects_are_not_probed() -> None:
    assert show([Probe(), {Probe(): Probe()}]).text == "[probe, {probe: probe}]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, "two", {"k": (None, {3})}], "[1, 'two', {'k': (…, …)}]"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, …]"),
        (10**200, "an int of 665 bits"),
        ([Raises(SystemExit())], f"[<{__name__}.Raises>]"),
        (Raises(SystemExit()), ""),
        (Quiet([1]), ""),
        (len, "len"),
        (Point, "Point"),
        (types, "types"),
        ("x" * 100, f"'{'x' * 58}…"),
        (b"ab", "b'ab'"),
        (frozenset([1]), "frozenset({1})"),
    ],
)
def test_summaries_are_short_and_run_no_repr(value: object, text: str) -> None:
    assert summarize(value) == text
