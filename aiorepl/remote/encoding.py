"""Values as what JSON can hold, and back, led by the annotations of their types.

A named tuple or a data class is the list of its fields. Where the annotation leaves the type open, it is an object with
the type's name as its only key. Fields that are missing at the end of a list get their defaults and further ones are
ignored, so that two versions understand each other as long as fields are added at the end.

Nothing is made but the types that the annotations name and those of ``_MODULES``, each field being checked. A named
tuple of plain fields is encoded by ``json`` itself, as an array: ten thousand of them take no time in Python.
"""

import contextlib
import dataclasses
import functools
import importlib
import json
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Union

from aiorepl.commands.json_data import to_data
from aiorepl.commands.values import Foreign
from aiorepl.introspect.summary import summarize, type_name

__all__ = ["Codec", "codec_of", "value_types"]

# Where the values of commands are defined: what stands in their ``__all__`` may be sent where any value may.
_MODULES = (
    "aiorepl.model",
    "aiorepl.introspect.values",
    "aiorepl.alerts.values",
    "aiorepl.alerts.doctor_values",
    "aiorepl.commands.values",
    "aiorepl.commands.alert_values",
    "aiorepl.commands.debug_values",
    "aiorepl.commands.trace_values",
    "aiorepl.commands.task_values",
    "aiorepl.commands.loop_values",
    "aiorepl.commands.report",
)
# What a value that only its own process knows may need, in characters.
_LONGEST = 100_000
_PLAIN = (str, int, float, bool, type(None))


class Codec(NamedTuple):
    """How values of one type travel; ``encode`` is None where ``json`` takes them as they are.

    ``decode`` raises ValueError, with what was expected, for data that is not such a value. Data whose type is one of
    ``plain`` is the value itself, and need not be decoded.
    """

    encode: Callable[[Any], Any] | None
    decode: Callable[[Any], Any]
    plain: frozenset[type] = frozenset()


@functools.cache
def codec_of(annotation: Any) -> Codec:
    """Return the codec of a type, as it is written in an annotation.

    Raises:
        TypeError: If values of this type cannot be sent.
    """
    if annotation in _PLAIN or annotation is None:
        return _plain(type(None) if annotation is None else annotation)
    if annotation is object:
        return Codec(_encode_any, _decode_any)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        return _array(arguments[0]) if arguments[-1] is Ellipsis else _fixed(arguments)
    if isinstance(annotation, type) and _field_names(annotation) is not None:
        return _record(annotation)
    raise TypeError(f"{annotation} cannot be sent")


@functools.cache
def value_types() -> dict[str, type]:
    """The types that may be sent where any value may, by name."""
    found: dict[str, type] = {}
    for name in _MODULES:
        module = importlib.import_module(name)
        for exported in module.__all__:
            kind = getattr(module, exported)
            if isinstance(kind, type) and _field_names(kind) is not None:
                assert exported not in found, f"two types are called {exported}"
                found[exported] = kind
    return found


def _plain(kind: type) -> Codec:
    plain = frozenset({float, int} if kind is float else {kind})

    def decode(data: Any) -> Any:
        if type(data) in plain:
            return data
        raise ValueError(f"expected {kind.__name__}, not {type(data).__name__}")

    return Codec(None, decode, plain)


def _literal(choices: tuple[Any, ...]) -> Codec:
    def decode(data: Any) -> Any:
        if type(data) in _PLAIN and data in choices:
            return data
        raise ValueError(f"expected one of {', '.join(map(repr, choices))}")

    return Codec(None, decode)


def _array(item: Any) -> Codec:
    encode, decode, plain = codec_of(item)

    def decode_all(data: Any) -> Any:
        return tuple([one if type(one) in plain else decode(one) for one in _list(data)])

    return Codec(None if encode is None else lambda values: [encode(value) for value in values], decode_all)


def _fixed(items: tuple[Any, ...]) -> Codec:
    codecs = [codec_of(item) for item in items]

    def decode(data: Any) -> Any:
        if len(_list(data)) != len(codecs):
            raise ValueError(f"expected {len(codecs)} items, not {len(data)}")
        return tuple(codec.decode(one) for codec, one in zip(codecs, data, strict=True))

    return Codec(_encode_each(codecs), decode)


def _record(kind: type) -> Codec:
    names = _field_names(kind)
    assert names is not None
    hints = typing.get_type_hints(kind)
    codecs = [codec_of(hints[name]) for name in names]
    decoders = [(codec.plain, codec.decode) for codec in codecs]
    make: Callable[..., Any] = kind
    count = len(names)

    def decode(data: Any) -> Any:
        decoded = _list(data)[:count]
        number = 0
        try:
            for (plain, decode_field), one in zip(decoders, decoded, strict=False):
                if type(one) not in plain:
                    decoded[number] = decode_field(one)
                number += 1
        except ValueError as error:
            raise ValueError(f"{kind.__name__}.{names[number]}: {error}") from None
        try:
            return make(*decoded)
        except TypeError:
            raise ValueError(f"{kind.__name__} has more fields than {len(decoded)}") from None

    if issubclass(kind, tuple):
        return Codec(_encode_each(codecs), decode)
    fields = list(zip(names, codecs, strict=True))
    return Codec(lambda value: [_by(codec, getattr(value, name)) for name, codec in fields], decode)


def _union(members: tuple[Any, ...]) -> Codec:
    """Plain members are told apart by what JSON makes of them, several others by their names."""
    simple = [codec_of(member) for member in members if _is_simple(member)]
    others = [member for member in members if not _is_simple(member)]
    plain = frozenset[type]().union(*(codec.plain for codec in simple))
    if len(others) > 1:
        kinds = {member.__name__: member for member in others}
        return Codec(
            lambda value: value if type(value) in _PLAIN else _tag(value),
            lambda data: _untag(data, kinds) if isinstance(data, dict) else _first_of(simple, data),
            plain,
        )
    if not others:
        return Codec(None, lambda data: _first_of(simple, data), plain)
    only = codec_of(others[0])
    encode = only.encode

    def decode(data: Any) -> Any:
        return only.decode(data) if isinstance(data, list | dict) else _first_of(simple, data)

    if encode is None:
        return Codec(None, decode, plain)
    return Codec(lambda value: value if type(value) in _PLAIN else encode(value), decode, plain)


def _is_simple(member: Any) -> bool:
    return member in _PLAIN or typing.get_origin(member) is Literal


def _encode_any(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if type(value).__module__ in _MODULES and _field_names(type(value)) is not None:
        return _tag(value)
    return _tag(_foreign(value))


def _decode_any(data: Any) -> Any:
    if type(data) in _PLAIN:
        return data
    return _untag(data, value_types())


def _tag(value: Any) -> Any:
    kind: Any = type(value)
    return {kind.__name__: _by(codec_of(kind), value)}


def _untag(data: Any, kinds: dict[str, type]) -> Any:
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError(f"expected an object with one key, not {type(data).__name__}")
    ((name, fields),) = data.items()
    if name not in kinds:
        raise ValueError(f"unknown: {name[:40]!r}")
    return codec_of(kinds[name]).decode(fields)


def _foreign(value: object) -> Foreign:
    """What can be told of a value whose type the other end need not have."""
    try:
        text = repr(value)
    except Exception:
        text = summarize(value) or f"<{type_name(value)}>"
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… {len(text) - _LONGEST:,} more characters"
    return Foreign(cut, json.dumps(to_data(value)))


def _first_of(plain: Sequence[Codec], data: Any) -> Any:
    for codec in plain:
        with contextlib.suppress(ValueError):
            return codec.decode(data)
    raise ValueError(f"unexpected {type(data).__name__}")


def _encode_each(codecs: Sequence[Codec]) -> Callable[[Any], Any] | None:
    if all(codec.encode is None for codec in codecs):
        return None
    return lambda values: [_by(codec, value) for codec, value in zip(codecs, values, strict=True)]


def _by(codec: Codec, value: Any) -> Any:
    return value if codec.encode is None else codec.encode(value)


def _list(data: Any) -> list[Any]:
    if isinstance(data, list):
        return data
    raise ValueError(f"expected a list, not {type(data).__name__}")


def _field_names(kind: type) -> Sequence[str] | None:
    if issubclass(kind, tuple):
        return getattr(kind, "_fields", None)
    return [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else None
