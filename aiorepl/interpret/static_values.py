"""Values and their attributes, looked up without running a line of the user's code.

No property, ``__getattr__``, ``__getattribute__``, ``__dir__``, ``__class__``, descriptor, ``__eq__`` or hook of a
metaclass is called: only the dictionaries that CPython itself keeps are read. What would need more is ``UNKNOWN``.
"""

import ast
import enum
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeGuard

from aiorepl.interpret.quiet_parse import quiet_parse

__all__ = [
    "UNKNOWN",
    "attribute_names",
    "class_dicts",
    "describe",
    "get_attribute",
    "in_class",
    "instance_dict",
    "is_class",
    "is_inert",
    "module_dict",
    "resolve",
]


class Unknown(enum.Enum):
    """The type of ``UNKNOWN``."""

    UNKNOWN = enum.auto()


UNKNOWN: Final = Unknown.UNKNOWN

_mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_dict: Callable[[type], Mapping[str, object]] = type.__dict__["__dict__"].__get__

# Their __get__ runs no Python code.
_SAFE_TO_BIND = (
    types.FunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.MemberDescriptorType,
)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType)


def is_class(value: object) -> TypeGuard[type]:
    """``isinstance(value, type)`` without asking the value for its ``__class__``."""
    return issubclass(type(value), type)


def class_dicts(cls: type) -> Iterator[tuple[type, Mapping[str, object]]]:
    """A class and its bases in the order of lookup, each with its own names."""
    return ((entry, _dict(entry)) for entry in _mro(cls))


def in_class(cls: type, name: str) -> object:
    """What a class or the first of its bases says under a name, unbound; ``UNKNOWN`` if none does."""
    for _, names in class_dicts(cls):
        found = names.get(name, UNKNOWN)
        if found is not UNKNOWN:
            return found
    return UNKNOWN


def instance_dict(value: object) -> dict[str, object]:
    """The instance's own dictionary; an empty one for a class, and where there is none of the standard kind."""
    descriptor = in_class(type(value), "__dict__")
    if is_class(value) or type(descriptor) not in (types.GetSetDescriptorType, types.MemberDescriptorType):
        return {}
    try:
        found = descriptor.__get__(value, type(value))  # type: ignore[attr-defined]  # both have it
    except (AttributeError, TypeError):
        return {}
    return found if type(found) is dict else {}


def module_dict(value: object) -> dict[str, object]:
    """A module's names; an empty dictionary for anything that is not a module."""
    return instance_dict(value) if types.ModuleType in _mro(type(value)) else {}


def attribute_names(value: object) -> list[str]:
    """The names that ``dir`` would find without help from the value, in no order."""
    names: set[object] = set(instance_dict(value))
    for entry in _mro(value if is_class(value) else type(value)):
        names.update(_dict(entry))
    return [name for name in names if type(name) is str]


def get_attribute(value: object, name: str) -> object:
    """The attribute, bound as ``getattr`` would bind it, or ``UNKNOWN``."""
    if is_class(value):
        found = in_class(value, name)
        return UNKNOWN if found is UNKNOWN else _bind(found, None, value)
    found = in_class(type(value), name)
    if found is UNKNOWN or not _comes_first(found):
        own = instance_dict(value).get(name, UNKNOWN)
        if own is not UNKNOWN:
            return own
    return UNKNOWN if found is UNKNOWN else _bind(found, value, type(value))


def _comes_first(found: object) -> bool:
    """Whether what the class has is a data descriptor, which hides the instance's own."""
    return any(in_class(type(found), name) is not UNKNOWN for name in ("__set__", "__delete__"))


def _bind(found: object, instance: object, owner: type) -> object:
    kind = type(found)
    if kind in _SAFE_TO_BIND:
        try:
            return found.__get__(instance, owner)  # type: ignore[attr-defined]  # each of them has it
        except (AttributeError, TypeError):  # an empty slot; a descriptor of another class
            return UNKNOWN
    if type(found) is staticmethod:
        return found.__func__
    if type(found) is classmethod:
        function = found.__func__
        return types.MethodType(function, owner) if type(function) is types.FunctionType else UNKNOWN
    if kind is not types.BuiltinFunctionType and in_class(kind, "__get__") is not UNKNOWN:
        return UNKNOWN
    return found


def resolve(expression: str, lookup: Callable[[str], object]) -> object:
    """The value of a dotted chain, with constant subscripts, or something like that of a literal; else ``UNKNOWN``.

    ``lookup`` gives the value of a name, or ``UNKNOWN``.
    """
    tree = quiet_parse(expression.strip(), "eval")
    try:
        return _resolve(tree.body, lookup) if isinstance(tree, ast.Expression) else UNKNOWN
    except RecursionError:
        return UNKNOWN


_DISPLAYS: Mapping[type[ast.expr], object] = {
    ast.List: [],
    ast.ListComp: [],
    ast.Tuple: (),
    ast.Dict: {},
    ast.DictComp: {},
    ast.Set: set(),
    ast.SetComp: set(),
    ast.JoinedStr: "",
}


def _resolve(node: ast.expr, lookup: Callable[[str], object]) -> object:
    if isinstance(node, ast.Name):
        return lookup(node.id)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, lookup)
        return UNKNOWN if owner is UNKNOWN else get_attribute(owner, node.attr)
    if isinstance(node, ast.Subscript):
        return _item(_resolve(node.value, lookup), node.slice)
    return _DISPLAYS.get(type(node), UNKNOWN)


def _item(container: object, index: ast.expr) -> object:
    try:
        key = ast.literal_eval(index)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return UNKNOWN
    if type(container) is dict:  # not container[key]: that asks keys of the same hash whether they are equal
        return next((v for k, v in list(container.items()) if type(k) is type(key) and k == key), UNKNOWN)
    if type(container) in (list, tuple) and type(key) is int:
        try:
            return container[key]  # type: ignore[index]  # a list or a tuple
        except IndexError:
            return UNKNOWN
    return UNKNOWN


def describe(value: object) -> tuple[str, str]:
    """The kind and the first line of the docstring of a class, function or module; of anything else two empty texts."""
    cls = type(value)
    if is_class(value):
        return "class", _first_line(_dict(value).get("__doc__"))
    if cls is types.MethodType:
        return "function", describe(value.__func__)[1]  # type: ignore[attr-defined]  # a bound method has it
    if cls in _FUNCTIONS:
        return "function", _first_line(value.__doc__)
    if types.ModuleType in _mro(cls):
        return "module", _first_line(module_dict(value).get("__doc__"))
    return "", ""


def _first_line(doc: object) -> str:
    return doc.strip().partition("\n")[0].strip() if type(doc) is str else ""


_HOOKS = ("__getattr__", "__getattribute__", "__dir__", "__class__")
_BUILT_IN = (types.WrapperDescriptorType, types.MethodDescriptorType, types.GetSetDescriptorType)


def is_inert(value: object) -> bool:
    """Whether others can look at the value's attributes without running code of the user's.

    False if its class, or that class's own class, or itself as a class, has a hook that is not the interpreter's or the
    standard library's. ``unittest.mock`` counts as the user's: its objects make up what they are asked for.
    """
    classes = (type(value), type(type(value)), *((value,) if is_class(value) else ()))
    return not any(_has_hook(entry) for cls in classes for entry in _mro(cls))


def _has_hook(entry: type) -> bool:
    names = _dict(entry)
    if all(type(names.get(name, UNKNOWN)) in (Unknown, *_BUILT_IN) for name in _HOOKS):
        return False
    module = names.get("__module__")
    root = module.partition(".")[0] if type(module) is str else ""
    return root not in sys.stdlib_module_names or root == "unittest"
