"""What a prompt beside a program does for it: follows its loops, tells of its end, gives it its standard input."""

import asyncio
import signal
import sys
import threading
import time
import weakref
from functools import partial
from typing import Any

from aiorepl.interpret.app_host import AppHost
from aiorepl.interpret.host import Host, LoopHost
from aiorepl.interpret.interpreter import Interpreter, Represent
from aiorepl.interpret.main_module import lend_usual
from aiorepl.interpret.program_namespace import ProgramNamespace
from aiorepl.interpret.source import Python, Typed
from aiorepl.introspect.failures import describe
from aiorepl.introspect.loops import loops, number_of, thread_of
from aiorepl.introspect.stdin_readers import blocked_in_read, watched_by
from aiorepl.introspect.uv import is_uvloop
from aiorepl.model import Notice
from aiorepl.session.jobs import Shells
from aiorepl.session.local import LocalSession
from aiorepl.settings import Settings
from aiorepl.terminal.console import Interrupted
from aiorepl.terminal.frontend import TerminalFrontend

__all__ = ["Companion"]

# Seconds between two looks at the program, and how many times as long as a look takes it is at least.
_PERIOD = 0.2
_SELDOM = 50


class Companion:
    """See ``aiorepl.commands.context.Program``; used on the prompt's thread, but for what says otherwise.

    Cells run on the loop that a person has chosen, or else on one of the program's: the main thread's, if it has one
    there. While none is running they run on a loop of aiorepl's own, which a first cell is told about.
    """

    def __init__(self, names: ProgramNamespace, name: str) -> None:
        """Stand beside a program with these names, which is called so."""
        self._names = names
        self._name = name
        self._session: LocalSession
        self._frontend: TerminalFrontend
        self._spare: Host
        self._chosen: weakref.ref[asyncio.AbstractEventLoop] | None = None
        # Changed by the main thread, once.
        self._ended = False
        # What has been told since it was last different.
        self._told_of_spare = False
        self._told_of_stdin = False

    def make_session(self, settings: Settings, represent: Represent, shells: Shells) -> LocalSession:
        """Make the session of the prompt."""
        lend_usual(self._names)
        interpreter = Interpreter(self._names, represent=represent)
        make_host = partial(LoopHost, asyncio.new_event_loop)
        session = LocalSession(interpreter, make_host, settings=settings, shells=shells)
        self._session, self._spare = session, session.host
        session.program, session.before = self, self._before
        return session

    async def attend(self, frontend: Any) -> None:
        """Look at the program every now and then, for as long as the prompt is there."""
        self._frontend = frontend
        frontend.stop_program = self.stop
        while True:
            begun = time.perf_counter()
            self._follow()
            took = time.perf_counter() - begun
            if blocked_in_read(0):
                await self._ask_for_line()
            elif not is_uvloop(self._session.host.loop):
                self._tell_of_stdin()
            await asyncio.sleep(max(_PERIOD, _SELDOM * took))

    def program_ended(self, error: BaseException | None, elapsed: float, *, stays: bool) -> None:
        """The program has come to its end, which is told; called by the main thread."""
        self._ended = True
        self._session.program = None
        # The traceback comes before that.
        self._frontend.settle()
        more = "; the prompt keeps its names, exit or Ctrl-D leaves" if stays else ""
        self._session.tell(Notice(f"{self._name} ended {_how(error)} after {elapsed:.1f} s{more}"))

    def prompt_ended(self) -> None:
        """The prompt has given the terminal back; on any thread."""
        if not self._ended:
            print(f"aiorepl: the prompt has been left and {self._name} goes on; Ctrl-C stops it", file=sys.stderr)

    def stop(self) -> None:
        """Send the program what Ctrl-C sends, to its main thread, so that a wait there is interrupted as well."""
        if not self._ended:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)

    def type_line(self, text: str) -> None:
        """Give the program a line, or the end of its standard input."""
        self._frontend.type_line(text)

    def choose(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run cells on this loop from now on, as long as it runs."""
        self._chosen = weakref.ref(loop)
        self._follow()

    def _before(self, typed: Typed) -> None:
        """Something has been typed and is about to be run."""
        self._follow()
        own = self._session.host.owned and not self._ended and self._chosen is None
        if own and not self._told_of_spare and isinstance(typed, Python):
            self._session.emit(Notice(f"{self._name} runs no loop now; this runs on one of aiorepl's own"))
        self._told_of_spare = own
        self._tell_of_stdin()

    def _follow(self) -> None:
        """Let cells run where they should by now."""
        host = self._session.host
        if host.owned:
            # It may have been left behind for another one.
            self._spare = host
        wanted = self._wanted(host)
        if wanted is not host:
            self._session.move(wanted)

    def _wanted(self, host: Host) -> Host:
        chosen = self._chosen() if self._chosen is not None else None
        if self._ended or chosen is self._spare.loop:
            return self._spare
        if chosen is not None and chosen.is_running():
            return host if host.loop is chosen else AppHost(chosen)
        self._chosen = None
        if not host.owned and host.loop.is_running():
            return host
        found = self._loops()
        main = threading.main_thread().ident
        # In the main thread, or else the first that was seen.
        found.sort(key=lambda loop: (thread_of(loop) != main, number_of(loop)))
        return AppHost(found[0]) if found else self._spare

    def _loops(self) -> list[asyncio.AbstractEventLoop]:
        """The loops of the program that are running."""
        return [loop for loop in loops() if loop is not self._spare.loop]

    async def _ask_for_line(self) -> None:
        """A thread of the program waits for standard input in a way of its own: the prompt makes way."""
        # Also if it is left now, and with it the question.
        self._frontend.forwards = True
        try:
            line = await self._frontend.read_line("", hidden=False) + "\n"
        except EOFError:
            line = ""
        except Interrupted:
            self.stop()
            return
        self.type_line(line)

    def _tell_of_stdin(self) -> None:
        """A loop of the program waits for standard input, and for much else: the prompt stays."""
        if not self._told_of_stdin and watched_by(self._session.host.loop, 0):
            self._told_of_stdin = self._frontend.forwards = True
            text = f"{self._name} reads standard input; %stdin TEXT gives it a line, Ctrl-D gives it the terminal"
            self._session.tell(Notice(text))


def _how(error: BaseException | None) -> str:
    if error is None:
        return "by itself"
    if isinstance(error, KeyboardInterrupt):
        return "by KeyboardInterrupt"
    if isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code
        return f"with exit status {code}" if isinstance(code, int) else f"with exit status 1: {code}"
    return f"by {describe(error).summary}"
