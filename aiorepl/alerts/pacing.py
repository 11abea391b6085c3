"""Which alerts a person is shown at once: what is new, and of what comes again and again only a few; never a flood."""

import time
from collections.abc import Callable

from aiorepl.alerts.values import Alert

__all__ = ["Pacing"]

# So many are shown in a second.
_AT_ONCE = 3
# An alert that comes again is shown when it has come ten times, a hundred times, and so on, and after so many seconds.
_AGAIN = 30.0
# How many numbers of alerts are remembered.
_KEPT = 1_000


class Pacing:
    """Decides alert by alert; used on one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has been shown yet."""
        self._clock = clock
        self._shown: dict[int, float] = {}
        # Those that were shown while they lasted: their end is shown too.
        self._lasting: set[int] = set()
        self._times: list[float] = []
        self._held_back = 0

    def show(self, alert: Alert) -> bool:
        """Tell whether an alert is to be shown now; one that is new and held back is counted."""
        now = self._clock()
        before = self._shown.get(alert.number)
        ended = alert.number in self._lasting and alert.phase == "ended"
        if ended:
            self._lasting.discard(alert.number)
        elif before is not None and now - before < _AGAIN and not _round(alert.times):
            return False
        if not self._room(now):
            self._held_back += before is None
            return False
        self._times.append(now)
        if alert.phase == "lasts":
            self._lasting.add(alert.number)
        self._shown.pop(alert.number, None)
        self._shown[alert.number] = now
        if len(self._shown) > _KEPT:
            oldest = next(iter(self._shown))
            del self._shown[oldest]
            self._lasting.discard(oldest)
        return True

    def held_back(self) -> int:
        """Return how many new alerts were not shown since this was asked last; 0 while others still come."""
        if not self._held_back or not self._room(self._clock()):
            return 0
        count, self._held_back = self._held_back, 0
        return count

    def _room(self, now: float) -> bool:
        self._times = [time for time in self._times if now - time < 1.0]
        return len(self._times) < _AT_ONCE


def _round(count: int) -> bool:
    return count >= 10 and str(count).strip("0") == "1"
