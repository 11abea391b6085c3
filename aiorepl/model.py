"""Frozen values that every room exchanges.

Plain data only: no task, no frame and no value of the user's is held, so that each can be drawn, compared,
kept, and sent to another process. Times are seconds. (Named tuples rather than data classes: a program without a prompt
loads this too, and a data class takes ten times as long to define.)
"""

from typing import Literal, NamedTuple

__all__ = [
    "AlertRaised",
    "Answer",
    "Completion",
    "Done",
    "Edit",
    "Event",
    "Failure",
    "Insert",
    "Leave",
    "Logged",
    "Notice",
    "Output",
    "Progress",
    "Result",
    "Running",
    "SettingChanged",
    "Signature",
    "Status",
]

# How a cell ended. "detached": it goes on as a background job.
Outcome = Literal["ok", "error", "interrupted", "detached"]


class Output(NamedTuple):
    """Text that a cell or a command wrote, as it was written (it may hold escape codes)."""

    text: str
    stream: Literal["stdout", "stderr"] = "stdout"


class Result(NamedTuple):
    """The value of a cell's last expression.

    ``text`` is what is shown of it; ``note`` says in one line what was left out or went wrong, or is empty.
    ``number`` is N of ``_N``, where the whole value is kept; 0 if it was not kept.
    """

    text: str
    number: int
    note: str = ""


class Failure(NamedTuple):
    """An exception that ended a cell, already formatted, as only its own process can do that.

    ``text`` is the whole traceback in Python's standard form, ending with a newline; ``summary`` its last line.
    """

    text: str
    summary: str


class Notice(NamedTuple):
    """One line (or a few) from aiorepl itself.

    ``hint`` teaches, ``info`` tells what was done, ``alert`` tells what went wrong in the program,
    ``error`` what the person should type instead. ``detail`` is a traceback or a place, or empty.
    """

    text: str
    level: Literal["hint", "info", "alert", "error"] = "info"
    detail: str = ""


class Answer(NamedTuple):
    """What a command found: a value of ``aiorepl.commands.values``, drawn by ``aiorepl.render``."""

    value: object


class AlertRaised(NamedTuple):
    """Something goes wrong in the program, or has ended: an ``Alert`` of ``aiorepl.alerts.values``."""

    alert: object


class Logged(NamedTuple):
    """A record of a logger, which the person has asked for.

    ``level`` is the number that ``logging`` goes by, ``name`` what it is called. ``text`` is the message, on as many
    lines as that has, and below it the traceback that came with it.
    """

    logger: str
    level: int
    name: str
    text: str


class Insert(NamedTuple):
    """Text that the frontend puts into the next prompt, to be edited and run by the person."""

    text: str


class Edit(NamedTuple):
    """Text that the frontend opens in the person's editor; what is saved there goes into the next prompt."""

    text: str


class Progress(NamedTuple):
    """How far a command is, from 0 to 1; shown in place of the one before it, and gone with ``Done``."""

    fraction: float
    text: str


class SettingChanged(NamedTuple):
    """A setting has a new value from now on."""

    name: str
    value: object


class Leave(NamedTuple):
    """The session is to end with this exit status; ``message`` goes to stderr, as ``sys.exit("text")`` asks."""

    status: int
    message: str = ""


class Done(NamedTuple):
    """The last event of every submission; ``number`` is the cell's, 0 for a command."""

    outcome: Outcome
    number: int = 0
    elapsed: float = 0.0


Event = (
    Output
    | Result
    | Failure
    | Notice
    | Answer
    | AlertRaised
    | Logged
    | Insert
    | Edit
    | Progress
    | SettingChanged
    | Leave
    | Done
)


class Completion(NamedTuple):
    """One way to go on: ``text`` replaces what stands between ``start`` and the cursor.

    ``start`` is an index into the whole text that was completed. ``kind`` is one of "keyword", "name", "module",
    "class", "function", "attribute", "parameter", "key", "path", "command", "value"; ``summary`` is one short line,
    or empty.
    """

    text: str
    start: int
    kind: str = "name"
    summary: str = ""


class Signature(NamedTuple):
    """The call that the cursor stands in.

    ``parameters`` are written as in the source (``timeout=None``); ``active`` is the index of the one being
    typed, or None. ``summary`` is the first line of the docstring.
    """

    name: str
    parameters: tuple[str, ...]
    active: int | None = None
    summary: str = ""


class Running(NamedTuple):
    """The cell in the foreground: how long it runs, and what it waits on (empty while it executes)."""

    number: int
    elapsed: float
    waits_on: str = ""


class Status(NamedTuple):
    """What the toolbar shows; ``lag`` is None until it has been measured.

    ``lag`` is how late the loop ran a callback that was due, in seconds, or how long it has not answered.
    """

    loop: Literal["idle", "busy", "blocked", "closed"] = "idle"
    lag: float | None = None
    tasks: int = 0
    debug: bool = False
    jobs: int = 0
    last_alert: str = ""
    running: Running | None = None
