"""The frontend for pipes, files and terminals that can do nothing: lines in, text out.

It loads the standard library only.
"""

import asyncio
import contextlib
import os
import re
import select
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TextIO, TypeVar

from aiorepl.alerts.values import Alert
from aiorepl.interpret.daemon import in_thread
from aiorepl.interpret.source import completeness, is_block
from aiorepl.model import (
    AlertRaised,
    Answer,
    Done,
    Edit,
    Event,
    Failure,
    Insert,
    Leave,
    Logged,
    Notice,
    Outcome,
    Output,
    Result,
)
from aiorepl.session.protocol import Session
from aiorepl.terminal.lines import ByteLines, TextLines
from aiorepl.terminal.prompts import own_prompt

__all__ = ["PlainFrontend", "columns"]

T = TypeVar("T")

# A blank line ends a block, as at Python's prompt, unless the rest of it is there already: seconds to look for that.
_MORE = 0.05


# Columns of what is drawn for a pipe.
_PIPE_WIDTH = 80

_CLAUSE = r"(else|elif|except|finally|case)\b"


class CellReader:
    """Puts lines together to cells.

    A block goes on until a line that does not belong to it; a blank line ends it too, as at Python's prompt, unless
    more of it is there already (a file that is piped in has blank lines within its functions).
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.text = ""
        # True once the text is a block that could be run: what belongs to it is then added without another look, as
        # parsing a long class anew for each of its lines takes minutes.
        self._block = False

    def feed(self, line: str, *, more: bool) -> Iterator[str]:
        """Take a line and yield the cells that it completes; ``more``: another line is there already."""
        if self._block and (_belongs(line, more=more) or completeness(self.text) == "incomplete"):
            self.text += line
            return
        if self._block:
            yield self._take()
        if not self.text and (not line.strip() or line.startswith("#")):
            return
        self.text += line
        state = completeness(self.text)
        self._block = state == "complete" and is_block(self.text)
        if state != "incomplete" and not self._block:
            yield self._take()

    def end(self) -> Iterator[str]:
        """Yield what is left; as at Python's prompt, the beginning of a cell is dropped."""
        if self._block and completeness(self.text) != "incomplete":
            yield self._take()

    def _take(self) -> str:
        text, self.text, self._block = self.text, "", False
        return text


def _belongs(line: str, *, more: bool) -> bool:
    """Tell whether a line after a block goes on with it."""
    if not line.strip():
        return more
    return line[0].isspace() or line.startswith("#") or bool(re.match(_CLAUSE, line))


class PlainFrontend:
    """Runs submissions one after the other, and prints what they give; values to ``out``, all else to ``err``."""

    def __init__(
        self, session: Session, lines: TextLines, *, out: TextIO, err: TextIO, prompts: tuple[str, str] | None
    ) -> None:
        """Take cells from ``lines`` and print to these streams; ``prompts`` are shown where a person types."""
        self._session = session
        self._lines = lines
        self._out = out
        self._err = err
        self._running = False
        # Set by Ctrl-C while a line is awaited: what was typed of a cell so far is dropped.
        self._discarded = False
        self._prompts = prompts
        self.left: Leave | None = None

    @classmethod
    def on_standard_streams(cls, session: Session, *, prompts: tuple[str, str] | None) -> "PlainFrontend":
        """Make one for this process, whose ``input()`` then takes from the same lines as the frontend."""
        encoding = getattr(sys.stdin, "encoding", None) or "utf-8"
        # Without a standard input, its descriptor may be anybody's.
        descriptor = 0 if sys.stdin is not None else os.open(os.devnull, os.O_RDONLY)
        lines = TextLines(ByteLines(descriptor), encoding)
        sys.stdin = lines
        return cls(session, lines, out=sys.stdout, err=sys.stderr, prompts=prompts)

    def close(self) -> None:
        """Nothing to undo."""

    def suspend(self) -> None:
        """A terminal that can do nothing has no jobs: stop as the shell expects."""

    async def show_announcements(self) -> None:
        """Print what happens by itself, until the session has ended."""
        async for event in self._session.announcements():
            self.show(event)

    async def converse(self) -> None:
        """Submit cells until there are no more, or one leaves."""
        async for cell in self._cells():
            await self.submit(self._session.submit(cell))
            if self.left is not None:
                return

    async def submit(self, events: AsyncIterator[Event]) -> Outcome:
        """Print the events of a submission; return how it ended."""
        self._running = True
        outcome: Outcome = "error"
        try:
            async for event in events:
                if isinstance(event, Done):
                    outcome = event.outcome
                else:
                    self.show(event)
        finally:
            self._running = False
            # What the cell printed stands before what comes next, be it a shell's output or the wait for a line.
            self._write(self._out, "")
        return outcome

    def interrupt(self) -> None:
        """Ctrl-C was pressed; called on the frontend's own loop."""
        if self._running:
            self._interrupting = asyncio.ensure_future(self._session.interrupt())
        elif self._prompts:
            self._discarded = True
            self._write(self._err, "\nKeyboardInterrupt\n")
            self._prompt(begun=False)

    def show(self, event: Event) -> None:
        """Print an event."""
        if isinstance(event, Result):
            self._write(self._out, event.text + "\n")
            if event.note:
                self._write(self._err, event.note + "\n")
        elif isinstance(event, Failure):
            self._failed(event)
        elif isinstance(event, Notice):
            label = {"hint": "hint: ", "alert": "alert: "}.get(event.level, "")
            self._write(self._err, f"{_wrapped(label + event.text, self._err)}\n{event.detail}")
        elif isinstance(event, Output):
            self._write(self._out if event.stream == "stdout" else self._err, event.text)
        elif isinstance(event, Answer):
            # Drawing is loaded when there is something to draw.
            from aiorepl.render.plain import draw

            self._write(self._out, draw(event.value, columns(self._out)))
        elif isinstance(event, AlertRaised):
            self._tell(event.alert)
        elif isinstance(event, Logged):
            from aiorepl.render.plain import draw

            self._write(self._err, draw(event, columns(self._err)))
        elif isinstance(event, Leave):
            self.left = event
            self._write(self._err, event.message + "\n" if event.message else "")
        elif isinstance(event, Insert | Edit):
            self._write(self._err, "there is no prompt here to put the text into; %run FILE runs a file\n")

    def _tell(self, alert: object) -> None:
        from aiorepl.render.plain import draw

        assert isinstance(alert, Alert)
        if self._prompts:
            self._write(self._err, draw(alert, columns(self._err)))
        else:
            # Nobody is there who could ask for more of it later.
            self._write(self._err, draw(alert._replace(detail=""), columns(self._err)) + alert.detail)

    async def _cells(self) -> AsyncIterator[str]:
        """Put lines together to cells."""
        cells = CellReader()
        self._prompt(begun=False)
        while line := await in_thread(self._lines.readline):
            if self._discarded:
                self._discarded, cells = False, CellReader()
            more = bool(cells.text) and not line.strip() and await in_thread(lambda: self._lines.buffer.ready(_MORE))
            for cell in cells.feed(line, more=more):
                yield cell
            self._prompt(begun=bool(cells.text))
        for cell in cells.end():
            yield cell

    def _prompt(self, *, begun: bool) -> None:
        if self._prompts:
            own = own_prompt("ps2" if begun else "ps1")
            self._write(self._out, self._prompts[begun] if own is None else own)

    def _failed(self, failure: Failure) -> None:
        if failure.summary.startswith("BrokenPipeError") and is_broken(self._out):
            self.left = Leave(1)
            silence(self._out)
        else:
            self._write(self._err, failure.text)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            try:
                stream.write(text)
            except UnicodeEncodeError:
                encoding = stream.encoding or "ascii"
                stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except BrokenPipeError:
            # Whoever read this has gone: there is nobody to tell, and nothing more to do.
            self.left = Leave(1)
            silence(stream)


def columns(stream: TextIO | None) -> int:
    """How wide the terminal is that a stream writes to; without one as wide as what is drawn for a pipe."""
    return _terminal_width(stream) or _PIPE_WIDTH


def _terminal_width(stream: TextIO | None) -> int:
    """0 where there is no terminal, or it does not tell."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream is not None else 0
    except (OSError, ValueError):
        return 0


def _wrapped(text: str, stream: TextIO) -> str:
    """Break a text at words for a terminal."""
    width = _terminal_width(stream)
    if not width:
        return text
    from aiorepl.render.text import wrap

    return "\n".join(part for line in text.split("\n") for part in wrap(line, width))


def is_broken(stream: TextIO) -> bool:
    """Tell whether nobody reads a stream any more."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):
        return True
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def silence(stream: TextIO) -> None:
    """Let a stream that nobody reads end quietly, as Python's note on SIGPIPE advises."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
