"""What debug mode refuses: uses of a loop from another thread, with the line that made them and its thread-safe form.

asyncio raises RuntimeError there ("Non-thread-safe operation invoked on an event loop other than the current one"), be
it from ``call_soon`` itself or from what calls that: ``create_task``, ``Future.set_result``, ``Task.cancel``. Its own
loops check in ``_check_thread``, which is replaced on the loop object, and costs nothing without debug mode. uvloop
checks in C: there ``call_soon`` is replaced, for as long as debug mode is on.
"""

import ast
import asyncio
import itertools
import linecache
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from aiorepl.alerts.blocked import Report
from aiorepl.alerts.places import line_text, users_frame
from aiorepl.alerts.values import Alert
from aiorepl.introspect import uv
from aiorepl.introspect.chain import bounded, thread_stack
from aiorepl.introspect.failures import in_library, own_frame
from aiorepl.introspect.loops import number_of

__all__ = ["RefusalWatch", "thread_safe"]

# How the message begins, in asyncio and in uvloop.
_REFUSED = "Non-thread-safe operation"
_METHODS = ("call_soon", "call_later", "call_at", "create_task")


class RefusalWatch:
    """Watches for what one loop in debug mode refuses, until ``undo``; told on the thread that is refused."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Report) -> None:
        """Watch from now on."""
        self._loop = loop
        self._report = report
        self._undo: list[Callable[[], None]] = []
        self._undo_call_soon: Callable[[], None] | None = None
        if uv.is_uvloop(loop):
            self._undo.append(_replaced(loop, "set_debug", self._following))
            self._follow()
        elif hasattr(loop, "_check_thread"):
            self._undo.append(_replaced(loop, "_check_thread", self._telling))

    def undo(self) -> None:
        """Give the loop its own methods back."""
        for undo in self._undo:
            undo()
        if self._undo_call_soon is not None:
            self._undo_call_soon()

    def _following(self, set_debug: Any) -> Any:
        def followed(enabled: bool) -> None:
            set_debug(enabled)
            self._follow()

        return followed

    def _follow(self) -> None:
        """Stand before uvloop's ``call_soon`` while debug mode is on."""
        undo = self._undo_call_soon
        if self._loop.get_debug() and undo is None:
            self._undo_call_soon = _replaced(self._loop, "call_soon", self._telling)
        elif undo is not None and not self._loop.get_debug():
            self._undo_call_soon = None
            undo()

    def _telling(self, method: Any) -> Any:
        def told(*arguments: Any, **options: Any) -> Any:
            try:
                handle = method(*arguments, **options)
            except RuntimeError as error:
                if str(error).startswith(_REFUSED):
                    self._tell(sys._getframe(1))
                raise
            # A handle remembers the calls that made it, and this one is not the program's.
            if source := getattr(handle, "_source_traceback", None):
                del source[-1]
            return handle

        return told

    def _tell(self, innermost: FrameType) -> None:
        frame, method = _caller(innermost)
        where = users_frame(frame)
        call = None if in_library(frame.f_code.co_filename) else _call_at(frame)
        name = bounded(ast.unparse(call.func)) if call is not None else f"loop.{method}"
        thread = bounded(threading.current_thread().name)
        self._report(
            Alert(
                "non-threadsafe",
                f"{name} was called in thread {thread}, not the loop's: a RuntimeError in debug mode",
                where=where,
                source=line_text(where),
                loop=number_of(self._loop),
                stack=thread_stack(frame),
                cure=f"Write instead: {thread_safe(call)}",
            ),
            None,
        )


def thread_safe(call: ast.Call | None) -> str:
    """Write a call as another thread than the loop's may make it."""
    if call is None:
        return "loop.call_soon_threadsafe(...)"
    name = ast.unparse(call.func)
    arguments = list(map(ast.unparse, call.args))
    keywords = [ast.unparse(keyword) for keyword in call.keywords]
    if name.rpartition(".")[2] in ("create_task", "ensure_future"):
        return bounded(f"asyncio.run_coroutine_threadsafe({arguments[0] if arguments else '...'}, loop)")
    if name.endswith("call_soon"):
        return bounded(f"{name}_threadsafe({', '.join([*arguments, *keywords])})")
    loop = name.rpartition(".")[0] if name.endswith((".call_later", ".call_at")) else "loop"
    if keywords:
        return bounded(f"{loop}.call_soon_threadsafe(lambda: {ast.unparse(call)})")
    return bounded(f"{loop}.call_soon_threadsafe({', '.join([name, *arguments])})")


def _replaced(loop: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    """Replace a method of one loop object by what is made of it; return what undoes that."""
    replacement = make(getattr(loop, name))
    setattr(loop, name, replacement)

    def undo() -> None:
        if vars(loop).get(name) is replacement:
            delattr(loop, name)

    return undo


def _caller(innermost: FrameType) -> tuple[FrameType, str]:
    """Return the innermost frame that is neither asyncio's nor ours, and the method of the loop that it has called."""
    here, method = innermost, "call_soon"
    while here.f_back is not None and (
        own_frame(here.f_code.co_filename) or here.f_globals.get("__name__", "").startswith("asyncio.")
    ):
        method = here.f_code.co_name
        here = here.f_back
    return here, method if method in _METHODS else "call_soon"


def _call_at(frame: FrameType) -> ast.Call | None:
    """Return the call that a frame is in the middle of, from its source; None if that is not to be had."""
    line, end_line, column, end_column = next(
        itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None,) * 4
    )
    if line is None or end_line is None or column is None or end_column is None:
        return None
    lines = [linecache.getline(frame.f_code.co_filename, number).encode() for number in range(line, end_line + 1)]
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    try:
        found = ast.parse(b"".join(lines).decode().strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return found if isinstance(found, ast.Call) else None
