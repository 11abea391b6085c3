"""A call under way, as the thread that makes it tells of it: nothing here waits for anything."""

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from aiorepl.alerts.trace_arguments import in_words
from aiorepl.alerts.traced import Argument, Kind, Outcome, TracedCall
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.loops import thread_name
from aiorepl.introspect.own_loops import OWN_LOOPS
from aiorepl.introspect.summary import type_name

__all__ = ["Begin", "Caller", "Instrument", "OpenCall", "Read", "caller"]

# How aiorepl's own threads are called, but for the one that runs the user's loop.
_OWN_THREADS = "aiorepl-"
_USERS_THREAD = "aiorepl-loop"

_arguments_of: Callable[[BaseException], tuple[object, ...]] = BaseException.__dict__["args"].__get__

# The number and the name of a task, if there is one, and the name of the thread.
Caller = tuple[int | None, str, str]


def caller() -> Caller | None:
    """Tell who calls on this thread; None if it is aiorepl itself."""
    loop = asyncio._get_running_loop()
    # Not by current_thread, which makes an object for a thread that Python did not start.
    thread = thread_name(threading.get_ident())
    if loop is None:
        own = thread.startswith(_OWN_THREADS) and thread != _USERS_THREAD
        return None if own else (None, "", thread)
    if loop in OWN_LOOPS:
        return None
    task = asyncio.current_task(loop)
    if task is None:
        return None, "", thread
    name = asyncio.Task.get_name(task) if isinstance(task, asyncio.Task) else ""
    return BOOK.number_of(task), bounded(name), thread


class OpenCall:
    """What is known of a call so far; when it has ended, that goes to ``tell``."""

    __slots__ = (
        "_clock",
        "_tell",
        "arguments",
        "began",
        "caller",
        "duration",
        "items",
        "left",
        "number",
        "suspended",
        "suspensions",
    )

    def __init__(
        self,
        number: int,
        caller: Caller,
        arguments: tuple[Argument, ...],
        tell: Callable[["OpenCall", Outcome, str], object],
        clock: Callable[[], float],
    ) -> None:
        """Begin now."""
        self.number = number
        self.caller = caller
        self.arguments = arguments
        self._tell = tell
        self._clock = clock
        self.items = 0
        self.suspensions = 0
        self.suspended = 0.0
        # When it was suspended, unless it runs.
        self.left: float | None = None
        self.duration = 0.0
        self.began = self._clock()

    def suspend(self, *, item: bool) -> None:
        """It is left until it is resumed, and has given an item of a generator or not."""
        self.left = self._clock()
        self.suspensions += 1
        self.items += item

    def resume(self) -> None:
        """It goes on, be it with an exception that is thrown in."""
        if self.left is not None:
            self.suspended += self._clock() - self.left
            self.left = None

    def returned(self, value: object) -> None:
        """It has come to its end."""
        self._stop()
        self._tell(self, "returned", in_words(value))

    def raised(self, error: BaseException) -> None:
        """An exception has ended it."""
        self._stop()
        if issubclass(type(error), GeneratorExit) and self.suspensions:
            self._tell(self, "closed", "")
        elif issubclass(type(error), asyncio.CancelledError):
            self._tell(self, "cancelled", "")
        else:
            self._tell(self, "raised", _error_in_words(error))

    def lost(self, outcome: Outcome) -> None:
        """Nobody saw how it ended, or waits for that any more."""
        self._stop()
        self._tell(self, outcome, "")

    def _stop(self) -> None:
        # First of all: what is said of the end takes time too.
        self.duration = self._clock() - self.began
        self.resume()

    def told(self, function: str, kind: Kind, outcome: Outcome, result: str) -> TracedCall:
        """Return what is known by now."""
        return TracedCall(
            self.number,
            function,
            kind,
            self.arguments,
            outcome,
            result,
            self.duration,
            self.suspensions,
            self.suspended,
            self.items if kind in ("generator", "async generator") else None,
            *self.caller,
        )


class Instrument(Protocol):
    """What is put into a function; any thread may call it."""

    def install(self) -> None:
        """See the calls that begin from now on.

        Raises:
            CommandError: If the program leaves no room for it.
        """

    def release(self) -> None:
        """Give the function its own code back: calls that begin are not seen any more, those under way are."""

    def remove(self) -> None:
        """See nothing any more, and leave nothing behind; not within a traced call."""


# Returns the value of a parameter.
Read = Callable[[str], object]
# Told of a call that begins; returns None if it is not to be followed.
Begin = Callable[[Read], OpenCall | None]


def _error_in_words(error: BaseException) -> str:
    """An exception as its repr would be, without running a ``__repr__`` or ``__str__`` of the program's."""
    arguments = ", ".join(in_words(argument) for argument in _arguments_of(error)[:3])
    return f"{type_name(error)}({arguments})"
