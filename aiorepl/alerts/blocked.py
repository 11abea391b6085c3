"""A loop that is blocked is told of while it is, with the line that blocks it; a step that was slow when it has ended.

The watching thread samples the loop's thread while a beat is not answered. Where the steps of the loop are measured
(``aiorepl.alerts.steps``) the times are exact; elsewhere they are those of the samples.
"""

import asyncio
import collections
import time
from collections.abc import Callable
from typing import Any

from aiorepl.alerts.blocking_calls import blocking_call
from aiorepl.alerts.places import line_text, users_frame
from aiorepl.alerts.pulse import PERIOD, Pulse, Sample
from aiorepl.alerts.steps import SlowStep
from aiorepl.alerts.values import Alert, Rules
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import bounded, coroutine_of, frame_of, thread_stack
from aiorepl.introspect.failures import own_frame
from aiorepl.introspect.loops import loop_info, number_of
from aiorepl.introspect.values import Frame

__all__ = ["BlockWatch", "Report", "Revise"]

Report = Callable[[Alert, object], Alert | None]
Revise = Callable[..., None]

# Lines that samples of one block found, of which the hottest is told.
_LINES = 50
# A block whose thread could not look for so long was one that held the GIL, if the process worked meanwhile.
_OVERSLEPT = 4 * PERIOD
_WORKED = 0.5


class _Block:
    """A step of the loop under observation: since when, whose, and where samples found it."""

    def __init__(self, started: float, sample: Sample) -> None:
        self.started = started
        self.owner = sample.owner
        self.task = sample.task
        self.name = owner_words(sample.task)
        self.lines: collections.Counter[Frame] = collections.Counter()
        self.alert: Alert | None = None

    def add(self, sample: Sample) -> None:
        line = users_frame(sample.frame)._replace(function="")
        if line in self.lines or len(self.lines) < _LINES:
            self.lines[line] += 1

    @property
    def hottest(self) -> str:
        """The line that most samples found, in words; empty where one line was all they found."""
        (line, count), *others = self.lines.most_common()
        share = count / self.lines.total()
        return f"{share:.0%} of {self.lines.total()} samples in {line.file}, line {line.line}" if others else ""


class BlockWatch:
    """Watches the steps of one loop; everything but ``step_ended`` is called by the thread that watches."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pulse: Pulse,
        report: Report,
        revise: Revise,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Report with ``report(alert, key)``, and say more of what was reported with ``revise(number, **changes)``."""
        self._loop = loop
        self._pulse = pulse
        self._report = report
        self._revise = revise
        self._clock = clock
        self._block: _Block | None = None
        self._last_tick = clock()
        self._last_cpu = time.process_time()
        self._ended: collections.deque[SlowStep] = collections.deque(maxlen=100)

    def step_ended(self, step: SlowStep) -> None:
        """Take a step that was measured and was too slow; called on the loop's thread, at once after the step."""
        self._ended.append(step)

    def tick(self, rules: Rules) -> None:
        """Look whether the loop is blocked now, and tell of what has ended since."""
        now = self._clock()
        held = self._gil_was_held(now)
        if rules.slow:
            sample = self._pulse.sample() if self._pulse.overdue >= PERIOD / 2 else None
            self._follow(sample, now, rules)
            self._tell_of_steps(rules)
            if held is not None and held > rules.slow and self._block is None:
                self._tell_of_gil(held)
        self._last_tick = self._clock()

    def _follow(self, sample: Sample | None, now: float, rules: Rules) -> None:
        block = self._block
        if block is not None and (sample is None or sample.owner != block.owner):
            self._close(block, rules)
            block = self._block = None
        if sample is None:
            return
        if block is None:
            started = max(self._pulse.sent or now, self._last_tick)
            block = self._block = _Block(started, sample)
        block.add(sample)
        if block.alert is None and now - block.started >= rules.slow and not _excused(self._loop, sample.task):
            block.alert = self._report(self._blocked_alert(block, sample, now), None)

    def _blocked_alert(self, block: _Block, sample: Sample, now: float) -> Alert:
        call = blocking_call(sample.frame)
        where = users_frame(call.frame if call is not None else sample.frame)
        common = {
            "where": where,
            "source": line_text(where),
            "task": BOOK.number_of(block.task) if block.task is not None else None,
            "loop": number_of(self._loop),
            "stack": thread_stack(sample.frame, frame_of(coroutine_of(block.task))),
            "duration": now - block.started,
            "sampled": True,
            "phase": "lasts",
        }
        behind = waiting_behind(self._loop)
        if call is None:
            what = f"{block.name} holds the loop{behind}"
            cure = "Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...)."
            return Alert("blocked-loop", what, cure=cure, **common)  # type: ignore[arg-type]
        what = f"{block.name} holds the loop in {call.name}{behind}"
        cure = f"{call.name} blocks the loop's thread. Write instead: {call.cure}"
        return Alert("blocking-call", what, cure=cure, **common)  # type: ignore[arg-type]

    def _close(self, block: _Block, rules: Rules) -> None:
        """Say how long a block was that was told of; one that was not is told as a slow step, if it was measured."""
        if block.alert is None:
            return
        exact = next((step for step in self._ended if _is_of(step, block)), None)
        if exact is not None:
            self._ended.remove(exact)
        duration = exact.duration if exact is not None else max(self._last_tick - block.started, rules.slow)
        self._revise(
            block.alert.number,
            duration=duration,
            sampled=exact is None,
            phase="ended",
            detail=block.hottest,
            what=block.alert.what.replace(" holds the loop", " held the loop", 1),
        )
        self._tell_of_first(block.name, block.task, exact.first if exact else None, duration, block.alert, rules)

    def _tell_of_steps(self, rules: Rules) -> None:
        """Tell of the slow steps that nobody could tell of while they went on."""
        while self._ended and self._block is None:
            step = self._ended.popleft()
            if step.excused or step.duration < rules.slow:
                continue
            where = step.where
            cure = "Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...)."
            alert = Alert(
                "slow-callback",
                f"a step of {step.name} was slow" if step.task else f"the callback {step.name} was slow",
                where=where,
                source=line_text(where),
                task=step.task,
                loop=number_of(self._loop),
                cure=cure,
                duration=step.duration,
            )
            self._report(alert, None)
            self._tell_of_first(step.name, None, step.first, step.duration, alert, rules)

    def _tell_of_first(
        self, name: str, task: Any, first: bool | None, duration: float, alert: Alert, rules: Rules
    ) -> None:
        if not rules.first_step or duration < rules.first_step:
            return
        sampled = first is None
        if sampled:
            entry = BOOK.entry(task) if task is not None else None
            # Made since the loop answered the last time: this must be its first step, or the second.
            first = entry is not None and entry.made is not None and time.monotonic() - entry.made < duration + 0.05
        if first:
            cure = "Let it await something early, so that others get a turn; long work belongs in asyncio.to_thread."
            self._report(
                alert._replace(
                    kind="never-yielded",
                    what=f"the first step of {name} held the loop: it did not await anything that long",
                    cure=cure,
                    duration=duration,
                    sampled=sampled,
                    phase="once",
                ),
                None,
            )

    def _gil_was_held(self, now: float) -> float | None:
        """Return for how long this thread could not run though it was due, if the process worked meanwhile."""
        cpu = time.process_time()
        slept, worked = now - self._last_tick, cpu - self._last_cpu
        self._last_cpu = cpu
        return slept if slept > _OVERSLEPT and worked > _WORKED * slept else None

    def _tell_of_gil(self, held: float) -> None:
        """A call into C kept every Python thread from running, this one too: told right after."""
        step = next((step for step in reversed(self._ended) if step.duration > held / 2), None)
        if step is not None:
            self._ended.remove(step)
        where = step.where if step is not None else None
        name = step.name if step is not None else "a call into C"
        self._report(
            Alert(
                "blocked-loop",
                f"{name} held the loop and the GIL, so that no Python thread could run, and nobody could look",
                where=where,
                source=line_text(where),
                task=step.task if step is not None else None,
                loop=number_of(self._loop),
                cure="A thread does not help here: do it in pieces, or in another process (ProcessPoolExecutor).",
                duration=step.duration if step is not None else held,
                sampled=step is None,
            ),
            None,
        )


def owner_words(task: Any) -> str:
    """Name the task whose step is on the thread; a callback has no name."""
    if task is None:
        return "a callback"
    coroutine = getattr(coroutine_of(task), "__qualname__", "?")
    return f"{bounded(task.get_name())} ({bounded(coroutine)})"


def waiting_behind(loop: asyncio.AbstractEventLoop) -> str:
    """Say how many callbacks are ready to run, but for aiorepl's own; empty if there are none or it is not known."""
    ready = loop_info(loop).ready
    if not ready:
        return ""
    return f", and {ready:,} {'callback waits' if ready == 1 else 'callbacks wait'} behind it"


def _excused(loop: asyncio.AbstractEventLoop, task: Any) -> bool:
    """Tell whether a cell blocks the loop while no other task is there: a person may compute at a prompt."""
    coroutine = coroutine_of(task)
    code = getattr(coroutine, "cr_code", None)
    if code is None or not (own_frame(code.co_filename) and coroutine.__name__.startswith("cell_")):
        return False
    try:
        return len(asyncio.all_tasks(loop)) == 1
    except RuntimeError:
        return False


def _is_of(step: SlowStep, block: _Block) -> bool:
    """Tell whether a measured step is the one that was under observation."""
    return step.started < block.started + PERIOD and step.started + step.duration > block.started
