"""The folder in which a process that is attached to finds the socket to connect to, and the script that does so."""

import os
import pwd
import secrets
import shutil
import socket
import tempfile
from pathlib import Path

from aiorepl.errors import AttachError
from aiorepl.remote.attach.process import HAS_PROC, Process

__all__ = ["Place", "user_name"]

# Bytes; what is below it has to fit into a socket's address, which takes 103 on some systems.
_LONGEST_FOLDER = 70
_SOCKET, _SCRIPT = "socket", "attach.py"


class Place:
    """A folder of this client's own, which nobody else can write to or list, and a socket that listens in it.

    Attaching as root, the folder stays root's, so that the process's user cannot replace what is in it; the files
    become that user's, and nobody else can open them. It is made where the process sees it, whose ``/tmp`` may be
    another one: that of a container, or of a service with a private one.
    """

    def __init__(self, process: Process) -> None:
        """Make the folder and the socket.

        Raises:
            AttachError: If there is no place that both sides can reach.
        """
        self._user = process.user if process.users and process.user != os.geteuid() else None
        outside, inside = _folders(process, shared=self._user is not None)
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="aiorepl-", dir=outside))
        except OSError as error:
            if not os.path.exists(f"/proc/{process.pid}") and HAS_PROC:
                raise AttachError(f"process {process.pid} has ended") from None
            raise AttachError(f"no folder could be made for process {process.pid}: {error}") from None
        self._inside = inside / self._folder.name
        self.token = secrets.token_hex(32)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._script: int | None = None
        try:
            self._bind()
        except OSError as error:
            self.close()
            raise AttachError(f"no socket could be made for process {process.pid}: {error}") from None

    @property
    def socket_path(self) -> str:
        """The socket, as the process sees it."""
        return str(self._inside / _SOCKET)

    def write_script(self, source: str) -> str:
        """Write the script; return where it is, as the process sees it."""
        path = self._folder / _SCRIPT
        self._script = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.write(self._script, source.encode())
        self._hand_over(path, 0o400)
        return str(self._inside / _SCRIPT)

    def empty_script(self) -> None:
        """Leave nothing in the script, for whoever runs it after all."""
        if self._script is not None:
            os.truncate(self._script, 0)

    def close(self, *, keep_script: bool = False) -> None:
        """Remove it all, but the script if it is to be found empty by a process that may still run it."""
        self.listener.close()
        if self._script is not None:
            os.close(self._script)
            self._script = None
        if keep_script:
            (self._folder / _SOCKET).unlink(missing_ok=True)
        else:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _bind(self) -> None:
        # The path in another process's root may be longer than a socket's may be: by the folder's descriptor.
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            base = f"/proc/self/fd/{folder}" if HAS_PROC else str(self._folder)
            self.listener.bind(f"{base}/{_SOCKET}")
        finally:
            os.close(folder)
        if self._user is not None:
            os.chmod(self._folder, 0o711)
        self._hand_over(self._folder / _SOCKET, 0o600)
        self.listener.listen(1)

    def _hand_over(self, path: Path, mode: int) -> None:
        os.chmod(path, mode)
        if self._user is not None:
            os.chown(path, self._user, -1, follow_symlinks=False)


def user_name(user: int) -> str:
    """Return the name of a user, or the number if it has none here."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _folders(process: Process, *, shared: bool) -> tuple[Path, Path]:
    """The folder for temporary files, as this process and that one see it."""
    own = Path(tempfile.gettempdir())
    # Root's own may be closed to others.
    if shared or len(os.fsencode(own)) > _LONGEST_FOLDER:
        own = Path("/tmp")
    if not HAS_PROC or _same(own, Path(f"/proc/{process.pid}/root{own}")):
        return own, own
    return Path(f"/proc/{process.pid}/root/tmp"), Path("/tmp")


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
