"""The descriptors that a loop watches: what each is, between which addresses, and for which protocol or task."""

import asyncio
import contextlib
import os
import socket
import stat
from asyncio import sslproto
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from aiorepl.introspect import uv
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.callbacks import Task, callback_name, served_task, waiting_task
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.loops import Listing, read
from aiorepl.introspect.summary import type_name
from aiorepl.introspect.values import Registration

__all__ = ["registrations"]


class _Watched(NamedTuple):
    """A descriptor; ``candidates`` are objects of which one may be its socket."""

    fd: int
    events: str
    callback: object
    arguments: tuple[object, ...] = ()
    candidates: tuple[object, ...] = ()
    protocol: object = None


def registrations(
    loop: asyncio.AbstractEventLoop, number: Callable[[Task], int] = BOOK.number_of, *, top: int | None = None
) -> Listing[Registration]:
    """List what a loop watches by descriptor, at most ``top`` of it, without what wakes the loop itself.

    Never raises, never blocks; from any thread. On uvloop it goes through all objects of the process.
    """
    errors: list[str] = []
    found = read(lambda: _watched(loop, top), errors)
    if found is None:
        return Listing(error="; ".join(errors))
    watched, total = found
    rows = [read(lambda one=one: _registration(one, number), errors) for one in watched]  # type: ignore[misc]
    return Listing(tuple(row for row in rows if row is not None), total, "; ".join(errors[:3]))


def _watched(loop: asyncio.AbstractEventLoop, top: int | None) -> tuple[list[_Watched], int] | None:
    """The first of what is watched, and how much that is in all; None if the loop does not tell."""
    if uv.is_uvloop(loop):
        all_ = sorted(_watched_by_uvloop(loop), key=lambda watched: watched.fd)
        return all_[:top], len(all_)
    get_map = getattr(getattr(loop, "_selector", None), "get_map", None)
    found = get_map() if get_map is not None else None
    if found is None:
        return None
    wakeup = getattr(loop, "_ssock", None)
    own = wakeup.fileno() if wakeup is not None else -1
    keys = sorted((key for key in list(found.values()) if key.fd != own), key=lambda key: key.fd)
    return [_watched_by_selector(key) for key in keys[:top]], len(keys)


def _watched_by_selector(key: Any) -> _Watched:
    reader, writer = key.data
    handle = reader if reader is not None else writer
    callback, arguments = handle._callback, tuple(handle._args or ())
    transport = _transport(callback)
    candidates = (key.fileobj, getattr(transport, "_sock", None), *arguments)
    protocol = getattr(transport, "_protocol", None)
    return _Watched(key.fd, _events(reader, writer), callback, arguments, candidates, protocol)


def _watched_by_uvloop(loop: asyncio.AbstractEventLoop) -> Iterator[_Watched]:
    for fd, (reader, writer) in uv.polls(loop).items():
        callback, arguments = uv.called_by(reader if reader is not None else writer)
        yield _Watched(fd, _events(reader, writer), callback, arguments, arguments)
    for sock, protocol, factory in uv.sockets(loop):
        if sock is not None:
            # Whether it has been told to pause reading cannot be seen.
            yield _Watched(sock.fileno(), "read", factory, candidates=(sock,), protocol=protocol)


def _registration(watched: _Watched, number: Callable[[Task], int]) -> Registration:
    kind, what = _described(watched)
    protocol = watched.protocol
    # Through TLS to the protocol of the program.
    if type(protocol) is sslproto.SSLProtocol:
        protocol = protocol._app_protocol
    if protocol is None:
        task = served_task(watched.callback, watched.arguments)
        name = watched.callback if type(watched.callback) is str else callback_name(_handler(watched))
    else:
        task = _waiting_on(protocol)
        name = _protocol_name(protocol)
    return Registration(watched.fd, kind, watched.events, what, name, None if task is None else number(task))


def _events(reader: object, writer: object) -> str:
    return "+".join(name for name, handle in (("read", reader), ("write", writer)) if handle is not None)


def _transport(callback: object) -> Any:
    owner = callback.__self__ if type(callback) is MethodType else None
    return owner if issubclass(type(owner), asyncio.BaseTransport) else None


def _described(watched: _Watched) -> tuple[str, str]:
    """What kind of thing a descriptor is, and which one."""
    protocol: Any = watched.protocol
    if _is_pipe_of_process(protocol):
        return "pipe", f"{_stream_name(protocol)} of process {protocol.proc.get_pid()}"
    if callback_name(watched.callback).endswith("ChildWatcher._do_wait"):
        return "process", f"end of process {watched.arguments[0]}"
    for candidate in watched.candidates:
        base = _socket_type(candidate)
        if base is not None and base.fileno(candidate) == watched.fd:
            return _socket(base, candidate)
    mode = os.fstat(watched.fd).st_mode
    if stat.S_ISSOCK(mode):
        return _unknown_socket(watched.fd)
    return _file(watched.fd, mode)


def _socket_type(value: object) -> Any:
    """The type whose methods are asked, so that a subclass of the program's is not."""
    if issubclass(type(value), socket.SocketType):
        return socket.SocketType
    return type(value) if type(value).__name__ == "PseudoSocket" else None


def _unknown_socket(fd: int) -> tuple[str, str]:
    # Making a socket object of a descriptor may change its mode where a default timeout is set.
    if socket.getdefaulttimeout() is not None:
        return "socket", ""
    # A duplicate, so that whatever happens the program's own descriptor stays open.
    with socket.socket(fileno=os.dup(fd)) as duplicate:
        return _socket(socket.SocketType, duplicate)


def _socket(base: Any, sock: object) -> tuple[str, str]:
    local, peer = _address(base.getsockname, sock), _address(base.getpeername, sock)
    kind = _kind(base.family.__get__(sock), base.type.__get__(sock))
    if not peer and _listens(base, sock):
        return kind, f"listens on {local}"
    return kind, f"{local} -> {peer}".strip() if peer else local


def _kind(family: int, type: int) -> str:
    if family == getattr(socket, "AF_UNIX", None):
        return "unix"
    if family not in (socket.AF_INET, socket.AF_INET6):
        return "socket"
    return {int(socket.SOCK_STREAM): "tcp", int(socket.SOCK_DGRAM): "udp"}.get(int(type), "socket")


def _listens(base: Any, sock: object) -> bool:
    with contextlib.suppress(OSError, AttributeError):
        return bool(base.getsockopt(sock, socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return False


def _address(ask: Callable[[object], object], sock: object) -> str:
    """One end of a socket, as it is written; empty if it has none."""
    try:
        address = ask(sock)
    except OSError:
        return ""
    if isinstance(address, bytes):
        address = address.decode(errors="backslashreplace")
    if isinstance(address, tuple) and len(address) >= 2:
        host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
        return bounded(f"{host}:{address[1]}")
    # Linux's abstract names begin with a null.
    return bounded(address.replace("\0", "@", 1)) if isinstance(address, str) else ""


def _file(fd: int, mode: int) -> tuple[str, str]:
    name = ""
    # Linux tells what a descriptor is for; elsewhere its kind has to do.
    with contextlib.suppress(OSError):
        name = os.readlink(f"/proc/self/fd/{fd}")
    if stat.S_ISFIFO(mode):
        return "pipe", bounded(name)
    if stat.S_ISCHR(mode):
        return "terminal" if os.isatty(fd) else "device", bounded(name)
    if name.startswith("anon_inode:"):
        return name.removeprefix("anon_inode:").strip("[]"), ""
    return "file", bounded(name)


def _handler(watched: _Watched) -> object:
    """What is called in the end; for a server what makes its protocols, or takes its streams."""
    # A selector's loop calls its own method, which has the factory and the socket as arguments.
    factory = watched.callback
    if callback_name(factory).endswith("._accept_connection"):
        factory = watched.arguments[0]
    if type(factory) is FunctionType and factory.__module__ == asyncio.streams.__name__:
        cells = dict(zip(factory.__code__.co_freevars, factory.__closure__ or (), strict=True))
        return cells["client_connected_cb"].cell_contents if "client_connected_cb" in cells else factory
    return factory


def _protocol_name(protocol: Any) -> str:
    if issubclass(type(protocol), asyncio.StreamReaderProtocol) and protocol._client_connected_cb is not None:
        return callback_name(protocol._client_connected_cb)
    name = type_name(protocol)
    return name.rpartition(".")[2] if name.startswith(("asyncio.", "uvloop.")) else name


def _waiting_on(protocol: Any) -> Task | None:
    """The task that reads or writes a stream just now, or that was started for it."""
    if _is_pipe_of_process(protocol):
        stream = getattr(protocol.proc.get_protocol(), _stream_name(protocol), None)
        return _reading(stream) if type(stream) is asyncio.StreamReader else None
    if not issubclass(type(protocol), asyncio.StreamReaderProtocol):
        return None
    writing = (waiting_task(waiter) for waiter in list(protocol._drain_waiters))
    # Since Python 3.12 a server's protocol knows the task of its handler.
    return _reading(protocol._stream_reader) or next(filter(None, writing), None) or getattr(protocol, "_task", None)


def _reading(reader: Any) -> Task | None:
    return waiting_task(reader._waiter) if reader is not None else None


def _is_pipe_of_process(protocol: object) -> bool:
    """Tell whether a protocol passes on what a subprocess writes or reads; uvloop has its own of the same names."""
    return type(protocol).__name__ in ("ReadSubprocessPipeProto", "WriteSubprocessPipeProto")


def _stream_name(pipe: Any) -> str:
    return ("stdin", "stdout", "stderr")[pipe.fd]
