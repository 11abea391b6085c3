"""Two ends of a conversation joined in memory, and a recording of one that really was."""

from aiorepl.model import Answer, Completion, Done, Notice, Output, Result, Signature, Status
from aiorepl.remote.messages import (
    PROTOCOL,
    Announced,
    Answered,
    AskComplete,
    AskSignature,
    Columns,
    CommandNames,
    Completions,
    Configure,
    Detach,
    Goodbye,
    Happened,
    Hello,
    Interrupt,
    Question,
    Settled,
    SignatureFound,
    StatusChanged,
    Submit,
    ToClient,
    ToServer,
    Welcome,
)
from aiorepl.remote.protocol import ClientConnection, ServerConnection

HELLO = Hello(PROTOCOL, "0.1.0", "session")
WELCOME = Welcome(PROTOCOL, "0.1.0", "web", 4711, "app.py", "3.14.0", False, 1)

TO_SERVER: tuple[ToServer, ...] = (
    HELLO,
    Configure((("max_lines", 40), ("theme", "dark"), ("toolbar", True), ("exit_timeout", 3.0))),
    AskComplete(1, "asyn", 4),
    AskSignature(2, "asyncio.sleep(", 14),
    Submit(3, "await asyncio.sleep(1)\nüñí 🐍 \ud800"),
    Interrupt(4),
    Submit(5, "name = input('? ')"),
    Answered(1, "Guido"),
    Columns(120),
    Submit(6, "%tasks --top 5"),
    Detach(7),
    Goodbye(),
)
TO_CLIENT: tuple[ToClient, ...] = (
    WELCOME,
    CommandNames(("tasks", "why")),
    StatusChanged(Status(lag=0.001, tasks=3)),
    Completions(1, (Completion("asyncio", 0, "module"),), True),
    SignatureFound(2, Signature("sleep", ("delay", "result=None"), 0)),
    SignatureFound(2, None),
    Happened(3, Output("one\ntwo", "stderr")),
    Happened(3, Result("3", 1)),
    Happened(3, Done("ok", 1, 0.5)),
    Settled(4),
    Question(1, "? "),
    Announced(Notice("[1] done", "info")),
    Happened(6, Answer("some text")),
    Goodbye("the program ends"),
)


def line(message: ToServer) -> bytes:
    """A message as the bytes of a client that has said hello."""
    client = ClientConnection()
    if not isinstance(message, Hello):
        list(client.send(HELLO))
    return b"".join(client.send(message))


def recording() -> bytes:
    """All that a client says in a conversation."""
    client = ClientConnection()
    return b"".join(part for message in TO_SERVER for part in client.send(message))


def talking() -> tuple[ClientConnection, ServerConnection]:
    """Two ends that have greeted each other."""
    client, server = ClientConnection(), ServerConnection()
    server.receive(b"".join(client.send(HELLO)))
    assert server.next() == HELLO
    client.receive(b"".join(server.send(WELCOME)))
    assert client.next() == WELCOME
    return client, server
