"""What a call takes, read from the callable without running code of the user's.

``inspect.signature`` is asked about C callables only: for others it may evaluate annotations, call what it finds as
``__signature__``, and follow ``__wrapped__`` into an object that answers for itself.
"""

import functools
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter

from aiorepl.interpret.static_values import UNKNOWN, class_dicts, describe, in_class, instance_dict, is_class

__all__ = ["active_parameter", "keywords", "parameters_of", "summary_of_call", "with_separators", "written"]

_C_CALLABLES = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
)
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def parameters_of(value: object) -> tuple[Parameter, ...] | None:
    """The parameters that a caller fills, without annotations, or None if they cannot be told."""
    value = _unwrapped(value)
    # isinstance() would ask the value for its __class__.
    if type(value) is types.FunctionType:
        return _of_function(value)
    if type(value) is types.MethodType:
        return _bound(parameters_of(value.__func__))
    if type(value) is functools.partial:
        return _of_partial(value)
    if type(value) in _C_CALLABLES:
        return _of_c_callable(value)
    if is_class(value):
        return _of_class(value)
    call = in_class(type(value), "__call__")
    return _bound(_of_function(call)) if type(call) is types.FunctionType else None


def _unwrapped(value: object) -> object:
    for _ in range(20):  # somebody may have made a circle of them
        inner = instance_dict(value).get("__wrapped__", UNKNOWN)
        if inner is UNKNOWN:
            break
        value = inner
    return value


def _of_function(function: types.FunctionType) -> tuple[Parameter, ...]:
    """Read the code object, which evaluates no annotation on any version."""
    code = function.__code__
    names = iter(code.co_varnames)
    positional = [next(names) for _ in range(code.co_argcount)]
    only_keyword = [next(names) for _ in range(code.co_kwonlyargcount)]
    defaults = function.__defaults__ or ()
    missing = (Parameter.empty,) * (len(positional) - len(defaults))
    found = []
    for index, (name, default) in enumerate(zip(positional, (*missing, *defaults), strict=False)):
        kind = _POSITIONAL[index >= code.co_posonlyargcount]
        found.append(Parameter(name, kind, default=default))
    if code.co_flags & inspect.CO_VARARGS:
        found.append(Parameter(next(names), Parameter.VAR_POSITIONAL))
    for name in only_keyword:
        default = (function.__kwdefaults__ or {}).get(name, Parameter.empty)
        found.append(Parameter(name, Parameter.KEYWORD_ONLY, default=default))
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found.append(Parameter(next(names), Parameter.VAR_KEYWORD))
    return tuple(found)


def _bound(parameters: tuple[Parameter, ...] | None) -> tuple[Parameter, ...] | None:
    """Leave out the first one, which the object fills."""
    if parameters and parameters[0].kind in _POSITIONAL:
        return parameters[1:]
    return parameters


def _of_partial(value: "functools.partial[object]") -> tuple[Parameter, ...] | None:
    parameters = parameters_of(value.func)
    for _ in value.args:
        parameters = _bound(parameters)
    return parameters and tuple(p for p in parameters if p.name not in value.keywords)


def _of_c_callable(value: object) -> tuple[Parameter, ...] | None:
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]  # one of _C_CALLABLES
    except (ValueError, TypeError):  # its docstring does not tell
        return None
    return tuple(p.replace(annotation=Parameter.empty) for p in signature.parameters.values())


def _of_class(cls: type) -> tuple[Parameter, ...] | None:
    if in_class(type(cls), "__call__") is not type.__call__:
        return None
    for entry, names in class_dicts(cls):
        for name in ("__init__", "__new__"):
            found = names.get(name)
            if type(found) is staticmethod:
                found = found.__func__
            if type(found) is types.FunctionType:
                return _bound(_of_function(found))
            if found is not None:
                return () if entry is object else _of_c_class(entry)
    return None


def _of_c_class(cls: type) -> tuple[Parameter, ...] | None:
    asked = ("__signature__", "__wrapped__", "__text_signature__", "_partialmethod", "__partialmethod__")
    if type(cls) is not type or any(in_class(cls, name) is not UNKNOWN for name in asked):
        return None
    return _of_c_callable(cls)


def keywords(parameters: Sequence[Parameter], positional: int) -> Iterator[Parameter]:
    """The parameters that can be given by name after so many were given by position."""
    by_position = [p for p in parameters if p.kind in _POSITIONAL]
    filled = {p.name for p in by_position[:positional]}
    return (p for p in parameters if p.kind in _BY_KEYWORD and p.name not in filled)


_MARKS: Mapping[object, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...))


def written(parameters: Sequence[Parameter]) -> list[tuple[str, str]]:
    """Each parameter's name with its text as in the source; ``/`` and ``*`` stand between them, with no name."""
    return with_separators([(parameter.kind, parameter.name, _written(parameter)) for parameter in parameters])


def with_separators(parameters: Sequence[tuple[object, str, str]]) -> list[tuple[str, str]]:
    """Put ``/`` and ``*``, with no name, between the names and texts of parameters of these kinds."""
    texts = []
    star = False
    for index, (kind, name, text) in enumerate(parameters):
        if kind is Parameter.KEYWORD_ONLY and not star:
            texts.append(("", "*"))
        star = star or kind in (Parameter.VAR_POSITIONAL, Parameter.KEYWORD_ONLY)
        texts.append((name, text))
        following = parameters[index + 1][0] if index + 1 < len(parameters) else None
        if kind is Parameter.POSITIONAL_ONLY and following is not Parameter.POSITIONAL_ONLY:
            texts.append(("", "/"))
    return texts


def _written(parameter: Parameter) -> str:
    default = "" if parameter.default is Parameter.empty else f"={_default(parameter.default)}"
    return f"{_MARKS.get(parameter.kind, '')}{parameter.name}{default}"


def _default(value: object) -> str:
    """A default's repr, cut; ``...`` where only the user's own code could tell it."""
    kind = type(value)
    if kind in _PLAIN:
        text = repr(value)
        return text if len(text) <= 40 else f"{text[:36]}…{text[-1]}"
    if kind in (tuple, list, dict, set) and not value:
        return repr(value)
    if kind in (types.FunctionType, types.BuiltinFunctionType) or kind is type:
        return str(value.__name__)  # type: ignore[attr-defined]  # each of them has it
    return "..."


def active_parameter(parameters: Sequence[Parameter], positional: int, keyword: str) -> str | None:
    """The name of the parameter that is being typed: given by name, or the next by position."""
    if keyword:
        named = [p.name for p in parameters if p.kind in _BY_KEYWORD and p.name == keyword]
        catch_all = [p.name for p in parameters if p.kind is Parameter.VAR_KEYWORD]
        return next(iter(named + catch_all), None)
    by_position = [p.name for p in parameters if p.kind in _POSITIONAL]
    rest = [p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL]
    return next(iter(by_position[positional:] + rest), None)


def summary_of_call(value: object) -> str:
    """The first line of what the callable says of itself."""
    value = _unwrapped(value)
    return describe(value)[1]
