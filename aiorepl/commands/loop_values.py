"""What the loop commands return: frozen plain data, drawn by ``aiorepl.render.describe_loops``. Times are seconds."""

from typing import NamedTuple

from aiorepl.commands.task_values import Blocked, TaskRef
from aiorepl.introspect.values import LoopInfo, Registration, Timer

__all__ = ["IoList", "IoRow", "LoopDetails", "LoopList", "TimerList", "TimerRow"]


class LoopDetails(NamedTuple):
    """All about one loop; ``blocked`` if it did not answer, and was looked at from outside."""

    loop: LoopInfo
    current: TaskRef | None = None
    blocked: Blocked | None = None


class LoopList(NamedTuple):
    """The loops that run in the process; ``chosen`` is the number of the one that the commands look at.

    ``silent`` are those of them that did not answer, by number, with where they stood.
    """

    loops: tuple[LoopInfo, ...]
    chosen: int
    silent: tuple[tuple[int, Blocked], ...] = ()


class TimerRow(NamedTuple):
    """A timer, and the task that it is for."""

    timer: Timer
    task: TaskRef | None = None


class TimerList(NamedTuple):
    """The soonest timers of ``total``, which is None if the loop does not tell; ``blocked`` as in LoopDetails."""

    rows: tuple[TimerRow, ...]
    total: int | None
    blocked: Blocked | None = None
    error: str = ""


class IoRow(NamedTuple):
    """A watched descriptor, and the task that it is for."""

    registration: Registration
    task: TaskRef | None = None


class IoList(NamedTuple):
    """Watched descriptors of ``total``, which is None if the loop does not tell; ``blocked`` as in LoopDetails."""

    rows: tuple[IoRow, ...]
    total: int | None
    blocked: Blocked | None = None
    error: str = ""
