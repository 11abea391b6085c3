"""A session in an app for a client elsewhere: what that says is done, and what happens is told.

Whatever way it ends, what the session switched on is undone, its cell is interrupted, and only the cells that were sent
to the background go on.
"""

import asyncio
import contextlib
import linecache
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, cast

from aiorepl.errors import LocalProtocolError, RemoteProtocolError, SettingsError
from aiorepl.interpret.app_host import AppHost
from aiorepl.interpret.daemon import in_thread
from aiorepl.interpret.interpreter import Interpreter
from aiorepl.interpret.main_module import Leaver
from aiorepl.interpret.program_namespace import ProgramNamespace
from aiorepl.interpret.source import Command, classify
from aiorepl.model import Event, Notice, Output
from aiorepl.remote.audit import Who, audit
from aiorepl.remote.channel import Channel
from aiorepl.remote.far_client import FarClient
from aiorepl.remote.loading import load_all
from aiorepl.remote.messages import (
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
    Settled,
    SignatureFound,
    StatusChanged,
    Submit,
    ToClient,
    ToServer,
    Typed,
)
from aiorepl.remote.offer import Offer
from aiorepl.remote.piped_shell import piped_shell
from aiorepl.remote.scrollback import Said, Scrollback
from aiorepl.remote.streams import client_of_context, standard_streams
from aiorepl.remote.turns import short_turns
from aiorepl.session.access import Guarded
from aiorepl.session.local import LocalSession
from aiorepl.settings import Settings

__all__ = ["ServedSession"]

# Seconds between two looks at how the loop is doing.
_STATUS = 0.5
# A client that is not understood so often is not listened to any more.
_OBJECTIONS = 50
# Requests that are being answered at the same time.
_AT_ONCE = 100


class ServedSession:
    """Serves one client; used on the server's loop."""

    def __init__(
        self,
        channel: Channel[ToClient, ToServer],
        offer: Offer,
        loop: asyncio.AbstractEventLoop,
        who: Who,
        scrollback: Scrollback,
        hello: Hello,
    ) -> None:
        """Make a session in a context of its own: the running task's, with the client as who reads what is printed."""
        self._channel = channel
        self._scrollback = scrollback
        self._columns = _width(hello.columns)
        self._stays = hello.purpose == "session"
        self._client = FarClient(show=self._show_output, question=self._tell)
        client_of_context.set(self._client)
        self._tasks: set[asyncio.Task[None]] = set()
        # What was submitted last, and the number of that; what is asked about the text being typed.
        self._submission: asyncio.Task[None] | None = None
        self._number = 0
        self._completion: asyncio.Task[None] | None = None
        self._objections = 0
        self._loaded = asyncio.Event()
        settings = Settings()
        names = _Names(offer.names())
        interpreter = Interpreter(names, represent=offer.represent(settings, lambda: self._columns))
        session = LocalSession(
            interpreter,
            partial(AppHost, loop),
            settings=settings,
            access=Guarded(offer.mode, lambda what, text: audit(what, who, text)),
            shells=lambda text: piped_shell(text, lambda written: self._client.write(written, "stdout")),
        )
        # Python's own are enough in somebody else's process: jedi takes time and memory there.
        session.asks_jedi = False
        session.is_typed_in = self._stays
        session.far = True
        session.keeps_jobs = True
        session.cell_prefix = f"{who.session}:"
        interpreter.before_cell = _SignalKeeper(session).keep
        self._session = session

    async def run(self) -> None:
        """Do what the client says until it has gone."""
        with standard_streams.held():
            await self._session.open()
            announcing = self._start(self._announce(), "announce")
            self._start(self._load(), "load")
            if self._stays:
                self._start(self._tell_status(), "status")
            try:
                await self._listen()
            finally:
                await self._end(announcing)

    async def _end(self, announcing: asyncio.Task[None]) -> None:
        self._client.close()
        others = self._tasks - {announcing}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # Also if the server is told to end meanwhile: nothing is to stay switched on.
        await asyncio.shield(asyncio.ensure_future(self._session.aclose()))
        await announcing
        self._client.leave()
        for name in [name for name in linecache.cache if name.startswith(f"<cell {self._session.cell_prefix}")]:
            linecache.cache.pop(name, None)

    async def _listen(self) -> None:
        while self._objections < _OBJECTIONS:
            try:
                message = await self._channel.receive()
            except RemoteProtocolError as error:
                self._object(str(error))
                continue
            if message is None or isinstance(message, Goodbye):
                return
            self._do(message)

    def _do(self, message: ToServer) -> None:
        if len(self._tasks) > _AT_ONCE:
            self._object("more is asked at once than is answered")
            return
        match message:
            case Submit():
                self._take(message)
            case AskComplete():
                self._ask(self._complete(message))
            case AskSignature():
                self._start(self._sign(message), "signature")
            case Interrupt(number):
                self._start(self._settle(number, self._interrupt), "interrupt")
            case Detach(number):
                self._start(self._settle(number, self._session.detach), "detach")
            case Answered(number, line, outcome):
                self._client.answer(number, line, outcome)
            case Columns(columns):
                self._columns = _width(columns)
            case Configure(settings):
                self._configure(settings)

    def _take(self, submit: Submit) -> None:
        if self._submission is not None and not self._submission.done():
            self._object("something runs in the foreground already")
            return
        standard_streams.refresh()
        self._number = submit.number
        self._record(Typed(submit.number, submit.text))
        self._submission = self._start(self._submit(submit), "submit")

    async def _submit(self, submit: Submit) -> None:
        await self._loaded.wait()
        events = cast(AsyncGenerator[Event, None], self._session.submit(submit.text, show=submit.show))
        # A cell works on the app's thread, a command on this one. Closed here and now, also when the client has gone.
        turns = short_turns.held() if isinstance(classify(submit.text), Command) else contextlib.nullcontext()
        async with contextlib.aclosing(events):
            with turns:
                await self._pass_on(events)

    async def _pass_on(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            await self._client.flush()
            await self._happened(event)

    async def _happened(self, event: Event) -> None:
        message = Happened(self._number, event)
        self._record(message)
        try:
            await self._channel.send_patiently(message)
        except LocalProtocolError as error:
            await self._channel.send_patiently(Happened(self._number, Notice(f"too long to be sent: {error}", "error")))

    async def _show_output(self, output: Output) -> None:
        if self._submission is not None and not self._submission.done():
            await self._happened(output)
        else:
            self._record(Announced(output))
            await self._channel.send_patiently(Announced(output))

    async def _announce(self) -> None:
        async for event in self._session.announcements():
            self._record(Announced(event))
            self._tell(Announced(event))

    async def _tell_status(self) -> None:
        while True:
            if self._channel.idle:
                self._tell(StatusChanged(self._session.status()))
            await asyncio.sleep(_STATUS)

    async def _load(self) -> None:
        """Load in a thread what is not needed before something is typed."""
        with short_turns.held():
            await in_thread(load_all)
        self._loaded.set()
        if self._stays:
            self._tell(CommandNames(tuple(self._session.command_names())))

    async def _complete(self, asked: AskComplete) -> None:
        await self._loaded.wait()
        async for batch in self._session.complete(asked.text, asked.cursor):
            self._tell(Completions(asked.number, batch, last=False))
        self._tell(Completions(asked.number, (), last=True))

    async def _sign(self, asked: AskSignature) -> None:
        await self._loaded.wait()
        self._tell(SignatureFound(asked.number, await self._session.signature(asked.text, asked.cursor)))

    async def _interrupt(self) -> None:
        # A submission waits for the same before it can be interrupted.
        await self._loaded.wait()
        await self._session.interrupt()

    async def _settle(self, number: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await work()
        self._tell(Settled(number))

    def _configure(self, settings: tuple[tuple[str, object], ...]) -> None:
        for name, value in settings:
            # A newer client may have others.
            with contextlib.suppress(SettingsError):
                self._session.settings.set(name, value)

    def _ask(self, work: Coroutine[Any, Any, None]) -> None:
        """Complete what is being typed; nobody waits for what was asked before."""
        if self._completion is not None:
            self._completion.cancel()
        self._completion = self._start(work, "complete")

    def _object(self, reason: str) -> None:
        self._objections += 1
        self._tell(Objection(reason))

    def _tell(self, message: ToClient) -> None:
        with contextlib.suppress(LocalProtocolError):
            self._channel.send(message)

    def _record(self, said: Said) -> None:
        if self._stays:
            self._scrollback.add(said)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"aiorepl-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _width(columns: int) -> int:
    """A width that something can be drawn in, and that is bounded."""
    return max(20, min(columns, 1000))


class _Names(ProgramNamespace):
    """What cells see; leaving is offered to who types it, as a name or a call, and is not the process's own."""

    def __getitem__(self, name: str, /) -> object:
        try:
            return super().__getitem__(name)
        except KeyError:
            if name in ("exit", "quit"):
                return Leaver(name)
            raise


class _SignalKeeper:
    """Puts back the handler of SIGINT that a debugger has taken, and kept when it was told to go on."""

    def __init__(self, session: LocalSession) -> None:
        self._handler: Any = None
        session.undo.callback(lambda: session.host.call(self.keep))

    def keep(self) -> None:
        """Called on the loop's thread before each cell, and at the end."""
        if threading.current_thread() is not threading.main_thread():
            return
        current = signal.getsignal(signal.SIGINT)
        if type(getattr(current, "__self__", None)).__module__ in ("pdb", "bdb"):
            if self._handler is not None:
                signal.signal(signal.SIGINT, self._handler)
        else:
            self._handler = current
