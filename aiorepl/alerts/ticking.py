"""A callback that a loop runs every 10 ms while it is examined: how late it comes to it, and what it does meanwhile.

All is measured on the loop's own thread, so that it does not count if another thread gets no turn.
"""

import asyncio
import collections
import contextlib
import contextvars
import gc
import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from aiorepl.alerts.strays import called
from aiorepl.introspect import uv
from aiorepl.introspect.callbacks import callback_name, defined_at, served_task
from aiorepl.introspect.chain import coroutine_name, coroutine_of, frame_of, links, place
from aiorepl.introspect.loops import is_ours, thread_of
from aiorepl.introspect.values import Frame

__all__ = ["EVERY", "Gap", "Ticker"]

# Seconds from one tick to the next.
EVERY = 0.01
# How many ticks, and how many late ones, are remembered.
_TICKS = 10_000
_GAPS = 1_000
# Callbacks that are ready, of which one is to be told.
_FEW = 5


class Gap(NamedTuple):
    """A time in which the loop did not come to a tick that was due.

    ``worked`` is for how long its thread had a processor, and ``starved`` for how long it wanted one and had none, as
    far as the system tells; ``collected`` if all garbage was collected meanwhile.
    """

    begun: float
    ended: float
    worked: float
    starved: float
    collected: bool

    @property
    def held(self) -> float:
        """For how long the loop was held by itself, and not by the rest of the machine."""
        return self.ended - self.begun - self.starved


class Ticker:
    """Ticks on one loop from ``start`` to ``stop``, which any thread may call; nothing is left of it then."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float], found: Callable[[], object]
    ) -> None:
        """Call ``found`` with each tick, on the loop's thread."""
        self._loop = loop
        self._clock = clock
        self._found = found
        self._stopped = False
        self._ticked = threading.Event()
        self._handle: asyncio.TimerHandle | None = None
        self._begun = (0.0, 0.0)
        self._thread_time = 0.0
        self._collections = 0
        self._delay = _Delay()
        self._delayed = 0.0
        # How many there were, when the last one was, and how late they were.
        self.ticks = 0
        self.last = clock()
        self.lags: collections.deque[float] = collections.deque(maxlen=_TICKS)
        self.gaps: collections.deque[Gap] = collections.deque(maxlen=_GAPS)
        # Who had the next turn after the last tick; None if nobody.
        self.next: tuple[str, Frame | None] | None = None

    def start(self) -> None:
        """Begin to tick."""
        thread = thread_of(self._loop)
        native = next((one.native_id for one in threading.enumerate() if one.ident == thread), None)
        if native is not None:
            self._delay.open(f"self/task/{native}")
            self._delayed = self._delay.seconds()
        self.last = self._clock()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tick, context=contextvars.Context())

    def wait(self, timeout: float) -> None:
        """Wait for the next tick."""
        self._ticked.clear()
        self._ticked.wait(timeout)

    def stop(self) -> None:
        """Tick no more."""
        self._stopped = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._cancel, context=contextvars.Context())

    @property
    def overdue(self) -> float:
        """Seconds for which the loop has not come to a tick that is due; 0.0 if it does not run."""
        return max(0.0, self._clock() - self.last - EVERY) if self._loop.is_running() else 0.0

    @property
    def held(self) -> float:
        """The part of that for which its thread did not want a processor in vain."""
        return self.overdue - (self._delay.seconds() - self._delayed)

    @property
    def processor(self) -> float | None:
        """The part of the time from the first to the last tick in which the loop's thread had a processor."""
        begun, before = self._begun
        return min(1.0, (self._thread_time - before) / (self.last - begun)) if self.ticks > 1 else None

    def _tick(self) -> None:
        if self._stopped:
            return
        if not self.ticks and not self._delay.opened:
            self._delay.open("thread-self")
            self._delayed = self._delay.seconds()
        now, worked, delayed, collections = self._clock(), time.thread_time(), self._delay.seconds(), _collections()
        if self.ticks:
            late = max(0.0, now - self.last - EVERY)
            if late >= EVERY:
                collected = collections > self._collections
                self.gaps.append(Gap(self.last, now, worked - self._thread_time, delayed - self._delayed, collected))
        else:
            late = now - self.last
            self._begun = (now, worked)
            if late >= EVERY:
                # How long it worked before is not known.
                self.gaps.append(Gap(self.last, now, 0.0, delayed - self._delayed, False))
        self.lags.append(late)
        self._thread_time, self._delayed, self._collections = worked, delayed, collections
        self.next = _next_turn(self._loop)
        self._found()
        # The last, as from then on it counts.
        self.last = now
        self.ticks += 1
        self._ticked.set()
        self._handle = self._loop.call_later(EVERY, self._tick, context=contextvars.Context())

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class _Delay:
    """For how long a thread has wanted a processor and had none; Linux tells it, elsewhere it counts as never."""

    _file: int | None = None

    @property
    def opened(self) -> bool:
        return self._file is not None

    def open(self, thread: str) -> None:
        """Begin with a thread, as it is called in /proc."""
        with contextlib.suppress(OSError):
            self._file = os.open(f"/proc/{thread}/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def seconds(self) -> float:
        """Return the time in all; from any thread."""
        try:
            # The time on a processor, and the time in a queue for one, in nanoseconds.
            return int(os.pread(self._file, 100, 0).split()[1]) * 1e-9 if self._file is not None else 0.0
        except (OSError, ValueError, IndexError):
            return 0.0

    def __del__(self) -> None:
        # Not earlier, as two threads read it.
        if self._file is not None:
            os.close(self._file)


def _collections() -> int:
    """How often all garbage has been collected."""
    return int(gc.get_stats()[-1]["collections"])


def _next_turn(loop: asyncio.AbstractEventLoop) -> tuple[str, Frame | None] | None:
    """Tell whose callback is ready to run, and where that stands; None if nobody's, or aiorepl's only."""
    queue = uv.ready_queue(loop) if uv.is_uvloop(loop) else getattr(loop, "_ready", None)
    try:
        for handle in itertools.islice(queue or (), _FEW):
            callback, arguments = called(handle, loop)
            if callback is None or is_ours(callback):
                continue
            task: Any = served_task(callback, arguments)
            if task is None:
                return callback_name(callback), defined_at(callback)
            return coroutine_name(coroutine_of(task)), _stands(task)
    except Exception:
        # A handle of a kind that is not known: it must do no harm to the loop.
        pass
    return None


def _stands(task: Any) -> Frame | None:
    """Where a task stands that has its turn next: its innermost line that is the program's own."""
    frames = [place(frame) for frame in map(frame_of, links(coroutine_of(task))) if frame is not None]
    own = [found for found in frames if not (found.own or found.library or "site-packages" in found.file)]
    return own[-1] if own else None
