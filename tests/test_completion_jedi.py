"""The second tier of completion: what it adds, and what happens when it hangs, fails or is missing."""

import asyncio
import logging
import sys
import threading

import pytest

from aiorepl.interpret.completion import Completer
from aiorepl.interpret.jedi_completion import JediTier
from aiorepl.model import Completion, Signature


class Point:
    """A point."""

    @property
    def label(self) -> str:
        raise AssertionError("a property was run")

    def moved(self, by: int = 1) -> "Point":
        """Another point."""
        return self

    def scaled(self, x: int, /, y: int, *, z: int = 3, **more: int) -> "Point":
        """A larger point."""
        return self

    def joined(self, *others: "Point", sep: str) -> "Point":
        """All in one."""
        return self


def answers(text: str, **namespace: object) -> list[list[str]]:
    async def ask() -> list[list[str]]:
        completer = Completer(namespace, jedi_deadline=60)
        return [[c.text for c in found] async for found in completer.complete(text, len(text))]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("point.moved().mo", ["moved"]),
        ("point.label.upp", ["upper"]),
        ("x = point\nx.la", ["label"]),
        ("Point().moved().la", ["label"]),
        ("reader, writer = await asyncio.open_connection()\nreader.at_e", ["at_eof"]),
        ("async with asyncio.TaskGroup() as group:\n    group.cr", ["create_task"]),
    ],
)
def test_attributes_of_what_is_not_there_yet_come_second(text: str, expected: list[str]) -> None:
    namespace = {"point": Point(), "Point": Point, "asyncio": asyncio}
    assert answers(text, **namespace) == [[], expected]


def test_parameters_come_before_the_static_names() -> None:
    assert answers("point.moved().moved(b", point=Point(), bee=1) == [
        ["bee", "bin", "bool", "breakpoint", "bytearray", "bytes"],
        ["by=", "bee", "bin", "bool", "breakpoint", "bytearray", "bytes"],
    ]


def test_nothing_comes_second_where_the_static_tier_knows_all() -> None:
    assert answers("point.mo", point=Point()) == [["moved"]]
    assert answers("unheard_of().x") == [[]]


def test_signature_of_what_is_not_there_yet() -> None:
    text = "point.moved().moved("
    completer = Completer({"point": Point()}, jedi_deadline=60)
    found = asyncio.run(completer.signature(text, len(text)))
    assert found == Signature("moved", ("by: int=1",), 0, "Another point.")


@pytest.mark.parametrize(
    ("call", "parameters", "active"),
    [
        ("scaled(", ("x: int", "/", "y: int", "*", "z: int=3", "**more: int"), 0),
        ("scaled(1, ", ("x: int", "/", "y: int", "*", "z: int=3", "**more: int"), 2),
        ("scaled(1, 2, z=", ("x: int", "/", "y: int", "*", "z: int=3", "**more: int"), 4),
        ("joined(", ('*others: "Point"', "sep: str"), 0),
    ],
)
def test_a_signature_says_what_is_given_by_position_or_by_name(
    call: str, parameters: tuple[str, ...], active: int
) -> None:
    text = f"point.moved().{call}"
    found = asyncio.run(Completer({"point": Point()}, jedi_deadline=60).signature(text, len(text)))
    assert found is not None
    assert found[1:3] == (parameters, active)


def test_warming_imports_jedi_in_its_own_thread() -> None:
    async def ask() -> tuple[Completion, ...]:
        tier = JediTier({}, deadline=60)
        tier.warm()
        return await tier.complete("''.upp", 6)

    assert asyncio.run(ask()) == (Completion("upper", 3, "function"),)
    assert "jedi" in sys.modules


class Hanging:
    """An object whose ``__dir__`` does not return until it is released."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __dir__(self) -> list[str]:
        self.entered.set()
        self.release.wait()
        return []


# The static tier does not know what an ``or`` gives, and jedi finds the object in the list.
_REACHES_IT = "(objects[0] or 1)."


def test_an_object_that_hangs_costs_only_jedis_answer() -> None:
    hanging = Hanging()
    namespace: dict[str, object] = {"objects": [hanging], "point": Point()}

    async def ask() -> None:
        completer = Completer(namespace, jedi_deadline=0.3)
        completer.warm()
        while not hanging.entered.is_set():  # until jedi is warm, its answer can be late for other reasons
            found = [found async for found in completer.complete(_REACHES_IT, len(_REACHES_IT))]
            assert found == [()]
        assert [f async for f in completer.complete("objects[0].en", 13)] == [(Completion("entered", 11, "attribute"),)]
        assert [[c.text for c in f] async for f in completer.complete("point.mo", 8)] == [["moved"]]
        assert [f async for f in completer.complete("point.moved().mo", 16)] == [()]

    try:
        asyncio.run(ask())
    finally:
        hanging.release.set()


def test_a_thread_that_hangs_is_replaced() -> None:
    hanging = Hanging()

    async def ask() -> tuple[Completion, ...]:
        await JediTier({"point": Point()}, deadline=60).complete("point.moved().mo", 16)  # now jedi is warm
        tier = JediTier({"objects": [hanging], "point": Point()}, deadline=60, patience=0)
        asked = asyncio.ensure_future(tier.complete(_REACHES_IT, len(_REACHES_IT)))
        await asyncio.to_thread(hanging.entered.wait)
        asked.cancel()
        return await tier.complete("point.moved().mo", 16)

    try:
        assert [c.text for c in asyncio.run(ask())] == ["moved"]
    finally:
        hanging.release.set()


def test_without_jedi_the_static_tier_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jedi", None)
    assert answers("point.mo", point=Point()) == [["moved"]]
    assert answers("point.moved().mo", point=Point()) == [[]]


def test_a_failure_of_jedi_is_logged_and_costs_its_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import jedi

    def fail(*_: object) -> None:
        raise RecursionError

    caplog.set_level(logging.DEBUG, "aiorepl.completion")
    with monkeypatch.context() as patched:
        patched.setattr(jedi, "Interpreter", fail)
        assert answers("point.moved().mo", point=Point()) == [[]]
    assert "jedi failed" in caplog.text
    assert answers("point.moved().mo", point=Point()) == [[], ["moved"]]


def test_parso_does_not_log_into_a_users_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert answers("point.moved().mo", point=Point()) == [[], ["moved"]]
    assert [record for record in caplog.records if record.name.startswith("parso")] == []
