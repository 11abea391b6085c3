"""What the debug commands return: frozen plain data, drawn by ``aiorepl.render.describe_debug``. Times are seconds."""

from typing import Literal, NamedTuple

from aiorepl.alerts.debugmode import Price, Way, Ways

__all__ = ["DebugInfo", "LoggerList", "LoggerRow", "SlowInfo"]

# Why a price was not measured: the loop is an app's and nobody asked for it, does not answer, is held by the cell that
# asks, or is not the one that cells run on; or it was interrupted.
Unpriced = Literal["", "app", "blocked", "cell", "elsewhere", "interrupted"]


class DebugInfo(NamedTuple):
    """Debug mode of one loop.

    ``by`` are those who switched it on or off, ``ways`` how it was asked for before the loop ran. ``switched`` is what
    this session wishes for, if anything, and ``left`` for how long. ``slow`` is from when on a callback is logged,
    ``origins`` how many calls are remembered of where a coroutine was made; None where that is not known.
    """

    loop: int
    on: bool
    by: tuple[Way, ...] = ()
    ways: Ways = Ways()
    switched: bool | None = None
    left: float | None = None
    slow: float | None = None
    origins: int | None = None
    price: Price | None = None
    unpriced: Unpriced = ""


class SlowInfo(NamedTuple):
    """From when on a step is slow: for alerts (0: never), and for debug mode (None if the loop has no such thing)."""

    loop: int
    alerts: float
    logged: float | None
    debug: bool = False


class LoggerRow(NamedTuple):
    """A logger with a level or handlers of its own.

    ``level`` is empty where it has none of its own and ``effective`` is that of a logger above. ``here`` if this
    session shows its records. ``passes_on`` if they go to the handlers of the loggers above as well.
    """

    name: str
    level: str
    effective: str
    handlers: tuple[str, ...] = ()
    here: bool = False
    passes_on: bool = True


class LoggerList(NamedTuple):
    """The loggers by name, the first of them; ``omitted`` are left out."""

    loggers: tuple[LoggerRow, ...]
    omitted: int = 0
