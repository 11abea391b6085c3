"""``input()``, ``getpass`` and ``help()`` for code on any thread, by way of the frontend that has the terminal.

A read of the terminal by another thread could not be interrupted, and would take keys away from the prompt. Who kept
one of these functions, or ``sys.stdin``, beyond the frontend's end is answered by what was there before.
"""

import asyncio
import builtins
import contextlib
import getpass
import io
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

__all__ = ["Console", "Interrupted", "install"]

T = TypeVar("T")


class Interrupted(Exception):
    """Ctrl-C was pressed while a line was read; on the frontend's loop KeyboardInterrupt itself would end the loop."""


# Seconds between two looks for an interrupt by a thread that waits for a line.
_LOOK = 0.05


class Console:
    """Asks the frontend, from any thread but the frontend's own."""

    def __init__(
        self, *, read: Callable[[str, bool], Coroutine[Any, Any, str]], page: Callable[[str], Coroutine[Any, Any, None]]
    ) -> None:
        """``read(prompt, hidden)`` and ``page(text)`` are called on the loop that is running now.

        ``read`` raises EOFError as ``input()`` does, or Interrupted.
        """
        self._loop = asyncio.get_running_loop()
        self._read = read
        self._page = page
        self._process = os.getpid()
        self._before = builtins.input, getpass.getpass
        # The frontend has ended.
        self.closed = False

    @property
    def answers(self) -> bool:
        """Tell whether there is a frontend to ask; in a forked child there is none."""
        return not self.closed and os.getpid() == self._process

    def input(self, prompt: object = "", /) -> str:
        """Read a line as the built-in function does.

        Raises:
            EOFError: At Ctrl-D on an empty line.
            KeyboardInterrupt: At Ctrl-C.
        """
        if not self.answers:
            return self._before[0](prompt)
        sys.audit("builtins.input", prompt)
        line = self._ask(self._read(str(prompt), False))
        sys.audit("builtins.input/result", line)
        return line

    def getpass(self, prompt: str = "Password: ", stream: object = None, **options: Any) -> str:
        """Read a line that is not shown, as ``getpass.getpass`` does."""
        if not self.answers:
            return self._before[1](prompt)
        return self._ask(self._read(prompt, True))

    def page(self, text: str, title: str = "") -> None:
        """Show a long text, as ``pydoc.pager`` does."""
        self._ask(self._page(text))

    def readline(self) -> str:
        """Read a line with its end, as ``sys.stdin.readline`` does; empty at the end of input."""
        try:
            return self._ask(self._read("", False)) + "\n"
        except EOFError:
            return ""

    def _ask(self, answer: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(answer, self._loop)
        try:
            while True:
                # Not one long wait: KeyboardInterrupt is raised in a thread only when it runs Python code.
                with contextlib.suppress(TimeoutError):
                    return future.result(_LOOK)
        except Interrupted:
            raise KeyboardInterrupt from None
        except EOFError as error:
            # Without what led to it on the frontend's loop, as the built-in function raises it.
            raise EOFError(*error.args) from None
        finally:
            future.cancel()


class ConsoleInput(io.TextIOBase):
    """Stands in for ``sys.stdin``: lines come from the frontend, everything else from the real one."""

    def __init__(self, console: Console, real: Any) -> None:
        """Read lines from ``console``."""
        self._console = console
        self._real = real

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        """Read a line."""
        line: str = self._console.readline() if self._console.answers else self._real.readline(size)
        return line

    def read(self, size: int | None = -1, /) -> str:
        """Read all lines until Ctrl-D."""
        return "".join(self)

    def fileno(self) -> int:
        """The terminal's descriptor."""
        number: int = self._real.fileno()
        return number

    def isatty(self) -> bool:
        """It is a terminal."""
        return True

    def readable(self) -> bool:
        """It can be read."""
        return True

    def __getattr__(self, name: str) -> Any:
        """What is not about lines is the real one's: ``buffer``, ``encoding``."""
        return getattr(self._real, name)


@contextlib.contextmanager
def install(console: Console) -> Iterator[None]:
    """Let this process read through the console."""
    before = builtins.input, builtins.help, getpass.getpass, sys.stdin
    # From Python 3.15 on pdb reads keys by itself, unless this module, which tells that it could, is not to be had.
    pdb_reads = "_pyrepl.main" not in sys.modules
    sys.modules.setdefault("_pyrepl.main", None)  # type: ignore[arg-type]
    builtins.input = console.input
    helper = _Help(console)
    builtins.help = helper  # type: ignore[assignment]
    getpass.getpass = console.getpass
    sys.stdin = ConsoleInput(console, sys.stdin)
    try:
        yield
    finally:
        console.closed = True
        builtins.input, builtins.help, getpass.getpass, sys.stdin = before
        helper.restore_pager()
        if pdb_reads:
            sys.modules.pop("_pyrepl.main", None)


class _Help:
    """``help``, which loads pydoc when it is called, as Python's own does."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pager: Any = None

    def restore_pager(self) -> None:
        """Undo what calling it has done to pydoc."""
        if self._pager is not None:
            sys.modules["pydoc"].pager = self._pager  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return "Type help() for interactive help, or help(object) for help about object."

    def __call__(self, *arguments: object, **options: Any) -> None:
        import pydoc

        if self._pager is None:
            self._pager = pydoc.pager
        pydoc.pager = self._console.page
        pydoc.help(*arguments, **options)
