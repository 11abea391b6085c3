"""Looks at where a loop's thread stands, a hundred in a second: which part of the time it works, where, and how long.

A step goes on from one look to the next if the loop has not come to a tick in between. From outside only the frames of
the thread are looked at; what is to be told of its callbacks is looked at with each tick, where nothing moves.
"""

import asyncio
import collections
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from aiorepl.alerts.blocking_calls import BlockingCall, blocking_call
from aiorepl.alerts.doctor_values import Hot, Sampled, Spell
from aiorepl.alerts.places import line_text
from aiorepl.alerts.pulse import Pulse, Sample
from aiorepl.alerts.running import callback_words, is_own_step, runs_callback
from aiorepl.alerts.ticking import EVERY, Gap, Ticker
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import bounded, coroutine_name, coroutine_of, place
from aiorepl.introspect.loops import loop_info
from aiorepl.introspect.own_work import own_seconds
from aiorepl.introspect.values import Frame

__all__ = ["Sampler"]

# So many different lines are told apart, and so many are told of.
_LINES = 1_000
_HOTTEST = 5
# If there were fewer looks than this part of what there should be, the thread that looks did not get its turn.
_SEEN = 0.3
# The part of a time that has to have gone into aiorepl's own work for the program not to be blamed for it.
_OURS = 0.5


class _Step:
    """A step of the loop under observation: since when, whose, and where looks found it."""

    def __init__(self, key: tuple[int, object], started: float, task: Any, who: str, *, before: bool) -> None:
        self.key = key
        self.before = before
        self.started = started
        self.ended = started
        # When the next one began, if that was before the loop came to a tick.
        self.until: float | None = None
        self.who = who
        self.task: int | None = None
        if task is not None:
            self.who = f"{bounded(task.get_name())} ({coroutine_name(coroutine_of(task))})"
            self.task = BOOK.number_of(task)
        self.lines: collections.Counter[Frame | None] = collections.Counter()
        self.call: tuple[str, str] = ("", "")
        self.behind: int | None = None


class Sampler:
    """Samples one loop, from another thread than the loop's."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, slow: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Begin; steps of ``slow`` seconds and more are told one by one."""
        self._loop = loop
        self._slow = slow
        self._clock = clock
        # For its samples only: it sends no beat.
        self._pulse = Pulse(loop, clock)
        self._pulse.seek()
        self._ticker = Ticker(loop, clock, found=self._pulse.find)
        self._counted = 0
        self._looks = 0
        self._busy = 0
        self._hot: collections.Counter[tuple[str, Frame | None]] = collections.Counter()
        self._step: _Step | None = None
        # Steps that have ended since the last tick: how long the loop was held is known when it comes to the next.
        self._ended: list[_Step] = []
        self._spells: dict[Frame | None, Spell] = {}
        # When there were such steps, so that a gap is not told twice.
        self._held: collections.deque[tuple[float, float]] = collections.deque(maxlen=_LINES)
        self._longest: float | None = None
        self._last = clock()
        self._ticker.start()

    @property
    def overdue(self) -> float:
        """Seconds for which the loop has not come to a tick."""
        return self._ticker.overdue

    def wait(self, stopped: threading.Event) -> bool:
        """Wait until it is time for the next look; tell whether somebody has stopped it meanwhile."""
        return stopped.wait(EVERY)

    def look(self) -> None:
        """Look once."""
        # Read before the sample, which so is of a later time.
        ticks, waiting = self._ticker.ticks, self._ticker.next
        sample = self._pulse.sample()
        now = self._clock()
        if self._pulse.base is None and self.overdue < self._slow:
            # Until the first tick it is not known what the thread looks like when it waits.
            sample = None
        if sample is not None and not is_own_step(sample.frame, self._pulse.base):
            self._looks += 1
            self._busy += 1
            self._note(sample, ticks, now)
        else:
            if self._step is not None and self._step.key[0] != ticks:
                self._end_step()
            # Threads take turns where one of them calls the system: there a busy loop is found more often than not, so
            # that what counts is whether somebody had the next turn at the tick, if there was one since.
            self._looks += ticks != self._counted
            if waiting is not None and ticks != self._counted:
                self._busy += 1
                self._count(*waiting)
        self._counted = ticks
        self._last = now

    def result(self) -> Sampled:
        """End, and return what was found."""
        # It may come to a tick as soon as this thread leaves it the GIL.
        self._ticker.wait(5 * EVERY)
        overdue = self._ticker.overdue
        self._end_step(lasts=self._ticker.held >= self._slow)
        self._settle_ended(last=True)
        self._ticker.stop()
        hidden = self._hidden()
        return Sampled(
            self._looks,
            self._busy,
            tuple(Hot(who, where, count) for (who, where), count in self._hot.most_common(_HOTTEST)),
            tuple(sorted(self._spells.values(), key=lambda spell: -spell.longest)),
            sum(spell.total for spell in self._spells.values()),
            self._longest,
            tuple(sorted(self._ticker.lags)),
            overdue,
            self._ticker.processor,
            hidden.ended - hidden.begun,
            hidden.collected,
        )

    def _hidden(self) -> Gap:
        """The longest time in which the loop's thread worked, but could not be looked at, as nothing else could run."""
        longest = Gap(0.0, 0.0, 0.0, 0.0, False)
        for gap in list(self._ticker.gaps):
            length = gap.ended - gap.begun
            seen = any(begun < gap.ended and ended > gap.begun for begun, ended in self._held)
            ours = own_seconds(self._loop, gap.begun, gap.ended) > _OURS * length
            if not (seen or ours) and length > longest.ended - longest.begun and gap.worked >= self._slow:
                longest = gap
        return longest

    def _note(self, sample: Sample, ticks: int, now: float) -> None:
        who = (
            coroutine_name(coroutine_of(sample.task))
            if sample.task is not None
            else callback_words(sample.frame, self._pulse.base)
        )
        where = _program_frame(sample.frame, self._pulse.base)
        self._count(who, where)
        key = (ticks, sample.owner)
        if self._step is None or self._step.key != key:
            # It began after the last tick, and after the last look.
            started = min(now, max(self._ticker.last, self._last))
            if self._step is not None and self._step.key[0] == ticks:
                self._step.until = started
            # With no step and no tick before it, it is what the thread was in when the looks began.
            before = self._step is None and ticks == 0
            self._end_step()
            self._step = _Step(key, started, sample.task, who, before=before)
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
        if now - step.started >= self._slow and step.behind is None:
            step.behind = loop_info(self._loop).ready
        if where in step.lines or len(step.lines) < _LINES:
            step.lines[where] += 1

    def _end_step(self, *, lasts: bool = False) -> None:
        step, self._step = self._step, None
        if step is not None and lasts:
            self._settle(step, lasts=True)
        elif step is not None:
            self._ended.append(step)
        self._settle_ended()

    def _settle_ended(self, *, last: bool = False) -> None:
        """Note the steps since which the loop has come to a tick, or all of them if no other will be seen."""
        waiting = []
        for step in self._ended:
            if last or self._ticker.last > step.ended:
                self._settle(step)
            else:
                waiting.append(step)
        self._ended = waiting[-_LINES:]

    def _settle(self, step: _Step, *, lasts: bool = False) -> None:
        gap = self._gap_at(step.ended)
        # It ended when the next one began, or when the loop came to its tick.
        ended = self._clock() if lasts else step.until or (gap.ended if gap is not None else step.ended)
        duration = ended - step.started
        slow = lasts or (gap is not None and self._is_held_by(step, gap, duration))
        if duration > 0 and (slow or gap is None):
            self._longest = max(self._longest or 0.0, duration)
        if slow and duration >= self._slow:
            self._held.append((step.started, ended))
            hidden = gap is not None and not lasts and not _was_seen(step, duration)
            self._add_spell(step, duration, lasts=lasts, hidden=hidden)

    def _is_held_by(self, step: _Step, gap: Gap, duration: float) -> bool:
        """Tell whether a step is why the loop did not come to its tick for long.

        If it was hardly seen, that may have been a collection of garbage, or a machine that gave neither thread a
        processor.
        """
        return gap.held >= self._slow and (
            _was_seen(step, duration) or (gap.worked >= self._slow and not gap.collected)
        )

    def _gap_at(self, time: float) -> Gap | None:
        found = next((gap for gap in reversed(list(self._ticker.gaps)) if gap.begun <= time <= gap.ended), None)
        if found is None and time > self._ticker.last and (overdue := self._ticker.overdue):
            # It lasts still.
            return Gap(self._ticker.last, self._clock(), 0.0, overdue - self._ticker.held, False)
        return found

    def _add_spell(self, step: _Step, duration: float, *, lasts: bool, hidden: bool) -> None:
        where, there = step.lines.most_common(1)[0]
        looks = step.lines.total()
        name, cure = step.call
        spell = Spell(step.who, step.task, where, duration, duration, 1, looks, there, line_text(where), name, cure)
        spell = spell._replace(behind=step.behind, lasts=lasts, hidden=hidden, before=step.before)
        before = self._spells.get(where)
        if before is not None:
            self._spells[where] = _together(before, spell)
        elif len(self._spells) < _LINES:
            self._spells[where] = spell


def _was_seen(step: _Step, duration: float) -> bool:
    """Tell whether a step was looked at as often as there was time to."""
    return step.lines.total() * EVERY > _SEEN * duration


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
    while not (here is None or here.f_code is base or runs_callback(here)):
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
