"""What asyncio logs, as far as alerts tell of it: it is not told twice. Every other record goes where it went."""

import asyncio
import contextlib
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from time import perf_counter

from aiorepl.alerts.places import frame_at
from aiorepl.alerts.steps import SlowStep
from aiorepl.introspect.chain import bounded

__all__ = ["ALERTED", "LogWatch", "handlers_of", "on_screen", "read_step", "told"]

# An attribute of a record that has become an alert, or is told by one.
ALERTED = "aiorepl_alerted"

_SLOW = re.compile(r"Executing %s took %\.\d+f seconds")
_TASK = re.compile(
    r"<\w+ \w+ name='(?P<name>.*?)' coro=<(?P<coroutine>.+?)(?:\(\))? (?:\w+, )?(?P<how>running|defined)"
    r" at (?P<file>[^\n]+?):(?P<line>\d+)>"
)
_HANDLE = re.compile(r"<\w*Handle (?:when=\S+ )?(?P<callback>.+?)(?=\(| at | created at |>$)")


_TOLD = threading.local()


class LogWatch:
    """A filter of the ``asyncio`` logger, until ``undo``; it is asked on whatever thread logs."""

    def __init__(self, slow: Callable[[asyncio.AbstractEventLoop, SlowStep], bool], *, quiet: bool) -> None:
        """Stand before the logger's handlers.

        Args:
            slow: Takes a slow step of a loop, on its thread; False if no alert tells of it.
            quiet: Keep records of which an alert tells from the screen; other handlers still get them.
        """
        self._slow = slow
        self._quiet = quiet
        self._logger = logging.getLogger("asyncio")
        self._logger.addFilter(self)

    def undo(self) -> None:
        """Let records go the way they went."""
        self._logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a record; False if no handler is to get it any more."""
        try:
            alerted = self._becomes_alert(record)
        except Exception:
            # What is raised here would come out of the loop.
            logging.getLogger("aiorepl").exception("a record of asyncio's logger could not be read")
            return True
        if not alerted:
            return True
        setattr(record, ALERTED, True)
        if not self._quiet:
            return True
        for handler in handlers_of(self._logger):
            if record.levelno >= handler.level and not on_screen(handler):
                handler.handle(record)
        return False

    def _becomes_alert(self, record: logging.LogRecord) -> bool:
        if getattr(_TOLD, "now", False):
            return True
        loop = asyncio._get_running_loop()
        if loop is None or not isinstance(record.args, tuple) or not _SLOW.fullmatch(str(record.msg)):
            return False
        what, duration = record.args
        return isinstance(duration, float) and self._slow(loop, read_step(str(what), duration))


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Whatever asyncio's logger is given meanwhile, on this thread, is what an alert tells."""
    before = getattr(_TOLD, "now", False)
    _TOLD.now = True
    try:
        yield
    finally:
        _TOLD.now = before


def read_step(handle: str, duration: float) -> SlowStep:
    """Read what asyncio says of the handle that has just been run: a task's or a handle's repr."""
    step = SlowStep(duration, perf_counter() - duration, bounded(handle))
    if task := _TASK.match(handle):
        where = frame_at(task["file"], int(task["line"]), task["coroutine"])
        step = step._replace(name=bounded(task["name"]), coroutine=bounded(task["coroutine"]))
        return step._replace(stack=(where,)) if task["how"] == "running" else step._replace(defined=where, ended=True)
    if found := _HANDLE.match(handle):
        return step._replace(callback=bounded(found["callback"]))
    return step


def handlers_of(logger: logging.Logger) -> Iterator[logging.Handler]:
    """The handlers that a logger's records go to, as ``Logger.callHandlers`` finds them."""
    here: logging.Logger | None = logger
    while here is not None:
        yield from list(here.handlers)
        here = here.parent if here.propagate else None


def on_screen(handler: logging.Handler) -> bool:
    """Tell whether what a handler writes appears where the process prints."""
    stream = getattr(handler, "stream", None)
    return isinstance(handler, logging.StreamHandler) and stream in (
        sys.stdout,
        sys.stderr,
        sys.__stdout__,
        sys.__stderr__,
    )
