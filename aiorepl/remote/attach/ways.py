"""Ways to have a script run in a process: each asks, nudges until there is an answer, and can take it back."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from aiorepl.errors import AttachError
from aiorepl.remote.attach import gdb
from aiorepl.remote.attach.look import loop_threads
from aiorepl.remote.attach.memory import Runtime
from aiorepl.remote.attach.place import Place
from aiorepl.remote.attach.process import HAS_PROC, Process, signal_mask
from aiorepl.remote.attach.request import Request, find_request, write
from aiorepl.remote.attach.waking import end_wait, in_lock, stop_and_continue, write_wakeup_byte

__all__ = ["ByGdb", "ByRemoteExec", "BySignal", "WayIn", "script"]

# Seconds after which a request that was heard, and not answered, is made again: another one may have overwritten it.
_AGAIN = 1.0


class WayIn(Protocol):
    """How a process is made to connect to the place that was prepared for it."""

    def ask(self) -> None:
        """Ask it once. Raises AttachError if that cannot be done."""

    def nudge(self) -> None:
        """Make it likelier that it hears; called every now and then until it answers."""

    def close(self) -> bool:
        """Take back what it has not heard; tells whether that is certain, so that nothing can be run any more."""


def script(place: Place) -> str:
    """What a process has to run: it starts one thread, and compiles the rest there."""
    source = Path(__file__).parent.with_name("bootstrap.py").read_text(encoding="utf-8")
    call = f"{source}\nstart({place.socket_path!r}, {place.token!r})\n"
    names = {"__name__": "aiorepl_bootstrap"}
    return f"import _thread\n_thread.start_new_thread(exec, (compile({call!r}, '<aiorepl>', 'exec'), {names!r}))\n"


class ByRemoteExec:
    """By ``sys.remote_exec``, and where the main thread waits for a lock, by asking the threads of loops the same."""

    def __init__(self, process: Process, place: Place) -> None:
        """Write the script; the process is not touched."""
        self._process = process
        self._path = place.write_script(script(place))
        self._runtime = _runtime(process)
        self._wakeup = self._runtime.wakeup_fd() if self._runtime else None
        self._asked_at = 0.0
        self._others: set[int] = set()

    def ask(self) -> None:
        """Ask the main thread."""
        pid = self._process.pid
        remote_exec: Callable[[int, str], None] = getattr(sys, "remote_exec")  # noqa: B009 - 3.14+
        try:
            remote_exec(pid, self._path)
        except ProcessLookupError:
            raise AttachError(f"process {pid} has ended") from None
        except PermissionError:
            raise AttachError(f"process {pid} may not be attached to; as root: sudo aiorepl attach {pid}") from None
        except (RuntimeError, OSError) as error:
            # It looks for the interpreter's file here, where a container's is not.
            if self._runtime is None or not self._ask_main(self._runtime):
                raise AttachError(f"process {pid} cannot be asked: {error}") from None
        self._asked_at = time.monotonic()

    def nudge(self) -> None:
        """Bring those that were asked out of what they wait in."""
        if self._runtime is None:
            stop_and_continue(self._process.pid)
            self._ask_again()
            return
        # It may end, or a thread of it, at any time; others may trace it.
        with contextlib.suppress(OSError):
            threads = self._runtime.threads()
            self._ask_again(threads)
            if in_lock(self._process.pid, self._process.pid):
                self._ask_loops(self._runtime, threads)
            for number in {self._process.pid, *self._others} & threads.keys():
                if _sleeps(self._process.pid, number):
                    end_wait(number)
        if self._wakeup is not None:
            with contextlib.suppress(OSError):
                write_wakeup_byte(self._process.pid, self._wakeup)

    def close(self) -> bool:
        """Clear what was not heard."""
        if self._runtime is None:
            return False
        try:
            threads = self._runtime.threads()
            for number in {self._process.pid, *self._others} & threads.keys():
                if self._runtime.is_asked(threads[number]):
                    self._runtime.withdraw(threads[number])
        except OSError:
            # It has ended.
            pass
        finally:
            self._runtime.close()
        return True

    def _ask_main(self, runtime: Runtime) -> bool:
        try:
            runtime.ask(runtime.threads()[self._process.pid], self._path)
        except (OSError, KeyError):
            return False
        return True

    def _ask_again(self, threads: dict[int, int] | None = None) -> None:
        if time.monotonic() - self._asked_at < _AGAIN:
            return
        heard = self._runtime is None or not threads or not self._runtime.is_asked(threads[self._process.pid])
        if heard:
            self.ask()

    def _ask_loops(self, runtime: Runtime, threads: dict[int, int]) -> None:
        for number in loop_threads(self._process.pid) & threads.keys() - self._others - {self._process.pid}:
            runtime.ask(threads[number], self._path)
            self._others.add(number)


class BySignal:
    """By the signal that the program's ``install_attach_signal`` waits for."""

    def __init__(self, process: Process, place: Place) -> None:
        """Find what the program offers."""
        request = find_request(process.pid)
        if request is None:
            raise AttachError(f"process {process.pid} does not wait for aiorepl's signal any more")
        self._process = process
        self._place = place
        self._request: Request = request
        self._descriptor = -1
        self._sent_at = 0.0

    def ask(self) -> None:
        """Write the request, and send the signal."""
        self._descriptor = write(self._request, self._place.socket_path, self._place.token)
        self._send()

    def nudge(self) -> None:
        """Send the signal again, if the request still stands there."""
        if time.monotonic() - self._sent_at > _AGAIN and os.fstat(self._descriptor).st_size:
            self._send()

    def close(self) -> bool:
        """Take the request away."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
        return True

    def _send(self) -> None:
        # It would be killed by a signal that it does not catch.
        try:
            if self._request.signum in signal_mask(self._process.pid, "SigCgt"):
                os.kill(self._process.pid, self._request.signum)
        except (FileNotFoundError, ProcessLookupError):
            raise AttachError(f"process {self._process.pid} has ended") from None
        self._sent_at = time.monotonic()


class ByGdb:
    """By a call that gdb makes the interpreter queue, for the main thread's next safe point."""

    def __init__(self, process: Process, place: Place, tell: Callable[[str], None]) -> None:
        """Make sure of gdb; the process is not touched."""
        self._process = process
        self._path = place.write_script(script(place))
        self._gdb = gdb.find()
        tell(gdb.ANNOUNCEMENT.format(gdb=self._gdb, pid=process.pid))
        gdb.try_out(self._gdb)

    def ask(self) -> None:
        """Have it queued."""
        gdb.queue_script(self._gdb, self._process.pid, self._path)

    def nudge(self) -> None:
        """Bring the main thread out of a lock, where it looks for what is queued."""
        pid = self._process.pid
        with contextlib.suppress(OSError):
            if in_lock(pid, pid) and _sleeps(pid, pid):
                end_wait(pid)

    def close(self) -> bool:
        """Nothing to take back: what is queued does nothing without the script."""
        return True


def _runtime(process: Process) -> Runtime | None:
    if not HAS_PROC:
        return None
    runtime = Runtime(process)
    if runtime.can_be_asked:
        return runtime
    runtime.close()
    return None


def _sleeps(pid: int, thread: int) -> bool:
    """Tell whether a thread waits for something that may be interrupted: it cannot be stopped in what may not."""
    stat = Path(f"/proc/{pid}/task/{thread}/stat").read_text(errors="replace")
    return stat.rpartition(") ")[2].startswith("S")
