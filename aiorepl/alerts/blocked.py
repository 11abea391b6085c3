"""A loop that is blocked is told of while it is, with the line that blocks it; a step that was slow when it has ended.

The watching thread samples the loop's thread while a beat is not answered. Where the steps of the loop are measured
(``aiorepl.alerts.steps``) the times are exact; elsewhere they are those of the samples.
"""

import asyncio
import collections
import time
from collections.abc import Callable
from types import CodeType
from typing import Any

from aiorepl.alerts.gil import GilWatch
from aiorepl.alerts.places import line_text
from aiorepl.alerts.pulse import PERIOD, Pulse, Sample
from aiorepl.alerts.running import asked_at, callback_words, is_own_step, program_line
from aiorepl.alerts.steps import SlowStep
from aiorepl.alerts.turns import SlowTurn
from aiorepl.alerts.values import Alert, Rules
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import bounded, coroutine_name, coroutine_of, frame_of, program_place, thread_stack
from aiorepl.introspect.failures import own_frame
from aiorepl.introspect.loops import loop_info, number_of
from aiorepl.introspect.own_work import own_seconds
from aiorepl.introspect.values import Frame

__all__ = ["BlockWatch", "Report", "Revise"]

Report = Callable[[Alert, object], Alert | None]
Revise = Callable[..., None]

# What the coroutines of cells are called.
_CELL = "cell_"
_DIVIDE = "Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...)."
# Steps that were seen since a beat was sent: two are as good as more.
_SEEN = 2
# The part of a time that has to have gone into aiorepl's own work for the program not to be blamed for it.
_OURS = 0.5
# Lines that samples of one block found, of which the hottest is told.
_LINES = 50


class _Block:
    """A step of the loop under observation: since when, whose, and where samples found it. It keeps no task alive."""

    def __init__(self, started: float, sample: Sample, where: Frame | None, base: CodeType | None) -> None:
        self.started = started
        self.owner = sample.owner
        self.task: int | None = None
        # When the task was made, if that is known, in the time of ``time.monotonic``.
        self.made: float | None = None
        self.is_cell = False
        if sample.task is not None:
            entry = BOOK.entry(sample.task)
            coroutine = coroutine_name(coroutine_of(sample.task))
            self.task, self.made = entry.number, entry.made
            self.name = f"{bounded(sample.task.get_name())} ({coroutine})"
            self.is_cell = coroutine.startswith(_CELL)
        else:
            self.name = callback_words(sample.frame, base)
        self.where = where
        self.lines: collections.Counter[Frame] = collections.Counter()
        self.alert: Alert | None = None

    def add(self, where: Frame | None) -> None:
        line = where._replace(function="") if where is not None else None
        if line is not None and (line in self.lines or len(self.lines) < _LINES):
            self.lines[line] += 1

    @property
    def hottest(self) -> str:
        """The line that most samples found, in words; empty where one line was all they found."""
        if len(self.lines) < 2:
            return ""
        ((line, count),) = self.lines.most_common(1)
        return f"{count / self.lines.total():.0%} of {self.lines.total()} samples in {line.file}, line {line.line}"


class BlockWatch:
    """Watches the steps of one loop; the thread that watches calls ``tick``, the loop's own the others."""

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
        # Whether the steps of the loop are measured.
        self.exact = False
        self._block: _Block | None = None
        # The steps that were seen since the beat was sent that has not been answered, and when that was.
        self._blocks: list[_Block] = []
        self._sent: float | None = None
        # One that was told of and is over; its step may still be on the way to be measured.
        self._unmeasured: _Block | None = None
        self._last_tick = clock()
        self._gil = GilWatch(pulse.worked)
        self._ended: collections.deque[SlowStep] = collections.deque(maxlen=100)
        self._turns: collections.deque[SlowTurn] = collections.deque(maxlen=100)

    def step_ended(self, step: SlowStep) -> None:
        """Take a step that was measured and was too slow; which has ended just now."""
        self._ended.append(step)

    def step_logged(self, step: SlowStep) -> None:
        """Take a step that debug mode found slow by its own threshold, and of which nothing has been told."""
        self._ended.append(step)

    def turn_ended(self, turn: SlowTurn) -> None:
        """Take a pass of the loop that was too slow, though no step of it was."""
        self._turns.append(turn)

    def tick(self, rules: Rules) -> None:
        """Look whether the loop is blocked now, and tell of what has ended since."""
        now = self._clock()
        held = self._gil.held(self._last_tick, now)
        if rules.slow:
            self._look_at_beat(rules)
            sample = self._pulse.sample() if self._pulse.overdue >= PERIOD / 2 else None
            if sample is not None and is_own_step(sample.frame, self._pulse.base) and not _is_cell(sample.task):
                sample = None
            self._follow(sample, now, rules)
            if held is not None and held > rules.slow and self._block is None:
                self._tell_of_gil(held, now)
            self._tell_of_steps(rules)
            self._tell_of_turns()
        self._last_tick = self._clock()

    def _look_at_beat(self, rules: Rules) -> None:
        """Judge by how long the last beat took, if it has been answered, where steps are not measured."""
        if self._pulse.sent == self._sent:
            return
        blocks, self._blocks = self._blocks, []
        self._sent = self._pulse.sent
        lag = self._pulse.last_lag
        if self.exact or lag < rules.slow or not blocks or any(block.alert or block.is_cell for block in blocks):
            return
        if any(_is_of(step, block) for step in self._ended for block in blocks):
            # In debug mode uvloop measures its steps: told with those.
            return
        if len(blocks) > 1:
            self._report(self._slow_turn("callbacks", lag, sampled=True), number_of(self._loop))
        else:
            block = blocks[0]
            what = f"a step of {block.name} was slow" if block.task is not None else f"{block.name} was slow"
            self._report(self._slow_step(what, block.where, block.task, lag, sampled=True), None)

    def _follow(self, sample: Sample | None, now: float, rules: Rules) -> None:
        block = self._block
        if block is not None and (sample is None or sample.owner != block.owner):
            self._close(block, rules)
            block = self._block = None
        if sample is None:
            return
        where = program_line(sample.frame, self._pulse.base)
        if block is None:
            started = max(self._pulse.sent or now, self._last_tick)
            block = self._block = _Block(started, sample, where, self._pulse.base)
            self._blocks.append(block)
            del self._blocks[_SEEN:]
        block.add(where)
        if block.alert is None and now - block.started >= rules.slow and not _excused(self._loop, sample.task):
            block.alert = self._report(self._blocked_alert(block, sample, now), None)

    def _blocked_alert(self, block: _Block, sample: Sample, now: float) -> Alert:
        # Loaded when something is blocked.
        from aiorepl.alerts.blocking_calls import blocking_call

        call = blocking_call(sample.frame)
        where = program_line(call.frame if call is not None else sample.frame, self._pulse.base)
        where = where or asked_at(sample.frame)
        common = {
            "where": where,
            "source": line_text(where),
            "task": block.task,
            "loop": number_of(self._loop),
            "stack": thread_stack(sample.frame, frame_of(coroutine_of(sample.task))),
            "duration": now - block.started,
            "sampled": True,
            "phase": "lasts",
        }
        behind = waiting_behind(self._loop)
        if call is None:
            what = f"{block.name} holds the loop{behind}"
            return Alert("blocked-loop", what, cure=_DIVIDE, **common)  # type: ignore[arg-type]
        doing = f" in {call.name}" if not block.name.endswith(f" {call.name}") else ""
        what = f"{block.name} holds the loop{doing}{behind}"
        cure = f"{call.name} blocks the loop's thread. Write instead: {call.cure}"
        return Alert("blocking-call", what, cure=cure, **common)  # type: ignore[arg-type]

    def _close(self, block: _Block, rules: Rules) -> None:
        """Say how long a block was that was told of; one that was not is told as a slow step, if it was measured."""
        if block.alert is None:
            return
        exact = next((step for step in self._ended if _is_of(step, block)), None)
        if exact is not None:
            self._ended.remove(exact)
        else:
            self._unmeasured = block
        duration = exact.duration if exact is not None else max(self._last_tick - block.started, rules.slow)
        self._revise(
            block.alert.number,
            duration=duration,
            sampled=exact is None,
            phase="ended",
            detail=block.hottest,
            what=block.alert.what.replace(" holds the loop", " held the loop", 1),
        )
        if block.alert.kind == "blocking-call":
            # That tells what to change; that it was a first step adds nothing.
            return
        first = exact.first if exact is not None else self._is_new(block)
        self._tell_of_first(block.name, first, duration, block.alert, rules)

    def _tell_of_steps(self, rules: Rules) -> None:
        """Tell of the slow steps that nobody could tell of while they went on."""
        while self._ended and self._block is None:
            step = self._ended.popleft()
            if self._was_told(step):
                continue
            # A cell's own step is told with the cell, by a hint; of aiorepl's own nobody need know.
            if step.coroutine.startswith(_CELL) or _is_own(step):
                continue
            name = _step_words(step)
            what = f"a step of {name} was slow" if step.coroutine else f"{name} was slow"
            alert = self._slow_step(what, _where(step), step.task, step.duration, sampled=False)
            self._report(alert, None)
            self._tell_of_first(name, step.first, step.duration, alert, rules)

    def _was_told(self, step: SlowStep) -> bool:
        """Tell whether this is the step of the last block, whose measure has come after that was told to be over."""
        block, self._unmeasured = self._unmeasured, None
        return block is not None and _is_of(step, block)

    def _tell_of_turns(self) -> None:
        while self._turns and self._block is None:
            turn = self._turns.popleft()
            alert = self._slow_turn(f"{turn.ready:,} callbacks", turn.duration, sampled=False)
            self._report(alert, number_of(self._loop))

    def _slow_step(self, what: str, where: Frame | None, task: int | None, duration: float, *, sampled: bool) -> Alert:
        return Alert(
            "slow-callback",
            what,
            where=where,
            source=line_text(where),
            task=task,
            loop=number_of(self._loop),
            cure=_DIVIDE,
            duration=duration,
            sampled=sampled,
        )

    def _slow_turn(self, of: str, duration: float, *, sampled: bool) -> Alert:
        return Alert(
            "slow-iteration",
            f"one pass of the loop over {of} took long, though no single one did",
            loop=number_of(self._loop),
            cure="Too much is ready at one time: a semaphore or a queue lets fewer tasks go on at once.",
            duration=duration,
            sampled=sampled,
        )

    def _tell_of_first(self, name: str, first: bool | None, duration: float, alert: Alert, rules: Rules) -> None:
        if not first or not rules.first_step or duration < rules.first_step:
            return
        never = alert._replace(
            kind="never-yielded",
            what=f"the first step of {name} held the loop: it did not await anything that long",
            cure="Let it await something early, so that others get a turn; long work belongs in asyncio.to_thread.",
            duration=duration,
            sampled=alert.sampled and not self.exact,
            phase="once",
        )
        self._report(never, None)

    def _is_new(self, block: _Block) -> bool:
        """Tell whether a task was made since the loop answered last: this was its first step then, or the second."""
        since = self._clock() - block.started
        return block.made is not None and time.monotonic() - block.made < since + PERIOD

    def _tell_of_gil(self, held: float, now: float) -> None:
        """A call into C kept every Python thread from running, this one too: told right after, unless it was ours."""
        if own_seconds(self._loop, now - held, now) > _OURS * held:
            return
        step = next((step for step in reversed(self._ended) if step.duration > held / 2), None)
        if step is not None:
            self._ended.remove(step)
            if step.coroutine.startswith(_CELL) or _is_own(step):
                # Told with the cell, or nothing to tell.
                return
        where = _where(step) if step is not None else None
        name = "a call into C"
        if step is not None:
            name = _step_words(step)
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


def _step_words(step: SlowStep) -> str:
    return f"{step.name} ({step.coroutine})" if step.coroutine else f"the callback {step.callback}"


def waiting_behind(loop: asyncio.AbstractEventLoop) -> str:
    """Say how many callbacks are ready to run, but for aiorepl's own; empty if there are none or it is not known."""
    ready = loop_info(loop).ready
    if not ready:
        return ""
    return f", and {ready:,} {'callback waits' if ready == 1 else 'callbacks wait'} behind it"


def _excused(loop: asyncio.AbstractEventLoop, task: Any) -> bool:
    """Tell whether a cell blocks the loop while no other task is there: a person may compute at a prompt."""
    if not _is_cell(task):
        return False
    try:
        return len(asyncio.all_tasks(loop)) == 1
    except RuntimeError:
        return False


def _is_cell(task: Any) -> bool:
    coroutine = coroutine_of(task)
    code = getattr(coroutine, "cr_code", None)
    return code is not None and own_frame(code.co_filename) and coroutine.__name__.startswith(_CELL)


def _is_own(step: SlowStep) -> bool:
    return step.defined is not None and step.defined.own


def _where(step: SlowStep) -> Frame | None:
    """Where a step's task stands after it, or what was called is defined."""
    return program_place(step.stack) or step.defined


def _is_of(step: SlowStep, block: _Block) -> bool:
    """Tell whether a measured step is the one that was under observation."""
    return step.started < block.started + PERIOD and step.started + step.duration > block.started
