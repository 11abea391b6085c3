"""Small programs that wait, one for each kind of wait, with what is to be found of each."""

import asyncio
import concurrent.futures
import contextlib
import socket
import ssl
import sys
import threading
import time
import types
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any, NamedTuple

from aiorepl.introspect.values import Wait

# What stands for any address of an object, and for any time that is left of the minute that the programs wait.
KEY = 1
LEFT = 1.0
MINUTE = 60


class Stage:
    """What a program has around it: children with numbers, threads that are held, and all that has to be closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, closing: contextlib.ExitStack) -> None:
        self.loop = loop
        self.closing = closing
        self.children: list[asyncio.Task[Any]] = []
        self.facts: defaultdict[str, object] = defaultdict(lambda: "?")
        self.on_uvloop = type(loop).__module__.startswith("uvloop")
        self._release = threading.Event()
        closing.callback(self._release.set)

    def child(self, coroutine: Coroutine[Any, Any, Any] | None = None) -> "asyncio.Task[Any]":
        """Make a task that is called "child N"."""
        task = self.loop.create_task(coroutine or forever())
        task.set_name(f"child {len(self.children) + 1}")
        self.children.append(task)
        return task

    def number(self, task: "asyncio.Future[Any]") -> int:
        """A child's number; 0 of any other task."""
        return self.children.index(task) + 1 if task in self.children else 0

    def hold(self) -> None:
        """Keep a thread until the program has been looked at."""
        self._release.wait(MINUTE)

    def full_executor(self) -> concurrent.futures.ThreadPoolExecutor:
        """Return an executor whose only thread is held."""
        executor = concurrent.futures.ThreadPoolExecutor(1)
        self.closing.callback(executor.shutdown, wait=False)
        executor.submit(self.hold)
        return executor

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Two sockets that are connected; the number of the first is the fact "fd"."""
        first, second = socket.socketpair()
        for end in (first, second):
            end.setblocking(False)
            self.closing.callback(end.close)
        self.facts["fd"] = first.fileno()
        return first, second

    async def server(self) -> asyncio.Server:
        """A server that never answers; its address is the fact "address"."""
        server = await asyncio.start_server(lambda reader, writer: forever(), "127.0.0.1", 0)
        self.closing.callback(server.close)
        self.facts["address"] = "{}:{}".format(*server.sockets[0].getsockname())
        return server

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to such a server."""
        server = await self.server()
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        self.closing.callback(writer.transport.abort)
        return reader, writer


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.Event().wait()


class Program(NamedTuple):
    """A program and what it waits on; a text in braces is a fact of the stage."""

    run: Callable[[Stage], Coroutine[Any, Any, object]]
    expected: Callable[[Stage], Wait]

    @property
    def name(self) -> str:
        return self.run.__name__


PROGRAMS: list[Program] = []
Run = Callable[[Stage], Coroutine[Any, Any, object]]


def waits(expected: Wait, *, uvloop: Wait | None = None, py311: Wait | None = None) -> Callable[[Run], Run]:
    """Add a program to the table; ``py311`` is for that version only."""
    if sys.version_info < (3, 12) and py311 is not None:
        expected = py311

    def add(run: Run) -> Run:
        def wanted(stage: Stage) -> Wait:
            wait = uvloop if uvloop is not None and stage.on_uvloop else expected
            return wait._replace(what=wait.what.format_map(stage.facts))

        PROGRAMS.append(Program(run, wanted))
        return run

    return add


# Futures and tasks


@waits(Wait("task", "child 1", tasks=(1,)))
async def task(stage: Stage) -> None:
    await stage.child()


@waits(Wait("future", "a future", KEY, known=False))
async def future(stage: Stage) -> None:
    await stage.loop.create_future()


@waits(Wait("future", "a future", KEY, known=False))
async def future_in_python(stage: Stage) -> None:
    await asyncio.futures._PyFuture(loop=stage.loop)  # type: ignore[attr-defined]


@waits(Wait("gather", "gather", tasks=(1, 2), pending=2, total=3))
async def gather(stage: Stage) -> None:
    children = stage.child(), stage.child()
    await asyncio.gather(*children, asyncio.sleep(0))


@waits(Wait("gather", "gather", tasks=(1, 2, 3), pending=2, total=2))
async def gather_of_gather_and_shield(stage: Stage) -> None:
    inner = asyncio.gather(stage.child(), asyncio.shield(stage.child()))
    await asyncio.gather(inner, stage.child())


@waits(Wait("gather", "gather", tasks=(1,), pending=2, total=2, known=False))
async def gather_with_a_future(stage: Stage) -> None:
    await asyncio.gather(stage.child(), stage.loop.create_future())


@waits(Wait("wait", "wait", tasks=(1, 2), pending=2, total=3))
async def wait(stage: Stage) -> None:
    done = stage.child(asyncio.sleep(0))
    await done
    stage.children.clear()
    await asyncio.wait([stage.child(), stage.child(), done])


@waits(Wait("wait", "wait", tasks=(1,), pending=1, total=1, left=LEFT))
async def wait_with_timeout(stage: Stage) -> None:
    await asyncio.wait([stage.child()], timeout=MINUTE)


@waits(Wait("task", "child 1", tasks=(1,)), py311=Wait("wait_for", "forever", tasks=(1,), left=LEFT))
async def wait_for_task(stage: Stage) -> None:
    await asyncio.wait_for(stage.child(), MINUTE)


@waits(
    Wait("queue.get", "Queue(maxsize=0)", KEY, place=1, total=1, known=False),
    py311=Wait("wait_for", "Queue.get", tasks=(0,), left=LEFT),
)
async def wait_for_coroutine(stage: Stage) -> None:
    await asyncio.wait_for(asyncio.Queue[int]().get(), MINUTE)


@waits(Wait("future", "a future", KEY, known=False), py311=Wait("wait_for", "a future", KEY, left=LEFT, known=False))
async def wait_for_future(stage: Stage) -> None:
    await asyncio.wait_for(stage.loop.create_future(), MINUTE)


@waits(Wait("event", "Event", KEY, known=False))
async def wait_for_without_timeout(stage: Stage) -> None:
    await asyncio.wait_for(asyncio.Event().wait(), None)


@waits(Wait("wait_for", "swallows", tasks=(1,)))
async def wait_for_that_is_over(stage: Stage) -> None:
    async def swallows() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        await forever()

    swallows.__qualname__ = "swallows"
    stubborn = stage.child(swallows())
    await asyncio.sleep(0)
    await asyncio.wait_for(stubborn, 0)


@waits(Wait("event", "Event", KEY, known=False))
async def timeout(stage: Stage) -> None:
    async with asyncio.timeout(MINUTE):
        await forever()


@waits(Wait("as_completed", "as_completed", tasks=(1, 2), pending=2))
async def as_completed(stage: Stage) -> None:
    for earliest in asyncio.as_completed([stage.child(), stage.child()]):
        await earliest


@waits(Wait("as_completed", "as_completed", tasks=(2,), pending=1, left=LEFT))
async def as_completed_once(stage: Stage) -> None:
    children = [stage.child(asyncio.sleep(0)), stage.child()]
    for earliest in asyncio.as_completed(children, timeout=MINUTE):
        await earliest


if sys.version_info >= (3, 13):

    @waits(Wait("as_completed", "as_completed", tasks=(1, 2), pending=2, left=LEFT))
    async def as_completed_asynchronously(stage: Stage) -> None:
        async for _ in asyncio.as_completed([stage.child(), stage.child()], timeout=MINUTE):
            pass

else:

    @waits(Wait("as_completed", "as_completed", known=False))
    async def as_completed_out_of_sight(stage: Stage) -> None:
        async def first(earliest: Awaitable[None]) -> None:
            await earliest

        for earliest in asyncio.as_completed([stage.child()]):
            await first(earliest)


@waits(Wait("shield", "child 1", tasks=(1,)))
async def shield(stage: Stage) -> None:
    await asyncio.shield(stage.child())


@waits(Wait("shield", "gather", tasks=(1,), pending=1, total=1))
async def shield_of_gather(stage: Stage) -> None:
    await asyncio.shield(asyncio.shield(asyncio.gather(stage.child())))


@waits(Wait("shield", "a future", KEY, known=False))
async def shield_of_a_future(stage: Stage) -> None:
    await asyncio.shield(stage.loop.create_future())


@waits(Wait("taskgroup", "TaskGroup", KEY, tasks=(1, 2), pending=2))
async def taskgroup_at_its_exit(stage: Stage) -> None:
    async with asyncio.TaskGroup() as group:
        for number in (1, 2):
            stage.children.append(group.create_task(forever(), name=f"child {number}"))


@waits(Wait("event", "Event", KEY, known=False))
async def taskgroup_in_its_body(stage: Stage) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(forever())
        await asyncio.Event().wait()


@waits(Wait("sleep", left=LEFT))
async def sleep(stage: Stage) -> None:
    await asyncio.sleep(MINUTE)


# Synchronization


@waits(Wait("lock", "Lock", KEY, place=1, total=1))
async def lock(stage: Stage) -> None:
    taken = asyncio.Lock()
    await taken.acquire()
    async with taken:
        pass


@waits(Wait("lock", "Lock", KEY, place=3, total=3))
async def lock_with_a_line(stage: Stage) -> None:
    taken = asyncio.Lock()
    await taken.acquire()
    stage.child(taken.acquire())
    stage.child(taken.acquire())
    await asyncio.sleep(0)
    await taken.acquire()


@waits(Wait("lock", "Lock", KEY, place=101, total=101))
async def lock_with_a_long_line(stage: Stage) -> None:
    taken = asyncio.Lock()
    await taken.acquire()
    for _ in range(100):
        stage.child(taken.acquire())
    await asyncio.sleep(0)
    await taken.acquire()


class OwnLock(asyncio.Lock):
    async def acquire(self) -> Any:
        return await super().acquire()


@waits(Wait("lock", "OwnLock", KEY, place=1, total=1))
async def lock_of_a_derived_class(stage: Stage) -> None:
    taken = OwnLock()
    await taken.acquire()
    await taken.acquire()


@waits(Wait("semaphore", "Semaphore", KEY, place=1, total=1))
async def semaphore(stage: Stage) -> None:
    async with asyncio.Semaphore(1) as _, (taken := asyncio.Semaphore(1)), taken:
        pass


@waits(Wait("semaphore", "BoundedSemaphore(2)", KEY, place=1, total=1))
async def bounded_semaphore(stage: Stage) -> None:
    taken = asyncio.BoundedSemaphore(2)
    async with taken, taken, taken:
        pass


@waits(Wait("event", "Event", KEY, known=False))
async def event(stage: Stage) -> None:
    await asyncio.Event().wait()


@waits(Wait("condition", "Condition", KEY, place=2, total=2, known=False))
async def condition(stage: Stage) -> None:
    condition = asyncio.Condition()

    async def first() -> None:
        async with condition:
            await condition.wait()

    stage.child(first())
    await asyncio.sleep(0)
    async with condition:
        await condition.wait_for(lambda: False)


@waits(Wait("lock", "Lock of a Condition", KEY, place=1, total=1))
async def condition_that_was_notified(stage: Stage) -> None:
    condition = asyncio.Condition()

    async def notifies() -> None:
        async with condition:
            condition.notify()
            await forever()

    async with condition:
        stage.child(notifies())
        await condition.wait()


@waits(Wait("lock", "Lock", KEY, place=1, total=1))
async def condition_that_is_taken(stage: Stage) -> None:
    condition = asyncio.Condition()
    await condition.acquire()
    async with condition:
        pass


@waits(Wait("barrier", "Barrier(3)", KEY, pending=1, total=3, known=False))
async def barrier(stage: Stage) -> None:
    barrier = asyncio.Barrier(3)
    stage.child(barrier.wait())
    await asyncio.sleep(0)
    async with barrier:
        pass


@waits(Wait("queue.get", "Queue(maxsize=0)", KEY, place=1, total=1, known=False))
async def queue_get(stage: Stage) -> None:
    await asyncio.Queue[int]().get()


@waits(Wait("queue.get", "LifoQueue(maxsize=5)", KEY, place=1, total=1, known=False))
async def lifo_queue_get(stage: Stage) -> None:
    await asyncio.LifoQueue[int](5).get()


@waits(Wait("queue.put", "PriorityQueue(maxsize=1)", KEY, place=1, total=1, known=False))
async def priority_queue_put(stage: Stage) -> None:
    queue = asyncio.PriorityQueue[int](1)
    await queue.put(1)
    await queue.put(2)


@waits(Wait("queue.join", "Queue(maxsize=0)", KEY, pending=2, known=False))
async def queue_join(stage: Stage) -> None:
    queue = asyncio.Queue[int]()
    queue.put_nowait(1)
    queue.put_nowait(2)
    await queue.join()


# Input and output


@waits(Wait("read", "StreamReader.read from {address}", KEY))
async def read(stage: Stage) -> None:
    reader, _ = await stage.connect()
    await reader.read()


@waits(Wait("read", "StreamReader.readexactly from {address}", KEY))
async def readexactly(stage: Stage) -> None:
    reader, _ = await stage.connect()
    await reader.readexactly(4)


@waits(Wait("read", "StreamReader.readuntil", KEY))
async def readuntil_of_a_pair(stage: Stage) -> None:
    reader, writer = await asyncio.open_connection(sock=stage.pair()[0])
    stage.closing.callback(writer.transport.abort)
    await reader.readuntil(b"end")


@waits(Wait("read", "StreamReader.readline", KEY))
async def readline_without_a_transport(stage: Stage) -> None:
    async for _ in asyncio.StreamReader():
        pass


@waits(Wait("drain", "StreamWriter.drain to {address}", KEY))
async def drain(stage: Stage) -> None:
    _, writer = await stage.connect()
    # The server reads as much as its own limit.
    writer.write(bytes(50_000_000))
    await writer.drain()


@waits(Wait("drain", "StreamWriter.wait_closed to {address}", KEY))
async def writer_wait_closed(stage: Stage) -> None:
    _, writer = await stage.connect()
    await writer.wait_closed()


@waits(Wait("socket", "sock_recv on fd {fd}", KEY))
async def sock_recv(stage: Stage) -> None:
    first, _ = stage.pair()
    await stage.loop.sock_recv(first, 100)


@waits(Wait("socket", "sock_sendall on fd {fd}", KEY))
async def sock_sendall(stage: Stage) -> None:
    first, _ = stage.pair()
    await stage.loop.sock_sendall(first, bytes(10_000_000))


@waits(Wait("socket", "sock_accept on fd {fd}", KEY))
async def sock_accept(stage: Stage) -> None:
    listening = stage.closing.enter_context(socket.create_server(("127.0.0.1", 0)))
    listening.setblocking(False)
    stage.facts["fd"] = listening.fileno()
    await stage.loop.sock_accept(listening)


@waits(Wait("socket", "sock_connect on fd {fd}", KEY))
async def sock_connect(stage: Stage) -> None:
    # With more connections than are to wait for an accept, Linux does not answer.
    listening = stage.closing.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    connecting = [stage.closing.enter_context(socket.socket()) for _ in range(4)]
    for sock in connecting:
        sock.setblocking(False)
    for sock in connecting[1:]:
        sock.connect_ex(listening.getsockname())
    stage.facts["fd"] = connecting[0].fileno()
    await stage.loop.sock_connect(connecting[0], listening.getsockname())


@waits(Wait("connect", "open_connection to {address}"))
async def open_connection(stage: Stage) -> None:
    # A handshake that is not answered.
    server = await stage.server()
    await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=ssl.create_default_context())


# uvloop's arguments cannot be read.
@waits(Wait("connect", "create_connection to {address}"), uvloop=Wait("connect", "create_connection"))
async def create_connection(stage: Stage) -> None:
    server = await stage.server()
    host, port = server.sockets[0].getsockname()
    await stage.loop.create_connection(asyncio.Protocol, host, port, ssl=ssl.create_default_context())


@waits(Wait("connect", "getaddrinfo of localhost:80"), uvloop=Wait("connect", "getaddrinfo"))
async def getaddrinfo(stage: Stage) -> None:
    if not stage.on_uvloop:
        stage.loop.set_default_executor(stage.full_executor())
    await stage.loop.getaddrinfo("localhost", 80)
    # uvloop's own threads may be as fast as that.
    raise AssertionError("it was not seen")


@waits(Wait("server", "Server.serve_forever on {address}", KEY))
async def serve_forever(stage: Stage) -> None:
    server = await stage.server()
    await server.serve_forever()


@waits(Wait("server", "Server.wait_closed on {address}", KEY))
async def server_wait_closed(stage: Stage) -> None:
    server = await stage.server()
    await server.wait_closed()


async def start_process(stage: Stage) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import time; time.sleep({MINUTE})", stdin=asyncio.subprocess.PIPE, stdout=-1
    )
    stage.facts["pid"] = process.pid
    # Kills it, too.
    stage.closing.callback(process._transport.close)  # type: ignore[attr-defined]
    return process


@waits(Wait("process", "Process.wait, pid {pid}", KEY))
async def process_wait(stage: Stage) -> None:
    process = await start_process(stage)
    await process.wait()


@waits(Wait("process", "Process.communicate, pid {pid}", KEY))
async def process_communicate(stage: Stage) -> None:
    process = await start_process(stage)
    await process.communicate(b"input")


@waits(Wait("read", "StreamReader.read", KEY))
async def process_output(stage: Stage) -> None:
    process = await start_process(stage)
    assert process.stdout is not None
    await process.stdout.read()


# Threads


@waits(Wait("thread", "Stage.hold", KEY, started=True))
async def to_thread(stage: Stage) -> None:
    await asyncio.to_thread(stage.hold)


@waits(Wait("thread", "time.sleep", KEY, started=False))
async def to_thread_not_started(stage: Stage) -> None:
    stage.loop.set_default_executor(stage.full_executor())
    await asyncio.to_thread(time.sleep, 0)


@waits(Wait("thread", "Stage.hold", KEY, started=True))
async def run_in_executor(stage: Stage) -> None:
    await stage.loop.run_in_executor(None, stage.hold)


@waits(Wait("thread", "time.sleep", KEY, started=False))
async def run_in_executor_not_started(stage: Stage) -> None:
    await stage.loop.run_in_executor(stage.full_executor(), time.sleep, 0)


@waits(Wait("thread", "Stage.hold", KEY, started=True))
async def shield_of_a_thread(stage: Stage) -> None:
    await asyncio.shield(stage.loop.run_in_executor(None, stage.hold))


@waits(Wait("future", "a future", KEY, known=False))
async def wrap_future(stage: Stage) -> None:
    await asyncio.wrap_future(concurrent.futures.Future[None]())


# Ways to wait


async def produces(queue: "asyncio.Queue[int]") -> AsyncGenerator[int, None]:
    yield 1
    try:
        yield await queue.get()
    except (GeneratorExit, ValueError):
        await queue.get()


async def passes_on(queue: "asyncio.Queue[int]") -> AsyncGenerator[int, None]:
    async for value in produces(queue):
        yield value


class Yields:
    """Awaits in a generator."""

    def __await__(self) -> Generator[Any, None, int]:
        value = yield from asyncio.Queue[int]().get().__await__()
        return value


class Returns:
    """Returns the iterator of a coroutine."""

    def __await__(self) -> Generator[Any, None, int]:
        return asyncio.Queue[int]().get().__await__()


class Steps:
    """An iterator of its own, that drives a coroutine."""

    def __init__(self) -> None:
        self.inner = asyncio.Queue[int]().get()

    def __await__(self) -> "Steps":
        return self

    def __iter__(self) -> "Steps":
        return self

    def __next__(self) -> Any:
        return self.inner.send(None)


_GET = Wait("queue.get", "Queue(maxsize=0)", KEY, place=1, total=1, known=False)


@waits(_GET)
async def async_generator(stage: Stage) -> None:
    async for _ in produces(asyncio.Queue()):
        pass


@waits(_GET)
async def async_generator_in_another(stage: Stage) -> None:
    async for _ in passes_on(asyncio.Queue()):
        pass


@waits(_GET)
async def anext_(stage: Stage) -> None:
    generator = produces(asyncio.Queue())
    await anext(generator)
    await anext(generator)


@waits(_GET)
async def anext_with_default(stage: Stage) -> None:
    generator = produces(asyncio.Queue())
    await anext(generator)
    await anext(generator, None)


@waits(_GET)
async def asend(stage: Stage) -> None:
    generator = produces(asyncio.Queue())
    await anext(generator)
    await generator.asend(None)


async def prepared() -> AsyncGenerator[int, None]:
    try:
        yield 1
    finally:
        await asyncio.Queue[int]().get()


@waits(_GET)
async def aclose(stage: Stage) -> None:
    generator = prepared()
    await anext(generator)
    await generator.aclose()


@waits(_GET)
async def athrow(stage: Stage) -> None:
    generator = prepared()
    await anext(generator)
    await generator.athrow(ValueError())


@waits(_GET)
async def async_comprehension(stage: Stage) -> None:
    [value async for value in produces(asyncio.Queue())]


@waits(_GET)
async def await_of_a_generator(stage: Stage) -> None:
    await Yields()


@waits(_GET)
async def await_of_a_coroutines_iterator(stage: Stage) -> None:
    await Returns()


@waits(_GET)
async def await_of_an_iterator(stage: Stage) -> None:
    await Steps()  # type: ignore[misc]


@waits(_GET)
async def types_coroutine(stage: Stage) -> None:
    @types.coroutine
    def get() -> Generator[Any, None, int]:
        value: int = yield from asyncio.Queue[int]().get()
        return value

    await get()


@waits(_GET)
async def a_thousand_awaits(stage: Stage) -> None:
    async def down(levels: int) -> int:
        return await (down(levels - 1) if levels else asyncio.Queue[int]().get())

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5_000)
    stage.closing.callback(sys.setrecursionlimit, limit)
    await down(1_000)


@waits(_GET)
async def cancelled_and_still_waiting(stage: Stage) -> None:
    current = asyncio.current_task()
    assert current is not None
    stage.loop.call_soon(current.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await forever()
    await asyncio.Queue[int]().get()
