"""What findings rest on beside a snapshot, gathered from the live loop."""

import asyncio
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.diagnose import Facts, Place
from aiorepl.introspect.graph import awaited_by
from aiorepl.introspect.referrers import dropped_tasks, lost_waits
from aiorepl.introspect.values import LoopSnapshot, TaskInfo, WaitKind

__all__ = ["gather_facts"]

# Kinds of waits that somebody ends who has the thing at hand.
_ENDED_BY_HAND: frozenset[WaitKind] = frozenset(
    ("future", "event", "condition", "queue.get", "queue.put", "lock", "semaphore")
)
# A task that waits for others in one of these ways can do nothing before they have ended.
_ALL: frozenset[WaitKind] = frozenset(("task", "gather", "taskgroup", "shield"))


def gather_facts(
    loop: asyncio.AbstractEventLoop, snapshot: LoopSnapshot, before: Mapping[Place, int] | None = None
) -> Facts:
    """Look for waits that nothing can end and for tasks that nobody keeps; on the loop's own thread.

    Where there is something to look for it holds that thread while it goes through all objects of the process.
    """
    there = {info.number: info for info in snapshot.tasks}
    groups = [[task for n in group if (task := _task(n)) is not None] for group in _groups(snapshot, there)]
    lost = [BOOK.number_of(task) for task in lost_waits(group for group in groups if group)]
    dropped = [BOOK.number_of(task) for task in dropped_tasks(_tasks(snapshot))]
    return Facts(tuple(lost), tuple(dropped), _alone(loop), before or {})


def _groups(snapshot: LoopSnapshot, there: Mapping[int, TaskInfo]) -> Iterator[list[int]]:
    """For each thing that somebody has to end the wait for: its waiters, and those that only wait for these."""
    waiters: defaultdict[int, list[int]] = defaultdict(list)
    for info in snapshot.tasks:
        wait = info.wait
        if wait is not None and wait.kind in _ENDED_BY_HAND and not (wait.holders or info.own):
            waiters[wait.key].append(info.number)
    above = awaited_by(snapshot)
    for key, numbers in waiters.items():
        if not key or any(there[number].timeouts for number in numbers):
            continue
        group = list(numbers)
        for number in group:
            group += [upper for upper in above.get(number, ()) if upper not in group and _needs_all(there[upper])]
        yield group


def _needs_all(info: TaskInfo) -> bool:
    return info.wait is not None and info.wait.kind in _ALL and not info.timeouts


def _task(number: int) -> Any:
    task = BOOK.find(number)
    return task if isinstance(task, asyncio.Task) and not task.done() else None


def _tasks(snapshot: LoopSnapshot) -> Iterator[Any]:
    for info in snapshot.tasks:
        if info.state in ("waiting", "cancelling") and not info.own and _task(info.number) is not None:
            yield _task(info.number)


def _alone(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether neither another thread nor a signal can reach the loop."""
    if threading.active_count() > 1 or getattr(loop, "_signal_handlers", True):
        return False
    return not any(_is_the_programs(signal.getsignal(number)) for number in signal.valid_signals())


def _is_the_programs(handler: object) -> bool:
    if handler is None or isinstance(handler, int) or handler is signal.default_int_handler:
        return False
    # asyncio.run's own, which cancels the main task.
    return getattr(handler, "__func__", None) is not asyncio.Runner._on_sigint  # type: ignore[attr-defined]
