"""Values survive the way through JSON, and nothing else comes out of it."""

import inspect
import json
import typing
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiorepl.commands.json_data import to_data
from aiorepl.commands.standard import COMMANDS
from aiorepl.commands.values import Foreign, NameInfo, NameList
from aiorepl.introspect.values import Frame, TaskInfo, Wait
from aiorepl.model import Answer, Event, Output, Result, SettingChanged
from aiorepl.remote.encoding import codec_of, value_types
from aiorepl.remote.messages import ToClient, ToServer
from aiorepl.render.plain import draw

# Values of any type, where an annotation leaves it open.
ANY = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(
    ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)


def through(value: Any, annotation: Any = object) -> Any:
    codec = codec_of(annotation)
    text = json.dumps(value if codec.encode is None else codec.encode(value))
    return codec.decode(json.loads(text))


def strategy(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation, a few items long and with no NaN, which is not equal to itself."""
    if annotation is object:
        return ANY
    if annotation is float:
        return st.floats(allow_nan=False)
    if annotation is str:
        return st.text(st.characters(codec=None), max_size=5)
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(strategy(arguments[0]), max_size=2).map(tuple)
        return st.tuples(*map(strategy, arguments))
    if arguments and typing.get_origin(annotation) is not typing.Literal:
        return st.one_of(*map(strategy, arguments))
    if isinstance(annotation, type) and annotation.__module__.startswith("aiorepl."):
        fields = {name: strategy(hint) for name, hint in typing.get_type_hints(annotation).items()}
        return st.builds(annotation, **fields)
    return st.from_type(annotation)


def can_be_sent(kind: type) -> bool:
    try:
        codec_of(kind)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(name for name, kind in value_types().items() if can_be_sent(kind)))
def test_every_value_comes_back_equal(name: str) -> None:
    kind = value_types()[name]

    @settings(max_examples=5, deadline=None)
    @given(strategy(kind))
    def comes_back(value: object) -> None:
        assert through(value) == value
        assert type(through(value)) is kind

    comes_back()


@pytest.mark.parametrize("message", [*typing.get_args(ToServer), *typing.get_args(ToClient)])
def test_every_message_comes_back_equal(message: type) -> None:
    union = ToServer if message in typing.get_args(ToServer) else ToClient

    @settings(max_examples=10, deadline=None)
    @given(strategy(message))
    def comes_back(value: object) -> None:
        assert through(value, union) == value

    comes_back()


def test_what_every_command_returns_can_be_sent() -> None:
    sent = set(filter(can_be_sent, value_types().values()))
    for command in COMMANDS:
        returned = inspect.signature(command.function, eval_str=True).return_annotation
        kinds = typing.get_args(returned) or (returned,)
        assert {kind for kind in kinds if kind not in (None, type(None), str)} <= sent, command.name


def test_of_an_open_type_only_listed_ones_are_made() -> None:
    with pytest.raises(ValueError, match="unknown: 'Popen'"):
        codec_of(object).decode({"Popen": ["ls"]})
    with pytest.raises(ValueError, match="expected an object with one key, not list"):
        codec_of(object).decode([1, 2])
    with pytest.raises(ValueError, match="expected an object with one key, not dict"):
        codec_of(object).decode({"Output": ["a"], "Result": ["b", 1]})


@given(JSON)
def test_whatever_comes_gives_a_value_or_a_value_error(data: object) -> None:
    for annotation in (object, Event, TaskInfo, ToServer, ToClient):
        try:
            codec_of(annotation).decode(data)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("annotation", "data", "problem"),
    [
        (Output, [1], "Output.text: expected str, not int"),
        (Output, ["text", "stdin"], "Output.stream: expected one of 'stdout', 'stderr'"),
        (Output, ["text", ["stdout"]], "Output.stream: expected one of 'stdout', 'stderr'"),
        (Result, ["text"], "Result has more fields than 1"),
        (Result, ["text", True], "Result.number: expected int, not bool"),
        (TaskInfo, [1, "a", "b", "ready", [["f", "x.py", "7"]]], "TaskInfo.stack: Frame.line: expected int, not str"),
        (Wait, ["sleep", "", 0, [], None, "a"], "Wait.pending: unexpected str"),
        (tuple[int, str], [1], "expected 2 items, not 1"),
        (Frame, "f", "expected a list, not str"),
    ],
)
def test_what_is_wrong_is_said(annotation: Any, data: object, problem: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        codec_of(annotation).decode(data)
    assert problem in str(raised.value)


def test_fields_that_an_older_end_does_not_know_are_ignored_and_get_their_defaults() -> None:
    assert codec_of(Output).decode(["text"]) == Output("text", "stdout")
    assert codec_of(Output).decode(["text", "stderr", 17]) == Output("text", "stderr")


def test_a_named_tuple_is_an_array_and_an_open_type_is_named() -> None:
    result = Answer(NameList((NameInfo("x", "int", "1"),)))
    encode = codec_of(Event).encode
    assert encode is not None
    assert encode(result) == {"Answer": [{"NameList": [[["x", "int", "1"]]]}]}
    assert encode(SettingChanged("theme", "dark")) == {"SettingChanged": ["theme", "dark"]}


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Broken:
    size: int

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_a_value_of_the_apps_own_type_is_drawn_as_its_repr_and_keeps_its_data() -> None:
    sent = through(Answer(Point(1, 2)), Event)
    assert sent == Answer(Foreign("Point(x=1, y=2)", '{"x": 1, "y": 2}'))
    assert draw(sent.value) == "Point(x=1, y=2)\n"
    assert to_data(sent.value) == {"x": 1, "y": 2}


def test_what_has_no_repr_is_sent_by_its_type() -> None:
    sent = through(Broken(3))
    assert sent == Foreign("<test_remote_encoding.Broken>", '{"size": 3}')


def test_a_repr_is_cut() -> None:
    sent = through(["x" * 300_000])
    assert len(sent.text) < 100_100
    assert sent.text.endswith("… 200,004 more characters")


def test_a_type_that_cannot_be_sent_is_an_error_of_ours() -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        codec_of(bytes)
