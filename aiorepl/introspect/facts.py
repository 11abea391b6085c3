"""What findings rest on beside a snapshot, gathered from the live loop."""

import asyncio
import functools
import itertools
import re
import signal
import threading
import weakref
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.deadlock import dead_tasks, time_limits
from aiorepl.introspect.diagnose import Facts, Place
from aiorepl.introspect.graph import awaited_by
from aiorepl.introspect.referrers import MOST, dropped_tasks, is_lost
from aiorepl.introspect.values import LoopSnapshot, TaskInfo, WaitKind

__all__ = ["gather_facts", "gathering"]

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

    Where there is something to look for it holds that thread while it goes through all objects of the process, up to
    twenty times; ``gathering`` lets the loop go on in between.
    """
    steps = gathering(loop, snapshot, before)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            facts: Facts = stop.value
            return facts


def gathering(
    loop: asyncio.AbstractEventLoop, snapshot: LoopSnapshot, before: Mapping[Place, int] | None = None
) -> Generator[None, None, Facts]:
    """The same in steps between which the loop may go on; the generator returns the facts."""
    # The tasks went on during the look: of those that seem to wait for each other, some may have been seen before they
    # were cancelled, and others after that.
    moved = frozenset(number for number in dead_tasks(snapshot) if _has_moved(number))
    # Before the groups, which refer to tasks.
    dropped = [BOOK.number_of(task) for task in dropped_tasks(_tasks(snapshot))]
    yield
    there = {info.number: info for info in snapshot.tasks}
    lost: list[int] = []
    for numbers in itertools.islice(_groups(snapshot, there), MOST):
        # Those that have gone on since the look are not waiting for that any more.
        group = [task for number in numbers if (task := _task(number)) is not None and _still_waits(task)]
        if len(group) == len(numbers) and is_lost(group):
            lost.append(numbers[0])
        del group
        yield
    # One that is sure to be woken is sure to be kept until then.
    lost_and_dropped = tuple(set(dropped).intersection(lost))
    return Facts(tuple(lost), lost_and_dropped, _alone(loop), before or {}, moved)


def _has_moved(number: int) -> bool:
    task = _task(number)
    return task is None or not _still_waits(task)


def _still_waits(task: Any) -> bool:
    """Tell whether a task waits for the very future that it waited for when it was looked at."""
    seen: Any = BOOK.entry(task).stands
    waiter = task._fut_waiter
    return isinstance(seen, weakref.ref) and seen() is waiter and waiter is not None and not waiter.done()


def _groups(snapshot: LoopSnapshot, there: Mapping[int, TaskInfo]) -> Iterator[list[int]]:
    """For each thing that somebody has to end the wait for: its waiters, and those that only wait for these."""
    waiters: defaultdict[int, list[int]] = defaultdict(list)
    children: defaultdict[int, set[int]] = defaultdict(set)
    for info in snapshot.tasks:
        if info.grouped and info.parent is not None:
            children[info.parent].add(info.number)
        wait = info.wait
        if wait is not None and wait.kind in _ENDED_BY_HAND and not (wait.holders or info.own):
            waiters[wait.key].append(info.number)
    above = awaited_by(snapshot)
    limits = time_limits(snapshot)
    for key, numbers in waiters.items():
        group = dict.fromkeys(numbers)
        remaining = list(numbers)
        while remaining:
            found = {upper for upper in above.get(remaining.pop(), ()) if _needs_all(there[upper])} - group.keys()
            group |= dict.fromkeys(found)
            remaining += found
        if key and limits.keys().isdisjoint(group) and _ends_together(group, there, children):
            yield list(group)


def _ends_together(group: Mapping[int, None], there: Mapping[int, TaskInfo], children: Mapping[int, set[int]]) -> bool:
    """Tell whether these are in no TaskGroup with others, one of which may fail, and so end them."""
    parents = {info.parent for number in group if (info := there[number]).grouped and info.parent is not None}
    return all(parent in group and children[parent] <= group.keys() for parent in parents)


def _needs_all(info: TaskInfo) -> bool:
    return info.wait is not None and info.wait.kind in _ALL and not info.timeouts


def _task(number: int) -> Any:
    task = BOOK.find(number)
    return task if isinstance(task, asyncio.Task) and not task.done() else None


def _tasks(snapshot: LoopSnapshot) -> Iterator[Any]:
    for info in snapshot.tasks:
        if info.state in ("waiting", "cancelling") and not info.own and _task(info.number) is not None:
            yield _task(info.number)


# Threads of ours that do nothing to a loop unless a person asks for it: all but those that the program waits for,
# and the one of a person whose own loop has the main thread.
_ONLY_LOOKS = re.compile("aiorepl-(?!embed$|frontend$|prompt$).*")


def _alone(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether neither another thread nor a signal can reach the loop."""
    here = threading.current_thread()
    if getattr(loop, "_signal_handlers", True) or any(
        not (thread is here or _ONLY_LOOKS.fullmatch(thread.name)) for thread in threading.enumerate()
    ):
        return False
    return not any(_is_the_programs(signal.getsignal(number)) for number in signal.valid_signals())


def _is_the_programs(handler: object) -> bool:
    if handler is None or isinstance(handler, int) or handler is signal.default_int_handler:
        return False
    # asyncio.run's own, which cancels the main task.
    function = handler.func if isinstance(handler, functools.partial) else handler
    return getattr(function, "__func__", None) is not asyncio.Runner._on_sigint  # type: ignore[attr-defined]
