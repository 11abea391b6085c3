"""The end of a cell in a child that it has forked, where nobody shows how it ended, or would stop its loop."""

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import NoReturn

from aiorepl.model import Event, Failure, Leave, Outcome, Result

__all__ = ["leave_child"]


def leave_child(outcome: Outcome, events: Iterable[Event]) -> NoReturn:
    """Print how the cell ended, and end the process as Python would, but for what ``atexit`` has: that is the parent's.

    The terminal is left as it is, as the parent has it.
    """
    status = 0 if outcome == "ok" else 1
    try:
        for event in events:
            # A stream that was closed, or whose reader has gone, keeps nothing from ending.
            with contextlib.suppress(Exception):
                if isinstance(event, Result):
                    print(event.text)
                elif isinstance(event, Failure):
                    sys.stderr.write(event.text)
                elif isinstance(event, Leave):
                    status = event.status
                    sys.stderr.write(event.message + "\n" if event.message else "")
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
    finally:
        os._exit(status)
