"""Everything that watches one loop, put together; what it has changed of the loop is changed back by ``close``."""

import asyncio
import contextlib
import contextvars
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiorepl.alerts.births import Births
from aiorepl.alerts.blocked import BlockWatch, Report, Revise
from aiorepl.alerts.endings import TaskWatch
from aiorepl.alerts.generators import GeneratorWatch
from aiorepl.alerts.handler import HandlerWatch
from aiorepl.alerts.lag import LagWatch
from aiorepl.alerts.pulse import Pulse
from aiorepl.alerts.refused import RefusalWatch
from aiorepl.alerts.spinning import SpinWatch
from aiorepl.alerts.stats import Hold, keep_statistics
from aiorepl.alerts.steps import SlowStep, supports, told_since, watch_steps
from aiorepl.alerts.strays import StrayWatch
from aiorepl.alerts.thresholds import Threshold
from aiorepl.alerts.turns import SlowTurn, watch_turns
from aiorepl.alerts.values import Rules

if TYPE_CHECKING:
    from aiorepl.alerts.looks import Looks

__all__ = ["LoopWatch"]

# The thread that watches comes every 25 ms; tasks are looked at every so many times.
_SELDOM = 4
# Frames of a coroutine's origin: one names the line, and costs a fraction of the ten of debug mode.
_ORIGIN = 1


class LoopWatch:
    """Watches one loop from when it is made until ``close``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        found: Report,
        enter: Report,
        revise: Revise,
        rules: Callable[[], Rules],
        quiet: bool,
    ) -> None:
        """``found`` takes alerts from any thread; ``enter`` and ``revise`` are for the thread that watches."""
        self.loop = loop
        self._found = found
        self._rules = rules
        self.pulse = Pulse(loop, answered=self._renew)
        self.blocks = BlockWatch(loop, self.pulse, enter, revise)
        self.tasks = TaskWatch(loop, enter, lambda: self.pulse.answers, replaces=quiet)
        self.strays = StrayWatch(loop, self.pulse, found)
        self.refused = RefusalWatch(loop, found)
        self.handler = HandlerWatch(loop, found, quiet=quiet)
        self.births = Births(loop, self.tasks.add, self.strays.created)
        self.generators = GeneratorWatch(loop, found)
        self.lag = LagWatch(loop, self.pulse, enter)
        self.spins = SpinWatch(loop, enter)
        # Made by the thread that watches when they are wanted: what they load takes its time.
        self._looks: Looks | None = None
        self._hold: Hold | None = None
        self._steps: Threshold[SlowStep] | None = None
        self._turns: Threshold[SlowTurn] = watch_turns(
            loop, slow=None, on_slow=self.blocks.turn_ended, excused=self._was_told
        )
        self._ticks = 0
        self._looking = threading.Lock()
        # The thread on which coroutines remember where they were made, as they would not without us.
        self._origins: int | None = None
        self._closed = False
        self.apply()
        with contextlib.suppress(RuntimeError):
            # At once, be it running or not yet.
            loop.call_soon_threadsafe(self._renew, context=contextvars.Context())

    def apply(self) -> None:
        """Go by the rules that are in force now; any thread may call."""
        rules = self._rules()
        if self._looks is not None:
            self._looks.wake()
        self._keep_statistics(rules.stats)
        slow = rules.slow or None
        exact = slow is not None and rules.exact and supports(self.loop)
        self.blocks.exact = exact
        self._turns.slow = slow if exact else None
        if self._steps is not None and not exact:
            self._steps.end()
            self._steps = None
        elif self._steps is not None:
            self._steps.slow = slow
        elif exact:
            self._steps = watch_steps(self.loop, slow=slow, on_slow=self.blocks.step_ended)

    def tick(self) -> None:
        """Look at the loop once; called by the thread that watches."""
        rules = self._rules()
        self._ticks += 1
        with self._looking:
            self.blocks.tick(rules)
            if not self.strays.tick():
                self.pulse.tick()
            self.lag.tick(rules)
            self.spins.tick(rules)
            if self._ticks % _SELDOM == 0:
                self.tasks.tick(rules)
            if rules.look and self._looks is None and not self._closed:
                self._begin_to_look()

    def slow_logged(self, step: SlowStep) -> bool:
        """Take a step that debug mode found slow, on the loop's thread; False if no alert tells of it."""
        rules = self._rules()
        if not rules.slow:
            return False
        # What was measured has been told. When a logged step began is known by when it was logged, which may be late.
        if not told_since(self.loop, step.started):
            self.blocks.step_logged(step)
        return True

    def _begin_to_look(self) -> None:
        from aiorepl.alerts.looks import Looks

        self._looks = Looks(self.loop, self._found, lambda: self._rules().look)

    def close(self) -> None:
        """Leave the loop as it was found; any thread may call, and what belongs to the loop's thread is done there."""
        with self._looking:
            self._closed = True
        if self._looks is not None:
            self._looks.stop()
        if self._steps is not None:
            self._steps.end()
        self._turns.end()
        self._keep_statistics(False)
        self.births.undo()
        self.strays.undo()
        self.refused.undo()
        self.handler.undo()
        with self._looking:
            self.tasks.tick(self._rules(), last=True)
        if not self.loop.is_running():
            if self._origins == threading.get_ident():
                self._forget_origins()
            return
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._release)

    def _keep_statistics(self, wanted: bool) -> None:
        if self._hold is not None and not wanted:
            self._hold.end()
            self._hold = None
        elif self._hold is None and wanted:
            self._hold = keep_statistics(self.loop)

    def _was_told(self, began: float) -> bool:
        return told_since(self.loop, began, self._rules().slow)

    def _renew(self) -> None:
        """Set what a loop sets anew whenever it begins to run; on its own thread."""
        self.pulse.find()
        self.generators.renew()
        if sys.get_coroutine_origin_tracking_depth() == 0:
            sys.set_coroutine_origin_tracking_depth(_ORIGIN)
            self._origins = threading.get_ident()

    def _release(self) -> None:
        self.generators.undo()
        if self._origins is not None:
            self._forget_origins()

    def _forget_origins(self) -> None:
        if sys.get_coroutine_origin_tracking_depth() == _ORIGIN:
            sys.set_coroutine_origin_tracking_depth(0)
        elif getattr(self.loop, "_coroutine_origin_tracking_saved_depth", None) == _ORIGIN:
            # In debug mode, which would bring it back when it ends.
            self.loop._coroutine_origin_tracking_saved_depth = 0  # type: ignore[attr-defined]
