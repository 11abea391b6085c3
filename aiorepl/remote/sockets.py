"""Where the sockets are, and who may be at their other end: this user or root, nobody else.

Unix sockets only, in a folder that nobody else may enter, each with a mode that lets nobody else connect; and at both
ends the kernel is asked who the other one is.
"""

import contextlib
import os
import re
import socket
import stat
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiorepl.errors import ServeError

__all__ = [
    "Peer",
    "SocketName",
    "bind",
    "connect",
    "folder",
    "folders",
    "is_stale",
    "may_talk",
    "peer_of",
    "remove",
    "require_sockets",
    "usable_name",
]

# mypy takes a platform that is compared with for the only one.
_ON_LINUX = str(sys.platform) == "linux"
# A name may stand in a file's name, on a command line, and before ":" or behind "@".
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,39}")
_FILE = re.compile(r"(\d{1,10})-(.+)\.sock")
# Clients that wait to be accepted.
_BACKLOG = 128


class Peer(NamedTuple):
    """The process at the other end of a socket, as the kernel knows it; ``process`` is 0 where it does not tell."""

    process: int
    user: int


class SocketName(NamedTuple):
    """What the file of a served process is called: whose it is is told without asking."""

    process: int
    name: str

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.process}-{self.name}.sock"

    @classmethod
    def read(cls, file: str) -> "SocketName | None":
        """Read a file's name; None if it is another kind of file."""
        found = _FILE.fullmatch(file)
        return cls(int(found[1]), found[2]) if found and _NAME.fullmatch(found[2]) else None


def usable_name(name: str) -> str:
    """Return a name as it is.

    Raises:
        ServeError: If it cannot be the name of a served process.
    """
    if not _NAME.fullmatch(name) or name.isdecimal():
        raise ServeError(f"a name takes letters, digits and _.+-, at most 40, and is no number: not {name!r}")
    return name


def require_sockets() -> None:
    """Refuse where there are no Unix sockets with a user at each end.

    Raises:
        ServeError: There.
    """
    if not (hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")):
        raise ServeError("this system has no Unix sockets, and there is no other way in")


def folders() -> Sequence[str]:
    """Where this user's sockets may be: an app may be started with another environment than its client is.

    ``AIOREPL_RUNTIME_DIR`` names the only folder, where it is set.
    """
    only = os.environ.get("AIOREPL_RUNTIME_DIR", "")
    if os.path.isabs(only):
        return [only]
    user = os.geteuid()
    runtime = [os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{user}"]
    temporary = [os.environ.get("TMPDIR", ""), "/tmp"]
    found = [os.path.join(one, "aiorepl") for one in runtime if os.path.isabs(one) and os.path.isdir(one)]
    found += [os.path.join(one, f"aiorepl-{user}") for one in temporary if os.path.isabs(one) and os.path.isdir(one)]
    return list(dict.fromkeys(found))


def folder() -> str:
    """Return the folder for a new socket, which is made if it is not there.

    Raises:
        ServeError: If it cannot be made, or somebody else could enter it.
    """
    require_sockets()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    there = folders()
    chosen = there[0] if os.path.isabs(runtime) and os.path.isdir(runtime) else there[-1]
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(chosen, 0o700)
    except OSError as error:
        raise ServeError(f"cannot make {chosen}: {error.strerror}") from None
    if problem := _not_private(chosen):
        raise ServeError(f"{chosen} {problem}")
    return chosen


def bind(path: str) -> socket.socket:
    """Return a socket that listens there and that only this user can connect to; a stale one is replaced.

    Raises:
        ServeError: If something else is there, or it cannot be done.
    """
    require_sockets()
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        with _only_mine(listener):
            listener.bind(path)
        _check_mine(path)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException as error:
        listener.close()
        if isinstance(error, OSError):
            raise ServeError(f"cannot listen at {path}: {error.strerror or error}") from None
        raise
    return listener


def connect(path: str, timeout: float) -> socket.socket:
    """Return a socket that is connected to a server of this user's or root's.

    Raises:
        OSError: If nobody listens there.
        ServeError: If what is there is no socket of this user's or root's, or somebody else listens.
    """
    _check_socket(path)
    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.settimeout(timeout)
        connected.connect(path)
        peer = peer_of(connected)
        if not may_talk(peer):
            raise ServeError(f"user {peer.user} listens at {path}, and that is neither you nor root")
    except BaseException:
        connected.close()
        raise
    return connected


def peer_of(connected: socket.socket) -> Peer:
    """Ask the kernel who is at the other end."""
    if _ON_LINUX:
        process, user, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return Peer(process, user)
    # macOS and the BSDs: SOL_LOCAL and LOCAL_PEERCRED give a struct xucred, which starts with a version and the user.
    _, user = struct.unpack_from("2I", connected.getsockopt(0, 1, 76))
    return Peer(0, user)


def may_talk(peer: Peer) -> bool:
    """Tell whether a peer is this user, or root."""
    return peer.user in (os.geteuid(), 0)


def is_stale(path: str) -> bool:
    """Tell whether a socket's file was left behind: nobody listens there any more."""
    probe = socket.socket(socket.AF_UNIX)
    try:
        # A server that is alive and has a full queue is not waited for.
        probe.setblocking(False)
        probe.connect(path)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    finally:
        probe.close()
    return False


def remove(path: str) -> None:
    """Remove a socket's file, if it is there and a socket."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)


def _make_room(path: str) -> None:
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ServeError(f"cannot listen at {path}: {error.strerror}") from None
    if not stat.S_ISSOCK(there.st_mode):
        raise ServeError(f"{path} is there, and no socket")
    if there.st_uid != os.geteuid() or not is_stale(path):
        raise ServeError(f"somebody listens at {path} already")
    remove(path)


def _check_socket(path: str) -> None:
    """Not os.stat: a link could lead to a socket that somebody else has chosen."""
    there = os.lstat(path)
    if not stat.S_ISSOCK(there.st_mode):
        raise ServeError(f"{path} is no socket")
    if there.st_uid not in (os.geteuid(), 0):
        raise ServeError(f"{path} belongs to user {there.st_uid}, and that is neither you nor root")


def _check_mine(path: str) -> None:
    there = os.lstat(path)
    if there.st_uid != os.geteuid() or stat.S_IMODE(there.st_mode) & 0o077:
        raise ServeError(f"{path} is open to others: mode {stat.S_IMODE(there.st_mode):o}")


def _not_private(path: str) -> str:
    """Say why others could get into a folder; empty if they cannot."""
    there = os.lstat(path)
    if not stat.S_ISDIR(there.st_mode):
        return "is no folder"
    if there.st_uid != os.geteuid():
        return f"belongs to user {there.st_uid}"
    mode = stat.S_IMODE(there.st_mode)
    return f"is open to others: mode {mode:o}, and it must be 700" if mode & 0o077 else ""


@contextlib.contextmanager
def _only_mine(listener: socket.socket) -> Iterator[None]:
    """Let what is bound within have mode 0600 from its first moment on."""
    if _ON_LINUX:
        # The file gets the mode of the socket. The umask is the whole process's, and another thread may make a file.
        os.fchmod(listener.fileno(), 0o600)
        yield
        return
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)
