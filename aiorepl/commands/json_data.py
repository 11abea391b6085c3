"""What commands return as data that ``json.dumps`` takes."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from aiorepl.commands.values import Foreign
from aiorepl.introspect.summary import summarize, type_name

__all__ = ["to_data"]

# Values are nested a few deep; a registered command may return anything, also what holds itself.
_DEEPEST = 30


def to_data(value: object) -> Any:
    """Return a value as dicts, lists, texts and numbers: named tuples and data classes by the names of their fields.

    A number that JSON does not have (infinity) is its repr; anything else a summary or its type's name,
    with no code of it run.
    """
    if isinstance(value, Foreign):
        return json.loads(value.data)
    return _data(value, _DEEPEST)


def _data(value: Any, depth: int) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else repr(value)
    if depth == 0:
        return "…"
    fields = _fields(value)
    if fields is not None:
        return {_key(name): _data(item, depth - 1) for name, item in fields}
    if isinstance(value, list | tuple | set | frozenset):
        return [_data(item, depth - 1) for item in value]
    return summarize(value) or f"<{type_name(value)}>"


def _fields(value: Any) -> Iterator[tuple[object, object]] | None:
    """The items of a value that has names for them; None if it is of another kind."""
    names = getattr(type(value), "_fields", None) if isinstance(value, tuple) else None
    if names is not None:
        return zip(names, value, strict=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    return iter(value.items()) if isinstance(value, Mapping) else None


def _key(key: object) -> str:
    return key if type(key) is str else summarize(key) or f"<{type_name(key)}>"
