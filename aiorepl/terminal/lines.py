"""Standard input as lines that a frontend and the program's own ``input()`` both take from."""

import codecs
import io
import os
import select
import threading

__all__ = ["ByteLines", "TextLines"]


class ByteLines(io.BufferedIOBase):
    """Bytes of a file descriptor; unlike ``io.BufferedReader`` it can tell whether reading on would block.

    Any thread may read; one reads at a time.
    """

    def __init__(self, descriptor: int) -> None:
        """Read from this descriptor; it is not closed."""
        self._descriptor = descriptor
        self._held = b""
        self._lock = threading.RLock()

    def fileno(self) -> int:
        """The descriptor that is read from."""
        return self._descriptor

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def isatty(self) -> bool:
        """Tell whether a terminal is read."""
        return os.isatty(self._descriptor)

    def ready(self, timeout: float) -> bool:
        """Tell whether something can be read, or the end has come, within ``timeout`` seconds."""
        if self._held:
            return True
        try:
            return bool(select.select([self._descriptor], [], [], timeout)[0])
        except OSError:
            # Not everything can be waited for (a file on Windows); reading it does not block for long.
            return True

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line with its end, or what is left without one."""
        with self._lock:
            while b"\n" not in self._held and self._fill():
                pass
            end = self._held.find(b"\n") + 1 or len(self._held)
            if size is not None and size >= 0:
                end = min(end, size)
            return self._take(end)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return ``size`` bytes, or all that are left."""
        with self._lock:
            everything = size is None or size < 0
            while (everything or len(self._held) < (size or 0)) and self._fill():
                pass
            return self._take(len(self._held) if everything else (size or 0))

    def read1(self, size: int = -1, /) -> bytes:
        """Return some bytes, with one read at most."""
        with self._lock:
            if not self._held:
                self._fill()
            return self._take(len(self._held) if size < 0 else size)

    def _fill(self) -> bool:
        more = os.read(self._descriptor, 65536)
        self._held += more
        return bool(more)

    def _take(self, count: int) -> bytes:
        taken, self._held = self._held[:count], self._held[count:]
        return taken


class TextLines(io.TextIOBase):
    """The same as text; stands in for ``sys.stdin``."""

    errors = "surrogateescape"
    newlines = None

    def __init__(self, buffer: ByteLines, encoding: str) -> None:
        """Decode what is read from ``buffer``."""
        self._buffer = buffer
        self._encoding = encoding

    @property
    def buffer(self) -> ByteLines:
        """What is read from."""
        return self._buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """How it is decoded."""
        return self._encoding

    def fileno(self) -> int:
        """The descriptor that is read from."""
        return self._buffer.fileno()

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def isatty(self) -> bool:
        """Tell whether a terminal is read."""
        return self._buffer.isatty()

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        """Return a line with its end, which is always ``\\n``, or its first ``size`` characters."""
        return self._decode(self._buffer.readline()) if size < 0 else self._characters(size, end="\n")

    def read(self, size: int | None = -1, /) -> str:
        """Return ``size`` characters at most, or all that are left."""
        return self._decode(self._buffer.read()) if size is None or size < 0 else self._characters(size)

    def _characters(self, count: int, end: str | None = None) -> str:
        """Take the bytes of so many characters and no more: what follows stays for whoever reads next."""
        decoder = codecs.getincrementaldecoder(self._encoding)(self.errors)
        text = ""
        while len(text) < count and text[-1:] != end and (byte := self._buffer.read(1)):
            text = (text + decoder.decode(byte)).replace("\r\n", "\n")
        return text + decoder.decode(b"", final=True)

    def _decode(self, data: bytes) -> str:
        return data.decode(self._encoding, self.errors).replace("\r\n", "\n")
