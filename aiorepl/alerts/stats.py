"""Statistics of every task of a loop, for as long as somebody wants them.

``call_soon`` of the one loop is replaced, through which every step of a task comes: it notes when a task is woken and
by whom. On asyncio's own loops it makes the handle itself, of a kind that notes what the step takes when it is run.
That takes little more time than asyncio's own way to the same; see ``benchmarks/``.
"""

import asyncio
import weakref
from asyncio import base_events
from contextvars import copy_context
from time import perf_counter
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from aiorepl.alerts.records import TaskRecord, TaskStats, Waker, new_record
from aiorepl.alerts.replacing import has_own, replace_method
from aiorepl.alerts.steps import LOCK, is_plain, original_run, report_exception, steps_of, supports
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.callbacks import TASK_STEP, stepped_task
from aiorepl.introspect.own_loops import OWN_LOOPS

__all__ = ["Account", "Hold", "account_of", "keep_statistics"]

TIMER = Waker("timer")
IO = Waker("I/O")
THREAD = Waker("thread")
CALLBACK = Waker("callback")
# Where it is not known which callback the loop runs.
LOOP = Waker("loop")

# By loop. It is the loop that keeps its account, and not the other way round.
_accounts: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[Account]]" = weakref.WeakKeyDictionary()


class Hold:
    """Somebody's wish that statistics are kept; they are as long as there is one who has not ended it."""

    def __init__(self, account: "Account") -> None:
        """Made by ``keep_statistics``."""
        self.account = account

    def end(self) -> None:
        """Wish it no more; may be called again, and from any thread."""
        with LOCK:
            self.account.release(self)


def keep_statistics(loop: asyncio.AbstractEventLoop) -> Hold:
    """Keep statistics of a loop's tasks until the hold is ended, from now on; from any thread.

    Raises:
        ValueError: If the loop is closed, or is one of aiorepl's own.
    """
    if loop.is_closed() or loop in OWN_LOOPS:
        raise ValueError("no statistics are kept of this loop")
    with LOCK:
        account = account_of(loop)
        if account is None:
            account = Account(loop)
            _accounts[loop] = weakref.ref(account)
        return account.hold()


def account_of(loop: asyncio.AbstractEventLoop) -> "Account | None":
    """Return the statistics that are kept of a loop, if they are."""
    reference = _accounts.get(loop)
    account = reference() if reference is not None else None
    return account if account is not None and account.kept else None


class Account:
    """The statistics of one loop; ``measured`` tells whether steps are timed, or wakes counted only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; on any thread."""
        self.started = perf_counter()
        self.measured = supports(loop)
        # Whose step runs now; if there is none, who wakes, if something is woken now.
        self.stepping: TaskRecord | None = None
        self.current: Waker | None = None
        # When the step that runs now began, or the last one.
        self.since = 0.0
        # On whose account a callback runs that is in a handle of asyncio's.
        self.wanted: weakref.WeakKeyDictionary[asyncio.Handle, Waker] = weakref.WeakKeyDictionary()
        self.steps = steps_of(loop)
        self._records: dict[int, TaskRecord] = {}
        self._holds: list[Hold] = []
        replacement = _counting_call_soon
        if self.measured:
            replacement = _making_call_soon if _has_plain_call_soon(loop) else _noting_call_soon
        self._restore = replace_method(loop, "call_soon", replacement(self, loop))
        if self.measured:
            self.steps.statistics = self
            self.steps.renew()

    def __len__(self) -> int:
        """How many tasks there are of which something has been counted."""
        return len(self._records)

    @property
    def elapsed(self) -> float:
        """Seconds for which they have been kept."""
        return perf_counter() - self.started

    @property
    def kept(self) -> bool:
        """Tell whether anybody still wants it."""
        return bool(self._holds)

    def hold(self) -> Hold:
        """Return a new hold; for who has the lock."""
        hold = Hold(self)
        self._holds.append(hold)
        return hold

    def release(self, hold: Hold) -> None:
        """Let a hold go, and end with the last; for who has the lock."""
        if hold in self._holds:
            self._holds.remove(hold)
            if not self._holds:
                self._stop()

    def _stop(self) -> None:
        """Leave the loop as it was."""
        self._restore()
        if self.measured:
            self.steps.statistics = None
            self.steps.renew()

    def read(self) -> dict[int, TaskStats]:
        """Return what has been counted of each task that is still there, by number; from any thread.

        Of a task that has neither run nor been woken since the beginning there is nothing.
        """
        records = list(self._records.values())
        # Those who wake others are told by their numbers.
        for record in records:
            if (task := record()) is not None:
                record.waker.number = BOOK.number_of(task)
        found = [record.read(measured=self.measured) for record in records]
        read = {stats.task: stats for stats in found if stats is not None}
        stepping, since = self.stepping, self.since
        number = stepping.waker.number if stepping is not None and stepping is self.stepping else None
        if number in read:
            # It may run for long, if it blocks the loop.
            read[number] = read[number].going_on(max(0.0, perf_counter() - since))
        return read

    def record(self, task: "asyncio.Future[Any]") -> TaskRecord:
        """Return a task's record, which may be new."""
        record = self._records.get(id(task))
        if record is None:
            record = self._records[id(task)] = new_record(task, self, self._forget)
        return record

    def waker(self) -> Waker:
        """Return who wakes what is woken now, where steps are measured."""
        return self.stepping.waker if self.stepping is not None else self.current or LOOP

    def run(self, handle: Any) -> None:
        """Run a handle that asyncio has made: timers, what a selector or a thread asks for, anything in debug mode."""
        callback = handle._callback
        task = stepped_task(callback)
        record = None if task is None else self.record(task)
        before = self.stepping, self.current
        started = self.since = perf_counter()
        self.stepping = record
        if record is None:
            self.current = self.wanted.get(handle) or _kind(handle, callback)
        if record is not None and record.woken:
            record.waited += started - record.woken
        try:
            original_run()(handle)
        finally:
            ended = perf_counter()
            self.stepping, self.current = before
            if record is not None:
                record.stepped(ended - started)
            if ended - started >= self.steps.slow:
                self.steps.ended(callback, started, ended)
            handle = callback = task = None

    def _forget(self, record: TaskRecord) -> None:
        record.waker.ended = True
        # The id may belong to a newer task by now.
        if self._records.get(record.key) is record:
            del self._records[record.key]


class _StepHandle(asyncio.Handle):
    """A step of a task."""

    __slots__ = ("record",)

    record: TaskRecord

    def _run(self: Any) -> None:
        record = self.record
        account = record.account
        callback = self._callback
        args = self._args
        before = account.stepping
        account.since = started = perf_counter()
        account.stepping = record
        record.waited += started - record.woken
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
            account.stepping = before
            busy = ended - started
            if not record.woken:
                record.woken = ended
            record.steps += 1
            record.busy += busy
            if busy > record.longest:
                record.longer(busy)
            if busy >= account.steps.slow:
                account.steps.ended(callback, started, ended)
            # An exception that was raised refers to this frame.
            self = callback = args = None


class _OtherHandle(asyncio.Handle):
    """Any other callback: whom it wakes is woken by the one who wanted it called."""

    __slots__ = ("account", "waker")

    account: Account
    waker: Waker | None

    def _run(self: Any) -> None:
        account = self.account
        callback = self._callback
        args = self._args
        before = account.stepping, account.current
        account.stepping = None
        account.current = self.waker or CALLBACK
        started = perf_counter()
        try:
            if len(args) == 1:
                self._context.run(callback, args[0])
            else:
                self._context.run(callback, *args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            report_exception(self, error)
        finally:
            ended = perf_counter()
            account.stepping, account.current = before
            if ended - started >= account.steps.slow:
                account.steps.ended(callback, started, ended)
            self = callback = args = None


# What is printed of them is what is printed of asyncio's.
for _class in (_StepHandle, _OtherHandle):
    _class.__name__ = _class.__qualname__ = "Handle"
    _class.__module__ = asyncio.Handle.__module__


def _making_call_soon(account: Account, loop: Any) -> Any:
    """A ``call_soon`` that does what ``BaseEventLoop``'s does, flattened, and notes who wakes whom."""
    inner = _noting_call_soon(account, loop)
    ready = loop._ready
    find = account._records.get

    def call_soon(callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        if loop._debug or loop._closed:
            return _without_caller(inner(callback, *args, context=context))
        task = callback.__self__ if type(callback) is _TASK_STEP else stepped_task(callback)
        handle: Any
        stepping = account.stepping
        if task is None:
            handle = _new(_OtherHandle)
            handle.account = account
            handle.waker = account.current if stepping is None else stepping.waker
        else:
            record = find(id(task)) or account.record(task)
            record.wakes += 1
            if record is stepping:
                # It gives way, which is the last thing that it does in this step: it waits from the end of that.
                record.own += 1
                record.woken = 0.0
            else:
                record.woken = perf_counter()
                waker = account.current if stepping is None else stepping.waker
                if waker is not None and waker is record.last:
                    record.times += 1
                else:
                    record.woken_by(waker or LOOP)
            handle = _new(_StepHandle)
            handle.record = record
        handle._context = copy_context() if context is None else context
        handle._loop = loop
        handle._callback = callback
        handle._args = args
        handle._cancelled = False
        handle._repr = handle._source_traceback = None
        ready.append(handle)
        return handle  # type: ignore[no-any-return]

    return call_soon


_new = object.__new__
_TASK_STEP: object = TASK_STEP


def _noting_call_soon(account: Account, loop: Any) -> Any:
    """A ``call_soon`` that calls the loop's, and notes who wakes whom."""
    inner = loop.call_soon

    def call_soon(callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = _without_caller(inner(callback, *args, context=context))
        task = stepped_task(callback)
        if task is not None:
            account.record(task).wake(account.waker())
        elif account.stepping is not None or account.current is not None:
            account.wanted[handle] = account.waker()
        return handle

    return call_soon


def _counting_call_soon(account: Account, loop: Any) -> Any:
    """The same for a loop that runs the steps itself: who wakes is the task that executes."""
    inner = loop.call_soon
    find = account._records.get
    current_task = asyncio.current_task

    def call_soon(callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = _without_caller(inner(callback, *args, context=context))
        task = callback.__self__ if type(callback) is _TASK_STEP else stepped_task(callback)
        if task is not None:
            record = find(id(task)) or account.record(task)
            record.wakes += 1
            current = current_task(loop)
            if current is task:
                record.own += 1
            else:
                record.woken_by(LOOP if current is None else account.record(current).waker)
        return handle

    return call_soon


def _without_caller(handle: asyncio.Handle) -> asyncio.Handle:
    """Take our call from those that made a handle, which it remembers in debug mode."""
    if source := getattr(handle, "_source_traceback", None):
        del source[-1]
    return handle


def _has_plain_call_soon(loop: Any) -> bool:
    """Tell whether a loop makes its handles as asyncio of a known version does, with nobody else in between."""
    base = base_events.BaseEventLoop
    return (
        is_plain()
        and type(loop).call_soon is base.call_soon
        and type(loop)._call_soon is base._call_soon  # type: ignore[attr-defined]
        and base.call_soon.__module__ == base_events.__name__
        and not has_own(loop, "call_soon")
        and not has_own(loop, "_call_soon")
    )


def _kind(handle: Any, callback: Any) -> Waker:
    """Who wakes when a callback runs that is no task's step."""
    if isinstance(handle, asyncio.TimerHandle):
        return TIMER
    owner = type(callback.__self__) if type(callback) in (MethodType, BuiltinFunctionType) else object
    if issubclass(owner, asyncio.BaseTransport | asyncio.AbstractEventLoop):
        return IO
    of_thread = type(callback) is FunctionType and callback.__qualname__.startswith("_chain_future.")
    return THREAD if of_thread or type(handle) is not asyncio.Handle else CALLBACK
