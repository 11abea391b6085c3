"""Programs with nothing wrong: whatever moment they are looked at, no alarm is raised."""

import asyncio
import concurrent.futures
import contextvars
import functools
import os
import signal
import socket
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from loop_factories import EACH_LOOP, LoopFactory

from aiorepl.introspect.diagnose import counts, findings
from aiorepl.introspect.facts import gather_facts
from aiorepl.introspect.inspector import NearbyInspector
from aiorepl.introspect.look import look_now

# Seconds that nobody waits in full: what would happen then does not happen.
LONG = 60.0


class Watch:
    """Looks for what is wrong with the loop that it is called on, in both ways: at once, and as ``%stuck`` does it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.alarms: list[str] = []
        self._loop = loop
        self._inspector = NearbyInspector(lambda: loop)
        # Not the loop's own executor, which is looked at.
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._before: dict[tuple[str, str], int] = {}

    async def __call__(self) -> None:
        """Look; nothing of the program's moves before the first of the two looks."""
        looked = self._loop.create_future()
        self._loop.call_soon(self._look, looked)
        await looked
        found = await self._loop.run_in_executor(self._thread, lambda: asyncio.run(self._inspector.findings()))
        self.alarms += [f"{finding.title} {finding.evidence}" for finding in found]

    def close(self) -> None:
        self._thread.shutdown()

    def _look(self, looked: "asyncio.Future[None]") -> None:
        snapshot = look_now(self._loop, ended=True)
        assert not snapshot.error
        facts = gather_facts(self._loop, snapshot, self._before)
        self._before = counts(snapshot)
        self.alarms += [f"{finding.title} {finding.evidence}" for finding in findings(snapshot, facts)]
        looked.set_result(None)


Program = Callable[[Watch], Coroutine[Any, Any, None]]
PROGRAMS: list[Program] = []


def healthy(program: Program) -> Program:
    PROGRAMS.append(program)
    return program


@asynccontextmanager
async def ending(*tasks: "asyncio.Task[Any]") -> AsyncIterator[None]:
    """Cancel tasks at the end, as who started them does."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def settled() -> None:
    """Let every task come as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


# Queues


@healthy
async def producers_and_consumers(watch: Watch) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)

    async def produce() -> None:
        for number in range(20):
            await queue.put(number)

    async def consume() -> None:
        while True:
            number = await queue.get()
            await asyncio.sleep(0)
            if number == 10:
                await watch()
            queue.task_done()

    consumers = [asyncio.create_task(consume()) for _ in range(3)]
    async with ending(*consumers):
        await asyncio.gather(produce(), produce())
        await watch()
        await queue.join()
        await watch()


@healthy
async def subscribers_that_are_held_weakly(watch: Watch) -> None:
    queues: weakref.WeakSet[asyncio.Queue[str]] = weakref.WeakSet()
    received: list[str] = []

    async def subscribe() -> None:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.add(queue)
        received.append(await queue.get())

    subscribers = [asyncio.create_task(subscribe()) for _ in range(3)]
    await settled()
    await watch()
    for queue in queues:
        queue.put_nowait("news")
    await asyncio.gather(*subscribers)
    assert received == ["news"] * 3


@healthy
async def workers_that_end_at_a_sentinel(watch: Watch) -> None:
    async def work(jobs: "asyncio.PriorityQueue[tuple[int, str]]", results: "asyncio.LifoQueue[str]") -> None:
        while (job := await jobs.get())[1]:
            await results.put(job[1].upper())

    jobs: asyncio.PriorityQueue[tuple[int, str]] = asyncio.PriorityQueue()
    results: asyncio.LifoQueue[str] = asyncio.LifoQueue()
    workers = [asyncio.create_task(work(jobs, results)) for _ in range(2)]
    await settled()
    await watch()
    for number, name in enumerate(("first", "second", "", "")):
        jobs.put_nowait((number, name))
    await asyncio.gather(*workers)
    assert {results.get_nowait(), results.get_nowait()} == {"FIRST", "SECOND"}


# Streams and sockets


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


@healthy
async def an_echo_server_under_load(watch: Watch) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()

    async def talk(number: int) -> None:
        reader, writer = await asyncio.open_connection(*address)
        for line in range(20):
            writer.write(b"line\n" * 100)
            await writer.drain()
            for _ in range(100):
                assert await reader.readline() == b"line\n"
            if line == 10 and number % 4 == 0:
                await watch()
        writer.close()
        await writer.wait_closed()

    async with server:
        await asyncio.gather(*map(talk, range(12)))
        await watch()


@healthy
async def connections_that_are_kept_alive(watch: Watch) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve_forever())
    async with ending(serving):
        connections = [await asyncio.open_connection(*server.sockets[0].getsockname()) for _ in range(5)]
        for reader, writer in connections:
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
        listening = [asyncio.create_task(reader.readline()) for reader, _ in connections]
        await settled()
        await watch()
        for _, writer in connections:
            writer.close()
        await asyncio.gather(*listening, return_exceptions=True)


@healthy
async def a_protocol_that_sets_a_future(watch: Watch) -> None:
    class Answer(asyncio.Protocol):
        def __init__(self) -> None:
            self.received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def data_received(self, data: bytes) -> None:
            self.received.set_result(data)

    async def ask(address: tuple[str, int]) -> bytes:
        _, protocol = await asyncio.get_running_loop().create_connection(Answer, *address)
        return await protocol.received

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    asking = asyncio.create_task(ask(listener.getsockname()))
    connection, _ = await loop.sock_accept(listener)
    await settled()
    await watch()
    await loop.sock_sendall(connection, b"answer")
    assert await asking == b"answer"
    connection.close()
    listener.close()


@healthy
async def a_pipe_that_is_watched_by_a_callback(watch: Watch) -> None:
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()

    async def wait_for_a_byte() -> None:
        readable = asyncio.Event()
        loop.add_reader(reading, readable.set)
        await readable.wait()
        loop.remove_reader(reading)

    waiting = asyncio.create_task(wait_for_a_byte())
    await settled()
    await watch()
    os.write(writing, b".")
    await waiting
    os.close(reading)
    os.close(writing)


@healthy
async def a_subprocess_with_pipes(watch: Watch) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "print(input())",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    reading = asyncio.create_task(process.stdout.readline())
    ending = asyncio.create_task(process.wait())
    await settled()
    await watch()
    process.stdin.write(b"hello\n")
    assert await reading == b"hello\n"
    assert await ending == 0


@healthy
async def an_aiohttp_server_under_load(watch: Watch) -> None:
    pytest.importorskip("aiohttp")
    import aiohttp
    from aiohttp import web

    begun = asyncio.Semaphore(0)
    answer = asyncio.Event()

    async def hello(request: web.Request) -> web.Response:
        begun.release()
        await answer.wait()
        return web.Response(text=request.query["number"])

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}/".format(*runner.addresses[0])

    async def ask(client: aiohttp.ClientSession, number: int) -> str:
        async with client.get(url, params={"number": number}) as response:
            return await response.text()

    async with aiohttp.ClientSession() as client:
        asking = [asyncio.create_task(ask(client, number)) for number in range(15)]
        for _ in asking:
            await begun.acquire()
        await watch()
        answer.set()
        await watch()
        assert await asyncio.gather(*asking) == [str(number) for number in range(15)]
        # The connections are kept open now, and nobody asks.
        await watch()
    await runner.cleanup()


# Locks and the like


@healthy
async def a_lock_that_many_want(watch: Watch) -> None:
    lock = asyncio.Lock()
    order: list[int] = []

    async def work(number: int) -> None:
        async with lock:
            order.append(number)
            await asyncio.sleep(0)
            if number in (0, 15):
                await watch()

    await asyncio.gather(*map(work, range(30)))
    assert len(order) == 30


@healthy
async def locks_that_are_taken_in_one_order(watch: Watch) -> None:
    first, second = asyncio.Lock(), asyncio.Lock()

    async def work() -> None:
        async with first, second:
            await asyncio.sleep(0)
            await watch()

    await asyncio.gather(*(work() for _ in range(3)))


@healthy
async def workers_that_a_semaphore_limits(watch: Watch) -> None:
    limit = asyncio.BoundedSemaphore(3)

    async def work(number: int) -> None:
        async with limit:
            await asyncio.sleep(0)
            if number % 10 == 0:
                await watch()

    await asyncio.gather(*map(work, range(25)))


@healthy
async def users_of_a_condition(watch: Watch) -> None:
    condition = asyncio.Condition()
    ready: list[bool] = []

    async def use() -> None:
        async with condition:
            await condition.wait_for(lambda: bool(ready))

    users = [asyncio.create_task(use()) for _ in range(5)]
    await settled()
    await watch()
    async with condition:
        ready.append(True)
        condition.notify_all()
        # All have been notified, and stand in line for the lock that is held here.
        await settled()
        await watch()
    await asyncio.gather(*users)


@healthy
async def parties_of_a_barrier(watch: Watch) -> None:
    barrier = asyncio.Barrier(4)
    parties = [asyncio.create_task(barrier.wait()) for _ in range(3)]
    await settled()
    await watch()
    await barrier.wait()
    await asyncio.gather(*parties)


@healthy
async def an_event_handshake(watch: Watch) -> None:
    ping, pong = asyncio.Event(), asyncio.Event()

    async def server() -> None:
        await ping.wait()
        await watch()
        pong.set()

    async def client() -> None:
        ping.set()
        await pong.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(server())
        group.create_task(client())


# What others set


async def set_by(set_up: Callable[[Callable[[], None]], object], happen: Callable[[], object], watch: Watch) -> None:
    """Wait for an event that nobody refers to but what ``set_up`` makes; ``happen`` is what that waits for."""

    async def wait() -> None:
        event = asyncio.Event()
        set_up(event.set)
        await event.wait()

    waiting = asyncio.create_task(wait())
    await settled()
    await watch()
    happen()
    await waiting


@healthy
async def an_event_that_a_signal_sets(watch: Watch) -> None:
    loop = asyncio.get_running_loop()
    set_up = functools.partial(loop.add_signal_handler, signal.SIGUSR1)
    await set_by(set_up, lambda: os.kill(os.getpid(), signal.SIGUSR1), watch)
    loop.remove_signal_handler(signal.SIGUSR1)


@healthy
async def an_event_that_another_thread_sets(watch: Watch) -> None:
    loop = asyncio.get_running_loop()
    now = threading.Event()
    threads: list[threading.Thread] = []

    def set_up(setter: Callable[[], None]) -> None:
        # Only a variable of the thread's function refers to the event.
        def run() -> None:
            own, received[:] = received[0], []
            begun.set()
            now.wait(LONG)
            loop.call_soon_threadsafe(own)

        received, begun = [setter], threading.Event()
        threads.append(threading.Thread(target=run))
        threads[0].start()
        begun.wait(LONG)

    await set_by(set_up, now.set, watch)
    threads[0].join()


@healthy
async def an_event_that_a_timer_sets(watch: Watch) -> None:
    await set_by(functools.partial(asyncio.get_running_loop().call_later, 0.5), lambda: None, watch)


@healthy
async def a_future_that_a_done_callback_sets(watch: Watch) -> None:
    begin = asyncio.Event()
    inner = asyncio.create_task(begin.wait())

    async def wait() -> str:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        inner.add_done_callback(lambda _: answer.set_result("fine"))
        return str(await answer)

    waiting = asyncio.create_task(wait())
    await settled()
    await watch()
    begin.set()
    assert await waiting == "fine"


# Tasks


@healthy
async def gather_with_timeouts(watch: Watch) -> None:
    go = asyncio.Event()

    async def fetch(number: int) -> int:
        async with asyncio.timeout(LONG):
            await go.wait()
            return number

    fetching = asyncio.gather(*(asyncio.wait_for(fetch(number), LONG) for number in range(5)), asyncio.sleep(0, 5))
    await settled()
    await watch()
    go.set()
    assert await fetching == list(range(6))


@healthy
async def locks_in_opposite_order_with_a_timeout_above(watch: Watch) -> None:
    first, second = asyncio.Lock(), asyncio.Lock()

    async def work(one: asyncio.Lock, other: asyncio.Lock) -> None:
        async with one:
            await asyncio.sleep(0)
            async with other:
                pass

    async def limited() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
                group.create_task(work(first, second))
                group.create_task(work(second, first))

    async with ending(asyncio.create_task(limited())):
        await settled()
        await watch()


@healthy
async def a_wait_for_what_never_comes_with_a_timeout_above(watch: Watch) -> None:
    async def wait() -> None:
        event = asyncio.Event()
        await event.wait()

    async def limited() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONG):
                await asyncio.create_task(wait())

    async with ending(asyncio.create_task(limited())):
        await settled()
        await watch()


@healthy
async def a_child_in_a_task_group_that_fails(watch: Watch) -> None:
    fail = asyncio.Event()

    async def child() -> None:
        await fail.wait()
        raise ValueError("on purpose")

    async def sibling() -> None:
        event = asyncio.Event()
        try:
            await event.wait()
        finally:
            # It was cancelled, and takes its time.
            await watch()

    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(sibling())
            await settled()
            await watch()
            fail.set()


@healthy
async def a_failure_that_is_looked_at_in_its_turn(watch: Watch) -> None:
    go = asyncio.Event()

    async def fail() -> None:
        raise ValueError("on purpose")

    async def collect() -> None:
        tasks = [asyncio.create_task(go.wait()), asyncio.create_task(fail())]
        for task in tasks:
            with suppress(ValueError):
                await task

    collecting = asyncio.create_task(collect())
    await settled()
    await watch()
    go.set()
    await collecting


@healthy
async def results_as_they_complete(watch: Watch) -> None:
    go = asyncio.Event()

    async def fetch(number: int) -> int:
        if number:
            await go.wait()
        return number

    fetched: list[int] = []
    for result in asyncio.as_completed([fetch(number) for number in range(4)]):
        fetched.append(await result)
        await watch()
        go.set()
    assert sorted(fetched) == [0, 1, 2, 3]


@healthy
async def the_first_of_two_while_the_other_is_for_ever(watch: Watch) -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    go = asyncio.Event()
    tasks = [asyncio.create_task(forever()), asyncio.create_task(go.wait())]
    async with ending(*tasks):
        waiting = asyncio.create_task(asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))
        await settled()
        await watch()
        go.set()
        await waiting


@healthy
async def the_first_of_two_while_the_other_wants_what_is_held(watch: Watch) -> None:
    lock, go = asyncio.Lock(), asyncio.Event()

    async def flush() -> None:
        async with lock:
            pass

    async def work() -> None:
        async with lock:
            tasks = [asyncio.create_task(flush()), asyncio.create_task(go.wait())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(tasks)

    working = asyncio.create_task(work())
    await settled()
    await watch()
    go.set()
    await working


@healthy
async def a_server_that_runs_until_it_is_cancelled(watch: Watch) -> None:
    async def serve() -> None:
        async with await asyncio.start_server(echo, "127.0.0.1", 0):
            await asyncio.Future()

    async def run_forever() -> None:
        await asyncio.Event().wait()

    async with ending(asyncio.create_task(serve()), asyncio.create_task(run_forever())):
        await settled()
        await watch()


@healthy
async def background_tasks_that_are_kept(watch: Watch) -> None:
    kept: set[asyncio.Task[None]] = set()
    go = asyncio.Event()

    async def background() -> None:
        await go.wait()

    for _ in range(300):
        task = asyncio.create_task(background())
        kept.add(task)
        task.add_done_callback(kept.discard)
    del task
    await settled()
    await watch()
    go.set()
    await settled()
    assert not kept


@healthy
async def a_shield_around_what_has_to_end(watch: Watch) -> None:
    go = asyncio.Event()
    saving = asyncio.create_task(go.wait())

    async def save() -> None:
        await asyncio.shield(saving)

    asking = asyncio.create_task(save())
    await settled()
    asking.cancel()
    await settled()
    await watch()
    go.set()
    assert await saving


@healthy
async def more_calls_in_threads_than_there_are_threads(watch: Watch) -> None:
    asyncio.get_running_loop().set_default_executor(concurrent.futures.ThreadPoolExecutor(2))
    begun, go = threading.Semaphore(0), threading.Event()

    def work(number: int) -> int:
        begun.release()
        go.wait(LONG)
        return number

    working = asyncio.gather(*(asyncio.to_thread(work, number) for number in range(10)))
    await settled()
    for _ in range(2):
        assert begun.acquire(timeout=LONG)
    await watch()
    go.set()
    assert await working == list(range(10))


@healthy
async def a_pipeline_of_async_generators(watch: Watch) -> None:
    go = asyncio.Event()

    async def numbers() -> AsyncGenerator[int, None]:
        for number in range(3):
            await go.wait()
            yield number

    async def doubled(source: AsyncGenerator[int, None]) -> AsyncGenerator[int, None]:
        async for number in source:
            yield 2 * number

    async def collect() -> list[int]:
        return [number async for number in doubled(numbers())]

    collecting = asyncio.create_task(collect())
    await settled()
    await watch()
    go.set()
    assert await collecting == [0, 2, 4]


@healthy
async def tasks_that_sleep_and_know_who_they_are(watch: Watch) -> None:
    who: contextvars.ContextVar[int] = contextvars.ContextVar("who")

    async def sleep(number: int) -> int:
        who.set(number)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(LONG)
        return who.get()

    sleepers = [asyncio.create_task(sleep(number)) for number in range(5)]
    await settled()
    await watch()
    for sleeper in sleepers:
        sleeper.cancel()
    assert await asyncio.gather(*sleepers) == list(range(5))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program.__name__))
@EACH_LOOP
def test_no_alarm_is_raised(factory: LoopFactory, program: Program) -> None:
    async def main() -> list[str]:
        watch = Watch(asyncio.get_running_loop())
        running: Awaitable[None] = program(watch)
        try:
            await running
        finally:
            watch.close()
        return watch.alarms

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == []


def test_there_are_enough_of_them() -> None:
    assert len(PROGRAMS) >= 20
