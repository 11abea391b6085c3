"""What to type instead, for the usual mistakes of asynchronous code; each kind is told once until it is renewed."""

import ast
import inspect
import shlex
import sys
import threading
from collections.abc import Iterator

from aiorepl.interpret.source import Cell
from aiorepl.model import Notice

__all__ = ["Hints", "close_refused"]

# asyncio.run() and run_until_complete() say it differently, as do the versions of Python.
_LOOP_RUNS = ("from a running event loop", "loop is already running", "another loop is running")
# signal.signal() and set_wakeup_fd(), which asyncio's add_signal_handler() calls, and that of uvloop.
_MAIN_THREAD = ("only works in main thread", "only be called from the main thread")
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

    def for_failure(self, cell: Cell, error: BaseException, *, owned: bool = True) -> Notice | None:
        """A hint about the exception that ended a cell, on its thread; ``owned`` if the loop is aiorepl's own."""
        if needs_main_thread(error):
            if not owned or threading.current_thread() is threading.main_thread():
                return None
            return self._once("signal", "signal handlers need the main thread: start aiorepl with --main-loop")
        if not wants_loop(error):
            return None
        if _is_file(cell):
            return self._once("run file", _for_file(cell))
        call = next(_runs(cell.tree, functions=True), None)
        if call is not None:
            return self._once("run", f"a loop is running here already, so type: await {_source(cell, call.args[0])}")
        return self._once(
            "run elsewhere", "a loop is running here already: await the coroutine instead of running a loop"
        )

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


def wants_loop(error: BaseException) -> bool:
    """Tell whether something failed because it was to run a loop where one runs already."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _LOOP_RUNS)


def needs_main_thread(error: BaseException) -> bool:
    """Tell whether a signal handler was to be set in another thread."""
    return isinstance(error, RuntimeError | ValueError) and any(words in str(error) for words in _MAIN_THREAD)


def close_refused(cell: Cell, error: BaseException) -> None:
    """Close the coroutine that a file's ``asyncio.run(main())`` has made and did not run: that is told already."""
    if not _is_file(cell) or not wants_loop(error):
        return
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None or traceback.tb_frame.f_globals.get("__name__") not in (
        "asyncio.runners",
        "asyncio.base_events",
    ):
        return
    for value in list(traceback.tb_frame.f_locals.values()):
        if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            value.close()


def _is_file(cell: Cell) -> bool:
    return not cell.filename.startswith("<")


def _for_file(cell: Cell) -> str:
    """Say how a file runs that begins a loop of its own, and where it could await instead."""
    # There is one for ``-m``.
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    what = shlex.quote(cell.filename)
    if spec is not None and spec.origin == cell.filename:
        what = f"-m {spec.name.removesuffix('.__main__')}"
    call = next(_runs(cell.tree, functions=False), None)
    instead = f", or write await {_source(cell, call.args[0])} in line {call.lineno}" if call is not None else ""
    return f"a loop is running here already: run it with python -m aiorepl run {what}{instead}"


def _runs(tree: ast.AST, *, functions: bool) -> Iterator[ast.Call]:
    """The calls that run a loop; those in functions, where await may not be allowed, only if they are wanted."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and node.args and _called(node) in ("run", "run_until_complete"):
            yield node
        if functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _runs(node, functions=functions)


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
