"""What is wrong with the tasks of a loop; pure, over the values of a snapshot and what a search for referrers found.

A finding says what never ends, what does harm, or what may. A healthy program has none: what can end by itself (a
sleep, a timeout, a socket) or by somebody who is not seen is not told.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aiorepl.introspect.deadlock import dead_tasks
from aiorepl.introspect.graph import circles, edges
from aiorepl.introspect.values import Edge, Finding, LoopSnapshot, TaskInfo
from aiorepl.introspect.why import a_or_an, line_of, own_place, task_words

__all__ = ["LET_IT_END", "Facts", "Found", "counts", "examine", "findings"]

# What to do about a task that does not end though it was cancelled.
LET_IT_END = (
    "It caught CancelledError, or its cleanup does not end: let CancelledError pass on, and put a timeout around the"
    " cleanup."
)
# As many tasks are named in a finding as one reads.
_NAMED = 10
# So many tasks of one coroutine at one place are a crowd; if there are more of them than before, a growing one.
_CROWD = 200
# Seconds for which a state may last that is a passing one in a healthy program: a full queue, a task that cleans up.
_PATIENCE = 5.0

Place = tuple[str, str]


class Facts(NamedTuple):
    """What findings rest on beside the snapshot.

    ``lost`` are tasks whose wait nothing can end, ``dropped`` those that only their own wakeup keeps alive, as
    ``introspect.referrers`` found them. ``alone`` if no other thread and no signal can reach the loop.
    ``before`` counts the tasks by coroutine and place at an earlier look. ``moved`` are tasks that seemed to wait for
    each other, and do not stand there any more. For ``patience`` seconds nobody need look why a task failed, and a task
    that was asked to end may clean up.
    """

    lost: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    alone: bool = False
    before: Mapping[Place, int] = {}
    moved: frozenset[int] = frozenset()
    patience: float = _PATIENCE


class Found(NamedTuple):
    """What is wrong, and what is ``early`` if it lasts; worst first."""

    findings: tuple[Finding, ...]
    early: tuple[Finding, ...] = ()


def examine(snapshot: LoopSnapshot, facts: Facts | None = None) -> Found:
    """Return what is wrong, and what may pass: tasks that failed or were asked to end, as far as is known just now."""
    facts = facts or Facts()
    found = findings(snapshot, facts)
    told = {number for finding in found for number in finding.tasks}
    rest = snapshot._replace(tasks=tuple(info for info in snapshot.tasks if info.number not in told))
    ward = _Ward(rest, facts._replace(patience=0.0))
    return Found(found, (*ward.swallowed(), *ward.unretrieved()))


def findings(snapshot: LoopSnapshot, facts: Facts | None = None) -> tuple[Finding, ...]:
    """Return what is wrong, worst first."""
    ward = _Ward(snapshot, facts or Facts())
    found = [
        *ward.deadlocks(),
        *ward.lost_waits(),
        *ward.stalled(),
        *ward.full_queues(),
        *ward.busy_executor(),
        *ward.swallowed(),
        *ward.unretrieved(),
        *ward.growing(),
        *ward.dropped(),
    ]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def counts(snapshot: LoopSnapshot) -> dict[Place, int]:
    """Count the tasks by coroutine and place, for ``Facts.before`` of a later look."""
    return Counter((info.coroutine, own_place(info)) for info in snapshot.tasks if not info.own)


class _Ward:
    """The tasks under examination."""

    def __init__(self, snapshot: LoopSnapshot, facts: Facts) -> None:
        self.snapshot = snapshot
        self.facts = facts
        self.tasks = {info.number: info for info in snapshot.tasks}
        self.outgoing: defaultdict[int, list[Edge]] = defaultdict(list)
        for edge in edges(snapshot):
            self.outgoing[edge.waiter].append(edge)

    def deadlocks(self) -> Iterable[Finding]:
        """Tasks that wait for each other, with nothing that could end it."""
        dead = dead_tasks(self.snapshot)
        within = [edge for number in dead for edge in self.outgoing[number] if edge.target in dead]
        for circle in circles(within):
            tasks = tuple(edge.waiter for edge in circle)
            if not self.facts.moved.isdisjoint(tasks):
                continue
            evidence = [self._edge_words(edge) for edge in circle[:_NAMED]]
            if len(circle) > _NAMED:
                evidence.append(f"and {len(circle) - _NAMED} more in the circle")
            if behind := _behind(within, set(tasks)):
                evidence.append(f"{behind} more {'waits' if behind == 1 else 'wait'} for these")
            names = " and ".join(self.tasks[number].name for number in tasks[:2])
            more = f" and {len(tasks) - 2} more" if len(tasks) > 2 else ""
            waits = "wait for each other" if len(tasks) > 1 else "waits for what it holds itself"
            title = f"{names}{more} {waits}"
            yield Finding("deadlock", 3, title, tuple(evidence), _deadlock_advice(circle), tasks)

    def lost_waits(self) -> Iterable[Finding]:
        """Waits for something that nobody else has at hand."""
        for number in self.facts.lost:
            info = self.tasks.get(number)
            if info is None or info.wait is None:
                continue
            what = info.wait.what or info.wait.kind
            advice = (
                f"Keep the {what} where the code that ends the wait can reach it, or put a timeout around the wait."
            )
            title = f"{task_words(info)} waits for {a_or_an(what)} that nobody else has"
            yield Finding("lost-wait", 3, title, (self._stands(info),), advice, (number,))

    def stalled(self) -> Iterable[Finding]:
        """A loop on which nothing can happen any more, but from another thread."""
        loop = self.snapshot.loop
        waiting = [info for info in self._others() if info.state in ("waiting", "cancelling")]
        idle = (loop.ready, loop.timers, loop.registered, loop.asyncgens) == (0, 0, 0, 0)
        working = loop.executor is not None and (loop.executor.running or loop.executor.queued)
        active = any(info.state in ("running", "ready") for info in self.snapshot.tasks)
        if not self.facts.alone or not waiting or not idle or working or active:
            return
        count = "1 task waits" if len(waiting) == 1 else f"{len(waiting)} tasks wait"
        title = f"{count}, and the loop has no timer, no socket and no thread to go on with"
        evidence = tuple(self._stands(info) for info in waiting[:_NAMED])
        yield Finding(
            "stalled", 3, title, evidence, "%why says of each what it waits for.", tuple(i.number for i in waiting)
        )

    def full_queues(self) -> Iterable[Finding]:
        """Queues that are full, with tasks that wait to put into them, and nobody on the way to get."""
        putters: defaultdict[int, list[TaskInfo]] = defaultdict(list)
        for info in self._others():
            if info.wait is not None and info.wait.kind == "queue.put" and _lasts(info):
                putters[info.wait.key].append(info)
        for waiting in putters.values():
            what = waiting[0].wait.what if waiting[0].wait else ""
            title = f"{len(waiting)} {_plural('task', waiting)} wait to put into {a_or_an(what)}"
            advice = "Its consumers are too slow, too few, or gone: look at what they wait for."
            evidence = tuple(self._stands(info) for info in waiting[:_NAMED])
            yield Finding("full-queue", 2, title, evidence, advice, tuple(info.number for info in waiting))

    def busy_executor(self) -> Iterable[Finding]:
        """An executor whose threads are all taken while calls wait for one, and have waited for long."""
        executor = self.snapshot.loop.executor
        waiting = [info for info in self._others() if info.wait and info.wait.started is False and _lasts(info)]
        if executor is None or not waiting or executor.queued == 0 or executor.workers < executor.limit:
            return
        running = Counter(executor.running)
        evidence = tuple(f"{count} in {name}" for name, count in running.most_common(_NAMED))
        title = f"all {executor.workers} threads work and {executor.queued:,} calls wait"
        advice = "Give the loop an executor with more threads, or run fewer calls at a time."
        yield Finding("busy-executor", 2, title, evidence, advice, tuple(info.number for info in waiting))

    def swallowed(self) -> Iterable[Finding]:
        """Tasks that were asked to end and have not, whatever they have been doing since."""
        for info in self._others():
            outlived = _outlived(info)
            if info.state == "cancelling" and outlived is not None and outlived >= self.facts.patience:
                since = f" at least {outlived:.0f} s ago" if outlived >= 1 else ""
                title = f"{task_words(info)} was asked to end{since}, and has not"
                yield Finding("swallowed-cancel", 2, title, (self._stands(info),), LET_IT_END, (info.number,))

    def unretrieved(self) -> Iterable[Finding]:
        """Tasks that failed, with nobody to learn of it for long."""
        alike: defaultdict[tuple[str, str, str], list[TaskInfo]] = defaultdict(list)
        for info in self._others():
            known = (info.seen or 0.0) >= self.facts.patience
            if known and info.state == "failed" and info.outcome.endswith("retrieved it"):
                alike[info.coroutine, own_place(info), info.outcome.partition("(")[0]].append(info)
        for (_, place, _), failed in alike.items():
            more = f" and {len(failed) - 1:,} more like it" if len(failed) > 1 else ""
            outcome = failed[0].outcome.removesuffix("; nobody has retrieved it")
            title = f"{task_words(failed[0])}{more} failed with {outcome}"
            born = failed[0].born
            evidence = ((f"raised at {place}",) if place else ()) + ((f"made at {line_of(born)}",) if born else ())
            advice = "Await the task, or put it into a TaskGroup."
            yield Finding("unretrieved", 2, title, evidence, advice, tuple(info.number for info in failed))

    def growing(self) -> Iterable[Finding]:
        """Crowds of tasks at one place that grow from look to look."""
        crowds: defaultdict[Place, list[TaskInfo]] = defaultdict(list)
        for info in self._others():
            crowds[info.coroutine, own_place(info)].append(info)
        for place, crowd in crowds.items():
            before = self.facts.before.get(place)
            if before is None or len(crowd) < _CROWD or len(crowd) <= before:
                continue
            coroutine, line = place
            title = f"{len(crowd):,} tasks of {coroutine} at {line}, {len(crowd) - before:,} more than before"
            advice = (
                "They are made faster than they end: bound them with a semaphore or a queue, or see what holds them up."
            )
            yield Finding("growing", 1, title, (self._stands(crowd[0]),), advice, (crowd[0].number,))

    def dropped(self) -> Iterable[Finding]:
        """Tasks to which nothing refers but what is to wake them."""
        dropped = [self.tasks[number] for number in self.facts.dropped if number in self.tasks]
        if dropped:
            title = f"nothing refers to {len(dropped)} {_plural('task', dropped)} but what is to wake them"
            advice = "Keep what create_task returns, or use a TaskGroup: such a task can be collected before it ends."
            evidence = tuple(self._stands(info) for info in dropped[:_NAMED])
            yield Finding("dropped", 1, title, evidence, advice, tuple(info.number for info in dropped))

    def _others(self) -> list[TaskInfo]:
        return [info for info in self.snapshot.tasks if not info.own]

    def _edge_words(self, edge: Edge) -> str:
        waiter, target = self.tasks[edge.waiter], self.tasks[edge.target]
        if edge.kind in ("lock", "semaphore", "condition"):
            held = next((held for held in target.holds or () if held.key == edge.key), None)
            since = f" at {line_of(held.frame)}" if held is not None else ""
            return f"{self._placed(waiter)} waits for {a_or_an(edge.what)} that {task_words(target)} holds{since}"
        return f"{self._placed(waiter)} awaits {self._placed(target)}"

    def _placed(self, info: TaskInfo) -> str:
        place = own_place(info)
        return f"{task_words(info)} ({place})" if place else task_words(info)

    def _stands(self, info: TaskInfo) -> str:
        born = f", made at {line_of(info.born)}" if info.born else ""
        return f"{self._placed(info)}{born}"


def _behind(within: list[Edge], circle: set[int]) -> int:
    """How many tasks beside those of the circle wait for them, be it by way of others."""
    waiters: defaultdict[int, list[int]] = defaultdict(list)
    for edge in within:
        waiters[edge.target].append(edge.waiter)
    reached = set(circle)
    remaining = list(circle)
    while remaining:
        found = set(waiters[remaining.pop()]) - reached
        reached |= found
        remaining += found
    return len(reached - circle)


def _deadlock_advice(circle: tuple[Edge, ...]) -> str:
    if len(circle) == 1:
        return "A Lock cannot be taken twice by one task: release it first, or hand on what it protects."
    if any(edge.kind in ("lock", "semaphore", "condition") for edge in circle):
        return "Take the locks in the same order everywhere, or put a timeout around the wait; %cancel frees one now."
    return "No task may await one that awaits it: let one hand its result over another way; %cancel ends one now."


def _outlived(info: TaskInfo) -> float | None:
    """For how long a task has been seen to go on after it was asked to end; None if that says nothing.

    A timeout that has passed and a TaskGroup ask so as well, and take it back: who comes to that again and again may be
    seen in it at every look. There it has to be the very same wait.
    """
    passing = info.wait is not None and info.wait.kind == "taskgroup"
    if passing or any(timeout.left <= 0 for timeout in info.timeouts):
        return info.seen if _lasts(info) else None
    return info.asked


def _lasts(info: TaskInfo) -> bool:
    """Tell whether a task has been seen in the very same state for long."""
    return info.seen is not None and info.seen >= _PATIENCE


def _plural(word: str, things: list[TaskInfo]) -> str:
    return word if len(things) == 1 else word + "s"
