"""How long a loop waits and how long it works, measured where it asks its selector what is ready.

A pass is what a loop does between two such questions: each callback that was ready runs once. uvloop has no selector
that could be asked in its place, so that nothing is known of its passes. Times are those of ``time.perf_counter``.
"""

import asyncio
import collections
import itertools
import math
import selectors
import threading
import weakref
from collections.abc import Callable, Sized
from time import perf_counter
from typing import Any, NamedTuple

from aiorepl.alerts.replacing import replace_method
from aiorepl.alerts.thresholds import Threshold, Thresholds
from aiorepl.introspect.own_loops import OWN_LOOPS

__all__ = ["SlowTurn", "TurnReading", "begun_before", "turn_reading", "utilisation", "watch_turns"]

# Seconds between two marks of how busy a loop was, and how many are kept: a minute.
_MARK = 0.1
_MARKS = 600
# A container that changes while it is copied is copied again, at most this often.
_ATTEMPTS = 10


class SlowTurn(NamedTuple):
    """A pass that took long, though none of its steps did.

    ``ready`` callbacks were waiting when it began; timers that came due are not among them.
    """

    duration: float
    started: float
    ready: int


class TurnReading(NamedTuple):
    """What has been measured of a loop so far: ``busy`` and ``idle`` seconds, ``passes``, and the longest of them.

    What it does at this very moment is part of it, so that ``busy`` and ``longest`` grow while it is blocked.
    """

    time: float
    busy: float
    idle: float
    passes: int
    longest: float


# Since when a loop does what ("wait", "work" or "nothing"), and what it had done before: seconds busy, seconds idle,
# passes and the longest of them. Replaced as a whole, for who reads it in another thread; no named tuple, which takes
# ten times as long to make.
_State = tuple[float, str, float, float, int, float]


def watch_turns(
    loop: asyncio.AbstractEventLoop,
    *,
    slow: float | None,
    on_slow: Callable[[SlowTurn], object],
    excused: Callable[[float], bool] = lambda began: False,
) -> Threshold[SlowTurn]:
    """Measure a loop until the returned threshold is ended; call ``on_slow`` after a long pass, on the loop's thread.

    Args:
        loop: On any thread. Nothing comes of one that cannot be measured, or is aiorepl's own.
        slow: Seconds.
        on_slow: If it fails, that is logged, and it is not called any more.
        excused: Tells whether a step that began at this time or later has been reported: the pass is not, then.
    """
    with LOCK:
        turns = _of(loop)
        if turns is None:
            turns = _Turns(loop)
            _turns[loop] = weakref.ref(turns)
        return turns.thresholds.add(slow, lambda turn: None if excused(turn.started) else on_slow(turn))


def turn_reading(loop: asyncio.AbstractEventLoop) -> TurnReading | None:
    """Return what was measured of a loop; from any thread. None if nothing was."""
    turns = _of(loop)
    return turns.reading() if turns is not None else None


def utilisation(loop: asyncio.AbstractEventLoop, window: float) -> float | None:
    """Return which part of the last ``window`` seconds (at most a minute) a loop was busy, from 0 to 1.

    Where it has been measured for less than that, of those; None if it has not. From any thread.
    """
    turns = _of(loop)
    return turns.utilisation(window) if turns is not None else None


def begun_before(loop: asyncio.AbstractEventLoop) -> float | None:
    """Return when the pass before this one began; on the loop's thread.

    A task that was made later than that is in its first step now, if it is in any: what a pass schedules is run by the
    next one. None if this is not known.
    """
    turns = _of(loop)
    return turns.before if turns is not None else None


# Held while it is decided what is measured.
LOCK = threading.RLock()
# By loop. It is the loop, through its selector, that keeps its measurement, and not the other way round.
_turns: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_Turns]]" = weakref.WeakKeyDictionary()


def _of(loop: asyncio.AbstractEventLoop) -> "_Turns | None":
    reference = _turns.get(loop)
    turns = reference() if reference is not None else None
    return turns if turns is not None and turns.thresholds else None


class _Turns:
    """One loop's measurement."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.thresholds: Thresholds[SlowTurn] = Thresholds(self._changed)
        self.before: float | None = None
        # When the pass that is running now began; of the first one it is not known, but everything before it is.
        self._began = perf_counter() if loop.is_running() else -math.inf
        now = perf_counter()
        self._state: _State = (now, "nothing", 0.0, 0.0, 0, 0.0)
        self._marks: collections.deque[tuple[float, float]] = collections.deque([(now, 0.0)], maxlen=_MARKS)
        self._next_mark = now + _MARK
        self._slow = math.inf
        self._ready = 0
        self._undo: list[Callable[[], None]] = []
        self._install(loop)

    def reading(self) -> TurnReading | None:
        if not self._undo:
            return None
        since, doing, busy, idle, passes, longest = self._state
        now = perf_counter()
        going_on = max(0.0, now - since)
        if doing == "work":
            return TurnReading(now, busy + going_on, idle, passes, max(longest, going_on))
        return TurnReading(now, busy, idle + going_on if doing == "wait" else idle, passes, longest)

    def utilisation(self, window: float) -> float | None:
        marks = self._copied_marks()
        since, _, busy, *_ = self._state
        reading = self.reading()
        if reading is None:
            return None
        marks += [(since, busy), (reading.time, reading.busy)]
        start = max(reading.time - window, marks[0][0])
        elapsed = reading.time - start
        return min(1.0, (reading.busy - _at(marks, start)) / elapsed) if elapsed > 0 else None

    def _copied_marks(self) -> list[tuple[float, float]]:
        for _ in range(_ATTEMPTS):
            try:
                return list(self._marks)
            except RuntimeError:
                # The loop made one meanwhile.
                continue
        return [self._marks[0]]

    def _changed(self, least: float | None) -> None:
        self._slow = math.inf if least is None else least
        if least is None:
            for undo in self._undo:
                undo()

    def _install(self, loop: Any) -> None:
        selector: Any = getattr(loop, "_selector", None)
        # On Windows there may be a proactor in its place.
        kinds = (selectors.BaseSelector, getattr(asyncio, "IocpProactor", ()))
        if loop in OWN_LOOPS or not isinstance(selector, kinds):
            return
        self._undo.append(replace_method(selector, "select", self._measured(selector.select, loop._ready)))
        track = getattr(loop, "_set_coroutine_origin_tracking", None)
        if track is not None:
            self._undo.append(replace_method(loop, track.__name__, self._tracked(track, loop)))

    def _tracked(self, track: Callable[[bool], None], loop: asyncio.AbstractEventLoop) -> Any:
        """What a loop calls at the beginning and at the end of each run, and for debug mode in between."""

        def tracked(enabled: bool) -> None:
            track(enabled)
            if not loop.is_running():
                self._stop(perf_counter())

        return tracked

    def _measured(self, select: Callable[..., Any], ready: Sized) -> Any:
        """What a loop asks for what is ready."""

        def measured(timeout: float | None = None) -> Any:
            now = perf_counter()
            since, doing, busy, idle, passes, longest = self._state
            if doing == "work":
                duration = now - since
                busy += duration
                passes += 1
                if duration > longest:
                    longest = duration
                if duration >= self._slow:
                    self._tell(duration, since)
            self._state = (now, "wait", busy, idle, passes, longest)
            if now >= self._next_mark:
                self._mark(now, busy)
            found = None
            try:
                found = select(timeout)
                return found
            finally:
                end = perf_counter()
                self._state = (end, "work", busy, idle + end - now, passes, longest)
                self.before, self._began = self._began, end
                self._ready = len(ready) + (len(found) if type(found) is list else 0)
                if end >= self._next_mark:
                    self._mark(end, busy)

        return measured

    def _stop(self, now: float) -> None:
        """The loop runs no more, or not yet; what comes before its next run is no part of any pass."""
        since, doing, busy, idle, passes, longest = self._state
        if doing == "work":
            duration = now - since
            busy, passes, longest = busy + duration, passes + 1, max(longest, duration)
            if duration >= self._slow:
                self._tell(duration, since)
        self._state = (now, "nothing", busy, idle, passes, longest)
        self._mark(now, busy)

    def _mark(self, now: float, busy: float) -> None:
        self._marks.append((now, busy))
        self._next_mark = now + _MARK

    def _tell(self, duration: float, started: float) -> None:
        ready = self._ready
        self.thresholds.tell(lambda: SlowTurn(duration, started, ready), duration)


def _at(marks: list[tuple[float, float]], time: float) -> float:
    """How many busy seconds there had been at a time; between two marks the loop was evenly busy."""
    for (start, before), (end, after) in itertools.pairwise(marks):
        if start <= time <= end and end > start:
            return before + (after - before) * (time - start) / (end - start)
    return marks[-1][1]
