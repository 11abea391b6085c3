"""Whether a call into C has held the GIL, which no Python thread can see while it happens."""

import sys
from collections.abc import Callable

from aiorepl.alerts.pulse import PERIOD

try:
    import resource
except ImportError:
    # Windows has none.
    resource = None  # type: ignore[assignment]

__all__ = ["GilWatch"]

# A thread that was held up for so long may have waited for the GIL.
_OVERSLEPT = 4 * PERIOD
# The part of that time for which the loop's thread worked, at least, and of the times that this one looked for the GIL.
_WORKED = 0.5
_LOOKED = 0.2


class GilWatch:
    """Asked again and again by a thread that then sleeps for a ``PERIOD``.

    Who waits for the GIL wakes up at each switch interval and goes to sleep again, which Linux counts. One that is late
    without that was not given a processor, as happens on a busy machine.
    """

    def __init__(self, worked: Callable[[], float], slept: Callable[[], int | None] | None = None) -> None:
        """Begin now; ``worked`` returns the processor time of the loop's thread, or 0.0 as long as that is not known.

        ``slept`` returns how often this thread has gone to sleep by itself, or None where that is not known.
        """
        self._worked = worked
        self._slept = slept or _times_slept
        self._last_worked = worked()
        self._last_slept = 0

    def held(self, since: float, now: float) -> float | None:
        """Return for how many seconds this thread waited for the GIL while the loop's thread worked; None if not.

        Args:
            since: When this thread went to sleep.
            now: The time.
        """
        worked, slept = self._worked(), self._slept()
        late = now - since
        # All the time that the thread has worked is not the time since.
        busy = worked - self._last_worked if self._last_worked else 0.0
        self._last_worked = worked
        if late <= _OVERSLEPT or busy <= _WORKED * late:
            looked = False
        else:
            expected = late / sys.getswitchinterval()
            looked = slept is None or slept - self._last_slept > _LOOKED * expected
        self._last_slept = slept or 0
        return late if looked else None


def _times_slept() -> int | None:
    which = getattr(resource, "RUSAGE_THREAD", None)
    return None if which is None else resource.getrusage(which).ru_nvcsw
