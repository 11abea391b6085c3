"""What a command may use of the session that it was typed into."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from aiorepl.model import Event
from aiorepl.settings import Settings

if TYPE_CHECKING:
    from aiorepl.alerts.watcher import Watcher
    from aiorepl.introspect.inspector import Inspector

__all__ = ["Access", "Context", "Entry", "Evaluation", "Feed", "Job", "Jobs", "Program", "Undo"]

T = TypeVar("T")


# Returns what has come up since it was asked before; None if nothing will any more.
Feed = Callable[[], Iterable[Event] | None]


class Entry(NamedTuple):
    """One submission of this session as it was typed; ``ok`` is False if it failed or was interrupted."""

    number: int
    text: str
    ok: bool


class Evaluation(NamedTuple):
    """How a cell ended: with a value or with an exception.

    ``elapsed`` is in seconds of wall clock; ``on_loop`` those that the cell itself held its thread, None if that was
    not measured. ``detached`` means that the person sent it to the background meanwhile: there is no value yet.
    """

    value: object = None
    exception: BaseException | None = None
    elapsed: float = 0.0
    on_loop: float | None = None
    detached: bool = False


class Job(NamedTuple):
    """A cell in the background, as it is now; ``elapsed`` is in seconds, ``waits_on`` may be empty."""

    number: int
    text: str
    elapsed: float
    waits_on: str = ""


class Jobs(Protocol):
    """The cells in the background."""

    def list(self) -> Sequence[Job]:
        """The jobs that have not ended, oldest first."""

    async def foreground(self, number: int) -> None:
        """Wait for a job as if it had been typed just now: Ctrl-C and Ctrl-Z reach it, and its result is shown.

        Raises:
            CommandError: If there is no such job.
        """

    def resume(self, number: int) -> None:
        """Let a stopped shell job go on in the background.

        Raises:
            CommandError: If there is no such job.
        """


class Program(Protocol):
    """The program that a prompt stands beside; used on the session's own thread."""

    def stop(self) -> None:
        """Send it what Ctrl-C sends to a program that has the terminal."""

    def type_line(self, text: str) -> None:
        """Give it a line on its standard input, or the end of that if the text is empty and without a newline."""

    def choose(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run cells on this loop of the program's from now on."""


class Access(Protocol):
    """What the session may do to the program."""

    @property
    def writes(self) -> bool:
        """Tell whether it may change the program; else it only looks."""

    def unlock(self) -> None:
        """Allow everything from now on.

        Raises:
            CommandError: If the program does not allow that.
        """

    def lock(self) -> None:
        """Only look from now on.

        Raises:
            CommandError: If that makes no sense here.
        """


class Undo(Protocol):
    """What is to be done at the end of a session, as a ``contextlib.ExitStack`` takes it."""

    def callback(self, function: Callable[..., object], /, *arguments: object, **keywords: object) -> None:
        """Call a function with these arguments when the session ends; any thread may say so."""


class Context(Protocol):
    """The session as its commands see it; all of it is used on the session's own thread."""

    @property
    def namespace(self) -> dict[str, object]:
        """The names that cells see, live."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def jobs(self) -> Jobs:
        """The cells in the background."""

    @property
    def program(self) -> Program | None:
        """The program that this session's prompt stands beside; None in all others."""

    @property
    def access(self) -> Access:
        """What the session may do to the program."""

    @property
    def entries(self) -> Sequence[Entry]:
        """What was submitted in this session, oldest first."""

    def past_entries(self) -> Sequence[str]:
        """What was submitted in earlier sessions, oldest first; empty where no history is kept."""

    @property
    def initial_names(self) -> Mapping[str, object]:
        """What the namespace held when the session began; empty where it is a program's."""

    @property
    def inspector(self) -> "Inspector":
        """Looks at the user's loop, or at the one that was chosen."""

    @property
    def owned(self) -> bool:
        """Tell whether the loop of the cells is aiorepl's own; if not, it is an app's."""

    @property
    def far(self) -> bool:
        """Tell whether a person sees the session in another place than what the process prints."""

    @property
    def alerts(self) -> "Watcher":
        """Watches the loop of the cells, and keeps what it has noticed."""

    @property
    def undo(self) -> "Undo":
        """What is undone when the session ends, however that comes about: ``undo.callback(restore)``.

        Closed by ``aclose`` on the session's own thread, in reverse order, while the loop still runs. A callback that
        fails is announced, and the others are called all the same.
        """

    async def execute(self, source: str, *, show: bool = True, filename: str = "") -> Evaluation:
        """Run a cell on the user's loop, in the foreground.

        With ``show`` its value is shown and kept in ``_``, and in any case a failure is shown before this returns.
        ``filename`` is the file that tracebacks name; left out, the source is kept under a name of its own.
        """

    async def execute_off_loop(self, source: str) -> Evaluation:
        """Run a cell without ``await`` in another thread, where no loop is running; otherwise like ``execute``."""

    async def run(self, function: Callable[[], Awaitable[object]]) -> Evaluation:
        """Run a coroutine function on the user's loop as if it were a cell: in the foreground, interruptible.

        Its value is not shown; a failure is, without the frames of aiorepl that the traceback begins with.
        """

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function on the loop's own thread, in the session's context."""

    def emit(self, event: Event) -> None:
        """Show an event now, before the command has ended."""

    def feed(self, feed: Feed) -> None:
        """Announce what a feed has; it is asked on the session's own thread, some ten times a second.

        Any thread may call this. A session that ends does not ask again: what the feed tells of is ended by ``undo``.
        """

    def renew_hints(self) -> None:
        """Show each hint once more."""
