"""Tell at once of a task that failed with nobody awaiting it, and of a coroutine that was never awaited.

asyncio itself tells of the first only when the task is collected, and of the second without saying where it was
made. Nothing is added to a task: a weak reference to each is kept, and looked at from outside the loop.
"""

import asyncio
import collections
import re
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.failures import describe
from aiorepl.model import Notice

__all__ = ["UnretrievedWatch"]

_NEVER_AWAITED = r"coroutine .* was never awaited"
# Who awaits a task may need a moment to fetch its exception after it has ended: asyncio.wait returns the task first.
_GRACE = 0.05
# Looked at in one go, so that a hundred thousand tasks do not hold up the thread that looks.
_SLICE = 5_000

_Ref = weakref.ref[asyncio.Future[Any]]


class UnretrievedWatch:
    """Watches the tasks of a loop that aiorepl owns; what it finds goes to ``tell``, from any thread."""

    def __init__(self, tell: Callable[[Notice], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Watch nothing yet."""
        self._tell = tell
        self._clock = clock
        self._tasks: collections.deque[_Ref] = collections.deque()
        self._suspects: list[tuple[float, _Ref]] = []

    def watch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop's tasks from now on; call it on the loop's own thread."""
        _record_tasks(loop, self._tasks)
        loop.set_exception_handler(self._handle)
        # One frame is enough to name the line, and costs a coroutine a fraction of what debug mode's ten do.
        if sys.get_coroutine_origin_tracking_depth() == 0:
            sys.set_coroutine_origin_tracking_depth(1)

    def watch_warnings(self) -> None:
        """Tell of coroutines that were never awaited, and show every other warning as before."""
        warnings.filterwarnings("always", _NEVER_AWAITED, RuntimeWarning)
        show = warnings.showwarning

        def showwarning(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, RuntimeWarning) and re.match(_NEVER_AWAITED, str(message)):
                self._tell(_never_awaited(str(message)))
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = showwarning

    def scan(self, *, last: bool = False) -> None:
        """Look at the tasks that were made since; call it every now and then, from one thread that is not the loop's.

        ``last``: do not wait for anyone to fetch an exception any more.
        """
        now = self._clock()
        BOOK.tidy()
        for _ in range(min(len(self._tasks), _SLICE)):
            reference = self._tasks.popleft()
            task = reference()
            if task is None:
                continue
            if not task.done():
                self._tasks.append(reference)
            elif _unretrieved(task):
                self._suspects.append((now, reference))
        waiting = []
        for since, reference in self._suspects:
            task = reference()
            if task is None or not _unretrieved(task):
                continue
            if now - since < _GRACE and not last:
                waiting.append((since, reference))
            else:
                self._announce(task)
        self._suspects = waiting

    def holds(self, error: BaseException) -> bool:
        """Tell whether a watched task ended with this exception, so that the task's own notice tells of it."""
        references = [*self._tasks, *(reference for _, reference in self._suspects)]
        return any(task is not None and _error(task) is error for task in (r() for r in references))

    def _announce(self, task: asyncio.Future[Any]) -> None:
        error = _error(task)
        if error is not None:
            # It has been told: asyncio need not tell it again when the task is collected.
            task._log_traceback = False
            failure = describe(error)
            self._tell(Notice(f"{_name(task)} failed and nobody awaits it{_origin(task)}", "alert", failure.text))

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's exception handler: a callback that raised, or a task that was collected first."""
        error = context.get("exception")
        subject = context.get("task") or context.get("future")
        text = str(context.get("message") or "unhandled exception in the event loop")
        if text == "Task exception was never retrieved":
            text = "a task failed and nobody awaits it"
        if subject is not None:
            text = f"{_name(subject)}: {text}{_origin(subject)}"
        elif (handle := context.get("handle")) is not None:
            text += f" {handle!r}"
        self._tell(Notice(text, "alert", describe(error).text if error is not None else ""))
        import logging

        if logging.getLogger("asyncio").hasHandlers():
            loop.default_exception_handler(context)


def _record_tasks(loop: asyncio.AbstractEventLoop, tasks: collections.deque[_Ref]) -> None:
    """Add a weak reference to each task that the loop makes from now on.

    Not by a task factory: the user may set one, and with any Python 3.13.0 names the tasks without a name "None".
    """
    inner: Any = loop.create_task

    def create_task(coro: Any, **options: Any) -> Any:
        task = inner(coro, **options)
        # In debug mode a task remembers the calls that made it, and this one is not the user's.
        if source := getattr(task, "_source_traceback", None):
            del source[-1]
        tasks.append(BOOK.record_birth(task, _caller(), asyncio.current_task(loop)))
        return task

    loop.create_task = create_task  # type: ignore[method-assign]


def _caller() -> tuple[str, int, str]:
    """Where the user's code made a task: the innermost frame that is neither ours nor asyncio's."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("asyncio."):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname


def _unretrieved(task: asyncio.Future[Any]) -> bool:
    # Reading it changes nothing, whereas task.exception() would count as fetching the exception.
    return bool(getattr(task, "_log_traceback", False))


def _error(task: asyncio.Future[Any]) -> BaseException | None:
    error: BaseException | None = getattr(task, "_exception", None)
    return error


def _name(subject: Any) -> str:
    if not isinstance(subject, asyncio.Task):
        return type(subject).__name__
    return f"{subject.get_name()} ({getattr(getattr(subject, '_coro', None), '__qualname__', '?')})"


def _origin(subject: Any) -> str:
    coroutine = getattr(subject, "_coro", None)
    origin = getattr(coroutine, "cr_origin", None)
    return f"; made in {origin[0][0]}, line {origin[0][1]}" if origin else ""


def _never_awaited(message: str) -> Notice:
    first, *rest = message.splitlines()
    places = list(_places(rest))
    return Notice(f"{first}{f'; made in {places[-1]}' if places else ''}", "alert")


def _places(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if found := re.match(r'\s*File "(.*)", line (\d+)', line):
            yield f"{found[1]}, line {found[2]}"
