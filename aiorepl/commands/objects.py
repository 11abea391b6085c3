"""``object?`` and ``object??``: what an object is, found without running its properties."""

import ast
import builtins
import inspect
import linecache
import re
import types
from collections.abc import Iterator, Sequence
from typing import Any

from aiorepl.commands.context import Context
from aiorepl.commands.values import ObjectHelp
from aiorepl.errors import CommandError
from aiorepl.introspect.summary import summarize, type_name

__all__ = ["describe", "resolve"]

# The names under which linecache keeps the cells begin so.
CELL = "<cell "

_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType)
_DESCRIBED = (*_FUNCTIONS, type, types.ModuleType, property, types.WrapperDescriptorType, types.MethodDescriptorType)
# Reading through these runs C code only: attributes of builtin types, and slots.
_SAFE_DESCRIPTORS = (
    types.FunctionType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    classmethod,
    staticmethod,
)


async def describe(context: Context, expression: str, *, source: bool) -> ObjectHelp:
    """Tell what there is to tell of an expression: names, attributes, and constant subscripts, but no calls.

    Properties, ``__getattr__`` and reprs of the user's types are not run. With ``source`` its code is looked for too.

    Raises:
        CommandError: If there is no such name or attribute, or the expression would have to be run.
    """
    value = resolve(expression, context.namespace)
    where = _where(value)
    file, line = _place(where)
    return ObjectHelp(
        expression=expression,
        type_name=type_name(value),
        signature=_signature(value),
        doc=_doc(value),
        file=file,
        line=line,
        summary="" if _is(value, *_DESCRIBED) else summarize(value),
        source=_source(where) if source else "",
    )


def resolve(expression: str, namespace: dict[str, object]) -> object:
    """Return what names, attributes and constant subscripts stand for; none of the program's code is run.

    Raises:
        CommandError: If there is no such name or attribute, or the expression would have to be run.
    """
    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise CommandError(f"{expression} is not a name, such as asyncio.sleep") from None
    return _evaluate(node, namespace)


def _evaluate(node: ast.expr, namespace: dict[str, object]) -> object:
    match node:
        case ast.Name(id=name):
            return _name(name, namespace)
        case ast.Constant(value=constant):
            return constant
        case ast.Attribute(value=inner, attr=name):
            return _attribute(_evaluate(inner, namespace), name, ast.unparse(inner))
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            return _item(_evaluate(inner, namespace), key, ast.unparse(inner))
    raise CommandError(f"{ast.unparse(node)} would have to be run; give it a name first, then ask for that")


def _name(name: str, namespace: dict[str, object]) -> object:
    for names in (namespace, vars(builtins)):
        if name in names:
            return names[name]
    raise CommandError(f"no name {name!r}")


def _item(value: object, key: object, where: str) -> object:
    if type(value) not in (dict, list, tuple):
        raise CommandError(f"{where}[{key!r}] would have to be run; give it a name first, then ask for that")
    try:
        return value[key]  # type: ignore[index]
    except (LookupError, TypeError):
        raise CommandError(f"{where} has no [{key!r}]") from None


def _attribute(value: object, name: str, where: str) -> object:
    try:
        found = inspect.getattr_static(value, name)
    except AttributeError:
        raise CommandError(f"{where} has no attribute {name!r}") from None
    if type(found) not in _SAFE_DESCRIPTORS or _is(value, types.ModuleType):
        return found
    if _is(value, type):
        # As the class hands it out: its own functions as they are, class methods bound to it.
        return found.__get__(None, value) if not _slot(found) else found
    return found.__get__(value, type(value))


def _slot(descriptor: object) -> bool:
    return _is(descriptor, types.MemberDescriptorType, types.GetSetDescriptorType)


def _is(value: object, *classes: type) -> bool:
    """``isinstance`` without asking the value for its ``__class__``, which may be a property."""
    return issubclass(type(value), classes)


def _where(value: object) -> object:
    """What a value's place and source are looked for in: itself, its function, its code, or its type."""
    if _is(value, property):
        assert isinstance(value, property)
        return value.fget
    for name in ("cr_code", "gi_code", "ag_code"):
        if _is(value, types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType) and hasattr(value, name):
            return getattr(value, name)
    return value if _is(value, *_DESCRIBED, types.CodeType) else type(value)


def _signature(value: object) -> str:
    function: Any = value
    if not _is(value, *_FUNCTIONS, type, types.WrapperDescriptorType, types.MethodDescriptorType):
        call = inspect.getattr_static(type(value), "__call__", None)
        if not _is(call, types.FunctionType):
            return ""
        function = types.MethodType(call, value)
    try:
        return str(inspect.signature(function))
    except Exception:
        # Builtins without a signature raise ValueError; a default's repr and __signature__ may raise anything.
        return ""


def _doc(value: object) -> str:
    try:
        return inspect.getdoc(value if _is(value, *_DESCRIBED) else type(value)) or ""
    except Exception:
        # A __doc__ of the user's may raise anything.
        return ""


def _place(value: object) -> tuple[str, int]:
    if _is(value, types.ModuleType):
        return getattr(value, "__file__", None) or "", 0
    found = _class_in_cells(value) if _is(value, type) else None
    if found is not None:
        return found[0], found[1].lineno
    try:
        lines: tuple[list[str], int] = inspect.getsourcelines(value)  # type: ignore[arg-type]
        return inspect.getsourcefile(value) or "", lines[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return "", 0


def _source(value: object) -> str:
    found = _class_in_cells(value) if _is(value, type) else None
    if found is not None:
        file, node = found
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        return "".join(linecache.getlines(file)[first - 1 : node.end_lineno])
    try:
        return inspect.getsource(value)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""


def _class_in_cells(cls: object) -> tuple[str, ast.ClassDef] | None:
    """Find the cell and the statement that defined a class; inspect cannot, as ``__main__`` has no file here."""
    assert isinstance(cls, type)
    if cls.__module__ != "__main__":
        return None
    # A method tells the cell exactly; a class without methods is taken from the newest cell that defines its name.
    cells = [m.__code__.co_filename for m in vars(cls).values() if isinstance(m, types.FunctionType)]
    newest = sorted((name for name in linecache.cache if name.startswith(CELL)), key=_number, reverse=True)
    for file in [name for name in cells if name.startswith(CELL)] + newest:
        for node in _classes(file, cls.__qualname__.split(".")):
            return file, node
    return None


def _number(cell: str) -> list[int]:
    """The numbers in a cell's name, to sort by."""
    return [int(digits) for digits in re.findall(r"\d+", cell)]


def _classes(file: str, path: Sequence[str]) -> Iterator[ast.ClassDef]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return
    names = [name for name in path if name != "<locals>"]
    yield from _within(tree, names)


def _within(node: ast.AST, names: Sequence[str]) -> Iterator[ast.ClassDef]:
    """Every class of this dotted name, the last one first."""
    for child in reversed(list(ast.iter_child_nodes(node))):
        scope = isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if scope and child.name == names[0]:  # type: ignore[attr-defined]
            if len(names) > 1:
                yield from _within(child, names[1:])
            elif isinstance(child, ast.ClassDef):
                yield child
        elif not scope:
            yield from _within(child, names)
