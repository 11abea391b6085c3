"""Calls that block the thread, made for real on a loop: their names, their lines, and what to write instead."""

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import select
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from types import FrameType
from typing import Any

import pytest

from aiorepl.alerts.blocking_calls import blocking_call
from aiorepl.alerts.places import line_text
from aiorepl.introspect.chain import place

# Seconds; a call that is not let go ends by itself then, so that a test that fails ends too.
LONG = 20.0
SHORT = 0.05
INSERT = "insert into t values (1)"


@dataclass
class Scene:
    """What the calls wait for: ``go`` is set when they have been seen; ``undo`` runs then, and lets them end."""

    folder: Path
    go: threading.Event = field(default_factory=threading.Event)
    undo: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def at_the_end(self, function: Callable[..., object], *arguments: object) -> None:
        self.undo.callback(function, *arguments)

    def fifo(self) -> str:
        """A file that nobody has written to yet."""
        path = self.folder / "fifo"
        os.mkfifo(path)

        def write() -> None:
            # Who has opened it may not want to read.
            with contextlib.suppress(BrokenPipeError):
                path.write_text("late\n")

        self.at_the_end(write)
        return str(path)

    def pipe(self) -> int:
        """The end of a pipe to read from, in which there is nothing yet."""
        reading, writing = os.pipe()
        self.at_the_end(os.close, writing)
        return reading

    def pair(self) -> tuple[socket.socket, socket.socket]:
        one, other = socket.socketpair()
        self.at_the_end(other.close)
        return one, other

    def silent_server(self, backlog: int = 5) -> socket.socket:
        """A server that takes connections, and says nothing until the end."""
        server = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.at_the_end(server.close)
        return server

    def full_server(self) -> tuple[str, int]:
        """The address of a server that does not come to take any more connections: they are left without an answer."""
        server = self.silent_server(backlog=0)
        address: tuple[str, int] = server.getsockname()
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(address)
            self.at_the_end(waiting.close)
        return address


Call = Callable[[Scene], object]


@dataclass
class Case:
    """A function that blocks, what the call is called, and the cure. The line is the one that ends with ``# here``."""

    call: Call
    name: str
    cure: str


CASES: list[Case] = []


def case(name: str, cure: str) -> Callable[[Call], Call]:
    def add(call: Call) -> Call:
        CASES.append(Case(call, name, cure))
        return call

    return add


@case("time.sleep", "await asyncio.sleep(SHORT)")
def a_sleep(scene: Scene) -> None:
    while not scene.go.is_set():
        time.sleep(SHORT)  # here


@case("sleep", "await asyncio.sleep(SHORT)")
def a_sleep_by_its_own_name(scene: Scene) -> None:
    while not scene.go.is_set():
        sleep(SHORT)  # here


# The modules and functions that these import are not among the names of this file.


@case("posix.system", "await asyncio.create_subprocess_shell(command)")
def a_call_of_a_module_that_a_function_imports(scene: Scene) -> None:
    import posix

    command = f"cat {scene.fifo()} > /dev/null"
    posix.system(command)  # here


@case("clock.sleep", "await asyncio.sleep(SHORT)")
def a_call_of_a_module_that_a_function_imports_under_another_name(scene: Scene) -> None:
    import time as clock

    while not scene.go.is_set():
        clock.sleep(SHORT)  # here


@case("nap", "await asyncio.sleep(SHORT)")
def a_call_of_what_a_function_imports(scene: Scene) -> None:
    from time import sleep as nap

    while not scene.go.is_set():
        nap(SHORT)  # here


@case("posix.system", "await asyncio.create_subprocess_shell(command)")
def a_call_of_a_module_that_the_function_around_imports(scene: Scene) -> None:
    import posix

    command = f"cat {scene.fifo()} > /dev/null"

    def wait() -> None:
        posix.system(command)  # here

    wait()


@case("subprocess.run", "await asyncio.create_subprocess_exec(...)")
def a_process_that_is_run(scene: Scene) -> None:
    subprocess.run(["cat"], stdin=scene.pipe())  # here


@case("subprocess.check_output", "await asyncio.create_subprocess_exec(...)")
def a_process_whose_output_is_wanted(scene: Scene) -> None:
    subprocess.check_output(["cat"], stdin=scene.pipe())  # here


@case("Popen.wait", "await asyncio.create_subprocess_exec(...) and await process.wait()")
def a_process_that_is_waited_for(scene: Scene) -> None:
    process = subprocess.Popen(["cat"], stdin=scene.pipe())
    process.wait()  # here


@case("Popen.communicate", "asyncio's subprocesses, and await process.communicate()")
def a_process_that_is_talked_to(scene: Scene) -> None:
    process = subprocess.Popen(["cat"], stdin=scene.pipe(), stdout=subprocess.PIPE)
    process.communicate()  # here


@case("os.system", "await asyncio.create_subprocess_shell(command)")
def a_shell_command(scene: Scene) -> None:
    command = f"cat {scene.fifo()} > /dev/null"
    os.system(command)  # here


@case("socket.create_connection", "await asyncio.open_connection(...)")
def a_connection_to_who_does_not_answer(scene: Scene) -> None:
    with contextlib.suppress(OSError):
        socket.create_connection(scene.full_server(), timeout=0.3)  # here


@case("urllib.request.urlopen", "await asyncio.to_thread(urllib.request.urlopen, url)")
def a_page_of_a_slow_server(scene: Scene) -> None:
    server = scene.silent_server()
    url = "http://{}:{}/".format(*server.getsockname())
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url)  # here


@case("one.recv", "await loop.sock_recv(...), or asyncio's streams")
def a_socket_on_which_nothing_comes(scene: Scene) -> None:
    one, _ = scene.pair()
    one.recv(1)  # here


@case("one.sendall", "await loop.sock_sendall(...), or asyncio's streams")
def a_socket_from_which_nothing_is_taken(scene: Scene) -> None:
    one, _ = scene.pair()
    with contextlib.suppress(OSError):
        one.sendall(bytes(10_000_000))  # here


@case("socket.accept", "await asyncio.start_server(...), or await loop.sock_accept(...)")
def a_server_to_which_nobody_comes(scene: Scene) -> None:
    server = scene.silent_server()
    scene.at_the_end(lambda: socket.create_connection(server.getsockname()).close())
    server.accept()[0].close()  # here


@case("select.select", "loop.add_reader(...), or the streams of asyncio")
def a_select(scene: Scene) -> None:
    select.select([scene.pipe()], [], [])  # here


@case("open", "await asyncio.to_thread(open, path), and to_thread for what is read and written")
def a_file_that_is_not_there_yet(scene: Scene) -> None:
    path = scene.fifo()
    with open(path):  # here
        pass


@case("file.read", "await asyncio.to_thread(file.read), or asyncio's streams")
def a_file_that_is_read(scene: Scene) -> None:
    with open(scene.pipe()) as file:
        file.read()  # here


@case("Path.read_text", "await asyncio.to_thread(path.read_text)")
def a_path_that_is_read(scene: Scene) -> None:
    path = Path(scene.fifo())
    path.read_text()  # here


@case(
    "connection.execute",
    "an asynchronous driver (aiosqlite, asyncpg), or await asyncio.to_thread(connection.execute, INSERT)",
)
def a_database_that_somebody_else_has_locked(scene: Scene) -> None:
    file = scene.folder / "data.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("create table t (x)")
    other.execute("begin exclusive")
    scene.at_the_end(other.close)
    scene.at_the_end(other.execute, "rollback")
    with contextlib.closing(sqlite3.connect(file, timeout=LONG)) as connection:
        connection.execute(INSERT)  # here


@case("queue.Queue.get", "asyncio.Queue")
def a_queue_that_is_empty(scene: Scene) -> None:
    jobs: queue.Queue[int] = queue.Queue()
    scene.at_the_end(jobs.put, 1)
    jobs.get(timeout=LONG)  # here


@case("queue.Queue.put", "asyncio.Queue")
def a_queue_that_is_full(scene: Scene) -> None:
    jobs: queue.Queue[int] = queue.Queue(maxsize=1)
    jobs.put(1)
    scene.at_the_end(jobs.get)
    jobs.put(2, timeout=LONG)  # here


@case("wait of a thread's lock or event", "the asyncio class of the same name")
def an_event_of_threads(scene: Scene) -> None:
    scene.go.wait(LONG)  # here


@case("lock.acquire", "asyncio.Lock, or await asyncio.to_thread(lock.acquire, timeout=LONG)")
def a_lock_of_threads(scene: Scene) -> None:
    lock = threading.Lock()
    lock.acquire()
    scene.at_the_end(lock.release)
    lock.acquire(timeout=LONG)  # here


@case("Thread.join", "await asyncio.to_thread(thread.join)")
def a_thread_that_is_joined(scene: Scene) -> None:
    thread = threading.Thread(target=scene.go.wait, args=(LONG,))
    thread.start()
    thread.join()  # here


@case("Future.result", "await asyncio.wrap_future(...)")
def a_future_of_threads(scene: Scene) -> None:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    scene.at_the_end(future.set_result, 1)
    future.result(LONG)  # here


@case("concurrent.futures.wait", "await asyncio.wrap_future(...) of each")
def futures_of_threads(scene: Scene) -> None:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    scene.at_the_end(future.set_result, 1)
    concurrent.futures.wait([future], LONG)  # here


# Packages that need not be here: what counts is the module that a frame is from.
PACKAGES = [
    (
        "requests.api",
        "get",
        "requests.get",
        "httpx.AsyncClient or aiohttp, or await asyncio.to_thread(get, ...)",
    ),
    ("httpx._api", "get", "httpx.get", "httpx.AsyncClient"),
    (
        "psycopg2",
        "connect",
        "psycopg2 connect",
        "psycopg's AsyncConnection or asyncpg, or await asyncio.to_thread(connect, ...)",
    ),
    ("pymysql.cursors", "execute", "pymysql execute", "asyncmy or aiomysql, or await asyncio.to_thread(execute, ...)"),
    ("redis.client", "execute_command", "redis execute_command", "redis.asyncio"),
    ("pymongo.collection", "find_one", "pymongo find_one", "pymongo's AsyncMongoClient"),
    (
        "django.db.models.query",
        "count",
        "the ORM's count",
        "its asynchronous form (aget, acount, async for)",
    ),
]


def call_of(module: str, function: str) -> Call:
    """A function of a module of this name, which blocks."""
    names: dict[str, Any] = {"__name__": module}
    exec(compile(f"def {function}(go): go.wait({LONG})", f"/site-packages/{module}.py", "exec"), names)

    def call(scene: Scene) -> None:
        names[function](scene.go)  # here

    return call


@contextlib.contextmanager
def blocked(call: Call, scene: Scene) -> Iterator[Callable[[], FrameType | None]]:
    """Make the call in a task of a loop in a thread; give what returns the innermost frame of that thread."""
    started: concurrent.futures.Future[int] = concurrent.futures.Future()

    async def main() -> None:
        asyncio.get_running_loop().call_soon(started.set_result, threading.get_ident())
        await asyncio.sleep(0)
        call(scene)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    ident = started.result(LONG)
    try:
        yield lambda: sys._current_frames().get(ident)
    finally:
        scene.go.set()
        scene.undo.close()
        thread.join(LONG)
    assert not thread.is_alive()


def found(call: Call, scene: Scene, line: str = "# here") -> tuple[str, str, str]:
    """What is told of a call once it blocks in this line: its name, the line and the cure."""
    deadline = time.monotonic() + LONG
    with blocked(call, scene) as innermost:
        while time.monotonic() < deadline:
            frame = innermost()
            told = blocking_call(frame) if frame is not None else None
            if told is not None and (source := line_text(place(told.frame))).endswith(line):
                return told.name, source, told.cure
            del frame, told
            time.sleep(0.001)
    raise AssertionError("nothing was told")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.call.__name__)
def test_a_call_is_named_with_its_line_and_its_cure(case: Case, tmp_path: Path) -> None:
    name, _, cure = found(case.call, Scene(tmp_path))
    assert (name, cure) == (case.name, case.cure)


@pytest.mark.parametrize(("module", "function", "name", "cure"), PACKAGES)
def test_a_packages_call_is_named_by_its_module(
    module: str, function: str, name: str, cure: str, tmp_path: Path
) -> None:
    told = found(call_of(module, function), Scene(tmp_path))
    assert told == (name, "names[function](scene.go)  # here", cure)


# What only looks as if it blocked.


class Job:
    """Has methods that are called like those of files and databases."""

    def execute(self, scene: Scene) -> None:
        while not scene.go.is_set():
            sum(range(10_000))  # here

    def read(self, scene: Scene) -> None:
        self.execute(scene)


def a_method_of_the_programs_own(scene: Scene) -> None:
    Job().read(scene)


def a_computation(scene: Scene) -> None:
    while not scene.go.is_set():
        sorted(range(10_000))  # here


@pytest.mark.parametrize("call", [a_method_of_the_programs_own, a_computation])
def test_work_of_the_programs_own_is_no_blocking_call(call: Call, tmp_path: Path) -> None:
    seen = 0
    with blocked(call, Scene(tmp_path)) as innermost:
        while seen < 20:
            frame = innermost()
            if frame is not None and line_text(place(frame)).endswith("# here"):
                assert blocking_call(frame) is None
                seen += 1
            del frame
            time.sleep(0.001)


def test_a_loop_that_waits_is_in_no_blocking_call(tmp_path: Path) -> None:
    """Also while it waits for a thread that is."""
    stop: concurrent.futures.Future[Callable[[], None]] = concurrent.futures.Future()

    async def main() -> None:
        end = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop_it() -> None:
            loop.call_soon_threadsafe(end.set)

        loop.call_soon(stop.set_result, stop_it)
        waiting = asyncio.create_task(end.wait())
        await asyncio.to_thread(time.sleep, SHORT)
        await waiting

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    end = stop.result(LONG)
    for _ in range(30):
        frame = sys._current_frames().get(thread.ident or 0)
        assert frame is None or blocking_call(frame) is None
        del frame
        time.sleep(0.001)
    end()
    thread.join(LONG)
