"""Values of the program in a few words, with none of its code run."""

import asyncio
import itertools
import types
from collections.abc import Callable, Iterable
from typing import Any, cast

__all__ = ["summarize", "type_name"]


def type_name(value: object) -> str:
    """Return the name of a value's type as ``module.Name``; just ``Name`` for builtins and ``__main__``."""
    # Read as type does it, since a metaclass may have a property of this name.
    cls = type(value)
    name: str = type.__dict__["__qualname__"].__get__(cls)
    module = type.__dict__["__module__"].__get__(cls)
    return name if module in ("builtins", "__main__") or type(module) is not str else f"{module}.{name}"


def summarize(value: object, length: int = 60) -> str:
    """Describe a value of a builtin type in a line of at most ``length`` characters; any other is empty.

    Runs no code of the user's, whatever the value holds, and takes as long for ten items as for ten million.
    """
    try:
        text = _short(value, length, depth=2)
    except RuntimeError:
        # Another thread changed the container meanwhile.
        return ""
    return text if len(text) <= length else text[: length - 1] + "…"


def _short(value: object, length: int, depth: int) -> str:
    cls = type(value)
    if cls in _WRITTEN:
        return repr(value)
    if cls is str or cls is bytes or cls is bytearray:
        assert isinstance(value, str | bytes | bytearray)
        return repr(value[:length]) + ("…" if len(value) > length else "")
    if type(value) is int:
        return repr(value) if value.bit_length() < 400 else f"an int of {value.bit_length():,} bits"
    if type(value) is dict:
        return _items(value.items(), ("{", "}"), lambda pair: ": ".join(_inner(part, length, depth) for part in pair))
    if cls in _BRACKETS:
        assert isinstance(value, list | tuple | set | frozenset)
        return _items(value, _BRACKETS[cls], lambda item: _inner(item, length, depth))
    return _state(value)


def _inner(value: object, length: int, depth: int) -> str:
    if depth == 0:
        return "…"
    return _short(value, length, depth - 1) or f"<{type_name(value)}>"


def _items(values: Iterable[Any], brackets: tuple[str, str], write: Callable[[Any], str]) -> str:
    written = [write(item) for item in itertools.islice(values, 7)]
    shown = ", ".join([*written[:6], "…"] if len(written) > 6 else written)
    return shown.join(brackets)


def _state(value: object) -> str:
    """Say what can be said of what has no literal: what it is called, or how far it has come."""
    cls = type(value)
    # Always through the class that defines it: a subclass of the user's may have a method of the same name.
    if issubclass(cls, asyncio.Task):
        task = cast("asyncio.Task[object]", value)
        return f"{asyncio.Task.get_name(task)}, {_ended(task)}"
    if issubclass(cls, asyncio.Future):
        return _ended(cast("asyncio.Future[object]", value))
    if issubclass(cls, type):
        return str(type.__dict__["__qualname__"].__get__(value))
    if cls in _NAMED:
        return str(cast(types.FunctionType, value).__name__)
    if cls in _SUSPENDABLE:
        name = cast("types.CoroutineType[object, object, object]", value).__qualname__
        return f"{name}, {_progress(value)}"
    return ""


def _ended(future: "asyncio.Future[object]") -> str:
    kind = asyncio.Task if issubclass(type(future), asyncio.Task) else asyncio.Future
    if not kind.done(future):
        return "pending"
    return "cancelled" if kind.cancelled(future) else "done"


def _progress(value: object) -> str:
    prefix = _SUSPENDABLE[type(value)]
    frame = getattr(value, f"{prefix}_frame")
    if frame is None:
        return "finished"
    if getattr(value, f"{prefix}_running"):
        return "running"
    # Python 3.11 has no ag_suspended: an async generator that was not started counts as suspended there.
    return f"suspended at line {frame.f_lineno}" if getattr(value, f"{prefix}_suspended", True) else "not started"


_WRITTEN = {type(None), bool, float, complex, type(...), type(NotImplemented)}
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}
_NAMED = {types.FunctionType, types.BuiltinFunctionType, types.ModuleType}
_SUSPENDABLE = {types.CoroutineType: "cr", types.GeneratorType: "gi", types.AsyncGeneratorType: "ag"}
