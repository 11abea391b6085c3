"""What findings rest on beside a snapshot, gathered from the live loop."""

import asyncio
import functools
import re
import signal
import threading
import weakref
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.deadlock import dead_in_pieces, limits_in_pieces
from aiorepl.introspect.diagnose import Facts, Place
from aiorepl.introspect.dropped import dropped_in_pieces, pending_task
from aiorepl.introspect.graph import edges_in_pieces
from aiorepl.introspect.pieces import PIECE, at_once
from aiorepl.introspect.referrers import MOST, MOST_OBJECTS, Search, parts_of, search_for
from aiorepl.introspect.values import LoopSnapshot, TaskInfo, WaitKind

__all__ = ["gather_facts", "gathering", "only_cancelling_ends"]

# Kinds of waits that somebody ends who has the thing at hand.
_ENDED_BY_HAND: frozenset[WaitKind] = frozenset(
    ("future", "event", "condition", "queue.get", "queue.put", "lock", "semaphore")
)
# A task that waits for others in one of these ways can do nothing before they have ended.
_ALL: frozenset[WaitKind] = frozenset(("task", "gather", "taskgroup", "shield"))
# Tasks that are looked at in one piece.
_AT_A_TIME = 16


def gather_facts(
    loop: asyncio.AbstractEventLoop, snapshot: LoopSnapshot, before: Mapping[Place, int] | None = None
) -> Facts:
    """Look for waits that nothing can end and for tasks that nobody keeps; on the loop's own thread.

    Where there is something to look for it holds that thread while it goes through all objects of the process, up to
    twenty times; ``gathering`` lets the loop go on in between.
    """
    return at_once(gathering(loop, snapshot, before))


def gathering(
    loop: asyncio.AbstractEventLoop, snapshot: LoopSnapshot, before: Mapping[Place, int] | None = None
) -> Generator[None, None, Facts]:
    """The same in pieces between which the loop may go on; the generator returns the facts."""
    # The tasks went on during the look: of those that seem to wait for each other, some may have been seen before they
    # were cancelled, and others after that.
    dead = yield from dead_in_pieces(snapshot)
    moved: set[int] = set()
    for count, number in enumerate(dead):
        if not _still_waits(number):
            moved.add(number)
        if count % _AT_A_TIME == 0:
            yield
    # Before the groups, which refer to tasks.
    dropped = yield from dropped_in_pieces(_idle(snapshot))
    lost: list[int] = []
    examined = 0
    for numbers in _groups(snapshot, {info.number: info for info in snapshot.tasks}):
        if numbers is not None:
            examined += 1
            if (yield from _is_lost(numbers)):
                lost.append(numbers[0])
        if examined == MOST:
            break
        yield
    # One that is sure to be woken is sure to be kept until then.
    lost_and_dropped = tuple(set(dropped).intersection(lost))
    return Facts(tuple(lost), lost_and_dropped, _alone(loop), before or {}, frozenset(moved))


def only_cancelling_ends(snapshot: LoopSnapshot, number: int) -> bool:
    """Tell whether nobody but those who wait has what a task of the snapshot waits for; on the loop's own thread.

    For this one task all objects of the process are gone through.
    """
    groups = _groups(snapshot, {info.number: info for info in snapshot.tasks})
    numbers = next((group for group in groups if group is not None and number in group), None)
    return numbers is not None and at_once(_is_lost(numbers, but_for_cancelling=True))


def _is_lost(numbers: Sequence[int], *, but_for_cancelling: bool = False) -> Generator[None, None, bool]:
    """Tell whether whatever can reach what the first task waits for is part of the waiting of all of these itself."""
    waiting: set[int] = set()
    for count, number in enumerate(numbers):
        # Those that have gone on since the look are not waiting for that any more.
        if not _still_waits(number):
            return False
        waiting |= parts_of(pending_task(number))
        if count % _AT_A_TIME == 0:
            yield
    search = _search(numbers, waiting, but_for_cancelling)
    if search is None or not (yield from search.in_pieces()):
        return False
    for count, number in enumerate(numbers):
        # Otherwise its parts may be gone, and something else be where they were.
        if not _still_waits(number):
            return False
        if count % _AT_A_TIME == 0:
            yield
    return True


def _search(numbers: Sequence[int], waiting: set[int], but_for_cancelling: bool) -> Search | None:
    tasks = [task for number in numbers[: MOST_OBJECTS + 1] if (task := pending_task(number)) is not None]
    if not tasks:
        return None
    whole = len(tasks) == len(numbers)
    return search_for(tasks, waiting, whole=whole, but_for_cancelling=but_for_cancelling)


def _still_waits(number: int) -> bool:
    """Tell whether a task waits for the very future that it waited for when it was looked at."""
    task = pending_task(number)
    if task is None:
        return False
    seen: Any = BOOK.entry(task).stands
    waiter = task._fut_waiter
    return isinstance(seen, weakref.ref) and seen() is waiter and waiter is not None and not waiter.done()


def _idle(snapshot: LoopSnapshot) -> Iterator[int]:
    return (info.number for info in snapshot.tasks if info.state in ("waiting", "cancelling") and not info.own)


def _groups(snapshot: LoopSnapshot, there: Mapping[int, TaskInfo]) -> Iterator[list[int] | None]:
    """For each thing that somebody has to end the wait for: its waiters, and those that only wait for these.

    None wherever the loop may go on.
    """
    waiters: defaultdict[int, list[int]] = defaultdict(list)
    children: defaultdict[int, set[int]] = defaultdict(set)
    for count, info in enumerate(snapshot.tasks):
        if info.grouped and info.parent is not None:
            children[info.parent].add(info.number)
        wait = info.wait
        if wait is not None and wait.kind in _ENDED_BY_HAND and not (wait.holders or info.own):
            waiters[wait.key].append(info.number)
        if count % PIECE == 0:
            yield None
    above: defaultdict[int, list[int]] = defaultdict(list)
    for count, edge in enumerate((yield from edges_in_pieces(snapshot))):
        if _needs_all(there[edge.waiter]):
            above[edge.target].append(edge.waiter)
        if count % PIECE == 0:
            yield None
    limits = yield from limits_in_pieces(snapshot)
    for key, numbers in waiters.items():
        group = dict.fromkeys(numbers)
        parents: set[int] = set()
        # What is added meanwhile is gone through as well.
        remaining = list(numbers)
        for count, number in enumerate(remaining):
            found = [upper for upper in above.get(number, ()) if upper not in group]
            group.update(dict.fromkeys(found))
            remaining += found
            info = there[number]
            if info.grouped and info.parent is not None:
                parents.add(info.parent)
            if count % PIECE == 0:
                yield None
        # Not those that are in a TaskGroup with others, one of which may fail, and so end them.
        apart = all(parent in group and children[parent] <= group.keys() for parent in parents)
        if key and apart and limits.keys().isdisjoint(group):
            yield list(group)


def _needs_all(info: TaskInfo) -> bool:
    return info.wait is not None and info.wait.kind in _ALL and not info.timeouts


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
    method = getattr(function, "__func__", None)
    if getattr(method, "__module__", "") == "aiorepl.terminal.ending":
        # Ends the process.
        return False
    return method is not asyncio.Runner._on_sigint  # type: ignore[attr-defined]
