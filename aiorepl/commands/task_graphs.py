"""What binds the tasks of a snapshot to each other: the tree, the sync objects, and who ends with whom."""

from collections import defaultdict
from collections.abc import Iterable

from aiorepl.commands.task_lists import Tasks
from aiorepl.commands.task_values import LockList, LockRow, TaskDetails, TaskTree, TreeRow
from aiorepl.introspect.deadlock import CANCELS
from aiorepl.introspect.graph import tree
from aiorepl.introspect.values import Held, TaskInfo, WaitKind

__all__ = ["ending_with", "lock_list", "task_details", "task_tree"]

# Lines of a tree and objects of a list that are shown.
_ROWS = 200
# Tasks that are named of those at one object.
_NAMED = 20

_SYNC: frozenset[WaitKind] = frozenset(
    ("lock", "semaphore", "event", "condition", "barrier", "queue.get", "queue.put", "queue.join")
)
# A task in such a wait is cancelled with what it awaits (and in those of CANCELS the other way round).
_RAISES: frozenset[WaitKind] = frozenset(("task", "gather", "wait_for", "as_completed", "shield"))


def task_details(tasks: Tasks, info: TaskInfo) -> TaskDetails:
    """Collect everything on one task."""
    wait = info.wait
    awaiting = [other.number for other in tasks.snapshot.tasks if other.wait and info.number in other.wait.tasks]
    return TaskDetails(
        tasks.view([info]),
        tasks.row(info),
        None if info.parent is None else tasks.ref(info.parent),
        tasks.refs(wait.tasks[:_NAMED]) if wait else (),
        tasks.refs(awaiting[:_NAMED]),
        tasks.refs((wait.holders or ())[:_NAMED]) if wait else (),
    )


def task_tree(tasks: Tasks, root: int | None = None, *, own: bool = False) -> TaskTree:
    """Who awaits whom, from one task or from all that nobody awaits."""
    hidden = {info.number for info in tasks.snapshot.tasks if info.own and not own and info.number != root}
    # The tasks that are ours stand for nothing of the program's.
    shown = tasks.snapshot._replace(tasks=tuple(info for info in tasks.snapshot.tasks if info.number not in hidden))
    nodes = tree(shown, root)
    rows = tuple(
        TreeRow(node.depth, tasks.row(tasks.by_number[node.task]), node.relation, node.mark) for node in nodes[:_ROWS]
    )
    listed = shown.tasks if root is None else [tasks.by_number[number] for number in {node.task for node in nodes}]
    return TaskTree(tasks.view(listed), rows, max(len(nodes) - _ROWS, 0))


def lock_list(tasks: Tasks) -> LockList:
    """List the sync objects that somebody holds or waits on, those with the most waiters first."""
    holders: defaultdict[int, list[tuple[TaskInfo, Held]]] = defaultdict(list)
    waiters: defaultdict[int, list[TaskInfo]] = defaultdict(list)
    for info in tasks.snapshot.tasks:
        for held in info.holds or ():
            holders[held.key].append((info, held))
        if info.wait and info.wait.key and info.wait.kind in _SYNC:
            waiters[info.wait.key].append(info)
    keys = sorted({**waiters, **holders}, key=lambda key: -len(waiters.get(key, ())))
    rows = tuple(_lock_row(tasks, holders.get(key, []), waiters.get(key, [])) for key in keys[:_ROWS])
    return LockList(tasks.view(tasks.snapshot.tasks), rows, max(len(keys) - _ROWS, 0))


def ending_with(tasks: Tasks, numbers: Iterable[int]) -> list[int]:
    """Foretell which other tasks end if these are cancelled, unless they catch it; in the order in which they would.

    A cancelled task cancels what it awaits and the children of its TaskGroup; who awaits it gets the CancelledError.
    Other children of a TaskGroup go on when one of them is cancelled, as asyncio has it.
    """
    awaiting: defaultdict[int, list[int]] = defaultdict(list)
    children: defaultdict[int, list[int]] = defaultdict(list)
    for info in tasks.snapshot.tasks:
        if info.wait and info.wait.kind in _RAISES:
            for number in info.wait.tasks:
                awaiting[number].append(info.number)
        if info.grouped and info.parent is not None:
            children[info.parent].append(info.number)
    asked = list(numbers)
    ending = dict.fromkeys(asked)
    # What is cancelled by another one has nothing left that it awaits; what is asked to end passes that on.
    passing = set(asked)
    pending = list(asked)
    while pending:
        number = pending.pop(0)
        wait = tasks.by_number[number].wait if number in tasks.by_number else None
        down = wait.tasks if wait and wait.kind in CANCELS and number in passing else ()
        passing.update(down, children[number])
        for other in (*down, *children[number], *awaiting[number]):
            if other not in ending:
                ending[other] = None
                pending.append(other)
    return [number for number in ending if number not in asked]


def _lock_row(tasks: Tasks, holders: list[tuple[TaskInfo, Held]], waiters: list[TaskInfo]) -> LockRow:
    # A queue's putters and getters stand in two lines, a condition's waiters in one and those for its lock in another.
    waiters.sort(key=lambda info: (info.wait.kind, info.wait.place or 0) if info.wait else ("", 0))
    waits = [info.wait for info in waiters if info.wait]
    kind, what = (waits[0].kind, waits[0].what) if waits else (holders[0][1].kind, holders[0][1].what)
    return LockRow(
        kind,
        what,
        tuple(tasks.ref(info.number, held.frame) for info, held in holders[:_NAMED]),
        tasks.refs(info.number for info in waiters[:_NAMED]),
        max(len(holders) - _NAMED, 0) + max(len(waiters) - _NAMED, 0),
    )
