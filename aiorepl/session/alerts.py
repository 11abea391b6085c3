"""What a session tells of alerts: those of its loop, at once, and never so many that nobody could read them."""

import asyncio
import threading
from collections.abc import Callable

from aiorepl.alerts.pacing import Pacing
from aiorepl.alerts.values import Alert, Rules
from aiorepl.alerts.watcher import Watcher
from aiorepl.interpret.host import Host
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.loops import number_of
from aiorepl.model import AlertRaised, Event, Notice
from aiorepl.settings import Settings

__all__ = ["AlertFeed", "rules_of"]


def rules_of(settings: Settings) -> Rules:
    """Return the rules that the settings ask for."""
    return Rules(**{name: settings.seconds(name) for name in Rules._fields if name in settings})  # type: ignore[arg-type]


# What is so until one of its tasks ends; nobody tells of that.
_LASTING = frozenset(("deadlock", "lost-wait"))


def _has_ended(number: int | None) -> bool:
    task = BOOK.find(number) if number is not None else None
    return not isinstance(task, asyncio.Task) or task.done()


class AlertFeed:
    """Passes on the alerts of one watcher; ``take`` is called by its thread, ``tick`` by the session's."""

    def __init__(self, watcher: Watcher, host: Callable[[], Host], tell: Callable[[Event], None]) -> None:
        """Tell with ``tell`` of what is about the host's loop, or about none."""
        self._watcher = watcher
        self._dropped = watcher.dropped
        self._host = host
        self._tell = tell
        self._pacing = Pacing()
        self._lock = threading.Lock()
        # The last one in a line, itself if the watcher told of it, and how often the list had been cleared by then.
        self._last: tuple[str, Alert | None, int] = ("", None, 0)
        self.close = watcher.listen(self.take)

    @property
    def last(self) -> str:
        """The last one in a line, until it is over or the list has been cleared."""
        text, alert, cleared = self._last
        over = alert is not None and alert.kind in _LASTING and _has_ended(alert.task)
        return "" if over or cleared != self._watcher.ledger.cleared else text

    def note(self, text: str, alert: Alert | None = None) -> None:
        """Keep this as the last one."""
        self._last = text, alert, self._watcher.ledger.cleared

    def take(self, alert: Alert) -> None:
        """An alert is new, has come again, or has ended."""
        host = self._host()
        if not host.owned and alert.loop not in (None, number_of(host.loop)):
            return
        self.note(f"{alert.kind}: {alert.what}", alert)
        with self._lock:
            shown = self._pacing.show(alert)
        if shown:
            self._tell(AlertRaised(alert))

    def tick(self) -> None:
        """Say how many there were of which nothing was shown."""
        dropped = self._watcher.dropped
        with self._lock:
            self._pacing.hold_back(dropped - self._dropped)
            count = self._pacing.held_back()
        self._dropped = dropped
        if count:
            self._tell(Notice(f"… {count:,} more {'alert' if count == 1 else 'alerts'}; %alerts lists them", "alert"))
