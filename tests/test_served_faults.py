"""Whatever a client does, or stops doing, the app goes on, its memory is bounded, and nothing stays switched on."""

import asyncio
import contextlib
import logging
import os
import random
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Guest, Raw, Served, printed, read, serving, visiting
from sessions import PATIENCE
from test_remote_protocol import mutated
from wire import recording

from aiorepl.commands.context import Context
from aiorepl.commands.registry import COMMANDS, command
from aiorepl.errors import ServeError
from aiorepl.model import Done, Notice, Output, Result
from aiorepl.remote import visit
from aiorepl.remote.channel import QUEUED
from aiorepl.remote.client import greet
from aiorepl.remote.messages import Announced, Goodbye, Happened, Hello, Objection, Refused, Submit

# Seconds within which what a client switched on is off when it has gone.
GONE = 2.0
# Mutated recordings that are sent to a server; set to 100000 for a long run.
MUTATIONS = int(os.environ.get("AIOREPL_MUTATIONS", "60"))
# Megabytes that a cell prints; set to 1000 for a long run.
FLOOD = int(os.environ.get("AIOREPL_FLOOD", "30"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as served:
        yield served


def answers(served: Served) -> bool:
    return served.says("1 + 1") == ["2"] and served.app.call(lambda: 7) == 7


class Switch:
    """Something that a command switches on, and that is off at the session's end."""

    def __init__(self) -> None:
        self.on = threading.Event()
        self.off = threading.Event()


@pytest.fixture
def switch() -> Iterator[Switch]:
    before = dict(COMMANDS._commands), dict(COMMANDS._by_name)
    switch = Switch()

    @command
    def switch_on(context: Context) -> None:
        """Switch something on."""
        switch.on.set()
        context.undo.callback(switch.off.set)

    yield switch
    COMMANDS._commands, COMMANDS._by_name = before


CELLS = {
    "parked": "await asyncio.sleep(1000)",
    "busy": "while True: pass",
    "asking": "input()",
    "printing": "while True: print('x' * 1000); await asyncio.sleep(0)",
}
CELL = "try:\n  started.set()\n  {}\nfinally:\n  print('dying')\n  ended.set()"


@pytest.mark.parametrize("kind", CELLS)
def test_the_cell_of_a_client_that_vanishes_is_interrupted(
    served: Served, switch: Switch, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    started, ended = threading.Event(), threading.Event()
    served.app.names.update(started=started, ended=ended)
    with Raw(served.found.path) as client:
        client.say(Submit(1, "%switch_on"))
        assert switch.on.wait(PATIENCE)
        while not (isinstance(message := client.hear(), Happened) and isinstance(message.event, Done)):
            assert message is not None
        client.say(Submit(2, CELL.format(CELLS[kind])))
        assert started.wait(PATIENCE)
    gone = time.monotonic()
    assert ended.wait(PATIENCE)
    assert switch.off.wait(PATIENCE)
    assert time.monotonic() - gone < GONE
    assert answers(served)
    assert capsys.readouterr() == ("", "")


def test_debug_mode_and_traces_of_a_client_that_vanishes_are_off(served: Served) -> None:
    served.app.call(lambda: served.app.names.update(wait=asyncio.Event().wait, sleep=asyncio.sleep))
    with Raw(served.found.path) as client:
        for number, line in enumerate(("%debug on", "%trace sleep --max 1000", "%slow 0.5", "%log debug"), 1):
            client.say(Submit(number, line))
            while not (isinstance(message := client.hear(), Happened) and isinstance(message.event, Done)):
                assert message is not None
            assert message.event.outcome == "ok"
        assert served.app.call(served.app.loop.get_debug)
    gone = time.monotonic()
    while served.server.sessions:
        answers(served)
    assert time.monotonic() - gone < GONE
    assert not served.app.call(served.app.loop.get_debug)
    assert served.says("%trace")[0].startswith("nothing is traced;")
    assert logging.getLogger("asyncio").level == logging.NOTSET
    assert served.app.loop.slow_callback_duration == 0.1


def test_a_job_of_a_client_that_vanishes_goes_on_and_prints_where_the_app_does(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.app.names["ended"] = ended = threading.Event()
    served.app.names["go_on"] = go_on = asyncio.Event()
    with Raw(served.found.path) as client:
        client.say(Submit(1, "await go_on.wait(); print('job'); ended.set() &"))
        while not isinstance(message := client.hear(), Happened):
            assert message is not None
    while served.server.sessions:
        answers(served)

    async def meanwhile(guest: Guest) -> None:
        served.app.call(go_on.set)
        assert await asyncio.to_thread(ended.wait, PATIENCE)
        assert guest.announced == []

    served.visit(meanwhile)
    assert capsys.readouterr() == ("job\n", "")


def test_a_client_that_leaves_in_the_middle_of_a_cell_ends_it(served: Served) -> None:
    served.app.names["ended"] = ended = threading.Event()

    async def script(guest: Guest) -> None:
        await guest.begin("try: print('ready'); await asyncio.sleep(1000)\nfinally: ended.set()")

    served.visit(script)
    assert ended.wait(PATIENCE)


def test_a_server_that_closes_tells_its_clients_why(served: Served) -> None:
    async def script(guest: Guest) -> None:
        running = await guest.begin("print('ready'); await asyncio.sleep(1000)")
        await asyncio.to_thread(served.server.close)
        assert read(await running).endswith("left with 2")
        assert guest.session.lost == f"{served.found}: the program does not serve any longer"
        assert read(await guest.type("1")) == "left with 2"
        assert await guest.session.signature("len(", 4) is None

    served.visit(script)
    assert not os.path.exists(served.server.path)
    served.server.close()
    assert repr(served.server) == "<aiorepl server 'app' closed>"


def test_an_idle_client_is_told_that_the_server_has_closed(served: Served) -> None:
    async def script(guest: Guest) -> None:
        await asyncio.to_thread(served.server.close)
        assert await guest.announcement("the program does not serve any longer")

    served.visit(script)


def test_a_hundred_clients_at_once(served: Served) -> None:
    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            guests = [await stack.enter_async_context(visiting(served.found)) for _ in range(100)]
            events = await asyncio.gather(*(guest.type(f"print({n}); {n}") for n, guest in enumerate(guests)))
            assert [read(one) for one in events] == [f"{n}\n\n{n}" for n in range(100)]

    asyncio.run(run())
    assert answers(served)


def test_clients_beyond_the_limit_are_sent_away(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiorepl.remote.server._MOST", 2)
    with Raw(served.found.path), Raw(served.found.path), Raw(served.found.path, greets=False) as third:
        assert third.hear() is None


class Lag:
    """The longest that the app's loop kept a callback waiting."""

    def __init__(self, served: Served) -> None:
        self._loop = served.app.loop
        self.longest = 0.0
        self._handle: asyncio.Handle | None = None
        self._last = 0.0

    def __enter__(self) -> "Lag":
        self._loop.call_soon_threadsafe(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)

    def _start(self) -> None:
        self._last = self._loop.time()
        self._handle = self._loop.call_later(0.005, self._tick)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _tick(self) -> None:
        self.longest = max(self.longest, self._loop.time() - self._last - 0.005)
        self._start()


def test_a_cell_that_prints_far_more_than_is_read_needs_little_memory(served: Served) -> None:
    """What is read is in order, and says how much was left out."""
    served.app.names.update(line="x" * 99_999, ended=(ended := threading.Event()))
    cell = f"for _ in range({FLOOD * 10}):\n  print(line)\n  await asyncio.sleep(0)\nended.set()"
    tracemalloc.start()
    try:
        with Raw(served.found.path) as client, Lag(served) as lag:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            client.say(Submit(1, cell))
            assert ended.wait(20 * PATIENCE)
            assert tracemalloc.get_traced_memory()[1] - before < 2 * QUEUED
            # The loop goes on; how well is seen in a long run on a machine that does nothing else.
            assert lag.longest < 5
    finally:
        tracemalloc.stop()
        print(f"{FLOOD} MB, lag {lag.longest * 1000:.1f} ms")
    assert answers(served)


def test_what_was_left_out_of_the_output_is_counted_where_it_was(served: Served) -> None:
    printed_all, go_on = threading.Event(), asyncio.Event()
    served.app.names.update(printed_all=printed_all, go_on=go_on)
    prints = "for n in range(400): print(f'{n:99999}')"
    text = ""
    with Raw(served.found.path) as client:
        client.say(Submit(1, f"{prints}\nprinted_all.set(); await go_on.wait(); print('end')"))
        assert printed_all.wait(PATIENCE)
        while not (isinstance(message := client.hear(), Happened) and isinstance(message.event, Done)):
            event = getattr(message, "event", None)
            text += event.text if isinstance(event, Output) else ""
            if "more characters" in text:
                served.app.call(go_on.set)
    marks = r"\n… ([0-9,]+) more characters were printed than could be sent\n"
    left_out = [int(count.replace(",", "")) for count in re.findall(marks, text)]
    assert left_out
    assert text.endswith("end\n")
    assert len(re.sub(marks, "", text)) + sum(left_out) == 40_000_000 + len("end\n")
    whole = [int(line) for line in text.split("\n") if len(line) == 99_999]
    assert whole == sorted(set(whole))


def test_a_client_that_reads_nothing_is_cut_off(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Output waits for it, and no longer than it is short; what cannot wait ends the conversation."""
    caplog.set_level(logging.INFO, "aiorepl")
    with Raw(served.found.path) as client:
        client.say(Submit(1, "session = 'here'"))
        (number,) = served.server.sessions
        notice = Announced(Notice("x" * 100_000))
        visits = list(served.server._visits.values())

        def announce() -> None:
            for _ in range(100):
                if visits[0]._channel.can_send:
                    visits[0]._channel.send(notice)

        served.server._loop.call_soon_threadsafe(announce)
        while number in served.server.sessions:
            answers(served)
    assert "it did not read what was sent" in caplog.text


def test_a_result_is_cut_before_it_is_sent(served: Served) -> None:
    served.app.names["huge"] = "x" * 50_000_000
    tracemalloc.start()
    try:
        for cell in ("huge", "[huge] * 100", "huge.encode()", "{n: huge for n in range(1000)}"):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            (told,) = served.types(cell)
            # What the cell itself makes counts too.
            assert tracemalloc.get_traced_memory()[1] - before < (QUEUED if "encode" not in cell else 60_000_000)
            (result,) = [event for event in told if isinstance(event, Result)]
            assert len(result.text) < 600_000
            assert result.note.endswith("the whole value is in _")
    finally:
        tracemalloc.stop()


def test_an_answer_may_be_long_and_is_not_sent_if_it_is_far_too_long(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_tasks() -> None:
        served.app.names["kept"] = [served.app.loop.create_task(asyncio.sleep(1000)) for _ in range(3000)]

    served.app.call(make_tasks)
    (told,) = served.says("%tasks --top 3000")
    assert len(told.splitlines()) > 3000
    monkeypatch.setattr("aiorepl.remote.protocol.LONGEST_IN_PARTS", 1 << 18)
    (told,) = served.says("%tasks --top 3000")
    assert told == "too long to be sent: this takes more than the 262,144 bytes that can be sent"
    served.app.call(lambda: [task.cancel() for task in served.app.names["kept"]])  # type: ignore[attr-defined]


GARBAGE = {
    "another protocol": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "binary": bytes(range(256)) * 10 + b"\n",
    "nothing": b"",
    "half a greeting": b'{"Hello":[1,"0.1',
    "a line without an end": b"x" * (3 << 20),
    "deep": b"[" * 200_000 + b"\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_ends_a_conversation_and_nothing_else(served: Served, kind: str) -> None:
    with Raw(served.found.path, greets=False) as client:
        # The server may have hung up before all of it was sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.socket.sendall(GARBAGE[kind])
            client.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            answer = client.hear()
            assert answer is None or isinstance(answer, Refused)
    assert answers(served)


def test_garbage_in_a_session_is_objected_to_and_the_session_goes_on(served: Served) -> None:
    with Raw(served.found.path) as client:
        client.socket.sendall(b'{"Submit":[1]}\n\xff\n')
        objections: list[str] = []
        while len(objections) < 2:
            message = client.hear()
            objections += [message.reason] if isinstance(message, Objection) else []
        assert objections == ["not a message: Submit has more fields than 1", "not a message: not UTF-8"]
        client.say(Submit(2, "print('goes on')"))
        while not (isinstance(message := client.hear(), Happened) and isinstance(message.event, Output)):
            assert message is not None


def test_who_asks_more_at_once_than_is_answered_is_not_listened_to(served: Served) -> None:
    with Raw(served.found.path) as client:
        # Nothing is answered before the session has loaded what it needs, and never while the app holds the lock.
        client.socket.sendall(b"".join(b'{"AskSignature":[%d,"len(",4]}\n' % number for number in range(5000)))
        reasons = set()
        while (message := client.hear()) is not None:
            reasons |= {message.reason} if isinstance(message, Objection) else set()
        assert reasons == {"more is asked at once than is answered"}
    assert answers(served)


def test_who_is_never_understood_is_not_listened_to(served: Served) -> None:
    with Raw(served.found.path) as client:
        client.socket.sendall(b"?\n" * 1000)
        last = None
        while (message := client.hear()) is not None:
            last = message
        assert last == Goodbye("")


def test_a_client_that_says_nothing_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "_GREETING", 0.01)
    with Raw(served.found.path, greets=False) as client:
        assert client.hear() == Refused("nothing was said for 0.01 s")


def test_another_version_of_the_protocol_is_refused(served: Served) -> None:
    with Raw(served.found.path, greets=False) as client:
        client.say(Hello(2, "9.9", "session"))
        assert client.hear() == Refused(
            "the program's aiorepl is 0.1.0 with protocol 1, and the client's is 9.9 with protocol 2"
        )


def test_without_a_loop_there_is_no_session(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        served.server._offer = served.server._offer._replace(loop=lambda: None)
        with pytest.raises(ServeError, match=rf"no event loop is running in app \(process {os.getpid()}\)"):
            served.says("1")


def test_a_program_that_is_stopped_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    from aiorepl.remote.discovery import Found

    path = str(tmp_path / "silent.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        async def visit() -> None:
            await greet(Found(4711, "app", path), "session", timeout=0.05)

        with pytest.raises(ServeError, match=r"app \(process 4711\) has not answered within 0.05 s"):
            asyncio.run(visit())


def test_mutated_recordings_leave_the_app_and_the_server_as_they_were(tmp_path: Path) -> None:
    chance = random.Random(0)
    original = recording()
    with serving(tmp_path, "read-only") as served, Lag(served) as lag:
        for number in range(MUTATIONS):
            data = mutated(original, chance)
            with Raw(served.found.path, greets=False) as client, contextlib.suppress(OSError):
                for start in range(0, len(data), 4096):
                    client.socket.sendall(data[start : start + 4096])
                if number % 3:
                    client.socket.shutdown(socket.SHUT_WR)
                    while client.socket.recv(1 << 16):
                        continue
        assert served.app.call(lambda: 7) == 7
        assert served.says("%write") == ["this session only looks"]
        assert lag.longest < 5
    assert printed([]) == ""
