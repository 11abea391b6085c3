"""What reaches a loop's exception handler becomes an alert; the handler that was there is still called."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiorepl.alerts.blocked import Report
from aiorepl.alerts.endings import origin_words, raised_at, task_name
from aiorepl.alerts.logged import told
from aiorepl.alerts.origins import creation
from aiorepl.alerts.places import frame_at, line_text
from aiorepl.alerts.recent import Recent
from aiorepl.alerts.values import Alert, Kind
from aiorepl.introspect import uv
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.callbacks import callback_name, defined_at
from aiorepl.introspect.chain import bounded, coroutine_of
from aiorepl.introspect.loops import number_of
from aiorepl.introspect.values import Frame

__all__ = ["HandlerWatch"]

Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

_CURES: dict[Kind, str] = {
    "never-retrieved": "Await the task, or put it into a TaskGroup",
    "destroyed-pending": "Keep what create_task returns, or use a TaskGroup: the loop itself keeps no task alive",
    "exception-in-callback": "Catch it in the callback: nobody else can",
    "unhandled": "The message says which part of asyncio could not pass it on to anybody",
}


class HandlerWatch:
    """The exception handler of one loop, until ``undo``; it is called on the loop's thread, or by the collector."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Report, *, quiet: bool) -> None:
        """Report what comes.

        Args:
            loop: Whose handler is replaced.
            report: Takes the alerts.
            quiet: Where there was no handler, let asyncio log it only if somebody set up logging: a person reads the
                alert already.
        """
        self._loop = loop
        self._report = report
        self._quiet = quiet
        self._recent = Recent()
        self._previous: Handler | None = loop.get_exception_handler()
        loop.set_exception_handler(self.handle)

    def undo(self) -> None:
        """Let the previous handler take over, unless somebody has set another one since."""
        if self._loop.get_exception_handler() == self.handle:
            self._loop.set_exception_handler(self._previous)

    def handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what the loop could not pass on to anybody."""
        try:
            self._tell(context)
        finally:
            self._pass_on(loop, context)

    def _pass_on(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        with told():
            if self._previous is not None:
                self._previous(loop, context)
            elif not self._quiet or logging.getLogger("asyncio").hasHandlers():
                loop.default_exception_handler(context)

    def _tell(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        subject = context.get("task") or context.get("future")
        handle = context.get("handle")
        made = origin_words(subject) if subject is not None else ""
        message = str(context.get("message") or "unhandled exception in the event loop")
        kind = _kind(message, handle)
        where = raised_at(error) if error is not None else None
        failure = self._recent.describe(error, where) if error is not None else None
        cure = _CURES[kind]
        summary = f": {bounded(failure.summary)}" if failure is not None else ""
        if kind == "never-retrieved":
            entry = BOOK.entry_of_dying(subject) if isinstance(subject, asyncio.Task) else None
            if entry is not None and entry.told:
                return
            what = f"{task_name(subject)} failed and nobody awaits it{summary}"
        elif kind == "destroyed-pending":
            what = f"{task_name(subject)} was collected before it ended"
            # The line that is to be changed; where it stood is to be seen only if its coroutine is still there.
            where = _born(subject)
            if where is not None:
                made = ""
            else:
                where = _stood(subject)
        elif kind == "exception-in-callback" and handle is not None:
            callback = uv.called_by(handle)[0] if uv.is_uvloop(self._loop) else getattr(handle, "_callback", None)
            what = f"the callback {callback_name(callback)} raised{summary or ' an exception'}"
            defined = defined_at(callback)
            where = where or defined
            if defined is not None and defined.library:
                cure = "The callback is not the program's: look for what failed or was cancelled just before"
        else:
            subject_words = f"{task_name(subject)}: " if subject is not None else ""
            what = f"{subject_words}{bounded(message)}{summary}"
        self._report(
            Alert(
                kind,
                what,
                where=where,
                source=line_text(where),
                task=_number(subject) if isinstance(subject, asyncio.Task) else None,
                loop=number_of(self._loop),
                cure=f"{cure}{made}.",
                detail=(failure.text if failure is not None else "") + creation(subject or handle),
            ),
            (where, type(error).__name__) if where is not None else what,
        )


def _kind(message: str, handle: object) -> Kind:
    if "exception was never retrieved" in message:
        return "never-retrieved"
    if message.startswith("Task was destroyed but it is pending"):
        return "destroyed-pending"
    if handle is not None or message.startswith("Exception in callback"):
        return "exception-in-callback"
    return "unhandled"


def _number(task: Any) -> int:
    entry = BOOK.entry_of_dying(task)
    return entry.number if entry is not None else BOOK.number_of(task)


def _born(task: Any) -> Frame | None:
    entry = BOOK.entry_of_dying(task)
    return frame_at(*entry.born) if entry is not None and entry.born is not None else None


def _stood(task: Any) -> Frame | None:
    """Where a task stood that was collected; its coroutine still has its frame."""
    frame = getattr(coroutine_of(task), "cr_frame", None)
    if frame is None:
        return None
    return frame_at(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
