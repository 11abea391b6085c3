"""The served processes of this user: found by the files of their sockets, and named by whoever asks for one."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiorepl.errors import ServeError
from aiorepl.remote.sockets import SocketName, folders, is_stale, remove, require_sockets

__all__ = ["Found", "ProcessList", "ProcessRow", "command_of", "find", "find_all", "runs", "served", "why_not_served"]

# Processes that are named in one line.
_NAMED = 8


class Found(NamedTuple):
    """A served process; ``process`` is 0 where only the socket's path is known."""

    process: int
    name: str
    path: str

    def __str__(self) -> str:
        """Name it to a person."""
        return f"{self.name} (process {self.process})" if self.process else self.path


class ProcessRow(NamedTuple):
    """A process that can be reached, or why not: ``state`` says by what, and ``path`` is its socket.

    What it did not tell is None or empty.
    """

    process: int
    name: str
    command: str
    python: str = ""
    loops: int | None = None
    tasks: int | None = None
    state: str = ""
    path: str = ""


class ProcessList(NamedTuple):
    """Processes of this user."""

    rows: tuple[ProcessRow, ...]


def command_of(process: int) -> str:
    """Return the command line of a process; empty where the system does not tell.

    One that ``multiprocessing`` has started has none of its own, and is told by whose child it is.
    """
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            words = file.read(4096).decode("utf-8", "replace").split("\0")
    except OSError:
        return ""
    parent = _parent_of(process) if any(word.startswith(_SPAWNED) for word in words) else None
    return f"child of {parent}: {command_of(parent)}" if parent else " ".join(filter(None, words))


# What multiprocessing has a new interpreter run.
_SPAWNED = ("from multiprocessing.spawn import", "from multiprocessing.forkserver import")


def _parent_of(process: int) -> int | None:
    """The process that started one; None where the system does not tell, or if it has ended."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # After the name, which may hold anything, in brackets.
            parent = int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return parent if parent > 1 else None


def served() -> list[Found]:
    """The processes of this user that listen, by their number; the sockets of those that have ended are removed."""
    require_sockets()
    found = {(one.process, one.name): one for folder in folders() for one in _in_folder(folder)}
    return sorted(found.values())


def find(target: str | None) -> Found:
    """Return the process that a person means: by its number, its name, or its socket's path; the only one by nothing.

    Raises:
        ServeError: If there is none, or more than one; the message is one line.
    """
    found = find_all(target)
    if len(found) > 1:
        what = "several processes are served" if target is None else f"several processes are called {target}"
        raise ServeError(f"{what}: {_listed(found)}; say which by its number, or --all where that is allowed")
    return found[0]


def find_all(target: str | None) -> Sequence[Found]:
    """Return all processes that a person means, at least one.

    Raises:
        ServeError: If there is none.
    """
    if target is not None and "/" in target:
        return [Found(0, os.path.basename(target), target)]
    there = served()
    found = [one for one in there if target is None or target in (one.name, str(one.process))]
    if found:
        return found
    if target is None:
        raise ServeError("no process is served; a program is once it has called aiorepl.serve()")
    if target.isdecimal():
        if not runs(int(target)):
            raise ServeError(f"there is no process {target}")
        raise ServeError(why_not_served(int(target)))
    others = f"; served: {_listed(there)}" if there else "; no process is served"
    raise ServeError(f"no process is called {target}{others}")


def why_not_served(process: int) -> str:
    """Say of a process that runs, but is not served, how it can be reached, or why it cannot be."""
    from aiorepl.remote.attach.refusals import attachable

    text = f"process {process} is not served; it is once it has called aiorepl.serve()"
    can_be = attachable(process)
    if can_be.way:
        return f"{text}, and aiorepl attach {process} looks into it as it is"
    # What to do instead is said by aiorepl attach.
    return f"{text} ({can_be.reason.partition(':')[0].replace(f'process {process} ', 'it ', 1)})"


def _in_folder(folder: str) -> Iterator[Found]:
    # A folder of somebody else's leads to somebody else's sockets.
    with contextlib.suppress(OSError):
        if os.lstat(folder).st_uid not in (os.geteuid(), 0):
            return
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        for file in files:
            name = SocketName.read(file.name)
            if name is None or not stat.S_ISSOCK(file.stat(follow_symlinks=False).st_mode):
                continue
            if is_stale(file.path):
                remove(file.path)
            else:
                yield Found(name.process, name.name, file.path)


def _listed(found: Sequence[Found]) -> str:
    names = ", ".join(f"{one.process} {one.name}" for one in found[:_NAMED])
    return names if len(found) <= _NAMED else f"{names}, … {len(found) - _NAMED} more"


def runs(process: int) -> bool:
    """Tell whether there is a process of this number, be it of another user or one that nobody has waited for."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
