"""An app that serves, here or in a process of its own, and guests who visit it without a frontend."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from app_session import App, LoopFactory, running_app
from processes import Home
from sessions import PATIENCE, texts

from aiorepl.model import Answer, Event, Leave, Output, Result, Status
from aiorepl.remote.client import RemoteSession
from aiorepl.remote.discovery import Found
from aiorepl.remote.messages import PROTOCOL, Hello, ToClient, ToServer
from aiorepl.remote.offer import Offer
from aiorepl.remote.protocol import ClientConnection
from aiorepl.remote.server import Server
from aiorepl.render.plain import draw
from aiorepl.render.results import bounded
from aiorepl.session.access import Mode
from aiorepl.settings import Settings

_numbers = itertools.count()


class Guest:
    """A session in an app, and what it has said."""

    def __init__(self, session: RemoteSession) -> None:
        self.session = session
        self.announced: list[Event] = []
        self._news = asyncio.Event()

    async def type(self, text: str) -> list[Event]:
        """Submit a text and wait for the end of it."""
        async with asyncio.timeout(PATIENCE):
            return [event async for event in self.session.submit(text)]

    async def begin(self, text: str, said: str = "ready") -> "asyncio.Task[list[Event]]":
        """Submit a text and wait until it has printed a line; return what waits for its end."""
        begun = asyncio.Event()
        events: list[Event] = []

        async def go_on() -> list[Event]:
            async for event in self.session.submit(text):
                events.append(event)
                if said in printed(events):
                    begun.set()
            return events

        task = asyncio.create_task(go_on())
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        return task

    async def announcement(self, part: str) -> Event:
        """Wait for an announcement in whose text this stands."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in self.announced:
                    if part in getattr(event, "text", "") or part in getattr(event, "message", ""):
                        return event
                self._news.clear()
                await self._news.wait()

    async def status(self, holds: Callable[[Status], bool]) -> Status:
        """Wait until this holds of the status that the app has told last."""
        async with asyncio.timeout(PATIENCE):
            # It is told every now and then; it is no event.
            while not holds(self.session.status()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return self.session.status()

    async def listen(self) -> None:
        async for event in self.session.announcements():
            self.announced.append(event)
            self._news.set()


class Served:
    """An app in a thread of this process, with a server."""

    def __init__(self, app: App, server: Server) -> None:
        self.app = app
        self.server = server
        self.found = Found(os.getpid(), server.name, server.path)

    def visit(self, *scripts: Callable[[Guest], Coroutine[Any, Any, None]]) -> None:
        """Run these coroutine functions, each with a session of its own, all at the same time."""

        async def run() -> None:
            async with contextlib.AsyncExitStack() as stack:
                guests = [await stack.enter_async_context(visiting(self.found)) for _ in scripts]
                await asyncio.gather(*(script(guest) for script, guest in zip(scripts, guests, strict=True)))

        asyncio.run(run())

    def types(self, *lines: str) -> list[list[Event]]:
        """Submit each line when the one before has ended."""
        typed: list[list[Event]] = []

        async def script(guest: Guest) -> None:
            typed.extend([await guest.type(line) for line in lines])

        self.visit(script)
        return typed

    def says(self, *lines: str) -> list[str]:
        """What a person reads after each of these lines."""
        return [read(events) for events in self.types(*lines)]


@contextlib.asynccontextmanager
async def visiting(
    found: Found, settings: Settings | None = None, *, connected: socket.socket | None = None
) -> AsyncIterator[Guest]:
    """Open a session in a served process, and leave it at the end; without hints, unless the settings say so.

    ``connected`` leads to a process that was attached to.
    """
    if settings is None:
        settings = Settings()
        settings.set("hints", False)
    session = RemoteSession(found, settings=settings, connected=connected)
    async with asyncio.timeout(PATIENCE):
        await session.open()
    guest = Guest(session)
    listening = asyncio.create_task(guest.listen())
    try:
        yield guest
    finally:
        await session.aclose()
        await listening


@contextlib.contextmanager
def serving(
    folder: Path,
    mode: Mode = "write",
    *,
    names: dict[str, object] | None = None,
    factory: LoopFactory = asyncio.new_event_loop,
) -> Iterator[Served]:
    """Serve an app in a thread of this process."""
    with running_app(factory) as app:
        app.names.update(names or {})
        offer = Offer("app", mode, app.names, lambda: app.loop, bounded)
        with Server(offer, str(folder / f"{next(_numbers)}.sock")) as server:
            yield Served(app, server)


class Raw:
    """A client that says what it likes."""

    def __init__(self, path: str, *, greets: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.connection = ClientConnection()
        if greets:
            self.say(Hello(PROTOCOL, "0.1.0", "session"))
            self.hear()

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, message: ToServer) -> None:
        self.socket.sendall(b"".join(self.connection.send(message)))

    def hear(self) -> ToClient | None:
        """The next message; None at the end."""
        while (message := self.connection.next()) is None and self.connection.state != "closed":
            try:
                self.connection.receive(self.socket.recv(1 << 16))
            except ConnectionResetError:
                self.connection.receive(b"")
        return message


class Process:
    """A program of its own; what it prints, on both streams, is read line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.number = process.pid

    def line(self) -> str:
        """The next line that it prints; empty at the end."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def ends(self) -> tuple[int, str]:
        """Wait for its end; return its exit status, and all else that it has printed."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, rest


@contextlib.contextmanager
def program(source: str, home: Home, *arguments: str, python: Sequence[str] = ()) -> Iterator[Process]:
    """Run a program until the end of the with statement, with its children; it has printed "ready" by then."""
    (home.path / "program.py").write_text(textwrap.dedent(source))
    started = subprocess.Popen(
        [sys.executable, *python, "program.py", *arguments],
        cwd=home.path,
        env=home.environment | runtime(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with started:
        try:
            process = Process(started)
            first = process.line()
            assert first == "ready", first + process.ends()[1]
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def runtime(home: Home) -> dict[str, str]:
    """Let sockets be in a folder of this home, and nowhere else."""
    return {"AIOREPL_RUNTIME_DIR": str(home.path / "run")}


SLEEPER = """
import asyncio, sys
import aiorepl

async def main():
    aiorepl.serve(*sys.argv[1:])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    print("ready", flush=True)
    await stop.wait()

asyncio.run(main())
"""


def printed(events: list[Event]) -> str:
    """What was printed, on both streams."""
    return "".join(event.text for event in events if isinstance(event, Output))


def read(events: list[Event]) -> str:
    """What a person reads of these events."""
    shown = [draw(event.value) for event in events if isinstance(event, Answer)]
    left = [f"left with {event.status}" for event in events if isinstance(event, Leave)]
    return "\n".join([*([printed(events)] if printed(events) else []), *texts(events), *shown, *left])


def value(events: list[Event]) -> str:
    (text,) = [event.text for event in events if isinstance(event, Result)]
    return text
