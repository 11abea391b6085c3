"""The callback that a loop's thread is in, seen from another thread by the frames on its stack.

uvloop runs its callbacks without a frame, so that there is nothing to be seen but those of the callback itself.
"""

import asyncio
from types import CodeType, FrameType

from aiorepl.alerts.places import frame_at, users_frame
from aiorepl.introspect.callbacks import callback_name
from aiorepl.introspect.chain import bounded, place
from aiorepl.introspect.failures import in_library, own_frame
from aiorepl.introspect.values import Frame

__all__ = [
    "asked_at",
    "callback_words",
    "handle_run_by",
    "is_own_step",
    "program_line",
    "running_callback",
    "runs_callback",
]

# The functions that run a callback, and their variable in which its handle is.
_RUNNERS = {
    ("asyncio/events.py", "_run"): "self",
    ("aiorepl/alerts/steps.py", "_run_here"): "self",
    ("aiorepl/alerts/steps.py", "_run_around"): "self",
    ("aiorepl/alerts/stats.py", "_run"): "self",
    ("aiorepl/alerts/stats.py", "run"): "handle",
}


def runs_callback(frame: FrameType) -> bool:
    """Tell whether a frame is the one in which a loop runs a callback, be that measured or not."""
    return _variable(frame.f_code) is not None


def handle_run_by(frame: FrameType) -> asyncio.Handle | None:
    """Return the handle of the callback that is run in a frame; None if it runs none."""
    variable = _variable(frame.f_code)
    handle = frame.f_locals.get(variable) if variable is not None else None
    return handle if isinstance(handle, asyncio.Handle) else None


def running_callback(frame: FrameType) -> object | None:
    """Return what is called by the handle that is run on a stack, given its innermost frame; None if none is seen."""
    here: FrameType | None = frame
    while here is not None:
        if (handle := handle_run_by(here)) is not None:
            return handle._callback  # type: ignore[attr-defined, no-any-return]
        here = here.f_back
    return None


def callback_words(frame: FrameType, base: CodeType | None = None) -> str:
    """Name the callback that a stack is in, as far as it is seen; ``base`` is the code that runs the loop."""
    callback = running_callback(frame)
    if callback is not None:
        return f"the callback {callback_name(callback)}"
    here: FrameType | None = frame
    while base is not None and here is not None and here.f_code is not base:
        if here.f_back is not None and here.f_back.f_code is base:
            return f"the callback {bounded(here.f_code.co_qualname)}"
        here = here.f_back
    return "a callback"


def is_own_step(frame: FrameType, base: CodeType | None = None) -> bool:
    """Tell whether a loop is at work for aiorepl, and has called nothing of the program's for that."""
    here: FrameType | None = frame
    ours = False
    while not (here is None or here.f_code is base or runs_callback(here)):
        found = place(here)
        if not (found.own or found.library):
            return False
        # The hook that every pass goes through is no work of its own.
        ours = ours or (found.own and not found.file.endswith("alerts/turns.py"))
        here = here.f_back
    return ours


def asked_at(frame: FrameType) -> Frame | None:
    """Describe the line that asked the loop for the callback that a frame runs, which debug mode remembers."""
    remembered = getattr(handle_run_by(frame), "_source_traceback", None) or ()
    for entry in reversed(remembered):
        if not (own_frame(entry.filename) or in_library(entry.filename)):
            return frame_at(entry.filename, entry.lineno or 0, entry.name)
    return None


def program_line(frame: FrameType, base: CodeType | None = None) -> Frame | None:
    """Describe the innermost line of a step that is the program's own, or if none is, the innermost of all.

    ``base`` is the code that runs the loop. None: what the loop has called is written in C, and calls nothing else.
    """
    if runs_callback(frame) or frame.f_code is base:
        return None
    return users_frame(frame, until=lambda here: runs_callback(here) or here.f_code is base)


def _variable(code: CodeType) -> str | None:
    for (file, name), variable in _RUNNERS.items():
        if code.co_name == name and code.co_filename.endswith(file):
            return variable
    return None
