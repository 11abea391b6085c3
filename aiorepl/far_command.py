"""One question to a served process, or one cell in it: ``aiorepl tasks``, ``aiorepl why``, ``aiorepl exec``, ...

The exit status is 0, 1 if the cell failed, or 2 if the question could not be asked or was refused.
"""

import asyncio
import contextlib
import getpass
import sys
from collections.abc import Sequence
from typing import Any

from aiorepl.errors import ServeError
from aiorepl.far_arguments import OPTIONS, OPTIONS_HELP, Request, asks_for_help, read_code, read_request
from aiorepl.far_output import columns, write, write_foreign, write_json, write_value
from aiorepl.interpret.daemon import in_thread
from aiorepl.interruptible import run as run_interruptibly
from aiorepl.model import Answer, Done, Event, Failure, Leave, Notice, Output, Result
from aiorepl.remote.client import RemoteSession
from aiorepl.remote.discovery import Found
from aiorepl.settings import Settings

__all__ = ["exec_main", "main"]


def main(word: str, arguments: Sequence[str]) -> int:
    """Ask a served process what ``%word`` tells.

    Raises:
        AioreplError: If the arguments are wrong, or there is no such process.
    """
    if asks_for_help(arguments):
        write(sys.stdout, _help(word))
        return 0
    return _run(read_request(word, arguments))


def exec_main(word: str, arguments: Sequence[str]) -> int:
    """Run one cell in a served process.

    Raises:
        AioreplError: As ``main`` does.
    """
    if asks_for_help(arguments):
        write(sys.stdout, _EXEC_HELP)
        return 0
    request = read_code(arguments)
    if request is None:
        write(sys.stderr, _EXEC_HELP)
        return 2
    return _run(request._replace(text=sys.stdin.read()) if request.text == "-" else request)


def _run(request: Request) -> int:
    try:
        return run_interruptibly(_ask(request))
    except KeyboardInterrupt:
        return 0 if request.follow is not None else 130


async def _ask(request: Request) -> int:
    async with contextlib.AsyncExitStack() as stack:
        askers = [await stack.enter_async_context(_Asker(request, target)) for target in request.targets]
        if request.follow is None:
            return await _ask_all(request, askers)
        clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() and not request.as_json else ""
        while True:
            write(sys.stdout, clear)
            if status := await _ask_all(request, askers):
                return status
            await asyncio.sleep(request.follow)


async def _ask_all(request: Request, askers: "Sequence[_Asker]") -> int:
    if not request.every:
        return await askers[0].ask()
    status = 0
    answers = []
    for asker in askers:
        target = asker.target
        if not request.as_json:
            write(sys.stdout, f"== {target}\n")
        try:
            status = max(status, await asker.ask())
        except ServeError as error:
            status = 2
            write(sys.stderr, f"aiorepl: {error}\n")
        answers.append({"process": target.process, "name": target.name, "answer": asker.answer})
    if request.as_json:
        write_json(answers, short=request.follow is not None)
    return status


class _Asker:
    """Asks one process, and prints what comes; ``answer`` is the data of it.

    It is one session from the first question to the last, so that what goes wrong in between is told of.
    """

    def __init__(self, request: Request, target: Found) -> None:
        self._request = request
        self.target = target
        self.answer: Any = None
        self._session: RemoteSession | None = None
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "_Asker":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None and self._listening is not None:
            await self._session.aclose()
            await self._listening

    async def ask(self) -> int:
        """Return the exit status."""
        self.answer = None
        if self._session is None:
            session = RemoteSession(self.target, settings=_settings(), columns=columns, purpose="command")
            await session.open()
            session.read_line = _read_line
            self._session, self._listening = session, asyncio.create_task(_overhear(session))
            if self._request.loop is not None:
                status = await self._choose(session, self._request.loop)
                if status:
                    return status
        status = 0
        async for event in self._session.submit(self._request.text):
            status = max(status, self._show(event))
        return status

    async def _choose(self, session: RemoteSession, number: int) -> int:
        """Have the commands look at another loop."""
        status = 0
        async for event in session.submit(f"%loops {number}"):
            if not isinstance(event, Answer):
                status = max(status, self._show(event))
        return status

    def _show(self, event: Event) -> int:
        """Print an event; return the exit status that it means."""
        match event:
            case Output(text, stream):
                write(sys.stdout if stream == "stdout" else sys.stderr, text)
            case Result(text, _, note):
                write_foreign(sys.stdout, f"{text}\n")
                write(sys.stderr, f"{note}\n" if note else "")
            case Answer(value):
                self._answered(value)
            case Failure(text):
                write_foreign(sys.stderr, text)
                return 1
            case Notice(text, level, detail):
                write(sys.stderr, f"{text}\n{detail}")
                return 2 if level == "error" else 0
            case Leave(status, message):
                write(sys.stderr, f"{message}\n" if message else "")
                return status
            case Done(outcome):
                return 1 if outcome == "interrupted" else 0
        return 0

    def _answered(self, value: object) -> None:
        if self._request.as_json and self._request.every:
            from aiorepl.commands.json_data import to_data

            self.answer = to_data(value)
        else:
            if not self._request.as_json:
                from aiorepl.far_hints import for_shell

                value = for_shell(value, str(self.target.process) if self._request.every else self.target.name)
            write_value(value, as_json=self._request.as_json, short=self._request.follow is not None)


def _settings() -> Settings:
    settings = Settings()
    # They are for who learns at a prompt.
    settings.set("hints", False)
    return settings


async def _overhear(session: RemoteSession) -> None:
    """Take what is announced, which is for who sits at a prompt."""
    async for _ in session.announcements():
        pass


async def _read_line(prompt: str, hidden: bool) -> str:
    """A cell's ``input()``: from standard input, as long as there is any."""
    return await in_thread(lambda: getpass.getpass(prompt) if hidden else input(prompt))


def _help(word: str) -> str:
    from aiorepl.commands.standard import COMMANDS
    from aiorepl.render.plain import draw

    usage = COMMANDS.get(word).usage.replace("%", "aiorepl ", 1)
    return f"usage: {usage} [TARGET] {OPTIONS}\n\n{draw(COMMANDS.get(word).help)}\n{OPTIONS_HELP}"


_EXEC_HELP = f"""\
usage: aiorepl exec [TARGET] CODE {OPTIONS}

Run one cell in a served process, with top-level await; - reads it from standard input. What it prints, and its value,
come here; the exit status is 1 if it failed. A %command of the prompt is run as well.

{OPTIONS_HELP}"""
