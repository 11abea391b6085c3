"""The event loop that aiorepl owns: it is kept running, whatever the code on it does."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import Protocol

from aiorepl.errors import LoopError

__all__ = ["Host", "HostFactory", "HostListener", "LoopHost", "loop_factory"]

# A loop that is stopped again and again while it is closed is given up.
_STOPS = 100
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Host(Protocol):
    """Where cells run: a loop, be it aiorepl's own or an app's. Everything may be called from any thread."""

    @property
    def owned(self) -> bool:
        """Tell whether aiorepl made the loop: then it watches it by hooks, may leave it behind, and ends it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop; an owned one that was closed or broke is replaced by another."""

    @property
    def thread(self) -> int | None:
        """The identifier of the loop's thread; None if it does not run, or that cannot be told."""

    @property
    def ended(self) -> "concurrent.futures.Future[None]":
        """Resolved when ``close`` has done all that it does."""

    def start(self) -> None:
        """Make the loop run, unless it does so by itself."""

    def call(self, function: Callable[[], object]) -> bool:
        """Call a function on the loop's thread, soon; False if the loop is closed and will not call it."""

    def close(self, *, timeout: float) -> None:
        """Do with the loop what is due at the end of a session; what that waits for gets ``timeout`` seconds."""


class HostListener(Protocol):
    """Told what happens to the loop, on the loop's own thread."""

    def loop_started(self, loop: asyncio.AbstractEventLoop) -> None:
        """A loop is about to run for the first time."""

    def loop_lost(self, loop: asyncio.AbstractEventLoop, reason: str) -> None:
        """A loop will not run again, and its tasks will not either; another one takes over."""

    def escaped(self, error: BaseException) -> None:
        """SystemExit or KeyboardInterrupt came out of a task or callback; the loop goes on."""

    def refused(self, names: list[str]) -> None:
        """These tasks or threads had not ended when the loop was closed."""


def loop_factory(name: str) -> LoopFactory:
    """Return what makes a loop of this name: ``asyncio``, ``uvloop`` or ``module:function``.

    Raises:
        LoopError: If there is none.
    """
    if name == "asyncio":
        return asyncio.new_event_loop
    module_name, _, attribute = name.partition(":")
    if name == "uvloop":
        attribute = "new_event_loop"
    if not (module_name and attribute):
        raise LoopError(f"--loop takes asyncio, uvloop or module:function, not {name!r}")
    import importlib

    try:
        factory: LoopFactory = getattr(importlib.import_module(module_name), attribute)
    except ImportError as error:
        install = '; pip install "aiorepl[uvloop]"' if name == "uvloop" else ""
        raise LoopError(f"cannot import {module_name}: {error}{install}") from error
    except AttributeError:
        raise LoopError(f"{module_name} has no {attribute}") from None
    return factory


HostFactory = Callable[[HostListener], Host]


class LoopHost:
    """One thread and the loop on it; a loop that was closed or broke is replaced.

    Everything but ``serve`` may be called from any thread.
    """

    owned = True

    def __init__(self, factory: LoopFactory, listener: HostListener) -> None:
        """Make the loop.

        Raises:
            LoopError: If the factory does not give one.
        """
        self._factory = factory
        self._listener = listener
        self._lock = threading.Lock()
        # Calls that found the loop closed, for the one that takes over; changed under the lock.
        self._stranded: list[Callable[[], object]] = []
        self._closing = False
        self._exit_timeout = 0.0
        self.thread: int | None = None
        # Resolved when serve returns.
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.loop = self._new_loop()

    def start(self) -> None:
        """Serve in a worker thread of our own."""
        # A daemon: a call that never returns must not keep the process from ending.
        threading.Thread(target=self.serve, name="aiorepl-loop", daemon=True).start()

    def serve(self) -> None:
        """Run the loop on this thread until ``close``."""
        self.thread = threading.get_ident()
        self._begin()
        try:
            while not self._closing:
                reason = self._run()
                if reason and not self._closing:
                    self._replace(reason)
            self._close_loop()
        finally:
            self.ended.set_result(None)

    def call(self, function: Callable[[], object]) -> bool:
        """Call a function on the loop's thread, soon, or on that of the loop that takes over."""
        with self._lock:
            try:
                self.loop.call_soon_threadsafe(function)
            except RuntimeError:
                self._stranded.append(function)
        return True

    def close(self, *, timeout: float) -> None:
        """Cancel the tasks, close the loop and let ``serve`` return; tasks get at most ``timeout`` seconds.

        Returns at once: wait for ``ended``. If the loop is blocked this happens when what blocks it returns.
        """
        self._exit_timeout = timeout
        self._closing = True
        self.call(self.loop.stop)

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        try:
            loop = self._factory()
        except Exception as error:
            raise LoopError(f"the loop could not be made: {type(error).__name__}: {error}") from error
        if not isinstance(loop, asyncio.AbstractEventLoop):
            raise LoopError(f"{self._factory!r} gave {type(loop).__name__}, which is not an event loop")
        return loop

    def _begin(self) -> None:
        asyncio.set_event_loop(self.loop)
        self._listener.loop_started(self.loop)

    def _run(self) -> str:
        """Run the loop until something stops it; return why it cannot go on, or an empty text."""
        try:
            self.loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            self._listener.escaped(error)
        except BaseException as error:
            # A loop that raises from run_forever is broken: its selector is gone, or it was closed by hand.
            return "the event loop was closed" if self.loop.is_closed() else f"the event loop failed ({error!r})"
        return "the event loop was closed" if self.loop.is_closed() else ""

    def _replace(self, reason: str) -> None:
        old = self.loop
        # Closed first: if its descriptors are gone already, the new loop gets their numbers, and must not lose them.
        with contextlib.suppress(Exception):
            old.close()
        try:
            new = self._new_loop()
        except LoopError as error:
            # A session without a loop would wait for ever.
            reason = f"{reason}; {error}"
            new = asyncio.new_event_loop()
        with self._lock:
            self.loop = new
            stranded, self._stranded = self._stranded, []
        self._begin()
        self._listener.loop_lost(old, reason)
        for function in stranded:
            new.call_soon(function)

    def _close_loop(self) -> None:
        """Do what ``asyncio.run`` does at its end, with a limit in time and without trusting any task."""
        loop = self.loop
        if not loop.is_closed():
            refused = self._until(_cancel_all(loop, self._exit_timeout))
            refused += self._until(_shut_down(loop, self._exit_timeout))
            if refused:
                self._listener.refused(refused)
            with contextlib.suppress(Exception):
                loop.close()
        asyncio.set_event_loop(None)

    def _until(self, work: "asyncio._CoroutineLike[list[str]]") -> list[str]:
        """Run a coroutine to its end, even where tasks raise SystemExit meanwhile."""
        task = asyncio.Task(work, loop=self.loop, name="aiorepl-close")
        # A call of stop() may be under way: that of close(), if the loop had not begun to run, and the program's.
        stops = 0
        while not task.done():
            try:
                self.loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt):
                continue
            except BaseException:
                stops += 1
                if self.loop.is_closed() or stops > _STOPS:
                    break
        return task.result() if task.done() and not task.cancelled() and task.exception() is None else []


async def _cancel_all(loop: asyncio.AbstractEventLoop, timeout: float) -> list[str]:
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in tasks:
        # Tasks that await each other in a circle are a RecursionError on some versions.
        with contextlib.suppress(RecursionError):
            task.cancel()
    if not tasks:
        return []
    done, pending = await asyncio.wait(tasks, timeout=timeout)
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {"message": "exception while the session was ending", "exception": error, "task": task}
            )
    for task in pending:
        # It is named; asyncio need not tell so as well when the task is collected.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    return sorted(f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})" for task in pending)


async def _shut_down(loop: asyncio.AbstractEventLoop, timeout: float) -> list[str]:
    refused = []
    for name, work in (
        ("an async generator", loop.shutdown_asyncgens()),
        ("a thread of the executor", loop.shutdown_default_executor()),
    ):
        # Not cancelled when it takes too long: cancelling shutdown_default_executor would join the thread.
        task = asyncio.Task(work, loop=loop, name="aiorepl-close")
        _, pending = await asyncio.wait({task}, timeout=timeout)
        if pending:
            # It is named; asyncio need not tell so as well when the task is collected.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            refused.append(name)
    return refused
