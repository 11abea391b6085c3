"""Which tasks can never go on, and which ones a timeout will end; pure, over the values of a snapshot."""

import math
from collections import defaultdict
from collections.abc import Generator, Iterable

from aiorepl.introspect.graph import edges_in_pieces
from aiorepl.introspect.pieces import PIECE, at_once
from aiorepl.introspect.values import LoopSnapshot, TaskInfo, WaitKind

__all__ = ["CANCELS", "dead_in_pieces", "dead_tasks", "limits_in_pieces", "time_limits"]

# Waits that may end with one of several, beside those that say so.
_ANY: frozenset[WaitKind] = frozenset(("as_completed", "semaphore"))
# Who is cancelled in such a wait cancels what it awaits.
CANCELS: frozenset[WaitKind] = frozenset(("task", "gather", "wait_for", "taskgroup"))


def time_limits(snapshot: LoopSnapshot) -> dict[int, float]:
    """Return the seconds until a timeout cancels a task: one around where it stands, or around one that awaits it."""
    return at_once(limits_in_pieces(snapshot))


def limits_in_pieces(snapshot: LoopSnapshot) -> Generator[None, None, dict[int, float]]:
    """The same in pieces."""
    tasks = {info.number: info for info in snapshot.tasks}
    yield
    limits: dict[int, float] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for count, info in enumerate(snapshot.tasks):
        if info.timeouts:
            limits[info.number] = min(limit.left for limit in info.timeouts)
        if info.grouped and info.parent is not None:
            children[info.parent].append(info.number)
        if count % PIECE == 0:
            yield
    remaining = list(limits)
    while remaining:
        number = remaining.pop()
        for count, target in enumerate((*_cancelled_with(tasks[number]), *children[number])):
            if target in tasks and limits[number] < limits.get(target, math.inf):
                limits[target] = limits[number]
                remaining.append(target)
            if count % PIECE == 0:
                yield
    return limits


def dead_tasks(snapshot: LoopSnapshot) -> set[int]:
    """Return the tasks that wait for each other, or for such ones, with no timeout and nobody else to end it."""
    return at_once(dead_in_pieces(snapshot))


def dead_in_pieces(snapshot: LoopSnapshot) -> Generator[None, None, set[int]]:
    """The same in pieces."""
    infos = {info.number: info for info in snapshot.tasks}
    limits = yield from limits_in_pieces(snapshot)
    targets: defaultdict[int, list[int]] = defaultdict(list)
    waiters: defaultdict[int, list[int]] = defaultdict(list)
    for count, edge in enumerate((yield from edges_in_pieces(snapshot))):
        targets[edge.waiter].append(edge.target)
        waiters[edge.target].append(edge.waiter)
        if count % PIECE == 0:
            yield
    dead = {number for number in targets if number not in limits}
    # How many of those that it waits for are dead, as far as that is known yet.
    left: dict[int, int] = {}
    for number in dead:
        left[number] = sum(target in dead for target in targets[number])
        yield
    # Whoever can go on is taken away, and then those that only waited for these.
    remaining = [number for number in dead if not _is_held_up(infos[number], len(targets[number]), left[number])]
    while remaining:
        number = remaining.pop()
        if number not in dead:
            continue
        dead.remove(number)
        for count, waiter in enumerate(waiters[number]):
            if waiter in dead:
                left[waiter] -= 1
                if not _is_held_up(infos[waiter], len(targets[waiter]), left[waiter]):
                    remaining.append(waiter)
            if count % PIECE == 0:
                yield
    return dead


def _cancelled_with(info: TaskInfo) -> Iterable[int]:
    return info.wait.tasks if info.wait is not None and info.wait.kind in CANCELS else ()


def _is_held_up(info: TaskInfo, targets: int, dead: int) -> bool:
    """Tell whether a task needs somebody who can never go on: of so many that it waits for so many cannot."""
    wait = info.wait
    if wait is None or wait.left is not None:
        return False
    if wait.first and wait.total is not None and wait.pending != wait.total:
        # One has ended: that it has will be noticed at the loop's next pass.
        return False
    if wait.kind not in _ANY and not wait.first:
        return dead > 0
    everyone_is_seen = wait.kind == "semaphore" or wait.pending in (None, targets)
    return everyone_is_seen and dead == targets
