"""What an inspection finds: frozen plain data, with no task, frame or value of the program in it.

Times are seconds; one that was not measured is None. Tasks are referred to by their number, which stays with a task as
long as it lives. Every text of the program's (a name, a path, a summary) is bounded, but may hold any character.
(Named tuples, since a loop may have 100,000 tasks.)
"""

from typing import Literal, NamedTuple

__all__ = [
    "Edge",
    "ExecutorInfo",
    "Explanation",
    "Finding",
    "Frame",
    "Held",
    "LoopInfo",
    "LoopSnapshot",
    "Registration",
    "Stack",
    "State",
    "SyncObject",
    "TaskInfo",
    "Timeout",
    "Timer",
    "Wait",
    "WaitKind",
]

# "ready": it is to run at the loop's next pass. "cancelling": it was asked to end, and has not.
State = Literal["running", "ready", "waiting", "cancelling", "done", "cancelled", "failed"]

WaitKind = Literal[
    "task",
    "future",
    "gather",
    "wait",
    "wait_for",
    "as_completed",
    "shield",
    "taskgroup",
    "sleep",
    "lock",
    "semaphore",
    "event",
    "condition",
    "barrier",
    "queue.get",
    "queue.put",
    "queue.join",
    "read",
    "drain",
    "socket",
    "connect",
    "server",
    "process",
    "thread",
    "generator",
    "unknown",
]


class Frame(NamedTuple):
    """A place where code stands; ``library`` if that is Python's own code, ``own`` if it is aiorepl's."""

    function: str
    file: str
    line: int
    library: bool = False
    own: bool = False


# The outermost call first, as in a traceback.
Stack = tuple[Frame, ...]


class Wait(NamedTuple):
    """What a task waits on.

    ``what`` is that thing in a few words: a task's name, ``Queue(maxsize=5)``, a function in a thread, ``fd 7``.
    ``key`` is the same for all who wait on or hold one object, and 0 if there is none. ``tasks`` are the tasks awaited
    (those that are not done), ``holders`` those that hold a sync object, or work for a ``queue.join``; it is None where
    nobody looked for holders, and empty where none was found. ``pending`` of ``total`` parts have not ended; ``place``
    is its place in line, from 1, of ``total`` that stand there. ``left`` is the time until it ends by itself, negative
    if it should have and the loop has not come to that.
    ``started`` tells whether a thread's function has begun. ``known`` is False if something that aiorepl
    cannot see may end the wait. ``error`` says what could not be read. ``first`` if one of several parts may end it.
    """

    kind: WaitKind
    what: str = ""
    key: int = 0
    tasks: tuple[int, ...] = ()
    holders: tuple[int, ...] | None = None
    pending: int | None = None
    total: int | None = None
    place: int | None = None
    left: float | None = None
    started: bool | None = None
    known: bool = True
    error: str = ""
    first: bool = False


class Timeout(NamedTuple):
    """A deadline that is set around where a task stands; ``left`` is negative once it has passed."""

    left: float
    frame: Frame


class Held(NamedTuple):
    """A sync object that a task has entered with ``async with``, and the frame that did."""

    key: int
    kind: WaitKind
    what: str
    frame: Frame


class TaskInfo(NamedTuple):
    """One task.

    ``stack`` goes from the task's coroutine to the innermost await. ``age`` and ``born`` (the line that made the task)
    are known only if aiorepl was there. ``seen`` is for how long it has been seen standing in this very wait, which
    is at most how long it has waited; None at the first look. ``parent`` is the task that made it, or whose
    TaskGroup it is in. ``holds`` is None where nobody looked. ``context`` are its context variables, with a summary of
    each value; None where they were not asked for. ``outcome`` says how it ended. ``own`` marks a task of aiorepl's,
    and the cell that asks. ``error`` says what could not be read. ``grouped`` if it is in the parent's TaskGroup.
    ``asked`` is for how long it has been seen to be asked to end, whatever it waited on; None if it is not.
    """

    number: int
    name: str
    coroutine: str
    state: State
    stack: Stack = ()
    wait: Wait | None = None
    age: float | None = None
    born: Frame | None = None
    seen: float | None = None
    parent: int | None = None
    cancels: int = 0
    holds: tuple[Held, ...] | None = None
    timeouts: tuple[Timeout, ...] = ()
    context: tuple[tuple[str, str], ...] | None = None
    outcome: str = ""
    own: bool = False
    error: str = ""
    grouped: bool = False
    asked: float | None = None


class Timer(NamedTuple):
    """What the loop is to call at a time: ``left`` seconds from now, ``task`` the one that it wakes or belongs to."""

    left: float
    callback: str
    frame: Frame | None = None
    task: int | None = None


class Registration(NamedTuple):
    """A descriptor that the loop watches, for ``events`` ("read", "write" or "read+write")."""

    fd: int
    kind: str
    events: str
    what: str
    callback: str = ""
    task: int | None = None


class ExecutorInfo(NamedTuple):
    """A loop's default executor: ``idle`` of ``workers`` threads wait for work (at most ``limit``)."""

    workers: int
    limit: int
    idle: int | None
    queued: int
    running: tuple[str, ...] = ()


class LoopInfo(NamedTuple):
    """One loop. What a kind of loop does not tell is None.

    ``running`` if it is in ``run_forever``; ``current`` is the task that executes now. ``stack`` is where its
    thread stands, filled only if it was looked at from outside.
    """

    number: int
    kind: str
    thread: str
    running: bool
    closed: bool = False
    debug: bool = False
    slow_callback_duration: float | None = None
    tasks: int | None = None
    ready: int | None = None
    timers: int | None = None
    registered: int | None = None
    executor: ExecutorInfo | None = None
    asyncgens: int | None = None
    current: int | None = None
    stack: Stack = ()
    error: str = ""


class LoopSnapshot(NamedTuple):
    """A loop and its tasks, by number.

    ``outside``: the loop did not answer, so it was looked at from another thread while it worked. ``elapsed`` is how
    long the look took; the tasks may have moved meanwhile.
    """

    loop: LoopInfo
    tasks: tuple[TaskInfo, ...]
    outside: bool = False
    elapsed: float = 0.0
    error: str = ""


class Edge(NamedTuple):
    """``waiter`` cannot go on before ``target`` does: it awaits it, or wants what that holds (``key``, ``what``)."""

    waiter: int
    target: int
    kind: WaitKind
    what: str = ""
    key: int = 0


class SyncObject(NamedTuple):
    """A lock, queue or the like that tasks hold or wait on; ``waiters`` in the order in which they get it."""

    key: int
    kind: WaitKind
    what: str
    holders: tuple[int, ...]
    waiters: tuple[int, ...]


class Explanation(NamedTuple):
    """Why a task is not finished: sentences down to the root cause, and the tasks that they go through."""

    task: int
    sentences: tuple[str, ...]
    path: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return the sentences as one text."""
        return " ".join(self.sentences)


class Finding(NamedTuple):
    """Something that is wrong: ``title`` is one line, ``evidence`` more lines, ``advice`` what to do.

    ``severity`` is 3 for what can never end, 2 for what does harm, 1 for what may.
    """

    kind: str
    severity: int
    title: str
    evidence: tuple[str, ...]
    advice: str
    tasks: tuple[int, ...] = ()
