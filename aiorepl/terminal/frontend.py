"""The frontend for a person at a terminal: reads cells with prompt_toolkit, shows events above the prompt."""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text, to_plain_text
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.containers import HSplit
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.shortcuts import PromptSession
from prompt_toolkit.styles import DynamicStyle, Style

from aiorepl.interpret.source import Shell, classify
from aiorepl.model import Done, Edit, Event, Insert, Leave, Notice, Outcome, Progress
from aiorepl.session.jobs import ShellJob
from aiorepl.session.protocol import Session
from aiorepl.settings import Settings
from aiorepl.terminal.children import watch
from aiorepl.terminal.completer import SessionCompleter, SignatureHint
from aiorepl.terminal.console import Console, Interrupted, install
from aiorepl.terminal.drawing import Drawing
from aiorepl.terminal.editing import bindings, prefix_search, processors
from aiorepl.terminal.ending import EndingSignals
from aiorepl.terminal.guest_shell import GuestShells
from aiorepl.terminal.history import HistoryFile, SuggestFromHistory
from aiorepl.terminal.keyboard import GuestKeyboard
from aiorepl.terminal.lexer import SourceLexer
from aiorepl.terminal.prompts import own_prompt
from aiorepl.terminal.screen import Screen
from aiorepl.terminal.theme import style
from aiorepl.terminal.toolbar import toolbar, waiting

__all__ = ["TerminalFrontend"]

# Seconds: how often the lines that tell of the loop are drawn anew, and when a waiting cell is told about.
_REFRESH = 0.5
_WAITING = 1.0
# Seconds after the first prompt until what it did not wait for is loaded.
_IDLE = 0.1
# The longest that output is collected before it is written above the prompt, which then has to be drawn anew.
_GATHER = 0.02
# Seconds between two looks whether it is in the foreground again, of which nothing tells.
_LOOK = 0.05
# Seconds within which a second Ctrl-C at the prompt is meant for the program.
_AGAIN = 1.0

# What the prompt returns when it makes way for a question of the program's.
_ASIDE = "\0aside"


class TerminalFrontend:
    """See ``aiorepl.application.Frontend``; everything is called on the frontend's own loop."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        history: HistoryFile,
        *,
        input: Input,
        output: Output,
        screen: Screen | None = None,
        depth: ColorDepth = ColorDepth.DEPTH_1_BIT,
        ascii: bool = False,
        far: bool = False,
    ) -> None:
        """Read keys from ``input`` and draw on ``output``.

        Args:
            session: Where cells go.
            settings: Those in force.
            history: What was typed before, and will be.
            input: The keys.
            output: The same terminal as ``screen``'s.
            screen: Shows what the process prints; without it only events are shown.
            depth: How many colours there are.
            ascii: Draw with no other characters.
            far: The session is another process's.
        """
        self._session = session
        self._settings = settings
        self._history = history
        self._input = input
        self._output = output
        self._screen = screen
        self._depth = depth
        self._loop = asyncio.get_running_loop()
        self._owned = contextlib.ExitStack()
        self._drawing = Drawing(settings, colors=_colors(depth), ascii=ascii, width=self._columns, far=far)
        self._signature = SignatureHint(session.signature)
        # The application that has the terminal now: the prompt, a question, or none.
        self._app: Application[str] | None = None
        self._next = Document()
        self._edit = False
        self._running = False
        self._paging = False
        # A shell command has the terminal.
        self._in_shell = False
        # In someone's program: sends it what Ctrl-C sends, where a person may do so.
        self.stop_program: Callable[[], None] | None = None
        # Somebody reads descriptor 0, and is to get what is typed once the frontend has gone.
        self.forwards = False
        # When Ctrl-C was pressed last at the prompt.
        self._pressed = float("-inf")
        # Ctrl-C was pressed after Enter and before the cell was submitted.
        self._interrupted_early = False
        # What is to be shown above the prompt, and whether a callback is under way that will do it.
        self._above: list[str] = []
        self._flush_due = False
        # Questions of the program, one at a time; the prompt stays aside until all are answered.
        self._asking = asyncio.Lock()
        self._questions = 0
        self._answered = asyncio.Event()
        self._answered.set()
        # Held by whoever reads keys: the prompt, a question, a pager.
        self._terminal = asyncio.Lock()
        # In someone's program.
        self._shells: GuestShells | None = None
        if screen is not None and isinstance(input, GuestKeyboard):
            self._shells = GuestShells(screen, input, self._terminal, session.detach)
        self._tasks: set[asyncio.Future[None]] = set()
        self.left: Leave | None = None
        # In someone's program ``sys.ps1`` is the program's.
        self._guest = isinstance(input, GuestKeyboard)
        self._style = self._make_style()
        self._prompt = self._make_prompt()
        settings.listen(self._setting_changed)

    @classmethod
    def on_terminal(
        cls,
        session: Session,
        settings: Settings,
        *,
        guest: bool = False,
        takes_input: bool = False,
        far: bool = False,
        ending: EndingSignals | None = None,
    ) -> "TerminalFrontend":
        """Take over the terminal of this process.

        Args:
            session: Where cells go.
            settings: Those in force.
            guest: It is someone's program. Signals are left alone: Ctrl-C and Ctrl-Z are keys like others.
            far: The session is another process's.
            ending: Taken by the main thread, where this is another one.
            takes_input: What reads descriptor 0 gets what it is given by ``type_line``, and no keys.
        """
        from prompt_toolkit.output.vt100 import Vt100_Output

        from aiorepl.terminal.files import history_file
        from aiorepl.terminal.keyboard import Keyboard, without_signals

        history = HistoryFile(history_file(), settings.integer("history_size"))
        screen = Screen(without_signals if guest else None, takes_input=takes_input)
        keys = os.fdopen(screen.input, encoding=sys.stdin.encoding, closefd=False)
        input = GuestKeyboard(keys) if guest else Keyboard(sys.stdin)
        output = Vt100_Output.from_pty(screen.file, term=os.environ.get("TERM"))
        depth = ColorDepth.from_env() or output.get_default_color_depth()
        ascii = "utf" not in (screen.file.encoding or "").lower()
        frontend = cls(
            session,
            settings,
            history,
            input=input,
            output=output,
            screen=screen,
            depth=depth,
            ascii=ascii,
            far=far,
        )
        input.on_raw = frontend._show_foretaste
        frontend._owned.callback(lambda: screen.close(forward=frontend.forwards))
        if isinstance(input, GuestKeyboard):
            frontend._owned.enter_context(input.watch(interrupt=frontend.interrupt, suspend=frontend.suspend))
        frontend._owned.callback(watch(frontend.lend_screen))
        frontend._owned.enter_context(install(Console(read=frontend.read_line, page=frontend.page)))
        if settings.flag("title"):
            frontend._owned.enter_context(_title(output))
        if ending is None:
            ending = EndingSignals()
            ending.take()
            frontend._owned.callback(ending.give_back)
        frontend._owned.enter_context(ending.attended(frontend.vanish, in_foreground=screen.in_foreground))
        return frontend

    def past_entries(self) -> Sequence[str]:
        """What was typed in this session and in earlier ones, oldest first."""
        return self._history.entries()

    async def converse(self) -> None:
        """Read and submit cells until a person or a cell leaves."""
        self._loop.call_later(_IDLE, self._load_the_rest)
        problem = ""
        while self.left is None:
            if self._history.problem != problem:
                problem = self._history.problem
                self.show(Notice(problem, "error"))
            text = await self._read()
            if text is None:
                self.left = self.left or Leave(0)
            elif text.strip():
                typed = classify(text)
                self._in_shell = isinstance(typed, Shell) and not typed.background
                if self._screen is not None and self._in_shell:
                    self._screen.lend(True)
                await self.submit(self._session.submit(text))

    async def submit(self, events: AsyncIterator[Event]) -> Outcome:
        """Show the events of a submission; return how it ended."""
        if isinstance(self._input, GuestKeyboard):
            self._input.sift()
        self._running = True
        if self._screen is not None:
            self._screen.resize()
        watch = asyncio.create_task(self._tell_of_waiting())
        outcome: Outcome = "error"
        try:
            if self._interrupted_early:
                self._loop.call_soon(self.interrupt)
            async for event in events:
                if isinstance(event, Done):
                    outcome = event.outcome
                else:
                    self.show(event)
            if self._shells is not None:
                await self._shells.end()
        finally:
            self._running = self._interrupted_early = False
            watch.cancel()
            if self._shells is not None:
                await self._shells.end(cancel=True)
            if self._screen is not None and not self._terminal.locked():
                self._screen.status("")
                self._screen.restore()
        return outcome

    async def show_announcements(self) -> None:
        """Show what happens by itself, until the session has ended."""
        async for event in self._session.announcements():
            self.show(event)

    def show(self, event: Event) -> None:
        """Show an event, or do what it asks the frontend for."""
        if isinstance(event, Leave):
            self.left = event
            self._print(event.message + "\n" if event.message else "")
            if self._app is self._prompt.app and not self._app.is_done:
                # Not a person but what happened elsewhere ends the session.
                self._app.exit(exception=EOFError())
        elif isinstance(event, Insert | Edit):
            self._next, self._edit = Document(event.text), isinstance(event, Edit)
        elif isinstance(event, Progress):
            if self._screen is not None:
                self._screen.status(self._drawing.progress(event))
        else:
            self._print(self._drawing.draw(event))

    def interrupt(self) -> None:
        """Ctrl-C was pressed, or SIGINT was sent to the process."""
        if self._paging:
            return
        if self._app is not None and self._app.is_running and not self._app.is_done:
            self._app.key_processor.feed(KeyPress(Keys.ControlC))
            self._app.key_processor.process_keys()
        elif self._running and self._app is None:
            self._start(self._session.interrupt())
        else:
            self._interrupted_early = True

    def suspend(self) -> None:
        """Ctrl-Z was pressed, or SIGTSTP was sent to the process."""
        if self._app is not None:
            run_in_terminal(self._stop)
        elif self._running:
            self._start(self._session.detach())
        else:
            self._stop()

    @property
    def runs_cell(self) -> bool:
        """Tell whether a submission is in the foreground."""
        return self._running

    def leave(self) -> None:
        """Take no further cells; what is being typed vanishes, a question is answered by the end of input."""
        self.left = self.left or Leave(0)
        app = self._app
        if app is None or not app.is_running or app.is_done:
            return
        app.erase_when_done = True
        if app is self._prompt.app:
            app.exit(result=_ASIDE)
        else:
            app.exit(exception=EOFError())

    def close(self) -> None:
        """Give the terminal back."""
        self._owned.close()

    def vanish(self) -> None:
        """The process is about to be ended by a signal: leave the terminal as at any other end."""
        self._flush()
        app = self._app
        if app is not None and app.is_running and not app.is_done:
            app.exit(exception=EOFError())
            app._redraw(render_as_done=True)
        self.close()

    def lend_screen(self, waited_for: bool) -> None:
        """A child process is about to be started; any thread may call."""
        in_cell = self._running and self._app is None and asyncio._get_running_loop() is not self._loop
        if in_cell and self._screen is not None:
            self._screen.lend(waited_for)

    async def read_line(self, prompt: str, hidden: bool) -> str:
        """Read a line for the program; the prompt makes way for it.

        Raises:
            EOFError: At Ctrl-D on an empty line.
            Interrupted: At Ctrl-C.
        """
        async with self._asking, self._aside():
            question: PromptSession[str] = PromptSession(input=self._input, output=self._output)
            asked = question.prompt_async(
                ANSI(prompt), is_password=hidden, set_exception_handler=False, handle_sigint=False
            )
            try:
                return await self._run(question.app, asked)
            except KeyboardInterrupt:
                raise Interrupted from None

    async def start_shell(self, text: str) -> ShellJob:
        """Start what was typed after ``!`` in someone's program."""
        assert self._shells is not None
        return await self._shells.start(text, background=not self._in_shell)

    def settle(self) -> None:
        """Let what the process has printed so far stand before what is shown from now on; any thread may call."""
        if self._screen is not None:
            self._screen.settle()

    def type_line(self, text: str) -> None:
        """Give what reads descriptor 0 a line with its end, or the end of input if it is empty."""
        if self._screen is not None:
            self._screen.type(text or "\x04")

    async def page(self, text: str) -> None:
        """Show a long text in the person's pager, or as it is if there is none."""
        command = shlex.split(os.environ.get("PAGER", "")) or ["less", "-R"]
        if self._screen is None or shutil.which(command[0]) is None:
            self._print(text + "\n")
            return
        async with self._asking, self._aside(), self._terminal:
            self._screen.settle()
            self._paging = True
            try:
                real = self._screen.file.fileno()
                # The pager reads the keys.
                with self._input.detach():
                    pager = await asyncio.create_subprocess_exec(
                        *command, stdin=asyncio.subprocess.PIPE, stdout=real, stderr=real
                    )
                    await pager.communicate(text.encode())
            finally:
                self._paging = False

    async def _read(self) -> str | None:
        """Read a cell; None at the end of input."""
        while self.left is None:
            await self._answered.wait()
            buffer = self._prompt.default_buffer
            try:
                asked = self._prompt.prompt_async(
                    default=self._next, pre_run=self._before_prompt, set_exception_handler=False, handle_sigint=False
                )
                text = await self._run(self._prompt.app, asked)
            except EOFError:
                return None
            except KeyboardInterrupt:
                self._next = Document()
                self._print(self._drawing.paint(self._interrupted(), "dim") + "\n")
                continue
            finally:
                self._prompt.app.erase_when_done = False
            if text != _ASIDE:
                self._next = Document()
                return text
            self._next = buffer.document
        return None

    def _interrupted(self) -> str:
        """Ctrl-C was pressed at the prompt; return what is said about that."""
        if self.stop_program is None:
            return "KeyboardInterrupt"
        now = self._loop.time()
        again, self._pressed = now - self._pressed < _AGAIN, now
        if not again:
            return "KeyboardInterrupt; Ctrl-C again at once goes to the program"
        self._pressed = float("-inf")
        self.stop_program()
        return "Ctrl-C was sent to the program"

    async def _run(self, app: Application[str], asked: Any) -> str:
        """Give the terminal to an application until it is done; what is printed meanwhile goes above it."""
        prompting = contextlib.nullcontext() if self._screen is None else self._screen.prompting(self._output_came)
        async with self._terminal:
            with prompting:
                self._app = app
                try:
                    text: str = await asked
                    return text
                finally:
                    self._app = None
                    self._flush()

    @contextlib.asynccontextmanager
    async def _aside(self) -> AsyncIterator[None]:
        """Keep the prompt away; what was typed comes back with it."""
        self._questions += 1
        self._answered.clear()
        try:
            if self._app is not None and not self._app.is_done:
                self._app.erase_when_done = True
                self._app.exit(result=_ASIDE)
            yield
        finally:
            self._questions -= 1
            if not self._questions:
                self._answered.set()

    def _show_foretaste(self) -> None:
        """Show the prompt at once: to draw it with all that belongs to it takes several times as long."""
        if self._app is self._prompt.app:
            first = to_plain_text(self._before_first_line()).partition("\n")[0]
            self._output.write_raw(self._drawing.paint(first, "prompt"))
            self._output.flush()
            # Sent with what the renderer draws over it, from the start of the line.
            self._output.write_raw("\r")

    def _before_prompt(self) -> None:
        if self._edit:
            self._edit = False
            self._prompt.default_buffer.open_in_editor()

    async def _tell_of_waiting(self) -> None:
        """While a cell waits, show for how long and on what."""
        while True:
            await asyncio.sleep(_REFRESH)
            if self._screen is None or self._app is not None or self._paging:
                continue
            self._screen.resize()
            running = self._session.status().running
            if running is not None and running.waits_on and not self._in_shell:
                # A cell that waits has no child that it waits for.
                self._screen.lend(False)
            if running is not None and running.waits_on and running.elapsed > _WAITING:
                self._screen.status(self._drawing.paint(waiting(running, self._columns()), "dim"))
            elif running is not None:
                self._screen.status("")

    def _print(self, text: str) -> None:
        if not text:
            return
        if self._app is not None:
            self._above.append(text)
            self._output_came()
        elif self._screen is not None:
            self._screen.settle()
            self._screen.print(text)
        else:
            self._output.write_raw(text)
            self._output.flush()

    def _output_came(self) -> None:
        """Something is to be shown above the prompt; called from any thread, again and again."""
        if not self._flush_due:
            self._flush_due = True
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._flush_soon)

    def _flush_soon(self) -> None:
        # What comes in one burst is shown in one go: each time, the prompt has to be drawn anew.
        self._loop.call_later(_GATHER, self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        app = self._app
        if app is not None and app.is_running and app.is_done:
            # It is about to take itself from the screen, or to go to a new line; then this is called again.
            return
        text = (self._screen.take() if self._screen is not None else "") + "".join(self._above)
        self._above.clear()
        if not text:
            return
        if app is None or not app.is_running:
            self._output.write_raw(text)
            self._output.flush()
            return
        renderer = app.renderer
        # How many lines there are below the prompt, which the renderer asks the terminal for: it would forget that, and
        # the toolbar would vanish until the answer comes.
        below = renderer._min_available_height
        renderer.erase(leave_alternate_screen=False)
        self._output.write_raw(text)
        self._output.flush()
        renderer._min_available_height = max(1, below - text.count("\n")) if below else 0
        app._redraw()

    def _make_prompt(self) -> "PromptSession[str]":
        settings = self._settings
        keys = KeyBindings()

        @keys.add("c-z")
        def _(event: KeyPressEvent) -> None:
            run_in_terminal(self._stop)

        prompt: PromptSession[str] = PromptSession(
            self._before_first_line,
            multiline=True,
            lexer=SourceLexer(),
            history=self._history,
            auto_suggest=SuggestFromHistory() if settings.flag("suggest") else None,
            completer=SessionCompleter(self._session.complete),
            complete_while_typing=Condition(lambda: settings.flag("complete")),
            prompt_continuation=self._before_next_line,
            style=DynamicStyle(lambda: self._style),
            include_default_pygments_style=False,
            color_depth=self._depth,
            mouse_support=Condition(lambda: settings.flag("mouse")),
            enable_open_in_editor=True,
            tempfile_suffix=".py",
            input_processors=processors(),
            key_bindings=merge_key_bindings([bindings(), keys]),
            bottom_toolbar=self._toolbar if settings.flag("toolbar") else None,
            refresh_interval=_REFRESH,
            editing_mode=_editing_mode(settings.text("edit_mode")),
            input=self._input,
            output=self._output,
        )
        # A key is drawn before it is completed: not, as by default, when the loop has nothing else to do.
        prompt.app.max_render_postpone_time = None
        prefix_search(prompt.default_buffer)
        self._signature.attach(prompt.default_buffer)
        root = prompt.layout.container
        assert isinstance(root, HSplit)
        # Above the toolbar, which is the last.
        root.children.insert(-1, self._signature.container())
        return prompt

    def _before_first_line(self) -> StyleAndTextTuples:
        own = None if self._guest else own_prompt("ps1")
        if own is not None:
            return to_formatted_text(ANSI(own), style="class:prompt")
        return [("class:prompt", self._settings.text("prompt"))]

    def _before_next_line(self, width: int, _line: int, wrapped: int) -> StyleAndTextTuples:
        """What stands before a further line; before the rest of one that was too wide, nothing does."""
        own = None if self._guest else own_prompt("ps2")
        if own is not None and not wrapped:
            return to_formatted_text(ANSI(own), style="class:continuation")
        return [("class:continuation", ("" if wrapped else "... ").rjust(width)[:width])]

    def _make_style(self) -> Style:
        return style(self._drawing.theme, colors=bool(self._drawing.colors))

    def _toolbar(self) -> StyleAndTextTuples:
        return toolbar(self._session.status(), self._columns())

    def _columns(self) -> int:
        return self._output.get_size().columns

    def _setting_changed(self, name: str, value: object) -> None:
        if name == "theme":
            self._style = self._make_style()
        elif name == "edit_mode":
            self._prompt.editing_mode = _editing_mode(str(value))
        elif name == "suggest":
            self._prompt.auto_suggest = SuggestFromHistory() if value else None
        elif name == "toolbar":
            self._prompt.bottom_toolbar = self._toolbar if value else None

    def _load_the_rest(self) -> None:
        """Load in a thread what the first prompt did not wait for."""

        def load() -> None:
            lexer = SourceLexer.by_pygments()
            # The frontend may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(color, lexer)
                self._session.warm()

        def color(lexer: SourceLexer) -> None:
            self._prompt.lexer = lexer
            self._prompt.app.invalidate()

        threading.Thread(target=load, name="aiorepl-load", daemon=True).start()

    def _stop(self) -> None:
        """Stop the process until the shell lets it go on."""
        # Not by SIGTSTP, which is taken: Ctrl-Z while a cell runs makes a job of it. To this thread, as another one
        # would take the signal a little later, and the terminal's modes would have changed back by then.
        with contextlib.nullcontext() if self._screen is None else self._screen.given_back():
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            # Let go on in the background, it leaves the terminal alone, and may be ended by a signal meanwhile.
            while self._screen is not None and self._screen.in_background():
                time.sleep(_LOOK)

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _editing_mode(name: str) -> EditingMode:
    return EditingMode.VI if name == "vi" else EditingMode.EMACS


def _colors(depth: ColorDepth) -> int:
    return {ColorDepth.DEPTH_1_BIT: 0, ColorDepth.DEPTH_4_BIT: 16, ColorDepth.DEPTH_8_BIT: 256}.get(depth, 1 << 24)


@contextlib.contextmanager
def _title(output: Output) -> Any:
    """Give the window a title, and its own back (where the terminal keeps a stack of them)."""
    output.write_raw("\x1b[22;0t")
    output.set_title("aiorepl")
    output.flush()
    try:
        yield
    finally:
        output.write_raw("\x1b[23;0t")
        output.flush()
