"""What a session needs is loaded when the first client comes, and never in the middle of a fork.

A child process that is forked while another thread loads a module would have half of it, for good.
"""

import contextlib
import importlib
import threading
from collections.abc import Iterator

__all__ = ["FORKING", "load_all"]

# What is loaded in functions, by what a session does sooner or later.
_LATER = (
    "aiorepl.commands.standard",
    "aiorepl.commands.objects",
    "aiorepl.interpret.completion",
    "aiorepl.introspect.inspector",
    "aiorepl.introspect.words",
    "ctypes",
)
# Seconds that a fork waits at most: what is loaded takes a tenth of that.
_PATIENCE = 3.0


class _Forking:
    """Keeps forks away while something is loaded; one thread loads at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def kept_away(self) -> Iterator[None]:
        """Let a fork by another thread wait, and give the program's threads their turn often: to load is work."""
        lock = self._lock
        with lock:
            from aiorepl.remote.turns import short_turns

            with short_turns.held():
                yield

    def before(self) -> None:
        """A fork is about to happen on this thread."""
        self._held = self._lock.acquire(timeout=_PATIENCE)

    def after_in_parent(self) -> None:
        """It has happened."""
        if self._held:
            self._lock.release()

    def after_in_child(self) -> None:
        """It has happened, and this is the child: the thread that held the lock may be gone."""
        self._lock = threading.RLock()


FORKING = _Forking()


def load_all() -> None:
    """Load all that a session loads later; takes a tenth of a second the first time."""
    with FORKING.kept_away():
        for name in _LATER:
            importlib.import_module(name)
