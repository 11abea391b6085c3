"""The static tier of completion, and Completer as a prompt uses it."""

import asyncio
import functools
import json  # noqa: F401  # one that is loaded
import os
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiorepl.interpret.completion import Completer
from aiorepl.interpret.static_completion import LIMIT
from aiorepl.model import Completion, Signature


class Box:
    """A class with a bit of everything."""

    size = 1

    def __init__(self, content: object = None) -> None:
        self.content = content
        self._private = 1

    def put(self, item: object, /, first: int = 0, *, timeout: float | None = None) -> None:
        """Put it in."""

    @classmethod
    def empty(cls, label: str = "x") -> None:
        """An empty one."""


NAMESPACE: dict[str, object] = {
    "asyncio": asyncio,
    "os": os,
    "Box": Box,
    "box": Box([1, "text"]),
    "table": {"one": {"inner": "text"}, "two words": 2, 'quo"te': 3, 7: "seven", 70: [], (1,): 0},
    "put_seven": functools.partial(Box.put, Box(), 7),
    "_hidden": 1,
    "__version__": 1,
    1: "not a name",  # type: ignore[dict-item]  # globals()[1] = ... makes one
}


def first(text: str, rest: str = "", namespace: dict[str, object] | None = None) -> tuple[Completion, ...]:
    """What the static tier yields with the cursor between text and rest."""

    async def ask() -> tuple[Completion, ...]:
        completer = Completer(NAMESPACE if namespace is None else namespace)
        async for found in completer.complete(text + rest, len(text)):
            return found
        raise AssertionError("nothing was yielded")

    return asyncio.run(ask())


def texts(text: str, rest: str = "", namespace: dict[str, object] | None = None) -> list[str]:
    return [completion.text for completion in first(text, rest, namespace)]


def applied(text: str, rest: str = "") -> list[str]:
    """The whole text after each completion has been put in."""
    return [text[: completion.start] + completion.text + rest for completion in first(text, rest)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asyncio.slee", ["asyncio.sleep"]),
        ("box.", ["box.content", "box.empty", "box.put", "box.size"]),
        ("box._p", ["box._private"]),
        ("box.content[1].upp", ["box.content[1].upper"]),
        ("box.content[-2].rea", ["box.content[-2].real"]),
        ('table["one"]["inner"].upp', ['table["one"]["inner"].upper']),
        ("await box.pu", ["await box.put"]),
        ("print(box.pu", ["print(box.put"]),
        ("box = box.pu", ["box = box.put"]),
        ('"".upp', ['"".upper']),
        ("[].app", ["[].append"]),
        ("{}.upd", ["{}.update"]),
        ("{1, 2}.uni", ["{1, 2}.union"]),
        ("(1).rea", ["(1).real"]),
        ('f"{box.pu', ['f"{box.put']),
        ('f"{1:>{box.si', ['f"{1:>{box.size']),
        ('(f"{box}" + "a").upp', []),
        ("import asyncio as aio\naio.slee", ["import asyncio as aio\naio.sleep"]),
        ("from os import path as p\np.basen", ["from os import path as p\np.basename"]),
        ("nothing.", []),
        ("...", []),
        ("box.PU", ["box.put"]),
    ],
)
def test_attributes(text: str, expected: list[str]) -> None:
    assert applied(text) == expected


def test_private_names_only_after_an_underscore() -> None:
    assert not [text for text in texts("") if text.startswith("_")]
    assert texts("_")[0] == "_hidden"
    assert not [text for text in texts("_") if text.startswith("__")]


def test_dunder_attributes_only_after_two_underscores() -> None:
    assert "__class__" not in texts("box._")
    assert "__class__" in texts("box.__")


def test_a_name_that_the_cell_binds_is_not_looked_up_in_the_namespace() -> None:
    assert texts("box = 1\nbox.") == []
    assert texts("[box for box in x if box.") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bo", ["box", "bool"]),
        ("asy", ["asyncio", "async"]),
        ("ASYNC", ["asyncio", "async"]),
        ("_hid", ["_hidden"]),
        ("__v", ["__version__"]),
        ("mat", ["match"]),
        ("x = mat", []),
        ("whil", ["while"]),
        ("x = whil", []),
        ("if a:\n    whil", ["while"]),
        ("if a: retu", ["return"]),
        ("async ", ["def", "for", "with"]),
        ("[x async f", ["for"]),
        ("await bo", ["box", "bool"]),
        ("x i", ["if", "in", "is"]),
        ("def bo", []),
        ("with x as bo", []),
        ("# bo", []),
        ("x = 1  # bo", []),
        ('"bo', []),
        ("'''bo\nbo", []),
        ('f"bo', []),
        ("1bo", []),
    ],
)
def test_names_and_keywords(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spam = 1\nspa", ["spam"]),
        ("spam = spa", []),
        ("spam: int = 1; spa", ["spam"]),
        ("a, spam = 1, 2\nspa", ["spam"]),
        ("for spam in x:\n    spa", ["spam"]),
        ("for a, (spam, b) in x: spa", ["spam"]),
        ("[spa for spam in x if spa", ["spam"]),
        ("def f(a, *spam1, spam2=1, **spam3):\n    spa", ["spam1", "spam2", "spam3"]),
        ("async def spam[T](x: int = f(y)): pass\nspa", ["spam"]),
        ("def f[T](spam): spa", ["spam"]),
        ("lambda spam, y=1: spa", ["spam"]),
        ("(spam := 1) + spa", ["spam"]),
        ("with x as spam:\n    spa", ["spam"]),
        ("import spam.eggs\nspa", ["spam"]),
        ("lazy import spam\nspa", ["spam"]),
        ("x = 1; yield from spam\nspa", []),
        ("import a.b as spam, c\nspa", ["spam"]),
        ("from a import b, spam\nspa", ["spam"]),
        ("from a import (b,\n  c as spam)\nspa", ["spam"]),
        ("class Spam: pass\nSpa", ["Spam"]),
        ("if spam:\n    spa", []),
        ("f(spam=1)\nspa", []),
        ("a.spam = 1\nspa", []),
    ],
)
def test_names_that_the_cell_itself_binds(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_order_is_parameters_then_own_names_then_builtins_and_keywords() -> None:
    namespace: dict[str, object] = {"tool": 1, "put": Box().put, "test": 2}
    assert texts("put(1, t", namespace=namespace) == ["timeout=", "test", "tool", "tuple", "type"]


@pytest.mark.parametrize(
    ("text", "rest", "expected"),
    [
        ("box.put(", "", ["first=", "timeout="]),
        ("box.put(1, ", "", ["first=", "timeout="]),
        ("box.put(1, 2, ", "", ["timeout="]),
        ("box.put(1, timeout=2, ", "", ["first="]),
        ("box.put(1, ", ", timeout=f(first=2))", ["first="]),
        ("box.put(1, f", "", ["first="]),
        ("box.put(1, first=", "", []),
        ("box.put([1, ", "", []),
        ("Box(", "", ["content="]),
        ("Box.empty(", "", ["label="]),
        ("put_seven(", "", ["first=", "timeout="]),
        ("print(", "", ["end=", "file=", "flush=", "sep="]),
        ("asyncio.wait_for(x, ", "", ["timeout="]),
        ("def put(", "", []),
        ("if (", "", []),
    ],
)
def test_keyword_arguments(text: str, rest: str, expected: list[str]) -> None:
    assert [c.text for c in first(text, rest) if c.kind == "parameter"] == expected


@pytest.mark.parametrize(
    ("text", "rest", "expected"),
    [
        ('table["', "", ['table["one"]', 'table["quo\\"te"]', 'table["two words"]']),
        ("table['t", "", ["table['two words']"]),
        ('table["t', '"]', ['table["two words"]']),
        ('table["t', "]", ['table["two words"]']),
        ('table["one"]["', "", ['table["one"]["inner"]']),
        ("table[7", "", ["table[7]", "table[70]"]),
        ("table[7", "]", ["table[7]", "table[70]"]),
        ("table[8", "", []),
        ('x = table["on', "", ['x = table["one"]']),
        ('["on', "", []),
        ('box["on', "", []),
        ('table[f"on', "", []),
    ],
)
def test_dict_keys(text: str, rest: str, expected: list[str]) -> None:
    assert applied(text, rest) == expected


def test_keys_come_before_names_after_a_bracket() -> None:
    keys = ["7]", "70]", "'one']", "'quo\"te']", "'two words']"]
    assert texts("table[")[:6] == [*keys, "Box"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").touch()
    (tmp_path / "date.txt").touch()
    (tmp_path / "it's here").touch()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"./da', ['"./data/', '"./date.txt']),
        ('f("./data/', ['f("./data/rows.csv']),
        ('open("', ['open("data/', 'open("date.txt', "open(\"it's here"]),
        ("open('", ["open('data/", "open('date.txt"]),
        ('pathlib.Path("da', ['pathlib.Path("data/', 'pathlib.Path("date.txt']),
        ('open("x", "', []),
        ('"da', []),
        ('"~/da', ['"~/data/', '"~/date.txt']),
        ('"~', ['"~/']),
        ('"./.h', ['"./.hidden']),
        ('f"./da', ['f"./data/', 'f"./date.txt']),
        ('f"{x}/da', []),
        ('"nowhere/', []),
        ("!cat da", ["!cat data/", "!cat date.txt"]),
        ("!cat <data/r", ["!cat <data/rows.csv"]),
        ("!cat it\\'s", ["!cat it\\'s\\ here"]),
        ("!cat data/ro", ["!cat data/rows.csv"]),
        ("!cat ~/date", ["!cat ~/date.txt"]),
    ],
)
def test_paths(text: str, expected: list[str], folder: Path) -> None:
    assert applied(text) == expected


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package = tmp_path / "zzpackage"
    (package / "sub").mkdir(parents=True)
    (tmp_path / "zznamespace" / "inner" / "deep").mkdir(parents=True)
    (tmp_path / "zznamespace" / "inner" / "deep" / "leaf.py").write_text("leaf_name = 1")
    source = "raise SystemExit\nimport os as renamed\nA = B = 1\nif A:\n    def function(local): inside = 1\n"
    (package / "__init__.py").write_text(source)
    (package / "sub" / "__init__.py").write_text("raise SystemExit")
    (package / "module.py").write_text("raise SystemExit")
    (tmp_path / "zzbroken.py").write_text("def (")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    assert not [name for name in sys.modules if name.startswith("zz")]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import zzp", ["zzpackage"]),
        ("import os, zzp", ["zzpackage"]),
        ("if x: import zzp", ["zzpackage"]),
        ("import zzpackage.", ["module", "sub"]),
        ("from zzp", ["zzpackage"]),
        ("from zzpackage.m", ["module"]),
        ("from zzpackage ", ["import"]),
        ("from zzpackage import ", ["A", "B", "function", "module", "renamed", "sub"]),
        ("from zzpackage import (A,\n  fu", ["function"]),
        ("from zzpackage import A a", ["as"]),
        ("from zzpackage import A as ", []),
        ("import zzpackage a", ["as"]),
        ("from zzbroken import ", []),
        ("from zznothing.at.all import ", []),
        ("from zznamespace.inner.deep import ", ["leaf"]),
        ("from zznamespace.inner.deep.leaf import ", ["leaf_name"]),
        ("from json import JSONDecode", ["JSONDecodeError", "JSONDecoder"]),
        ("import os.pat", ["path"]),
        ("import sy", ["symtable", "sys", "sysconfig", "syslog"]),
        ("from .", []),
        ("from .os import pat", []),
    ],
)
def test_import_names(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_a_module_that_appears_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert texts("import zzlat") == []
    (tmp_path / "zzlater.py").touch()
    os.utime(tmp_path, ns=(1, 1))  # on a coarse clock, its time might not have changed
    assert texts("import zzlat") == ["zzlater"]


def test_no_warning_about_what_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "zzescape.py").write_text("pattern = '\\d'")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert texts("'\\d'.upp") == ["upper"]
        assert texts("from zzescape import p") == ["pattern"]
    assert shown == []


def test_commands_are_completed_by_the_callable_or_as_code() -> None:
    ready = Completion("%time", 0, "command")

    async def ask(text: str) -> list[tuple[Completion, ...]]:
        completer = Completer(NAMESPACE, commands=lambda before: None if " " in before else [ready])
        return [found async for found in completer.complete(text, len(text))]

    assert asyncio.run(ask("%ti")) == [(ready,)]
    assert [c.text for c in asyncio.run(ask("%time asyncio.slee"))[0]] == ["sleep"]
    assert asyncio.run(ask("%time asyncio.slee"))[0][0].start == len("%time asyncio.")


@pytest.mark.parametrize("text", ["box?", "box.put??", "%", "%time bo"])
def test_nothing_for_help_and_for_commands_without_a_callable(text: str) -> None:
    assert texts(text) == []


def test_kinds_and_summaries() -> None:
    found = {c.text: c for c in (*first(""), *first("box."))}
    assert found["Box"] == Completion("Box", 0, "class", "A class with a bit of everything.")
    assert found["asyncio"].kind == "module"
    assert found["put"] == Completion("put", 4, "function", "Put it in.")
    assert found["content"] == Completion("content", 4, "attribute")
    assert found["while"] == Completion("while", 0, "keyword")


def test_20_000_names_give_the_first_of_those_that_fit() -> None:
    namespace: dict[str, object] = {f"name_{number:05}": number for number in reversed(range(20_000))}
    assert texts("name_1234", namespace=namespace) == [f"name_1234{digit}" for digit in range(10)]
    assert texts("name", namespace=namespace) == [f"name_{number:05}" for number in range(LIMIT)]
    assert texts("NAME_12345", namespace=namespace) == ["name_12345"]


class Slots:
    __slots__ = ("filled", "unset")

    def __init__(self) -> None:
        self.filled = "text"


class Touchy:
    """Everything that Python would call on it is written down in ``ran``."""

    ran: list[str] = []  # noqa: RUF012  # one for all of them

    def _record(name: str) -> Any:  # type: ignore[misc]  # noqa: N805  # makes the methods below
        def method(self: object, *_: object) -> object:
            Touchy.ran.append(name)
            raise AttributeError(name)

        return method

    prop = property(_record("prop"))
    cached = functools.cached_property[object](_record("cached"))
    __class__ = property(_record("__class__"))
    __getattr__ = _record("__getattr__")
    __getattribute__ = _record("__getattribute__")
    __dir__ = _record("__dir__")
    __repr__ = _record("__repr__")
    __bool__ = _record("__bool__")
    __getitem__ = _record("__getitem__")
    __iter__ = _record("__iter__")
    __len__ = _record("__len__")

    def __eq__(self, other: object) -> bool:
        Touchy.ran.append("__eq__")
        return False

    def __hash__(self) -> int:
        return hash(1)

    def method(self, default: object = None) -> None:
        """A method."""


class TouchyType(type):
    """A metaclass that writes down what its classes are asked."""

    def __getattribute__(cls, name: str) -> object:
        Touchy.ran.append(f"meta {name}")
        return super().__getattribute__(name)

    def __dir__(cls) -> list[str]:
        Touchy.ran.append("meta __dir__")
        return []


class TouchyClass(metaclass=TouchyType):
    attribute = "text"

    def __init__(self, value: int = 1) -> None: ...


def test_no_code_of_the_users_runs_in_either_tier() -> None:
    touchy = Touchy.__new__(Touchy)
    object.__getattribute__(touchy, "__dict__")["plain"] = "text"
    function = types.FunctionType(Touchy.method.__code__, {}, "function", (touchy,))
    namespace: dict[str, object] = {
        "touchy": touchy,
        "Touchy": Touchy,
        "TouchyClass": TouchyClass,
        "made": TouchyClass(),
        "keys": {touchy: 1, 1: "text", "name": touchy},
        "holder": Box(touchy),
        "function": function,
        "slots": Slots(),
    }
    Touchy.ran.clear()

    async def complete(text: str) -> list[str]:
        completer = Completer(namespace, jedi_deadline=60)
        found: tuple[Completion, ...] = ()
        async for latest in completer.complete(text, len(text)):
            found = latest
        await completer.signature(text + "(", len(text) + 1)
        return [completion.text for completion in found]

    for text, expected in {
        "": ["Touchy", "TouchyClass", "function"],
        "touchy.": ["cached", "method", "plain"],
        "touchy.plain.upp": ["upper"],
        "touchy.prop.": [],
        "touchy.cached.": [],
        "touchy.missing.": [],
        "touchy.method().": [],
        "touchy().": [],
        "touchy[0].": [],
        "touchy.method(": ["default="],
        "function(": ["self=", "default="],
        "holder.content.": ["cached", "method", "plain"],
        "holder.content.method().": [],
        "keys[": ["1]", "'name']", "Touchy"],
        "keys[1].upper": ["upper"],
        'keys["name"].': ["cached", "method", "plain"],
        "TouchyClass.": ["attribute"],
        "TouchyClass.attribute.upp": ["upper"],
        "TouchyClass(": ["Touchy", "TouchyClass", "function"],
        "TouchyClass().": [],
        "made.attribute.upp": ["upper"],
        "slots.filled.upp": ["upper"],
        "slots.unset.": [],
        "x = touchy\nx.": [],
    }.items():
        found = asyncio.run(complete(text))
        assert Touchy.ran == [], text
        assert found[:3] == expected or set(expected) < set(found), text


def signature(text: str, cursor: int | None = None) -> Signature | None:
    completer = Completer(NAMESPACE, jedi_deadline=60)
    return asyncio.run(completer.signature(text, len(text) if cursor is None else cursor))


@pytest.mark.parametrize(
    ("text", "active"),
    [
        ("box.put(", "item"),
        ("box.put(1, [2, ", "first=0"),
        ("box.put(1, 2, ", None),
        ("box.put(1, timeout=", "timeout=None"),
        ("box.put(1, timeout=2, first=", "first=0"),
        ('box.put("te', "item"),
        ('box.put("te)xt", ', "first=0"),
        ("%time box.put(1, ", "first=0"),
        ("asyncio.run(box.put(", "item"),
    ],
)
def test_signature_of_the_call_around_the_cursor(text: str, active: str | None) -> None:
    parameters = ("item", "/", "first=0", "*", "timeout=None")
    index = None if active is None else parameters.index(active)
    commands = Completer(NAMESPACE, commands=lambda _: None)
    found = asyncio.run(commands.signature(text, len(text)))
    assert found == Signature("box.put", parameters, index, "Put it in.")


def test_signatures_of_other_callables() -> None:
    async_sleep = signature("asyncio.sleep(")
    assert async_sleep is not None
    assert async_sleep.parameters == ("delay", "result=None")
    assert signature("Box(") == Signature("Box", ("content=None",), 0, "A class with a bit of everything.")
    gather = signature("asyncio.gather(1, 2, ")
    assert gather is not None
    assert (gather.parameters, gather.active) == (("*coros_or_futures", "return_exceptions=False"), 0)
    assert signature('"".split(') == Signature(
        "split",
        ("sep=None", "maxsplit=-1"),
        0,
        "Return a list of the substrings in the string, using sep as the separator string.",
    )


@pytest.mark.parametrize(
    "text", ["", "(", "box", "def put(", "x = 1 # box.put(", "box.put(1)", "%put(", "!put(", "(1, "]
)
def test_no_signature_where_there_is_no_call(text: str) -> None:
    assert signature(text) is None


_WORDS = "box put import from as async await lambda def class for in if table 'one' nothing().a (yield) é"
_MARKS = """. ( ) [ ] { } , = : := ; \\ ' " \"\"\" f" t' rb' # % ! ? @ 1 7. ~/ ./ /"""
_PIECES = st.sampled_from([*_WORDS.split(), *_MARKS.split(), "'''", "\n", "\t", "\r", "\f", "\0"])
_EVER = Completer(NAMESPACE, commands=lambda _: None, jedi_deadline=60)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(_PIECES).map(" ".join), st.lists(_PIECES).map("".join)), st.integers(0))
@example('f"{a:{', 6)
@example('f"{a:{b}}"}', 11)
@example("a\r\nnothing().x", 14)
def test_no_text_makes_it_fail(text: str, position: int) -> None:
    """Whatever is typed, an answer comes, and each completion begins in the text and before the cursor."""
    cursor = position % (len(text) + 1)

    async def ask() -> None:
        async for found in _EVER.complete(text, cursor):
            assert all(0 <= completion.start <= cursor for completion in found)
        await _EVER.signature(text, cursor)

    asyncio.run(ask())
