"""What is remembered of tasks between looks: a small number, how each came to be, and since when it stands where it is.

One book for the process, so that a task has one number wherever it is asked for. Tasks are referred to weakly, and
nothing of them is kept but plain data.
"""

import asyncio
import collections
import itertools
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

__all__ = ["BOOK", "Book", "Entry", "Gone"]

# How many tasks that are gone are remembered by name.
_REMEMBERED = 1_000
# The book is tidied when it has grown to twice what lived the last time, and at least to this.
_FEWEST = 1_000

Task = asyncio.Future[Any]
# File, line and function.
Place = tuple[str, int, str]


class Entry(weakref.ref[Task]):
    """A task's line in the book; calling it gives the task, or None. Times are those of ``time.monotonic``."""

    __slots__ = ("asked", "born", "key", "made", "name", "number", "parent", "since", "stands", "told")

    number: int
    # What the book finds it by.
    key: int
    # What the task was called when it was last looked at.
    name: str
    # When, where and by which task it was made, if aiorepl was there.
    made: float | None
    born: Place | None
    parent: int | None
    # What it waited on when it was last looked at, and when it was first seen to.
    stands: object
    since: float
    # An alert has told that it failed and that nobody looks at that.
    told: bool
    # When it was first seen to be asked to end; None if it is not.
    asked: float | None

    def seen(self, stands: object, now: float) -> float | None:
        """Note what the task waits on; return for how long it has been seen to, None if this is the first time."""
        if self.stands != stands:
            self.stands, self.since = stands, now
            return None
        return now - self.since

    def outlives(self, asked: bool, now: float) -> float | None:
        """Note whether the task is asked to end; return for how long it has been seen to be, None if it is not."""
        if not asked:
            self.asked = None
            return None
        if self.asked is None:
            self.asked = now
        return now - self.asked


def _new_entry(task: Task, number: int) -> Entry:
    entry = Entry(task)
    entry.number = number
    entry.key = id(task)
    entry.name = ""
    entry.made = entry.born = entry.parent = entry.stands = entry.asked = None
    entry.since = 0.0
    entry.told = False
    return entry


class Gone:
    """A task that is no more; how it ended is not known, as nobody kept it."""

    __slots__ = ("name", "number")

    def __init__(self, number: int, name: str) -> None:
        """Remember what it was called."""
        self.number = number
        self.name = name


class Book:
    """Entries by task and by number; all of it may be used from any thread, and from a signal handler."""

    def __init__(self) -> None:
        """Start empty, with 1 as the first number."""
        self._by_id: dict[int, Entry] = {}
        self._by_number: dict[int, Entry] = {}
        self._gone: collections.deque[Gone] = collections.deque(maxlen=_REMEMBERED)
        self._numbers = itertools.count(1)
        # Reentrant for a signal handler that interrupts its own thread here.
        self._lock = threading.RLock()
        self._tidy_at = _FEWEST

    def entry(self, task: Task) -> Entry:
        """Return a task's entry; a task that is new here gets the next number."""
        entry = self._by_id.get(id(task))
        if entry is None or entry() is not task:
            with self._lock:
                entry = self._by_id[id(task)] = _new_entry(task, next(self._numbers))
                self._by_number[entry.number] = entry
        return entry

    def entry_of_dying(self, task: Task) -> Entry | None:
        """Return the entry of a task that is being collected just now, to which weak references are dead already."""
        entry = self._by_id.get(id(task))
        return entry if entry is not None and entry() in (None, task) else None

    def number_of(self, task: Task) -> int:
        """Return the number that stays with a task as long as it lives."""
        return self.entry(task).number

    def record_birth(self, task: Task, born: Place, parent: Task | None) -> Entry:
        """Note that a task has been made just now, at this place and by that task."""
        entry = self.entry(task)
        entry.made, entry.born = time.monotonic(), born
        if parent is not None:
            maker = self.entry(parent)
            entry.parent = maker.number
            # It may be gone when somebody asks who made this one.
            maker.name = maker.name or parent.get_name()  # type: ignore[attr-defined]
        return entry

    def knows(self, task: Task) -> bool:
        """Tell whether a task has a number."""
        entry = self._by_id.get(id(task))
        return entry is not None and entry() is task

    def find(self, number: int) -> Task | None:
        """Return the task of a number, running or ended, if it is still there."""
        entry = self._by_number.get(number)
        return entry() if entry is not None else None

    def name_of(self, number: int) -> str:
        """Return what the task of a number was called when it was last looked at; empty if it never was."""
        entry = self._by_number.get(number)
        if entry is not None:
            return entry.name
        return next((gone.name for gone in self._gone if gone.number == number), "")

    def tasks(self) -> Iterator[Task]:
        """The tasks that are in the book and still there, running or ended, by number."""
        for entry in list(self._by_number.values()):
            if (task := entry()) is not None:
                yield task

    def gone(self) -> list[Gone]:
        """The tasks that have been looked at and are no more, by number; only the newest of them."""
        self._tidy()
        return sorted(self._gone, key=lambda gone: gone.number)

    def tidy(self) -> None:
        """Clear away the entries of tasks that are gone, if they may be many.

        Not for a loop's own thread: it takes time.
        """
        if len(self._by_number) > self._tidy_at:
            self._tidy()
            self._tidy_at = max(_FEWEST, 2 * len(self._by_number))

    def _tidy(self) -> None:
        for entry in list(self._by_number.values()):
            if entry() is None:
                with self._lock:
                    self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        if self._by_number.pop(entry.number, None) is None:
            return
        if entry.name:
            self._gone.append(Gone(entry.number, entry.name))
        # The id may belong to a newer task by now.
        if self._by_id.get(entry.key) is entry:
            del self._by_id[entry.key]


BOOK = Book()
