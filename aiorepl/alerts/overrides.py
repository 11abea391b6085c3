"""A value of the program's that sessions change for a while: in whatever order they leave, it ends as it was found."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Overrides"]

S = TypeVar("S")
T = TypeVar("T")


class _Entry(Generic[T]):
    """One subject: the value that was found, the one that was set last, and what is wished, in that order."""

    def __init__(self, found: T) -> None:
        self.found = self.set = found
        self.wishes: dict[object, T] = {}


class Overrides(Generic[S, T]):
    """One kind of value, of any number of subjects; may be used from any thread.

    The wish that was made last counts. Nothing is kept of a subject that nobody has a wish for.
    """

    def __init__(self, get: Callable[[S], T], set: Callable[[S, T], object]) -> None:
        """Read and change the value of a subject with these."""
        self._get = get
        self._set = set
        self._entries: dict[S, _Entry[T]] = {}
        # A signal handler may come back to it.
        self._lock = threading.RLock()

    def put(self, subject: S, owner: object, value: T) -> None:
        """Give the value of a subject to be in force as long as nobody wishes for another one."""
        with self._lock:
            entry = self._entries.get(subject)
            if entry is None:
                entry = self._entries[subject] = _Entry(self._get(subject))
            entry.wishes.pop(owner, None)
            entry.wishes[owner] = entry.set = value
            self._set(subject, value)

    def drop(self, subject: S, owner: object) -> None:
        """Wish for nothing any more; what the program itself has set meanwhile stays."""
        with self._lock:
            entry = self._entries.get(subject)
            if entry is None or owner not in entry.wishes:
                return
            del entry.wishes[owner]
            left = list(entry.wishes.values())
            if not left:
                del self._entries[subject]
            if self._get(subject) == entry.set:
                entry.set = left[-1] if left else entry.found
                self._set(subject, entry.set)

    def drop_all(self, owner: object) -> None:
        """Wish for nothing any more, of any subject."""
        for subject in self.subjects(owner):
            self.drop(subject, owner)

    def wish(self, subject: S, owner: object) -> T | None:
        """Return what somebody wishes for; None if that is nothing."""
        entry = self._entries.get(subject)
        return entry.wishes.get(owner) if entry is not None else None

    def in_force(self, subject: S) -> T | None:
        """Return the wish that was made last; None if there is none."""
        entry = self._entries.get(subject)
        return entry.set if entry is not None else None

    def subjects(self, owner: object) -> list[S]:
        """Return the subjects that somebody has a wish for."""
        return [subject for subject, entry in list(self._entries.items()) if owner in entry.wishes]
