"""Whether a process can be attached to, and why not: all that can be known without touching it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Literal, NamedTuple

from aiorepl.errors import AttachError
from aiorepl.remote.attach.memory import Runtime
from aiorepl.remote.attach.place import user_name
from aiorepl.remote.attach.process import HAS_PROC, Process, find_process, ptrace_allowed
from aiorepl.remote.attach.request import find_request

__all__ = ["Attachable", "attachable", "check", "check_readable", "python_processes"]

_OLDEST = (3, 11)
_REMOTE_EXEC = (3, 14)

Way = Literal["remote_exec", "signal", "gdb"]


class Attachable(NamedTuple):
    """How a process can be attached to; None if it cannot be, and ``reason`` says why, in one line."""

    way: Way | None
    reason: str = ""


def attachable(pid: int) -> Attachable:
    """Tell whether a process can be attached to; never raises, and changes nothing."""
    try:
        process = find_process(pid)
        return Attachable(check(process))
    except AttachError as error:
        return Attachable(None, str(error))
    except OSError as error:
        # It ended meanwhile.
        return Attachable(None, f"process {pid} cannot be looked at: {error.strerror}")


def python_processes() -> Iterator[Process]:
    """This user's processes that are Python, by number, but for this one; none where the system does not tell."""
    numbers = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()) if HAS_PROC else []
    for pid in numbers:
        # Most are other users', and to look at all that they map would take long.
        with contextlib.suppress(OSError, AttachError):
            if pid != os.getpid() and os.stat(f"/proc/{pid}").st_uid == os.geteuid():
                process = find_process(pid)
                if process.python is not None:
                    yield process


def check(process: Process, *, gdb: bool = False) -> Way:
    """Return the way into a process.

    Args:
        process: What is to be attached to.
        gdb: Whether gdb may be used where there is no other way.

    Raises:
        AttachError: If there is no way; says why, and what to do instead.
    """
    if process.pid == os.getpid():
        raise AttachError("that is this very process")
    if not HAS_PROC:
        return _without_proc()
    _check_user(process)
    _check_readable(process)
    _check_is_python(process)
    version = _supported_version(process)
    if version < _REMOTE_EXEC:
        return _check_older(process, version, gdb=gdb)
    _check_build(process, version)
    _check_right(process)
    _check_enabled(process)
    return "remote_exec"


def check_readable(process: Process) -> None:
    """Make sure that a process can be looked at from outside.

    Raises:
        AttachError: If it cannot be; says why, and what to do instead.
    """
    if not HAS_PROC:
        if sys.version_info < _REMOTE_EXEC:
            raise AttachError(f"reading another process takes Python 3.14 or newer; this is {_own_version()}")
        return
    _check_user(process)
    _check_readable(process)
    _check_is_python(process)
    version = _supported_version(process)
    if version < _REMOTE_EXEC:
        raise AttachError(
            f"process {process.pid} runs Python {_dotted(version)}, which cannot be read from outside before 3.14: "
            f"{_way_into_older(process, version)}"
        )
    _check_build(process, version, "--look ")
    _check_right(process)


def _without_proc() -> Way:
    if sys.version_info < _REMOTE_EXEC:
        raise AttachError(f"attaching takes Python 3.14 or newer here; this is {_own_version()}")
    return "remote_exec"


def _check_user(process: Process) -> None:
    if process.users == {os.geteuid()} or os.geteuid() == 0:
        return
    if process.user == -1:
        raise AttachError(f"process {process.pid} runs with the rights of several users; attach to it as root")
    name = user_name(process.user)
    who = "root" if process.user == 0 else f"{name} or root"
    raise AttachError(
        f"process {process.pid} belongs to {name}; attach as {who}, as in sudo aiorepl attach {process.pid}"
    )


def _check_readable(process: Process) -> None:
    if not process.readable:
        _check_right(process)


def _check_is_python(process: Process) -> None:
    if process.image is None:
        raise AttachError(f"process {process.pid} is not Python but {process.executable or 'a part of the system'}")


def _supported_version(process: Process) -> tuple[int, int]:
    version = _version(process)
    if version < _OLDEST:
        raise AttachError(f"process {process.pid} runs Python {_dotted(version)}; it takes 3.11 or newer")
    return version


def _version(process: Process) -> tuple[int, int]:
    if process.python is not None:
        return process.python
    # A program with the interpreter built in: since 3.13 it says so itself.
    if not ptrace_allowed(process.pid):
        raise AttachError(f"process {process.pid} is not Python but {process.executable}, as far as can be seen")
    try:
        runtime = Runtime(process)
    except AttachError:
        raise AttachError(f"process {process.pid} is not Python but {process.executable}") from None
    runtime.close()
    return runtime.version


def _check_older(process: Process, version: tuple[int, int], *, gdb: bool) -> Way:
    if find_request(process.pid) is not None:
        return "signal"
    if gdb:
        _check_build(process, version, "--gdb ")
        _check_right(process)
        return "gdb"
    raise AttachError(
        f"process {process.pid} runs Python {_dotted(version)}, into which there is no way from outside before 3.14: "
        f"{_way_into_older(process, version)}"
    )


def _way_into_older(process: Process, version: tuple[int, int]) -> str:
    """What to do instead; with gdb only the process's own version gets into it."""
    if find_request(process.pid) is not None:
        return f"it waits for the signal of aiorepl attach {process.pid}"
    gdb = "--gdb" if version == sys.version_info[:2] else _same_version(process, version, "--gdb ")
    return f"let it call aiorepl.install_attach_signal() when it starts, or try {gdb}"


def _same_version(process: Process, version: tuple[int, int], option: str = "") -> str:
    """What a shell is told to attach with the version that the process runs."""
    named = "python" in os.path.basename(process.executable)
    program = process.executable if named else f"python{_dotted(version)}"
    return f"{program} -m aiorepl attach {option}{process.pid}"


def _check_build(process: Process, version: tuple[int, int], option: str = "") -> None:
    own = sys.version_info[:2]
    freely = not getattr(sys, "_is_gil_enabled", lambda: True)() or "t" in getattr(sys, "abiflags", "")
    if version != own:
        raise AttachError(
            f"process {process.pid} runs Python {_dotted(version)}, and this is {_own_version()}: attach with the same "
            f"version, as in {_same_version(process, version, option)}"
        )
    if process.threaded_freely != freely:
        kinds = {True: "a free-threaded Python", False: "a Python with the GIL"}
        raise AttachError(
            f"process {process.pid} runs {kinds[process.threaded_freely]}, and this is {kinds[freely]}: "
            "attach with a Python of the same kind"
        )


def _check_right(process: Process) -> None:
    if ptrace_allowed(process.pid):
        return
    again = f"sudo aiorepl attach {process.pid}"
    scope = _yama()
    if scope == "3":
        reason = "kernel.yama.ptrace_scope is 3, which forbids it to everyone until the machine is started anew"
    elif _in_container() and os.geteuid() == 0:
        reason = "this container may not: start it with --cap-add=SYS_PTRACE"
    elif scope in ("1", "2") and os.geteuid() != 0:
        also = ", or sudo sysctl kernel.yama.ptrace_scope=0 first" if scope == "1" else ""
        reason = f"kernel.yama.ptrace_scope is {scope}; attach as root: {again}{also}"
    elif os.geteuid() != 0:
        reason = f"it protects itself (it is not dumpable, or has more rights than this one); attach as root: {again}"
    else:
        reason = "CAP_SYS_PTRACE is missing"
    raise AttachError(f"process {process.pid} may not be attached to: {reason}")


def _check_enabled(process: Process) -> None:
    told = ""
    if process.environment().get("PYTHON_DISABLE_REMOTE_DEBUG"):
        told = "PYTHON_DISABLE_REMOTE_DEBUG"
    elif {"disable-remote-debug", "-Xdisable-remote-debug"}.intersection(process.arguments[1:]):
        told = "-X disable-remote-debug"
    runtime = Runtime(process)
    try:
        listens = runtime.listens() if runtime.can_be_asked else not told
    finally:
        runtime.close()
    if not listens:
        how = f"with {told}" if told else "or built so"
        raise AttachError(
            f"process {process.pid} was started {how}: its Python takes no requests from outside; "
            f"aiorepl attach --look {process.pid} reads it without any"
        )


def _yama() -> str:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _in_container() -> bool:
    return os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")


def _own_version() -> str:
    return _dotted(sys.version_info[:2])


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
