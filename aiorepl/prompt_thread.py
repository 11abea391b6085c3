"""A prompt inside a program: a thread with a private loop, and the terminal for as long as the prompt is there."""

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from aiorepl.interpret.interpreter import Represent
from aiorepl.interpret.private_loop import private_loop
from aiorepl.interpret.source import silence_checks, speak_up
from aiorepl.introspect.futures import name_future
from aiorepl.model import Event, Leave, Notice
from aiorepl.session.jobs import ShellJob, Shells
from aiorepl.session.local import LocalSession
from aiorepl.settings import Settings
from aiorepl.terminal.ending import EndingSignals

__all__ = ["PromptThread", "no_terminal"]

MakeSession = Callable[[Settings, Represent, Shells], LocalSession]

# The one that has the terminal, or had it last; changed under the lock.
_latest: "PromptThread | None" = None
_lock = threading.Lock()


def no_terminal() -> str:
    """Say why there can be no prompt here, or return an empty text."""
    if not hasattr(os, "tcgetpgrp"):
        return "this system has no terminals as POSIX has them"
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
        if not _is_terminal(stream):
            return f"the standard {name} is not a terminal"
    if os.environ.get("TERM") in (None, "dumb"):
        return "a terminal of this kind (TERM) can do nothing"
    try:
        in_background = os.tcgetpgrp(0) != os.getpgrp()
    except OSError:
        return "the process has no controlling terminal"
    if in_background:
        return "the program is in the background of its terminal"
    console = sys.modules.get("aiorepl.terminal.console")
    has_prompt = console is not None and isinstance(sys.stdin, console.ConsoleInput)
    return "a prompt has the terminal already" if has_prompt else ""


class PromptThread:
    """The prompt of one session; any thread but its own may call its methods.

    It takes the program's descriptors 1 and 2, its ``sys.stdin``, ``input`` and ``help``, and the terminal's modes,
    and gives them back when it ends. Signals it leaves alone, but for those that nobody has a handler for and that
    would end the process with the terminal still taken.
    """

    def __init__(
        self,
        make_session: MakeSession,
        *,
        first: Sequence[Event] = (),
        settings: Mapping[str, str] | None = None,
        attend: Callable[[Any], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """Prepare one that has not begun.

        Args:
            make_session: Called on the prompt's thread with the settings in force, what represents values and what
                starts shell commands.
            first: What is shown before the first prompt.
            settings: Those that overrule the settings file.
            attend: The prompt is there for as long as the program runs, so that nobody else need wait for the terminal,
                and has the program's standard input too. This runs on its loop meanwhile, and is given the frontend.
        """
        self.stays = attend is not None
        self._make_session = make_session
        self._first = first
        self._settings = dict(settings or {})
        self._attend = attend
        # How a person left; None before, and if the prompt was asked to end.
        self.left: Leave | None = None
        self._process = os.getpid()
        self._asked_to_leave: concurrent.futures.Future[None] = concurrent.futures.Future()
        # Resolved with the session when all output goes above the prompt, or with what kept the prompt from coming.
        self.ready: concurrent.futures.Future[LocalSession] = concurrent.futures.Future()
        # Resolved when everything has been given back.
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        # Said at the prompt itself.
        name_future(self.ended, "this prompt")
        self._ending = EndingSignals()

    def claim(self) -> "PromptThread | None":
        """Get the terminal, or return the prompt that has it: its end is to be awaited before another try."""
        global _latest
        with _lock:
            # What a forked child has inherited has no thread there.
            if _latest is not None and not _latest.ended.done() and _latest._process == os.getpid():
                return _latest
            _latest = self
            return None

    def start(self) -> None:
        """Begin, in a thread of its own, once the terminal has been claimed."""
        self._ending.take()
        name = "aiorepl-beside" if self.stays else "aiorepl-prompt"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def give_up(self) -> None:
        """Leave the terminal, which was claimed, to others: the prompt does not begin."""
        self._end()

    def give_signals_back(self) -> None:
        """Touch no signal any more; to be called by the thread that has called ``start``."""
        self._ending.give_back()

    def leave(self) -> None:
        """End the prompt, whatever it is doing; returns at once."""
        if not self._asked_to_leave.done():
            self._asked_to_leave.set_result(None)

    def _end(self) -> None:
        global _latest
        if self.stays:
            # The program has the main thread, and goes on.
            self._ending.give_back_soon()
        with _lock:
            if _latest is self:
                _latest = None
        self.ended.set_result(None)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=private_loop, debug=False) as runner:
                runner.run(self._converse())
        except BaseException as error:
            if self.ready.done():
                raise
            self.ready.set_exception(error)
        finally:
            self._end()

    async def _converse(self) -> None:
        session, frontend, problems = self._take_terminal()
        silence_checks()
        try:
            await session.open()
            announcements = asyncio.create_task(frontend.show_announcements())
            attending = None if self._attend is None else asyncio.create_task(self._attend(frontend))
            self.ready.set_result(session)
            for event in (*self._first, *(Notice(problem, "error") for problem in problems)):
                frontend.show(event)
            await self._until_left(frontend)
            if attending is not None:
                attending.cancel()
                await asyncio.wait({attending})
            await session.aclose()
            await announcements
        finally:
            frontend.close()
            speak_up()

    def _take_terminal(self) -> tuple[LocalSession, Any, list[str]]:
        """Make the session and its frontend; return them with what is wrong with the settings file."""
        # Loaded here, while the program goes on.
        from aiorepl.terminal.files import read_settings
        from aiorepl.terminal.frontend import TerminalFrontend
        from aiorepl.terminal.results import bounded

        async def start_shell(text: str) -> ShellJob:
            return await frontend.start_shell(text)

        settings = Settings()
        problems = read_settings(settings)
        for name, value in self._settings.items():
            settings.set(name, value)
        session = self._make_session(settings, bounded(settings), start_shell)
        frontend = TerminalFrontend.on_terminal(
            session, settings, guest=True, takes_input=self.stays, ending=self._ending
        )
        session.past_entries = frontend.past_entries
        return session, frontend, problems

    async def _until_left(self, frontend: Any) -> None:
        """Take cells until a person leaves, or somebody asks the prompt to."""
        asked = asyncio.wrap_future(self._asked_to_leave)
        conversation = asyncio.create_task(frontend.converse())
        await asyncio.wait({asked, conversation}, return_when=asyncio.FIRST_COMPLETED)
        if not conversation.done():
            frontend.leave()
            if frontend.runs_cell:
                conversation.cancel()
        else:
            self.left = frontend.left
        await asyncio.wait({conversation})
        if not conversation.cancelled():
            conversation.result()


def _is_terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except (OSError, ValueError):
        return False
