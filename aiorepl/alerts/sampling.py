"""Looks at where a loop's thread stands, a hundred in a second: which part of the time it works, where, and how long.

A step goes on from one look to the next if the loop has not come to the next callback in between. Nothing is measured
on the loop's thread but how late it calls back, and how much of a processor it has had by then.
"""

import asyncio
import collections
import gc
import itertools
import math
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, NamedTuple

from aiorepl.alerts.blocking_calls import BlockingCall, blocking_call
from aiorepl.alerts.doctor_values import Hot, Sampled, Spell
from aiorepl.alerts.places import line_text
from aiorepl.alerts.pulse import Pulse, Sample
from aiorepl.alerts.strays import called
from aiorepl.alerts.turns import turn_reading
from aiorepl.introspect import uv
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.callbacks import callback_name, defined_at, served_task
from aiorepl.introspect.chain import bounded, coroutine_name, coroutine_of, frame_of, links, place
from aiorepl.introspect.loops import loop_info
from aiorepl.introspect.values import Frame

__all__ = ["EVERY", "Sampler"]

# Seconds from one look to the next.
EVERY = 0.01
# So many different lines are told apart, and so many are told of.
_LINES = 1_000
_HOTTEST = 5
# Callbacks that are ready, of which one is to be told.
_FEW = 5
# How many late calls make a median, of however many.
_LAGS = 10_000
# This thread could not look for so long: a call into C held the GIL, if the process worked meanwhile.
_OVERSLEPT = 0.05
# Passes that one step is seen to take part in: its own, and the end of one before.
_ONE = 2
# So much of that time, at least, where others want a processor too.
_WORKED = 0.1


class _Hidden(NamedTuple):
    """A time in which no look could be made: ``worked`` is what of a processor the process had in it.

    ``collected`` if all garbage was collected meanwhile.
    """

    begun: float
    slept: float
    worked: float
    collected: bool


class _Step:
    """A step of the loop under observation: since when, whose, and where looks found it."""

    def __init__(self, key: object, started: float, task: Any) -> None:
        self.key = key
        self.started = started
        self.ended = started
        self.who = "a callback"
        self.task: int | None = None
        if task is not None:
            self.who = f"{bounded(task.get_name())} ({coroutine_name(coroutine_of(task))})"
            self.task = BOOK.number_of(task)
        self.lines: collections.Counter[Frame | None] = collections.Counter()
        self.call: tuple[str, str] = ("", "")
        self.behind: int | None = None


class Sampler:
    """Samples one loop; all but what is called back is used on one thread, which is not the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, slow: float, clock: Callable[[], float] = time.perf_counter):
        """Steps of ``slow`` seconds and more are told one by one."""
        self._loop = loop
        self._slow = slow
        self._clock = clock
        self._pulse = Pulse(loop, clock, answered=self._answered)
        self._lags: collections.deque[float] = collections.deque(maxlen=_LAGS)
        # By the loop's thread: calls that came back, when the last one did, and what of a processor it had had at the
        # first and at the last of them.
        self._beats = 0
        self._beat_at = 0.0
        self._thread_times: list[tuple[float, float]] = []
        # For each of them when it was, and what of a processor its thread had had since the one before.
        self._works: collections.deque[tuple[float, float]] = collections.deque(maxlen=_LAGS)
        self._called_back = threading.Event()
        self._looks = 0
        self._busy = 0
        self._hot: collections.Counter[tuple[str, Frame | None]] = collections.Counter()
        self._step: _Step | None = None
        self._spells: dict[Frame | None, Spell] = {}
        self._longest: float | None = None
        self._hidden: collections.deque[_Hidden] = collections.deque(maxlen=_LINES)
        self._pulse.seek()
        self._last = clock()

    @property
    def overdue(self) -> float:
        """Seconds for which the loop has not called back."""
        return self._pulse.overdue

    def wait(self, stopped: threading.Event) -> bool:
        """Wait until it is time for the next look; tell whether somebody has stopped it meanwhile."""
        begun, cpu, passes, garbage = self._clock(), time.process_time(), _passes(self._loop), _collections()
        if stopped.wait(EVERY):
            return True
        slept, worked = self._clock() - begun - EVERY, time.process_time() - cpu
        if slept > _OVERSLEPT and worked > _WORKED * slept and not self._went_on(passes):
            self._hidden.append(_Hidden(begun, slept, worked, _collections() > garbage))
        return False

    def look(self) -> None:
        """Look once."""
        now = self._clock()
        sample = self._pulse.sample()
        if self._pulse.base is None and self.overdue < self._slow:
            # Until it calls back for the first time, it is not known what its thread looks like when it waits.
            sample = None
        self._looks += 1
        if sample is not None and not self._is_ours(sample.frame):
            self._busy += 1
            self._note(sample, now)
        else:
            self._end_step(now)
            if sample is None and (waiting := self._ready()) is not None:
                self._busy += 1
                self._count(*waiting)
        self._pulse.tick()
        self._last = now

    def result(self) -> Sampled:
        """Return what was found; no look may follow."""
        # Up to now, unless the loop does not answer.
        self._called_back.clear()
        self._pulse.tick()
        self._called_back.wait(_OVERSLEPT)
        self._end_step(self._clock(), lasts=self._pulse.overdue >= self._slow)
        spells = sorted(self._spells.values(), key=lambda spell: -spell.longest)
        hot = tuple(Hot(who, where, count) for (who, where), count in self._hot.most_common(_HOTTEST))
        return Sampled(
            self._looks,
            self._busy,
            hot,
            tuple(spells),
            sum(spell.total for spell in spells),
            self._longest,
            tuple(sorted(self._lags)),
            self._pulse.overdue,
            self._processor(),
            *self._longest_hidden(),
        )

    def _answered(self) -> None:
        now = self._clock()
        self._beats += 1
        self._beat_at = now
        worked = time.thread_time()
        if self._thread_times:
            self._works.append((now, worked - self._thread_times[-1][1]))
        self._thread_times[1:] = [(now, worked)]
        if self._pulse.lags:
            self._lags.append(self._pulse.lags[-1][1])
        self._called_back.set()

    def _processor(self) -> float | None:
        if len(self._thread_times) < 2:
            return None
        (start, before), (end, after) = self._thread_times
        return min(1.0, (after - before) / (end - start)) if end > start else None

    def _longest_hidden(self) -> tuple[float, bool]:
        """The longest time for which the loop's own thread kept every other one from running."""
        works = list(self._works)
        longest = _Hidden(0.0, 0.0, 0.0, False)
        for hidden in self._hidden:
            end = next((when for when, _ in works if when >= hidden.begun + hidden.slept), math.inf)
            work = sum(work for when, work in works if hidden.begun < when <= end)
            # Of the threads of the process it is the one that worked most.
            if hidden.slept > longest.slept and work > hidden.worked / 2:
                longest = hidden
        return longest.slept, longest.collected

    def _went_on(self, before: int | None) -> bool:
        """Tell whether the loop has gone through its callbacks since: then no single one held the GIL."""
        passes = _passes(self._loop)
        return before is not None and passes is not None and passes - before > _ONE

    def _ready(self) -> tuple[str, Frame | None] | None:
        """Tell whose turn comes next on a loop that does not execute anything: it only asks what else is ready.

        Threads take turns where one of them calls the system, so that a busy loop is found there more often than not.
        """
        queue = _ready_queue(self._loop)
        for handle in _some(queue):
            callback, arguments = called(handle, self._loop)
            place = defined_at(callback)
            if place is not None and place.own:
                continue
            task: Any = served_task(callback, arguments)
            if task is None:
                return callback_name(callback), place
            return coroutine_name(coroutine_of(task)), _stands(task)
        return None

    def _note(self, sample: Sample, now: float) -> None:
        who = coroutine_name(coroutine_of(sample.task)) if sample.task is not None else "a callback"
        where = _program_frame(sample.frame, self._pulse.base)
        self._count(who, where)
        queue = _ready_queue(self._loop)
        # The callback that comes next stays the same until this one has ended.
        key = (self._beats, sample.owner, id(_first(queue)))
        if self._step is not None and self._step.key == key:
            self._go_on(self._step, sample, where, now)
            return
        self._end_step(now)
        # It began after the look before, or after it called back.
        started = max(self._pulse.sent or now, self._last)
        self._step = _Step(key, started, sample.task)
        self._go_on(self._step, sample, where, now)

    def _count(self, who: str, where: Frame | None) -> None:
        if (who, where) in self._hot or len(self._hot) < _LINES:
            self._hot[who, where] += 1

    def _go_on(self, step: _Step, sample: Sample, where: Frame | None, now: float) -> None:
        step.ended = now
        call = blocking_call(sample.frame)
        if call is not None:
            step.call = (call.name, call.cure)
        where = _at_call(call) or where
        if now - step.started >= self._slow:
            step.behind = loop_info(self._loop).ready
        if where in step.lines or len(step.lines) < _LINES:
            step.lines[where] += 1

    def _end_step(self, now: float, *, lasts: bool = False) -> None:
        step, self._step = self._step, None
        if step is None:
            return
        # It had ended when the loop called back the next time.
        ended = min(now, self._beat_at) if self._beat_at > step.ended else step.ended
        duration = (now if lasts else ended) - step.started
        if duration > 0:
            self._longest = max(self._longest or 0.0, duration)
        if duration >= self._slow:
            self._add_spell(step, duration, lasts)

    def _add_spell(self, step: _Step, duration: float, lasts: bool) -> None:
        where, there = step.lines.most_common(1)[0]
        looks = step.lines.total()
        name, cure = step.call
        spell = Spell(step.who, step.task, where, duration, duration, 1, looks, there, line_text(where), name, cure)
        spell = spell._replace(behind=step.behind, lasts=lasts)
        before = self._spells.get(where)
        if before is not None:
            self._spells[where] = _together(before, spell)
        elif len(self._spells) < _LINES:
            self._spells[where] = spell

    def _is_ours(self, frame: FrameType) -> bool:
        """Tell whether the loop is at work for aiorepl: a look at its tasks, or a beat."""
        here: FrameType | None = frame
        ours = False
        while here is not None and here.f_code is not self._pulse.base:
            found = place(here)
            if not (found.own or found.library):
                return False
            # The hooks that every step goes through are no work of their own.
            ours = ours or (found.own and "/alerts/" not in found.file)
            here = here.f_back
        return ours


def _together(before: Spell, spell: Spell) -> Spell:
    """Merge what was seen of steps that were held up in one line; the one that lasts, or else the longest, is named."""
    named = spell if spell.lasts or spell.longest > before.longest else before
    other = before if named is spell else spell
    behind = [count for count in (before.behind, spell.behind) if count is not None]
    return named._replace(
        call=named.call or other.call,
        cure=named.cure or other.cure,
        longest=max(before.longest, spell.longest),
        total=before.total + spell.total,
        times=before.times + spell.times,
        looks=before.looks + spell.looks,
        there=before.there + spell.there,
        behind=max(behind, default=None),
        others=before.others or before.who != spell.who,
    )


def _program_frame(frame: FrameType, base: CodeType | None) -> Frame | None:
    """Describe the innermost line of a step that is the program's own, or else a package's; None: asyncio's alone."""
    packaged: Frame | None = None
    here: FrameType | None = frame
    while here is not None and here.f_code is not base:
        found = place(here)
        if not (found.own or found.library):
            if "site-packages" not in found.file:
                return found
            packaged = packaged or found
        here = here.f_back
    return packaged


def _at_call(call: BlockingCall | None) -> Frame | None:
    found = place(call.frame) if call is not None else None
    return found if found is not None and not (found.own or found.library) else None


def _collections() -> int:
    """How often all garbage has been collected."""
    return int(gc.get_stats()[-1]["collections"])


def _passes(loop: asyncio.AbstractEventLoop) -> int | None:
    """How many passes a loop has made, where that is measured anyway."""
    reading = turn_reading(loop)
    return reading.passes if reading is not None else None


def _stands(task: Any) -> Frame | None:
    """Where a task stands that has its turn next: its innermost line that is the program's own."""
    frames = [place(frame) for frame in map(frame_of, links(coroutine_of(task))) if frame is not None]
    own = [found for found in frames if not (found.own or found.library or "site-packages" in found.file)]
    return own[-1] if own else None


def _ready_queue(loop: asyncio.AbstractEventLoop) -> "collections.deque[Any] | None":
    return uv.ready_queue(loop) if uv.is_uvloop(loop) else getattr(loop, "_ready", None)


def _some(queue: "collections.deque[Any] | None") -> list[Any]:
    """A few of the callbacks that are ready, none if the loop changes them meanwhile."""
    try:
        return list(itertools.islice(queue or (), _FEW))
    except RuntimeError:
        return []


def _first(queue: "collections.deque[Any] | None") -> object:
    try:
        return queue[0] if queue else None
    except IndexError:
        return None
