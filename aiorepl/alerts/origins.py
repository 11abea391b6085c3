"""Where a task, a future or a callback was made, as debug mode remembers it for each."""

import itertools
import traceback

from aiorepl.introspect.failures import in_library, own_frame

__all__ = ["creation"]


def creation(made: object) -> str:
    """Return the program's calls that led to something, as a traceback is printed; empty where nobody remembers."""
    remembered = getattr(made, "_source_traceback", None)
    if not remembered:
        return ""
    # The runners above the program's own frames, and asyncio's below them, say nothing.
    frames = list(itertools.dropwhile(_is_foreign, remembered))
    while frames and _is_foreign(frames[-1]):
        del frames[-1]
    return "".join(["\ncreated at (most recent call last):\n", *traceback.format_list(frames or remembered)])


def _is_foreign(frame: traceback.FrameSummary) -> bool:
    return own_frame(frame.filename) or in_library(frame.filename)
