"""Follow the calls of one function: with what arguments, how each ended, how long it took, how often it was suspended.

Python 3.12 and later tell of calls through ``sys.monitoring``; on 3.11 the function runs in a wrapper. In both cases
the function's code is exchanged, so that every reference to it is followed, it can be pickled, and what it had is put
back as it was. Whoever makes a call waits for nobody, and hears of no error: it adds to a bounded list, which another
thread takes from.
"""

import collections
import inspect
import itertools
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aiorepl.alerts.trace_arguments import Parameters
from aiorepl.alerts.trace_call import Begin, Instrument, OpenCall, Read, caller
from aiorepl.alerts.traced import Kind, Outcome, Rate, TracedCall, TraceInfo
from aiorepl.errors import CommandError
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.failures import own_frame
from aiorepl.introspect.summary import type_name

__all__ = ["Limits", "Trace"]

# Calls that are followed or were not taken yet; more than these are only counted.
_KEPT = 1_000
# Seconds for which calls are waited for that began before the limit was reached.
_PATIENCE = 60.0

# Each function and what follows it, or did so last; looked at and changed under the lock.
_TRACES: "weakref.WeakKeyDictionary[types.FunctionType, Trace]" = weakref.WeakKeyDictionary()
_starting = threading.Lock()


class Limits(NamedTuple):
    """What ends a trace: so many calls, or more of them at a time; one of the two at least."""

    maximum: int | None = None
    rate: Rate | None = None


class Trace:
    """Follows one function from ``start`` until a limit is reached or ``stop``; any thread may use it."""

    def __init__(
        self,
        function: types.FunctionType,
        limits: Limits,
        *,
        name: str = "",
        only: object = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Follow nothing yet.

        Args:
            function: It is not kept alive.
            limits: What ends it.
            name: How the function is called in what is told; left out, as it calls itself.
            only: A method's calls on this object only; on all if it is None.
            clock: Tells the seconds.
        """
        self.name = bounded(name or function.__qualname__.rpartition("<locals>.")[2])
        self.limits = limits
        # Why no more calls are followed; empty while they are.
        self.reason = ""
        self._function = weakref.ref(function)
        self._kind = _kind(function.__code__)
        self._parameters = Parameters(function.__code__, hide_first=only is not None or _is_method(function))
        self._only = None if only is None else id(only)
        self._clock = clock
        self._instrument: Instrument | None = None
        self._window = _Window(limits.rate, clock) if limits.rate else None
        self._numbers = itertools.count(1)
        self._open: dict[int, OpenCall] = {}
        self._ended: collections.deque[TracedCall] = collections.deque()
        # Those that were only counted; threads that call at the same moment may count as one.
        self._missed = 0
        self._reached = 0.0
        # Of what was taken; changed under the lock, which no traced call waits for.
        self._totals = _Totals()
        self._taking = threading.Lock()

    def start(self) -> None:
        """Follow every call that begins from now on.

        Raises:
            CommandError: If it is followed already, is part of aiorepl, or the program leaves no room for it.
        """
        function = self._function()
        if function is None or own_frame(function.__code__.co_filename):
            raise CommandError(f"{self.name} is part of aiorepl, which does not trace itself")
        with _starting:
            other = _TRACES.get(function)
            if other is not None and not other.reason:
                raise CommandError(f"{self.name} is traced already; where that was asked for, %trace off ends it")
            # A call may begin, and reach the limit, before install returns.
            self._instrument = _instrument(function, self._begin)
            self._instrument.install()
            _TRACES[function] = self

    def stop(self, reason: str) -> None:
        """Follow nothing any more; a call that has not ended is told as far as it has come."""
        self._end(reason)
        with self._taking:
            self._finish()

    @property
    def finished(self) -> bool:
        """Tell whether nothing is followed any more; there may be calls yet to be taken."""
        return bool(self.reason) and self._instrument is None

    def tidy(self) -> None:
        """End what is over; called every now and then by who takes the calls."""
        with self._taking:
            if not self.reason and self._function() is None:
                self._end("the function is gone")
            if self.reason and (not self._open or self._clock() - self._reached > _PATIENCE):
                self._finish()

    def take(self, most: int) -> tuple[tuple[TracedCall, ...], int]:
        """Return the first calls that have ended since the last time, and how many others did."""
        with self._taking:
            taken = [self._ended.popleft() for _ in range(len(self._ended))]
            self._totals = self._totals.with_calls(taken)
        return tuple(taken[:most]), max(0, len(taken) - most)

    @property
    def info(self) -> TraceInfo:
        """The trace as it is now."""
        with self._taking:
            totals = self._totals.with_calls(tuple(self._ended))
            opened = totals.unfinished + len(self._open)
        maximum, rate = self.limits
        mean, longest = (totals.elapsed / totals.ended, totals.longest) if totals.ended else (None, None)
        calls, missed = totals.ended + opened + self._missed, self._missed
        return TraceInfo(
            self.name, self._kind, maximum, rate, calls, opened, totals.failed, missed, mean, longest, self.reason
        )

    # The rest is called by whoever makes a traced call, and waits for nobody.

    def _begin(self, read: Read) -> OpenCall | None:
        try:
            return self._follow(read)
        except RecursionError:
            # The program has come to the limit, and is about to hear of it.
            return None
        except Exception as error:
            self._end(f"it failed: {type_name(error)}: {error}")
            return None

    def _follow(self, read: Read) -> OpenCall | None:
        if self.reason or (self._only is not None and id(read(self._parameters.first)) != self._only):
            return None
        who = caller()
        if who is None:
            return None
        if self._window is not None and self._window.is_exceeded():
            self._end(f"it was called more than {self._window.rate.calls:,} times in {self._window.rate.seconds:g} s")
            return None
        maximum = self.limits.maximum
        number = next(self._numbers)
        call = None
        if len(self._open) + len(self._ended) >= _KEPT:
            self._missed += 1
        elif maximum is None or number <= maximum:
            arguments = self._parameters.arguments(read, self._function())
            call = self._open[number] = OpenCall(number, who, arguments, self._tell, self._clock)
        if number == maximum:
            self._end(f"the limit of {maximum:,} call{'' if maximum == 1 else 's'} is reached")
        return call

    def _tell(self, call: OpenCall, outcome: Outcome, result: str) -> None:
        # Two may end it at once: the thread that makes the call, and who no longer waits for it.
        if self._open.pop(call.number, None) is not None:
            self._ended.append(call.told(self.name, self._kind, outcome, result))

    def _end(self, reason: str) -> None:
        """Follow no more calls than those that have begun."""
        if not self.reason:
            self._reached = self._clock()
            self.reason = reason
        if self._instrument is not None:
            self._instrument.release()

    def _finish(self) -> None:
        """Leave nothing behind; under the lock."""
        instrument, self._instrument = self._instrument, None
        if instrument is not None:
            instrument.remove()
        for call in list(self._open.values()):
            call.lost("open")


class _Window:
    """Counts calls, anew each time that the seconds of a rate are over."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self.rate = rate
        self._clock = clock
        self._since = clock()
        self._counted = itertools.count(1)

    def is_exceeded(self) -> bool:
        """Count a call, and tell whether it is one too many."""
        now = self._clock()
        if now - self._since >= self.rate.seconds:
            self._since, self._counted = now, itertools.count(1)
        return next(self._counted) > self.rate.calls


class _Totals(NamedTuple):
    ended: int = 0
    failed: int = 0
    unfinished: int = 0
    elapsed: float = 0.0
    longest: float = 0.0

    def with_calls(self, calls: Iterable[TracedCall]) -> "_Totals":
        ended, failed, unfinished, elapsed, longest = self
        for call in calls:
            if call.outcome == "open":
                unfinished += 1
                continue
            ended += 1
            failed += call.outcome == "raised"
            elapsed += call.duration
            longest = max(longest, call.duration)
        return _Totals(ended, failed, unfinished, elapsed, longest)


def _kind(code: types.CodeType) -> Kind:
    if code.co_flags & inspect.CO_ASYNC_GENERATOR:
        return "async generator"
    if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE):
        return "coroutine"
    return "generator" if code.co_flags & inspect.CO_GENERATOR else "function"


def _is_method(function: types.FunctionType) -> bool:
    """Tell whether the first argument is what the function is called on."""
    _, _, owner = function.__qualname__.rpartition(".")[0].rpartition(".")
    code = function.__code__
    return bool(owner) and owner != "<locals>" and code.co_varnames[: code.co_argcount][:1] in (("self",), ("cls",))


def _instrument(function: types.FunctionType, begin: Begin) -> Instrument:
    if hasattr(sys, "monitoring"):
        from aiorepl.alerts.trace_monitoring import Monitored

        return Monitored(function, begin)
    from aiorepl.alerts.trace_wrapping import Wrapped

    return Wrapped(function, begin)
