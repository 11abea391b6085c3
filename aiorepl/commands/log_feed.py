"""The records of loggers, on their way to one session: bounded, so that a flood of them reaches nobody."""

import asyncio
import collections
import logging
import time
import weakref
from collections.abc import Callable

from aiorepl.alerts.logged import ALERTED, handlers_of, on_screen
from aiorepl.alerts.overrides import Overrides
from aiorepl.commands.context import Context, Undo
from aiorepl.introspect.failures import describe
from aiorepl.introspect.own_loops import OWN_LOOPS
from aiorepl.model import Event, Logged, Notice

__all__ = ["LogFeed", "log_feed"]

# Records of a second that are shown, and of each so many characters and lines.
_SHOWN = 20
_LONGEST = 2_000
_LINES = 20

LEVELS: Overrides[logging.Logger, int] = Overrides(lambda logger: logger.level, logging.Logger.setLevel)


class LogFeed(logging.Handler):
    """Takes the records of the loggers that one session asked for; they may be logged on any thread.

    Who logs never waits for the session. Where the process prints on the session's own screen, a record stands there
    once: in a program of aiorepl's own, handlers that write there leave these records out; in somebody's program, what
    its handlers write there is left out here.
    """

    def __init__(self, *, alone: bool, far: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet.

        Args:
            alone: Nobody else prints these records on the screen: the program is aiorepl's own.
            far: The session's screen is another one than that on which the process prints.
            clock: Tells the time, in seconds.
        """
        super().__init__()
        self._alone = alone
        self._far = far
        self._clock = clock
        self._found: collections.deque[Logged] = collections.deque()
        self._since = clock()
        self._left = _SHOWN
        # Those that were not shown since it was told.
        self._more = 0
        self._loggers: set[logging.Logger] = set()
        self._filtered: set[logging.Handler] = set()
        self._over = False

    def show(self, logger: logging.Logger, level: int) -> None:
        """Show the records of a logger from this level on."""
        LEVELS.put(logger, self, level)
        self._loggers.add(logger)
        logger.addHandler(self)
        self._stand_before(logger)

    def leave(self, logger: logging.Logger) -> None:
        """Show no more of a logger, and give it back the level that it had."""
        LEVELS.drop(logger, self)
        self._loggers.discard(logger)
        logger.removeHandler(self)

    def shows(self, logger: logging.Logger) -> bool:
        """Tell whether a logger's own records are asked for."""
        return logger in self._loggers

    def close(self) -> None:
        """Leave every logger and handler as it was found."""
        self._over = True
        for logger in list(self._loggers):
            self.leave(logger)
        for handler in list(self._filtered):
            handler.removeFilter(self._is_not_shown)
        self._filtered.clear()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, unless an alert tells of it, or it has come by another logger already."""
        if self._over or getattr(record, ALERTED, False) or asyncio._get_running_loop() in OWN_LOOPS:
            return
        if not self._is_not_shown(record) or self._is_printed(record):
            return
        record.__dict__.setdefault("aiorepl_shown", set()).add(id(self))
        self._stand_before(logging.getLogger(record.name))
        now = self._clock()
        if now - self._since >= 1.0:
            self._since, self._left = now, _SHOWN
        if not self._left:
            self._more += 1
            return
        self._left -= 1
        self._found.append(Logged(record.name, record.levelno, record.levelname, _text(record)))

    def feed(self) -> list[Event] | None:
        """Return what has come since it was asked before; None if nothing will any more."""
        if self._over:
            return None
        events: list[Event] = [self._found.popleft() for _ in range(len(self._found))]
        if self._more and self._clock() - self._since >= 1.0:
            more, self._more = self._more, 0
            records = "record" if more == 1 else "records"
            events.append(Notice(f"… {more:,} more log {records}; %log with a higher level shows fewer"))
        return events

    def _stand_before(self, logger: logging.Logger) -> None:
        for handler in handlers_of(logger) if self._alone else ():
            if handler is not self and handler not in self._filtered and on_screen(handler):
                self._filtered.add(handler)
                handler.addFilter(self._is_not_shown)

    def _is_printed(self, record: logging.LogRecord) -> bool:
        """Tell whether a handler of the program's writes a record on the screen, be it before this or after."""
        if self._alone or self._far:
            return False
        return any(
            on_screen(handler) and record.levelno >= handler.level and not handler.filters
            for handler in handlers_of(logging.getLogger(record.name))
        )

    def _is_not_shown(self, record: logging.LogRecord) -> bool:
        return id(self) not in getattr(record, "aiorepl_shown", ())


def _text(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception as error:
        text = f"{str(record.msg)[:_LONGEST]} (its message could not be made: {type(error).__name__}: {error})"
    if record.exc_info and record.exc_info[1] is not None:
        text = f"{text}\n{describe(record.exc_info[1]).text}"
    if record.stack_info:
        text = f"{text}\n{record.stack_info}"
    return _bounded(text.rstrip("\n"))


def _bounded(text: str) -> str:
    left_out = len(text) - _LONGEST
    lines = (text[:_LONGEST] + "…" if left_out > 0 else text).split("\n")
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], f"… {len(lines) - _LINES:,} more lines"]
    return "\n".join(lines)


_SESSIONS: "weakref.WeakKeyDictionary[Undo, LogFeed]" = weakref.WeakKeyDictionary()


def log_feed(context: Context) -> LogFeed:
    """Return what brings records to a session; it ends with the session."""
    feed = _SESSIONS.get(context.undo)
    if feed is None:
        feed = _SESSIONS[context.undo] = LogFeed(alone=context.owned, far=context.far)
        context.feed(feed.feed)
        context.undo.callback(feed.close)
    return feed
