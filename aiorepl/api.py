"""The functions that programs call: look at a loop, explain a task, report on every loop of the process.

Standard library only, and any thread may call them, whatever the loops are doing.
"""

import _thread
import asyncio
import contextlib
import json
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, TextIO

from aiorepl.commands.json_data import to_data
from aiorepl.commands.report import Report, make_report
from aiorepl.errors import AioreplError, LoopError
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.look import look_now
from aiorepl.introspect.loops import loops
from aiorepl.introspect.summary import type_name
from aiorepl.introspect.values import Explanation, LoopSnapshot
from aiorepl.introspect.why import why as explain
from aiorepl.render import describe_report  # noqa: F401 - registers what a report looks like
from aiorepl.render.plain import draw

if TYPE_CHECKING:
    from aiorepl.remote.attach_signal import AttachSignal

__all__ = ["DumpSignal", "dump", "install_attach_signal", "install_dump_signal", "snapshot", "why"]

Format = Literal["text", "json"]

# Columns of a report: it is read in logs, wherever it was made.
_WIDTH = 120


def snapshot(loop: asyncio.AbstractEventLoop | None = None) -> LoopSnapshot:
    """Return what a loop and its tasks are doing: plain data, which keeps nothing of the program alive.

    On the loop's own thread this holds it for as long as it takes. From another one the loop is asked; if it
    does not answer within 0.1 s it is looked at from outside.

    Args:
        loop: The running one if left out, or else the only one of the process.

    Raises:
        LoopError: If no loop is named, and none is running or several are.
    """
    return look_now(loop or _only_loop())


def why(task: "asyncio.Task[Any]") -> Explanation:
    """Explain why a task has not ended, down to the root cause; ``str()`` of it is a few plain sentences."""
    taken = look_now(task.get_loop(), ended=task.done())
    return explain(taken, BOOK.number_of(task))


def dump(file: TextIO | None = None, format: Format = "text") -> None:
    """Write a report of every loop of the process: its tasks by where they stand, and what is wrong.

    Its size is bounded, however many tasks there are. What fails is written into the report, and nothing is raised;
    what cannot be written is lost.

    Args:
        file: Where to; standard error if left out.
        format: ``"json"`` writes one object on one line.

    Raises:
        ValueError: If the format is another one.
    """
    if format not in ("text", "json"):
        raise ValueError(f"the format of a report is 'text' or 'json', not {format!r}")
    target = sys.stderr if file is None else file
    try:
        text = _written(make_report(), format, target)
    except Exception as error:
        text = f"aiorepl could not make its report: {type_name(error)}: {error}\n"
    # A program is not to fail because nobody can read what is said of it: a closed file, a full disk, no stderr.
    with contextlib.suppress(Exception):
        target.write(text)
        target.flush()


def install_dump_signal(signum: int | None = None, file: TextIO | None = None) -> "DumpSignal":
    """Write a report as ``dump`` does whenever a signal comes, also while a loop is blocked.

    Args:
        signum: The signal; SIGUSR2 if left out.
        file: Where to write; what is standard error at that time if left out.

    Returns:
        What takes the handler away again; also a context manager.

    Raises:
        AioreplError: If this is not the main thread, or the system has no such signal.
    """
    if signum is None:
        signum = getattr(signal, "SIGUSR2", None)
        if signum is None:
            raise AioreplError("this system has no SIGUSR2; name another signal")
    if threading.current_thread() is not threading.main_thread():
        raise AioreplError("install_dump_signal can be called in the main thread only, as signal.signal")
    return DumpSignal(signum, file)


def install_attach_signal(signum: int | None = None) -> "AttachSignal":
    """Let ``aiorepl attach`` in when a signal comes, for a program on a Python before 3.14; Linux.

    Until then nothing is loaded or run for it; it costs one open descriptor, which tells ``aiorepl attach`` of the
    signal. A child that is forked lets in as well.

    Args:
        signum: The signal; a real-time one that hardly any program uses if left out.

    Returns:
        What takes the handler away again; also a context manager.

    Raises:
        AioreplError: If this is not the main thread, or not Linux.
    """
    from aiorepl.remote.attach_signal import AttachSignal, default_signal

    return AttachSignal(default_signal() if signum is None else signum)


class DumpSignal:
    """A signal's handler that has a report written by a thread of its own.

    So it waits for no lock that the interrupted code may hold, an output's among them. It is called between two
    bytecodes of the main thread, and in a system call that a signal interrupts: not in a C function that
    does not return.
    """

    def __init__(self, signum: int, file: TextIO | None) -> None:
        """Install it; what handled the signal before no longer does."""
        self._signum = signum
        self._file = file
        self._writing = threading.Lock()
        self._previous = signal.signal(signum, self._handle)

    def __enter__(self) -> "DumpSignal":
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Uninstall it."""
        self.uninstall()

    def uninstall(self) -> None:
        """Restore what handled the signal before, unless another handler has been installed since."""
        if signal.getsignal(self._signum) == self._handle:
            # None stands for a handler that was not installed from Python, which cannot be restored.
            signal.signal(self._signum, signal.SIG_DFL if self._previous is None else self._previous)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        # A signal that comes while a report is written asks for what is being written.
        if not self._writing.acquire(blocking=False):
            return
        try:
            # Unlike a Thread this takes no lock of threading's, and leaves no frame on the interrupted stack.
            _thread.start_new_thread(self._write, ())
        except RuntimeError:
            # There can be no more threads.
            self._write()

    def _write(self) -> None:
        try:
            dump(self._file)
        finally:
            self._writing.release()


def _only_loop() -> asyncio.AbstractEventLoop:
    running = asyncio._get_running_loop()
    if running is not None:
        return running
    found = loops()
    if len(found) == 1:
        return found[0]
    raise LoopError(f"{len(found) or 'no'} loops are running in this process; name one, as in snapshot(loop)")


def _written(report: Report, format: Format, file: TextIO) -> str:
    if format == "json":
        return json.dumps(to_data(report)) + "\n"
    text = draw(report, _WIDTH)
    try:
        text.encode(getattr(file, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError):
        return draw(report, _WIDTH, ascii=True)
    return text
