"""The terminal's screen: everything that any part of the process prints goes through here, above the prompt.

The process's standard output and error are replaced, as file descriptors, by a pseudo-terminal of ours. So it does not
matter who prints, or how: ``print`` in a task or a thread, a log handler made long ago, ``sys.stdout.buffer``, C code,
a child process. Only the frontend writes to the real terminal.
"""

import contextlib
import errno
import fcntl
import os
import pty
import re
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

__all__ = ["Screen"]

# The pump reads so much at once, and waits so long (seconds) between two reads while output keeps coming: a program
# that prints line by line would otherwise be switched to and from at every line.
_CHUNK = 1 << 16
_PAUSE = 0.0005
# Held back at most for a prompt that cannot keep up; then the program that prints has to wait, as for any terminal.
_BACKLOG = 1 << 24
# Seconds that are waited for what was printed to arrive; it always does, unless the pump has to wait itself.
_SETTLE = 1.0
# Seconds that are waited for the pump to end; as long as a child can write, it does not.
_LAST = 0.1
# An application program command, which no terminal shows: tells that all that was written before it has arrived.
_MARK_BEGIN = b"\x1b_aiorepl-"
_MARK = b"\x1b_aiorepl-%d\x1b\\"
_MARKS = re.compile(rb"\x1b_aiorepl-(\d+)\x1b\\")
_STYLES_AT_END = re.compile(rb"(?:\x1b\[[0-9;]*m)+$")


class Screen:
    """Owns the real terminal; ``print`` and the rest are called on the frontend's thread."""

    def __init__(self, cook: Callable[[list[Any]], list[Any]] | None = None, *, takes_input: bool = False) -> None:
        """Take over descriptors 1 and 2; ``close`` gives them back.

        Args:
            cook: Makes of the terminal's modes those for the time when no application reads keys.
            takes_input: Take over descriptor 0 too, so that nobody but the frontend gets what is typed.
        """
        _flush_standard_streams()
        self._saved = (os.dup(1), os.dup(2))
        self._real = os.dup(1)
        self._input = os.dup(0) if takes_input else 0
        # The modes that a program sets on its terminal are the real one's, unless the frontend has its own for good.
        self._mirrors = cook is None
        self.file: TextIO = os.fdopen(os.dup(self._real), "w", encoding=sys.stdout.encoding, errors="replace")
        self._original = termios.tcgetattr(self._input)
        self._cooked = (cook or _without_echoed_controls)(self._original)
        self.restore()
        self._pump_end, program_end = pty.openpty()
        self._program = os.fdopen(program_end, "wb", buffering=0)
        self._line = _without_output_processing(program_end, self._original if cook else self._cooked)
        self.resize()
        for descriptor in (0, 1, 2) if takes_input else (1, 2):
            os.dup2(program_end, descriptor)
        if takes_input:
            # What is typed is shown where it is typed.
            self._line[3] &= ~termios.ECHO
            termios.tcsetattr(program_end, termios.TCSANOW, self._line)
        # Guards everything below, and every write to the real terminal.
        self._lock = threading.RLock()
        self._above: Callable[[], None] | None = None
        self._held = b""
        self._room = threading.Condition(self._lock)
        self._status = ""
        self._at_start = True
        self._marks = 0
        self._arrived = 0
        self._arrival = threading.Condition(self._lock)
        self._lent = False
        self._closed = False
        self._thread = threading.Thread(target=self._pump, name="aiorepl-screen", daemon=True)
        self._thread.start()
        _point_faulthandler_at(self._saved[1])

    @property
    def input(self) -> int:
        """The descriptor by which the real terminal's keys are read."""
        return self._input

    def type(self, text: str) -> None:
        """Let those who read descriptor 0 by themselves have this as if it had been typed, if that was taken over."""
        os.write(self._pump_end, text.encode(self.file.encoding, "backslashreplace"))

    def print(self, text: str) -> None:
        """Show text of the frontend's own, after everything that was printed before."""
        self._show(text.encode(self.file.encoding, "backslashreplace"))

    def settle(self) -> None:
        """Wait until everything that the process has printed so far has been shown or is held for the prompt.

        Any thread but the pump's may call this; it takes some tens of microseconds.
        """
        _flush_standard_streams()
        with self._lock:
            if self._closed:
                return
            self._marks += 1
            mark = self._marks
        with contextlib.suppress(OSError):
            self._program.write(_MARK % mark)
        with self._lock:
            self._arrival.wait_for(lambda: self._arrived >= mark or self._closed, timeout=_SETTLE)

    @contextlib.contextmanager
    def prompting(self, notify: Callable[[], None]) -> Iterator[None]:
        """Hold back what is printed for ``take`` while a prompt is on the screen; ``notify`` is told, on any thread."""
        self.lend(False)
        self.settle()
        with self._lock:
            self.status("")
            if not self._at_start:
                self._write(b"\n")
            self._above = notify
        try:
            yield
        finally:
            with self._lock:
                self._above = None
                # The prompt leaves the cursor at the start of a line.
                self._at_start = True
                held, self._held = self._held, b""
                self._write(held)
                self._room.notify_all()

    def take(self) -> str:
        """Take the whole lines that are held back; what stands after the last newline waits for its own."""
        with self._lock:
            end = self._held.rfind(b"\n") + 1
            taken, self._held = self._held[:end], self._held[end:]
            self._room.notify_all()
        return taken.decode(self.file.encoding, "replace")

    def status(self, text: str) -> None:
        """Show a line below what was printed, until something else is; an empty text removes it.

        It is not shown while the last line is unfinished, or while a program has the terminal for itself.
        """
        with self._lock:
            if text == self._status and not text:
                return
            self._erase_status()
            if text and not self._lent and self._at_start and self._above is None and self._is_ours():
                os.write(self._real, b"\r" + text.encode(self.file.encoding, "replace"))
                self._status = text

    def resize(self) -> None:
        """Tell the programs that print how large the terminal is now."""
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(self._real, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self._program.fileno(), termios.TIOCSWINSZ, size)

    def in_foreground(self) -> bool:
        """Tell whether this process may change the terminal: it is there, and nobody else has been given it."""
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(self._input) == os.getpgrp()
        return False

    def in_background(self) -> bool:
        """Tell whether somebody else has been given the terminal; False where it is not known."""
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(self._input) != os.getpgrp()
        return False

    @property
    def columns(self) -> int:
        """The width of the terminal."""
        with contextlib.suppress(OSError):
            return os.get_terminal_size(self._real).columns
        return 80

    def lend(self, lent: bool) -> None:
        """Let the programs that are started from now on have the real terminal, or no longer; any thread may call.

        It ends at the next prompt in any case.
        """
        if lent == self._lent or self._closed:
            return
        if lent:
            self.settle()
            self.status("")
        self._lent = lent
        for descriptor, real in zip((1, 2), self._saved, strict=True):
            os.dup2(real if lent else self._program.fileno(), descriptor)

    @contextlib.contextmanager
    def given_back(self) -> Iterator[None]:
        """Give the terminal the modes that it had before the program, for as long as somebody else has it."""
        with contextlib.suppress(termios.error):
            modes = termios.tcgetattr(self._input)
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._original)
            yield
            termios.tcsetattr(self._input, termios.TCSADRAIN, modes)

    @contextlib.contextmanager
    def in_front(self, group: int) -> Iterator[None]:
        """Let a process group of a child's have the keys, in the modes that the terminal had before the program.

        But for an echo of ^C. At no moment is a key a signal to the program instead.
        """
        with _allowed_in_background():
            self._put_in_front(group)
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._input, termios.TCSADRAIN, _without_echoed_controls(self._original))
        try:
            yield
        finally:
            with _allowed_in_background():
                self.restore()
                self._put_in_front(os.getpgrp())

    def _put_in_front(self, group: int) -> None:
        # It may have ended, or this is not the terminal that controls us.
        with contextlib.suppress(OSError):
            os.tcsetpgrp(self._input, group)

    def restore(self) -> None:
        """Put the terminal's modes back, whatever a program has done to them."""
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._cooked)

    def close(self, *, forward: bool = False) -> None:
        """Show what is left and give the descriptors back.

        What a child writes that was started meanwhile is brought to the screen until it ends.

        Args:
            forward: Somebody reads descriptor 0, which was taken over, and goes on doing so: bring what is typed there.
        """
        if self._closed:
            return
        self.settle()
        self.status("")
        with self._lock:
            if self._above is not None:
                # The prompt has been drawn for the last time, and what was held back for it will not be taken.
                self._above, self._at_start = None, True
                held, self._held = self._held, b""
                self._write(held)
            if not self._at_start:
                self._write(b"\n")
            self._closed = True
            self._room.notify_all()
        for descriptor, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, descriptor)
        _point_faulthandler_at(2)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._original)
        if forward:
            threading.Thread(target=self._forward, name="aiorepl-input", daemon=True).start()
            return
        if self._input:
            os.dup2(self._input, 0)
            os.close(self._input)
        # The pump now reads until no child has this end open, and ends.
        self._program.close()
        self._thread.join(_LAST)

    def _forward(self) -> None:
        """Bring what is typed to descriptor 0, line by line, as the real terminal gives it."""
        with contextlib.suppress(OSError, termios.error):
            while True:
                os.write(self._pump_end, os.read(self._input, _CHUNK) or b"\x04")

    def _pump(self) -> None:
        """Bring what the process prints to the screen."""
        self._pump_until_closed()
        with self._lock:
            for descriptor in (self._pump_end, *self._saved, self._real):
                os.close(descriptor)
            self._real = -1
            self.file.close()

    def _pump_until_closed(self) -> None:
        carried = b""
        while True:
            try:
                data = os.read(self._pump_end, _CHUNK)
            except OSError as error:
                if error.errno == errno.EINTR:
                    continue
                return
            if not data:
                return
            data, carried = _whole_marks(carried + data)
            marks = [int(number) for number in _MARKS.findall(data)]
            self._show(_MARKS.sub(b"", data) if marks else data)
            if marks:
                with self._lock:
                    self._arrived = max(self._arrived, *marks)
                    self._arrival.notify_all()
            elif select.select([self._pump_end], [], [], 0)[0]:
                time.sleep(_PAUSE)

    def _show(self, data: bytes) -> None:
        if not data:
            return
        with self._lock:
            if self._above is None:
                self._write(data)
                return
            self._held += data
            self._above()
            if threading.current_thread() is self._thread:
                self._room.wait_for(lambda: len(self._held) < _BACKLOG or self._above is None or self._closed)

    def _write(self, data: bytes) -> None:
        """Write to the real terminal; the lock is held."""
        if not data:
            return
        self._erase_status()
        if self._mirrors and not self._closed:
            self._mirror_modes()
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._real, view) :]
            except BlockingIOError:
                select.select([], [self._real], [], 1)
            except OSError:
                # The terminal is gone; the session ends by the signal that comes with it.
                return
        self._at_start = _STYLES_AT_END.sub(b"", data[-64:]).endswith((b"\n", b"\r"))

    def _erase_status(self) -> None:
        if self._status:
            os.write(self._real, b"\r\x1b[2K")
            self._status = ""

    def _is_ours(self) -> bool:
        """Tell whether the terminal is in the modes in which the frontend left it, and we are in its foreground."""
        try:
            return _modes(termios.tcgetattr(self._input)) == _modes(self._cooked) and (
                os.tcgetpgrp(self._input) == os.getpgrp()
            )
        except (OSError, termios.error):
            return False

    def _mirror_modes(self) -> None:
        """Give the real terminal the modes that a full-screen program has set on ours (curses does, vim does not)."""
        with contextlib.suppress(termios.error):
            line = termios.tcgetattr(self._program.fileno())
            if _modes(line) != _modes(self._line):
                self._line = line
                modes = termios.tcgetattr(self._input)
                modes[0], modes[3] = line[0], line[3]
                termios.tcsetattr(self._input, termios.TCSADRAIN, modes)


@contextlib.contextmanager
def _allowed_in_background() -> Iterator[None]:
    """Block the signal by which a process in the background is stopped when it changes the terminal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _without_echoed_controls(modes: list[Any]) -> list[Any]:
    """Keys are shown while a cell runs, as it may read them; but ^C would be written into the status line."""
    changed = list(modes)
    changed[3] &= ~termios.ECHOCTL
    return changed


def _without_output_processing(descriptor: int, cooked: list[Any]) -> list[Any]:
    """Make a pseudo-terminal pass on what is printed as it is: the real one makes carriage returns of its own."""
    modes = list(cooked)
    modes[1] &= ~termios.OPOST
    termios.tcsetattr(descriptor, termios.TCSANOW, modes)
    return termios.tcgetattr(descriptor)


def _whole_marks(data: bytes) -> tuple[bytes, bytes]:
    """Cut off the beginning of a mark whose end has yet to be read."""
    start = data.rfind(_MARK_BEGIN)
    if start < 0:
        start = next((len(data) - n for n in range(len(_MARK_BEGIN), 0, -1) if data.endswith(_MARK_BEGIN[:n])), -1)
    elif _MARKS.match(data, start):
        start = -1
    return (data, b"") if start < 0 else (data[:start], data[start:])


def _modes(attributes: list[Any]) -> tuple[Any, Any]:
    """Of a terminal's attributes, those that say how keys are read."""
    return attributes[0], attributes[3]


def _flush_standard_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _point_faulthandler_at(descriptor: int) -> None:
    """Let a crash be written to the real terminal, as nobody is left then to bring it there."""
    faulthandler = sys.modules.get("faulthandler")
    if faulthandler is not None and faulthandler.is_enabled():
        faulthandler.enable(descriptor)
