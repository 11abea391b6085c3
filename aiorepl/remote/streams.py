"""What cells print and read goes to their client, and everything else where it always went.

A context variable says whose a piece of code is: it is set in a session's context, which its cells and the tasks and
``to_thread`` calls that they start inherit. What stands in for ``sys.stdout`` and the others looks at it each time, and
is there only while there are sessions; whoever has kept one of them is passed on to the stream that it stood for.
"""

import builtins
import contextlib
import getpass
import io
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Literal, Protocol

__all__ = ["Client", "Streams", "client_of_context", "standard_streams"]

StreamName = Literal["stdout", "stderr"]


class Client(Protocol):
    """Who reads what a session prints, and answers what it asks; any thread may call.

    Once it is ``gone``, the tasks that have been left behind print and read where the program does.
    """

    gone: bool

    def write(self, text: str, stream: StreamName) -> None:
        """Show a text, soon; it never waits and never fails."""

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        """Read a line from the person.

        Raises:
            EOFError: At Ctrl-D, and when there is nobody any more.
            KeyboardInterrupt: At Ctrl-C.
        """


client_of_context: ContextVar[Client | None] = ContextVar("aiorepl_client", default=None)


def _client() -> Client | None:
    client = client_of_context.get()
    return None if client is None or client.gone else client


class _Output(io.TextIOBase):
    """Stands in for ``sys.stdout`` or ``sys.stderr``."""

    def __init__(self, real: Any, name: StreamName) -> None:
        self.real = real
        self._name: StreamName = name

    def write(self, text: str, /) -> int:
        """Write where it belongs."""
        client = _client()
        if client is None:
            return 0 if self.real is None else self.real.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        client.write(text, self._name)
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:  # type: ignore[override]
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """A session's output is never held back."""
        if _client() is None and self.real is not None:
            self.real.flush()

    def isatty(self) -> bool:
        """A session's output is no terminal: what it may be shown on is another process's."""
        return _client() is None and self.real is not None and self.real.isatty()

    def fileno(self) -> int:
        """The descriptor; a session's output has none.

        Raises:
            OSError: In a session.
        """
        return _fileno(self.real)

    def close(self) -> None:
        """Close it; what a session closes goes on."""
        if _client() is None and self.real is not None:
            self.real.close()

    def writable(self) -> bool:
        """It can be written to."""
        return True

    @property
    def closed(self) -> bool:
        """Tell whether it is closed."""
        return _client() is None and getattr(self.real, "closed", False)

    @property
    def buffer(self) -> Any:
        """Takes bytes."""
        client = _client()
        return self.real.buffer if client is None else _Bytes(client, self._name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """How it is encoded."""
        return "utf-8" if _client() is not None else self.real.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What is done with what cannot be encoded."""
        return "strict" if _client() is not None else self.real.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(_real(self, name), name)

    def __del__(self) -> None:
        # TextIOBase would close the stream that this one stood for.
        return


def _real(stream: Any, name: str) -> Any:
    """Return what a stream stands for; one that is being copied stands for nothing yet."""
    if "real" not in vars(stream):
        raise AttributeError(name)
    return stream.real


class _Bytes(io.RawIOBase):
    """The bytes of a session's output."""

    def __init__(self, client: Client, name: StreamName) -> None:
        self._client = client
        self._name: StreamName = name

    def write(self, data: Any, /) -> int:
        """Write bytes as text."""
        self._client.write(bytes(data).decode("utf-8", "replace"), self._name)
        return len(data)

    def writable(self) -> bool:
        """It can be written to."""
        return True


class _Input(io.TextIOBase):
    """Stands in for ``sys.stdin``."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        """Read a line with its end; empty at the end of input."""
        client = _client()
        if client is None:
            line: str = self.real.readline(size)
            return line
        try:
            return client.ask("") + "\n"
        except EOFError:
            return ""

    def read(self, size: int | None = -1, /) -> str:
        """Read all there is; a session's until Ctrl-D."""
        if _client() is None:
            text: str = self.real.read(size)
            return text
        return "".join(iter(self.readline, ""))

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        """Every line."""
        return iter(self.readline, "")

    def isatty(self) -> bool:
        """A session's input is no terminal of this process."""
        return _client() is None and self.real is not None and self.real.isatty()

    def fileno(self) -> int:
        """The descriptor; a session's input has none.

        Raises:
            OSError: In a session.
        """
        return _fileno(self.real)

    def close(self) -> None:
        """Close it; what a session closes goes on."""
        if _client() is None and self.real is not None:
            self.real.close()

    def readable(self) -> bool:
        """It can be read."""
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(_real(self, name), name)

    def __del__(self) -> None:
        return


class Streams:
    """Puts the stand-ins in place while somebody holds them; any thread may call."""

    def __init__(self) -> None:
        """Change nothing yet."""
        self._lock = threading.Lock()
        self._holders = 0
        self._restore: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See to it that the stand-ins are in place."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._functions()
            self._replace()
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._put_back()

    def refresh(self) -> None:
        """Put them in place again where the program has put something else there meanwhile."""
        with self._lock:
            if self._holders:
                self._replace()

    def after_fork(self) -> None:
        """Put back what was there: a child process has none of the sessions."""
        self._lock = threading.Lock()
        self._holders = 0
        self._put_back()

    def _replace(self) -> None:
        for name in ("stdout", "stderr"):
            real = getattr(sys, name)
            if not isinstance(real, _Output):
                setattr(sys, name, _Output(real, name))
        if not isinstance(sys.stdin, _Input):
            sys.stdin = _Input(sys.stdin)

    def _functions(self) -> None:
        self._swap(builtins, "input", _input(builtins.input))
        self._swap(getpass, "getpass", _getpass(getpass.getpass))
        self._swap(sys, "breakpointhook", _breakpoint(sys.breakpointhook))

    def _swap(self, owner: Any, name: str, new: Any) -> None:
        old = getattr(owner, name)

        def restore() -> None:
            # What the program has put there since is the program's.
            if getattr(owner, name) is new:
                setattr(owner, name, old)

        setattr(owner, name, new)
        self._restore.append(restore)

    def _put_back(self) -> None:
        for name in ("stdout", "stderr", "stdin"):
            current = getattr(sys, name)
            if isinstance(current, _Output | _Input):
                setattr(sys, name, current.real)
        while self._restore:
            self._restore.pop()()


standard_streams = Streams()


def _input(original: Callable[..., str]) -> Callable[..., str]:
    def input(prompt: object = "", /) -> str:
        """Read a line, in a session from its client."""
        client = _client()
        return original(prompt) if client is None else client.ask(str(prompt))

    return input


def _getpass(original: Callable[..., str]) -> Callable[..., str]:
    def getpass(prompt: str = "Password: ", stream: Any = None, **options: Any) -> str:
        """Read a line that is not shown, in a session from its client."""
        client = _client()
        return original(prompt, stream, **options) if client is None else client.ask(prompt, hidden=True)

    return getpass


def _breakpoint(original: Callable[..., Any]) -> Callable[..., Any]:
    def breakpointhook(*arguments: Any, **options: Any) -> Any:
        """Debug, in a session without taking the signal handlers and the terminal of the process."""
        if _client() is None or original is not sys.__breakpointhook__ or os.environ.get(_HOOK):
            return original(*arguments, **options)
        import pdb

        debugger = pdb.Pdb(completekey=None, nosigint=True, skip=["aiorepl.*"])  # type: ignore[arg-type]
        return debugger.set_trace(sys._getframe(1))

    return breakpointhook


_HOOK = "PYTHONBREAKPOINT"


def _fileno(real: Any) -> int:
    if _client() is not None or real is None:
        raise io.UnsupportedOperation("a session's stream has no descriptor")
    number: int = real.fileno()
    return number
