"""A session that was made up: it answers as it is told to, and runs nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiorepl.model import Completion, Done, Event, Signature, Status


class MadeUpSession:
    """Answers each text with the events that ``answers`` has for it; nothing is run."""

    def __init__(self, answers: dict[str, list[Event]], announced: Sequence[Event] = ()) -> None:
        self.answers = answers
        self.announced = announced
        self.submitted: list[str] = []
        self.interrupted = asyncio.Event()

    async def submit(self, text: str) -> AsyncIterator[Event]:
        self.submitted.append(text)
        for event in self.answers.get(text.strip(), []):
            yield event
        yield Done("ok", len(self.submitted))

    async def announcements(self) -> AsyncIterator[Event]:
        for event in self.announced:
            yield event

    async def complete(self, text: str, cursor: int) -> AsyncIterator[tuple[Completion, ...]]:
        yield ()

    async def signature(self, text: str, cursor: int) -> Signature | None:
        return None

    async def interrupt(self) -> None:
        self.interrupted.set()

    async def detach(self) -> None:
        pass

    def warm(self) -> None:
        pass

    def command_names(self) -> Sequence[str]:
        return ()

    def status(self) -> Status:
        return Status()

    async def aclose(self) -> None:
        pass
