"""``%log``: the levels of loggers, and their records above the prompt."""

import logging
import sys
from typing import NewType

from aiorepl.commands.arguments import Choice, Kind, Query, add_kind
from aiorepl.commands.context import Context
from aiorepl.commands.debug_values import LoggerList, LoggerRow
from aiorepl.commands.log_feed import LogFeed, log_feed
from aiorepl.commands.registry import command
from aiorepl.errors import CommandError
from aiorepl.introspect.chain import bounded
from aiorepl.model import Notice

LogLevel = NewType("LogLevel", str)
LoggerName = NewType("LoggerName", str)

_LEVELS = ("debug", "info", "warning", "error", "critical")


def _levels(query: Query) -> list[Choice]:
    return [*((level, "") for level in _LEVELS), ("off", "as the logger was found")]


def _loggers(query: Query) -> list[Choice]:
    return [(name, "") for name in sorted(["root", *_known()])]


add_kind(LogLevel, Kind(str, "debug, info, warning, error, critical, a number, or off", _levels, "LEVEL|off"))
add_kind(LoggerName, Kind(str, "a logger's name", _loggers, "LOGGER"))


@command(
    group="debug",
    looks=lambda level=None, logger=None: level is None,
    examples=[
        ("%log debug", "what asyncio's logger tells, from DEBUG on"),
        ("%log info app.db", "the same of another logger"),
        ("%log off", "as it was"),
        ("%log", "the loggers that have a level or handlers"),
    ],
)
def log(context: Context, level: LogLevel | None = None, logger: LoggerName | None = None) -> LoggerList | None:
    """Set a logger's level and show its records here, or list the loggers.

    Records are shown above the prompt, coloured by level, twenty a second at most; those of which an alert tells are
    not. When the session ends, each logger has the level and the handlers that it had.

    Args:
        level: From which level on records are shown; off leaves the logger as it was found.
        logger: Whose they are; asyncio's unless given. "root" is the one above all others.
    """
    feed = log_feed(context)
    if level is None:
        return _listed(feed)
    known = logger is None or logger == "root" or logger in _known()
    subject = logging.getLogger(None if logger == "root" else logger or "asyncio")
    if level == "off":
        feed.leave(subject)
        context.emit(Notice(f"{subject.name}: {logging.getLevelName(subject.getEffectiveLevel())}, as it was"))
        return None
    feed.show(subject, _level(level))
    found = "" if known else ", a logger that nobody has used so far"
    name = logging.getLevelName(subject.level)
    off = "%log off" if logger is None else f"%log off {logger}"
    context.emit(Notice(f"{bounded(subject.name)}: {name} and above is shown here{found}; {off} ends that"))
    return None


def _level(word: str) -> int:
    levels = logging.getLevelNamesMapping()
    if str(word).upper() in levels:
        return levels[str(word).upper()]
    try:
        number = int(word)
    except ValueError:
        number = -1
    if number < 0:
        raise CommandError(f"%log takes {', '.join(_LEVELS)}, a number, or off, not {word!r}")
    return number


def _known() -> list[str]:
    """The names of the loggers that somebody has asked for."""
    return [name for name, logger in list(_manager().items()) if isinstance(logger, logging.Logger)]


def _manager() -> dict[str, object]:
    return logging.root.manager.loggerDict  # type: ignore[return-value]


# Rows of the list.
_MOST = 50


def _listed(feed: LogFeed) -> LoggerList:
    loggers = [logging.root, *(logging.getLogger(name) for name in sorted(_known()))]
    shown = [
        found
        for found in loggers
        if ((found.level or found.handlers) and not _is_our_helpers(found)) or found.name in ("root", "asyncio")
    ]
    rows = tuple(_row(logger, feed) for logger in shown[:_MOST])
    return LoggerList(rows, len(shown) - len(rows))


def _is_our_helpers(logger: logging.Logger) -> bool:
    """Tell whether a logger has its level from the completions only, for which jedi's parser is kept quiet."""
    completions = sys.modules.get("aiorepl.interpret.jedi_completion")
    return completions is not None and completions.has_quieted(logger)


def _row(logger: logging.Logger, feed: LogFeed) -> LoggerRow:
    return LoggerRow(
        bounded(logger.name),
        logging.getLevelName(logger.level) if logger.level else "",
        logging.getLevelName(logger.getEffectiveLevel()),
        tuple(_words(handler) for handler in logger.handlers if handler is not feed),
        feed.shows(logger),
        logger.propagate and logger.parent is not None,
    )


def _words(handler: logging.Handler) -> str:
    """Name a handler by its type, and the file that it writes to."""
    if isinstance(handler, LogFeed):
        return "another session"
    file = getattr(handler, "baseFilename", "")
    return bounded(f"{type(handler).__name__} {file}".rstrip())
