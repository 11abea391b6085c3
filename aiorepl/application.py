"""Put a loop, a session and a frontend together, and run them on the threads where they belong."""

import asyncio
import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from aiorepl import __version__
from aiorepl.alerts.debugmode import in_debug_mode
from aiorepl.errors import AioreplError
from aiorepl.interpret.host import LoopHost, loop_factory
from aiorepl.interpret.interpreter import Interpreter, Represent
from aiorepl.interpret.interrupt import MainThreadRaiser, raise_in
from aiorepl.interpret.main_module import install_leavers, make_main
from aiorepl.interpret.private_loop import private_loop
from aiorepl.interpret.source import silence_checks, split
from aiorepl.model import Event, Leave, Notice, Outcome
from aiorepl.options import Options
from aiorepl.programs import Program, import_from_here, read_file, read_module
from aiorepl.session.local import LocalSession
from aiorepl.settings import Settings

if TYPE_CHECKING:
    from aiorepl.terminal.ending import EndingSignals

__all__ = ["Application"]


# Seconds.
_SWITCH_INTERVAL = 0.001
# Seconds within which the prompt has appeared, and what was typed before it has been run.
_FIRST_PROMPT = 0.1


class Frontend(Protocol):
    """What a person sees of a session: made for a terminal, or for a pipe."""

    left: Leave | None

    async def show_announcements(self) -> None:
        """Show what happens by itself, until the session has ended."""

    async def submit(self, events: AsyncIterator[Event]) -> Outcome:
        """Show the events of a submission; return how it ended."""

    async def converse(self) -> None:
        """Take submissions from a person or a stream until there are no more, or one leaves."""

    def show(self, event: Event) -> None:
        """Show an event."""

    def interrupt(self) -> None:
        """Ctrl-C was pressed while the frontend was not reading keys."""

    def suspend(self) -> None:
        """Ctrl-Z was pressed while the frontend was not reading keys."""

    def close(self) -> None:
        """Leave the terminal and the standard streams as they were found."""


class Application:
    """One run of the program.

    With a prompt, the user's loop has a worker thread and the frontend the main thread, or with ``--main-loop`` the
    other way round. Without a prompt it is always the other way round: a program's own signal handlers then work as in
    Python.
    """

    def __init__(self, options: Options, settings: Settings) -> None:
        """Prepare what the arguments ask for."""
        self._options = options
        self._settings = settings
        # As with Python, a file named - is the standard input.
        self._has_file = bool(options.file) and options.file[0] != "-"
        self._has_program = bool(options.code or options.module or self._has_file)
        self._converses = options.interactive or not self._has_program
        self._prompts = self._converses and _is_terminal(sys.stdin)
        self._has_screen = self._prompts and _is_terminal(sys.stdout) and os.environ.get("TERM") not in (None, "dumb")
        self._in_main_thread = options.main_loop or not self._prompts
        if self._has_screen:
            # How long a cell that computes keeps a key from being shown; 5 ms by default.
            sys.setswitchinterval(_SWITCH_INTERVAL)
        self._session: LocalSession
        self._frontend: Frontend | None = None
        self._frontend_loop: asyncio.AbstractEventLoop | None = None
        self._status = 0
        self._interrupted = False
        self._leaving = False
        # Of the main thread's, where the frontend has another one.
        self._ending: EndingSignals | None = None

    def run(self) -> int:
        """Run to the end; return the exit status.

        Raises:
            AioreplError: If what was asked for cannot be done.
        """
        program = self._read_program()
        factory = loop_factory(self._options.loop)
        if self._options.debug:
            factory = in_debug_mode(factory)
        silence_checks()
        install_leavers()
        main = make_main()
        if program is not None:
            program.install(main)
        raiser = MainThreadRaiser(self._pressed) if self._in_main_thread else raise_in
        interpreter = Interpreter(main.__dict__, represent=self._represent())
        if isinstance(raiser, MainThreadRaiser):
            interpreter.before_cell = raiser.reinstall
        self._session = LocalSession(
            interpreter,
            partial(LoopHost, factory),
            settings=self._settings,
            raiser=raiser,
            in_main_thread=self._in_main_thread,
            watched=self._prompts,
        )
        if isinstance(raiser, MainThreadRaiser):
            raiser.install()
            if self._has_screen:
                signal.signal(signal.SIGTSTP, lambda *_: self._in_frontend(self._suspend))
                self._take_ending()
            self._run_beside(program)
        else:
            self._run_frontend(program)
        return self._end()

    def _take_ending(self) -> None:
        from aiorepl.terminal.ending import EndingSignals

        self._ending = EndingSignals()
        self._ending.take()

    def _read_program(self) -> Program | None:
        options = self._options
        if not (options.module or self._has_file):
            import_from_here()
        if options.code:
            return Program(options.code[0], "", ["-c", *options.code[1:]], show=True)
        if options.module:
            return read_module(options.module[0], options.module[1:])
        if self._has_file:
            return read_file(options.file[0], options.file[1:])
        sys.argv = list(options.file) or [""]
        return None

    def _represent(self) -> Represent:
        if not self._has_screen:
            # Loaded before there is a second thread to take turns with.
            from aiorepl.interpret.representation import represent_plain
            from aiorepl.render.own_results import with_own
            from aiorepl.terminal.plain import columns

            return with_own(represent_plain, partial(columns, sys.stdout))
        from aiorepl.terminal.results import bounded

        return bounded(self._settings)

    def _run_beside(self, program: Program | None) -> None:
        """Serve the loop on this thread, and the frontend on another."""
        frontend = threading.Thread(target=self._run_frontend, args=(program,), name="aiorepl-frontend", daemon=True)
        frontend.start()
        host = self._session.host
        assert isinstance(host, LoopHost)
        host.serve()
        frontend.join()

    def _run_frontend(self, program: Program | None) -> None:
        try:
            with asyncio.Runner(loop_factory=private_loop, debug=False) as runner:
                runner.run(self._converse(program))
        except BaseException:
            self._status = 1
            self._session.host.close(timeout=0)
            raise

    async def _converse(self, program: Program | None) -> None:
        loop = self._frontend_loop = asyncio.get_running_loop()
        self._frontend = frontend = self._make_frontend()
        try:
            # With a prompt not before that is there: a first collection goes through all that has been loaded.
            loop.call_later(_FIRST_PROMPT if self._has_screen else 0, gc.enable)
            await self._session.open()
            if not self._in_main_thread:
                loop.add_signal_handler(signal.SIGINT, self._interrupt)
                if self._has_screen:
                    loop.add_signal_handler(signal.SIGTSTP, self._suspend)
            announcements = asyncio.create_task(frontend.show_announcements())
            await self._work(frontend, program)
            if frontend.left is not None:
                self._status = frontend.left.status
            self._leaving = True
            await self._session.aclose()
            await announcements
        finally:
            frontend.close()

    async def _work(self, frontend: Frontend, program: Program | None) -> None:
        if program is not None:
            await self._run_program(frontend, program)
        if not self._converses or frontend.left is not None:
            return
        if not (self._options.quiet or sys.flags.quiet):
            frontend.show(Notice(_banner()))
        if program is None and not sys.flags.isolated:
            await self._run_startup(frontend)
        self._status = 0
        if frontend.left is None:
            await frontend.converse()

    async def _run_program(self, frontend: Frontend, program: Program) -> None:
        for cell in split(program.source):
            events = self._session.submit(cell, filename=program.filename, show=program.show)
            outcome = await frontend.submit(events)
            if outcome in ("error", "interrupted"):
                self._status = 1
                self._interrupted = outcome == "interrupted"
            if outcome != "ok" or frontend.left is not None:
                return

    async def _run_startup(self, frontend: Frontend) -> None:
        """Run what a person wants at every prompt; if it fails that is shown, and the prompt comes anyway."""
        names = [] if sys.flags.ignore_environment else [os.environ.get("PYTHONSTARTUP", "")]
        if self._has_screen:
            from aiorepl.terminal.files import startup_file

            names.append(startup_file())
        for name in filter(None, names):
            try:
                program = read_file(name, [])
            except OSError as error:
                frontend.show(Notice(f"cannot read {name}: {error.strerror}", "error"))
                continue
            except AioreplError as error:
                frontend.show(Notice(str(error), "error"))
                continue
            await frontend.submit(self._session.submit(program.source, filename=name, show=False))

    def _make_frontend(self) -> Frontend:
        if not self._has_screen:
            from aiorepl.terminal.plain import PlainFrontend

            prompts = (self._settings.text("prompt"), "... ") if self._prompts else None
            return PlainFrontend.on_standard_streams(self._session, prompts=prompts)
        from aiorepl.terminal.files import read_settings
        from aiorepl.terminal.frontend import TerminalFrontend

        problems = read_settings(self._settings)
        for name, value in self._options.settings.items():
            self._settings.set(name, value)
        frontend = TerminalFrontend.on_terminal(self._session, self._settings, ending=self._ending)
        self._session.past_entries = frontend.past_entries
        for problem in problems:
            frontend.show(Notice(problem, "error"))
        return frontend

    def _pressed(self) -> None:
        """SIGINT came to the main thread, which is the loop's."""
        self._in_frontend(self._interrupt)

    def _in_frontend(self, function: Callable[[], object]) -> None:
        if self._frontend_loop is not None:
            self._frontend_loop.call_soon_threadsafe(function)

    def _suspend(self) -> None:
        if self._frontend is not None:
            self._frontend.suspend()

    def _interrupt(self) -> None:
        if self._frontend is None:
            return
        if not self._leaving:
            self._frontend.interrupt()
            return
        # A second Ctrl-C leaves at once, whatever has not ended yet.
        self._frontend.close()
        _exit_now(self._status or 128 + signal.SIGINT)

    def _end(self) -> int:
        # From here on, Ctrl-C ends the process: nothing is left that it could interrupt.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if self._ending is not None:
            self._ending.give_back()
        if self._interrupted and not self._converses:
            # As Python does, so that a shell sees what ended it.
            _flush()
            os.kill(os.getpid(), signal.SIGINT)
        if _has_stuck_threads():
            # They have been named; Python would wait for them without a limit.
            atexit._run_exitfuncs()
            _exit_now(self._status)
        return self._status


def _banner() -> str:
    version = sys.version.split()[0]
    return (
        f"aiorepl {__version__} on Python {version} ({sys.platform}). asyncio is imported, await works here.\n"
        "%help lists the commands, obj? explains an object, Ctrl-D leaves."
    )


def _is_terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except (OSError, ValueError):
        return False


def _has_stuck_threads() -> bool:
    pool = sys.modules.get("concurrent.futures.thread")
    return pool is not None and any(thread.is_alive() for thread in list(pool._threads_queues))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue


def _exit_now(status: int) -> None:
    _flush()
    os._exit(status)
