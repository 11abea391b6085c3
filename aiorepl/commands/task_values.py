"""What the task commands return: frozen plain data, drawn by ``aiorepl.render.describe_tasks``. Times are seconds."""

from typing import Literal, NamedTuple

from aiorepl.alerts.price import Price
from aiorepl.alerts.records import TaskStats
from aiorepl.introspect.values import Explanation, Finding, Frame, Stack, State, TaskInfo, WaitKind

__all__ = [
    "Blocked",
    "Cancellation",
    "CancelledTask",
    "Counted",
    "FrameSource",
    "GroupRow",
    "LockList",
    "LockRow",
    "Reason",
    "StackGroup",
    "StackGroups",
    "StatsState",
    "StuckReport",
    "TaskDetails",
    "TaskGroups",
    "TaskRef",
    "TaskRow",
    "TaskStack",
    "TaskTable",
    "TaskTree",
    "TreeRow",
    "View",
]


class TaskRef(NamedTuple):
    """A task in a word or two, and the line of it that matters here."""

    number: int
    name: str
    coroutine: str = ""
    place: Frame | None = None


class Blocked(NamedTuple):
    """The loop did not answer: the line at which its thread stands, and the task that executes there, if any."""

    place: Frame | None
    task: TaskRef | None


class View(NamedTuple):
    """How the tasks were looked at; ``blocked`` if from outside. ``error`` says what could not be read."""

    total: int
    counts: tuple[tuple[State, int], ...] = ()
    blocked: Blocked | None = None
    error: str = ""


class TaskRow(NamedTuple):
    """One task of a list; ``place`` is its innermost line that is not a library's, ``waits`` its wait in words.

    ``left`` is the time until its wait, or a timeout around it, ends by itself. ``stats`` is what was counted of it,
    None while nothing is; ``woken_by`` says in words who woke it the most.
    """

    task: TaskInfo
    place: Frame | None
    waits: str
    left: float | None = None
    stats: TaskStats | None = None
    woken_by: str = ""


class Counted(NamedTuple):
    """For how long the steps of tasks have been counted, and whether that was only in order to answer."""

    elapsed: float
    window: bool = False


class TaskTable(NamedTuple):
    """Some tasks of a loop; ``omitted`` more are like what was asked for. ``counted`` is None if nothing is."""

    view: View
    rows: tuple[TaskRow, ...]
    omitted: int = 0
    counted: Counted | None = None


class GroupRow(NamedTuple):
    """Tasks that stand in the same place; ``numbers`` are a few of theirs, ``age`` is that of the oldest."""

    size: int
    numbers: tuple[int, ...]
    coroutine: str
    state: State
    place: Frame | None
    waits: str
    age: float | None = None


class TaskGroups(NamedTuple):
    """All tasks of a loop by where they stand, the most first; ``omitted`` are groups."""

    view: View
    rows: tuple[GroupRow, ...]
    omitted: int = 0


class TreeRow(NamedTuple):
    """A line of the tree: ``relation`` is to the task above, ``mark`` says why it does not go on below this one."""

    depth: int
    row: TaskRow
    relation: str = ""
    mark: str = ""


class TaskTree(NamedTuple):
    """Who awaits whom, in drawing order; ``omitted`` are lines."""

    view: View
    rows: tuple[TreeRow, ...]
    omitted: int = 0


class TaskDetails(NamedTuple):
    """Everything on one task."""

    view: View
    row: TaskRow
    parent: TaskRef | None = None
    awaits: tuple[TaskRef, ...] = ()
    awaited_by: tuple[TaskRef, ...] = ()
    holders: tuple[TaskRef, ...] = ()


class FrameSource(NamedTuple):
    """A frame with some of its source, ``first`` being the number of the first line; ``locals`` if asked for."""

    frame: Frame
    first: int = 0
    lines: tuple[str, ...] = ()
    locals: tuple[tuple[str, str], ...] | None = None


class TaskStack(NamedTuple):
    """Where a task stands, the outermost frame first; ``omitted`` frames are left out before the one at ``gap``."""

    view: View
    row: TaskRow
    frames: tuple[FrameSource, ...]
    gap: int = 0
    omitted: int = 0


class StackGroup(NamedTuple):
    """Tasks whose stacks are equal; ``numbers`` are a few of theirs, ``waits`` what they wait on."""

    size: int
    numbers: tuple[int, ...]
    coroutine: str
    stack: Stack
    waits: str


class StackGroups(NamedTuple):
    """All stacks, the most frequent first; ``omitted`` are groups."""

    view: View
    groups: tuple[StackGroup, ...]
    omitted: int = 0


class Reason(NamedTuple):
    """Why a task is not finished."""

    view: View
    row: TaskRow
    explanation: Explanation


class StuckReport(NamedTuple):
    """What is wrong, worst first; ``early`` is what is wrong only if a later look finds it again."""

    view: View
    findings: tuple[Finding, ...]
    early: tuple[Finding, ...] = ()


class LockRow(NamedTuple):
    """A sync object: the tasks that hold it, with the line that took it, and those in line, the next one first.

    ``omitted`` are further tasks at it.
    """

    kind: WaitKind
    what: str
    holders: tuple[TaskRef, ...]
    waiters: tuple[TaskRef, ...]
    omitted: int = 0


class LockList(NamedTuple):
    """The sync objects that are held or waited on; ``omitted`` more."""

    view: View
    rows: tuple[LockRow, ...]
    omitted: int = 0


class CancelledTask(NamedTuple):
    """A task that was asked to end: ``outcome`` is "asked", or after waiting how it ended, or "goes on".

    ``row`` is where it stands if it goes on.
    """

    task: TaskRef
    outcome: Literal["asked", "done", "cancelled", "failed", "ended", "goes on"]
    row: TaskRow | None = None


class Cancellation(NamedTuple):
    """What was asked to end, and what goes down with it; ``waited`` is for how long was waited, if it was.

    ``omitted`` and ``also_omitted`` are how many more there are of either; those that go on stand first.
    """

    tasks: tuple[CancelledTask, ...]
    also: tuple[TaskRef, ...] = ()
    waited: float | None = None
    omitted: int = 0
    also_omitted: int = 0


class StatsState(NamedTuple):
    """Whether statistics are kept of the chosen loop, and whether this session wants them.

    ``elapsed`` seconds ago they began, and ``tasks`` have had a step or a wake since; ``measured`` if steps are timed,
    and not only wakes counted. ``price`` is None where it was not measured.
    """

    loop: int
    on: bool
    own: bool = False
    elapsed: float | None = None
    tasks: int = 0
    measured: bool = True
    price: Price | None = None
