"""While the server computes, the app's threads get their turn ten times as often.

A thread that wants to run waits for the one that does until the switch interval is over: 5 ms, each time that the app's
loop comes back from waiting for its sockets.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator

__all__ = ["Turns", "short_turns"]

# Seconds.
_SHORT = 0.0005


class Turns:
    """Shortens the switch interval while somebody holds it; any thread may."""

    def __init__(self) -> None:
        """Change nothing yet."""
        self._lock = threading.Lock()
        self._holders = 0
        self._before = 0.0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Take short turns."""
        with self._lock:
            if not self._holders:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(_SHORT, self._before))
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._put_back()

    def after_fork(self) -> None:
        """Put back what was there: whoever held it is not in the child."""
        self._lock = threading.Lock()
        if self._holders:
            self._holders = 0
            self._put_back()

    def _put_back(self) -> None:
        # What the program has set meanwhile is the program's.
        if abs(sys.getswitchinterval() - min(_SHORT, self._before)) < 1e-6:
            sys.setswitchinterval(self._before)


short_turns = Turns()
