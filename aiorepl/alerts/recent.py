"""Failures as they were described last: what comes again and again at one line is described once in a second.

To write a traceback takes a third of a millisecond, and a program that is in trouble has that for other things.
"""

import time
from collections.abc import Callable

from aiorepl.alerts.ledger import shortened
from aiorepl.introspect.failures import describe
from aiorepl.introspect.values import Frame
from aiorepl.model import Failure

__all__ = ["Recent"]

# Seconds for which a description is good enough for the next failure of its kind, and how many are kept.
_FRESH = 1.0
_KEPT = 100


class Recent:
    """Describes failures, each by its type and the line of the program's that it comes from; used on one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has been described yet."""
        self._clock = clock
        self._known: dict[tuple[str, Frame], tuple[float, Failure]] = {}

    def describe(self, error: BaseException, where: Frame | None) -> Failure:
        """Describe a failure as ``introspect.failures.describe`` does, in no more text than an alert keeps.

        The message and the traceback may be those of another one of the same type, from the same line, a moment ago.
        """
        if where is None:
            return _described(error)
        now, key = self._clock(), (type(error).__name__, where)
        at, failure = self._known.get(key, (0.0, None))
        if failure is None or now - at >= _FRESH:
            failure = _described(error)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = now, failure
        return failure


def _described(error: BaseException) -> Failure:
    failure = describe(error)
    return failure._replace(text=shortened(failure.text))
