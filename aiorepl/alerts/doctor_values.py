"""What an examination of a loop observes, and what is concluded from it: frozen plain data. Times are seconds."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from aiorepl.alerts.records import TaskStats
from aiorepl.alerts.values import Alert
from aiorepl.introspect.diagnose import Place
from aiorepl.introspect.values import ExecutorInfo, Finding, Frame, LoopInfo, LoopSnapshot

__all__ = ["Cause", "CauseKind", "Diagnosis", "Figures", "Hot", "Limits", "Observations", "Sampled", "Spell"]

CauseKind = Literal["blocked", "waiting", "executor", "busy", "growing", "memory", "failed", "other", "healthy"]


class Limits(NamedTuple):
    """From when on something is wrong.

    ``slow`` is for a step, ``busy`` the part of the time in which the loop works, ``crowd`` how many tasks of one
    coroutine may grow in number. ``memory`` in bytes and ``share`` of the process's memory are what pending tasks may
    take, before both are exceeded. ``patience`` is how long the first in line at a semaphore may wait, as such a thing
    is there to let tasks wait; and ``line`` if nobody is seen to hold it, or at a lock that most tasks stand before.
    """

    slow: float = 0.1
    busy: float = 0.9
    crowd: int = 200
    memory: int = 100_000_000
    share: float = 0.3
    patience: float = 10.0
    line: float = 2.5


class Spell(NamedTuple):
    """Steps that held the loop from one line, as looks from outside found them: ``times``, the longest and all of them.

    ``who`` is the task with its coroutine, ``task`` its number; ``others`` if not all steps were this task's. ``there``
    of ``looks`` during these steps found the loop at ``where``. ``call`` is a call that is known to block, and ``cure``
    what to write instead. ``behind`` is how many callbacks were ready meanwhile, None if that was not seen. ``lasts``
    if it had not ended, ``hidden`` if it kept every other thread from running, and from looking at it. ``before`` if it
    may have begun before the first look, so that it took at least this long.
    """

    who: str
    task: int | None
    where: Frame | None
    longest: float
    total: float
    times: int = 1
    looks: int = 1
    there: int = 1
    source: str = ""
    call: str = ""
    cure: str = ""
    behind: int | None = None
    lasts: bool = False
    others: bool = False
    hidden: bool = False
    before: bool = False


class Hot(NamedTuple):
    """Where looks found the loop at work: the program's line (None: in asyncio itself), and whose step it was."""

    who: str
    where: Frame | None
    looks: int


class Sampled(NamedTuple):
    """What looks at the loop's thread found, a hundred in a second.

    ``busy`` of ``looks`` found it at work, in the lines ``hot``. ``spells`` are steps of ``slow`` and more, the longest
    first, and ``held`` how long they took in all; ``longest`` is the longest step that was seen, however short.
    ``lags`` are how late callbacks were, in ascending order, and ``overdue`` for how long the last one had not been
    called at the end. ``processor`` is the part of the time that the loop's thread had a processor. ``hidden`` is the
    longest time for which the loop's thread kept every other one from looking: in a call into C, or in a collection of
    garbage if something was ``collected``.
    """

    looks: int = 0
    busy: int = 0
    hot: tuple[Hot, ...] = ()
    spells: tuple[Spell, ...] = ()
    held: float = 0.0
    longest: float | None = None
    lags: tuple[float, ...] = ()
    overdue: float = 0.0
    processor: float | None = None
    hidden: float = 0.0
    collected: bool = False


class Observations(NamedTuple):
    """Everything that an examination has observed in ``seconds``.

    ``counts`` are the tasks by coroutine and place, ``executors`` the default executor, at several times.
    ``utilisation`` is the part of the time in which the loop was busy, and ``passes`` and ``steps`` come in a second;
    ``memory`` is what the process had at the beginning and at the end, in bytes. What was not measured is None.
    ``sizes`` are estimates of what some of the pending tasks take. ``alerts`` came meanwhile. ``stats`` is what was
    counted of tasks, those that worked most first; and ``countable`` if it could be. ``silent`` are other loops of the
    process that did not answer, at the beginning and at the end.
    """

    seconds: float
    first: LoopSnapshot
    last: LoopSnapshot
    sampled: Sampled
    counts: tuple[Mapping[Place, int], ...] = ()
    executors: tuple[ExecutorInfo | None, ...] = ()
    utilisation: float | None = None
    passes: float | None = None
    steps: float | None = None
    memory: tuple[int | None, int | None] = (None, None)
    sizes: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    alerts: tuple[Alert, ...] = ()
    stats: tuple[TaskStats, ...] = ()
    countable: bool = True
    silent: tuple[LoopInfo, ...] = ()


class Cause(NamedTuple):
    """What is wrong, in plain language: ``title`` is one line, ``evidence`` more lines, ``advice`` what to do about it.

    ``severity`` is 3 for what can never end or holds everything up now, 2 for what does harm, 1 for what may, and 0 if
    nothing is wrong. ``command`` is what to type next, and ``shows`` what it does. ``tasks`` are those it is about.
    """

    kind: CauseKind
    severity: int
    title: str
    evidence: tuple[str, ...] = ()
    advice: str = ""
    command: str = ""
    shows: str = ""
    tasks: tuple[int, ...] = ()


class Figures(NamedTuple):
    """What was measured meanwhile; None is what was not.

    ``busy`` is the part of the time in which the loop worked, which was ``measured`` or else is that of ``looks``.
    ``lag`` is the median of ``beats`` callbacks, ``worst`` the worst of them. ``tasks`` are their numbers at the first
    and at the last look; ``memory`` is in bytes, as is ``pending``, what the pending tasks take: an estimate from
    ``estimated`` of them. ``countable`` if steps can be counted on a loop of this kind.
    """

    looks: int
    busy: float | None
    measured: bool
    processor: float | None
    lag: float | None
    worst: float | None
    beats: int
    longest: float | None
    passes: float | None
    steps: float | None
    tasks: tuple[int, int]
    executor: ExecutorInfo | None
    memory: tuple[int | None, int | None]
    pending: int | None
    estimated: int
    countable: bool = True


class Diagnosis(NamedTuple):
    """What is wrong with a loop, worst first; one cause of the kind "healthy" if no fault was found."""

    loop: LoopInfo
    seconds: float
    causes: tuple[Cause, ...]
    figures: Figures
