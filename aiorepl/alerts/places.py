"""Where something happened, as a person looks for it: the line of the program's own, and its text."""

import linecache
from collections.abc import Callable, Iterable
from types import FrameType

from aiorepl.introspect.chain import origin, place
from aiorepl.introspect.failures import in_library
from aiorepl.introspect.values import Frame

__all__ = ["frame_at", "innermost_own", "line_text", "users_frame", "where_words"]

# Characters of a line that are shown.
_LONGEST = 100


def line_text(frame: Frame | None) -> str:
    """Return the source of a place without its indent; empty if it is not there."""
    if frame is None:
        return ""
    text = linecache.getline(frame.file, frame.line).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def users_frame(frame: FrameType, until: Callable[[FrameType], bool] = lambda _: False) -> Frame:
    """Describe the innermost frame of a running stack that is the program's own; if none is, the innermost.

    It is looked for inside of the frame of which ``until`` is true.
    """
    here: FrameType | None = frame
    while here is not None and not until(here):
        found = place(here)
        if not (found.own or found.library or "site-packages" in found.file):
            return found
        here = here.f_back
    return place(frame)


def innermost_own(stack: Iterable[Frame]) -> Frame | None:
    """Return the innermost frame of a stack that is the program's own; None if there is none."""
    own = [frame for frame in stack if not (frame.own or frame.library or in_library(frame.file))]
    return own[-1] if own else None


def frame_at(file: str, line: int, function: str = "") -> Frame:
    """Describe a place that is known by its file and line."""
    name, library, own = origin(file)
    return Frame(function, name, line, library, own)


def where_words(frame: Frame | None) -> str:
    """Write a place as ``file, line N``, as Python does; empty where there is none."""
    return f"{frame.file}, line {frame.line}" if frame is not None else ""
