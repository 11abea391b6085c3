"""The interpreter of another process as its memory shows it: read, and written by CPython's own protocol.

See https://docs.python.org/3/howto/remote_debugging.html: a table at the start of ``_PyRuntime`` gives the places of
the fields. ``sys.remote_exec`` asks the main thread only, which may wait in a lock that no signal gets it out of; here
any thread can be asked, what was asked can be taken back, and one can see whether it was heard.
"""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from typing import NamedTuple

from aiorepl.errors import AttachError
from aiorepl.remote.attach.process import Image, Process

__all__ = ["Runtime"]

_COOKIE = b"xdebugpy"
# Numbers of 8 bytes in the table, after the cookie.
_TABLE = 112
_VERSION, _FREE_THREADING, _RUNTIME_SIZE, _INTERPRETERS, _THREADS, _NEXT_THREAD = 0, 1, 2, 4, 8, 23
# ``_PY_EVAL_PLEASE_STOP_BIT``
_PLEASE_STOP = 1 << 5
_LONGEST_PATH = 512


class _Layout(NamedTuple):
    """Where a version has its further fields: a thread's number, and the first of ``debugger_support``."""

    native_thread_id: int
    debugger_support: int


_LAYOUTS = {(3, 14): _Layout(27, 88), (3, 15): _Layout(30, 104)}


class Runtime:
    """``_PyRuntime`` of a process.

    Raises:
        AttachError: If it is not found, or may not be read.
    """

    def __init__(self, process: Process) -> None:
        """Find it; changes nothing."""
        self._pid = process.pid
        try:
            self._memory = os.open(f"/proc/{process.pid}/mem", os.O_RDWR)
        except OSError as error:
            raise AttachError(f"the memory of process {process.pid} cannot be read: {error.strerror}") from None
        try:
            self._address = _section(process, b".PyRuntime")
            self._table = self._read_table()
        except (OSError, struct.error, ValueError) as error:
            os.close(self._memory)
            raise AttachError(f"no Python interpreter was found in process {process.pid}: {error}") from None

    def close(self) -> None:
        """Close what reads the memory."""
        os.close(self._memory)

    @property
    def version(self) -> tuple[int, int]:
        """The interpreter's version, as ``(3, 14)``."""
        return self._table[_VERSION] >> 24, self._table[_VERSION] >> 16 & 0xFF

    @property
    def exact_version(self) -> int:
        """The interpreter's version as in ``sys.hexversion``."""
        return self._table[_VERSION]

    @property
    def threaded_freely(self) -> bool:
        """Whether it is a build without the GIL."""
        return self._table[_FREE_THREADING] == 1

    @property
    def can_be_asked(self) -> bool:
        """Whether the places of what is written are known: for the versions that ``_LAYOUTS`` has, as released."""
        return self.version in _LAYOUTS and self._support(5) == _LONGEST_PATH

    def listens(self) -> bool:
        """Tell whether the interpreter takes requests: not if it was started with remote debugging disabled."""
        return self._int(self._interpreter() + self._support(2)) == 1

    def threads(self) -> dict[int, int]:
        """The states of the interpreter's threads, by the numbers that the system gives these."""
        found: dict[int, int] = {}
        state = self._pointer(self._interpreter() + self._table[_THREADS])
        # Threads come and go while this is read: a list that bites its own tail is left as it is.
        while state and state not in found.values():
            number = self._pointer(state + self._table[_LAYOUTS[self.version].native_thread_id])
            found[number] = state
            state = self._pointer(state + self._table[_NEXT_THREAD])
        return found

    def is_asked(self, state: int) -> bool:
        """Tell whether the thread of this state has a request that it has not heard yet."""
        return self._int(state + self._support(1) + self._support(3)) != 0

    def ask(self, state: int, path: str) -> None:
        """Have the thread of this state run a file as soon as it executes Python code."""
        support = state + self._support(1)
        data = os.fsencode(path) + b"\0"
        assert len(data) <= _LONGEST_PATH
        self._write(support + self._support(4), data)
        self._write(support + self._support(3), struct.pack("i", 1))
        breaker = state + self._support(0)
        self._write(breaker, struct.pack("Q", self._pointer(breaker) | _PLEASE_STOP))

    def withdraw(self, state: int) -> None:
        """Take back what the thread of this state has not heard yet."""
        self._write(state + self._support(1) + self._support(3), struct.pack("i", 0))

    def wakeup_fd(self) -> int | None:
        """Return what ``signal.set_wakeup_fd`` has set there; None if that is nothing, or cannot be known.

        Only for an interpreter whose ``_PyRuntime`` is laid out as ours is.
        """
        same = self.exact_version == sys.hexversion and self._table[_RUNTIME_SIZE] == _own_size()
        place = _own_wakeup_place() if same else None
        fd = self._int(self._address + place) if place is not None else -1
        return fd if fd >= 0 else None

    def _support(self, index: int) -> int:
        """A field of ``debugger_support``: breaker, support, enabled, pending, path, size of path."""
        return self._table[_LAYOUTS[self.version].debugger_support + index]

    def _interpreter(self) -> int:
        return self._pointer(self._address + self._table[_INTERPRETERS])

    def _read_table(self) -> tuple[int, ...]:
        data = self._read(self._address, 8 + 8 * _TABLE)
        if data[:8] != _COOKIE:
            raise ValueError("it is older than 3.13")
        return struct.unpack(f"{_TABLE}Q", data[8:])

    def _pointer(self, address: int) -> int:
        return int(struct.unpack("Q", self._read(address, 8))[0])

    def _int(self, address: int) -> int:
        return int(struct.unpack("i", self._read(address, 4))[0])

    def _read(self, address: int, size: int) -> bytes:
        data = os.pread(self._memory, size, address)
        if len(data) < size:
            # So it is when the process has ended.
            raise OSError(errno.EIO, "its memory ends there")
        return data

    def _write(self, address: int, data: bytes) -> None:
        os.pwrite(self._memory, data, address)


def _section(process: Process, name: bytes) -> int:
    """Return where a section of the interpreter's file is in the process."""
    if process.image is None:
        raise ValueError("its files may not be read")
    with open(_openable(process, process.image), "rb", buffering=0) as file:
        data = _Elf(file.fileno())
        address = data.section(name)
        return address + process.image.start if data.relocatable else address


def _openable(process: Process, image: Image) -> str:
    # Its files may be others than those of that name here, or be gone.
    if image.path == process.executable:
        return f"/proc/{process.pid}/exe"
    return f"/proc/{process.pid}/root{image.path}"


class _Elf:
    """The section headers of a 64-bit ELF file."""

    def __init__(self, file: int) -> None:
        self._file = file
        header = os.pread(file, 64, 0)
        if header[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit ELF file")
        self.relocatable = struct.unpack_from("<H", header, 16)[0] == 3
        self._offset = struct.unpack_from("<Q", header, 40)[0]
        self._size, self._count, self._names = struct.unpack_from("<3H", header, 58)

    def section(self, name: bytes) -> int:
        """Return the address of a section, relative to where the file begins if it is relocatable."""
        names = self._header(self._names)[4]
        for index in range(self._count):
            header = self._header(index)
            if os.pread(self._file, len(name) + 1, names + header[0]) == name + b"\0":
                return header[3]
        raise ValueError(f"no section {name.decode()}")

    def _header(self, index: int) -> tuple[int, ...]:
        return struct.unpack("<IIQQQ", os.pread(self._file, 32, self._offset + index * self._size))


def _own_runtime() -> int:
    return ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))


def _own_size() -> int:
    table = ctypes.string_at(_own_runtime(), 8 + 8 * _TABLE)
    return int(struct.unpack_from("Q", table, 8 + 8 * _RUNTIME_SIZE)[0])


def _own_wakeup_place() -> int | None:
    """Find where in ``_PyRuntime`` the wake-up descriptor is kept: the one number that follows what is set here."""
    if threading.current_thread() is not threading.main_thread():
        return None
    with _spare_sockets() as fds:
        before = signal.set_wakeup_fd(-1)
        try:
            looks = []
            for fd in fds:
                signal.set_wakeup_fd(fd)
                looks.append(memoryview(ctypes.string_at(_own_runtime(), _own_size() // 4 * 4)).cast("i"))
        finally:
            signal.set_wakeup_fd(before)
    places = [index * 4 for index, seen in enumerate(zip(*looks, strict=True)) if seen == tuple(fds)]
    return places[0] if len(places) == 1 else None


@contextlib.contextmanager
def _spare_sockets() -> Iterator[list[int]]:
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(one) for _ in range(2) for one in socket.socketpair()]
        for end in ends:
            end.setblocking(False)
        yield [end.fileno() for end in ends]
