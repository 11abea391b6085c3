"""Raise KeyboardInterrupt in a cell from another thread, and in nothing else.

An asynchronous exception lands wherever its thread next looks for one. So it is set only while the cell's own code is
on the thread, which the gate knows because each step of the cell passes through it, and is taken back when the step
has ended first. (On an idle loop it would end ``run_forever``; inside the loop's own code it can lose a handle.)
"""

import contextlib
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

__all__ = ["Gate", "MainThreadRaiser", "raise_in", "steps", "take_back"]

T = TypeVar("T")


def raise_in(thread: int) -> None:
    """Raise KeyboardInterrupt in the Python code of a thread; it waits there until a C call returns."""
    # Not imported before it is needed: a program that is not interrupted need not pay for it.
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


def take_back() -> None:
    """Withdraw what ``raise_in`` set in this thread, if it has not been raised yet."""
    import ctypes

    thread = ctypes.c_ulong(threading.get_ident())
    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    if sys.version_info >= (3, 13):
        set_exception(thread, None)
        return
    # Before 3.13 to withdraw an exception leaves every thread looking for one at each turn until one is raised, and on
    # 3.11 a function that is entered while it is traced then never begins. So one is raised.
    try:
        set_exception(thread, ctypes.py_object(_TakenBack))
        while True:
            pass
    except _TakenBack:
        return
    except BaseException:
        set_exception(thread, None)
        raise


class _TakenBack(BaseException):
    """Takes the place of the exception that is withdrawn."""


class MainThreadRaiser:
    """Raises KeyboardInterrupt in the main thread by a signal, which also ends the C calls that a signal can end.

    ``install`` is called on the main thread, the object itself on any.
    """

    def __init__(self, pressed: Callable[[], None]) -> None:
        """``pressed`` is called on the main thread for each SIGINT that is not our own."""
        self._pressed = pressed
        # When our own signal was sent, while it is under way.
        self._sent: float | None = None

    def install(self) -> None:
        """Take SIGINT."""
        signal.signal(signal.SIGINT, self._handle)

    def reinstall(self) -> None:
        """Take SIGINT back from a debugger, which keeps it after it was told to continue; on the main thread."""
        debugger = sys.modules.get("bdb")
        if debugger is not None and isinstance(
            getattr(signal.getsignal(signal.SIGINT), "__self__", None), debugger.Bdb
        ):
            self.install()

    def __call__(self, thread: int) -> None:
        """Raise KeyboardInterrupt in the main thread."""
        self._sent = time.monotonic()
        signal.pthread_kill(thread, signal.SIGINT)

    def _handle(self, _signum: int, _frame: object) -> None:
        sent, self._sent = self._sent, None
        # A signal that was never delivered, because another one was pending, must not turn a later press into ours.
        if sent is not None and time.monotonic() - sent < 1.0:
            raise KeyboardInterrupt
        self._pressed()


class Gate:
    """Knows whether one cell is executing now, and for how long each of its steps held the thread.

    ``step`` is called by the cell's thread, everything else may be called from any.
    """

    def __init__(self) -> None:
        """Start shut: the cell is not executing."""
        # Reentrant, as an exception that is raised right after it was acquired leaves it so: see _recover.
        self._lock = threading.RLock()
        # The thread that executes the cell now. None: the cell is not executing, and nothing may be set any more.
        self._thread: int | None = None
        # True from the moment an exception is set until the step has ended; changed under the lock only.
        self._set = False
        self.total = 0.0
        self.longest = 0.0
        # When the step began that executes now; 0.0 if none does.
        self._entered = 0.0

    @property
    def open(self) -> bool:
        """Tell whether the cell is executing now."""
        return self._thread is not None

    @property
    def current(self) -> float:
        """Seconds since the step that executes now began; 0.0 if none does."""
        entered = self._entered
        return time.perf_counter() - entered if entered else 0.0

    @property
    def held(self) -> float:
        """Seconds for which the cell has held the thread in all, the step that executes now included."""
        return self.total + self.current

    def interrupt(self, raiser: Callable[[int], None]) -> bool:
        """Raise KeyboardInterrupt in the cell if it is executing; tell whether it was.

        ``raiser`` raises it in a thread, as soon as that can take it.
        """
        with self._lock:
            thread = self._thread
            if thread is None:
                return False
            self._set = True
            raiser(thread)
            return True

    def step(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function so that ``interrupt`` reaches it.

        Raises:
            KeyboardInterrupt: If it was interrupted, even where that came too late to be raised inside the function.
        """
        try:
            self._entered = time.perf_counter()
            self._thread = threading.get_ident()
            return function(*arguments)
        finally:
            # Nothing can interrupt the thread before the first line. After it, two exceptions at most can still come:
            # the one that is set already, and the one that somebody is setting now.
            self._thread = None
            try:
                try:
                    self._settle()
                except KeyboardInterrupt:
                    self._recover()
                    raise
            except KeyboardInterrupt:
                self._recover()
                raise

    def _settle(self) -> None:
        """Wait for who is setting an exception, and take back what has not been raised."""
        if self._entered:
            elapsed = time.perf_counter() - self._entered
            self._entered = 0.0
            self.total += elapsed
            self.longest = max(self.longest, elapsed)
        with self._lock:
            if self._set:
                take_back()
                self._set = False

    def _recover(self) -> None:
        """Settle after an exception that may have been raised just when the lock had been acquired."""
        self._settle()
        with contextlib.suppress(RuntimeError):
            while True:
                self._lock.release()


@types.coroutine
def steps(coroutine: Coroutine[Any, Any, T], gate: Gate) -> Generator[Any, Any, T]:
    """Await a coroutine so that each of its steps passes through the gate.

    In a child that it has forked an await raises RuntimeError: what wakes the loop up is shared with the parent, from
    which the child would take it, and since Python 3.14 a task there cannot be parked.
    """
    process = os.getpid()
    advance: Callable[..., Any] = coroutine.send
    argument: object = None
    while True:
        try:
            awaited = gate.step(advance, argument)
        except StopIteration as stop:
            value: T = stop.value
            return value
        except KeyboardInterrupt as interrupt:
            if coroutine.cr_frame is None:  # type: ignore[attr-defined]
                raise
            # It was raised around the step, not in it: the coroutine has yet to see it.
            advance, argument = coroutine.throw, interrupt
            continue
        if os.getpid() != process:
            advance, argument = coroutine.throw, RuntimeError("a forked child cannot await: the loop is its parent's")
            continue
        try:
            argument = yield awaited
            advance = coroutine.send
        except BaseException as error:
            # It was thrown in here; the cell is to see it as if it had been thrown in there.
            own = error.__traceback__
            advance, argument = coroutine.throw, error.with_traceback(own and own.tb_next)
