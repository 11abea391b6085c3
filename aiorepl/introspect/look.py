"""Take a snapshot of a loop: on its own thread, in slices; from outside only if it does not answer.

The look is a generator that yields after each task, so that the same code is run at once, in slices, or begun on the
loop's thread and ended by another one because the loop is blocked meanwhile.
"""

import asyncio
import collections
import concurrent.futures
import contextvars
import gc
import operator
import sys
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from types import CoroutineType
from typing import Any, Generic, TypeVar

from aiorepl.introspect.book import BOOK, Entry
from aiorepl.introspect.chain import (
    Places,
    bounded,
    coroutine_name,
    coroutine_of,
    frame_of,
    links,
    origin,
    thread_stack,
)
from aiorepl.introspect.holding import Blocks, open_blocks
from aiorepl.introspect.loops import loop_info, thread_of
from aiorepl.introspect.own_work import own_work
from aiorepl.introspect.summary import summarize, type_name
from aiorepl.introspect.values import Frame, LoopSnapshot, Stack, State, TaskInfo
from aiorepl.introspect.waits import wait_of

__all__ = ["Look", "Pause", "Slices", "look_now", "task_references"]

T = TypeVar("T")
Task = asyncio.Future[Any]

# Seconds for which the loop is held at a time: who waits for a timer may feel two of them. They are longer on a loop
# that has as much to do between two, where the look would take twice as long.
_SLICE = 0.0004
_LONG_SLICE = 0.001
# Seconds after which a loop that does not answer is looked at from outside.
GRACE = 0.1
# Tasks that are looked at before the clock is, as one may take 50 us; and that are only referred to.
_AT_A_TIME = 4
_REFERRED = 100
# Numbers of tasks that are sorted in one go, and tasks that are.
_SORTED = 2_048
_FEW = 5_000
# Kinds of waits for what a task can hold.
_HELD = frozenset(("lock", "semaphore"))


def look_now(
    loop: asyncio.AbstractEventLoop, *, holders: bool = True, ended: bool = False, context: bool = False
) -> LoopSnapshot:
    """Return what a loop and its tasks are doing; see ``Look`` for the options. Never raises.

    May be called from any thread, and from a signal handler. On the loop's own thread it holds the loop until it is
    done; elsewhere it waits for the loop to look at itself, for at most 0.1 s without an answer.
    """
    look = Look(loop, holders=holders, ended=ended, context=context)
    with Slices(look, loop) as slices:
        if loop.is_running() and asyncio._get_running_loop() is not loop:
            slices.start()
            while not slices.stalled():
                try:
                    return slices.done.result(GRACE)
                except concurrent.futures.TimeoutError:
                    continue
            look.outside = True
        slices.take_over()
        while not slices.advance():
            pass
        return slices.done.result()


class Pause:
    """Holds up the collector of cycles, if it was on, until it is ended."""

    def __init__(self) -> None:
        """Not begun yet."""
        self._was_on = False

    def begin(self) -> None:
        """From now on nothing is collected."""
        self._was_on = gc.isenabled()
        gc.disable()

    def end(self) -> None:
        """Let the collector go on."""
        if self._was_on:
            gc.enable()
            self._was_on = False

    def __enter__(self) -> None:
        """Begin it."""
        self.begin()

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.end()


class Slices(Generic[T]):
    """Work that a loop's thread does in slices, until another thread takes it over."""

    def __init__(self, work: Callable[[], Generator[None, None, T]], loop: asyncio.AbstractEventLoop) -> None:
        """``work`` makes the generator whose return value is wanted."""
        self.done: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._work = work()
        self._loop = loop
        self._taken = False
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._pause = Pause()

    def __enter__(self) -> "Slices[T]":
        """Keep the collector from running meanwhile: it would go through all that the program has, on our account."""
        self._pause.begin()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the work up if it is not done."""
        self.take_over()
        self._pause.end()

    def start(self) -> None:
        """Begin on the loop's thread; called from another one."""
        self._last = time.monotonic()
        try:
            self._loop.call_soon_threadsafe(self._slice, context=contextvars.Context())
        except RuntimeError:
            # The loop is closed: nobody is in the way.
            self._last = float("-inf")

    def stalled(self) -> bool:
        """Tell whether the loop has not come to the work for longer than it is given."""
        # While it is at it, a piece may take as long: what the collector is asked for goes through all objects.
        at_it = self._lock.locked()
        return not (at_it or self.done.done()) and time.monotonic() - self._last > GRACE

    def take_over(self) -> None:
        """From now on only ``advance`` does the work; called by the thread that will call it."""
        with self._lock:
            self._taken = True

    def advance(self, seconds: float = _LONG_SLICE) -> bool:
        """Do one slice of the work; tell whether that was the last one."""
        if self.done.done():
            return True
        end = time.perf_counter() + seconds
        try:
            while time.perf_counter() < end:
                next(self._work)
        except StopIteration as stop:
            self.done.set_result(stop.value)
        except Exception as error:
            self.done.set_exception(error)
        return self.done.done()

    def _slice(self) -> None:
        with self._lock:
            if self._taken:
                return
            between = time.monotonic() - self._last
            with own_work(self._loop):
                ended = self.advance(_SLICE if between < _SLICE else _LONG_SLICE)
            self._last = time.monotonic()
        if not ended:
            self._loop.call_soon(self._slice, context=contextvars.Context())


class Look:
    """One look at one loop; calling it gives the generator that does it, which returns a ``LoopSnapshot``."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, holders: bool = True, ended: bool = False, context: bool = False
    ) -> None:
        """Prepare a look.

        Args:
            loop: What is looked at.
            holders: Also find what each task holds, its timeouts and its TaskGroups, and for how long it has been seen
                in its wait; takes twice as long.
            ended: Also those tasks that have ended and are still there, as far as they can be found.
            context: Also each task's context variables (Python 3.12 and later).
        """
        self.outside = False
        self._loop = loop
        self._holders = holders
        self._ended = ended
        self._context = context
        self._places = Places()
        self._parents: dict[int, int] = {}
        self._current: Task | None = None
        self._asking: Task | None = None

    def __call__(self) -> Generator[None, None, LoopSnapshot]:
        """Look; yields wherever the loop may go on with its own work."""
        started = time.perf_counter()
        error = ""
        found: defaultdict[int, list[TaskInfo]] = defaultdict(list)
        try:
            yield from self._look_at_tasks(found)
        except Exception as failed:
            error = f"the tasks could not be read: {type_name(failed)}: {failed}"
        infos: list[TaskInfo] = []
        for part in sorted(found):
            infos += sorted(found[part], key=_BY_NUMBER)
            yield
        if self._holders:
            yield from self._add_holders(infos)
        number = BOOK.number_of(self._current) if self._current is not None else None
        info = loop_info(self._loop, outside=self.outside)._replace(tasks=len(infos), current=number)
        return LoopSnapshot(info, tuple(infos), self.outside, time.perf_counter() - started, error)

    def _look_at_tasks(self, found: dict[int, list[TaskInfo]]) -> Generator[None, None, None]:
        self._current = _current_task(self._loop)
        if asyncio._get_running_loop() is self._loop:
            self._asking = self._current
        references = yield from task_references(self._loop)
        if self._ended:
            references += [weakref.ref(task) for task in _ended_tasks()]
            yield
        yield from self._number(references)
        seen: set[int] = set()
        for count, reference in enumerate(references):
            task = reference()
            if task is not None and task.get_loop() is self._loop and (self._ended or not task.done()):
                entry = BOOK.entry(task)
                if entry.number not in seen:
                    seen.add(entry.number)
                    # Sorted part by part, as all at once would take too long.
                    found[entry.number // _SORTED].append(self._read(task, entry))
            del task
            if count % _AT_A_TIME == 0:
                yield

    def _number(self, references: list[Callable[[], Task | None]]) -> Generator[None, None, None]:
        """Give tasks that were never seen their numbers in the order in which they were made, as far as names tell."""
        strangers: list[tuple[int, Callable[[], Task | None]]] = []
        for count, reference in enumerate(references):
            task = reference()
            if task is not None and not BOOK.knows(task) and task.get_loop() is self._loop:
                strangers.append((_number_in_name(task), reference))
            del task
            if count % _AT_A_TIME == 0:
                yield
        # More would take too long to sort in one go, and nobody reads them one by one.
        if len(strangers) <= _FEW:
            strangers.sort(key=lambda stranger: stranger[0])
        for count, (_, reference) in enumerate(strangers):
            if (task := reference()) is not None:
                BOOK.entry(task)
            del task
            if count % _AT_A_TIME == 0:
                yield

    def _read(self, task: Task, entry: Entry) -> TaskInfo:
        try:
            return self._described(task, entry)
        except Exception as error:
            return TaskInfo(entry.number, entry.name, "", "waiting", error=f"{type_name(error)}: {error}"[:200])

    def _described(self, task: Any, entry: Entry) -> TaskInfo:
        entry.name = bounded(task.get_name())
        coroutine = coroutine_of(task)
        own = task is self._asking or _is_own(coroutine)
        if task.done():
            return _ended(task, entry, coroutine_name(coroutine), own)
        now = time.monotonic()
        chain = links(coroutine)
        waiter = task._fut_waiter
        cancels = task.cancelling()
        running = task is self._current
        waiting = not running and waiter is not None and not waiter.done()
        blocks = self._blocks(entry.number, chain) if self._holders else _NOT_LOOKED
        return TaskInfo(
            entry.number,
            entry.name,
            coroutine_name(coroutine),
            _state(running, waiting, cancels or task._must_cancel),
            self._running_stack(coroutine) if running else self._places.stack(chain),
            wait_of(waiter, chain, self._loop, BOOK.number_of) if waiting else None,
            None if entry.made is None else now - entry.made,
            _born(entry) if entry.born else None,
            entry.seen(weakref.ref(waiter), now) if waiting and self._holders else None,
            entry.parent,
            cancels,
            blocks.holds if self._holders else None,
            blocks.timeouts,
            _variables(task) if self._context else None,
            "",
            own,
            asked=entry.outlives(cancels > 0, now),
        )

    def _blocks(self, number: int, chain: list[object]) -> Blocks:
        blocks = open_blocks(chain, self._loop)
        for group in blocks.groups:
            self._parents.update((BOOK.number_of(child), number) for child in list(group._tasks))
        return blocks

    def _running_stack(self, coroutine: Any) -> Stack:
        """Where the task stands that executes now, down into the functions that it has called."""
        thread = thread_of(self._loop)
        return thread_stack(sys._current_frames().get(thread), frame_of(coroutine)) if thread is not None else ()

    def _add_holders(self, infos: list[TaskInfo]) -> Generator[None, None, None]:
        """Say of each wait who holds what it is for, and of each task in whose TaskGroup it is."""
        holders: dict[int, list[int]] = {}
        for info in infos:
            for held in info.holds or ():
                holders.setdefault(held.key, []).append(info.number)
        yield
        for index, info in enumerate(infos):
            wait = info.wait
            if wait is not None and wait.key and wait.kind in _HELD:
                wait = wait._replace(holders=tuple(holders.get(wait.key, ())))
            grouped = info.number in self._parents
            if wait is not info.wait or grouped:
                parent = self._parents.get(info.number, info.parent)
                infos[index] = info._replace(wait=wait, parent=parent, grouped=grouped)
            if index % _AT_A_TIME == 0:
                yield


def _number_in_name(task: Any) -> int:
    _, dash, number = str(task.get_name()).rpartition("-")
    return int(number) if dash and number.isascii() and number.isdigit() and len(number) < 18 else sys.maxsize


_BY_NUMBER = operator.attrgetter("number")
_NOT_LOOKED = Blocks((), (), ())


def _state(running: bool, waiting: bool, cancelling: bool) -> State:
    if running:
        return "running"
    if cancelling:
        return "cancelling"
    return "waiting" if waiting else "ready"


def _ended(task: Any, entry: Entry, coroutine: str, own: bool) -> TaskInfo:
    now = time.monotonic()
    age = None if entry.made is None else now - entry.made
    state, outcome = _ending(task)
    born, seen = _born(entry), entry.seen("ended", now)
    stack = _raised(task._exception) if state == "failed" else ()
    info = TaskInfo(entry.number, entry.name, coroutine, state, stack=stack, age=age, born=born, seen=seen)
    return info._replace(outcome=outcome, own=own)


def _raised(error: BaseException) -> Stack:
    """Where an exception was raised, without aiorepl's own frames; of a long way the end."""
    frames: collections.deque[Frame] = collections.deque(maxlen=_RAISED)
    here = error.__traceback__
    while here is not None:
        file, library, own = origin(here.tb_frame.f_code.co_filename)
        if not own:
            frames.append(Frame(bounded(here.tb_frame.f_code.co_qualname), file, here.tb_lineno, library))
        here = here.tb_next
    return tuple(frames)


# As much of a traceback is kept as one reads.
_RAISED = 20


def _ending(task: Any) -> tuple[State, str]:
    """How a task ended; looking at its exception this way does not count as retrieving it."""
    if task.cancelled():
        return "cancelled", ""
    error = task._exception
    if error is None:
        return "done", summarize(task._result)
    # The message may be made by the user's code; its arguments are not.
    arguments = ", ".join(summarize(argument) or f"<{type_name(argument)}>" for argument in error.args[:3])
    retrieved = "" if not task._log_traceback else "; nobody has retrieved it"
    return "failed", f"{type_name(error)}({arguments}){retrieved}"


def _born(entry: Entry) -> Frame | None:
    if entry.born is None:
        return None
    name, line, function = entry.born
    file, library, own = origin(name)
    return Frame(bounded(function), file, line, library, own)


def _is_own(coroutine: Any) -> bool:
    """Tell whether a coroutine is aiorepl's own; one that runs a cell of the user's is not."""
    if type(coroutine) is not CoroutineType or not origin(coroutine.cr_code.co_filename)[2]:
        return False
    return not coroutine.__name__.startswith("cell_")


def _variables(task: Any) -> tuple[tuple[str, str], ...] | None:
    if not hasattr(task, "get_context"):
        # Python 3.11 does not give a task's context.
        return None
    found = [(bounded(variable.name), value) for variable, value in task.get_context().items()]
    return tuple(sorted((name, summarize(value) or f"<{type_name(value)}>") for name, value in found))


def _current_task(loop: asyncio.AbstractEventLoop) -> Task | None:
    try:
        return asyncio.current_task(loop)
    except RuntimeError:
        return None


def task_references(loop: asyncio.AbstractEventLoop) -> Generator[None, None, list[Callable[[], Task | None]]]:
    """Collect references to the tasks of every loop (before 3.14) or of this one, at least, in short steps."""
    found: list[Callable[[], Task | None]] = []
    if sys.version_info >= (3, 14):
        tasks = list(asyncio.all_tasks(loop))
        yield
        # A task's first reference takes 0.4 us.
        while tasks:
            found += [weakref.ref(task) for task in tasks[-_REFERRED:]]
            del tasks[-_REFERRED:]
            yield
        return found
    # asyncio.all_tasks would go through all of them at once; a copy of the set takes a fiftieth of that.
    scheduled = asyncio.tasks._all_tasks if sys.version_info < (3, 12) else asyncio.tasks._scheduled_tasks  # type: ignore[attr-defined]
    found += scheduled.data
    if sys.version_info >= (3, 12):
        found += [weakref.ref(task) for task in list(asyncio.tasks._eager_tasks)]  # type: ignore[attr-defined]
    yield
    return found


def _ended_tasks() -> Iterable[Task]:
    """Tasks that have ended and are still there; before 3.14 the set of tasks has them too."""
    yield from BOOK.tasks()
    if sys.version_info >= (3, 14) and sys.getallocatedblocks() < _MANY_BLOCKS:
        yield from (found for found in gc.get_objects() if isinstance(found, asyncio.Task))


# With more than this in memory a search through all of it would hold the program up noticeably.
_MANY_BLOCKS = 5_000_000
