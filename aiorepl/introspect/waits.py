"""What a task waits on, from its await chain: the outermost call of asyncio's in it says what its caller waits on.

Objects are found by their type among what asyncio's coroutines refer to; the frames' locals are not touched. Everything
may be called from any thread.
"""

import asyncio
import functools
import gc
import socket
import weakref
from asyncio import base_events, base_subprocess, selector_events, streams, subprocess
from collections.abc import Callable, Iterable, Sequence
from types import CellType, CodeType, CoroutineType, FunctionType, GeneratorType
from typing import Any, NamedTuple, TypeVar

from aiorepl.introspect.callbacks import FUTURES, callback_name
from aiorepl.introspect.chain import bounded, coroutine_of
from aiorepl.introspect.futures import Number, awaited, wait_for_future
from aiorepl.introspect.loops import now
from aiorepl.introspect.protocols import address_words, peer_of, wait_for_protocol
from aiorepl.introspect.summary import type_name
from aiorepl.introspect.values import Wait, WaitKind

__all__ = ["lock_name", "semaphore_name", "wait_of"]

T = TypeVar("T")

_type_name: Callable[[type], str] = type.__dict__["__name__"].__get__


class _Call(NamedTuple):
    """A call of asyncio's in an await chain, and what stands at its end."""

    chain: Sequence[object]
    at: int
    future: Any
    loop: asyncio.AbstractEventLoop
    number: Number
    # What the call refers to: its function and code, its arguments, its variables.
    parts: list[Any]

    @property
    def name(self) -> str:
        """The call's qualified name."""
        return self.chain[self.at].cr_code.co_qualname  # type: ignore[attr-defined, no-any-return]


Handler = Callable[[_Call], Wait | None]


def wait_of(future: object, chain: Sequence[object], loop: asyncio.AbstractEventLoop, number: Number) -> Wait:
    """Say what a task waits on; ``holders`` is left to who knows all tasks. Never raises.

    Args:
        future: What wakes the task: its ``_fut_waiter``, or None.
        chain: The task's await chain, the outermost coroutine first.
        loop: The task's loop.
        number: Gives the numbers of tasks.
    """
    try:
        for index, link in enumerate(chain):
            if type(link) is CoroutineType and (handler := _BY_CODE.get(id(link.cr_code))) is not None:
                wait = handler(_Call(chain, index, future, loop, number, gc.get_referents(link)))
                if wait is not None:
                    return wait
        if future is None:
            return Wait("unknown")
        wait = _compiled(future, chain) or wait_for_future(future, number)
        return wait if wait.known else wait_for_protocol(future, chain) or wait
    except Exception as error:
        return Wait("unknown", error=bounded(f"{type_name(error)}: {BaseException.__str__(error)}"))


def _first(parts: Iterable[object], kind: type[T] | tuple[type[T], ...]) -> T | None:
    for part in parts:
        if issubclass(type(part), kind):
            return part  # type: ignore[return-value]
    return None


# Places in lines that are longer than this are looked up, as going through them for each of their tasks would take as
# long as the square of their length.
_LONG = 16
_MOST_LINES = 32
_LINES: dict[int, tuple[Callable[[], object], dict[int, int]]] = {}


def _place(waiters: Any, future: object) -> int | None:
    """The place of a future in a line, from 1; None if it is not there any more."""
    if waiters is None or len(waiters) <= _LONG:
        try:
            return waiters.index(future) + 1 if waiters else None
        except ValueError:
            return None
    reference, places = _LINES.get(id(waiters), (None, {}))
    place = places.get(id(future))
    if reference is None or reference() is not waiters or place is None or not _stands_at(waiters, place, future):
        places = {id(one): place for place, one in enumerate(list(waiters), 1)}
        if len(_LINES) >= _MOST_LINES:
            _LINES.clear()
        key = id(waiters)
        _LINES[key] = (weakref.ref(waiters, lambda _: _LINES.pop(key, None)), places)
    return places.get(id(future))


def _stands_at(waiters: Any, place: int, future: object) -> bool:
    try:
        return waiters[place - 1] is future
    except IndexError:
        return False


def _in_line(kind: WaitKind, what: str, owner: object, waiters: Any, future: object, known: bool = True) -> Wait:
    place = _place(waiters, future)
    total = len(waiters) if place is not None else None
    return Wait(kind, what, id(owner), (), None, None, total, place, None, None, known)


def _about(kind: type, describe: Callable[[Any, _Call], Wait]) -> Handler:
    """Describe a call by the object of this kind whose method it is."""

    def handle(call: _Call) -> Wait | None:
        for part in call.parts:
            # isinstance() would ask the program's objects what they are.
            if issubclass(type(part), kind):
                return describe(part, call)
        return None

    return handle


def _lock(lock: Any, call: _Call) -> Wait:
    return _in_line("lock", _type_name(type(lock)), lock, lock._waiters, call.future)


def _semaphore(semaphore: Any, call: _Call) -> Wait:
    return _in_line("semaphore", semaphore_name(semaphore), semaphore, semaphore._waiters, call.future)


def semaphore_name(semaphore: Any) -> str:
    """A semaphore's type, and how many it lets in if that is known: only a BoundedSemaphore keeps it."""
    bound = getattr(semaphore, "_bound_value", None)
    return _type_name(type(semaphore)) + (f"({bound})" if type(bound) is int else "")


def _event(event: object, _: _Call) -> Wait:
    return Wait("event", _type_name(type(event)), id(event), known=False)


def _condition(condition: Any, call: _Call) -> Wait:
    following = call.chain[call.at + 1] if call.at + 1 < len(call.chain) else None
    if type(following) is not CoroutineType:
        name = _type_name(type(condition))
        return _in_line("condition", name, condition, condition._waiters, call.future, known=False)
    # It has been notified, and now takes its lock again.
    lock = condition._lock
    waiters = lock._waiters if issubclass(type(lock), asyncio.Lock) else None
    return _in_line("lock", lock_name(condition), lock, waiters, call.future)


def lock_name(condition: object) -> str:
    """What the lock is called that belongs to a condition."""
    return f"Lock of a {_type_name(type(condition))}"


def _barrier(barrier: Any, _: _Call) -> Wait:
    what = f"{_type_name(type(barrier))}({barrier._parties})"
    state = barrier._state.value
    if state in ("draining", "resetting"):
        # It is not counted yet: those who were let through, or turned away, have to leave first.
        return Wait("barrier", f"{what}, {state}", id(barrier), known=False)
    missing = max(0, barrier._parties - barrier._count)
    return Wait("barrier", what, id(barrier), pending=missing, total=barrier._parties, known=False)


def _queue_name(queue: Any) -> str:
    size = queue._maxsize
    return f"{_type_name(type(queue))}(maxsize={size if type(size) is int else type_name(size)})"


def _queue_get(queue: Any, call: _Call) -> Wait:
    return _in_line("queue.get", _queue_name(queue), queue, queue._getters, call.future, known=False)


def _queue_put(queue: Any, call: _Call) -> Wait:
    return _in_line("queue.put", _queue_name(queue), queue, queue._putters, call.future, known=False)


def _queue_join(queue: Any, _: _Call) -> Wait:
    return Wait("queue.join", _queue_name(queue), id(queue), pending=queue._unfinished_tasks, known=False)


def _sleep(call: _Call) -> Wait:
    return Wait("sleep", left=_time_left(call.parts, call.loop))


def _time_left(parts: Iterable[object], loop: asyncio.AbstractEventLoop) -> float | None:
    """The time until a timer among these goes off; negative if the loop has not come to it."""
    for part in parts:
        kind = type(part)
        # uvloop's timers are of no type of asyncio's.
        if kind is asyncio.TimerHandle or _type_name(kind) == "TimerHandle":
            left: float = part.when() - now(loop)  # type: ignore[attr-defined]
            return left
    return None


def _taskgroup(group: Any, call: _Call) -> Wait:
    found = awaited(list(group._tasks), call.number)
    return Wait("taskgroup", _type_name(type(group)), id(group), tuple(sorted(found.tasks)), None, found.pending)


def _wait(call: _Call) -> Wait | None:
    parts = call.parts
    futures = _first(parts, set)
    if futures is None:
        return None
    found = awaited(list(futures), call.number)
    shared = _contents(parts)
    left = _time_left(shared, call.loop)
    first = any(type(part) is str and part in _FIRST for part in shared)
    tasks = tuple(sorted(found.tasks))
    return Wait("wait", "wait", 0, tasks, None, found.pending, found.total, left=left, known=found.known, first=first)


# What ``return_when`` may be, if not all have to end.
_FIRST = frozenset((asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION))


def _contents(parts: Iterable[object]) -> list[object]:
    """What variables hold that are shared with functions within."""
    cells = [part for part in parts if type(part) is CellType]
    return [value for cell in cells for value in gc.get_referents(cell)]


def _wait_for(call: _Call) -> Wait | None:
    """Up to 3.11 it awaits a future of its own; later it awaits what it was given, and is as good as not there."""
    parts = call.parts
    left = _time_left(parts, call.loop)
    return _for_inner(call, parts, left) if left is not None else None


def _cancel_and_wait(call: _Call) -> Wait | None:
    """A wait_for whose time is over has cancelled what it was given, and waits for its end."""
    return _for_inner(call, call.parts, None)


def _for_inner(call: _Call, parts: Iterable[object], left: float | None) -> Wait | None:
    # The first argument stands before the call's own future.
    inner = _first(parts, FUTURES)
    if inner is None:
        return None
    wait = wait_for_future(inner, call.number)
    what = _made_for(inner) if wait.kind == "task" else wait.what
    return wait._replace(kind="wait_for", what=what, left=left)


def _made_for(task: Any) -> str:
    """A task's coroutine, which says more than the name that it gets when it is made by the way."""
    coroutine = coroutine_of(task)
    return bounded(coroutine.__qualname__) if type(coroutine) is CoroutineType else bounded(task.get_name())


def _as_completed(call: _Call) -> Wait:
    """Python 3.13 and later: the iterator knows its futures."""
    iterator: Any = next((part for part in call.parts if type(part) is _COMPLETION), None)
    if iterator is None:
        return Wait("as_completed", "as_completed", known=False)
    return _completion(call, iterator._todo, _time_left([iterator._timeout_handle], call.loop))


def _as_completed_by_generator(call: _Call) -> Wait:
    """Up to 3.12: only a ``for`` statement in the awaiting frame holds the generator that knows the futures."""
    queue = _first(_contents(call.parts), asyncio.Queue)
    outer = gc.get_referents(call.chain[call.at - 1]) if call.at else []
    for part in outer:
        if type(part) is GeneratorType and part.gi_code is asyncio.as_completed.__code__:
            contents = _contents(gc.get_referents(part))
            if any(value is queue for value in contents):
                todo = _first(contents, set)
                return _completion(call, todo or (), _time_left(contents, call.loop))
    return Wait("as_completed", "as_completed", known=False)


def _completion(call: _Call, todo: Iterable[object], left: float | None) -> Wait:
    found = awaited(list(todo), call.number)
    # If one has ended, nobody is waited for: it is the next result, as soon as the loop comes to it.
    tasks = tuple(sorted(found.tasks)) if found.pending == found.total else ()
    return Wait("as_completed", "as_completed", 0, tasks, None, found.pending, left=left, known=found.known)


def _read(reader: Any, call: _Call) -> Wait:
    return Wait("read", call.name + _from("from", peer_of(reader._transport)), id(reader))


def _write(writer: Any, call: _Call) -> Wait:
    return Wait("drain", call.name + _from("to", peer_of(writer._transport)), id(writer))


def _from(word: str, what: str) -> str:
    return f" {word} {what}" if what else ""


def _socket(call: _Call) -> Wait:
    sock = _first(call.parts, socket.socket)
    name = call.name.rpartition(".")[2]
    return Wait("socket", name + _descriptor(sock), id(sock) if sock is not None else 0)


def _descriptor(sock: Any) -> str:
    return f" on fd {socket.socket.fileno(sock)}" if sock is not None else ""


def _connect(call: _Call) -> Wait:
    name = call.name.rpartition(".")[2]
    address = tuple(value for value in _arguments(call.parts) if type(value) in (str, int))
    word = "of" if name == "getaddrinfo" else "to"
    return Wait("connect", name + _from(word, address_words(address if len(address) == 2 else None)))


def _connect_path(call: _Call) -> Wait:
    path = _arguments(call.parts)[:1]
    return Wait("connect", call.name.rpartition(".")[2] + _from("to", address_words(path[0] if path else None)))


def _arguments(parts: list[Any]) -> list[object]:
    """The first two plain arguments of a call; what it refers to begins with its function and its code."""
    start = next((index + 2 for index, part in enumerate(parts) if type(part) is FunctionType), len(parts))
    return [part for part in parts[start:] if type(part) in (str, int, type(None))][:2]


def _connecting(call: _Call) -> Wait:
    return Wait("connect", call.name.rpartition(".")[2])


def _server(server: Any, call: _Call) -> Wait:
    return Wait("server", f"Server.{call.name.rpartition('.')[2]}" + _listens(server), id(server))


def _listens(server: Any) -> str:
    addresses = [address_words(sock.getsockname()) for sock in list(server.sockets or ())]
    return _from("on", addresses[0] + (" and more" if len(addresses) > 1 else "")) if addresses else ""


def _process(process: Any, call: _Call) -> Wait:
    return Wait("process", f"{call.name}, pid {process.pid}", id(process))


def _process_transport(transport: Any, _: _Call) -> Wait:
    return Wait("process", f"pid {transport.get_pid()}", id(transport))


def _process_start(call: _Call) -> Wait:
    return Wait("process", call.name.rpartition(".")[2])


def _to_thread(call: _Call) -> Wait | None:
    wait = wait_for_future(call.future, call.number)
    calls = [part for part in call.parts if type(part) is functools.partial]
    if not calls or wait.kind == "thread":
        return wait
    # The default executor may be of another making; what it runs is known here all the same.
    return Wait("thread", callback_name(calls[-1]), wait.key)


def _loop_thread(call: _Call) -> Wait:
    return Wait("thread", call.name.rpartition(".")[2])


def _compiled(future: Any, chain: Sequence[object]) -> Wait | None:
    """What uvloop's coroutines wait on, as far as their names tell: they have no frames that could be read."""
    name, scope = _compiled_call(chain)
    kind = _BY_NAME.get(name)
    if kind is None:
        return None
    if kind == "socket":
        sock = _socket_of(future)
        return Wait("socket", name + _descriptor(sock), id(sock) if sock is not None else 0, known=sock is not None)
    if kind == "server":
        server: Any = next((part for part in scope if _type_name(type(part)) == "Server"), None)
        where = _listens(server) if server is not None else ""
        return Wait("server", f"Server.{name}" + where, id(server) if server is not None else 0)
    return Wait(kind, name)


def _socket_of(future: object) -> object:
    """The socket that a future of uvloop's own kind keeps, in a dictionary that it does not show."""
    parts = gc.get_referents(future)
    kept = [value for part in parts if type(part) is dict for value in list(part.values())]
    return _first((*kept, *parts), socket.socket)


def _compiled_call(chain: Sequence[object]) -> tuple[str, list[object]]:
    """The name of the outermost call of uvloop's in a chain, and what it refers to."""
    for link in chain:
        call: Any = link
        # One that has gone on meanwhile is not asked, as in ``links``.
        inner = link.cr_await if type(link) is CoroutineType and not link.cr_running else None
        if _type_name(type(inner)) == "coroutine_wrapper":
            call = next(iter(gc.get_referents(inner)), None)
        if type(call) is CoroutineType or not hasattr(type(call), "cr_await"):
            continue
        name = getattr(call, "__qualname__", "")
        scope = [part for variables in gc.get_referents(call) for part in gc.get_referents(variables)]
        return (name.rpartition(".")[2] if type(name) is str else ""), scope
    return "", []


def _codes(owner: object, *names: str) -> list[CodeType]:
    """The code of those of an object's functions that it has; what it has differs between versions and systems."""
    functions = [getattr(owner, name, None) for name in names]
    return [function.__code__ for function in functions if function is not None and hasattr(function, "__code__")]


_SOCKET = (
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_recvfrom_into",
    "sock_sendall",
    "sock_sendto",
    "sock_connect",
    "sock_accept",
    "sock_sendfile",
)
_CONNECT = ("create_connection", "getaddrinfo")
_CONNECT_PATH = ("create_unix_connection",)
_CONNECTING = (
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_server",
    "getnameinfo",
    "start_tls",
)
_SERVER = ("serve_forever", "wait_closed")
_LOOP = base_events.BaseEventLoop
_COMPLETION = getattr(asyncio.tasks, "_AsCompletedIterator", None)


def _table() -> dict[CodeType, Handler]:
    unix = getattr(asyncio, "SelectorEventLoop", _LOOP)
    handlers: list[tuple[Handler, list[CodeType]]] = [
        (_about(asyncio.Lock, _lock), _codes(asyncio.Lock, "acquire")),
        (_about(asyncio.Semaphore, _semaphore), _codes(asyncio.Semaphore, "acquire")),
        (_about(asyncio.Event, _event), _codes(asyncio.Event, "wait")),
        (_about(asyncio.Condition, _condition), _codes(asyncio.Condition, "wait")),
        (_about(asyncio.Barrier, _barrier), _codes(asyncio.Barrier, "wait")),
        (_about(asyncio.Queue, _queue_get), _codes(asyncio.Queue, "get")),
        (_about(asyncio.Queue, _queue_put), _codes(asyncio.Queue, "put")),
        (_about(asyncio.Queue, _queue_join), _codes(asyncio.Queue, "join")),
        (_sleep, _codes(asyncio, "sleep")),
        (_about(asyncio.TaskGroup, _taskgroup), _codes(asyncio.TaskGroup, "__aexit__")),
        (_wait, _codes(asyncio.tasks, "_wait")),
        (_wait_for, _codes(asyncio, "wait_for")),
        (_cancel_and_wait, _codes(asyncio.tasks, "_cancel_and_wait")),
        (
            _about(asyncio.StreamReader, _read),
            _codes(streams.StreamReader, "read", "readline", "readuntil", "readexactly"),
        ),
        (_about(asyncio.StreamWriter, _write), _codes(streams.StreamWriter, "drain", "wait_closed")),
        (_connecting, _codes(streams.StreamWriter, "start_tls")),
        (_connect, _codes(streams, "open_connection") + _codes(_LOOP, *_CONNECT)),
        (_connect_path, _codes(streams, "open_unix_connection") + _codes(unix, *_CONNECT_PATH)),
        (_connecting, _codes(streams, "start_server", "start_unix_server") + _codes(unix, *_CONNECTING)),
        (_socket, _codes(selector_events.BaseSelectorEventLoop, *_SOCKET)),
        (_about(asyncio.Server, _server), _codes(base_events.Server, *_SERVER)),
        (_about(subprocess.Process, _process), _codes(subprocess.Process, "wait", "communicate")),
        (
            _about(asyncio.SubprocessTransport, _process_transport),
            _codes(base_subprocess.BaseSubprocessTransport, "_wait"),
        ),
        (_process_start, _codes(subprocess, "create_subprocess_exec", "create_subprocess_shell")),
        (_process_start, _codes(_LOOP, "subprocess_exec", "subprocess_shell")),
        (_to_thread, _codes(asyncio, "to_thread")),
        (_loop_thread, _codes(_LOOP, "shutdown_default_executor")),
    ]
    table = {code: handler for handler, codes in handlers for code in codes}
    if _COMPLETION is not None:
        table |= dict.fromkeys(_codes(_COMPLETION, "_wait_for_one"), _as_completed)
    else:
        inner = (const for const in asyncio.as_completed.__code__.co_consts if type(const) is CodeType)
        table |= {code: _as_completed_by_generator for code in inner if code.co_name == "_wait_for_one"}
    return table


_HANDLERS = _table()
# By identity, as each hash of a code is made anew from all that it holds; the table above keeps the codes.
_BY_CODE = {id(code): handler for code, handler in _HANDLERS.items()}
_BY_NAME: dict[str, WaitKind] = {
    **dict.fromkeys(_SOCKET, "socket"),
    **dict.fromkeys((*_CONNECT, *_CONNECT_PATH, *_CONNECTING), "connect"),
    **dict.fromkeys(_SERVER, "server"),
    **dict.fromkeys(("subprocess_exec", "subprocess_shell"), "process"),
    "shutdown_default_executor": "thread",
}
