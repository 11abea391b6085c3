"""Python's warnings that are about asynchronous code become alerts; every other one is shown as before."""

import itertools
import linecache
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Literal, TextIO

from aiorepl.alerts.calls import calls_in
from aiorepl.alerts.places import frame_at, innermost_own, line_text
from aiorepl.alerts.values import Alert
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.values import Frame

__all__ = ["WarningWatch"]

_NEVER_AWAITED = r"coroutine .* was never awaited"
_UNCLOSED = r"unclosed (transport|resource <|event loop|<StreamWriter|connector|client session)|loop .* was not closed"
_COROUTINE = re.compile(r"coroutine '(?P<name>.*)' was never awaited")
_FILE = re.compile(r'\s*File "(?P<file>.*)", line (?P<line>\d+)(?:, in (?P<function>\S+))?')


class WarningWatch:
    """Listens to the warnings of the process, until ``undo``; they come on any thread, from the collector too."""

    def __init__(self, report: Callable[[Alert, object], object]) -> None:
        """Listen from now on."""
        self._report = report
        self._filters = [
            _filter("always", _NEVER_AWAITED, RuntimeWarning),
            _filter("always", _UNCLOSED, ResourceWarning),
        ]
        self._show = warnings.showwarning
        warnings.showwarning = self._showwarning

    def undo(self) -> None:
        """Let warnings go the way they went."""
        if warnings.showwarning == self._showwarning:
            warnings.showwarning = self._show
        for entry in self._filters:
            if entry in warnings.filters:
                warnings.filters.remove(entry)  # type: ignore[attr-defined]
        # Not public, but what everybody calls who changes the list (see its comment in Python's source).
        warnings._filters_mutated()  # type: ignore[attr-defined]

    def _showwarning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = str(message)
        if issubclass(category, RuntimeWarning) and re.match(_NEVER_AWAITED, text):
            self._report(*_never_awaited(text))
        elif issubclass(category, ResourceWarning) and re.match(_UNCLOSED, text):
            self._report(*_unclosed(text))
        else:
            self._show(message, category, filename, lineno, file, line)


def _filter(action: Literal["always"], message: str, category: type[Warning]) -> object:
    """Put a filter in front of the others and return it."""
    warnings.filterwarnings(action, message, category)
    return warnings.filters[0]


def _never_awaited(text: str) -> tuple[Alert, object]:
    first, *rest = text.splitlines()
    stack = tuple(itertools.dropwhile(_is_runner, _places(rest)))
    where = innermost_own(stack) or (stack[-1] if stack else None)
    name = found["name"] if (found := _COROUTINE.match(first)) else ""
    call = _call_of(name, where)
    meant = f"Write: await {call}" if call else "Await it"
    alert = Alert(
        "never-awaited",
        bounded(first),
        where=where,
        source=line_text(where),
        stack=stack,
        cure=f"{meant}, or asyncio.create_task({call or '...'}) to let it run beside; a bare call runs nothing.",
    )
    return alert, where or first


def _places(lines: list[str]) -> Iterator[Frame]:
    for line in lines:
        if found := _FILE.match(line):
            yield frame_at(found["file"], int(found["line"]), found["function"] or "")


def _is_runner(frame: Frame) -> bool:
    # What runs the loop, and a cell on it, stands above the program's own calls.
    return frame.own or frame.library


def _call_of(coroutine: str, where: Frame | None) -> str:
    """Return the call that made a coroutine, from the line that it stands in; empty if that is not to be seen."""
    if where is None:
        return ""
    name = coroutine.rpartition(".")[2]
    for call in calls_in(linecache.getline(where.file, where.line).strip()):
        if call.function.rpartition(".")[2] == name:
            return bounded(str(call))
    return ""


def _unclosed(text: str) -> tuple[Alert, object]:
    first, *rest = text.splitlines()
    # In debug mode uvloop tells where it was made.
    first = bounded(first.partition("; object created at")[0])
    stack = tuple(itertools.dropwhile(_is_runner, _places(rest)))
    where = innermost_own(stack)
    alert = Alert(
        "unclosed",
        f"{first} was collected before it was closed",
        where=where,
        source=line_text(where),
        stack=stack,
        cure=_cure_of(first),
    )
    # Two of a kind differ by address and descriptor.
    return alert, where or re.sub(r"0x[0-9a-f]+|\b\d+\b", "", first)


def _cure_of(text: str) -> str:
    if "event loop" in text or text.startswith("loop "):
        return "Call loop.close() where the loop ends, or let asyncio.run or asyncio.Runner make and close it."
    if "session" in text or "connector" in text:
        return "Use it in an async with block, which closes it."
    return "Close it: writer.close() and await writer.wait_closed(), or transport.close()."
