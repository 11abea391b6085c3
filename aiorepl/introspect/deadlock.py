"""Which tasks can never go on, and which ones a timeout will end; pure, over the values of a snapshot."""

import math
from collections import defaultdict
from collections.abc import Iterable

from aiorepl.introspect.graph import edges
from aiorepl.introspect.values import LoopSnapshot, TaskInfo, WaitKind

__all__ = ["CANCELS", "dead_tasks", "time_limits"]

# Waits that may end with one of several, beside those that say so.
_ANY: frozenset[WaitKind] = frozenset(("as_completed", "semaphore"))
# Who is cancelled in such a wait cancels what it awaits.
CANCELS: frozenset[WaitKind] = frozenset(("task", "gather", "wait_for", "taskgroup"))


def time_limits(snapshot: LoopSnapshot) -> dict[int, float]:
    """Return the seconds until a timeout cancels a task: one around where it stands, or around one that awaits it."""
    tasks = {info.number: info for info in snapshot.tasks}
    limits = {info.number: min(limit.left for limit in info.timeouts) for info in snapshot.tasks if info.timeouts}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for info in snapshot.tasks:
        if info.grouped and info.parent is not None:
            children[info.parent].append(info.number)
    remaining = list(limits)
    while remaining:
        number = remaining.pop()
        for target in (*_cancelled_with(tasks[number]), *children[number]):
            if target in tasks and limits[number] < limits.get(target, math.inf):
                limits[target] = limits[number]
                remaining.append(target)
    return limits


def dead_tasks(snapshot: LoopSnapshot) -> set[int]:
    """Return the tasks that wait for each other, or for such ones, with no timeout and nobody else to end it."""
    infos = {info.number: info for info in snapshot.tasks}
    limits = time_limits(snapshot)
    targets: defaultdict[int, list[int]] = defaultdict(list)
    waiters: defaultdict[int, list[int]] = defaultdict(list)
    for edge in edges(snapshot):
        targets[edge.waiter].append(edge.target)
        waiters[edge.target].append(edge.waiter)
    dead = {number for number in targets if number not in limits}
    # Whoever can go on is taken away, and then those that only waited for these.
    remaining = list(dead)
    while remaining:
        number = remaining.pop()
        if number in dead and not _is_held_up(infos[number], targets[number], dead):
            dead.remove(number)
            remaining += waiters[number]
    return dead


def _cancelled_with(info: TaskInfo) -> Iterable[int]:
    return info.wait.tasks if info.wait is not None and info.wait.kind in CANCELS else ()


def _is_held_up(info: TaskInfo, targets: list[int], dead: set[int]) -> bool:
    """Tell whether a task needs somebody who can never go on."""
    wait = info.wait
    if wait is None or wait.left is not None:
        return False
    if wait.first and wait.total is not None and wait.pending != wait.total:
        # One has ended: that it has will be noticed at the loop's next pass.
        return False
    if wait.kind not in _ANY and not wait.first:
        return any(target in dead for target in targets)
    everyone_is_seen = wait.kind == "semaphore" or wait.pending in (None, len(targets))
    return everyone_is_seen and all(target in dead for target in targets)
