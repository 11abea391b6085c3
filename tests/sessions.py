"""A whole LocalSession on the test's own loop, with no frontend."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine

from command_session import new_session

from aiorepl.alerts.values import Alert
from aiorepl.model import AlertRaised, Answer, Event, Failure, Notice, Result, Status
from aiorepl.render.plain import draw
from aiorepl.session.local import LocalSession

# Seconds; what is waited for comes at once, unless it does not come.
PATIENCE = 20.0


class Conversation:
    """A session and what it has said; ``here()`` in a cell sets ``reached``."""

    def __init__(self, session: LocalSession) -> None:
        self.session = session
        self.announced: list[Event] = []
        self.reached = threading.Event()
        self._news = asyncio.Event()
        session.namespace["here"] = self.reached.set

    async def type(self, text: str) -> list[Event]:
        """Submit a text and wait for the end of it."""
        async with asyncio.timeout(PATIENCE):
            return [event async for event in self.session.submit(text)]

    async def begin(self, text: str) -> "asyncio.Task[list[Event]]":
        """Submit a text and wait until it has called ``here()``."""
        self.reached.clear()
        submission = asyncio.create_task(self.type(text), name="test-submission")
        await self.arrive()
        return submission

    async def arrive(self) -> None:
        """Wait until ``here()`` is called."""
        assert await asyncio.to_thread(self.reached.wait, PATIENCE)
        self.reached.clear()

    async def stands_in(self, line: int) -> None:
        """Wait until the loop's thread is in a call of a cell's line that lets other threads run meanwhile.

        It may not be seen on its way there: threads take turns at the end of a call, not before one.
        """
        async with asyncio.timeout(PATIENCE):
            # Nothing tells when a thread has gone into such a call.
            while not self._stands_in(line):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def _stands_in(self, line: int) -> bool:
        frame = sys._current_frames().get(self.session.host.thread or 0)
        return frame is not None and frame.f_code.co_filename.startswith("<cell ") and frame.f_lineno == line

    async def status(self, holds: Callable[[Status], bool]) -> Status:
        """Wait until this holds of the session's status."""
        async with asyncio.timeout(PATIENCE):
            # A status is asked for, as a toolbar does; it is no event.
            while not holds(self.session.status()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return self.session.status()

    async def announcement(self, part: str) -> Event:
        """Wait for an announcement in whose text this stands."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in self.announced:
                    if part in said(event):
                        return event
                await self.news()

    async def news(self) -> None:
        """Wait for the next announcement."""
        self._news.clear()
        await self._news.wait()

    async def drawn_news(self, part: str) -> str:
        """Wait until this is drawn of what commands announce; return all of that, 200 columns wide."""
        async with asyncio.timeout(PATIENCE):
            while True:
                drawn = "".join(draw(event.value, 200) for event in self.announced if isinstance(event, Answer))
                if part in drawn:
                    return drawn
                await self.news()

    async def listen(self) -> None:
        async for event in self.session.announcements():
            self.announced.append(event)
            self._news.set()


@contextlib.asynccontextmanager
async def conversation(session: LocalSession | None = None) -> AsyncIterator[Conversation]:
    """Open a session (a new one unless given), and close it at the end."""
    talk = Conversation(session or new_session())
    await talk.session.open()
    listening = asyncio.create_task(talk.listen(), name="test-listening")
    try:
        yield talk
    finally:
        await talk.session.aclose()
        await listening


def converse(script: Callable[[Conversation], Coroutine[None, None, None]]) -> None:
    """Run a test's coroutine function with a new session."""

    async def run() -> None:
        async with conversation() as talk:
            await script(talk)

    asyncio.run(run())


def said(event: Event) -> str:
    """What an announcement says, or the first line of an alert."""
    if isinstance(event, AlertRaised):
        assert isinstance(event.alert, Alert)
        return event.alert.what
    return str(getattr(event, "text", ""))


def texts(events: list[Event]) -> list[str]:
    """What a person reads of these events."""
    return [event.text for event in events if isinstance(event, Result | Failure | Notice)]
