"""Containers whose repr is Python's own, so that it can be made piece by piece: brackets and items.

A type with a ``__repr__`` of its own is none, whatever it derives from. Only the methods of the builtin types are used.
"""

import collections
import dataclasses
import types
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any, Literal, cast

__all__ = ["Shape", "shape_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """How a container is written.

    ``items`` are pairs of a key and an item, of which ``keys`` says how the key is written: ``key: item``,
    ``key=item`` (it is a str then), or not at all. ``again`` is what stands for the container within itself.
    """

    opening: str
    closing: str
    items: Iterator[tuple[Any, Any]]
    count: int
    keys: Literal["none", "mapping", "fields"] = "none"
    again: str = "..."


def shape_of(value: object, most: int) -> Shape | None:
    """Return the shape of a container, or None if it is none; ``most`` items at most will be asked for."""
    cls: Any = type(value)
    own = cls.__repr__
    try:
        make = _SHAPES.get(own)
    except TypeError:
        # A __repr__ may be any object, also one that cannot be looked up.
        return None
    if make is not None:
        return make(value, most)
    if own is _generated_by_dataclass(cls):
        return _dataclass(value)
    if issubclass(cls, tuple) and getattr(getattr(own, "__code__", None), "co_filename", "") == _NAMEDTUPLE:
        return _fields(
            cls.__name__, list(zip(cls._fields, tuple.__iter__(cast("tuple[object, ...]", value)), strict=True))
        )
    return None


def _generated_by_dataclass(cls: Any) -> object:
    """The ``__repr__`` that ``@dataclass`` gave to this very class, if it did."""
    own = vars(cls).get("__repr__")
    code = getattr(getattr(own, "__wrapped__", None), "__code__", None)
    generated = dataclasses.is_dataclass(cls) and code is not None and code.co_filename == "<string>"
    return own if generated else None


def _dataclass(value: Any) -> Shape:
    shown = [field.name for field in dataclasses.fields(value) if field.repr]
    return _fields(type(value).__qualname__, [(name, getattr(value, name)) for name in shown])


def _fields(name: str, items: list[tuple[str, object]]) -> Shape:
    return Shape(f"{name}(", ")", iter(items), len(items), "fields")


def _unkeyed(opening: str, closing: str, items: Iterator[Any], count: int) -> Shape:
    return Shape(opening, closing, zip(repeat(None), items, strict=False), count, again=f"{opening}...{closing}")


def _sequence(cls: Any, opening: str, closing: str) -> Callable[[Any, int], Shape]:
    return lambda value, most: _unkeyed(opening, closing, cls.__iter__(value), cls.__len__(value))


def _tuple(value: tuple[Any, ...], most: int) -> Shape:
    closing = ",)" if tuple.__len__(value) == 1 else ")"
    return _unkeyed("(", closing, tuple.__iter__(value), tuple.__len__(value))


def _set(cls: Any) -> Callable[[Any, int], Shape | None]:
    def shape(value: Any, most: int) -> Shape | None:
        if not cls.__len__(value):
            return None
        named = "" if type(value) is set else f"{type(value).__name__}("
        return _unkeyed(f"{named}{{", "})" if named else "}", cls.__iter__(value), cls.__len__(value))

    return shape


def _deque(value: Any, most: int) -> Shape:
    closing = "])" if value.maxlen is None else f"], maxlen={value.maxlen})"
    named = type(value).__name__
    cls = collections.deque
    return _unkeyed(f"{named}([", closing, cls.__iter__(value), cls.__len__(value))


def _dict(opening: str, closing: str, value: Any) -> Shape:
    items = iter(dict.items(value))
    return Shape(opening, closing, items, dict.__len__(value), "mapping", f"{opening}...{closing}")


def _defaultdict(value: Any, most: int) -> Shape:
    return _dict(f"{type(value).__name__}({value.default_factory!r}, {{", "})", value)


def _counter(value: Any, most: int) -> Shape | None:
    if not dict.__len__(value):
        return None
    items = iter(collections.Counter.most_common(value, most))
    return Shape(f"{type(value).__name__}({{", "})", items, dict.__len__(value), "mapping")


def _view(name: str) -> Callable[[Any, int], Shape]:
    return lambda value, most: _unkeyed(f"{name}([", "])", iter(value), len(value))


def _namespace(value: Any, most: int) -> Shape:
    named = "namespace" if type(value) is types.SimpleNamespace else type(value).__name__
    return _fields(named, list(vars(value).items()))


_NAMEDTUPLE = collections.namedtuple("_Any", ())().__repr__.__code__.co_filename
_SHAPES: dict[object, Callable[[Any, int], Shape | None]] = {
    list.__repr__: _sequence(list, "[", "]"),
    tuple.__repr__: _tuple,
    set.__repr__: _set(set),
    frozenset.__repr__: _set(frozenset),
    dict.__repr__: lambda value, most: _dict("{", "}", value),
    collections.deque.__repr__: _deque,
    collections.defaultdict.__repr__: _defaultdict,
    collections.Counter.__repr__: _counter,
    types.SimpleNamespace.__repr__: _namespace,
    type({}.keys()).__repr__: _view("dict_keys"),
    type({}.values()).__repr__: _view("dict_values"),
    type({}.items()).__repr__: _view("dict_items"),
}
