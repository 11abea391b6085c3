"""What runs first in a process that is attached to: one thread, which connects to whoever attached.

Its source is run in a namespace of its own, so it imports the standard library only. What it changes in the process is
a hook that imports ``aiorepl`` and nothing else, from what the client sends; ``sys.path`` is never touched. All of it
is undone when the thread ends.

The conversation, before that of the session: the target says who it is (a line of JSON with the token), the client what
to import (a line, and the modules), the target whether that worked (a line), and the client passes a socket for the
session. This connection is kept until everything is undone.
"""

import _thread
import contextlib
import importlib
import json
import marshal
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType
from typing import Any

__all__ = ["start"]

# Seconds in which the client has to answer; it waits for nothing but this.
_DEADLINE = 10.0
_LONGEST_LINE = 1 << 16


def start(path: str, token: str) -> None:
    """Connect to the socket at this path and serve who is there, in a thread; does nothing if nobody is.

    A bare thread starts it: the interrupted code may hold a lock that ``threading`` needs.
    """
    _thread.start_new_thread(_start_thread, (path, token))


def _start_thread(path: str, token: str) -> None:
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=_attend, args=(path, token), name="aiorepl-attach", daemon=True).start()


def _attend(path: str, token: str) -> None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Closed at the very end: by that the client knows that all is undone. Shut down, as a forked child may have it too.
    with connection, contextlib.ExitStack() as at_the_end:
        at_the_end.callback(_shut_down, connection)
        connection.settimeout(_DEADLINE)
        try:
            connection.connect(path)
        except OSError:
            # Whoever asked has given up.
            return
        with contextlib.suppress(OSError):
            _converse(connection, token)


def _converse(connection: socket.socket, token: str) -> None:
    uid = _peer(connection)
    if uid not in (0, os.geteuid()):
        _say(connection, {"token": token, "error": f"a client of user {uid} is neither of its own user nor root"})
        return
    own = sys.modules.get("aiorepl")
    loaded = "" if own is None or _is_sent(own) else str(getattr(own, "__version__", "?"))
    _say(connection, {"token": token, "magic": MAGIC_NUMBER.hex(), "loaded": loaded, "sent": _Sent.current_digest()})
    order = _line(connection)
    if order is None:
        return
    with contextlib.ExitStack() as undone_at_the_end:
        try:
            modules = _exactly(connection, order["size"])
            if not loaded:
                undone_at_the_end.enter_context(_importable(order["digest"], modules))
            serve = importlib.import_module(order["entry"]).prepare(order["options"])
        except Exception as error:
            kind = "" if type(error).__module__.startswith("aiorepl.") else f"{type(error).__name__}: "
            _say(connection, {"error": f"{kind}{error}"[:1000]})
            return
        _say(connection, {"error": ""})
        if (session := _passed(connection)) is not None:
            serve(session)
        del serve, session


class _Sent:
    """Finds and loads the modules that were sent, whose names all begin with ``aiorepl``."""

    # Known by its name: each time the source is run it makes a class of its own.
    aiorepl_modules_that_were_sent = True

    def __init__(self, digest: str, modules: bytes) -> None:
        self.digest = digest
        self.users = 0
        self.lock = threading.Lock()
        self._modules: dict[str, tuple[bool, CodeType]] = marshal.loads(modules)

    @staticmethod
    def current() -> Any:
        """The one that is in use, which another thread may have brought."""
        return next((one for one in sys.meta_path if hasattr(one, "aiorepl_modules_that_were_sent")), None)

    @staticmethod
    def current_digest() -> str:
        current = _Sent.current()
        return "" if current is None else str(current.digest)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in self._modules:
            return None
        is_package, code = self._modules[name]
        loader: Any = self
        # Where it is at the client's; aiorepl tells its own frames by their files.
        spec = ModuleSpec(name, loader, origin=code.co_filename, is_package=is_package)
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._modules[module.__name__][1], module.__dict__)


@contextlib.contextmanager
def _importable(digest: str, modules: bytes) -> Iterator[None]:
    """Let the modules be imported until the last thread that uses them is done; they are forgotten then."""
    finder = _Sent.current()
    if finder is not None and finder.digest != digest:
        raise RuntimeError("another version of aiorepl is attached to it at this time")
    if finder is None:
        finder = _Sent(digest, modules)
    with finder.lock:
        # The last that used it may have taken it away meanwhile.
        if finder not in sys.meta_path:
            sys.meta_path.insert(0, finder)
        finder.users += 1
    try:
        yield
    finally:
        if finder.users == 1:
            _wait_for_threads()
        with finder.lock:
            finder.users -= 1
            if not finder.users:
                _forget(finder)


def _wait_for_threads() -> None:
    """Let what the session has left to threads come to its end: it may import more."""
    for thread in threading.enumerate():
        if thread.name.startswith("aiorepl-") and thread is not threading.current_thread():
            thread.join()


def _forget(finder: Any) -> None:
    # A copy of the program's own, imported later, shall not meet half of this one.
    sys.meta_path.remove(finder)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "aiorepl" and _is_sent(module):
            del sys.modules[name]


def _is_sent(module: ModuleType) -> bool:
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return hasattr(loader, "aiorepl_modules_that_were_sent")


def _peer(connection: socket.socket) -> int:
    """The user at the other end, told by the kernel."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    # LOCAL_PEERCRED of macOS and the BSDs, which gives a struct xucred.
    return int(struct.unpack("2I", connection.getsockopt(0, 1, 76)[:8])[1])


def _say(connection: socket.socket, said: dict[str, str]) -> None:
    connection.sendall(json.dumps(said).encode() + b"\n")


def _passed(connection: socket.socket) -> socket.socket | None:
    """The socket for the session, which the client made: so the kernel tells whose it is."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    if not descriptors:
        return None
    os.set_inheritable(descriptors[0], False)
    return socket.socket(fileno=descriptors[0])


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _line(connection: socket.socket) -> dict[str, Any] | None:
    # What follows is not for this. Not byte by byte: whoever waits loses the GIL, and a busy program takes 5 ms to give
    # it back.
    line = bytearray()
    while not line.endswith(b"\n"):
        there = connection.recv(_LONGEST_LINE, socket.MSG_PEEK)
        end = there.find(b"\n") + 1 or len(there)
        if not there or len(line) + end > _LONGEST_LINE:
            return None
        line += connection.recv(end)
    order: dict[str, Any] = json.loads(line)
    return order


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError("the client is gone")
        data += piece
    return bytes(data)
