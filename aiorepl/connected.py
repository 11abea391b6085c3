"""``aiorepl connect`` and ``aiorepl follow``: a prompt in a served process, and what happens at somebody else's."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from aiorepl.errors import AioreplError, RemoteProtocolError
from aiorepl.interpret.daemon import in_thread
from aiorepl.interruptible import run as run_interruptibly
from aiorepl.introspect.own_loops import make_own
from aiorepl.model import Event, Leave, Notice, Outcome, Output
from aiorepl.options import add_settings, take_settings
from aiorepl.remote.client import Interrupted, RemoteSession, greet, how_lost
from aiorepl.remote.discovery import Found, find, runs
from aiorepl.remote.messages import Announced, Goodbye, Happened, Typed, Welcome
from aiorepl.settings import Settings, read_toml

__all__ = ["converse", "follow_main", "main"]


class Frontend(Protocol):
    """As much as is used here of ``aiorepl.application.Frontend``."""

    left: Leave | None

    async def show_announcements(self) -> None:
        """Show what happens by itself, until the session has ended."""

    async def submit(self, events: AsyncIterator[Event]) -> Outcome:
        """Show the events of a submission."""

    async def converse(self) -> None:
        """Take submissions until there are no more, or one leaves."""

    def show(self, event: Event) -> None:
        """Show an event."""

    def interrupt(self) -> None:
        """Ctrl-C was pressed."""

    def suspend(self) -> None:
        """Ctrl-Z was pressed."""

    def close(self) -> None:
        """Give the terminal back."""


def main(word: str, arguments: Sequence[str]) -> int:
    """Open a prompt in a served process; return the exit status.

    Raises:
        AioreplError: If the arguments are wrong, or there is no such process.
    """
    parsed = _parse(arguments)
    return converse(find(parsed.pop("target")), quiet=parsed.pop("quiet"), settings=take_settings(parsed))


def converse(found: Found, *, quiet: bool, settings: dict[str, str], connected: socket.socket | None = None) -> int:
    """Open a prompt in a process, by a socket if there is one already; return the exit status.

    Raises:
        AioreplError: If a setting is wrong, or the process cannot be reached.
    """
    connection = _Connection(found, quiet, settings, connected)
    with asyncio.Runner(loop_factory=make_own, debug=False) as runner:
        return runner.run(connection.run())


class _Connection:
    """One run of ``aiorepl connect``."""

    def __init__(self, found: Found, quiet: bool, settings: dict[str, str], connected: socket.socket | None) -> None:
        self._quiet = quiet
        self._chosen = settings
        self._settings = Settings()
        for name, value in settings.items():
            self._settings.set(name, value)
        self._prompts = _is_terminal(sys.stdin)
        self._has_screen = self._prompts and _is_terminal(sys.stdout) and os.environ.get("TERM") not in (None, "dumb")
        self._problems = self._read_settings() if self._has_screen else []
        self._session = RemoteSession(found, settings=self._settings, columns=self._columns, connected=connected)
        self._frontend: Frontend
        self._leaving = False

    async def run(self) -> int:
        """Converse until a person, or the program, leaves."""
        await self._session.open()
        self._frontend = frontend = self._make_frontend()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        if self._has_screen:
            loop.add_signal_handler(signal.SIGTSTP, frontend.suspend)
        try:
            announcements = asyncio.create_task(frontend.show_announcements())
            if self._prompts and not self._quiet:
                frontend.show(Notice(_banner(self._session.welcome)))
            for problem in self._problems:
                frontend.show(Notice(problem, "error"))
            await self._converse(announcements)
            self._leaving = True
            await self._session.aclose()
            await announcements
        finally:
            frontend.close()
        return frontend.left.status if frontend.left is not None else 0

    async def _converse(self, announcements: "asyncio.Task[None]") -> None:
        """Like the frontend's, but not beyond the end of the program, which ends the announcements."""
        conversing = asyncio.ensure_future(self._frontend.converse())
        await asyncio.wait({conversing, announcements}, return_when=asyncio.FIRST_COMPLETED)
        if not self._has_screen and not conversing.done() and self._frontend.left is not None:
            # It waits for a line, perhaps for ever.
            conversing.cancel()
            await asyncio.wait({conversing})
        else:
            await conversing

    def _make_frontend(self) -> Frontend:
        if not self._has_screen:
            from aiorepl.terminal.plain import PlainFrontend

            prompts = (self._settings.text("prompt"), "... ") if self._prompts else None
            return PlainFrontend.on_standard_streams(self._session, prompts=prompts)
        from aiorepl.terminal.frontend import TerminalFrontend

        frontend = TerminalFrontend.on_terminal(self._session, self._settings, far=True)
        self._session.read_line = _reading(frontend)
        # As if this process printed it: above the prompt, line by line, and in its order.
        self._session.print_output = _print
        return frontend

    def _read_settings(self) -> list[str]:
        from aiorepl.terminal.files import settings_file

        path = settings_file()
        try:
            with open(path, encoding="utf-8") as file:
                problems = [f"{path}: {problem}" for problem in read_toml(file.read(), self._settings)]
        except FileNotFoundError:
            problems = []
        except (OSError, UnicodeDecodeError) as error:
            problems = [f"{path} was ignored: {error}"]
        for name, value in self._chosen.items():
            self._settings.set(name, value)
        return problems

    def _columns(self) -> int:
        try:
            # A screen has taken standard output.
            return os.get_terminal_size(0 if self._has_screen else sys.stdout.fileno()).columns or 80
        except (OSError, ValueError, AttributeError):
            return 80

    def _interrupt(self) -> None:
        if self._leaving:
            # A second Ctrl-C leaves at once; the program undoes what is left to be undone.
            self._frontend.close()
            os._exit(128 + signal.SIGINT)
        self._frontend.interrupt()


def _reading(frontend: Any) -> Any:
    from aiorepl.terminal.console import Interrupted as InterruptedAtTerminal

    async def read_line(prompt: str, hidden: bool) -> str:
        try:
            line: str = await frontend.read_line(prompt, hidden)
        except InterruptedAtTerminal:
            raise Interrupted from None
        return line

    return read_line


async def _print(output: Output) -> None:
    stream = sys.stdout if output.stream == "stdout" else sys.stderr

    def write() -> None:
        stream.write(output.text)
        stream.flush()

    # The frontend reads what is printed, on this very loop.
    await in_thread(write)


def _banner(welcome: Welcome) -> str:
    where = f"{welcome.name} (process {welcome.process}, Python {welcome.python})"
    does = "it only looks, and %write tells more" if welcome.read_only else "cells run there"
    return f"aiorepl is connected to {where}: {does}.\n%help lists the commands, Ctrl-D leaves."


def _is_terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except (OSError, ValueError):
        return False


def _parse(arguments: Sequence[str]) -> dict[str, Any]:
    import argparse

    parser = argparse.ArgumentParser(
        prog="aiorepl connect",
        description="Open a prompt in a process that has called aiorepl.serve(): cells run on its loop and see its "
        "names. Leaving ends what was typed there and nothing else. Cells are read from a pipe as well.",
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="a process's number, name, or socket's path")
    parser.add_argument("-q", dest="quiet", action="store_true", help="no banner")
    add_settings(parser)
    return vars(parser.parse_args(arguments))


def follow_main(word: str, arguments: Sequence[str]) -> int:
    """Show what happens in somebody's session, until it ends or Ctrl-C; return the exit status.

    Raises:
        AioreplError: If the arguments are wrong, or there is no such process or session.
    """
    import argparse

    parser = argparse.ArgumentParser(
        prog="aiorepl follow",
        description="Show what is typed and what happens in a session of a served process: the last of it, and from "
        "then on as it happens.",
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="a process's number, name, or socket's path")
    parser.add_argument("--session", type=int, default=0, metavar="N", help="which session (the newest)")
    parsed = parser.parse_args(arguments)
    try:
        return run_interruptibly(_follow(parsed.target, parsed.session))
    except KeyboardInterrupt:
        return 0


async def _follow(target: str | None, session: int) -> int:
    from aiorepl.terminal.lines import ByteLines, TextLines
    from aiorepl.terminal.plain import PlainFrontend

    found = find(target)
    channel, welcome = await greet(found, "follow", follows=session)
    process = found.process if runs(found.process) else 0
    nobody: Any = None
    lines = TextLines(ByteLines(0), "utf-8")
    screen = PlainFrontend(nobody, lines, out=sys.stdout, err=sys.stderr, prompts=None)
    screen.show(Notice(f"following session {welcome.session} of {found}; Ctrl-C ends it"))
    try:
        while True:
            try:
                message = await channel.receive()
            except RemoteProtocolError as error:
                raise AioreplError(f"{found}: {error}") from None
            if message is None or isinstance(message, Goodbye):
                reason = (message.reason if message is not None else "") or await how_lost(process)
                screen.show(Notice(f"{found}: {reason}"))
                return 0 if message is not None else 2
            if isinstance(message, Typed):
                print(">>> " + message.text.rstrip("\n").replace("\n", "\n... "), flush=True)
            elif isinstance(message, Happened | Announced):
                screen.show(message.event)
    finally:
        await channel.aclose()
