"""The heartbeat of one loop, felt from another thread: how late it runs what is due, and where it stands meanwhile.

A beat is a callback, sent with ``call_soon_threadsafe``; the next one is sent when that has been run. So it works on
every kind of loop, costs as many callbacks as there are beats, and tells of a blocked loop while it is blocked.
"""

import asyncio
import collections
import contextvars
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import CodeType, FrameType
from typing import NamedTuple

from aiorepl.alerts.running import handle_run_by
from aiorepl.introspect import uv
from aiorepl.introspect.loops import thread_of

__all__ = ["PERIOD", "Pulse", "Sample"]

# Seconds from one beat to the next.
PERIOD = 0.025
# Seconds for which what was measured counts.
WINDOW = 5.0
_BEATS = int(WINDOW / PERIOD)


class Sample(NamedTuple):
    """Where the loop's thread stands: ``owner`` equals that of another sample if both are of one step of the loop."""

    owner: object
    task: "asyncio.Task[object] | None"
    frame: FrameType


class Pulse:
    """The beats of one loop; ``tick`` and ``sample`` are called by the thread that watches."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.perf_counter,
        answered: Callable[[], object] = lambda: None,
    ) -> None:
        """Feel nothing yet; ``answered`` is called with each beat, on the loop's thread."""
        self._loop = loop
        self._answered = answered
        self._clock = clock
        # When the beat was sent that has not been run; None if none is out.
        self._sent: float | None = None
        # A beat that was out while the loop did not run tells nothing.
        self._spoilt = False
        self._lag: float | None = None
        self.lags: collections.deque[tuple[float, float]] = collections.deque(maxlen=_BEATS)
        # How often ``tick`` was called, and how many beats the loop has answered.
        self.ticks = 0
        self.answers = 0
        # Of each of the last looks when it was, the thread's processor time, and whether it was in Python code; only
        # where that cannot be measured.
        self._looks: collections.deque[tuple[float, float, bool]] = collections.deque(maxlen=_BEATS)
        self._processor: int | None = None
        self._sampled = uv.is_uvloop(loop)
        # What runs the loop, which is all that is on the thread while it is idle.
        self._base: CodeType | None = None
        self._thread: int | None = None
        self._native = 0

    @property
    def lag(self) -> float | None:
        """How late the loop ran the last beat, or how long it has not answered; None before the first."""
        overdue = self.overdue
        return overdue if overdue > (self._lag or 0.0) else self._lag

    @property
    def overdue(self) -> float:
        """Seconds for which a beat has not been answered; 0.0 if none is out, or the loop does not run."""
        sent = self._sent
        return 0.0 if sent is None or self._spoilt else self._clock() - sent

    @property
    def last_lag(self) -> float:
        """How late the loop ran the beat that it answered last; 0.0 before the first."""
        return self._lag or 0.0

    @property
    def sent(self) -> float | None:
        """When the beat was sent that has not been answered; None if none is out."""
        return self._sent

    @property
    def base(self) -> CodeType | None:
        """The code that runs the loop, below which a stack is not the step's; None before the first beat was run."""
        return self._base

    def busy(self, window: float) -> float | None:
        """The part of the last seconds in which the loop was at work, as far as can be seen; None if it is measured.

        Samples see it in Python code, also where that sleeps; the processor time of its thread tells of the rest.
        """
        looks = list(self._looks)[-int(window / PERIOD) :]
        if len(looks) < 2:
            return None
        (begun, worked, _), (ended, worked_since, _) = looks[0], looks[-1]
        return max(sum(look[2] for look in looks) / len(looks), (worked_since - worked) / (ended - begun))

    def tick(self) -> None:
        """Send a beat unless one is out."""
        self.ticks += 1
        if not self._loop.is_running():
            self._spoilt = True
            return
        if self._sampled:
            self._looks.append((self._clock(), self.worked(), self.sample() is not None))
        if self._sent is not None:
            return
        self._spoilt = False
        self._sent = self._clock()
        try:
            # A context of its own, as the thread that watches has none that is of interest.
            self._loop.call_soon_threadsafe(self._answer, context=contextvars.Context())
        except RuntimeError:
            # It has been closed just now.
            self._sent = None

    def sample(self) -> Sample | None:
        """Look where the loop's thread stands; None if it is idle, or cannot be seen."""
        frame = self._frame()
        if frame is None or self._is_idle(frame) or _is_woken(frame):
            return None
        try:
            task = asyncio.current_task(self._loop)
        except RuntimeError:
            task = None
        return Sample(weakref.ref(task) if task is not None else _callback(frame, self._base), task, frame)

    def asleep(self) -> bool:
        """Tell whether the loop's thread is seen to wait for something to do."""
        frame = self._frame()
        if frame is None or not self._is_idle(frame):
            return False
        # With a timeout of 0 it only looks what is ready, and waits for nothing but the GIL.
        return frame.f_code is self._base or frame.f_locals.get("timeout") != 0

    def thread_sleeps(self) -> bool:
        """Tell whether the system says that the loop's thread waits; False where it does not say (but on Linux)."""
        try:
            with open(f"/proc/self/task/{self._native}/stat", "rb") as file:
                # After the name, which may hold anything, in brackets.
                return file.read().rpartition(b")")[2].split()[0] == b"S"
        except OSError:
            return False

    def seek(self) -> None:
        """Look for the loop's thread from another one: the loop may not come to the first beat."""
        self._thread = self._thread or thread_of(self._loop)

    def find(self) -> None:
        """Note on which thread the loop runs; called there, from a callback."""
        self._thread = thread_of(self._loop)
        self._native = threading.get_native_id()
        self._base = _runner(sys._getframe(1))
        if hasattr(time, "pthread_getcpuclockid"):
            # Only here, as for a thread that has ended this crashes.
            self._processor = time.pthread_getcpuclockid(threading.get_ident())

    def worked(self) -> float:
        """The processor time of the loop's thread so far, in seconds; 0.0 where it is not known."""
        try:
            return time.clock_gettime(self._processor) if self._processor is not None else 0.0
        except OSError:
            return 0.0

    def _frame(self) -> FrameType | None:
        return sys._current_frames().get(self._thread) if self._thread is not None else None

    def _is_idle(self, frame: FrameType) -> bool:
        return frame.f_code is self._base or frame.f_code.co_filename.endswith("selectors.py")

    def _answer(self) -> None:
        now = self._clock()
        sent, self._sent = self._sent, None
        self.answers += 1
        self.find()
        if sent is not None and not self._spoilt:
            self._lag = now - sent
            self.lags.append((now, self._lag))
        self._answered()


def _runner(frame: FrameType | None) -> CodeType | None:
    """The code that runs the loop: what is below the loop's own frames, of which uvloop has none."""
    while frame is not None and frame.f_code.co_filename.endswith(_LOOP_FILES):
        frame = frame.f_back
    return frame.f_code if frame is not None else None


# The step hook runs a callback too.
_LOOP_FILES = (
    *("asyncio/events.py", "asyncio/base_events.py", "asyncio/unix_events.py"),
    *("aiorepl/alerts/steps.py", "aiorepl/alerts/pulse.py", "aiorepl/alerts/loop_watch.py"),
    *("aiorepl/alerts/ticking.py", "aiorepl/alerts/stats.py"),
)


def _is_woken(frame: FrameType) -> bool:
    """Tell whether the loop reads what another thread woke it with; it stands there until it has the GIL again."""
    code = frame.f_code
    return code.co_name == "_read_from_self" and code.co_filename.endswith("asyncio/selector_events.py")


def _callback(frame: FrameType, base: CodeType | None) -> object:
    """Identify the callback that runs, by its handle, or where that is not to be seen by its frame.

    A frame's place in memory may be that of the next callback's frame too, as nothing of it is kept.
    """
    while frame.f_back is not None and frame.f_back.f_code is not base:
        if (handle := handle_run_by(frame)) is not None:
            return weakref.ref(handle)
        frame = frame.f_back
    return id(frame)
