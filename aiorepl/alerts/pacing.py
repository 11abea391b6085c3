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
# Seconds after which it is said how many were not shown, though others still come.
_SAID = 2.0


class Pacing:
    """Decides alert by alert; used on one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has been shown yet."""
        self._clock = clock
        self._shown: dict[int, float] = {}
        # Those that were shown while they lasted: their end is shown too.
        self._lasting: set[int] = set()
        self._times: list[float] = []
        # Those that were not shown, as far as they are remembered; how many more; and since when there are any.
        self._held: set[int] = set()
        self._more = 0
        self._since = 0.0

    def show(self, alert: Alert) -> bool:
        """Tell whether an alert is to be shown now; one that has not been and is held back is counted."""
        now = self._clock()
        before = self._shown.get(alert.number)
        ended = alert.number in self._lasting and alert.phase == "ended"
        if ended:
            self._lasting.discard(alert.number)
        elif before is not None and now - before < _AGAIN and not _round(alert.times):
            return False
        if not self._room(now):
            if before is None:
                self._hold_back(alert.number, now)
            return False
        self._held.discard(alert.number)
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

    def hold_back(self, count: int) -> None:
        """Count some of which nothing else is known."""
        if count > 0:
            self._since = self._since if self._held or self._more else self._clock()
            self._more += count

    def held_back(self) -> int:
        """Return how many alerts were not shown since this was said last; 0 as long as they may be shown yet."""
        now = self._clock()
        count = len(self._held) + self._more
        if not count or not (self._room(now) or now - self._since >= _SAID):
            return 0
        self._held.clear()
        self._more = 0
        return count

    def _hold_back(self, number: int, now: float) -> None:
        if not (self._held or self._more):
            self._since = now
        if len(self._held) < _KEPT:
            self._held.add(number)
        else:
            self._more += number not in self._held

    def _room(self, now: float) -> bool:
        self._times = [time for time in self._times if now - time < 1.0]
        return len(self._times) < _AT_ONCE


def _round(count: int) -> bool:
    return count >= 10 and str(count).strip("0") == "1"
