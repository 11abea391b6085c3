"""A program on a pseudo-terminal of our own: keys go in, and pyte shows the screen a person would see.

One thread, one ``select``. Bytes are stamped when they are read and drawn only when somebody looks at the
screen, so that drawing delays no measurement. Queries of the cursor's position are answered, as
a real terminal does.
"""

import os
import pty
import re
import select
import signal
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

__all__ = ["ProgramEnded", "Screen", "Terminal", "TimedOut", "environment"]

COLUMNS, ROWS = 80, 24
CURSOR_QUERY = b"\x1b[6n"
CHUNK = 65536
UNDRAWN = dict.fromkeys(range(32))


class TimedOut(Exception):
    """What was waited for did not come; the message shows the screen."""


class ProgramEnded(Exception):
    """The program closed its terminal; the message shows the screen."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """The variables for a program that shall find no one's settings or history but those in ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    folders = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "STATE", "DATA", "CACHE")}
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    return {**kept, **folders, "HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}


class Screen(pyte.Screen):
    """pyte's screen, which also answers queries and shows dim text as bright black, not as plain text."""

    def __init__(self, columns: int, rows: int, answer: Callable[[str], object]) -> None:
        """``answer`` takes the answers to queries, for the program to read."""
        self._rows: dict[int, str] = {}
        super().__init__(columns, rows)
        self._answer = answer

    @property
    def display(self) -> list[str]:
        """The rows as text; only those are put together that were written to since, as who waits looks very often."""
        for row in self.dirty:
            cells = self.buffer[row]
            # The second cell of a wide character is empty.
            self._rows[row] = "".join([cells[column].data for column in range(self.columns)])
        self.dirty.clear()
        return [self._rows[row] for row in range(self.lines)]

    def write_process_input(self, data: str) -> None:
        """Answer a query of the program."""
        self._answer(data)

    def draw(self, data: str) -> None:
        """Draw text; of a control character, which a real terminal ignores, pyte would drop what follows it too."""
        super().draw(data.translate(UNDRAWN))

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        """Set colours and styles for what is written next."""
        if not private:
            super().select_graphic_rendition(*_without_dim(attributes))


def _without_dim(attributes: Sequence[int]) -> list[int]:
    """Replace SGR 2 (dim) by 90 (bright black), but not the numbers that belong to a 38 or 48 before them."""
    result: list[int] = []
    rest = list(attributes)
    while rest:
        if rest[0] in (38, 48):
            length = 5 if rest[1:2] == [2] else 3
            result += rest[:length]
            del rest[:length]
        else:
            first = rest.pop(0)
            result.append(90 if first == 2 else first)
    return result


class Terminal:
    """One program with its terminal; a context manager, which ends the program."""

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        directory: Path | None = None,
        columns: int = COLUMNS,
        rows: int = ROWS,
    ) -> None:
        """Start the program; ``started`` and ``last_read`` are times of ``time.perf_counter``."""
        self._screen = Screen(columns, rows, self.send)
        self._stream = pyte.ByteStream(self._screen)
        self._undrawn = bytearray()
        self._tail = b""
        self.started = self.last_read = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            _become(command, variables, directory, (rows, columns))
        self.output: list[tuple[float, bytes]] = []
        """All that was written, with the time at which it was read."""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program, whatever it is doing."""
        os.kill(self.pid, signal.SIGKILL)
        os.close(self._fd)
        os.waitpid(self.pid, 0)

    def send(self, keys: str) -> float:
        """Press keys; return when."""
        now = time.perf_counter()
        os.write(self._fd, keys.encode())
        return now

    @property
    def foreground(self) -> int:
        """The process group that gets the keys."""
        return os.tcgetpgrp(self._fd)

    @property
    def screen(self) -> Screen:
        """The screen as it is after all that was read."""
        if len(self._undrawn) > CHUNK:
            # pyte draws about 0.5 MB a second; of a long burst only the end is still seen.
            del self._undrawn[: self._undrawn.rindex(b"\n", 0, -CHUNK // 4)]
        data = bytes(self._undrawn)
        self._undrawn.clear()
        self._stream.feed(data)
        return self._screen

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without blanks at their ends."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The whole screen."""
        return "\n".join(self.lines).rstrip()

    @property
    def row(self) -> int:
        """The cursor's row, from 0."""
        return int(self.screen.cursor.y)

    @property
    def before_cursor(self) -> str:
        """What stands on the cursor's line before the cursor."""
        screen = self.screen
        return str(screen.display[screen.cursor.y])[: screen.cursor.x]

    def shows(self, pattern: str) -> bool:
        """Whether a regular expression is found on the screen; ``^`` and ``$`` are at each line's ends."""
        return re.search(pattern, self.text, re.MULTILINE) is not None

    def wait(self, seen: Callable[[], bool], what: str, *, timeout: float = 20.0) -> float:
        """Read until ``seen()``; return when the bytes came that made it so.

        Raises:
            TimedOut: If it does not become so in time.
            ProgramEnded: If the program ends before.
        """
        deadline = time.perf_counter() + timeout
        while not seen():
            if not self.read(deadline - time.perf_counter()):
                raise TimedOut(f"waited for {what}; the screen:\n{self.text}")
        return self.last_read

    def settle(self, quiet: float = 0.06, limit: float = 1.0) -> None:
        """Read until the program has written nothing for ``quiet`` seconds, at most for ``limit`` seconds."""
        deadline = time.perf_counter() + limit
        while self.read(quiet) and time.perf_counter() < deadline:
            pass

    def linger(self, seconds: float) -> None:
        """Read for this long, whatever comes."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            self.read(left)

    def read(self, timeout: float) -> bool:
        """Take what the program wrote; return whether it wrote something in time."""
        if not select.select([self._fd], [], [], max(timeout, 0))[0]:
            return False
        try:
            data = os.read(self._fd, CHUNK)
        except OSError:  # Linux: EIO, once the other end is closed
            data = b""
        if not data:
            raise ProgramEnded(f"the program ended; the screen:\n{self.text}")
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        self.last_read = time.perf_counter()
        self.output.append((self.last_read, data))
        self._undrawn += data
        recent, self._tail = self._tail + data, data[1 - len(CURSOR_QUERY) :]
        if CURSOR_QUERY in recent:
            _ = self.screen  # drawing it makes pyte answer


def _become(
    command: Sequence[str], variables: Mapping[str, str], directory: Path | None, size: tuple[int, int]
) -> None:
    """Turn the forked child into the program; never returns."""
    try:
        termios.tcsetwinsize(0, size)
        if directory is not None:
            os.chdir(directory)
        os.execve(command[0], list(command), dict(variables))
    finally:
        os._exit(127)
