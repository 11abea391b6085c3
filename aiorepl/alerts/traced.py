"""What a trace tells: plain data. Times are seconds."""

from typing import Literal, NamedTuple

__all__ = ["Argument", "Kind", "Outcome", "Rate", "TraceInfo", "TracedCall"]

Kind = Literal["function", "coroutine", "generator", "async generator"]
# How a call ended. "closed": a generator before its end. "open": it had not ended when nobody waited for it any more.
Outcome = Literal["returned", "raised", "cancelled", "closed", "open"]


class Rate(NamedTuple):
    """At most so many calls in so many seconds, counted anew when these are over."""

    calls: int
    seconds: float


class Argument(NamedTuple):
    """An argument in a few words; ``name`` is empty for one that is given by its place."""

    name: str
    text: str


class TracedCall(NamedTuple):
    """One call, from its first line to its end; of a coroutine or a generator that is all of its steps.

    ``result`` is what it returned or raised, in a few words. It was suspended ``suspensions`` times, for ``suspended``
    seconds in all; a generator also for each of its ``items``, which is None of all else. ``task`` is the number of
    the task that it began in, None if that was none.
    """

    number: int
    function: str
    kind: Kind
    arguments: tuple[Argument, ...]
    outcome: Outcome
    result: str
    duration: float
    suspensions: int = 0
    suspended: float = 0.0
    items: int | None = None
    task: int | None = None
    task_name: str = ""
    thread: str = ""


class TraceInfo(NamedTuple):
    """A trace, as it is now.

    Of ``calls`` that have begun, ``open`` have not ended, ``failed`` raised, and ``missed`` were only counted, as too
    many others had not been shown yet. ``mean`` and ``longest`` are those of the ended ones, None if there are none.
    ``reason`` says why no more calls are taken, and is empty while they are.
    """

    name: str
    kind: Kind
    maximum: int | None
    rate: Rate | None
    calls: int = 0
    open: int = 0
    failed: int = 0
    missed: int = 0
    mean: float | None = None
    longest: float | None = None
    reason: str = ""
