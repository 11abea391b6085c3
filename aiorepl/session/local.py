"""A session in this process: cells on aiorepl's own loop or on an app's, commands and questions beside it."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aiorepl.alerts.guests import GUEST
from aiorepl.alerts.values import Rules
from aiorepl.alerts.watcher import Watcher, shared
from aiorepl.commands.context import Entry, Evaluation, Feed, Program
from aiorepl.commands.from_python import Repl
from aiorepl.errors import CommandError
from aiorepl.interpret.daemon import in_thread
from aiorepl.interpret.host import Host, HostFactory
from aiorepl.interpret.interpreter import Ending, Execution, Interpreter, last_failure, restore_last_failure
from aiorepl.interpret.interrupt import raise_in
from aiorepl.interpret.program_namespace import ProgramNamespace
from aiorepl.interpret.source import Cell, Command, Help, Python, Shell, Typed, classify
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.failures import describe
from aiorepl.model import (
    Answer,
    Completion,
    Done,
    Event,
    Failure,
    Leave,
    Notice,
    Outcome,
    Running,
    Signature,
    Status,
)
from aiorepl.session.access import Everything, Guarded
from aiorepl.session.alerts import AlertFeed, rules_of
from aiorepl.session.feeds import Feeds
from aiorepl.session.interrupts import Interrupts, Raiser, held_words
from aiorepl.session.jobs import CellJob, JobTable, Runs, ShellJob, Shells, start_shell
from aiorepl.session.task_count import TaskCount
from aiorepl.session.undo import UndoStack
from aiorepl.settings import Settings

if TYPE_CHECKING:
    from aiorepl.commands.registry import Registry
    from aiorepl.interpret.completion import Completer
    from aiorepl.introspect.inspector import NearbyInspector

__all__ = ["LocalSession"]

T = TypeVar("T")

# Without a prompt nobody is there to be told how the loop is doing.
_BARE = Rules(slow=0, lag=0, saturation=0, first_step=0, spinning=0, unretrieved=0.05, swallowed=0, look=0, exact=False)

# Seconds after which it is said that an app's loop does not come to a cell, and until one is withdrawn by itself.
_SAYS = 1.0
_WITHDRAWS = 10.0

_INTERRUPTED = Failure("KeyboardInterrupt\n", "KeyboardInterrupt")

# Seconds within which the rest of a line arrives that was typed before the prompt came.
_TYPED_AHEAD = 0.05
# Seconds for which what was seen of the tasks is good enough to complete their names.
_FRESH = 1.0
# Seconds between times at which is done what nobody waits for.
_OFTEN = 0.1
# A beat that was not answered for so long is shown as a blocked loop.
_BLOCKED = 0.5


class LocalSession:
    """See ``aiorepl.session.protocol.Session``; ``open`` is awaited first, on the frontend's loop."""

    def __init__(
        self,
        interpreter: Interpreter,
        make_host: HostFactory,
        *,
        settings: Settings,
        past_entries: Callable[[], Sequence[str]] = lambda: (),
        raiser: Raiser = raise_in,
        in_main_thread: bool = False,
        watched: bool = True,
        access: Everything | Guarded | None = None,
        shells: Shells = start_shell,
    ) -> None:
        """Make the loop, which is not running yet, or be a guest on an app's.

        Args:
            interpreter: Runs the cells.
            make_host: Makes what cells run on: ``partial(LoopHost, factory)`` or ``partial(AppHost, loop)``.
            settings: Those in force; ``%set`` changes them.
            past_entries: What the history file holds.
            raiser: How KeyboardInterrupt gets into the loop's thread.
            in_main_thread: The caller runs ``host.serve()`` itself, and the loop cannot be left behind.
            watched: Tell of slow steps, deadlocks and so on; otherwise of what is lost only: failed tasks, coroutines
                that were never awaited.
            access: What the session may do; everything if left out.
            shells: Starts what is typed after ``!``.

        Raises:
            LoopError: If there is no loop to be had.
        """
        self.settings = settings
        self.namespace = interpreter.namespace
        self.past_entries = past_entries
        # Whether a person sees the session in another place than what the process prints.
        self.far = False
        # On an app's loop: the cells in the background go on when the session ends.
        self.keeps_jobs = False
        # The program that the prompt stands beside, and what looks for its loop before anything is run.
        self.program: Program | None = None
        self.before: Callable[[Typed], None] = lambda typed: None
        self.entries: list[Entry] = []
        self.access = access or Everything()
        # Whether jedi is asked for completions too, which is not Python's own.
        self.asks_jedi = True
        # Whether somebody types here, for whom the tasks that were seen last are kept: their names are completed.
        self.is_typed_in = True
        # Stands in the names of cells: each session of a process needs its own.
        self.cell_prefix = ""
        self.undo = UndoStack(self._not_undone)
        self._feeds = Feeds(self._tell)
        self._shells = shells
        self._interpreter = interpreter
        self._make_host = make_host
        self._in_main_thread = in_main_thread
        self._frontend: asyncio.AbstractEventLoop
        self._announcements: asyncio.Queue[Event | None]
        self._listener = _Listener(self)
        self._tasks = TaskCount()
        self._interrupts = Interrupts(tell=self._tell, raiser=raiser, abandon=self._abandon)
        self.jobs = JobTable(attend=self._attend, announce=self._announce_end)
        self._foreground: Runs | None = None
        self._detach: asyncio.Future[None] | None = None
        self._submission: asyncio.Task[None] | None = None
        self._emit: Callable[[Event], None] = self._tell
        # Of the submission in the foreground: its number, what was typed, how many cells it had so far, how it goes.
        self._number = 0
        self._text = ""
        self._parts = 0
        self._outcome: Outcome = "ok"
        self._compile_error: BaseException | None = None
        self._completer: Completer | None = None
        self._inspector: NearbyInspector | None = None
        self._loading = threading.Lock()
        self._housekeeping: asyncio.Task[None] | None = None
        self._listening = True
        self.host: Host = make_host(self._listener)
        interpreter.host = self.host
        # Where cells have run: an owned loop is to be ended, wherever they run in the end.
        self._hosts = [self.host]
        self.initial_names: Mapping[str, object] = {}
        self._in_program = isinstance(self.namespace, ProgramNamespace)
        if isinstance(self.namespace, ProgramNamespace):
            self.namespace.lend("repl", Repl(self))
        else:
            self.namespace.setdefault("repl", Repl(self))
            # Not a program's values, which are not to be kept alive.
            self.initial_names = dict(self.namespace)
        # The alerts of a program are there before this session, and after it.
        own = Watcher(rules_of(settings) if watched else _BARE, quiet=True)
        self.alerts = shared() if self._in_program or not self.host.owned else own
        # The loop of an app that is watched for this session.
        self._watched: asyncio.AbstractEventLoop | None = None
        self._feed = AlertFeed(self.alerts, lambda: self.host, self._tell)
        interpreter.hints.enabled = settings.flag("hints")
        settings.listen(self._setting_changed)

    async def open(self) -> None:
        """Begin: the loop runs, and what happens on it is announced."""
        self._frontend = asyncio.get_running_loop()
        self._announcements = asyncio.Queue()
        self._last_failure = last_failure()
        if self._in_program:
            self.undo.callback(self.alerts.set_rules, self.alerts.rules)
            # Before the first cell, as nobody else can enter the context of one that executes.
            self._interpreter.context.run(GUEST.set, True)
        self._watch_app()
        if not self._in_main_thread:
            self.host.start()
        self._housekeeping = asyncio.create_task(self._look_after(), name="aiorepl-housekeeping")

    async def submit(self, text: str, *, filename: str = "", show: bool = True) -> AsyncIterator[Event]:
        """Run what was typed, or read from a file that tracebacks are to name; ``show`` its value."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._emit = queue.put_nowait
        perform = self._perform(text, filename, show)
        submission = self._submission = asyncio.create_task(perform, name="aiorepl-submission")
        submission.add_done_callback(partial(self._cancelled_early, queue))
        try:
            while not isinstance(event := await queue.get(), Done):
                yield event
        finally:
            submission.cancel()
            await asyncio.gather(submission, return_exceptions=True)
            self._emit, self._submission = self._tell, None
        yield event

    def _cancelled_early(self, queue: asyncio.Queue[Event], submission: asyncio.Task[None]) -> None:
        """A submission that was interrupted before its first step could not say so itself."""
        if submission.cancelled():
            queue.put_nowait(_INTERRUPTED)
            queue.put_nowait(Done("interrupted", self._number))

    async def announcements(self) -> AsyncIterator[Event]:
        """What happens by itself."""
        while (event := await self._announcements.get()) is not None:
            yield event

    async def complete(self, text: str, cursor: int) -> AsyncIterator[tuple[Completion, ...]]:
        """Ways to go on at the cursor."""
        completer = await self._completions()
        command = self._registry().being_typed(text[:cursor])
        if command is not None and command.group == "tasks":
            # The names of tasks; they are looked at here, where no key waits for it.
            await self.inspector.keep_fresh(_FRESH)
        async for batch in completer.complete(text, cursor):
            yield batch

    async def signature(self, text: str, cursor: int) -> Signature | None:
        """The call that the cursor stands in."""
        return await (await self._completions()).signature(text, cursor)

    def warm(self) -> None:
        """Load what the first completion would otherwise wait for."""
        self._load_completer()

    async def interrupt(self) -> None:
        """Stop what is in the foreground."""
        if isinstance(self._foreground, CellJob):
            await self._interrupts.press(self._foreground.execution)
        elif self._submission is not None:
            self._submission.cancel()

    async def detach(self) -> None:
        """Send what is in the foreground to the background."""
        if self._detach is not None and not self._detach.done():
            self._detach.set_result(None)

    def command_names(self) -> Sequence[str]:
        """The names of the ``%`` commands."""
        return self._registry().names()

    def status(self) -> Status:
        """How the loop is doing."""
        host = self.host
        foreground = self._foreground
        running = Running(self._number, foreground.elapsed, foreground.waits_on()) if foreground else None
        pulse = self.alerts.pulse(host.loop)
        blocked = self._overdue > _BLOCKED
        return Status(
            loop="closed" if host.loop.is_closed() else "blocked" if blocked else "busy" if running else "idle",
            lag=pulse.lag if pulse is not None else None,
            tasks=self._tasks.of(host.loop),
            debug=host.loop.get_debug(),
            jobs=len(self.jobs),
            last_alert=self._feed.last,
            running=running,
        )

    async def aclose(self) -> None:
        """Undo what commands left to be undone, cancel the tasks, close the loop, and end the announcements.

        An app's loop and its tasks go on: there the session's own cells end, and nothing else.
        """
        timeout = self.settings.seconds("exit_timeout")
        self.undo.close()
        await self.jobs.aclose()
        if self._in_program:
            await self._end_cells(timeout)
            restore_last_failure(self._last_failure)
        for host in self._hosts:
            host.close(timeout=timeout)
        # Tasks, generators and threads each get the time; a blocked loop gets no more than that.
        limit = 3 * timeout + 1 if self._overdue < _BLOCKED else timeout
        ended = [asyncio.wrap_future(host.ended) for host in self._hosts]
        if (await asyncio.wait(ended, timeout=limit))[1]:
            self._tell(Notice("the loop is blocked and was left as it is", "alert"))
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        # The last alerts are told meanwhile; its thread may be looking at the loop.
        await in_thread(self._unwatch)
        self._feed.tick()
        self._feed.close()
        self._listening = False
        with self._loading:
            if self._completer is not None:
                self._completer.close()
        # After what has just been told, which takes the same way.
        self._frontend.call_soon(self._announcements.put_nowait, None)

    # What commands use: see aiorepl.commands.context.Context.

    @property
    def owned(self) -> bool:
        """Tell whether the loop of the cells is aiorepl's own."""
        return self.host.owned

    @property
    def inspector(self) -> "NearbyInspector":
        """Looks at the loop of the cells, or at the one that was chosen."""
        if self._inspector is None:
            # Not loaded before somebody asks.
            from aiorepl.introspect.inspector import NearbyInspector

            self._inspector = NearbyInspector(lambda: self.host.loop, keeps=self.is_typed_in)
        return self._inspector

    def emit(self, event: Event) -> None:
        """Show an event of the submission in the foreground."""
        self._emit(event)

    def feed(self, feed: Feed) -> None:
        """Announce what a feed has from now on."""
        self._feeds.add(feed)

    def renew_hints(self) -> None:
        """Show each hint once more."""
        self._interpreter.hints.renew()

    async def execute(self, source: str, *, show: bool = True, filename: str = "") -> Evaluation:
        """Run a cell on the loop, in the foreground."""
        return await self._execute(source, filename, partial(self._interpreter.start, show=show))

    async def execute_off_loop(self, source: str) -> Evaluation:
        """Run a cell in a thread of its own."""
        return await self._execute(source, "", self._interpreter.start_in_thread)

    async def run(self, function: Callable[[], Awaitable[object]]) -> Evaluation:
        """Run a coroutine function on the loop as if it were a cell."""
        execution = self._interpreter.start_function(self._number, self._text, function)
        return _evaluation(await self._attend(CellJob(execution)))

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function on the loop's own thread, in the session's context."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(self._interpreter.context.copy().run(function))
            except Exception as error:
                future.set_exception(error)

        if not self.host.call(run):
            raise CommandError("the loop is closed; %loops lists those that run")
        return await asyncio.wrap_future(future)

    # The rest is the session's own.

    async def _perform(self, text: str, filename: str, show: bool) -> None:
        """Run a submission and emit its events; whatever happens, the last one is Done."""
        emit = self._emit
        self._number += 1
        self._parts = 0
        self._text = text
        self._outcome = "ok"
        started = self._frontend.time()
        try:
            await self._dispatch(text, filename, show)
        except CommandError as error:
            self._outcome = "error"
            emit(Notice(str(error), "error"))
        except asyncio.CancelledError:
            self._outcome = "interrupted"
            emit(_INTERRUPTED)
        except Exception as error:
            # A bug of ours, or of a command that somebody registered: it shows, and the session goes on.
            self._outcome = "error"
            emit(describe(error))
        self.entries.append(Entry(self._number, text.rstrip("\n"), self._outcome in ("ok", "detached")))
        emit(Done(self._outcome, self._number, self._frontend.time() - started))

    async def _dispatch(self, text: str, filename: str, show: bool) -> None:
        typed = classify(text)
        self.access.check(typed)
        self.before(typed)
        if isinstance(typed, Python) and typed.background:
            cell = self._compile(typed.text)
            if cell is not None:
                self._send_to_background(CellJob(self._interpreter.start(self._number, cell)))
        elif isinstance(typed, Python):
            await self.execute(typed.text, show=show, filename=filename)
        elif isinstance(typed, Shell):
            await self._run_shell(typed)
        else:
            found = await (self._help(typed) if isinstance(typed, Help) else self._command(typed))
            if found is not None:
                self._emit(Answer(found))

    async def _command(self, typed: Command) -> object | None:
        return await self._registry().run(self, typed.text)

    async def _help(self, typed: Help) -> object:
        if typed.expression.startswith("%"):
            return self._registry().get(typed.expression).help
        from aiorepl.commands.objects import describe as describe_object

        return await describe_object(self, typed.expression, source=typed.source)

    async def _run_shell(self, typed: Shell) -> None:
        if not typed.text:
            raise CommandError("! takes a command for the shell, as in !ls")
        job = await self._shells(typed.text)
        if typed.background:
            self._send_to_background(job)
            return
        try:
            ending = await self._attend(job)
        except asyncio.CancelledError:
            job.terminate()
            raise
        if ending is not None and ending.value:
            self._emit(Notice(f"exit status {ending.value}"))

    def _compile(self, source: str, filename: str = "") -> Cell | None:
        """Compile a cell, or show why that cannot be done."""
        self._parts += 1
        part = f".{self._parts}" if self._parts > 1 else ""
        name = filename or f"<cell {self.cell_prefix}{self._number}{part}>"
        try:
            return self._interpreter.compile(source, name, remember=not filename)
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
            self._outcome = "error"
            self._compile_error = error
            self._emit(_not_text(error, name) if isinstance(error, UnicodeEncodeError) else describe(error))
            return None

    async def _execute(self, source: str, filename: str, start: Callable[[int, Cell], Execution]) -> Evaluation:
        cell = self._compile(source, filename)
        if cell is None:
            return Evaluation(exception=self._compile_error)
        return _evaluation(await self._attend(CellJob(start(self._number, cell))))

    async def _attend(self, job: Runs) -> Ending | None:
        """Keep something in the foreground until it ends, and show how; None if it was sent to the background."""
        self._foreground = job
        detach = self._detach = self._frontend.create_future()
        end = asyncio.ensure_future(job.end())
        try:
            if isinstance(job, CellJob) and not job.execution.host.owned:
                await self._begins(job.execution, {end, detach})
            await asyncio.wait({end, detach}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._foreground = self._detach = None
            if not end.done():
                end.cancel()
        if not end.done() or end.cancelled():
            job.stop()
            self._send_to_background(job)
            return None
        ending = end.result()
        self._outcome = ending.outcome
        for event in ending.events:
            self._emit(event)
        return ending

    async def _begins(self, execution: Execution, over: set[asyncio.Future[Any]]) -> None:
        """Say so if an app's loop does not come to a cell; where nobody could withdraw it, it does not wait long."""
        for last in (False, True):
            seconds = _WITHDRAWS - _SAYS if last else _SAYS
            done, _ = await asyncio.wait(over, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if done or execution.task is not None:
                return
            held = held_words(execution.host)
            if not last:
                until = "Ctrl-C withdraws it" if self.is_typed_in else f"for {_WITHDRAWS:g} s at most"
                self._emit(Notice(f"{held}; the cell waits for its turn, {until}"))
            elif not self.is_typed_in:
                what = Notice(f"{held}, for {execution.elapsed:.0f} s now; the cell was withdrawn", "error")
                execution.finish(Ending("error", (what,), execution.elapsed, 0.0))

    def _send_to_background(self, job: Runs) -> None:
        number = self.jobs.add(job)
        self._outcome = "detached"
        self._emit(Notice(f"[{number}] in the background; %fg brings it back"))

    def _announce_end(self, number: int, job: Runs, ending: Ending) -> None:
        how = {"ok": "done", "error": "failed", "interrupted": "interrupted", "detached": "detached"}
        self._tell(Notice(f"[{number}] {how[ending.outcome]} after {ending.elapsed:.1f} s: {_first_line(job.text)}"))
        for event in ending.events:
            # A job that calls sys.exit has ended; the session has not.
            self._tell(Notice(f"[{number}] exit status {event.status}") if isinstance(event, Leave) else event)

    async def _end_cells(self, timeout: float) -> None:
        """Interrupt the cells on a loop that goes on, but for those that are to be kept; end the shell commands."""
        for job in self.jobs:
            if isinstance(job, ShellJob):
                job.terminate()
        kept = {job.execution for job in self.jobs if isinstance(job, CellJob)} if self.keeps_jobs else set()
        running = {execution.done: execution for execution in self._interpreter.running - kept}
        ended = [asyncio.wrap_future(done) for done in running]
        for execution in running.values():
            execution.interrupted = True
            self._interrupts.reach(execution)
        if any(execution.loop.is_running() for execution in running.values()):
            await asyncio.wait(ended, timeout=timeout)
        refused = sorted(execution.number for done, execution in running.items() if not done.done())
        if refused:
            self._tell(Notice(f"did not end in time: {', '.join(f'cell {number}' for number in refused)}", "alert"))

    def move(self, host: Host) -> None:
        """Run cells here from now on; those that run stay where they are."""
        self.host = self._interpreter.host = host
        if host not in self._hosts:
            self._hosts = [known for known in self._hosts if known.owned] + [host]
        self._watch_app()

    def tell(self, event: Event) -> None:
        """Announce an event, from any thread."""
        self._tell(event)

    def _abandon(self, execution: Execution) -> bool:
        """Leave behind the loop of a cell that cannot be reached; its tasks are cancelled when its call returns."""
        if self._in_main_thread or not execution.host.owned:
            return False
        old = execution.host
        if old is self.host:
            self._hosts.remove(old)
            self.move(self._make_host(self._listener))
            self.host.start()
        old.close(timeout=self.settings.seconds("exit_timeout"))
        self.alerts.unwatch(old.loop)
        self._interpreter.give_up(old.loop, "this loop was left behind and a new one takes over")
        return True

    def _watch_app(self) -> None:
        """Watch the app's loop that cells run on now; of a loop of its own the session is told when it starts."""
        loop = None if self.host.owned else self.host.loop
        if loop is self._watched:
            return
        if self._watched is not None:
            # It may take its time, as the loop itself has a part in it.
            threading.Thread(target=self.alerts.unwatch, args=(self._watched,), name="aiorepl-unwatch").start()
        self._watched = loop
        if loop is not None:
            self.alerts.watch(loop)

    def _unwatch(self) -> None:
        for host in self._hosts:
            if host.owned:
                self.alerts.unwatch(host.loop)
        if self._watched is not None:
            self.alerts.unwatch(self._watched)

    @property
    def _overdue(self) -> float:
        """Seconds for which the loop has not answered; 0.0 if it does, or is not watched."""
        pulse = self.alerts.pulse(self.host.loop)
        return pulse.overdue if pulse is not None else 0.0

    async def _look_after(self) -> None:
        """Do what is due every now and then, for ever."""
        while True:
            await asyncio.sleep(_OFTEN)
            BOOK.tidy()
            self._feed.tick()
            self._feeds.ask()
            # Nobody tells of an app's loop that it was closed.
            for execution in list(self._interpreter.running):
                if not execution.host.owned and execution.loop.is_closed():
                    execution.give_up("the loop was closed")

    def _tell(self, event: Event) -> None:
        """Announce an event, from any thread."""
        if isinstance(event, Notice) and event.level == "alert":
            self._feed.note(event.text)
        if self._listening:
            # The frontend's loop may be closing already: nobody is left to be told.
            with contextlib.suppress(RuntimeError):
                self._frontend.call_soon_threadsafe(self._announcements.put_nowait, event)

    def _not_undone(self, error: Exception) -> None:
        failure = describe(error)
        self._tell(Notice(f"not undone: {failure.summary}", "alert", failure.text))

    def _setting_changed(self, name: str, value: object) -> None:
        if name == "hints":
            self._interpreter.hints.enabled = bool(value)
        elif name in Rules._fields:
            self.alerts.set_rules(self.alerts.rules._replace(**{name: value}))  # type: ignore[arg-type]

    def _registry(self) -> "Registry":
        # Commands are not loaded before one is asked for: a program without a prompt need not wait for them.
        from aiorepl.commands.standard import COMMANDS

        return COMMANDS

    async def _completions(self) -> "Completer":
        if self._completer is not None:
            return self._completer
        # A line that was typed ahead is run at once, and needs no completions.
        await asyncio.sleep(_TYPED_AHEAD)
        # Loaded in a thread: a key must not wait for it.
        return await in_thread(self._load_completer)

    def _load_completer(self) -> "Completer":
        from aiorepl.interpret.completion import Completer

        registry = self._registry()
        with self._loading:
            completer = self._completer or Completer(
                self.namespace, commands=lambda text: registry.complete(text, self), asks_jedi=self.asks_jedi
            )
            self._completer = completer
            return completer


class _Listener:
    """Passes on what happens to the loop."""

    def __init__(self, session: LocalSession) -> None:
        self._session = session

    def loop_started(self, loop: asyncio.AbstractEventLoop) -> None:
        self._session.alerts.watch(loop)

    def loop_lost(self, loop: asyncio.AbstractEventLoop, reason: str) -> None:
        self._session._tell(Notice(f"{reason}; a new one takes over, and the tasks of the old one are gone", "alert"))
        self._session._interpreter.give_up(loop, reason)
        self._session.alerts.unwatch(loop)

    def escaped(self, error: BaseException) -> None:
        if not self._session.alerts.holds(error):
            what = "".join(describe(error).summary)
            self._session._tell(Notice(f"a callback raised {what}; the loop goes on", "alert"))

    def refused(self, names: list[str]) -> None:
        self._session._tell(Notice(f"did not end in time: {', '.join(names)}", "alert"))


def _evaluation(ending: Ending | None) -> Evaluation:
    if ending is None:
        return Evaluation(detached=True)
    return Evaluation(ending.value, ending.exception, ending.elapsed, ending.on_loop)


def _not_text(error: UnicodeEncodeError, filename: str) -> Notice:
    """Say where a source has bytes that are no text, which stand in it as lone surrogates."""
    line = error.object.count("\n", 0, error.start) + 1
    found = ord(error.object[error.start])
    # As the error handler "surrogateescape" writes a byte.
    what = f"byte 0x{found - 0xDC00:02x}" if 0xDC80 <= found <= 0xDCFF else f"surrogate \\u{found:04x}"
    return Notice(f"{filename}, line {line}: this is not text: {what}", "error")


def _first_line(text: str) -> str:
    first, *rest = text.strip().splitlines() or [""]
    return first[:60] + ("…" if rest or len(first) > 60 else "")
