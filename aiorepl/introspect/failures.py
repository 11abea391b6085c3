"""Exceptions as Python prints them, without the frames above the user's own."""

import os
import traceback
from collections.abc import Iterator
from types import TracebackType

from aiorepl.errors import CommandError
from aiorepl.model import Failure

__all__ = ["describe", "in_library", "own_frame", "place", "users_traceback"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = os.path.dirname(os.path.abspath(traceback.__file__)) + os.sep
# What starts a cell, a task or a thread stands above the user's frames in a traceback; below them it says something.
_RUNNERS = (
    _PACKAGE,
    *(os.path.join(_LIBRARY, "asyncio", name) for name in ("events.py", "runners.py", "base_events.py", "threads.py")),
    os.path.join(_LIBRARY, "concurrent", "futures") + os.sep,
    _LIBRARY + "threading.py",
    "uvloop/",
    "<frozen runpy>",
    _LIBRARY + "runpy.py",
)
# What stands in for Python's own input() stands below the user's frames, and says nothing.
_ASKING = tuple(
    _PACKAGE + os.path.join(*name)
    for name in (("terminal", "console.py"), ("remote", "far_client.py"), ("remote", "streams.py"))
)
# A traceback longer than this is of no use to a person; an exception's message can be of any length.
LONGEST = 200_000


def describe(error: BaseException) -> Failure:
    """Format an exception with its causes, notes and groups; runs its ``__str__``, so call it where that may run.

    The exception is not changed. An exception that cannot be formatted is described by its type.
    """
    try:
        formatted = traceback.TracebackException.from_exception(error, compact=True)
        for part in _parts(formatted, set()):
            _trim(part)
        text = "".join(formatted.format())
        summary = "".join(formatted.format_exception_only()).strip().splitlines()
    except Exception as failed:
        text = f"{type(error).__name__} (its traceback could not be formatted: {type(failed).__name__})\n"
        summary = [text.strip()]
    if len(text) > LONGEST:
        left_out = len(text) - LONGEST
        text = f"{text[: LONGEST // 2]}\n… {left_out:,} more characters …\n{text[-LONGEST // 2 :]}"
    return Failure(text, next(iter(summary[-1:]), type(error).__name__))


def users_traceback(error: BaseException) -> TracebackType | None:
    """The traceback of an exception from the user's first frame on; of a CommandError, as far as their last one."""
    here = error.__traceback__
    while here is not None and own_frame(here.tb_frame.f_code.co_filename):
        here = here.tb_next
    return _without_own_end(here) if isinstance(error, CommandError) else here


def _without_own_end(traceback: TracebackType | None) -> TracebackType | None:
    """A copy without the frames of ours that it ends with: whose fault it is stands above them."""
    parts: list[TracebackType] = []
    while traceback is not None:
        parts.append(traceback)
        traceback = traceback.tb_next
    while parts and own_frame(parts[-1].tb_frame.f_code.co_filename):
        parts.pop()
    for part in reversed(parts):
        traceback = TracebackType(traceback, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return traceback


def place(error: BaseException) -> str:
    """Say in which line of the user's an exception was raised, as ``file, line N, in name``; empty if in none."""
    stack = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in stack if not (own_frame(frame.filename) or in_library(frame.filename))]
    if not frames:
        return ""
    last = frames[-1]
    where = f"{last.filename}, line {last.lineno}"
    return where if last.name == "<module>" else f"{where}, in {last.name}"


def own_frame(filename: str) -> bool:
    """Tell whether a frame's file is one of ours."""
    return filename.startswith(_PACKAGE)


def in_library(filename: str) -> bool:
    """Tell whether a frame's file belongs to Python itself."""
    return filename.startswith((_LIBRARY, "<frozen")) and "site-packages" not in filename


# Every step of a task of a cell passes through it.
_PASSED = "aiorepl/alerts/guests.py"


def _parts(formatted: traceback.TracebackException, seen: set[int]) -> Iterator[traceback.TracebackException]:
    if id(formatted) in seen:
        return
    seen.add(id(formatted))
    yield formatted
    for linked in (formatted.__cause__, formatted.__context__, *(formatted.exceptions or ())):
        if linked is not None:
            yield from _parts(linked, seen)


def _trim(formatted: traceback.TracebackException) -> None:
    stack = formatted.stack
    while stack and stack[0].filename.startswith(_RUNNERS):
        del stack[0]
    stack[:] = [frame for frame in stack if not frame.filename.endswith(_PASSED)]
    while stack and stack[-1].filename in _ASKING:
        del stack[-1]
    # The frame in which a cell is compiled tells nothing about a syntax error in it.
    if hasattr(formatted, "offset") and all(own_frame(frame.filename) for frame in stack):
        stack.clear()
