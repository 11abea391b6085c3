"""The loops of the process: which run, on which threads, and what each has to do. Everything works from any thread."""

import asyncio
import asyncio.selector_events
import gc
import itertools
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType, MethodType
from typing import Any, Generic, NamedTuple, TypeVar

from aiorepl.introspect import uv
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.callbacks import Task, defined_at
from aiorepl.introspect.chain import bounded, coroutine_of, frame_of, thread_stack
from aiorepl.introspect.executors import executor_info, outwards
from aiorepl.introspect.failures import own_frame
from aiorepl.introspect.own_loops import OWN_LOOPS
from aiorepl.introspect.summary import type_name
from aiorepl.introspect.values import LoopInfo

__all__ = [
    "Listing",
    "count_tasks",
    "is_ours",
    "known",
    "loop_info",
    "loops",
    "now",
    "number_of",
    "read",
    "registered",
    "thread_name",
    "thread_of",
]

T = TypeVar("T")

_NUMBERS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, int] = weakref.WeakKeyDictionary()
_next_number = itertools.count(1)

# A container that changes while it is copied is copied again, at most this often.
_ATTEMPTS = 10

# How many of the ready callbacks are looked at for what is not the program's.
_FEW = 100
_READ_FROM_SELF = asyncio.selector_events.BaseSelectorEventLoop._read_from_self  # type: ignore[attr-defined]


class Listing(NamedTuple, Generic[T]):
    """Some of what was found: ``total`` are all; None if the loop does not tell. ``error``: what could not be read."""

    rows: tuple[T, ...] = ()
    total: int | None = None
    error: str = ""


def loops(*given: asyncio.AbstractEventLoop, own: bool = False) -> list[asyncio.AbstractEventLoop]:
    """Find the loops that run in this process, and those given, by number; aiorepl's only if ``own``.

    Goes through all objects of the process: 16 ms for a million, during which nothing else runs.
    """
    # The referrers of the classes, and not gc.get_objects(): nothing of the program is held, if for a moment only.
    referrers: list[Any] = gc.get_referrers(*_loop_types())
    # isinstance() would ask the program's objects what they are.
    running = [found for found in referrers if issubclass(type(found), asyncio.AbstractEventLoop) and _runs(found)]
    found = {id(loop): loop for loop in (*running, *given)}.values()
    return sorted((loop for loop in found if own or loop not in OWN_LOOPS), key=number_of)


def number_of(loop: asyncio.AbstractEventLoop) -> int:
    """Return the number that stays with a loop as long as it lives."""
    number = _NUMBERS.get(loop)
    return number if number is not None else _NUMBERS.setdefault(loop, next(_next_number))


def known() -> list[asyncio.AbstractEventLoop]:
    """The loops that have a number and are running, by number; at no cost, unlike ``loops``."""
    return sorted((loop for loop in list(_NUMBERS) if loop not in OWN_LOOPS and _runs(loop)), key=number_of)


def loop_info(
    loop: asyncio.AbstractEventLoop, *, outside: bool = False, number: Callable[[Task], int] = BOOK.number_of
) -> LoopInfo:
    """Describe a loop now, but for the number of its tasks, which takes long to count. Never raises.

    Args:
        loop: What is looked at.
        outside: Tell also where its thread stands.
        number: Gives the numbers of tasks.
    """
    errors: list[str] = []
    thread = read(lambda: thread_of(loop), errors)
    current = read(lambda: asyncio.current_task(loop), errors)
    info = LoopInfo(
        number=number_of(loop),
        kind=_kind(loop),
        thread=thread_name(thread),
        running=bool(read(loop.is_running, errors)),
        closed=bool(read(loop.is_closed, errors)),
        debug=bool(read(loop.get_debug, errors)),
        slow_callback_duration=read(lambda: _number(getattr(loop, "slow_callback_duration", None)), errors),
        ready=read(lambda: _ready(loop), errors),
        timers=read(lambda: _timers(loop), errors),
        registered=read(lambda: registered(loop), errors),
        executor=read(lambda: executor_info(loop), errors),
        asyncgens=read(lambda: _asyncgens(loop), errors),
        current=None if current is None else number(current),
        stack=thread_stack(sys._current_frames().get(thread)) if outside and thread is not None else (),
    )
    return info._replace(error="; ".join(errors))


def count_tasks(loop: asyncio.AbstractEventLoop) -> int | None:
    """Count the tasks of a loop that have not ended; up to 0.1 s for 100,000, so better not on the loop's thread."""
    return read(lambda: len(asyncio.all_tasks(loop)), [])


def now(loop: asyncio.AbstractEventLoop) -> float:
    """Return the loop's time; uvloop's own stands still while the loop is blocked."""
    return time.monotonic() if uv.is_uvloop(loop) else loop.time()


def thread_of(loop: asyncio.AbstractEventLoop) -> int | None:
    """Return the identifier of the thread that a loop runs on; None if it does not run, or that cannot be told."""
    if asyncio._get_running_loop() is loop:
        return threading.get_ident()
    thread = getattr(loop, "_thread_id", None)
    if type(thread) is int or not loop.is_running():
        return thread
    # uvloop keeps it to itself.
    task = asyncio.current_task(loop)
    step = frame_of(coroutine_of(task)) if isinstance(task, asyncio.Task) else None
    for ident, frame in sys._current_frames().items():
        if any(outer is step or _runs_in(outer, loop) for outer in outwards(frame)):
            return ident
    return None


def registered(loop: asyncio.AbstractEventLoop) -> int | None:
    """Count the descriptors that a loop watches, without the one that wakes it; None if it does not tell."""
    get_map = getattr(getattr(loop, "_selector", None), "get_map", None)
    watched = get_map() if get_map is not None else None
    if watched is None:
        return None
    wakeup = getattr(loop, "_ssock", None)
    return len(watched) - (wakeup is not None and wakeup.fileno() in watched)


def read(look: Callable[[], T], errors: list[str]) -> T | None:
    """Return what a look at a loop gives; if it fails, None, and why is added to the errors."""
    for attempt in itertools.count(1):
        try:
            return look()
        except RuntimeError as error:
            # "changed size during iteration": the loop goes on meanwhile.
            if attempt == _ATTEMPTS:
                errors.append(_what_failed(error))
                return None
        except Exception as error:
            errors.append(_what_failed(error))
            return None
    raise AssertionError("unreachable")


def _what_failed(error: Exception) -> str:
    # The text of an exception of the program's would be made by its code.
    text = f": {error}" if type(error).__module__ == "builtins" else ""
    return f"{type_name(error)}{text}"[:200]


def _loop_types() -> list[type]:
    found: list[type] = [asyncio.AbstractEventLoop]
    for kind in found:
        subclasses: list[type] = type.__subclasses__(kind)
        found += [sub for sub in subclasses if sub not in found]
    return found


def _runs(loop: asyncio.AbstractEventLoop) -> bool:
    # One that is being made, or was never initialized, has not got the attributes for it.
    return bool(read(loop.is_running, []))


def _kind(loop: asyncio.AbstractEventLoop) -> str:
    # What it is called in the documentation, and not in the module of this system.
    return "asyncio.SelectorEventLoop" if type(loop) is asyncio.SelectorEventLoop else type_name(loop)


def _number(value: object) -> float | None:
    return float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]


def thread_name(ident: int | None) -> str:
    """Return the name of a thread, or its number if Python did not start it; empty for None."""
    if ident is None:
        return ""
    # Not threading.enumerate(), which takes a lock that an interrupted thread may hold.
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return bounded(str(thread._name)) if thread is not None else f"thread {ident}"


def _ready(loop: asyncio.AbstractEventLoop) -> int | None:
    of_uvloop = uv.is_uvloop(loop)
    ready = uv.ready_queue(loop) if of_uvloop else getattr(loop, "_ready", None)
    if ready is None:
        return None
    # Both stand among the first that come, where the loop does not answer: aiorepl's calls, and what wakes it for them.
    first = itertools.islice(ready, _FEW)
    ours = sum(is_ours(uv.called_by(handle)[0] if of_uvloop else handle._callback) for handle in first)
    return len(ready) - ours


def is_ours(callback: Any) -> bool:
    """Tell whether a callback is aiorepl's, or what wakes the loop for it."""
    if type(callback) is MethodType and callback.__func__ is _READ_FROM_SELF:
        return True
    place = defined_at(callback)
    return place is not None and place.own


def _timers(loop: asyncio.AbstractEventLoop) -> int | None:
    if uv.is_uvloop(loop):
        return len(uv.timers(loop))
    scheduled = _length(getattr(loop, "_scheduled", None))
    # Those that were cancelled stay in the heap for a while.
    return None if scheduled is None else max(0, scheduled - getattr(loop, "_timer_cancelled_count", 0))


def _asyncgens(loop: asyncio.AbstractEventLoop) -> int | None:
    return uv.asyncgens(loop) if uv.is_uvloop(loop) else _length(getattr(loop, "_asyncgens", None))


def _length(container: Any) -> int | None:
    return None if container is None else len(container)


def _runs_in(frame: FrameType, loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a frame of asyncio's or aiorepl's runs this loop; the locals of others are not touched."""
    file = frame.f_code.co_filename
    if frame.f_code is not asyncio.Runner.run.__code__ and not (own_frame(file) and file.endswith("host.py")):
        return False
    runner = frame.f_locals.get("self")
    return any(getattr(runner, name, None) is loop for name in ("_loop", "loop"))
