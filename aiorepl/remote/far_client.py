"""What a session's cells print and ask, on its way to a client in another process.

Cells print on the app's threads, which must not wait for a client: what it does not read in time is left out, and that
is said.
"""

import asyncio
import concurrent.futures
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Literal

from aiorepl.model import Output
from aiorepl.remote.messages import Question
from aiorepl.remote.streams import StreamName

__all__ = ["FarClient"]

# Characters that wait to be sent; what is printed beyond them is left out.
_HELD = 1 << 20
# Characters of one event.
_PIECE = 32 << 10
# Seconds between two looks for an interrupt by a thread that waits for a line.
_LOOK = 0.05

Answer = Literal["line", "end", "interrupted"]


class FarClient:
    """See ``aiorepl.remote.streams.Client``; what has no comment is used on the server's loop."""

    def __init__(self, *, show: Callable[[Output], Awaitable[None]], question: Callable[[Question], None]) -> None:
        """Show output with ``show``, and ask with ``question``; both are called on the loop that is running now."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._show = show
        self._question = question
        # Guards all that is held and asked.
        self._lock = threading.Lock()
        self._held: list[Output] = []
        self._size = 0
        self._left_out = 0
        self._flush_due = False
        self._closed = False
        self.gone = False
        self._showing = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._asked: dict[int, concurrent.futures.Future[str]] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def write(self, text: str, stream: StreamName) -> None:
        """Show a text, soon; any thread may call."""
        with self._lock:
            if self._closed or not text:
                return
            room = _HELD - self._size
            if len(text) > room:
                self._left_out += len(text) - room
                text = text[:room]
            if text:
                self._size += len(text)
                self._held.append(Output(text, stream))
            if self._flush_due:
                return
            self._flush_due = True
        self._call(self._flush_soon)

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        """Read a line from the person; any thread but the server's may call."""
        future: concurrent.futures.Future[str] = concurrent.futures.Future()
        number = next(self._numbers)
        # From here on, as KeyboardInterrupt may be raised in a thread as soon as the person can see the question.
        try:
            with self._lock:
                if self._closed or threading.get_ident() == self._thread:
                    raise EOFError("there is nobody to ask")
                self._asked[number] = future
            self._call(lambda: self._start(self._put(Question(number, prompt, hidden))))
            while True:
                # Not one long wait: KeyboardInterrupt is raised in a thread only when it runs Python code.
                with contextlib.suppress(TimeoutError):
                    return future.result(_LOOK)
        except EOFError as error:
            # Without what led to it on the server's loop, as the built-in function raises it.
            raise EOFError(*error.args) from None
        finally:
            with self._lock:
                open_still = self._asked.pop(number, None) is not None
            if open_still:
                self._call(lambda: self._start(self._put(Question(number, "", withdrawn=True))))

    def answer(self, number: int, line: str, outcome: Answer) -> None:
        """A question has been answered."""
        with self._lock:
            future = self._asked.pop(number, None)
        if future is None:
            return
        if outcome == "line":
            future.set_result(line)
        else:
            future.set_exception(EOFError() if outcome == "end" else KeyboardInterrupt())

    async def flush(self) -> None:
        """Send everything that was printed before this call."""
        async with self._showing:
            async for output in self._take():
                await self._show(output)

    def close(self) -> None:
        """Nobody reads or answers any more, and what is printed is lost; any thread may call."""
        with self._lock:
            self._closed = True
            self._held.clear()
            asked, self._asked = self._asked, {}
        for future in asked.values():
            future.set_exception(EOFError("the client has gone"))

    def leave(self) -> None:
        """The session has ended: what its jobs and tasks print from now on goes where the program prints."""
        self.gone = True

    def _flush_soon(self) -> None:
        if self._flushing is None or self._flushing.done():
            self._flushing = self._start(self.flush())

    async def _put(self, question: Question) -> None:
        # What was printed before it stands above it.
        await self.flush()
        self._question(question)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="aiorepl-output")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _take(self) -> AsyncIterator[Output]:
        """What is held, piece by piece and neighbours together; what was left out stands where it was."""
        while True:
            with self._lock:
                self._flush_due = False
                held, self._held = self._held, []
                left_out, self._left_out = self._left_out, 0
            for output in _pieces(held):
                yield output
                with self._lock:
                    self._size -= len(output.text)
            if left_out:
                yield Output(f"\n… {left_out:,} more characters were printed than could be sent\n", "stderr")
            if not held:
                return

    def _call(self, function: Callable[[], object]) -> None:
        # The server may have ended meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)


def _pieces(held: list[Output]) -> list[Output]:
    pieces = []
    for stream, group in itertools.groupby(held, key=lambda output: output.stream):
        text = "".join(output.text for output in group)
        pieces += [Output(text[start : start + _PIECE], stream) for start in range(0, len(text), _PIECE)]
    return pieces
