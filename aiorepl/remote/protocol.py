"""The conversation between a client and a server as bytes, without I/O: bytes in, messages out, and the other way.

Each message is a line of JSON: an object whose only key is the message's type (``aiorepl.remote.messages``). The first
one of each end is a greeting. What comes from the other end is checked before anybody sees it, and whatever comes, no
more is kept of it than ``LONGEST`` bytes, or ``LONGEST_IN_PARTS`` of what a server sends in parts.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Generic, Literal, TypeVar

from aiorepl.errors import LocalProtocolError, RemoteProtocolError
from aiorepl.remote.encoding import codec_of
from aiorepl.remote.messages import Goodbye, Hello, Part, Refused, ToClient, ToServer, Welcome

__all__ = ["LONGEST", "LONGEST_IN_PARTS", "PART", "ClientConnection", "Connection", "ServerConnection"]

# Bytes of a line, and of a message that comes in several.
LONGEST = 1 << 20
LONGEST_IN_PARTS = 64 << 20
# Characters of a part. Whoever sends many of them can do something else after each: to make one takes about 1 ms.
PART = 64 << 10
# Messages whose parts come mixed, at most.
_TOGETHER = 20
# Items of a long list that ``json`` writes in one go, which holds every other thread.
_ITEMS = 64

State = Literal["new", "open", "closed"]
Sent = TypeVar("Sent", bound=ToServer | ToClient)
Received = TypeVar("Received", bound=ToServer | ToClient)


class Connection(Generic[Sent, Received]):
    """One end; what it sends and receives is said by its subclasses."""

    _greetings: tuple[type, ...]
    _sends: Any
    _receives: Any

    def __init__(self) -> None:
        """Start with nothing said."""
        # "closed" once the other end said goodbye, broke the protocol beyond repair, or is gone.
        self.state: State = "new"
        self._said: State = "new"
        self._buffer = bytearray()
        # How much of the buffer has been searched for the end of a line.
        self._searched = 0
        # By the number of their message: others may come in between.
        self._parts: dict[int, list[str]] = {}
        self._length = 0
        self._long = 0

    def receive(self, data: bytes) -> None:
        """Take what came; empty when no more will come."""
        if not data:
            self._close()
        elif self.state != "closed":
            self._buffer += data

    def next(self) -> Received | None:
        """Return the next message; None if more bytes are needed for it, or none will come.

        Raises:
            RemoteProtocolError: If what came is not a message that may come now. The next call goes on behind it,
                unless ``state`` is "closed".
        """
        while (line := self._line()) is not None:
            message = self._read(line)
            if isinstance(message, Part):
                whole = self._put_together(message)
                if whole is None:
                    continue
                message = self._read(whole)
            return self._arrived(message)
        return None

    def send(self, message: Sent) -> Iterator[bytes]:
        """Yield the bytes of a message, of a long one in parts.

        Raises:
            LocalProtocolError: If it may not be sent now, or is too long.
        """
        self._may_say(message)
        self._long = number = self._long + 1
        length = 0
        text = ""
        for piece in _pieces(codec_of(self._sends).encode(message)):  # type: ignore[misc]
            length += len(piece)
            text += piece
            if length > self._longest:
                if length > len(text):
                    yield self._part(number, "", "dropped")
                raise LocalProtocolError(f"this takes more than the {self._longest:,} bytes that can be sent")
            while self._longest > LONGEST and len(text) > PART:
                yield self._part(number, text[:PART], "more")
                text = text[PART:]
        yield f"{text}\n".encode() if length == len(text) else self._part(number, text, "last")

    @property
    def may_send(self) -> bool:
        """Tell whether more than a greeting may be sent."""
        return self._said == "open"

    @property
    def _longest(self) -> int:
        return LONGEST_IN_PARTS if self._sends is ToClient else LONGEST

    def _part(self, number: int, text: str, state: Literal["more", "last", "dropped"]) -> bytes:
        encode = codec_of(self._sends).encode
        assert encode is not None
        return f"{json.dumps(encode(Part(number, text, state)))}\n".encode()

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer) if end < 0 else 0
        if max(end, self._searched) > LONGEST:
            self._fail(f"a line of more than {LONGEST:,} bytes")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _read(self, text: bytes | str) -> Received | Part:
        try:
            message: Received | Part = codec_of(self._receives).decode(json.loads(text))
        except (ValueError, RecursionError) as error:
            reason = f"not a message: {_problem(error)}"
            if self.state == "new":
                self._fail(reason)
            raise RemoteProtocolError(reason) from None
        return message

    def _arrived(self, message: Any) -> Received:
        if self.state == "new" and not isinstance(message, self._greetings):
            self._fail(f"{type(message).__name__} before a greeting")
        if self.state == "open" and isinstance(message, self._greetings):
            raise RemoteProtocolError(f"a second greeting: {type(message).__name__}")
        self.state = "open"
        if isinstance(message, Goodbye | Refused):
            self._close()
        arrived: Received = message
        return arrived

    def _put_together(self, part: Part) -> str | None:
        self._length += len(part.text)
        if self.state == "new" or self._length > LONGEST_IN_PARTS or len(self._parts) > _TOGETHER:
            self._fail("parts of what is too long, or no greeting")
        self._parts.setdefault(part.number, []).append(part.text)
        if part.state == "more":
            return None
        whole = "".join(self._parts.pop(part.number))
        self._length -= len(whole)
        return whole if part.state == "last" else None

    def _fail(self, reason: str) -> None:
        self._close()
        raise RemoteProtocolError(reason)

    def _close(self) -> None:
        self.state = "closed"
        self._buffer.clear()
        self._parts.clear()
        self._searched = 0

    def _may_say(self, message: Sent) -> None:
        greeting = isinstance(message, Hello | Welcome | Refused)
        if self._said == "closed" or greeting != (self._said == "new"):
            raise LocalProtocolError(f"{type(message).__name__} cannot be sent now")
        self._said = "closed" if isinstance(message, Goodbye | Refused) else "open"


class ServerConnection(Connection[ToClient, ToServer]):
    """The end in the app. A greeting of another protocol is a message as any other: the server refuses it."""

    _greetings = (Hello,)
    _sends = ToClient
    _receives = ToServer


class ClientConnection(Connection[ToServer, ToClient]):
    """The end where a person is."""

    _greetings = (Welcome, Refused)
    _sends = ToServer
    _receives = ToClient


def _problem(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "not UTF-8" if isinstance(error, UnicodeError) else str(error)[:200]


def _pieces(data: Any) -> Iterator[str]:
    """Write data as JSON bit by bit: ``json`` would write a long list without ever letting another thread run."""
    if isinstance(data, dict) and len(data) == 1:
        ((key, value),) = data.items()
        yield f"{{{json.dumps(key)}:"
        yield from _pieces(value)
        yield "}"
    elif isinstance(data, list | tuple) and len(data) > _ITEMS:
        yield from _list_pieces(data)
    elif isinstance(data, list | tuple) and any(isinstance(item, list | tuple | dict) for item in data):
        for number, item in enumerate(data):
            yield "," if number else "["
            yield from _pieces(item)
        yield "]"
    else:
        yield json.dumps(data, separators=(",", ":"))


def _list_pieces(items: Sequence[Any]) -> Iterator[str]:
    rest = iter(items)
    before = "["
    while some := list(islice(rest, _ITEMS)):
        yield before + json.dumps(some, separators=(",", ":"))[1:-1]
        before = ","
    yield "]"
