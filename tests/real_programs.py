"""The programs of ``examples/``, each as a process of its own, and what goes wrong with them.

Also for ``docs/make_programs.py``, which writes what is answered then into their pages.
"""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from processes import ROOT, Ended, Home
from served import visiting

from aiorepl.commands.task_values import TaskTable
from aiorepl.model import Answer, Event
from aiorepl.remote.discovery import Found

EXAMPLES = ROOT / "examples"

# Seconds; what is waited for comes as soon as it can.
PATIENCE = 30.0


class Place(NamedTuple):
    """Where programs run: a home, and the folder of its own for their sockets."""

    home: Home

    @property
    def environment(self) -> dict[str, str]:
        # What asks finds the modules of this checkout from wherever it is started.
        own = {"AIOREPL_RUNTIME_DIR": str(self.home.path / "run"), "PYTHONUNBUFFERED": "1"}
        return self.home.environment | own | {"JUPYTER_RUNTIME_DIR": str(self.home.path / "jupyter")}

    def asks(self, *arguments: str, stdin: str = "") -> Ended:
        """Run ``aiorepl`` with these arguments."""
        ended = subprocess.run(
            [sys.executable, "-m", "aiorepl", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.home.path,
            timeout=2 * PATIENCE,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def sockets(self) -> list[str]:
        """The sockets of programs that can be reached."""
        folder = self.home.path / "run"
        return sorted(os.listdir(folder)) if folder.exists() else []


class Program(NamedTuple):
    """A program that runs; ``port`` is where it listens, if it does."""

    place: Place
    process: "subprocess.Popen[str]"
    port: int = 0

    @property
    def number(self) -> str:
        return str(self.process.pid)

    @property
    def stdin(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def fetch(self, path: str, times: int = 1, timeout: float = PATIENCE) -> list[int]:
        """Ask for an address, so many times on one connection; return each status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            return [_status(connection, path) for _ in range(times)]

    def ends(self) -> int:
        """Ask it to end, as the system does; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def _status(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait for something that another process does, and does not tell of."""
    late = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < late, what
        time.sleep(0.02)


@contextlib.contextmanager
def example(place: Place, folder: str, *arguments: str, says: str = "", listens: bool = True) -> Iterator[Program]:
    """Run Python in a folder of the examples, as its README says; it has begun to work by then.

    Args:
        place: Where its sockets are.
        folder: Of the examples.
        arguments: Python's; PORT stands for a free port.
        says: What it prints when it has begun; else it is waited for until it listens.
        listens: Whether it has a port.
    """
    port = _free_port() if listens else 0
    log = place.home.path / "program.log"
    command = [sys.executable, *(argument.replace("PORT", str(port)) for argument in arguments)]
    with log.open("w") as output:
        started = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env=place.environment,
            cwd=EXAMPLES / folder,
            start_new_session=True,
        )
    with started:
        try:

            def begun() -> bool:
                return says in log.read_text() if says else _is_open(port)

            wait_until(lambda: begun() or started.poll() is not None, f"{folder} has not begun: {log.read_text()}")
            assert started.poll() is None, log.read_text()
            yield Program(place, started, port)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def load(program: Program, *paths: str, clients: int = 20) -> Iterator[None]:
    """Keep a program busy until the end of the with statement."""
    urls = [program.url(path) for path in paths]
    command = [sys.executable, str(EXAMPLES / "load.py"), *urls, "--clients", str(clients)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=program.place.environment) as loading:
        try:
            yield
        finally:
            loading.kill()


def waiting(place: Place, target: str, kind: str) -> int:
    """How many tasks of a program, or of the process of a number, wait for this; asked without a process of its own."""
    (name,) = [name for name in place.sockets() if target in name.removesuffix(".sock").split("-", 1)]
    number, _, called = name.removesuffix(".sock").partition("-")
    found = Found(int(number), called, str(place.home.path / "run" / name))

    async def ask() -> list[Event]:
        async with visiting(found) as guest:
            return await guest.type("%tasks --top 1000")

    (listed,) = [event.value for event in asyncio.run(ask()) if isinstance(event, Answer)]
    assert isinstance(listed, TaskTable)
    return sum(row.task.wait is not None and row.task.wait.kind == kind for row in listed.rows)


@contextlib.contextmanager
def aiohttp_server(place: Place) -> Iterator[tuple[Program, Program]]:
    """The server of prices, its supplier, and those who ask."""
    with (
        example(place, "aiohttp_server", "supplier.py", "--port", "PORT") as supplier,
        example(place, "aiohttp_server", *_SERVER, "--supplier", supplier.url("/prices")) as server,
        load(server, "/price/bread", "/price/butter"),
    ):
        assert server.fetch("/price/bread") == [200]
        yield server, supplier


_SERVER = ("server.py", "--port", "PORT")


def falls_silent(server: Program, supplier: Program) -> None:
    """The incident: the supplier takes connections and does not answer."""
    supplier.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: waiting(server.place, "prices", "lock") > 5, "nobody waits for prices")


# Requests that hang are not waited for at the end.
_UVICORN = ("--log-level", "warning", "--timeout-graceful-shutdown", "1")


@contextlib.contextmanager
def fastapi_workers(place: Place, loop: str) -> Iterator[Program]:
    """Two workers on this kind of loop."""
    arguments = ("-m", "uvicorn", "invoices:app", "--workers", "2", "--loop", loop, "--port", "PORT")
    with example(place, "fastapi_workers", *arguments, *_UVICORN) as server:
        wait_until(lambda: len(place.sockets()) == 2, "the workers do not serve")
        yield server


def asks_for_what_is_not_there(server: Program) -> str:
    """The incident: somebody asks for an invoice that does not exist; return the worker where others wait then.

    Which of them gets a connection is up to the system: where nobody else is, nobody waits.
    """
    workers: list[str] = [name.partition("-")[0] for name in server.place.sockets()]
    late = time.monotonic() + PATIENCE
    while time.monotonic() < late:
        # Of one that is sick already it gets no answer.
        with contextlib.suppress(TimeoutError):
            assert server.fetch("/invoice/0", timeout=5) == [404]
        for _ in range(3):
            # In a healthy one some may wait, and not for long.
            lines = [[waiting(server.place, one, "lock") for one in workers] for _ in range(2)]
            for worker, before, after in zip(workers, lines[0], lines[1], strict=True):
                if before > 1 and after >= before:
                    return worker
            time.sleep(0.1)
    raise AssertionError("no worker has a line")


@contextlib.contextmanager
def starlette_load(place: Place) -> Iterator[Program]:
    """The bank."""
    arguments = ("-m", "uvicorn", "bank:app", "--port", "PORT", *_UVICORN)
    with example(place, "starlette_load", *arguments) as server:
        yield server


@contextlib.contextmanager
def queue_worker(place: Place) -> Iterator[Program]:
    """The workers that make thumbnails, with jobs for a while."""
    with example(place, "queue_worker", "thumbnails.py", says="ready", listens=False) as program:
        give_jobs(program, *(f"cat-{number} 3" for number in range(20)))
        yield program


def give_jobs(program: Program, *jobs: str) -> None:
    program.stdin.write("".join(f"{job}\n" for job in jobs))
    program.stdin.flush()


def gives_bad_jobs(program: Program) -> None:
    """The incident: jobs without a size, and good ones after them."""
    give_jobs(program, "dog", "dog", "dog", *(f"cat-{number} 3" for number in range(40)))
    wait_until(lambda: waiting(program.place, "thumbnails", "queue.put"), "the queue does not fill")


@contextlib.contextmanager
def two_loops(place: Place) -> Iterator[Program]:
    """The server with its index in another thread."""
    with example(place, "two_loops", "search.py", "--port", "PORT", says="ready") as program:
        yield program


def says_words(program: Program, *words: str) -> str:
    """Say words to the index, one after another; return the last answer."""
    with socket.create_connection(("127.0.0.1", program.port), PATIENCE) as connection:
        file = connection.makefile("rw")
        for word in words:
            file.write(f"{word}\n")
            file.flush()
            answer = file.readline()
    return answer.strip()


@contextlib.contextmanager
def says_a_word_with_a_mark(program: Program) -> Iterator[None]:
    """The incident: the index waits for the main loop, which waits for the index."""
    with socket.create_connection(("127.0.0.1", program.port), PATIENCE) as connection:
        connection.sendall(b"april!\n")
        wait_until(
            lambda: "does not answer" in program.place.asks("loops", "search").out, "the index goes on answering"
        )
        yield


@contextlib.contextmanager
def dev_mode(place: Place) -> Iterator[Program]:
    """The mailer under development."""
    with example(place, "dev_mode", "-X", "dev", "mailer.py", says="ready", listens=False) as program:
        yield program


@contextlib.contextmanager
def signs_mails(program: Program) -> Iterator[None]:
    """The incident: mails that are signed, as long as the with statement lasts."""
    stopped = threading.Event()

    def send() -> None:
        while not stopped.wait(0.6):
            give_jobs(program, "signed letter")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@contextlib.contextmanager
def jupyter(place: Place) -> Iterator[Program]:
    """Jupyter's server, which knows nothing of aiorepl."""
    options = {"port": "PORT", "open_browser": "False", "root_dir": str(place.home.path), "allow_root": "True"}
    arguments = [f"--ServerApp.{name}={value}" for name, value in options.items()]
    with example(place, "jupyter", "-m", "jupyter_server", *arguments, "--IdentityProvider.token=secret") as server:
        yield server
