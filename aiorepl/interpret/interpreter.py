"""Run cells on a loop, in one namespace and one context."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import inspect
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from typing import Any, NamedTuple

from aiorepl.interpret.excepthook import call_hook, has_hook
from aiorepl.interpret.forked import leave_child
from aiorepl.interpret.hints import Hints, close_refused
from aiorepl.interpret.host import Host
from aiorepl.interpret.interrupt import Gate, steps
from aiorepl.interpret.main_module import Leaver
from aiorepl.interpret.program_namespace import ProgramNamespace
from aiorepl.interpret.representation import Representation
from aiorepl.interpret.source import Cell, compile_cell
from aiorepl.introspect.failures import describe, place, users_traceback
from aiorepl.model import Event, Failure, Leave, Notice, Outcome, Result

__all__ = ["Ending", "Execution", "Interpreter", "Represent", "last_failure", "restore_last_failure"]

# Makes what is shown of a value; called on the loop's thread, where the user's __repr__ belongs.
Represent = Callable[[object], Representation]

# Where ``pdb.pm()`` looks for an exception; ``last_exc`` since 3.12.
_LAST_FAILURE = ("last_type", "last_value", "last_traceback", "last_exc")

# Values are kept as _N for this many cells.
_KEPT = 1000
# A cell that held the loop for longer than this is told about; asyncio's own limit for a slow callback.
_LONG_STEP = 0.1


class Ending(NamedTuple):
    """How a cell ended, and the events that tell it."""

    outcome: Outcome
    events: tuple[Event, ...]
    elapsed: float
    on_loop: float
    value: object = None
    exception: BaseException | None = None


class Execution:
    """A cell that runs, or has run: where it stands may be asked from any thread."""

    def __init__(self, number: int, text: str, host: Host) -> None:
        """Make one that has not been started."""
        self.number = number
        self.text = text
        self.host = host
        self.gate = Gate()
        self.started = time.perf_counter()
        self.interrupted = False
        # A cell that forks ends in two processes.
        self.process = os.getpid()
        # Resolved once, with an Ending, from the loop's thread or from the one that gives the cell up.
        self.done: concurrent.futures.Future[Ending] = concurrent.futures.Future()
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.task: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop = host.loop

    @property
    def elapsed(self) -> float:
        """Seconds since the cell was started."""
        return time.perf_counter() - self.started

    @property
    def executing(self) -> bool:
        """Tell whether the cell's own code is on the thread now; if not, it is parked in an ``await`` (or over)."""
        return self.gate.open

    def waits_on(self) -> str:
        """Say what the cell waits on; empty while it executes."""
        if self.executing or self.coroutine is None:
            return ""
        # Not loaded with the first cell: a program without a prompt never asks.
        from aiorepl.introspect.words import wait_in_words

        return wait_in_words(self.coroutine, self.loop)

    def finish(self, ending: Ending) -> None:
        """Resolve ``done``, unless the cell has been given up already."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.done.set_result(ending)

    def give_up(self, reason: str) -> None:
        """End a cell whose loop will not run again, or was left behind."""
        notice = Notice(f"{reason}; the cell did not end", "error")
        self.finish(Ending("interrupted", (notice,), self.elapsed, self.gate.held))


class _Stopped(Exception):
    """Carries StopIteration out of a coroutine, which would make a RuntimeError of it (PEP 479)."""

    def __init__(self, error: StopIteration) -> None:
        self.error = error


class Interpreter:
    """Runs cells in one namespace; ``start`` is called by the session, the rest happens on the loop's thread."""

    def __init__(self, namespace: dict[str, object], *, represent: Represent) -> None:
        """Run cells in this namespace; the host is set before the first one."""
        self.namespace = namespace
        self.represent = represent
        self.hints = Hints()
        self.context = contextvars.copy_context()
        # Called on the loop's thread before each cell.
        self.before_cell: Callable[[], None] = lambda: None
        self.host: Host
        self.running: set[Execution] = set()
        self._flags = 0
        # What ``_``, ``__`` and ``___`` were bound to here: with another value they are the user's.
        self._kept: dict[str, int] = {}

    def compile(self, text: str, filename: str, *, remember: bool) -> Cell:
        """Compile a cell with the ``__future__`` imports of those before it.

        Raises:
            SyntaxError: As ``compile`` does, and ValueError, OverflowError, MemoryError or RecursionError.
        """
        cell, self._flags = compile_cell(text, filename, flags=self._flags, remember=remember)
        return cell

    def start(self, number: int, cell: Cell, *, show: bool = True) -> Execution:
        """Run a cell on the loop, in a task of its own that takes no ``Task-N`` name from the user."""
        execution = Execution(number, cell.text, self.host)
        return self._start(execution, self._evaluate(execution, cell, show=show), cell)

    def start_function(self, number: int, text: str, function: Callable[[], Awaitable[object]]) -> Execution:
        """Run a coroutine function on the loop as if it were a cell; its value is not shown."""
        execution = Execution(number, text, self.host)

        async def call() -> Ending:
            value = await function()
            return Ending("ok", (), execution.elapsed, execution.gate.held, value)

        return self._start(execution, call(), None)

    def start_in_thread(self, number: int, cell: Cell) -> Execution:
        """Run a cell without top-level ``await`` in a thread of its own, where no loop is running."""
        execution = Execution(number, cell.text, self.host)
        self._register(execution)
        # Without an await in it a coroutine is one step, which needs no loop.
        work = self._run(execution, self._evaluate(execution, cell, show=True), cell)
        context = self.context.copy()

        def run() -> None:
            with contextlib.suppress(StopIteration):
                context.run(work.send, None)

        threading.Thread(target=run, name=f"cell {number}", daemon=True).start()
        return execution

    def give_up(self, loop: asyncio.AbstractEventLoop, reason: str) -> None:
        """End every cell of a loop that will not run again, or was left behind; may be called from any thread."""
        # A cell that is stuck has entered the context, and no other thread could enter it meanwhile.
        self.context = self.context.copy()
        for execution in list(self.running):
            if execution.loop is loop:
                execution.give_up(reason)

    def _register(self, execution: Execution) -> None:
        self.running.add(execution)
        execution.done.add_done_callback(lambda _: self.running.discard(execution))

    def _start(self, execution: Execution, work: Coroutine[Any, Any, Ending], cell: Cell | None) -> Execution:
        self._register(execution)
        run = self._run(execution, work, cell)
        # What a person reads in a task list and in asyncio's own log.
        run.__qualname__ = run.__name__ = f"cell_{execution.number}"  # type: ignore[attr-defined]

        def begin() -> None:
            if execution.done.done():
                # It has been withdrawn meanwhile.
                run.close()
                work.close()
                return
            self.before_cell()
            # Not loop.create_task: a task factory of the user's is for the user's tasks.
            execution.loop = asyncio.get_running_loop()
            execution.task = asyncio.Task(
                run, loop=execution.loop, name=f"cell {execution.number}", context=self.context
            )
            execution.task.add_done_callback(ended)

        def ended(_: object) -> None:
            # A task that is cancelled before its first step never enters its coroutine.
            if not execution.done.done():
                work.close()
                execution.finish(self._failed(execution, cell, KeyboardInterrupt()))

        if not execution.host.call(begin):
            run.close()
            work.close()
            execution.give_up("the loop is closed")
        return execution

    async def _run(self, execution: Execution, work: Coroutine[Any, Any, Ending], cell: Cell | None) -> None:
        """Run a cell to its end; nothing that it raises leaves here."""
        execution.coroutine = work
        try:
            ending = await steps(work, execution.gate)
        except _Stopped as stopped:
            ending = self._failed(execution, cell, stopped.error)
        except BaseException as error:
            ending = self._failed(execution, cell, error)
        execution.coroutine = None
        # An app's loop goes on in a child of the app; nothing of ours does.
        if execution.process != os.getpid() and execution.host.owned:
            leave_child(ending.outcome, ending.events)
        execution.finish(ending)

    async def _evaluate(self, execution: Execution, cell: Cell, *, show: bool) -> Ending:
        value: object = None
        for code in (cell.body, cell.value):
            if code is not None:
                try:
                    value = eval(code, self.namespace)
                except StopIteration as error:
                    raise _Stopped(error) from None
                if code.co_flags & inspect.CO_COROUTINE:
                    value = await value  # type: ignore[misc]
        if cell.value is None:
            value = None
        events: list[Event] = []
        if isinstance(value, Leaver):
            events.append(Leave(0))
        elif show and value is not None:
            events += self._shown(execution.number, cell, value)
        events += self._blocked(execution, cell)
        return Ending("ok", tuple(events), execution.elapsed, execution.gate.held, value)

    def _shown(self, number: int, cell: Cell, value: object) -> list[Event]:
        keep(self.namespace, number, value, self._kept)
        events: list[Event] = []
        if not cell.silent:
            if sys.displayhook is not sys.__displayhook__:
                sys.displayhook(value)
            else:
                shown = self.represent(value)
                events.append(Result(shown.text, number, shown.note))
        if hint := self.hints.for_value(cell, value):
            events.append(hint)
        return events

    def _blocked(self, execution: Execution, cell: Cell) -> list[Event]:
        longest = max(execution.gate.longest, execution.gate.current)
        if longest < _LONG_STEP or asyncio._get_running_loop() is None:
            return []
        waiting = len(asyncio.all_tasks() - {asyncio.current_task()})
        hint = self.hints.for_block(cell, longest, waiting)
        return [hint] if hint else []

    def _failed(self, execution: Execution, cell: Cell | None, error: BaseException) -> Ending:
        outcome: Outcome = "error"
        events: list[Event]
        if isinstance(error, SystemExit):
            events = [leaving(error.code)]
        elif isinstance(error, KeyboardInterrupt) or (
            execution.interrupted and isinstance(error, asyncio.CancelledError)
        ):
            outcome = "interrupted"
            where = place(error)
            line = f"KeyboardInterrupt ({where})" if where else "KeyboardInterrupt"
            events = [Failure(line + "\n", line)]
        else:
            # Who raises it again in a later cell is not to meet our frames in the middle of the traceback.
            remember(self.namespace, error.with_traceback(users_traceback(error)))
            events = self._told(execution, error)
            if cell is not None:
                hint = self.hints.for_failure(cell, error, owned=execution.host.owned)
                events += [hint] if hint else []
                close_refused(cell, error)
        return Ending(outcome, tuple(events), execution.elapsed, execution.gate.held, exception=error)

    def _told(self, execution: Execution, error: BaseException) -> list[Event]:
        """Let ``sys.excepthook`` tell of an exception if it is the user's own, or make what tells of it."""
        # That of an app is for the app's exceptions.
        if not has_hook() or not execution.host.owned or isinstance(self.namespace, ProgramNamespace):
            return [self._described(execution, error)]
        try:
            execution.gate.step(call_hook, error)
        except SystemExit as leave:
            return [leaving(leave.code)]
        except BaseException as failed:
            trouble = f"sys.excepthook failed: {self._described(execution, failed).summary}"
            return [self._described(execution, error), Notice(trouble, "error")]
        return []

    def _described(self, execution: Execution, error: BaseException) -> Failure:
        # The exception's own __str__ runs here, and may need an interrupt as much as the cell did.
        try:
            return execution.gate.step(describe, error)
        except KeyboardInterrupt:
            name = type(error).__name__
            return Failure(f"{name} (interrupted while its message was made)\n", name)


def keep(namespace: MutableMapping[str, object], number: int, value: object, kept: dict[str, int]) -> None:
    """Keep a value as ``_`` and ``_N``, and move the earlier ones to ``__`` and ``___``.

    Where one of the three is bound to another value than the one that was kept here before, it is the user's, and all
    three are left alone; as in IPython. ``kept`` has the ids of those, as it must keep none alive.
    """
    namespace[f"_{number}"] = value
    namespace.pop(f"_{number - _KEPT}", None)
    found = {name: namespace[name] for name in ("_", "__", "___") if name in namespace}
    if any(kept.get(name) != id(known) for name, known in found.items()):
        return
    for newer, older in (("_", "__"), ("__", "___")):
        if newer in found:
            namespace[older] = found[newer]
            kept[older] = id(found[newer])
    namespace["_"] = value
    kept["_"] = id(value)


def remember(namespace: MutableMapping[str, object], error: BaseException) -> None:
    """Keep an exception as ``_exc`` and where ``pdb.pm()`` looks for it."""
    namespace["_exc"] = error
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error


def last_failure() -> dict[str, object]:
    """Return what ``remember`` replaces in ``sys``, for ``restore_last_failure``."""
    return {name: vars(sys)[name] for name in _LAST_FAILURE if name in vars(sys)}


def restore_last_failure(found: Mapping[str, object]) -> None:
    """Put back into ``sys`` what was found there."""
    for name in _LAST_FAILURE:
        vars(sys).pop(name, None)
    vars(sys).update(found)


def leaving(code: object) -> Leave:
    """Return what ``sys.exit(code)`` asks for, by the rules of the interpreter."""
    if code is None:
        return Leave(0)
    if isinstance(code, int):
        return Leave(code & 0xFF)
    return Leave(1, str(code))
