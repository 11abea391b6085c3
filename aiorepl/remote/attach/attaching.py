"""Attaching to a process: from its number to a connected socket, at the other end of which aiorepl serves a session."""

import contextlib
import fcntl
import hmac
import json
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiorepl
from aiorepl.errors import AttachError
from aiorepl.introspect.values import Frame, Stack
from aiorepl.remote.attach.bundle import Bundle, make_bundle
from aiorepl.remote.attach.look import main_stack
from aiorepl.remote.attach.place import Place
from aiorepl.remote.attach.process import HAS_PROC, Process, find_process, kernel_wait, stopped
from aiorepl.remote.attach.refusals import Way, check
from aiorepl.remote.attach.ways import ByGdb, ByRemoteExec, BySignal, WayIn

__all__ = ["Attached", "attach"]

# Seconds: between two nudges at first and at last, until it is said what the process does instead, until it is given
# up, and for what takes no time but from who does not answer.
_FIRST, _LONGEST = 0.02, 1.0
_TELL_AFTER = 2.0
_PATIENCE = 30.0
_DEADLINE = 10.0
_LONGEST_LINE = 1 << 16

# In the process: a module with a function ``prepare(options)``, which returns what serves a socket.
_ENTRY = "aiorepl.attached"


class Attached:
    """A process that has been attached to; ``socket`` is for the session, and belongs to who takes it."""

    def __init__(self, process: Process, control: socket.socket, session: socket.socket) -> None:
        """Hold them; made by ``attach``."""
        self.process = process
        self.socket = session
        # Open until everything is undone in the process.
        self._control = control
        # A child that was forked meanwhile keeps the other ends open if the process is killed.
        threading.Thread(target=self._watch, name="aiorepl-watch", daemon=True).start()

    def wait_until_left(self, timeout: float = _DEADLINE) -> bool:
        """Wait until everything is undone in the process, or it is gone; tells whether it is.

        For when the session is over.
        """
        return bool(select.select([self._control], [], [], timeout)[0])

    def _watch(self) -> None:
        with contextlib.suppress(OSError, AttachError), _ended(self.process.pid) as ended:
            ready, _, _ = select.select([self._control.fileno(), *ended], [], [])
            if ended and ended[0] in ready:
                for end in (self._control, self.socket):
                    end.shutdown(socket.SHUT_RDWR)


def attach(
    pid: int,
    *,
    options: dict[str, Any] | None = None,
    gdb: bool = False,
    patience: float = _PATIENCE,
    tell: Callable[[str], None] = lambda text: None,
    entry: str = _ENTRY,
) -> Attached:
    """Attach to a process. A KeyboardInterrupt gives it up, as the end of the patience does: nothing is left behind.

    Args:
        pid: The process.
        options: What ``entry`` is given in the process.
        gdb: Whether gdb may be used where there is no other way.
        patience: Seconds to wait for the process to come to a safe point.
        tell: Is given what a person who waits should know, line by line.
        entry: The module that serves it in the process.

    Raises:
        AttachError: If it cannot be; says why.
    """
    process = find_process(pid)
    way = check(process, gdb=gdb)
    # Before the process is asked, so that it waits for nothing.
    bundle = make_bundle()
    with _one_at_a_time(process), contextlib.closing(_Knock(process, way, tell)) as knock:
        connection, greeting = knock.answer(patience)
    with contextlib.ExitStack() as closed_on_failure:
        closed_on_failure.enter_context(connection)
        try:
            _send_modules(process, connection, greeting, bundle, {"entry": entry, "options": options or {}})
            session = _pass_socket(connection)
        except (OSError, EOFError, ValueError) as error:
            raise AttachError(f"process {pid} did not go on: {error}") from None
        closed_on_failure.pop_all()
    return Attached(process, connection, session)


def _send_modules(
    process: Process, connection: socket.socket, greeting: dict[str, str], bundle: Bundle, order: dict[str, Any]
) -> None:
    """Send what the process needs, and wait until it has taken it."""
    _check_answer(process, greeting)
    own = greeting["loaded"]
    if own and own != aiorepl.__version__:
        raise AttachError(f"process {process.pid} has loaded aiorepl {own}, and this is {aiorepl.__version__}")
    if not own and greeting["magic"] != bundle.magic:
        raise AttachError(f"process {process.pid} runs another release of Python, whose bytecode is another")
    data = b"" if own or greeting["sent"] == bundle.digest else bundle.data
    line = json.dumps({**order, "size": len(data), "digest": bundle.digest})
    connection.sendall(line.encode() + b"\n" + data)
    _check_answer(process, _line(connection))


def _pass_socket(connection: socket.socket) -> socket.socket:
    """Give the process one end of a pair, which the kernel knows to be ours; return the other."""
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(connection, [b"\0"], [theirs.fileno()])
    return ours


def _check_answer(process: Process, answer: dict[str, str]) -> None:
    if error := answer.get("error"):
        raise AttachError(f"process {process.pid} cannot be served: {error}")


class _Knock:
    """A process is asked to connect; what was made for that is removed when it has, or is given up."""

    def __init__(self, process: Process, way: Way, tell: Callable[[str], None]) -> None:
        self._process = process
        self._tell = tell
        self._place = Place(process)
        try:
            self._way = _way_in(way, process, self._place, tell)
        except BaseException:
            self._place.close()
            raise

    def close(self) -> None:
        self._place.empty_script()
        self._place.close(keep_script=not self._way.close())

    def answer(self, patience: float) -> tuple[socket.socket, dict[str, str]]:
        """Wait for the process to connect, and see that it does; return what it says first."""
        self._way.ask()
        listener = self._place.listener.fileno()
        begun = time.monotonic()
        told = False
        pause = _FIRST
        with _ended(self._process.pid) as ended:
            while (waited := time.monotonic() - begun) < patience:
                ready, _, _ = select.select([listener, *ended], [], [], pause)
                if listener in ready and (caller := self._caller()):
                    return caller
                if ready and listener not in ready:
                    raise AttachError(f"process {self._process.pid} has ended before it answered")
                self._way.nudge()
                pause = min(pause * 2, _LONGEST)
                if waited > _TELL_AFTER and not told:
                    told = True
                    self._tell(f"waiting for process {self._process.pid}: {self._stands()}; Ctrl-C gives up")
        raise AttachError(f"process {self._process.pid} has not answered for {patience:g} s: {self._stands()}")

    def _caller(self) -> tuple[socket.socket, dict[str, str]] | None:
        """Take a connection, if it is the process that asks for it."""
        connection, _ = self._place.listener.accept()
        connection.settimeout(_DEADLINE)
        try:
            if _is_by(connection, self._process):
                greeting = _line(connection)
                if hmac.compare_digest(greeting["token"], self._place.token):
                    return connection, greeting
        except (OSError, EOFError, ValueError, KeyError):
            # Whoever that was, it was not the process.
            pass
        connection.close()
        return None

    def _stands(self) -> str:
        if said := stopped(self._process.pid):
            return said
        stack = main_stack(self._process.pid)
        if stack:
            return f"its main thread stands in {_described(stack)}"
        waits = kernel_wait(self._process.pid)
        return f"its main thread {f'waits in the kernel, in {waits}' if waits else 'has not come to a safe point'}"


def _way_in(way: Way, process: Process, place: Place, tell: Callable[[str], None]) -> WayIn:
    if way == "signal":
        return BySignal(process, place)
    if way == "gdb":
        return ByGdb(process, place, tell)
    return ByRemoteExec(process, place)


@contextlib.contextmanager
def _one_at_a_time(process: Process) -> Iterator[None]:
    """Keep others from asking the same process: two requests overwrite each other.

    The lock is on the process's folder, which all clients see, of whichever user.
    """
    if not HAS_PROC:
        yield
        return
    try:
        folder = os.open(f"/proc/{process.pid}", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        raise AttachError(f"process {process.pid} has ended") from None
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AttachError(f"somebody else is just attaching to process {process.pid}; try again") from None
        yield
    finally:
        os.close(folder)


@contextlib.contextmanager
def _ended(pid: int) -> Iterator[list[int]]:
    """What becomes readable when a process ends, where the system has that."""
    if not hasattr(os, "pidfd_open"):
        yield []
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise AttachError(f"process {pid} has ended") from None
    try:
        yield [descriptor]
    finally:
        os.close(descriptor)


def _is_by(connection: socket.socket, process: Process) -> bool:
    """Tell whether a process is at the other end, as the kernel says; elsewhere the token has to do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", credentials)
    return pid == process.pid and uid in process.users


def _line(connection: socket.socket) -> dict[str, str]:
    """Read a line of JSON, byte by byte: nothing follows it soon."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte or len(line) == _LONGEST_LINE:
            raise EOFError("it said nothing, and closed")
        line += byte
    said = json.loads(line)
    if not isinstance(said, dict) or not all(type(value) is str for value in said.values()):
        raise ValueError("it said something else than agreed")
    return said


def _described(stack: Stack) -> str:
    """The innermost call, and the program's line that leads to it."""
    inner = stack[-1]
    outer = next((frame for frame in reversed(stack[:-1]) if not frame.library), None) if inner.library else None
    by = f", called in {_at(outer)}" if outer is not None else ""
    return f"{_at(inner)}{by}"


def _at(frame: Frame) -> str:
    return f"{frame.function} ({os.path.basename(frame.file)}:{frame.line})"
