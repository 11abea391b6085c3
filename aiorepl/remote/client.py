"""A session in another process, as a frontend sees it: see ``aiorepl.session.protocol.Session``."""

import asyncio
import contextlib
import itertools
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from aiorepl import __version__
from aiorepl.errors import LocalProtocolError, RemoteProtocolError, ServeError, SettingsError
from aiorepl.model import Completion, Done, Event, Leave, Notice, Output, SettingChanged, Signature, Status
from aiorepl.remote.channel import Channel
from aiorepl.remote.discovery import Found, runs
from aiorepl.remote.messages import (
    PROTOCOL,
    Announced,
    Answered,
    AskComplete,
    AskSignature,
    Columns,
    CommandNames,
    Completions,
    Configure,
    Detach,
    Goodbye,
    Happened,
    Hello,
    Interrupt,
    Objection,
    Purpose,
    Question,
    Refused,
    Settled,
    SignatureFound,
    StatusChanged,
    Submit,
    ToClient,
    ToServer,
    Welcome,
)
from aiorepl.remote.protocol import ClientConnection
from aiorepl.remote.sockets import connect
from aiorepl.settings import Settings

__all__ = ["Interrupted", "RemoteSession", "greet", "how_lost"]

ClientChannel = Channel[ToServer, ToClient]
# Reads a line for the program; the second argument tells whether it is not to be shown.
ReadLine = Callable[[str, bool], Awaitable[str]]

# Seconds within which a program greets, and lets go of us.
_GREETING = 10.0
_GOODBYE = 10.0
# A program that has said nothing for so long does not answer.
_SILENT = 2.0
# Seconds from the end of a connection within which a program that is about to end has ended.
_ENDING = 0.5
_LOST = "the connection was lost"


class Interrupted(Exception):
    """Ctrl-C was pressed while a line was read for the program."""


async def greet(
    found: Found,
    purpose: Purpose,
    *,
    columns: int = 80,
    follows: int = 0,
    timeout: float = _GREETING,
    connected: socket.socket | None = None,
) -> tuple[ClientChannel, Welcome]:
    """Connect to a program, unless a socket is connected, and return what it says of itself.

    The channel is to be closed.

    Raises:
        ServeError: If it cannot be reached, or refuses.
    """
    try:
        channel = Channel(connected or connect(found.path, timeout), ClientConnection())
    except OSError as error:
        raise ServeError(f"cannot connect to {found}: {error.strerror or error}") from None
    try:
        channel.send(Hello(PROTOCOL, __version__, purpose, columns, follows))
        async with asyncio.timeout(timeout):
            answer = await channel.receive()
        if isinstance(answer, Refused):
            raise ServeError(answer.reason)
        if not isinstance(answer, Welcome):
            raise ServeError(f"{found} has closed the connection")
    except BaseException as error:
        await channel.aclose()
        if isinstance(error, TimeoutError):
            raise ServeError(
                f"{found} has not answered within {timeout:g} s: it is stopped, or held by a C call"
            ) from None
        if isinstance(error, RemoteProtocolError):
            raise ServeError(f"{found} does not speak aiorepl's protocol: {error}") from None
        raise
    return channel, answer


async def how_lost(process: int) -> str:
    """Say why a connection ended without a word: the program has ended, or nobody knows.

    ``process`` is 0 where its number means nothing here.
    """
    return "the program has ended" if process and await _has_ended(process) else _LOST


async def _has_ended(process: int) -> bool:
    """Tell whether a process has ended, be it that nobody has waited for it; it closes what it has just before."""
    if not hasattr(os, "pidfd_open"):
        return not runs(process)
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return not runs(process)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(_ENDING):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return True


class RemoteSession:
    """Talks to a session in another process; ``open`` is awaited first, on the frontend's loop."""

    def __init__(
        self,
        found: Found,
        *,
        settings: Settings,
        columns: Callable[[], int] = lambda: 80,
        purpose: Purpose = "session",
        connected: socket.socket | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            found: The program.
            settings: Those of the frontend; the session has the same.
            columns: How wide the frontend's window is now.
            purpose: "session", or "command" for a single submission.
            connected: A socket to the program, if there is one.
        """
        self.found = found
        self.welcome: Welcome
        # How the program reads a line from the person; set by who has a frontend.
        self.read_line: ReadLine = _nobody
        # Where what the program prints goes, if that is not to be an event.
        self.print_output: Callable[[Output], Awaitable[None]] | None = None
        self._settings = settings
        self._columns = columns
        self._told_columns = 0
        self._purpose: Purpose = purpose
        self._connected = connected
        self._channel: ClientChannel
        self._reader: asyncio.Task[None]
        self._announcements: asyncio.Queue[Event | None] = asyncio.Queue()
        self._numbers = itertools.count(1)
        # What answers to a request are put into, by its number; None is put there when none will come.
        self._waiting: dict[int, asyncio.Queue[Any]] = {}
        self._questions: dict[int, asyncio.Task[None]] = {}
        self._names: Sequence[str] = ()
        self._status = Status()
        self._heard = 0.0
        self._submitting = False
        self._leaving = False
        # The program's number; 0 where that means nothing.
        self._process = 0
        # Why there is nobody at the other end any more; empty while there is.
        self.lost = ""

    async def open(self) -> None:
        """Connect.

        Raises:
            ServeError: If the program cannot be reached, or refuses.
        """
        self._told_columns = self._columns()
        self._channel, self.welcome = await greet(
            self.found, self._purpose, columns=self._told_columns, connected=self._connected
        )
        # The socket of another machine, or of a container, has a number that means nothing here, or somebody else.
        self._process = self.found.process if runs(self.found.process) else 0
        self._heard = time.monotonic()
        self._channel.send(Configure(tuple((setting.name, value) for setting, value in self._settings)))
        self._reader = asyncio.create_task(self._read(), name="aiorepl-read")

    async def submit(self, text: str, *, show: bool = True) -> AsyncIterator[Event]:
        """Run what was typed."""
        if self._columns() != self._told_columns:
            self._told_columns = self._columns()
            self._try_to_send(Columns(self._told_columns))
        self._submitting = True
        event: Event | None = None
        try:
            with self._request() as (number, answers):
                self._send(Submit(number, text, show))
                try:
                    async for event in self._shown(answers):
                        yield event
                finally:
                    if not isinstance(event, Done):
                        # Nobody listens any more, and the next submission is to find this one ended.
                        await self._end_foreground(answers)
        except LocalProtocolError as error:
            yield Notice(str(error), "error")
            yield Done("error")
        finally:
            self._submitting = False

    async def _end_foreground(self, answers: "asyncio.Queue[Event | None]") -> None:
        await self.interrupt()
        event: Event | None = Notice("")
        while event is not None and not isinstance(event, Done):
            event = await answers.get()

    async def _shown(self, answers: "asyncio.Queue[Event | None]") -> AsyncIterator[Event]:
        """The events of a submission, but for the output that is printed in another way."""
        event: Event | None = None
        while not isinstance(event, Done):
            event = await answers.get()
            if event is None:
                yield self._leave()
                event = Done("error")
            elif isinstance(event, SettingChanged):
                # An older program may take what this one does not.
                with contextlib.suppress(SettingsError):
                    self._settings.set(event.name, event.value)
            if isinstance(event, Output) and self.print_output is not None:
                await self.print_output(event)
            else:
                yield event

    async def announcements(self) -> AsyncIterator[Event]:
        """What happens by itself; it ends also when the program has gone, which is told unless a submission tells."""
        while (event := await self._announcements.get()) is not None:
            if not isinstance(event, Output) or self.print_output is None:
                yield event
            else:
                await self.print_output(event)

    async def complete(self, text: str, cursor: int) -> AsyncIterator[tuple[Completion, ...]]:
        """Ways to go on at the cursor."""
        with self._request() as (number, answers):
            self._try_to_send(AskComplete(number, text, cursor))
            while (found := await answers.get()) is not None and not found.last:
                yield found.batch

    async def signature(self, text: str, cursor: int) -> Signature | None:
        """The call that the cursor stands in."""
        with self._request() as (number, answers):
            self._try_to_send(AskSignature(number, text, cursor))
            found = await answers.get()
            return None if found is None else found.signature

    async def interrupt(self) -> None:
        """Stop what is in the foreground."""
        with self._request() as (number, answers):
            self._try_to_send(Interrupt(number))
            await answers.get()

    async def detach(self) -> None:
        """Send what is in the foreground to the background."""
        with self._request() as (number, answers):
            self._try_to_send(Detach(number))
            await answers.get()

    def warm(self) -> None:
        """The program completes by itself."""

    def command_names(self) -> Sequence[str]:
        """The names of the ``%`` commands, when the program has told them."""
        return self._names

    def status(self) -> Status:
        """How the loop is doing, or was when the program told it last."""
        silent = time.monotonic() - self._heard
        return self._status if silent < _SILENT else self._status._replace(loop="blocked", lag=silent)

    async def aclose(self) -> None:
        """Leave; what the session had to give up is announced first."""
        self._leaving = True
        self._try_to_send(Goodbye())
        await asyncio.wait({self._reader}, timeout=_GOODBYE)
        self._reader.cancel()
        for asking in list(self._questions.values()):
            asking.cancel()
        await asyncio.gather(self._reader, *self._questions.values(), return_exceptions=True)
        await self._channel.aclose()
        self._announcements.put_nowait(None)

    async def _read(self) -> None:
        """Hear what the program says until it says nothing more."""
        while True:
            try:
                message = await self._channel.receive()
            except RemoteProtocolError as error:
                self._announcements.put_nowait(Notice(f"the program said what is not understood: {error}", "error"))
                continue
            if message is None or isinstance(message, Goodbye):
                break
            self._heard = time.monotonic()
            self._hear(message)
        if message is None and not self._leaving:
            reason = await how_lost(self._process)
        else:
            reason = message.reason if message is not None else ""
        self.lost = f"{self.found}: {reason or _LOST}"
        for answers in self._waiting.values():
            answers.put_nowait(None)
        for asking in self._questions.values():
            asking.cancel()
        if not self._leaving and not self._submitting:
            self._announcements.put_nowait(self._leave())
        self._announcements.put_nowait(None)

    def _hear(self, message: ToClient) -> None:
        match message:
            case Happened(number, event):
                self._answer(number, event)
            case Completions(number) | SignatureFound(number) | Settled(number):
                self._answer(number, message)
            case Announced(event):
                self._announcements.put_nowait(event)
            case StatusChanged(status):
                self._status = status
            case CommandNames(names):
                self._names = names
            case Question():
                self._question(message)
            case Objection(reason):
                self._announcements.put_nowait(Notice(f"the program objects: {reason}", "error"))

    def _answer(self, number: int, answer: object) -> None:
        # Nobody may wait for it any more.
        if number in self._waiting:
            self._waiting[number].put_nowait(answer)

    def _question(self, question: Question) -> None:
        if question.withdrawn:
            if question.number in self._questions:
                self._questions[question.number].cancel()
            return
        asking = asyncio.create_task(self._ask(question), name="aiorepl-question")
        self._questions[question.number] = asking
        asking.add_done_callback(lambda _: self._questions.pop(question.number, None))

    async def _ask(self, question: Question) -> None:
        answer = Answered(question.number, "")
        try:
            answer = answer._replace(line=await self.read_line(question.prompt, question.hidden))
        except EOFError:
            answer = answer._replace(outcome="end")
        except Interrupted:
            answer = answer._replace(outcome="interrupted")
        except Exception as error:
            # The program is not to wait for ever because the frontend has failed.
            self._announcements.put_nowait(Notice(f"a line cannot be read: {error!r}", "error"))
            answer = answer._replace(outcome="end")
        self._try_to_send(answer)

    @contextlib.contextmanager
    def _request(self) -> Any:
        number = next(self._numbers)
        answers = self._waiting[number] = asyncio.Queue()
        if self.lost:
            answers.put_nowait(None)
        try:
            yield number, answers
        finally:
            del self._waiting[number]

    def _send(self, message: ToServer) -> None:
        if self._channel.can_send:
            self._channel.send(message)

    def _try_to_send(self, message: ToServer) -> None:
        with contextlib.suppress(LocalProtocolError):
            self._send(message)

    def _leave(self) -> Leave:
        return Leave(2, f"aiorepl: {self.lost}")


async def _nobody(prompt: str, hidden: bool) -> str:
    raise EOFError
