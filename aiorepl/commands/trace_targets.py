"""Which function ``%trace`` means, and which there are: found with none of the program's code run."""

import functools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from aiorepl.commands.arguments import Choice, Query
from aiorepl.commands.context import Context
from aiorepl.commands.objects import resolve
from aiorepl.errors import CommandError
from aiorepl.interpret import static_values as static
from aiorepl.introspect.summary import type_name

__all__ = ["Target", "functions", "target"]

_UNDER_WAY = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)


class Target(NamedTuple):
    """A function, how it is called by who asks, and the object on which alone its calls are meant; None: on all."""

    function: types.FunctionType
    name: str = ""
    only: object = None


def target(context: Context, asked: object) -> Target:
    """Return the function that a text names in the session's namespace, or that something else is.

    Raises:
        CommandError: If there is none, or it is not written in Python; says what to name instead.
    """
    name = asked.strip() if type(asked) is str else ""
    value = resolve(name, context.namespace) if type(asked) is str else asked
    kind = type(value)
    if kind is types.FunctionType:
        return Target(value, name)  # type: ignore[arg-type]  # it is one
    if kind is types.MethodType and type(value.__func__) is types.FunctionType:  # type: ignore[attr-defined]
        owner = value.__self__  # type: ignore[attr-defined]
        # A class method is that of its subclasses too.
        return Target(value.__func__, name, None if static.is_class(owner) else owner)  # type: ignore[attr-defined]
    raise CommandError(f"{name or type_name(value)} {_what(value, name or 'it')}")


def _what(value: object, name: str) -> str:
    """Say what something is that cannot be traced, and what can be."""
    if static.is_class(value):
        return f"is a class; trace a method of it, such as {name}.__init__"
    if issubclass(type(value), _UNDER_WAY):
        return "is a call under way; trace the function that was called"
    if type(value) is property:
        return f"is a property; trace {name}.fget"
    if static.get_attribute(value, "__wrapped__") is not static.UNKNOWN:
        return f"is not written in Python; trace what it wraps: {name}.__wrapped__"
    if type(static.in_class(type(value), "__call__")) is types.FunctionType:
        return f"is of type {type_name(value)}; trace {name}.__call__"
    return f"is of type {type_name(value)}; only functions written in Python can be traced"


def functions(query: Query) -> Iterable[Choice]:
    """The functions of the namespace, or those of what stands before the last dot; and what has functions."""
    if query.context is None:
        return []
    namespace = query.context.namespace
    owner, dot, beginning = query.beginning.rpartition(".")
    names: Iterable[str] = list(namespace)
    lookup: Callable[[str], object] = lambda name: namespace.get(name, static.UNKNOWN)  # noqa: E731
    if dot:
        value = static.resolve(owner, lookup)
        names = () if value is static.UNKNOWN else static.attribute_names(value)
        lookup = functools.partial(static.get_attribute, value)
    fitting = [name for name in names if type(name) is str and name.startswith(beginning)]
    if not beginning:
        fitting = [name for name in fitting if not name.startswith("_")]
    return _choices(owner + dot, sorted(fitting), lookup)


def _choices(before: str, names: Iterable[str], lookup: Callable[[str], object]) -> Iterator[Choice]:
    of_types: dict[type, bool] = {}
    for name in names:
        value = lookup(name)
        if value is static.UNKNOWN or type_name(value).startswith("aiorepl."):
            continue
        if _is_function(value):
            yield before + name, static.describe(value)[1]
        elif _has_functions(value, of_types):
            yield f"{before}{name}.", static.describe(value)[0] or type_name(value)


def _is_function(value: object) -> bool:
    function = value.__func__ if type(value) is types.MethodType else value
    return type(function) is types.FunctionType


def _has_functions(value: object, of_types: dict[type, bool]) -> bool:
    """Tell whether an object is a module or a class, or has methods; ``of_types`` is what was found out so far."""
    cls = type(value)
    if cls not in of_types:
        special = issubclass(cls, (type, types.ModuleType))
        of_types[cls] = special or any(
            type(one) is types.FunctionType for _, names in static.class_dicts(cls) for one in names.values()
        )
    return of_types[cls]
