"""Loops as they are seen: their threads, timers, descriptors and executors, from their own thread and from others."""

import asyncio
import contextlib
import functools
import gc
import importlib
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aiorepl.introspect.callbacks import callback_name
from aiorepl.introspect.executors import executor_info
from aiorepl.introspect.loops import (
    Listing,
    count_tasks,
    known,
    loop_info,
    loops,
    number_of,
    thread_of,
)
from aiorepl.introspect.own_loops import mark_own
from aiorepl.introspect.registrations import registrations
from aiorepl.introspect.timers import timers
from aiorepl.introspect.values import ExecutorInfo, LoopInfo, Registration

Factory = Callable[[], asyncio.AbstractEventLoop]
Main = Callable[[], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    """Run a coroutine function on a loop of each kind."""
    module = asyncio if request.param == "asyncio" else pytest.importorskip("uvloop")

    def run(main: Main) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(30):
                await main()

        with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
            runner.run(bounded())

    return run


@pytest.fixture
def elsewhere() -> Iterator[asyncio.AbstractEventLoop]:
    """An idle loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="elsewhere")
    started = threading.Event()
    loop.call_soon(started.set)
    thread.start()
    started.wait()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def in_a_thread(function: Callable[[], Any]) -> Any:
    """Call a function in another thread while this one, and its loop, are blocked."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def is_uvloop() -> bool:
    return type(asyncio.get_running_loop()).__module__ == "uvloop"


# Which loops there are.


def test_a_loop_keeps_its_number() -> None:
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        assert number_of(second) != number_of(first) == number_of(first) == loop_info(first).number
    finally:
        first.close()
        second.close()


def test_the_loops_that_run_are_found_in_every_thread(
    run: Callable[[Main], None], elsewhere: asyncio.AbstractEventLoop
) -> None:
    async def main() -> None:
        here = asyncio.get_running_loop()
        stopped = asyncio.new_event_loop()
        found = loops()
        assert here in found
        assert elsewhere in found
        assert stopped not in found
        assert stopped in loops(stopped)
        assert [number_of(loop) for loop in found] == sorted(number_of(loop) for loop in found)
        assert [loop for loop in known() if loop in found] == found
        stopped.close()

    run(main)


def test_aiorepls_own_loops_are_left_out(elsewhere: asyncio.AbstractEventLoop) -> None:
    assert elsewhere in loops()
    mark_own(elsewhere)
    assert elsewhere not in loops()
    assert elsewhere not in known()
    assert elsewhere in loops(own=True)


def test_a_loop_that_was_not_initialized_is_no_loop_that_runs() -> None:
    class Unmade(asyncio.SelectorEventLoop):
        def __init__(self) -> None:
            pass

        def __del__(self) -> None:
            pass

    unmade = Unmade()
    assert unmade not in loops()


# One loop.


def test_a_loop_tells_what_it_has_to_do(run: Callable[[Main], None]) -> None:
    async def ticks() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0.25
        # Debug mode is set by a callback, for which the loop wakes itself; that is not counted.
        await asyncio.sleep(0)
        for _ in range(3):
            loop.call_soon(len, ())
        far = loop.call_later(100, len, ())
        loop.call_later(100, len, ()).cancel()
        begun = ticks()
        await anext(begun)
        for _ in range(3):
            loop.call_soon(len, ())
        info = loop_info(loop)
        loop.set_debug(False)
        assert info == LoopInfo(
            number=number_of(loop),
            kind="uvloop.Loop" if is_uvloop() else "asyncio.SelectorEventLoop",
            thread="MainThread",
            running=True,
            debug=True,
            slow_callback_duration=0.25,
            ready=6,
            # asyncio.timeout of the test itself is one.
            timers=2,
            registered=None if is_uvloop() else 0,
            asyncgens=1,
            current=info.current,
        )
        assert info.current is not None
        assert count_tasks(loop) == 1
        far.cancel()
        await begun.aclose()

    run(main)


def test_a_loop_that_has_ended_says_so() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    info = loop_info(loop, outside=True)
    assert (info.running, info.closed, info.thread, info.registered, info.stack, info.error) == (
        False,
        True,
        "",
        None,
        (),
        "",
    )
    assert registrations(loop) == Listing()


def test_a_blocked_loop_shows_where_its_thread_stands(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        info: LoopInfo = in_a_thread(lambda: loop_info(loop, outside=True, number=lambda found: found is task))
        assert info.thread == "MainThread"
        assert info.current is True
        functions = [frame.function.rpartition(".")[2] for frame in info.stack]
        here = functions.index("main")
        assert functions[here + 1] == "in_a_thread"
        assert info.stack[here].line == main.__code__.co_firstlineno + 3
        assert functions.index("run") < here

    run(main)


def test_the_thread_of_an_idle_loop_is_known(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        # The executor's thread looks while the loop is idle, or on its way there.
        assert await asyncio.to_thread(thread_of, loop) == threading.get_ident()
        assert thread_of(loop) == threading.get_ident()

    run(main)


def test_a_kind_of_loop_that_tells_nothing_is_unknown_and_not_zero() -> None:
    class Foreign(asyncio.AbstractEventLoop):
        def is_running(self) -> bool:
            return True

        def is_closed(self) -> bool:
            return False

        def get_debug(self) -> bool:
            raise ValueError("no debug mode")

        def time(self) -> float:
            return 1.0

    loop = Foreign()  # type: ignore[abstract]
    assert loop_info(loop) == LoopInfo(
        number_of(loop), f"{__name__}.{Foreign.__qualname__}", "", running=True, error="ValueError: no debug mode"
    )
    assert timers(loop) == Listing()
    assert registrations(loop) == Listing()
    assert executor_info(loop) is None


# Timers.


async def sleeps() -> None:
    await asyncio.sleep(10)


async def times_out() -> None:
    async with asyncio.timeout(20):
        await asyncio.Event().wait()


async def waits_for() -> None:
    await asyncio.wait_for(asyncio.Event().wait(), 30)


async def waits() -> None:
    await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=40)


async def nested() -> None:
    await asyncio.gather(asyncio.sleep(0), sleeps())


class Service:
    def tick(self, *arguments: object) -> None:
        pass


class Hostile:
    """An object that breaks when it is shown, and notices being asked for anything."""

    def __call__(self) -> None:
        pass

    def __repr__(self) -> str:
        raise AssertionError("repr was called")

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was asked for")


def callback() -> None:
    pass


def test_each_timer_names_what_it_calls_and_the_task_that_it_is_for(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        makers = (sleeps, times_out, waits_for, waits)
        tasks = [asyncio.create_task(maker(), name=maker.__name__) for maker in makers]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        handles = [
            loop.call_later(50, tasks[0].cancel),
            loop.call_later(60, functools.partial(functools.partial(Service().tick, 1), 2)),
            loop.call_later(70, callback),
            loop.call_later(80, time.sleep, 0),
            loop.call_later(90, Hostile()),
        ]
        loop.call_later(100, callback).cancel()
        names: dict[int, str] = {}

        def number(task: Any) -> int:
            names[id(task)] = task.get_name()
            return id(task)

        seen = (timers(loop, number), in_a_thread(lambda: timers(loop, number)))
        for listing in seen:
            # One more is the test's own timeout.
            assert (listing.total, len(listing.rows), listing.error) == (10, 10, "")
            rows = [row for row in listing.rows if row.frame is None or "bounded" not in row.frame.function]
            found = [
                (round(row.left, -1), row.callback, row.frame and row.frame.function, names.get(row.task or 0))
                for row in rows
            ]
            assert found == [
                (10, "_set_result_unless_cancelled", "sleeps", "sleeps"),
                (20, "Timeout._on_timeout", "times_out", "times_out"),
                (
                    30,
                    "_release_waiter" if sys.version_info < (3, 12) else "Timeout._on_timeout",
                    "waits_for",
                    "waits_for",
                ),
                (40, "_release_waiter", "waits", "waits"),
                (50, "Task.cancel", "sleeps", "sleeps"),
                (60, "Service.tick", "Service.tick", None),
                (70, "callback", "callback", None),
                (80, "time.sleep", None, None),
                (90, f"{__name__}.Hostile", None, None),
            ]
            lines = {row.frame.function: row.frame.line for row in rows if row.frame}
            assert lines["sleeps"] == sleeps.__code__.co_firstlineno + 1
            assert lines["callback"] == callback.__code__.co_firstlineno
        for handle in handles:
            handle.cancel()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main)


def test_only_the_soonest_timers_are_described_and_all_are_counted(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        handles = [loop.call_later(40 + (index * 37) % 500, callback) for index in range(500)]
        for handle in handles[::3]:
            handle.cancel()
        before = loop.time()
        listing = timers(loop, top=4)
        left = sorted(handle.when() for handle in handles if not handle.cancelled())
        for row, when in zip(listing.rows[1:], left[:3], strict=True):
            assert when - loop.time() - 0.4 < row.left < when - before + 0.4
        assert listing.total == len(left) + 1
        assert timers(loop, top=0) == Listing((), len(left) + 1)
        for handle in handles:
            handle.cancel()

    run(main)


def test_the_time_left_goes_down_while_the_loop_is_blocked(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        (before,) = timers(loop).rows
        in_a_thread(functools.partial(time.sleep, 0.05))
        (after,) = timers(loop).rows
        assert before.left - after.left >= 0.05

    run(main)


def test_looking_at_timers_keeps_nothing_alive(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        service = Service()
        handle = loop.call_later(100, service.tick, service)
        listing = timers(loop)
        gone = weakref.ref(service)
        handle.cancel()
        del service, handle
        # asyncio keeps cancelled timers for a while, but not what they were to call.
        gc.collect()
        assert listing.total == 2
        assert gone() is None

    run(main)


def test_looking_from_outside_survives_timers_that_come_and_go(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        listings: list[Listing[Any]] = []
        infos: list[LoopInfo] = []
        enough = threading.Event()

        def look() -> None:
            while not enough.is_set():
                listings.append(timers(loop))
                infos.append(loop_info(loop, outside=True))

        thread = threading.Thread(target=look)
        thread.start()
        sleepers: list[asyncio.Task[None]] = []
        while len(listings) < 50 or len({listing.total for listing in listings}) < 5:
            sleepers += [asyncio.create_task(asyncio.sleep(100)) for _ in range(20)]
            await asyncio.sleep(0)
            for task in sleepers[:-30]:
                task.cancel()
            del sleepers[:-30]
        enough.set()
        thread.join()
        assert {listing.error for listing in listings} == {""}
        assert {info.error for info in infos} == {""}

    interval = sys.getswitchinterval()
    # The threads take turns in the midst of things.
    sys.setswitchinterval(1e-6)
    try:
        run(main)
    finally:
        sys.setswitchinterval(interval)


# Descriptors.


class Echo(asyncio.Protocol):
    pass


async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.read()
    finally:
        writer.close()


def found(*, loop: asyncio.AbstractEventLoop, names: dict[int, str]) -> list[tuple[str, ...]]:
    """What is watched, with the names of the tasks, in a fixed order."""

    def number(task: Any) -> int:
        names[id(task)] = task.get_name()
        return id(task)

    listing = registrations(loop, number)
    assert (listing.total, listing.error) == (len(listing.rows), "")
    return sorted((row.kind, row.events, row.what, row.callback, names.get(row.task or 0, "")) for row in listing.rows)


def test_each_descriptor_tells_its_addresses_and_for_whom_it_is_watched(
    run: Callable[[Main], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            connected: asyncio.Future[None] = loop.create_future()

            async def first_handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                asyncio.current_task().set_name("serves")  # type: ignore[union-attr]
                connected.set_result(None)
                await handler(reader, writer)

            tcp = await stack.enter_async_context(await loop.create_server(Echo, "127.0.0.1", 0))
            unix = await stack.enter_async_context(await asyncio.start_unix_server(first_handler, "socket"))
            del unix
            host, port = tcp.sockets[0].getsockname()
            raw = socket.socket()
            stack.callback(raw.close)
            raw.setblocking(False)
            await loop.sock_connect(raw, (host, port))
            reader, writer = await asyncio.open_unix_connection("socket")
            stack.callback(writer.close)
            datagrams, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
            stack.callback(datagrams.close)
            tasks = [
                asyncio.create_task(loop.sock_recv(raw, 1), name="receives"),
                asyncio.create_task(reader.read(), name="reads"),
            ]
            stack.callback(lambda: [task.cancel() for task in tasks])
            await connected
            mine = f"{host}:{raw.getsockname()[1]}"
            udp_port = datagrams.get_extra_info("sockname")[1]
            expected = [
                ("tcp", "read", f"listens on {host}:{port}", "Echo", ""),
                ("tcp", "read", f"{host}:{port} -> {mine}", f"{__name__}.Echo", ""),
                (
                    "tcp",
                    "read",
                    f"{mine} -> {host}:{port}",
                    "Loop._sock_recv" if is_uvloop() else "BaseSelectorEventLoop._sock_recv",
                    "receives",
                ),
                ("udp", "read", f"127.0.0.1:{udp_port}", "DatagramProtocol", ""),
                ("unix", "read", "-> socket", "StreamReaderProtocol", "reads"),
                ("unix", "read", "listens on socket", callback_name(first_handler), ""),
                ("unix", "read", "socket", callback_name(first_handler), "serves"),
            ]
            # Until the server has taken the connection in, and both tasks wait.
            while len(found(loop=loop, names={})) < len(expected):  # noqa: ASYNC110 - it is the loop that is seen
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert found(loop=loop, names={}) == sorted(expected)
            assert in_a_thread(lambda: found(loop=loop, names={})) == sorted(expected)
            if not is_uvloop():
                assert loop_info(loop).registered == len(expected)

    run(main)


def test_a_descriptor_that_is_watched_by_number_is_recognized(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        a, b = socket.socketpair()
        readable, writable = os.pipe()
        with a, b, os.fdopen(readable, "rb"), os.fdopen(writable, "wb"):
            for one in (a, b):
                one.setblocking(False)
            os.set_blocking(readable, False)
            loop.add_reader(a.fileno(), callback)
            loop.add_writer(b, callback)
            loop.add_reader(b, callback)
            loop.add_reader(readable, callback)
            pipe = os.readlink(f"/proc/self/fd/{readable}") if sys.platform == "linux" else ""
            assert registrations(loop).rows == (
                Registration(a.fileno(), "unix", "read", "", "callback"),
                Registration(b.fileno(), "unix", "read+write", "", "callback"),
                Registration(readable, "pipe", "read", pipe, "callback"),
            )
            assert registrations(loop, top=1) == Listing(registrations(loop).rows[:1], 3)
            # Looking has closed and changed nothing.
            assert not a.getblocking()
            assert a.send(b"x") == len(b.recv(1))
            for fd in (a, b, readable):
                loop.remove_reader(fd)
            loop.remove_writer(b)
            assert registrations(loop) == Listing((), 0)

    run(main)


def test_the_pipes_of_a_subprocess_name_it_and_who_reads(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        task = asyncio.create_task(process.stdout.read(), name="reads")
        await asyncio.sleep(0)
        rows = [row for row in found(loop=loop, names={}) if row[0] == "pipe"]
        assert rows == [
            ("pipe", "read", f"stdin of process {process.pid}", "WriteSubprocessPipeProto", ""),
            ("pipe", "read", f"stdout of process {process.pid}", "ReadSubprocessPipeProto", "reads"),
        ]
        process.stdin.close()
        await task
        await process.wait()

    run(main)


def test_a_descriptor_that_was_closed_meanwhile_is_an_error_and_the_others_are_shown() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        readable, writable = os.pipe()
        gone = os.dup(readable)
        loop.add_reader(readable, callback)
        loop.add_reader(gone, callback)
        os.close(gone)
        listing = registrations(loop)
        assert [row.fd for row in listing.rows] == [readable]
        assert (listing.total, listing.error) == (2, "OSError: [Errno 9] Bad file descriptor")
        loop.remove_reader(readable)
        with contextlib.suppress(OSError):
            loop.remove_reader(gone)
        os.close(readable)
        os.close(writable)

    asyncio.run(main())


# The executor.


def test_an_executor_tells_who_works_and_on_what(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert executor_info(loop) is None
        executor = importlib.import_module("concurrent.futures").ThreadPoolExecutor(3)
        loop.set_default_executor(executor)
        assert executor_info(loop) == ExecutorInfo(0, 3, 0, 0)
        go, begun = threading.Event(), threading.Semaphore(0)

        def work() -> None:
            begun.release()
            go.wait()

        calls = [asyncio.create_task(asyncio.to_thread(work)) for _ in range(2)]
        calls.append(asyncio.create_task(asyncio.to_thread(functools.partial(work))))
        await asyncio.sleep(0)
        for _ in calls:
            begun.acquire()
        calls.append(asyncio.create_task(asyncio.to_thread(work)))
        await asyncio.sleep(0)
        name = callback_name(work)
        assert executor_info(loop) == ExecutorInfo(3, 3, 0, 1, (name, name, name))
        go.set()
        await asyncio.gather(*calls)

    run(main)


def test_a_function_without_python_code_is_named_while_it_runs(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        held = threading.Lock()
        held.acquire()
        call = loop.run_in_executor(None, held.acquire)
        info = executor_info(loop)
        while info is None or not info.running:
            await asyncio.sleep(0)
            info = executor_info(loop)
        assert [name.rpartition(".")[2] for name in info.running] == ["acquire"]
        assert (info.workers, info.idle, info.queued) == (1, 0, 0)
        held.release()
        await call

    run(main)
