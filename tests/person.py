"""A person before ``python -m aiorepl``: keys go in, and what is looked at is the screen.

Nothing here sleeps: keys that must not overtake a drawing wait until the screen shows the ones before.
"""

import contextlib
import os
import re
import signal
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiorepl
from benchmarks.terminal import ProgramEnded, Terminal, environment

ENTER, TAB, ESCAPE = "\r", "\t", "\x1b"
UP, DOWN, RIGHT, END = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[F"
CONTROL_C, CONTROL_D, CONTROL_E, CONTROL_R, CONTROL_U, CONTROL_X, CONTROL_Z = map(chr, (3, 4, 5, 18, 21, 24, 26))
UNDO, META_ENTER = "\x1f", "\x1b\r"
REPL = (sys.executable, "-m", "aiorepl")
# With job control, as an interactive shell has it; "$@" are the arguments.
UNDER_A_SHELL = ("/bin/sh", "-m", "-c", f'{sys.executable} -m aiorepl "$@"; echo left with $?', "sh")

# What stands before the second and later rows of a cell.
CONTINUED = re.compile(r"^(\.\.\. |    )")
# As pyte numbers the terminal's private modes.
BRACKETED_PASTE = 2004 << 5

# Seconds; a busy machine is slow, and a test that passes never waits so long.
PATIENCE = 40.0


def paste(text: str) -> str:
    """What a terminal with bracketed paste sends."""
    return f"\x1b[200~{text}\x1b[201~"


class Person(Terminal):
    """Works at a terminal; a context manager, which ends the program."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        command: Sequence[str] = REPL,
        columns: int = 100,
        rows: int = 40,
        prompt: str = ">>> ",
        **variables: str,
    ) -> None:
        """Start the program in a folder; its settings and history are in ``folder / "home"``."""
        kept = {name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ}
        source = str(Path(aiorepl.__file__).parents[1])
        everything = environment(folder / "home", **(kept | {"PYTHONPATH": source} | variables))
        self.folder = folder
        self.prompt = prompt
        self.status: int | None = None
        super().__init__([*command, *arguments], everything, directory=folder, columns=columns, rows=rows)

    def __enter__(self) -> "Person":
        return self

    def close(self) -> None:
        """End the program, unless it has ended."""
        if self.status is None:
            super().close()
        else:
            os.close(self._fd)

    @property
    def raw(self) -> bytes:
        """All bytes that were written to the terminal."""
        return b"".join(data for _, data in self.output)

    @property
    def typed(self) -> str:
        """What stands between the prompt and the cursor, as far as it is on the cursor's line."""
        return self.before_cursor.removeprefix(self.prompt)

    @property
    def at_prompt(self) -> bool:
        """An empty prompt waits, drawn to its end, and takes keys and pasted text."""
        return self.before_cursor == self.prompt and self._takes_keys

    @property
    def _takes_keys(self) -> bool:
        return BRACKETED_PASTE in self.screen.mode

    @property
    def _is_drawn(self) -> bool:
        # The prompt hides the cursor while it is drawn, and brings it to its place last.
        return not self.screen.cursor.hidden

    @property
    def last(self) -> list[str]:
        """What stands above the last prompt, up to the cell that was typed before it."""
        lines = self.lines[: self.row]
        typed = [n for n, line in enumerate(lines) if line.startswith((self.prompt, "... "))]
        return lines[typed[-1] + 1 :] if typed else lines

    def wait(self, seen: Callable[[], bool], what: str, *, timeout: float = PATIENCE) -> float:
        """Read until ``seen()``, and nothing is half drawn; see ``Terminal.wait``."""
        return super().wait(lambda: self._is_drawn and seen(), what, timeout=timeout)

    def sees(self, pattern: str, *, timeout: float = PATIENCE) -> re.Match[str]:
        """Wait until a regular expression is found on the screen."""
        self.wait(lambda: self.shows(pattern), pattern, timeout=timeout)
        found = re.search(pattern, self.text, re.MULTILINE)
        assert found is not None
        return found

    def sees_no(self, pattern: str) -> None:
        """Wait until a regular expression is no longer found on the screen."""
        self.wait(lambda: not self.shows(pattern), f"{pattern} to go")

    def waits_for_prompt(self) -> None:
        self.wait(lambda: self.at_prompt, "an empty prompt")

    def is_asked(self, question: str) -> None:
        """Wait until a question of the program's stands before the cursor, with no answer yet."""
        asked = lambda: self.before_cursor == question and self._takes_keys  # noqa: E731
        self.wait(asked, f"the question {question!r}")

    def types(self, text: str) -> None:
        """Type or paste, and wait until it is on the screen before the cursor."""
        self.send(paste(text) if "\n" in text else text)
        end = text.rpartition("\n")[2]
        self.wait(lambda: self._before_cursor_is(end), f"the echo of {text!r}")

    def _before_cursor_is(self, end: str) -> bool:
        """Tell whether this stands before the cursor, be it on several rows; nothing, if its line is empty."""
        if not end:
            return self.before_cursor == "... "
        rows = [str(row) for row in self.screen.display[: self.row]] + [self.before_cursor]
        return "".join(CONTINUED.sub("", row) for row in rows).endswith(end)

    def enters(self, cell: str) -> None:
        """Type a cell and press Enter, when it is on the screen."""
        self.types(cell)
        self.send(ENTER)

    def runs(self, cell: str) -> list[str]:
        """Type a cell and wait for the next prompt; return what was shown in between."""
        self.enters(cell)
        self.waits_for_prompt()
        return self.last

    def ends(self) -> int:
        """Wait until the program has ended; return its exit status, or the signal's number below zero."""
        deadline = time.perf_counter() + PATIENCE
        with contextlib.suppress(ProgramEnded):
            self.wait(lambda: False, "the program's end", timeout=deadline - time.perf_counter())
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    @property
    def has_usual_modes(self) -> bool:
        """The terminal is as a program without a prompt finds it."""
        modes: int = termios.tcgetattr(self._fd)[3]
        usual = termios.ICANON | termios.ECHO | termios.ISIG
        return modes & usual == usual and BRACKETED_PASTE not in self.screen.mode

    def is_ended_by(self, number: int) -> None:
        """Send a signal, while something is being typed: nothing of the prompt is left but that, and no raw mode."""
        self.types("half typed")
        self.sees("^ loop ")
        os.kill(self.pid, number)
        assert self.ends() == -number
        assert self.text.endswith(f"{self.prompt}half typed")
        assert self.lines[self.row - 1 :][:2] == [f"{self.prompt}half typed", ""]
        assert self.has_usual_modes

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal's window another size."""
        self.screen.resize(rows, columns)
        termios.tcsetwinsize(self._fd, (rows, columns))

    def hangs_up(self) -> int:
        """Close the terminal's window, and wait for the program's end; return that as ``ends`` does."""
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, self._fd)
        os.close(nothing)
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def kill(self) -> None:
        """End the program with no chance to tidy up."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.ends() == -signal.SIGKILL


def starts(folder: Path, *arguments: str, **options: Any) -> Person:
    """Start aiorepl and wait for the prompt; ``options`` are those of ``Person``.

    On a busy machine any step may be slow: it tells of none, unless ``--slow`` is among the arguments.
    """
    if "--slow" not in arguments:
        arguments = ("--slow", "0", *arguments)
    person = Person(folder, *arguments, **options)
    try:
        person.waits_for_prompt()
    except BaseException:
        person.close()
        raise
    return person
