"""For how long a loop's thread has worked for aiorepl, so that the program is not blamed for that."""

import asyncio
import collections
import contextlib
import math
import weakref
from collections.abc import Iterator
from time import perf_counter

__all__ = ["own_seconds", "own_work"]

# Seconds; what takes less is not remembered. And how much is.
_LEAST = 0.005
_KEPT = 50

_Spans = collections.deque[list[float]]
# When it began and ended, by loop; of what is not over infinity.
_spans: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Spans]" = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def own_work(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Do something for aiorepl on a loop's thread."""
    spans = _spans.setdefault(loop, collections.deque(maxlen=_KEPT))
    span = [perf_counter(), math.inf]
    spans.append(span)
    try:
        yield
    finally:
        span[1] = perf_counter()
        if span[1] - span[0] < _LEAST and spans[-1] is span:
            spans.pop()


def own_seconds(loop: asyncio.AbstractEventLoop, since: float, until: float) -> float:
    """Return how much of a time, in ``time.perf_counter``, went into that; from any thread."""
    spans = [tuple(span) for span in list(_spans.get(loop, ()))]
    return sum(max(0.0, min(ended, until) - max(begun, since)) for begun, ended in spans)
