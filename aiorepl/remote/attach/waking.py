"""Getting an idle thread of another process to execute Python code, without harm to what it waits for.

A thread that waits in a system call is brought out of it as by a signal that has no effect: Python looks for requests
then, and goes on waiting. Linux; elsewhere the process is stopped and continued, which a shell notices.
"""

import contextlib
import ctypes
import errno
import functools
import os
import platform
import signal
import socket
import sys
from pathlib import Path
from typing import Any

__all__ = ["end_wait", "in_lock", "stop_and_continue", "write_wakeup_byte"]

_SEIZE, _INTERRUPT, _DETACH, _PEEKUSER, _POKEUSER = 0x4206, 0x4207, 17, 3, 6
# Waits for a thread that is not a child.
_WALL = 0x40000000
_PIDFD_GETFD = 438

# Offsets in ``struct user`` on x86-64.
_RAX, _ORIG_RAX = 80, 120
# What the kernel would start anew by itself: ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK.
_RESTARTS = {-512, -513, -514, -516}
# System calls of x86-64 that C code has to expect to end at any time: poll, select, pause, epoll_wait, futex,
# clock_nanosleep, pselect6, ppoll, epoll_pwait. Python goes on with each of them.
_HARMLESS = {7, 23, 34, 232, 202, 230, 270, 271, 281}
_READ = 0
_FUTEX = {"x86_64": 202, "aarch64": 98}


def end_wait(thread: int) -> None:
    """End the system call that a thread (the system's number) waits in, as a signal would; it gets EINTR.

    A parent process and a shell do not notice. On other machines than x86-64 this ends only what the kernel does not
    start anew, the wait of an idle selector among it.

    Raises:
        OSError: If that is not permitted, or the thread is gone.
    """
    _ptrace(_SEIZE, thread)
    try:
        _ptrace(_INTERRUPT, thread)
        os.waitpid(thread, _WALL)
        if platform.machine() == "x86_64":
            _give_up_restart(thread)
    finally:
        # If this process ends before, the kernel does it.
        with contextlib.suppress(OSError):
            _ptrace(_DETACH, thread)


def in_lock(pid: int, thread: int) -> bool:
    """Tell whether a thread waits for a lock, where Python looks for no requests even if the wait ends."""
    try:
        call = Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()[0]
    except OSError:
        return False
    return call == str(_FUTEX.get(platform.machine()))


def write_wakeup_byte(pid: int, fd: int) -> None:
    """Write a zero byte to the socket with which signals wake a process's loop, which ignores zeros.

    ``fd`` is what ``signal.set_wakeup_fd`` was given there. uvloop looks at Python only for this.

    Raises:
        OSError: If that is not permitted, or not such a socket.
    """
    process = os.pidfd_open(pid)
    try:
        own = _syscall(_PIDFD_GETFD, process, fd, 0)
    finally:
        os.close(process)
    # Takes the descriptor over, and finds out that it is a socket.
    with socket.socket(fileno=own) as wakeup:
        if wakeup.family != socket.AF_UNIX:
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        # Full of bytes that have not been read: it is awake.
        with contextlib.suppress(BlockingIOError):
            wakeup.send(b"\0", socket.MSG_DONTWAIT)


def stop_and_continue(pid: int) -> None:
    """End a wait where there is no ptrace to do it."""
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)


def _give_up_restart(thread: int) -> None:
    result, call = _ptrace(_PEEKUSER, thread, _RAX), _ptrace(_PEEKUSER, thread, _ORIG_RAX)
    if result not in _RESTARTS:
        return
    # Standard input is Python's; who else reads may take an EINTR for an error.
    if call in _HARMLESS or (call == _READ and _reads_input(thread)):
        _ptrace(_POKEUSER, thread, _RAX, ctypes.c_ulong(-errno.EINTR).value)


def _reads_input(thread: int) -> bool:
    # rdi, the first argument
    return _ptrace(_PEEKUSER, thread, 112) == 0


def _ptrace(request: int, thread: int, address: int = 0, data: int = 0) -> int:
    ctypes.set_errno(0)
    result = int(_libc().ptrace(request, thread, ctypes.c_void_p(address), ctypes.c_void_p(data)))
    # Whatever was read may be -1.
    if result == -1 and (number := ctypes.get_errno()):
        raise OSError(number, os.strerror(number))
    return result


def _syscall(*arguments: int) -> int:
    result = int(_libc().syscall(*map(ctypes.c_long, arguments)))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@functools.cache
def _libc() -> Any:
    assert sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = libc.syscall.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return libc
