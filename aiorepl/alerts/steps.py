"""How long each step of a loop takes, measured exactly.

Every callback of asyncio's own loops is run by ``asyncio.events.Handle._run``. That method is replaced for the whole
process as long as any loop is watched; when none is any more it is the original object again. What is wanted of a loop
is an attribute of it: no loop is kept alive, and one that nobody watches pays for the look at that attribute alone.
uvloop runs its callbacks itself and cannot be measured so. Times are those of ``time.perf_counter``.
"""

import asyncio
import collections
import math
import sys
import threading
import time
import weakref
from asyncio import events, format_helpers
from collections.abc import Callable
from time import perf_counter
from types import CoroutineType
from typing import Any, NamedTuple, Protocol

from aiorepl.alerts.thresholds import Threshold, Thresholds
from aiorepl.alerts.turns import begun_before
from aiorepl.introspect.own_loops import OWN_LOOPS
from aiorepl.introspect.values import Frame, Stack

__all__ = [
    "LoopSteps",
    "SlowStep",
    "Statistics",
    "report_exception",
    "steps_of",
    "supports",
    "told_since",
    "watch_steps",
]

# How many steps that were told are remembered for those who ask what a pass consisted of.
_REMEMBERED = 100
# The last version whose Handle._run has been seen to do what ``_run_here`` does; on later ones the original is called.
_KNOWN = (3, 15)


class SlowStep(NamedTuple):
    """A step that took long: one callback of the loop, from its call to its return.

    ``callback`` is the name of what was called, and ``defined`` where that is written, if it is Python code. If it was
    a task's step, ``task`` is the task's number, ``coroutine`` its coroutine, ``defined`` where that begins, and
    ``stack`` where it stands now; empty if it has ended. ``first`` if that was the first step of the task, None where
    that cannot be known.
    """

    duration: float
    started: float
    callback: str
    defined: Frame | None = None
    task: int | None = None
    name: str = ""
    coroutine: str = ""
    stack: Stack = ()
    ended: bool = False
    first: bool | None = None


class Statistics(Protocol):
    """Who keeps account of the steps of one loop, besides how long they take."""

    def run(self, handle: asyncio.Handle) -> None:
        """Run a handle as ``Handle._run`` does, and note what it took."""


class LoopSteps:
    """What is wanted of one loop's steps: told are those of ``slow`` seconds and more, which may be infinity."""

    __slots__ = ("__weakref__", "_loop", "slow", "statistics", "thresholds", "told")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing is wanted yet."""
        self.slow = math.inf
        # The steps that somebody was told of, as (started, duration).
        self.told: collections.deque[tuple[float, float]] = collections.deque(maxlen=_REMEMBERED)
        self.thresholds: Thresholds[SlowStep] = Thresholds(self._changed)
        # Runs the handles that are asyncio's own, if it is there.
        self.statistics: Statistics | None = None
        self._loop = weakref.ref(loop)

    def ended(self, callback: object, started: float, ended: float) -> None:
        """Tell of a step that took at least ``slow``; nothing is raised."""
        duration = ended - started
        self.told.append((started, duration))
        self.thresholds.tell(lambda: _describe(self._loop(), callback, started, duration), duration)

    def _changed(self, least: float | None) -> None:
        self.slow = math.inf if least is None else least
        self.renew()

    def renew(self) -> None:
        """Have the loop measured if anything is wanted of it, and only then."""
        loop: Any = self._loop()
        if loop is None:
            return
        with LOCK:
            if supports(loop) and (self.thresholds or self.statistics is not None):
                _install()
                loop._aiorepl_steps = self
                _watched.setdefault(id(loop), weakref.ref(loop, _gone(id(loop))))
            elif getattr(loop, "_aiorepl_steps", None) is self:
                del loop._aiorepl_steps
                _forget(id(loop))


# Held while it is decided what is measured; a signal handler may come back to it.
LOCK = threading.RLock()
# The loops that are, by id.
_watched: dict[int, "weakref.ref[asyncio.AbstractEventLoop]"] = {}


def _gone(key: int) -> Callable[[object], None]:
    return lambda reference: _forget(key)


def _forget(key: int) -> None:
    """A loop is watched no more, or is no more."""
    with LOCK:
        _watched.pop(key, None)
        if not _watched:
            _uninstall()


def supports(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether the steps of a loop can be measured: not those of uvloop, and never those of aiorepl's own loops."""
    return issubclass(type(loop), asyncio.BaseEventLoop) and loop not in OWN_LOOPS


def watch_steps(
    loop: asyncio.AbstractEventLoop, *, slow: float | None, on_slow: Callable[[SlowStep], object]
) -> Threshold[SlowStep]:
    """Call ``on_slow`` on the loop's thread after each step of ``slow`` seconds or more, until the threshold is ended.

    May be called from any thread, and more than once for a loop. Nothing comes of a loop that is not supported. If
    ``on_slow`` fails, that is logged, and it is not called any more.
    """
    with LOCK:
        return steps_of(loop).thresholds.add(slow, on_slow)


def told_since(loop: asyncio.AbstractEventLoop, time: float, slow: float = 0.0) -> bool:
    """Tell whether a step was reported that ended after this time and took so long; on the loop's thread."""
    steps = getattr(loop, "_aiorepl_steps", None)
    return steps is not None and any(started + duration > time and duration >= slow for started, duration in steps.told)


def steps_of(loop: asyncio.AbstractEventLoop) -> LoopSteps:
    """Return what is wanted of a loop's steps, which may be nothing yet; for who holds the ``LOCK``."""
    return getattr(loop, "_aiorepl_steps", None) or LoopSteps(loop)


def original_run() -> Callable[[asyncio.Handle], None]:
    """Return what runs a handle that is not measured."""
    return _original


def is_plain() -> bool:
    """Tell whether a handle is run as asyncio of a known version does it, with nobody else in between."""
    return sys.version_info[:2] <= _KNOWN and _is_asyncios(_original)


def _is_asyncios(run: Callable[[asyncio.Handle], None]) -> bool:
    return getattr(run, "__module__", "") == "asyncio.events" and run.__qualname__ == "Handle._run"


def report_exception(handle: Any, error: BaseException) -> None:
    """Hand what a callback raised to the loop's exception handler, as ``Handle._run`` does."""
    loop = handle._loop
    options = {"debug": loop.get_debug()} if sys.version_info >= (3, 13) else {}
    callback = format_helpers._format_callback_source(handle._callback, handle._args, **options)
    context = {"message": f"Exception in callback {callback}", "exception": error, "handle": handle}
    if handle._source_traceback:
        context["source_traceback"] = handle._source_traceback
    loop.call_exception_handler(context)


def _run_here(self: Any) -> None:
    """What ``Handle._run`` does, flattened, which saves more time than the measurement takes."""
    steps = getattr(self._loop, "_aiorepl_steps", None)
    # None if nobody watches; of a mock it may be anything.
    if type(steps) is not LoopSteps:
        return _original(self)
    if steps.statistics is not None:
        return steps.statistics.run(self)
    callback = self._callback
    args = self._args
    started = perf_counter()
    try:
        if not args:
            self._context.run(callback)
        elif len(args) == 1:
            self._context.run(callback, args[0])
        else:
            self._context.run(callback, *args)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        report_exception(self, error)
    finally:
        ended = perf_counter()
        if ended - started >= steps.slow:
            steps.ended(callback, started, ended)
        # An exception that was raised refers to this frame.
        self = callback = args = None
    return None


def _run_around(self: Any) -> None:
    """The same around an original that is not asyncio's, or not known."""
    steps = getattr(self._loop, "_aiorepl_steps", None)
    # None if nobody watches; of a mock it may be anything.
    if type(steps) is not LoopSteps:
        return _original(self)
    if steps.statistics is not None:
        return steps.statistics.run(self)
    callback = self._callback
    started = perf_counter()
    try:
        return _original(self)
    finally:
        ended = perf_counter()
        if ended - started >= steps.slow:
            steps.ended(callback, started, ended)
        self = callback = None


_OURS = (_run_here, _run_around)


_original: Callable[[Any], None] = events.Handle._run


def _install() -> None:
    """Replace ``Handle._run``, unless it is ours, or another one has been put around ours meanwhile."""
    global _original, _installed
    current = events.Handle._run
    if current in _OURS or (_installed and current is not _original and not _is_asyncios(current)):
        return
    _original = current
    _installed = True
    events.Handle._run = _run_here if is_plain() else _run_around  # type: ignore[method-assign]


def _uninstall() -> None:
    """Put the original back; if another one has been put around ours, it stays, and does nothing."""
    global _installed
    if events.Handle._run in _OURS:
        events.Handle._run = _original  # type: ignore[method-assign,assignment]
        _installed = False


# Whether ours is in use, be it under another one.
_installed = False


def _describe(loop: asyncio.AbstractEventLoop | None, callback: object, started: float, duration: float) -> SlowStep:
    # Loaded when there is something to tell.
    from aiorepl.introspect.book import BOOK
    from aiorepl.introspect.callbacks import callback_name, defined_at, stepped_task
    from aiorepl.introspect.chain import Places, bounded, coroutine_name, coroutine_of, definition, links

    task: Any = stepped_task(callback)
    step = SlowStep(duration, started, callback_name(callback), defined_at(callback))
    if task is None:
        return step
    coroutine = coroutine_of(task)
    return step._replace(
        task=BOOK.number_of(task),
        name=bounded(str(task.get_name())),
        coroutine=coroutine_name(coroutine),
        defined=definition(coroutine.cr_code) if isinstance(coroutine, CoroutineType) else step.defined,
        stack=() if task.done() else Places().stack(links(coroutine)),
        ended=task.done(),
        first=_is_first(BOOK.entry(task).made, None if loop is None else begun_before(loop)),
    )


def _is_first(made: float | None, before: float | None) -> bool | None:
    """Tell whether a task that has just had a step had none before; its birth is in ``time.monotonic``."""
    if made is None or before is None:
        return None
    return made - time.monotonic() + perf_counter() >= before
