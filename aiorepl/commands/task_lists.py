"""From a snapshot to lists of its tasks: chosen, sorted, merged and cut to a length. Nothing here looks at a loop."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal, get_args

from aiorepl.commands.task_stats import Counts, woken_by
from aiorepl.commands.task_values import Blocked, GroupRow, TaskGroups, TaskRef, TaskRow, TaskTable, View
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import program_place
from aiorepl.introspect.values import Frame, LoopSnapshot, State, TaskInfo, Wait
from aiorepl.introspect.words import wait_words

__all__ = [
    "ENDED",
    "SortKey",
    "Tasks",
    "few_numbers",
    "group_tasks",
    "group_waits",
    "list_tasks",
    "matches",
    "program_place",
]

SortKey = Literal["number", "name", "state", "age", "left", "coroutine", "steps", "busy", "longest", "waited", "wakes"]

# The states of a task that is over.
ENDED: frozenset[State] = frozenset(("done", "cancelled", "failed"))
_STATES: tuple[State, ...] = get_args(State)
# How many numbers stand for a group.
_FEW = 4


class Tasks:
    """The tasks of a snapshot by number, with what is said of one in a few words."""

    def __init__(self, snapshot: LoopSnapshot, counts: Counts | None = None) -> None:
        """Index a snapshot; ``counts`` are the statistics, if they are kept."""
        self.snapshot = snapshot
        self.counts = counts
        self.by_number = {info.number: info for info in snapshot.tasks}

    def name(self, number: int) -> str:
        """What a task is called, or was; one that nobody has ever looked at is called by its number."""
        info = self.by_number.get(number)
        return info.name if info else BOOK.name_of(number) or f"task {number}"

    def ref(self, number: int, place: Frame | None = None) -> TaskRef:
        """A task in a word or two, and the line where it stands unless another one is given."""
        info = self.by_number.get(number)
        if info is None:
            return TaskRef(number, self.name(number), place=place)
        return TaskRef(number, info.name, info.coroutine, place or program_place(info.stack))

    def refs(self, numbers: Iterable[int]) -> tuple[TaskRef, ...]:
        """Several tasks in a word or two."""
        return tuple(self.ref(number) for number in numbers)

    def row(self, info: TaskInfo) -> TaskRow:
        """A task as a list shows it."""
        row = TaskRow(info, program_place(info.stack), self.waits(info), _left(info))
        if self.counts is None:
            return row
        stats = self.counts.of(info.number)
        return row._replace(stats=stats, woken_by=woken_by(stats, self.name))

    def waits(self, info: TaskInfo) -> str:
        """What a task waits on, or how it ended; empty if neither is known."""
        return wait_words(info.wait, self.name) if info.wait else info.outcome

    def view(self, tasks: Sequence[TaskInfo]) -> View:
        """How these tasks were looked at."""
        found = Counter(info.state for info in tasks)
        counts = tuple((state, found[state]) for state in _STATES if found[state])
        return View(len(tasks), counts, self._blocked(), self.snapshot.error or self.snapshot.loop.error)

    def _blocked(self) -> Blocked | None:
        loop = self.snapshot.loop
        if not self.snapshot.outside:
            return None
        return Blocked(program_place(loop.stack), self.ref(loop.current) if loop.current is not None else None)


def list_tasks(
    snapshot: LoopSnapshot,
    pattern: str = "",
    *,
    state: State | None = None,
    sort: SortKey = "number",
    top: int = 50,
    own: bool = False,
    counts: Counts | None = None,
) -> TaskTable:
    """Choose some tasks and sort them; those of aiorepl only with ``own``. To sort by counts takes ``counts``."""
    tasks = Tasks(snapshot, counts)
    chosen = _chosen(snapshot, pattern, state, own)
    key = _SORT.get(sort) or _by_count(sort, counts)
    shown = heapq.nsmallest(max(top, 0), chosen, key=lambda info: (key(info), info.number))
    rows = tuple(tasks.row(info) for info in shown)
    return TaskTable(tasks.view(chosen), rows, len(chosen) - len(shown), counts and counts.counted)


def group_tasks(
    snapshot: LoopSnapshot, pattern: str = "", *, state: State | None = None, top: int = 50, own: bool = False
) -> TaskGroups:
    """Choose some tasks, and merge those that stand in the same place with the same kind of wait."""
    tasks = Tasks(snapshot)
    chosen = _chosen(snapshot, pattern, state, own)
    merged: defaultdict[tuple[object, ...], list[TaskInfo]] = defaultdict(list)
    for info in chosen:
        merged[info.coroutine, info.state, info.wait and info.wait.kind, info.stack].append(info)
    largest = heapq.nsmallest(max(top, 0), merged.values(), key=lambda group: (-len(group), group[0].number))
    rows = tuple(_group_row(group, tasks) for group in largest)
    return TaskGroups(tasks.view(chosen), rows, len(merged) - len(rows))


def matches(info: TaskInfo, pattern: str) -> bool:
    """Tell whether a task has this number or name, or its name or coroutine fits the pattern."""
    if pattern in (str(info.number), info.name):
        return True
    texts = (info.name, info.coroutine, info.coroutine.rpartition(".")[2])
    return any(fnmatchcase(text, pattern) for text in texts)


def group_waits(group: Sequence[TaskInfo], name: Callable[[int], str]) -> str:
    """What all of a group wait on: in full if that is the same, and else in as much as it is."""
    waits = {info.wait and _common(info.wait) for info in group}
    wait = waits.pop()
    if wait is None:
        return group[0].outcome if len({info.outcome for info in group}) == 1 else ""
    if not waits:
        return wait_words(wait, name)
    same = all(other is not None and other.what == wait.what for other in waits)
    return wait.what if same and wait.what else wait.kind


def few_numbers(group: Sequence[TaskInfo]) -> tuple[int, ...]:
    """Numbers to name some of a group by."""
    return tuple(info.number for info in group[:_FEW])


def _chosen(snapshot: LoopSnapshot, pattern: str, state: State | None, own: bool) -> list[TaskInfo]:
    return [
        info
        for info in snapshot.tasks
        if (own or not info.own) and (not pattern or matches(info, pattern)) and (state is None or info.state == state)
    ]


def _group_row(group: list[TaskInfo], tasks: Tasks) -> GroupRow:
    first = group[0]
    ages = [info.age for info in group if info.age is not None]
    return GroupRow(
        len(group),
        few_numbers(group),
        first.coroutine,
        first.state,
        program_place(first.stack),
        group_waits(group, tasks.name),
        max(ages, default=None),
    )


def _common(wait: Wait) -> Wait:
    """A wait without what is another one's for each task that stands there."""
    return wait._replace(left=None, place=None, key=0)


def _left(info: TaskInfo) -> float | None:
    """The time until a task goes on by itself: its wait ends, or a timeout does."""
    known = [timeout.left for timeout in info.timeouts]
    if info.wait is not None and info.wait.left is not None:
        known.append(info.wait.left)
    return min(known, default=None)


def _known_first(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0


def _by_count(sort: SortKey, counts: Counts | None) -> Callable[[TaskInfo], tuple[object, ...]]:
    """What was counted most comes first."""
    assert counts is not None

    def key(info: TaskInfo) -> tuple[object, ...]:
        value = getattr(counts.of(info.number), sort)
        return _known_first(None if value is None else -value)

    return key


_SORT: dict[str, Callable[[TaskInfo], tuple[object, ...]]] = {
    "number": lambda info: (),
    "name": lambda info: (info.name,),
    "state": lambda info: (_STATES.index(info.state),),
    # The oldest first, and what has least time left.
    "age": lambda info: _known_first(None if info.age is None else -info.age),
    "left": lambda info: _known_first(_left(info)),
    "coroutine": lambda info: (info.coroutine,),
}
