"""What the two ends say to each other. Fields are only ever added at the end, with a default; ``PROTOCOL`` is raised
when the meaning of one changes.

``number`` is the client's own number of a request, which the answers to it carry; a question of the server's has one of
the server's.
"""

from typing import Literal, NamedTuple

from aiorepl.model import Completion, Event, Signature, Status

__all__ = [
    "PROTOCOL",
    "Announced",
    "Answered",
    "AskComplete",
    "AskSignature",
    "Columns",
    "CommandNames",
    "Completions",
    "Configure",
    "Detach",
    "Goodbye",
    "Happened",
    "Hello",
    "Interrupt",
    "Objection",
    "Part",
    "Purpose",
    "Question",
    "Refused",
    "Settled",
    "SignatureFound",
    "StatusChanged",
    "Submit",
    "ToClient",
    "ToServer",
    "Typed",
    "Welcome",
]

PROTOCOL = 1

# "session": a prompt. "command": one submission. "look": nothing but what the welcome says. "follow": what happens in
# another session.
Purpose = Literal["session", "command", "look", "follow"]


class Hello(NamedTuple):
    """The client's first message; ``follows`` is the number of the session to follow, 0 for the newest."""

    protocol: int
    version: str
    purpose: Purpose
    columns: int = 80
    follows: int = 0


class Submit(NamedTuple):
    """Run what was typed; see ``Session.submit``."""

    number: int
    text: str
    show: bool = True


class AskComplete(NamedTuple):
    """Ways to go on at the cursor."""

    number: int
    text: str
    cursor: int


class AskSignature(NamedTuple):
    """The call that the cursor stands in."""

    number: int
    text: str
    cursor: int


class Interrupt(NamedTuple):
    """Ctrl-C was pressed."""

    number: int


class Detach(NamedTuple):
    """Ctrl-Z was pressed."""

    number: int


class Answered(NamedTuple):
    """The person's answer to a question: a line, or that there is none."""

    number: int
    line: str
    outcome: Literal["line", "end", "interrupted"] = "line"


class Columns(NamedTuple):
    """The client's window has another width."""

    columns: int


class Configure(NamedTuple):
    """The client's settings, as names and values."""

    settings: tuple[tuple[str, str | int | float | bool], ...]


class Goodbye(NamedTuple):
    """The last message of either end; the server's says why."""

    reason: str = ""


class Welcome(NamedTuple):
    """The server's first message: what it is, and what it offers.

    ``loops`` and ``tasks`` are how many of them there are, None if that was not looked for. ``session`` is the number
    of this connection's session; 0 if it has none.
    """

    protocol: int
    version: str
    name: str
    process: int
    program: str
    python: str
    read_only: bool
    session: int = 0
    loops: int | None = None
    tasks: int | None = None


class Refused(NamedTuple):
    """In place of a welcome: why there is none."""

    reason: str


class Happened(NamedTuple):
    """An event of a submission; the last one is ``Done``."""

    number: int
    event: Event


class Announced(NamedTuple):
    """What happens by itself."""

    event: Event


class Completions(NamedTuple):
    """Some ways to go on, or all; ``last`` if no more batches come."""

    number: int
    batch: tuple[Completion, ...]
    last: bool


class SignatureFound(NamedTuple):
    """The call that the cursor stands in, or None if it is not known."""

    number: int
    signature: Signature | None


class Settled(NamedTuple):
    """An interrupt or a detach has done what it could."""

    number: int


class CommandNames(NamedTuple):
    """The names of the ``%`` commands."""

    names: tuple[str, ...]


class StatusChanged(NamedTuple):
    """How the loop is doing."""

    status: Status


class Question(NamedTuple):
    """The program reads a line; ``hidden`` if that is not to be shown, ``withdrawn`` if it reads none any more."""

    number: int
    prompt: str
    hidden: bool = False
    withdrawn: bool = False


class Typed(NamedTuple):
    """To who follows a session: what was typed there."""

    number: int
    text: str


class Objection(NamedTuple):
    """What came was not understood; the conversation goes on if it can."""

    reason: str


class Part(NamedTuple):
    """A piece of a message that is long; the last one completes it, unless all are to be dropped.

    ``number`` is the same for all pieces of one message.
    """

    number: int
    text: str
    state: Literal["more", "last", "dropped"] = "more"


ToServer = Hello | Submit | AskComplete | AskSignature | Interrupt | Detach | Answered | Columns | Configure | Goodbye
ToClient = (
    Welcome
    | Refused
    | Happened
    | Announced
    | Completions
    | SignatureFound
    | Settled
    | CommandNames
    | StatusChanged
    | Question
    | Typed
    | Objection
    | Part
    | Goodbye
)
