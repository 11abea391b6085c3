"""What to type instead, for the usual mistakes of asynchronous code; each kind is told once until it is renewed."""

import ast
import inspect

from aiorepl.interpret.source import Cell
from aiorepl.model import Notice

__all__ = ["Hints"]

# asyncio.run() and run_until_complete() say it differently, as do the versions of Python.
_LOOP_RUNS = ("running event loop", "loop is already running", "another loop is running")
# The expression that a hint quotes is cut beyond this many characters.
_LONGEST = 60


class Hints:
    """Remembers which kinds of hint have been shown."""

    def __init__(self) -> None:
        """Start with every hint still to be shown."""
        self._shown: set[str] = set()
        self.enabled = True

    def renew(self) -> None:
        """Show each hint once more."""
        self._shown.clear()

    def for_value(self, cell: Cell, value: object) -> Notice | None:
        """A hint about the value of a cell."""
        if not inspect.iscoroutine(value) or not isinstance(cell.tree.body[-1], ast.Expr):
            return None
        name = _source(cell, cell.tree.body[-1].value)
        return self._once("coroutine", f"that is a coroutine, and it runs only when awaited: await {name}")

    def for_failure(self, cell: Cell, error: BaseException) -> Notice | None:
        """A hint about the exception that ended a cell."""
        if not isinstance(error, RuntimeError) or not any(words in str(error) for words in _LOOP_RUNS):
            return None
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.Call) and node.args and _called(node) in ("run", "run_until_complete"):
                instead = f"await {_source(cell, node.args[0])}"
                return self._once("run", f"a loop is running here already, so type: {instead}")
        return self._once("run", "a loop is running here already: await the coroutine instead of running a loop")

    def for_block(self, cell: Cell, seconds: float, waiting: int) -> Notice | None:
        """A hint about a cell that held the loop's thread for some seconds while other tasks were pending."""
        if not waiting:
            return None
        others = "another task" if waiting == 1 else f"{waiting} other tasks"
        instead = _in_thread(cell)
        return self._once(
            "block",
            f"this cell blocked the loop for {seconds:.2f} s, and {others} stood still meanwhile{instead}",
        )

    def _once(self, kind: str, text: str) -> Notice | None:
        if not self.enabled or kind in self._shown:
            return None
        self._shown.add(kind)
        return Notice(text, "hint")


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _in_thread(cell: Cell) -> str:
    """Say how to call in a thread what the cell called, where the cell is one plain call."""
    last = cell.tree.body[-1] if len(cell.tree.body) == 1 else None
    value = getattr(last, "value", None)
    if not isinstance(value, ast.Call) or not isinstance(last, ast.Expr | ast.Assign):
        return "; a sync call belongs in a thread: await asyncio.to_thread(function, ...)"
    arguments = [value.func, *value.args, *value.keywords]
    call = ", ".join(_source(cell, argument) for argument in arguments)
    return f"; in a thread it does not: await asyncio.to_thread({call})"


def _source(cell: Cell, node: ast.AST) -> str:
    text = ast.get_source_segment(cell.text, node) or ast.unparse(node)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
