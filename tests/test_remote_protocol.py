"""The conversation as bytes: whatever comes in whatever pieces, messages or an error come out, and little is kept."""

import itertools
import json
import os
import random
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import HELLO, TO_CLIENT, TO_SERVER, line, recording, talking

from aiorepl.commands.task_values import TaskRow, TaskTable, View
from aiorepl.errors import LocalProtocolError, RemoteProtocolError
from aiorepl.introspect.values import Frame, TaskInfo
from aiorepl.model import Answer, Output
from aiorepl.remote.messages import Announced, Goodbye, Happened, Hello, Refused, Submit, ToServer
from aiorepl.remote.protocol import LONGEST, LONGEST_IN_PARTS, PART, ClientConnection, ServerConnection

# Mutated recordings that are tried; set to 100000 for a long run.
MUTATIONS = int(os.environ.get("AIOREPL_MUTATIONS", "2000"))


def heard(server: ServerConnection, data: bytes) -> list[ToServer | str]:
    """What the server gets out of bytes: messages, and what is wrong with the others."""
    found: list[ToServer | str] = []
    server.receive(data)
    while True:
        try:
            message = server.next()
        except RemoteProtocolError as error:
            found.append(str(error))
            continue
        if message is None:
            return found
        found.append(message)


def test_a_conversation_byte_by_byte() -> None:
    server = ServerConnection()
    found = [message for byte in recording() for message in heard(server, bytes([byte]))]
    assert found == list(TO_SERVER)
    assert server.state == "closed"


def test_a_conversation_in_one_piece() -> None:
    assert heard(ServerConnection(), recording()) == list(TO_SERVER)


def test_the_other_direction_byte_by_byte() -> None:
    client, server = ClientConnection(), ServerConnection()
    found = []
    for data in (part for message in TO_CLIENT for part in server.send(message)):
        for byte in data:
            client.receive(bytes([byte]))
            found += [] if (message := client.next()) is None else [message]
    assert found == list(TO_CLIENT)


@given(st.lists(st.integers(1, 200), max_size=30))
def test_a_conversation_in_any_pieces(sizes: list[int]) -> None:
    data = recording()
    server = ServerConnection()
    found: list[ToServer | str] = []
    for size in sizes:
        found += heard(server, data[:size]) if data[:size] else []
        data = data[size:]
    assert found + (heard(server, data) if data else []) == list(TO_SERVER)


def test_a_message_is_a_line_of_json() -> None:
    assert line(Submit(7, "1 + ü")) == b'{"Submit":[7,"1 + \\u00fc",true]}\n'
    assert b"".join(ServerConnection().send(Refused("no"))) == b'{"Refused":["no"]}\n'


@pytest.mark.parametrize(
    ("garbage", "problem"),
    [
        (b"GET / HTTP/1.1\r\n", "not a message: Expecting value: line 1 column 1 (char 0)"),
        (b"\n", "not a message: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe\x00\n", "not a message: not UTF-8"),
        (b'{"Submit":[7]}\n', "not a message: Submit has more fields than 1"),
        (b'{"Submit":[7,"x",1]}\n', "not a message: Submit.show: expected bool, not int"),
        (b'{"Popen":["ls"]}\n', "not a message: unknown: 'Popen'"),
        (b'{"Welcome":[]}\n', "not a message: unknown: 'Welcome'"),
        (b"[]\n", "not a message: unexpected list"),
        (b"null\n", "not a message: unexpected NoneType"),
        (b"[" * 100_000 + b"\n", "not a message: nested too deeply"),
        (b'{"Interrupt":[' + b"9" * 10_000 + b"]}\n", "not a message: Exceeds the limit"),
        (line(HELLO), "a second greeting: Hello"),
    ],
)
def test_garbage_is_an_error_and_what_comes_after_it_is_understood(garbage: bytes, problem: str) -> None:
    _, server = talking()
    error, after = heard(server, garbage + line(Submit(1, "x")))
    assert str(error).startswith(problem)
    assert after == Submit(1, "x")


@pytest.mark.parametrize("garbage", [b"SSH-2.0-client\r\n", line(Submit(1, "x")), b'{"Hello":["1"]}\n'])
def test_who_does_not_greet_is_not_listened_to(garbage: bytes) -> None:
    server = ServerConnection()
    (error,) = heard(server, garbage + line(HELLO))
    assert isinstance(error, str)
    assert server.state == "closed"
    assert heard(server, line(HELLO)) == []


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_ends_the_conversation(end: bytes) -> None:
    _, server = talking()
    found = []
    for _ in range(20):
        found += heard(server, b"x" * (1 << 17))
    found += heard(server, end or b"x")
    assert found == ["a line of more than 1,048,576 bytes"]
    assert server.state == "closed"


def test_a_line_that_is_too_long_in_one_piece() -> None:
    _, server = talking()
    assert heard(server, b" " * LONGEST + b"x\n") == ["a line of more than 1,048,576 bytes"]


def test_little_is_kept_of_what_never_ends() -> None:
    _, server = talking()
    piece = b"x" * 65536
    tracemalloc.start()
    try:
        for _ in range(1000):
            heard(server, piece)
        assert tracemalloc.get_traced_memory()[1] < 4 * LONGEST
    finally:
        tracemalloc.stop()


def test_the_end_of_the_bytes_ends_the_conversation() -> None:
    _, server = talking()
    server.receive(line(Submit(1, "x"))[:-1])
    server.receive(b"")
    assert (server.next(), server.state) == (None, "closed")


def test_after_goodbye_nothing_is_said_or_heard() -> None:
    client, server = talking()
    goodbye = b"".join(client.send(Goodbye()))
    with pytest.raises(LocalProtocolError, match="Submit cannot be sent now"):
        list(client.send(Submit(1, "x")))
    assert heard(server, goodbye + line(Submit(1, "x"))) == [Goodbye()]


def test_the_greeting_comes_first_and_once() -> None:
    with pytest.raises(LocalProtocolError, match="Submit cannot be sent now"):
        list(ClientConnection().send(Submit(1, "x")))
    client, server = talking()
    with pytest.raises(LocalProtocolError, match="Hello cannot be sent now"):
        list(client.send(HELLO))
    with pytest.raises(LocalProtocolError, match="Refused cannot be sent now"):
        list(server.send(Refused("too late")))


def test_what_a_client_says_is_bounded() -> None:
    client, _ = talking()
    with pytest.raises(LocalProtocolError, match=r"more than the 1,048,576 bytes that can be sent"):
        list(client.send(Submit(1, "x" * LONGEST)))
    (whole,) = client.send(Submit(1, "x" * (LONGEST - 100)))
    assert len(whole) <= LONGEST


def client_hears(client: ClientConnection, data: Iterable[bytes]) -> None:
    """Give a client what comes before its next message."""
    for piece in data:
        client.receive(piece)
        assert client.next() is None


def crowd(size: int) -> Answer:
    frame = Frame("handle", "/srv/app/server.py", 17)
    row = TaskRow(TaskInfo(1, "ü" * 20, "handle", "waiting", (frame,) * 3), frame, "sleep")
    return Answer(TaskTable(View(size), (row,) * size))


def test_a_long_answer_comes_in_parts_of_which_none_is_long() -> None:
    client, server = talking()
    sent = list(server.send(Happened(1, crowd(10_000))))
    assert len(sent) > 10
    assert max(map(len, sent)) < 3 * PART
    for data in sent:
        client.receive(data)
    assert client.next() == Happened(1, crowd(10_000))
    assert client.next() is None


def test_other_messages_and_other_parts_may_come_between_parts() -> None:
    client, server = talking()
    one = server.send(Happened(1, crowd(1000)))
    two = server.send(Happened(2, crowd(2000)))
    found: list[object] = []
    for pair in itertools.zip_longest(one, two):
        for data in [*filter(None, pair), *server.send(Announced(Output("between")))]:
            client.receive(data)
            found += [] if (message := client.next()) is None else [message]
    answers = [message for message in found if isinstance(message, Happened)]
    assert answers == [Happened(1, crowd(1000)), Happened(2, crowd(2000))]
    assert found.index(answers[0]) > 3


def test_a_part_is_never_longer_than_a_message_may_be() -> None:
    _, server = talking()
    for text in ('"' * 300_000, "\\" * 300_000, "\x00" * 300_000, "🐍" * 300_000):
        assert max(map(len, server.send(Announced(Output(text))))) <= LONGEST


def test_an_answer_that_is_far_too_long_is_taken_back() -> None:
    client, server = talking()
    sent = server.send(Happened(1, Output("x" * (LONGEST_IN_PARTS + 1000))))
    with pytest.raises(LocalProtocolError, match="67,108,864"):
        client_hears(client, sent)
    client.receive(b"".join(server.send(Happened(1, Output("short")))))
    assert client.next() == Happened(1, Output("short"))


def test_parts_that_never_end_are_bounded() -> None:
    client, _ = talking()
    part = json.dumps({"Part": [1, "x" * 500_000, "more"]}).encode() + b"\n"
    with pytest.raises(RemoteProtocolError, match="too long"):
        client_hears(client, itertools.repeat(part))
    assert client.state == "closed"


def test_a_client_may_not_send_parts() -> None:
    _, server = talking()
    assert heard(server, b'{"Part":[1,"x","more"]}\n') == ["not a message: unknown: 'Part'"]


def test_a_greeting_of_another_protocol_is_read() -> None:
    """So that the server can say which version it is."""
    newer = Hello(2, "9.0", "session")
    assert heard(ServerConnection(), b'{"Hello":[2,"9.0","session",80,0,{"more": "fields"}]}\n') == [newer]


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_random_bytes_are_errors_at_worst(pieces: list[bytes]) -> None:
    for server in (ServerConnection(), talking()[1]):
        for piece in pieces:
            heard(server, piece)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A recording with some of what can go wrong on its way."""
    lines = data.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        kind = chance.randrange(9)
        if kind == 0:
            chance.shuffle(lines)
        elif kind == 1:
            lines[at:at] = [lines[at]] * chance.randint(1, 5)
        elif kind == 2:
            del lines[at]
            lines = lines or [b"\n"]
        elif kind == 3:
            lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
        elif kind == 4:
            lines[at] = chance.randbytes(chance.randrange(200)) + lines[at]
        elif kind == 5:
            lines[at] = lines[at].replace(b'"', b"[", chance.randint(1, 3))
        elif kind == 6:
            lines[at] = lines[at].replace(b"1", chance.choice([b"1e999", b"-1", b"null", b"1" * 5000, b"{}", b'"x"']))
        elif kind == 7:
            lines[at] = b"[" * chance.randrange(3000) + lines[at]
        else:
            line = bytearray(lines[at])
            for _ in range(chance.randint(1, 8)):
                if line:
                    line[chance.randrange(len(line))] = chance.randrange(256)
            lines[at] = bytes(line)
    return b"".join(lines)


def test_mutated_recordings_are_errors_at_worst() -> None:
    original = recording()
    chance = random.Random(0)
    understood = 0
    for _ in range(MUTATIONS):
        data = mutated(original, chance)
        server = ServerConnection()
        while data:
            size = chance.choice([1 << 16, 7, 100])
            understood += sum(not isinstance(one, str) for one in heard(server, data[:size]))
            data = data[size:]
    # They are recordings still, not noise.
    assert understood > MUTATIONS
