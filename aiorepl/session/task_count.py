"""How many tasks a loop has, for a toolbar that asks again and again."""

import asyncio
import time
from collections.abc import Callable

__all__ = ["TaskCount"]

# A count is kept for this many times as long as counting took: a hundred thousand tasks take 60 ms.
_KEPT = 50


class TaskCount:
    """Counts tasks, seldom where that takes long; used on the session's thread."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Nothing is counted yet."""
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._count = 0
        self._keep_until = 0.0

    def of(self, loop: asyncio.AbstractEventLoop) -> int:
        """Return how many tasks of a loop have not ended, or had not when it was counted last."""
        begun = self._clock()
        if loop is self._loop and begun < self._keep_until:
            return self._count
        try:
            self._count = len(asyncio.all_tasks(loop))
        except RuntimeError:
            # Before 3.14 the set of tasks may change while it is copied; the next look will do.
            self._count = self._count if loop is self._loop else 0
        self._loop = loop
        ended = self._clock()
        self._keep_until = ended + _KEPT * (ended - begun)
        return self._count
