"""``aiorepl.watch``: the alerts of an app without any prompt, to a callback, to the log, or to both."""

import asyncio
import logging
from collections.abc import Callable, Collection
from types import TracebackType

from aiorepl.alerts.values import KINDS, Alert, Kind, Rules
from aiorepl.alerts.watcher import shared
from aiorepl.errors import LoopError

__all__ = ["Watch", "watch"]

_LOGGER = logging.getLogger("aiorepl")
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


def watch(
    loop: asyncio.AbstractEventLoop | None = None,
    on_alert: Callable[[Alert], object] | None = None,
    *,
    log: bool | None = None,
    slow: float = 0.1,
    lag: float = 0.01,
    saturation: float = 0.95,
    first_step: float = 1.0,
    unretrieved: float = 1.0,
    swallowed: float = 5.0,
    look: float = 0.0,
    exact: bool = False,
    stats: bool = False,
    off: Collection[Kind] = (),
) -> "Watch":
    """Watch a loop until the returned object is ended; also a context manager. May be called from any thread.

    Everything that is changed for it is changed back at the end: the loop's exception handler (the one before is still
    called), its ``create_task`` and ``call_at``, the hook for warnings; there is one thread that watches. The rules are
    those of the process: where it is watched twice, the newer ones hold for both.

    Args:
        loop: The running one if left out.
        on_alert: Called with each alert, by the thread that watches: when it is new, when it has come again, and when
            something that was told while it lasted has ended. If it raises, that is logged, and it is called no more.
        log: Also write each alert to the logger ``aiorepl``, as a record whose attribute ``alert`` is the alert. Left
            out, that is done if there is no ``on_alert``.
        slow: Seconds for which a step, or a pass of the loop, may hold it. Times are in seconds, and 0 switches off.
        lag: How late callbacks may come, in the median of 5 s.
        saturation: The part of 5 s for which the loop may be busy.
        first_step: How long the first step of a task may take.
        unretrieved: How long nobody need look at the exception of a task that failed.
        swallowed: How long a task may go on after it was cancelled.
        look: The time from one look at all tasks (for deadlocks, lost waits, growing crowds) to the next.
        exact: Measure each step, at about 0.2 us, where the loop allows it; samples are taken 25 ms apart otherwise.
        stats: Count the steps and wakes of each task, at about 0.5 us a step; tasks that only wake themselves are told.
        off: Kinds of alerts that are not wanted.

    Raises:
        LoopError: If no loop is named and none is running.
        ValueError: If there is no such kind of alert.
    """
    target = loop if loop is not None else asyncio._get_running_loop()
    if target is None:
        raise LoopError("no loop is running here; name one, as in aiorepl.watch(loop)")
    if unknown := set(off).difference(KINDS):
        raise ValueError(f"no kind of alert is called {min(unknown)!r}; there are {', '.join(KINDS)}")
    rules = Rules(
        slow=slow,
        lag=lag,
        saturation=saturation,
        first_step=first_step,
        unretrieved=unretrieved,
        swallowed=swallowed,
        look=look,
        exact=exact,
        stats=stats,
        off=frozenset(off),
    )
    listeners = [on_alert] if on_alert is not None else []
    if log or (log is None and on_alert is None):
        listeners.append(_log)
    return Watch(target, rules, listeners)


class Watch:
    """A loop that is watched, until ``end``."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, rules: Rules, listeners: Collection[Callable[[Alert], object]]
    ) -> None:
        """Begin; made by ``watch``."""
        self._loop = loop
        self._watcher = shared()
        self._before = self._watcher.rules
        self._rules = rules
        self._watcher.set_rules(rules)
        self._forget = [self._watcher.listen(listener) for listener in listeners]
        self._watcher.watch(loop)
        self._ended = False

    def __enter__(self) -> "Watch":
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self.end()

    @property
    def alerts(self) -> list[Alert]:
        """The alerts of the process so far, those that came last at the end; at most 200 different ones."""
        return self._watcher.ledger.list()

    def end(self) -> None:
        """Watch no more; what has been found so far is handed on first. May be called again, and from any thread."""
        if self._ended:
            return
        self._ended = True
        self._watcher.unwatch(self._loop)
        for forget in self._forget:
            forget()
        if self._watcher.rules is self._rules:
            self._watcher.set_rules(self._before)


def _log(alert: Alert) -> None:
    where = f" ({alert.where.file}, line {alert.where.line})" if alert.where is not None else ""
    length = f"; {alert.duration:.3f} s" if alert.duration is not None else ""
    level = _LEVELS[alert.severity]
    _LOGGER.log(level, "%s: %s%s%s", alert.kind, alert.what, length, where, extra={"alert": alert})
