"""Type lines into a real session without a frontend, and see the events."""

import asyncio
import linecache
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from aiorepl.commands.standard import COMMANDS
from aiorepl.interpret.host import LoopHost
from aiorepl.interpret.interpreter import Interpreter
from aiorepl.interpret.representation import represent_plain
from aiorepl.model import Answer, Done, Event, Failure, Notice, Outcome, Progress, Result
from aiorepl.render.plain import draw
from aiorepl.session.local import LocalSession
from aiorepl.settings import Settings

assert COMMANDS


@dataclass
class Typed:
    """What came of one line."""

    events: list[Event] = field(default_factory=list)

    @property
    def answer(self) -> object:
        """What a command found; None if it found nothing."""
        return next((event.value for event in self.events if isinstance(event, Answer)), None)

    @property
    def drawn(self) -> str:
        return draw(self.answer)

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]

    @property
    def error(self) -> str:
        """The one line that says what to type instead."""
        (text,) = [event.text for event in self.events if isinstance(event, Notice) and event.level == "error"]
        assert "\n" not in text
        return text

    @property
    def result(self) -> str:
        (text,) = [event.text for event in self.events if isinstance(event, Result)]
        return text

    @property
    def failure(self) -> str:
        (text,) = [event.text for event in self.events if isinstance(event, Failure)]
        return text

    @property
    def progress(self) -> list[Progress]:
        return [event for event in self.events if isinstance(event, Progress)]

    @property
    def outcome(self) -> Outcome:
        (done,) = [event for event in self.events if isinstance(event, Done)]
        return done.outcome

    def only(self, kind: type[Event]) -> Event:
        (event,) = [event for event in self.events if isinstance(event, kind)]
        return event


def new_session(
    namespace: dict[str, object] | None = None,
    past: Sequence[str] = (),
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> LocalSession:
    # The cells of another session in this process have the same names.
    for name in [name for name in linecache.cache if name.startswith("<cell ")]:
        del linecache.cache[name]
    names: dict[str, object] = {"__name__": "__main__", "__builtins__": __builtins__, "asyncio": asyncio}
    interpreter = Interpreter(names | (namespace or {}), represent=represent_plain)
    make_host = partial(LoopHost, factory)
    return LocalSession(interpreter, make_host, settings=Settings(), past_entries=lambda: list(past))


def type_lines(*lines: str, namespace: dict[str, object] | None = None, past: Sequence[str] = ()) -> list[Typed]:
    """Submit each line when the one before has ended."""

    async def converse() -> list[Typed]:
        session = new_session(namespace, past)
        await session.open()
        try:
            return [Typed([event async for event in session.submit(line)]) for line in lines]
        finally:
            await session.aclose()

    return asyncio.run(converse())


def type_and_interrupt(line: str, when: Callable[[Event], bool]) -> Typed:
    """Submit a line, and interrupt it at the first event for which ``when`` holds."""

    async def converse() -> Typed:
        session = new_session()
        await session.open()
        typed = Typed()
        interrupted = False
        try:
            async for event in session.submit(line):
                typed.events.append(event)
                if when(event) and not interrupted:
                    interrupted = True
                    await session.interrupt()
            return typed
        finally:
            await session.aclose()

    return asyncio.run(converse())
