"""How tasks end, or do not: one that failed with nobody looking at it, one that outlives its cancellation.

Nothing is added to a task: a weak reference to each is kept, and looked at from outside the loop.
"""

import asyncio
import collections
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from aiorepl.alerts.blocked import Report
from aiorepl.alerts.origins import creation
from aiorepl.alerts.places import frame_at, line_text, where_words
from aiorepl.alerts.recent import Recent
from aiorepl.alerts.values import Alert, Rules
from aiorepl.introspect.book import BOOK, Entry
from aiorepl.introspect.chain import bounded, coroutine_of, frame_of, links, place
from aiorepl.introspect.diagnose import LET_IT_END
from aiorepl.introspect.failures import in_library, own_frame
from aiorepl.introspect.loops import number_of
from aiorepl.introspect.values import Frame

__all__ = ["TaskWatch", "origin_words", "raised_at", "standing", "task_name"]

# Looked at in one go, so that a hundred thousand tasks do not hold up the thread that looks.
_SLICE = 5_000
# The same of those that were there before; and how many steps are made to find them.
_FEW = 1_000
_STEPS = 5

_Ref = weakref.ref[asyncio.Future[Any]]


class TaskWatch:
    """Watches the tasks of one loop; ``add`` is called where tasks are made, the rest by the thread that watches."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        report: Report,
        answers: Callable[[], int],
        *,
        replaces: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch nothing yet.

        Args:
            loop: Whose tasks are watched, also those that are there already.
            report: Takes the alerts.
            answers: Counts the beats that the loop has answered.
            replaces: Of a task that was told of asyncio tells nothing more, which a program's log may be in need of.
            clock: Gives the time in seconds.
        """
        self._loop = loop
        self._report = report
        self._answers = answers
        self._clock = clock
        self._replaces = replaces
        self._tasks: collections.deque[_Ref] = collections.deque()
        # Those that were there before, which may be very many and mostly live long: they are looked at less often.
        self._elders: collections.deque[_Ref] = collections.deque()
        self._finding = self._find_elders()
        self._recent = Recent(clock)
        # Failed tasks: since when they are known, and how many beats had been answered then.
        self._suspects: list[tuple[float, int, _Ref]] = []
        # Since when a task has been seen to be asked to end.
        self._cancelled: weakref.WeakKeyDictionary[Any, tuple[float, int]] = weakref.WeakKeyDictionary()

    def add(self, entry: Entry) -> None:
        """Watch a task from now on."""
        self._tasks.append(entry)

    def tick(self, rules: Rules, *, last: bool = False) -> None:
        """Look at the tasks that were made since.

        ``last``: do not wait for anyone to fetch an exception any more.
        """
        now = self._clock()
        for _ in range(_STEPS):
            next(self._finding, None)
        # More, where they come so fast that they would pile up.
        self._look_at(self._tasks, max(_SLICE, len(self._tasks) // 4), now, rules)
        self._look_at(self._elders, _FEW, now, rules)
        self._look_at_suspects(now, rules, last=last)

    def _look_at(self, tasks: collections.deque[_Ref], count: int, now: float, rules: Rules) -> None:
        for _ in range(min(len(tasks), count)):
            reference = tasks.popleft()
            task = reference()
            if task is None:
                continue
            if not task.done():
                tasks.append(reference)
                if rules.swallowed and task.cancelling():  # type: ignore[attr-defined]
                    self._look_at_cancelled(task, now, rules)
            elif _unretrieved(task):
                self._suspects.append((now, self._answers(), reference))
            # Not kept until the next one is looked at, which may be at the next tick.
            del task

    def _find_elders(self) -> Iterator[None]:
        """Watch the tasks that were there before, too; found in short steps."""
        # Loaded by the thread that watches, as it takes its time.
        from aiorepl.introspect.look import task_references

        references = yield from task_references(self._loop)
        for count, reference in enumerate(references):
            task = reference()
            if task is not None and task.get_loop() is self._loop and not task.done() and not _was_born(task):
                self._elders.append(weakref.ref(task))
            del task
            if count % _FEW == 0:
                yield

    def holds(self, error: BaseException) -> bool:
        """Tell whether a watched task ended with this exception, so that the task's own alert tells of it."""
        references = [*self._tasks, *self._elders, *(reference for *_, reference in self._suspects)]
        return any(task is not None and _error(task) is error for task in (r() for r in references))

    def _look_at_suspects(self, now: float, rules: Rules, *, last: bool) -> None:
        waiting = []
        for since, answers, reference in self._suspects:
            task = reference()
            if task is None or not _unretrieved(task) or not rules.unretrieved:
                continue
            # A first answer may be to a beat that was out already; before the second one there was a pass of the loop,
            # in which whoever waits for the task would have had its turn.
            early = now - since < rules.unretrieved or (self._answers() < answers + 2 and self._loop.is_running())
            if early and not last:
                waiting.append((since, answers, reference))
            else:
                self._tell_unretrieved(task)
            del task
        self._suspects = waiting

    def _tell_unretrieved(self, task: Any) -> None:
        error = _error(task)
        entry = BOOK.entry(task)
        if error is None or entry.told:
            return
        entry.told = True
        if self._replaces:
            task._log_traceback = False
        where = raised_at(error)
        failure = self._recent.describe(error, where)
        self._report(
            Alert(
                "never-retrieved",
                f"{task_name(task)} failed and nobody awaits it: {bounded(failure.summary)}",
                where=where,
                source=line_text(where),
                task=entry.number,
                loop=number_of(self._loop),
                cure=f"Await the task, or put it into a TaskGroup{origin_words(task)}.",
                detail=failure.text + creation(task),
            ),
            (type(error).__name__, where, getattr(coroutine_of(task), "__qualname__", "")),
        )

    def _look_at_cancelled(self, task: Any, now: float, rules: Rules) -> None:
        requests = task.cancelling()
        since, before = self._cancelled.get(task, (now, 0))
        if requests != before:
            # Asked once more, or never seen before: it gets the time anew.
            self._cancelled[task] = (now, requests)
        elif now - since >= rules.swallowed:
            self._cancelled[task] = (float("inf"), requests)
            where = standing(task)
            self._report(
                Alert(
                    "swallowed-cancel",
                    f"{task_name(task)} was cancelled and goes on",
                    where=where,
                    source=line_text(where),
                    task=BOOK.number_of(task),
                    loop=number_of(self._loop),
                    cure=LET_IT_END,
                    duration=now - since,
                    sampled=True,
                ),
                (getattr(coroutine_of(task), "__qualname__", ""), where),
            )


def task_name(subject: Any) -> str:
    """Name a task, with its coroutine; of another kind of object its type."""
    if not isinstance(subject, asyncio.Task):
        return type(subject).__name__
    return f"{bounded(subject.get_name())} ({bounded(getattr(coroutine_of(subject), '__qualname__', '?'))})"


def origin_words(task: Any) -> str:
    """Say where a task was made, after a semicolon; empty if that is not known."""
    entry = BOOK.entry_of_dying(task) if isinstance(task, asyncio.Future) else None
    if entry is not None and entry.born is not None:
        return f"; it was made in {where_words(frame_at(*entry.born))}"
    origin = getattr(coroutine_of(task), "cr_origin", None)
    return f"; it was made in {origin[0][0]}, line {origin[0][1]}" if origin else ""


def raised_at(error: BaseException) -> Frame | None:
    """Return the program's own line that raised an exception, or let it pass; None if there is none."""
    here, found = error.__traceback__, None
    while here is not None:
        file = here.tb_frame.f_code.co_filename
        if not (own_frame(file) or in_library(file)):
            found = frame_at(file, here.tb_lineno, here.tb_frame.f_code.co_qualname)
        here = here.tb_next
    return found


def standing(task: Any) -> Frame | None:
    """Return the program's own line in which a task waits; None if there is none."""
    frames = [place(frame) for frame in map(frame_of, links(coroutine_of(task))) if frame is not None]
    own = [frame for frame in frames if not (frame.own or frame.library)]
    return own[-1] if own else None


def _was_born(task: asyncio.Future[Any]) -> bool:
    """Tell whether a task was seen when it was made."""
    return BOOK.knows(task) and BOOK.entry(task).made is not None


def _unretrieved(task: asyncio.Future[Any]) -> bool:
    # Reading it changes nothing, whereas task.exception() would count as fetching the exception.
    return bool(getattr(task, "_log_traceback", False))


def _error(task: asyncio.Future[Any]) -> BaseException | None:
    error: BaseException | None = getattr(task, "_exception", None)
    return error
