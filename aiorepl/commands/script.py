"""Cells into a script for plain Python.

Every cell goes, in its order, into one ``async def main()`` that declares each name bound at the top level of a
cell as global. So cells see each other's names, functions and classes are what they were at the prompt (also for
pickle), and ``await`` may stand anywhere. What a function may not hold is rewritten in place: ``global``
statements, annotations of global names, ``import *``. The first cells that only import stay at the top.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aiorepl.commands.context import Entry
from aiorepl.commands.registry import COMMANDS
from aiorepl.errors import CommandError
from aiorepl.interpret.source import Command, Python, classify

__all__ = ["script"]

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# These run their code in the namespace, so later cells may need the names that it binds.
_RUN_CODE = ("time", "thread")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell's code and what stands above it as a comment; either may be empty."""

    text: str
    comment: str = ""

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


def script(entries: Sequence[Entry]) -> str:
    """Return a script that does what these entries did.

    Raises:
        CommandError: If there is no Python among them.
    """
    cells = _with_results(entries)
    if not any(cell.text for cell in cells):
        raise CommandError("nothing to save: no cell has succeeded yet")
    futures = sorted({name for cell in cells for name in _futures(cell.tree)})
    imports = _leading_imports(cells)
    body = [_Cell(_fit_for_function(cell.text), cell.comment) for cell in cells[len(imports) :]]
    top = dict.fromkeys(["import asyncio", *(_without_futures(cell.text) for cell in imports)])
    words = {word for cell in cells for word in re.findall(r"\w+", cell.text)}
    main = next(name for name in ("main", "run_cells", "_aiorepl_cells") if name not in words)
    bound = sorted({name for cell in body for name in _bound(cell.tree)})
    parts = [
        *([f"from __future__ import {', '.join(futures)}"] if futures else []),
        "\n".join(filter(None, top)),
        "\n".join(["", f"async def {main}():", *_globals(bound)]),
        *(_indented(cell) for cell in body),
        *([] if any(cell.text for cell in body) else ["    pass"]),
        f'\nif __name__ == "__main__":\n    asyncio.run({main}())\n',
    ]
    return "\n\n".join(parts)


def _with_results(entries: Sequence[Entry]) -> list[_Cell]:
    """The cells, in which an expression's value is kept as ``_`` and ``_N`` where another cell reads those."""
    cells = [_cell(entry.text) for entry in entries]
    read = {name for cell in cells for name in _read(cell.tree)} - {n for cell in cells for n in _bound(cell.tree)}
    return [
        _Cell(_keep(cell, [name for name in ("_", f"_{entry.number}") if name in read]), cell.comment)
        for entry, cell in zip(entries, cells, strict=True)
    ]


def _cell(text: str) -> _Cell:
    text = text.replace("\r\n", "\n")
    typed = classify(text)
    if isinstance(typed, Python) and not typed.background:
        return _Cell(text.strip("\n"))
    commented = _Cell("", textwrap.indent(text.strip(), "# ", lambda line: True))
    if not isinstance(typed, Command):
        return commented
    invocation = COMMANDS.parse(typed.text)
    if invocation.command.name not in _RUN_CODE:
        return commented
    return _Cell(str(invocation.positional[0]), f"# %{invocation.command.name}")


def _keep(cell: _Cell, names: list[str]) -> str:
    last = cell.tree.body[-1:]
    if not names or not last or not isinstance(last[0], ast.Expr):
        return cell.text
    start = _offset(cell.text, last[0].lineno, last[0].col_offset)
    return _replaced(cell.text, [(start, start, "".join(f"{name} = " for name in names))])


def _leading_imports(cells: list[_Cell]) -> list[_Cell]:
    """The cells up to the first that does more than import."""
    leading = []
    for cell in cells:
        body = cell.tree.body
        if not body or not all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in body):
            break
        leading.append(cell)
    return leading


def _futures(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        if _is_future(statement):
            assert isinstance(statement, ast.ImportFrom)
            yield from (alias.name for alias in statement.names)


def _is_future(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _without_futures(text: str) -> str:
    kept = [statement for statement in ast.parse(text).body if not _is_future(statement)]
    return "\n".join(ast.unparse(statement) for statement in kept)


def _fit_for_function(text: str) -> str:
    """Rewrite what may stand in a module only."""
    changes = []
    for node in _in_scope(ast.parse(text)):
        new = _for_function(node)
        if new is not None:
            assert isinstance(node, ast.stmt)
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            start = _offset(text, node.lineno, node.col_offset)
            changes.append((start, _offset(text, node.end_lineno, node.end_col_offset), new))
    return _replaced(text, changes)


def _for_function(node: ast.AST) -> str | None:
    """What a statement is to be in a function, or None if it can stay as it is."""
    if isinstance(node, ast.Global) or _is_future(node):
        return "pass"
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return "pass" if node.value is None else f"{node.target.id} = {ast.unparse(node.value)}"
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        return f"exec({ast.unparse(node)!r}, globals())"
    return None


def _in_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs in the cell's own scope, so without the bodies of functions and classes."""
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _SCOPES):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, _COMPREHENSIONS):
                # The target of := is bound outside of the comprehension, unlike all others in it.
                yield from (inner for inner in ast.walk(child) if isinstance(inner, ast.NamedExpr))
            elif isinstance(child, ast.AST):
                yield child
                yield from _in_scope(child)


def _bound(tree: ast.Module) -> set[str]:
    """The names that a cell binds or deletes."""
    return {name for node in _in_scope(tree) for name in _bound_by(node)} - {"*"}


def _bound_by(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.NamedExpr(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            return [name]
    return []


def _read(tree: ast.Module) -> Iterator[str]:
    return (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _globals(names: list[str]) -> list[str]:
    lines = textwrap.wrap(", ".join(names), 95, break_long_words=False)
    return [f"    global {line.rstrip(',')}" for line in lines]


def _indented(cell: _Cell) -> str:
    inside = {number for first, last in _strings(cell.tree) for number in range(first + 1, last + 1)}
    lines = [
        f"    {line}" if line.strip() and number not in inside else line
        for number, line in enumerate(cell.text.split("\n"), 1)
    ]
    comment = textwrap.indent(cell.comment, "    ")
    return "\n".join(filter(None, [comment, "\n".join(lines)]))


def _strings(node: ast.AST) -> Iterator[tuple[int, int]]:
    """The first and last line of each string; the lines between may not be indented."""
    for child in ast.iter_child_nodes(node):
        # The nodes inside of an f-string have no exact places before Python 3.12.
        if isinstance(child, ast.Constant | ast.JoinedStr) or type(child).__name__ == "TemplateStr":
            assert isinstance(child, ast.expr)
            yield child.lineno, child.end_lineno or child.lineno
        else:
            yield from _strings(child)


def _offset(text: str, line: int, column: int) -> int:
    """Where a place of the syntax tree is in the text's UTF-8 bytes."""
    return sum(len(before.encode()) + 1 for before in text.split("\n")[: line - 1]) + column


def _replaced(text: str, changes: list[tuple[int, int, str]]) -> str:
    """Replace parts of a text, given as offsets into its UTF-8 bytes."""
    data = text.encode()
    for start, end, new in sorted(changes, reverse=True):
        data = data[:start] + new.encode() + data[end:]
    return data.decode()
