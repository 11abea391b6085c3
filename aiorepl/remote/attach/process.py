"""What the system tells of a process; nothing here touches the process itself.

Where there is no ``/proc`` (macOS), all but the number is unknown, and ``sys.remote_exec`` is asked instead.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aiorepl.errors import AttachError

__all__ = [
    "HAS_PROC",
    "Image",
    "Process",
    "find_process",
    "is_own_python",
    "kernel_wait",
    "ptrace_allowed",
    "signal_mask",
    "stopped",
]

HAS_PROC = os.path.isdir("/proc/self/task")

# The file that holds the interpreter: a shared library, or else the program itself.
_LIBRARY = re.compile(r"libpython3\.(\d+)(t?)d?\.so")
_ASYNCIO = re.compile(r"/(_asyncio|loop)\.(cpython-|abi3)[^/]*\.so$")
_PROGRAM = re.compile(r"python3\.(\d+)(t?)d?$")


class Image(NamedTuple):
    """A file that is mapped into a process, and where it begins there."""

    path: str
    start: int


class Process(NamedTuple):
    """A process, as far as the system tells.

    ``users`` are its real, effective and saved ones. ``python`` is its interpreter's version, ``(3, 14)``, or None if
    it has none or hides it; ``executable`` and ``arguments`` are empty where they may not be read. ``threaded_freely``
    if the interpreter is a build without the GIL; ``readable`` if it may be known what its memory holds and what
    it runs. ``loads_asyncio`` if it has loaded asyncio's C code, or uvloop's, from a file; some builds have the former
    built in.
    """

    pid: int
    users: frozenset[int] = frozenset()
    executable: str = ""
    arguments: tuple[str, ...] = ()
    image: Image | None = None
    python: tuple[int, int] | None = None
    threaded_freely: bool = False
    readable: bool = True
    loads_asyncio: bool = False

    @property
    def user(self) -> int:
        """The only user that it belongs to; -1 if they are several or unknown."""
        return next(iter(self.users)) if len(self.users) == 1 else -1

    def environment(self) -> dict[str, str]:
        """The variables that it was started with."""
        pairs = (entry.partition("=") for entry in _entries(self.pid, "environ"))
        return {name: value for name, _, value in pairs}

    def holds_selector(self) -> bool:
        """Tell whether it has an epoll open, as each of its loops has, uvloop's too; False where that is not told."""
        folder = f"/proc/{self.pid}/fd"
        try:
            return any(_link(self.pid, f"fd/{name}") == "anon_inode:[eventpoll]" for name in os.listdir(folder))
        except OSError:
            return False


def find_process(pid: int) -> Process:
    """Look a process up.

    Raises:
        AttachError: If there is none, or it has ended.
    """
    if not HAS_PROC:
        return Process(_existing(pid))
    try:
        status = _status(pid)
    except FileNotFoundError:
        raise AttachError(f"there is no process {pid}") from None
    if status["State"].startswith(("Z", "X")):
        raise AttachError(f"process {pid} has ended")
    # A number of a thread can be looked up as well.
    if int(status["Tgid"]) != pid:
        raise AttachError(f"{pid} is a thread of process {status['Tgid']}")
    users = frozenset(map(int, status["Uid"].split()[:3]))
    executable = _link(pid, "exe")
    starts = _images(pid)
    image, version, freely = _interpreter(starts or {}, executable)
    arguments = tuple(_entries(pid, "cmdline"))
    asyncio = any(_ASYNCIO.search(path) for path in starts or ())
    # Some systems show what is mapped without the right to see which program it is; only the kernel's own map nothing.
    readable = starts is not None and bool(executable or not starts)
    return Process(pid, users, executable, arguments, image, version, freely, readable, asyncio)


def is_own_python(pid: int) -> bool:
    """Tell whether a process is this user's, to root anybody's, and is seen to be Python."""
    try:
        process = find_process(pid)
    except (AttachError, OSError):
        return False
    return process.python is not None and os.geteuid() in (0, process.user)


def stopped(pid: int) -> str:
    """Say by what a process is stopped, and what lets it go on; empty if it is not, or that is not told."""
    try:
        state = _status(pid)["State"][:1]
    except (OSError, KeyError):
        return ""
    said = {"T": f"it is stopped, and kill -CONT {pid} lets it go on", "t": "it is stopped by a debugger"}
    return said.get(state, "")


def ptrace_allowed(pid: int) -> bool:
    """Tell whether this process may read and write the memory of that one; by opening it, which does neither."""
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
    except OSError:
        return False
    return True


def signal_mask(pid: int, name: str) -> set[int]:
    """Return the signals that a process catches (``"SigCgt"``), or whose mask of another name this is."""
    mask = int(_status(pid)[name], 16)
    return {number + 1 for number in range(mask.bit_length()) if mask >> number & 1}


def kernel_wait(thread: int) -> str:
    """Return the function of the kernel in which a thread waits; empty if it does not, or that is not told."""
    try:
        name = Path(f"/proc/{thread}/wchan").read_text(errors="replace")
    except OSError:
        return ""
    return "" if name == "0" else name


def _existing(pid: int) -> int:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        raise AttachError(f"there is no process {pid}") from None
    except PermissionError:
        raise AttachError(f"process {pid} belongs to another user; attach as that user or as root") from None
    return pid


def _status(pid: int) -> dict[str, str]:
    pairs = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}").removesuffix(" (deleted)")
    except OSError:
        return ""


def _entries(pid: int, name: str) -> Iterator[str]:
    try:
        data = Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        data = b""
    for entry in data.removesuffix(b"\0").split(b"\0") if data else ():
        yield entry.decode(errors="backslashreplace")


def _interpreter(starts: dict[str, int], executable: str) -> tuple[Image | None, tuple[int, int] | None, bool]:
    for path, start in starts.items():
        if found := _LIBRARY.match(os.path.basename(path)):
            return Image(path, start), (3, int(found[1])), bool(found[2])
    if executable not in starts:
        return None, None, False
    image = Image(executable, starts[executable])
    if found := _PROGRAM.match(os.path.basename(executable)):
        return image, (3, int(found[1])), bool(found[2])
    return image, None, False


def _images(pid: int) -> dict[str, int] | None:
    """The files that are mapped, and where each begins; None if that may not be read."""
    starts: dict[str, int] = {}
    try:
        text = Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape")
    except PermissionError:
        return None
    except OSError:
        return starts
    for line in text.splitlines():
        place, _, _, _, _, path = [*line.split(maxsplit=5), ""][:6]
        if path.startswith("/"):
            starts.setdefault(path.removesuffix(" (deleted)"), int(place.partition("-")[0], 16))
    return starts
