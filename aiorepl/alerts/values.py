"""What is noticed of a program, and by which rules: frozen plain data, with nothing of the program's in it."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from aiorepl.introspect.values import Frame, Stack

__all__ = ["KINDS", "Alert", "Kind", "KindInfo", "Rules", "Severity"]

Kind = Literal[
    "blocked-loop",
    "blocking-call",
    "slow-callback",
    "slow-iteration",
    "laggy-loop",
    "saturated-loop",
    "never-yielded",
    "spinning",
    "never-awaited",
    "never-retrieved",
    "destroyed-pending",
    "exception-in-callback",
    "unhandled",
    "non-threadsafe",
    "unclosed",
    "swallowed-cancel",
    "deadlock",
    "lost-wait",
    "growing",
]

# "error" for what is lost or can never end, "warning" for what does harm, "info" for what may.
Severity = Literal["error", "warning", "info"]


class Alert(NamedTuple):
    """Something that goes wrong, or went wrong.

    ``what`` is one line. ``where`` is the line of the program's that it is about, and ``source`` the text of it; None
    and empty where there is none. ``stack`` is where the program stood, ``detail`` a traceback or further lines, and
    ``cure`` says in a sentence or two what to do. ``task`` and ``loop`` are the numbers that ``%tasks`` and ``%loops``
    show. ``duration`` is in seconds, None where there is nothing to time; ``sampled`` if it was not measured but
    concluded from looks, 25 ms apart. What lasts is told once while it does, and again when it has ended.

    The ledger fills in the rest: ``number`` finds it again, ``first`` and ``last`` are when it came, in seconds since
    1970, and ``times`` is how often.
    """

    kind: Kind
    what: str
    where: Frame | None = None
    source: str = ""
    task: int | None = None
    loop: int | None = None
    stack: Stack = ()
    cure: str = ""
    detail: str = ""
    duration: float | None = None
    sampled: bool = False
    phase: Literal["once", "lasts", "ended"] = "once"
    severity: Severity = "warning"
    number: int = 0
    first: float = 0.0
    last: float = 0.0
    times: int = 1


class KindInfo(NamedTuple):
    """A kind of alert: how bad it is, the rule by which it is raised, and the field of ``Rules`` that it goes by."""

    severity: Severity
    rule: str
    setting: str = ""


KINDS: Mapping[Kind, KindInfo] = {
    "blocked-loop": KindInfo("warning", "a step holds the loop for longer than this; told while it does", "slow"),
    "blocking-call": KindInfo("warning", "the same, in a call that is known to block the thread", "slow"),
    "slow-callback": KindInfo("warning", "a step that has ended took longer than this", "slow"),
    "slow-iteration": KindInfo("warning", "one pass of the loop took longer, though no step of it did", "slow"),
    "laggy-loop": KindInfo("warning", "callbacks that are due come later than this, in the median of 5 s", "lag"),
    "saturated-loop": KindInfo("warning", "the loop is busy for more than this part of 5 s", "saturation"),
    "never-yielded": KindInfo("warning", "the first step of a task takes longer than this", "first_step"),
    "spinning": KindInfo(
        "warning", "of 100 wakes of a task and more, over half are its own (%stats on counts)", "spinning"
    ),
    "never-awaited": KindInfo("error", "a coroutine was collected without having been awaited"),
    "never-retrieved": KindInfo("error", "a task failed, and nobody has looked for this long", "unretrieved"),
    "destroyed-pending": KindInfo("error", "a task was collected before it ended, or nothing keeps it from that"),
    "exception-in-callback": KindInfo("error", "a callback of the loop raised an exception"),
    "unhandled": KindInfo("error", "something else reached the loop's exception handler"),
    "non-threadsafe": KindInfo("error", "the loop was used from another thread in a way that does not wake it"),
    "unclosed": KindInfo("warning", "a transport, a loop or an asynchronous generator was left open"),
    "swallowed-cancel": KindInfo("warning", "a task goes on for this long after it was cancelled", "swallowed"),
    "deadlock": KindInfo("error", "tasks wait for each other, as a look at all of them finds", "look"),
    "lost-wait": KindInfo("error", "a task waits for what nobody else has, as a look at all of them finds", "look"),
    "growing": KindInfo("info", "200 tasks of one coroutine or more, and more at each look", "look"),
}


class Rules(NamedTuple):
    """From when on something is an alert; times are in seconds, and 0 switches off what goes by it.

    ``slow`` is for a step, and for a pass of the loop; ``lag`` the median of how late callbacks come, and
    ``saturation`` the part of the time that the loop is busy, both over the last ``window``; ``first_step`` how long a
    task's first step may take; ``spinning`` the part of its wakes that a task may cause itself; ``unretrieved`` how
    long nobody looks at the exception of a task; ``swallowed`` how long a task outlives its cancellation; ``look`` the
    time from one look for deadlocks to the next. ``off`` are kinds that are not raised. ``exact``: measure each step
    where the loop allows it, at the price of 0.2 us a step or so; otherwise slow steps are known by samples.
    ``stats``: count the steps and wakes of each task, by which ``spinning`` is known, at about 0.5 us a step.
    """

    slow: float = 0.1
    lag: float = 0.01
    saturation: float = 0.95
    first_step: float = 1.0
    spinning: float = 0.5
    unretrieved: float = 1.0
    swallowed: float = 5.0
    look: float = 5.0
    window: float = 5.0
    exact: bool = True
    stats: bool = False
    off: frozenset[Kind] = frozenset()
