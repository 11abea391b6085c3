"""The alerts of a program: the same again is counted and not listed anew, and the list is bounded."""

import threading
import time
from collections.abc import Callable
from typing import Any

from aiorepl.alerts.values import KINDS, Alert, Kind

__all__ = ["Ledger", "bounded_alert", "shortened"]

# So many different alerts are kept; of more, those that came longest ago are forgotten.
_KEPT = 200
# Characters of a line and of a detail, and frames of a stack, that are kept.
_LINE = 1_000
_LONGEST = 8_000
_FRAMES = 40


class Ledger:
    """Numbered alerts, of which two with the same kind and key are one; may be used from any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start empty."""
        self._clock = clock
        # In the order in which they came last.
        self._alerts: dict[object, Alert] = {}
        self._keys: dict[int, object] = {}
        self._lock = threading.Lock()
        self._next = 1
        self.forgotten = 0
        # How often all were forgotten because somebody asked for that.
        self.cleared = 0

    def add(self, alert: Alert, key: object = None) -> Alert:
        """Enter an alert, and return it as it is listed now.

        Args:
            alert: What happened.
            key: What makes two of a kind the same; the line that they are about, unless given.
        """
        now = self._clock()
        with self._lock:
            known = (alert.kind, key if key is not None else _place(alert))
            before = self._alerts.pop(known, None)
            entered = bounded_alert(alert)._replace(
                severity=KINDS[alert.kind].severity,
                number=before.number if before else self._next,
                first=before.first if before else now,
                last=now,
                times=before.times + 1 if before else 1,
            )
            if before is None:
                self._next += 1
                self._make_room()
            self._alerts[known] = entered
            self._keys[entered.number] = known
        return entered

    def update(self, number: int, **changes: Any) -> Alert | None:
        """Say more of an alert that was entered; None if it has been forgotten meanwhile."""
        with self._lock:
            key = self._keys.get(number)
            if key is None:
                return None
            updated = self._alerts[key] = bounded_alert(self._alerts[key]._replace(**changes))
            return updated

    def get(self, number: int) -> Alert | None:
        """Return the alert of a number, if there is one."""
        with self._lock:
            return self._alerts.get(self._keys.get(number))

    def list(self, kind: Kind | None = None) -> list[Alert]:
        """The alerts, those that came last at the end."""
        with self._lock:
            return [alert for alert in self._alerts.values() if kind is None or alert.kind == kind]

    def clear(self) -> int:
        """Forget every alert; return how many there were."""
        with self._lock:
            count = len(self._alerts)
            self._alerts.clear()
            self._keys.clear()
            self.forgotten = 0
            self.cleared += 1
            return count

    def _make_room(self) -> None:
        while len(self._alerts) >= _KEPT:
            oldest = self._alerts.pop(next(iter(self._alerts)))
            del self._keys[oldest.number]
            self.forgotten += 1


def _place(alert: Alert) -> object:
    return (alert.where.file, alert.where.line) if alert.where is not None else alert.what[:_LINE]


def bounded_alert(alert: Alert) -> Alert:
    """Return an alert none of whose parts is large."""
    longest = max(len(alert.what), len(alert.source), len(alert.cure))
    if longest <= _LINE and len(alert.detail) <= _LONGEST and len(alert.stack) <= _FRAMES:
        return alert
    return alert._replace(
        what=_cut(alert.what),
        source=_cut(alert.source),
        cure=_cut(alert.cure),
        detail=shortened(alert.detail),
        stack=alert.stack[-_FRAMES:],
    )


def _cut(line: str) -> str:
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"


def shortened(text: str) -> str:
    """Return a detail that is no longer than is kept; what stands in the middle is left out."""
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} more characters …\n{text[-half:]}"
