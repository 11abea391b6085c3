"""A whole session with no terminal: what is typed, what is answered, what happens by itself."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator

import pytest
from command_session import new_session
from sessions import PATIENCE, Conversation, conversation, converse, texts

from aiorepl.commands.context import Context
from aiorepl.commands.registry import COMMANDS, Registry
from aiorepl.errors import CommandError
from aiorepl.model import AlertRaised, Done, Event, Failure, Leave, Notice, Result
from aiorepl.session import interrupts
from aiorepl.session.protocol import Session

PARKED = "asyncio.get_running_loop().call_soon(here)\nawait asyncio.Event().wait()"


def outcome(events: list[Event]) -> str:
    last = events[-1]
    assert isinstance(last, Done)
    return last.outcome


async def is_well(talk: Conversation) -> None:
    """The session takes cells, and its loop runs them."""
    assert texts(await talk.type("await asyncio.sleep(0, 'well')")) == ["'well'"]


def test_it_is_a_session() -> None:
    session: Session = new_session()
    assert "who" in session.command_names()


def test_a_cell_gives_its_value_and_is_done() -> None:
    async def script(talk: Conversation) -> None:
        result, done = await talk.type("await asyncio.sleep(0, 42)")
        assert result == Result("42", 1)
        assert isinstance(done, Done)
        assert (done.outcome, done.number) == ("ok", 1)
        assert 0 < done.elapsed < PATIENCE

    converse(script)


def test_a_cell_that_fails_gives_its_traceback() -> None:
    async def script(talk: Conversation) -> None:
        failure, done = await talk.type("1/0")
        assert isinstance(failure, Failure)
        assert failure.summary == "ZeroDivisionError: division by zero"
        assert outcome([done]) == "error"

    converse(script)


def test_a_cell_that_is_not_python_gives_the_place_and_no_frame() -> None:
    async def script(talk: Conversation) -> None:
        events = await talk.type("x = 1\nx y\n")
        assert texts(events) == ['  File "<cell 1>", line 2\n    x y\n      ^\nSyntaxError: invalid syntax\n']
        assert outcome(events) == "error"
        await is_well(talk)

    converse(script)


@pytest.mark.parametrize("text", ["(" * 1000 + "1", "'\\ud800'.encode()", "x = 'a\0b'", "-" * 100_000 + "1"])
def test_what_cannot_be_compiled_or_encoded_is_an_error_like_any_other(text: str) -> None:
    async def script(talk: Conversation) -> None:
        assert outcome(await talk.type(text)) == "error"
        await is_well(talk)

    converse(script)


def test_leaving_is_an_event() -> None:
    async def script(talk: Conversation) -> None:
        assert Leave(3) in await talk.type("exit(3)")
        assert Leave(4) in await talk.type("import sys; await asyncio.sleep(0); sys.exit(4)")
        assert Leave(0) in await talk.type("quit")
        assert Leave(5) in await talk.type("%exit 5")

    from aiorepl.interpret.main_module import install_leavers

    install_leavers()
    converse(script)


def test_a_cell_is_interrupted_where_it_is_parked() -> None:
    async def script(talk: Conversation) -> None:
        submission = await talk.begin(
            f"try:\n    x = 1\n    {PARKED.replace(chr(10), chr(10) + '    ')}\nfinally: x = 2"
        )
        await talk.session.interrupt()
        events = await submission
        assert texts(events) == ["KeyboardInterrupt (<cell 1>, line 4)\n"]
        assert outcome(events) == "interrupted"
        assert texts(await talk.type("x")) == ["2"]

    converse(script)


def test_a_cell_is_interrupted_where_it_executes() -> None:
    async def script(talk: Conversation) -> None:
        submission = await talk.begin("here()\nwhile True:\n    pass")
        await talk.session.interrupt()
        events = await submission
        assert outcome(events) == "interrupted"
        assert re.fullmatch(r"KeyboardInterrupt \(<cell 1>, line [123]\)\n", texts(events)[0])
        await is_well(talk)

    converse(script)


def test_an_interrupt_can_be_caught_by_the_cell() -> None:
    async def script(talk: Conversation) -> None:
        submission = await talk.begin(
            "try:\n    here()\n    while True: pass\nexcept KeyboardInterrupt:\n    x = 'seen'\nx"
        )
        await talk.session.interrupt()
        events = await submission
        assert texts(events) == ["'seen'"]
        assert outcome(events) == "ok"

    converse(script)


def test_an_interrupt_reaches_no_other_task(monkeypatch: pytest.MonkeyPatch) -> None:
    # However late the cell ends, that is not explained.
    monkeypatch.setattr(interrupts, "PATIENCE", PATIENCE)

    async def script(talk: Conversation) -> None:
        await talk.type(
            "n = 0\nasync def count():\n    global n\n    while True:\n        n += 1\n        await asyncio.sleep(0)\n"
            "counter = asyncio.create_task(count())"
        )
        for text in ("here()\nwhile True: pass", PARKED, "while True:\n    here()\n    await asyncio.sleep(0)"):
            submission = await talk.begin(text)
            await talk.session.interrupt()
            assert outcome(await submission) == "interrupted"
        assert texts(await talk.type("before = n\nawait asyncio.sleep(0)\nawait asyncio.sleep(0)\nn > before")) == [
            "True"
        ]
        assert texts(await talk.type("counter.done()")) == ["False"]
        # The loop may have been held for long enough to be told of, and another test may have left a loop open.
        told = [event for event in talk.announced if not isinstance(event, AlertRaised)]
        kinds = {event.alert.kind for event in talk.announced if isinstance(event, AlertRaised)}  # type: ignore[attr-defined]
        assert (told, kinds - {"blocked-loop", "unclosed"}) == ([], set())

    converse(script)


def test_a_submission_is_interrupted_before_its_first_step() -> None:
    async def script(talk: Conversation) -> None:
        # In one pass of the loop, as when both come over a socket in one piece.
        submission = asyncio.create_task(talk.type("await asyncio.sleep(1000)"))
        interrupt = asyncio.create_task(talk.session.interrupt())
        assert outcome(await submission) == "interrupted"
        await interrupt
        await is_well(talk)

    converse(script)


def test_an_interrupt_at_the_prompt_does_nothing() -> None:
    async def script(talk: Conversation) -> None:
        await talk.session.interrupt()
        await talk.session.detach()
        await is_well(talk)

    converse(script)


def test_a_cell_that_refuses_to_be_cancelled_is_said_and_can_be_cancelled_again() -> None:
    async def script(talk: Conversation) -> None:
        submission = await talk.begin(
            f"try:\n    {PARKED.replace(chr(10), chr(10) + '    ')}\nexcept asyncio.CancelledError:\n"
            "    await asyncio.sleep(1000)"
        )
        await talk.session.interrupt()
        told = await talk.announcement("was cancelled")
        assert isinstance(told, Notice)
        assert re.fullmatch(
            r"the cell was cancelled and still waits on asyncio\.sleep, [\d.]+ s left \(line 5 of <cell 1>\); "
            "Ctrl-C cancels that too, Ctrl-Z sends the cell to the background",
            told.text,
        )
        await talk.session.interrupt()
        assert outcome(await submission) == "interrupted"

    converse(script)


def test_who_else_holds_the_loop_is_named_first_and_interrupted_second() -> None:
    async def script(talk: Conversation) -> None:
        talk.session.settings.set("slow", 0)
        await talk.type("async def spin():\n    here()\n    while True:\n        x = 1\n")
        submission = await talk.begin("task = asyncio.create_task(spin(), name='spinner')\nawait asyncio.sleep(1000)")
        await talk.session.interrupt()
        told = await talk.announcement("holds the loop")
        assert isinstance(told, Notice)
        assert re.fullmatch(
            r"spinner holds the loop in <cell 1>, line [34]: (while True:|x = 1); "
            "Ctrl-C again raises KeyboardInterrupt in it",
            told.text,
        )
        assert not submission.done()
        await talk.session.interrupt()
        assert outcome(await submission) == "interrupted"
        assert texts(await talk.type("type(task.exception()).__name__")) == ["'KeyboardInterrupt'"]
        await is_well(talk)

    converse(script)


def test_a_callback_that_holds_the_loop_is_named() -> None:
    async def script(talk: Conversation) -> None:
        talk.session.settings.set("slow", 0)
        await talk.type("def spin():\n    here()\n    while True:\n        x = 1\n")
        submission = await talk.begin("asyncio.get_running_loop().call_soon(spin)\nawait asyncio.sleep(1000)")
        await talk.session.interrupt()
        told = await talk.announcement("holds the loop")
        assert getattr(told, "text", "").startswith("the callback spin holds the loop in <cell 1>, line ")
        await talk.session.interrupt()
        assert outcome(await submission) == "interrupted"
        await is_well(talk)

    converse(script)


def test_a_cell_in_a_call_that_cannot_be_interrupted_is_left_behind_with_its_loop() -> None:
    async def script(talk: Conversation) -> None:
        lock = threading.Lock()
        lock.acquire()
        background_ended = threading.Event()
        talk.session.namespace |= {"lock": lock, "ended": background_ended.set}
        await talk.type(
            "async def background():\n    try:\n        await asyncio.sleep(1000)\n    finally:\n        ended()\n"
            "x = 'kept'\n"
            "background_task = asyncio.create_task(background())\n"
            "await asyncio.sleep(0)"
        )
        before = talk.session.host
        submission = await talk.begin("here()\nlock.acquire()")
        await talk.stands_in(2)
        await talk.session.interrupt()
        told = await talk.announcement("still in")
        assert getattr(told, "text", "") == (
            "still in <cell 2>, line 2: lock.acquire(); Ctrl-C again leaves this loop behind"
        )
        await talk.session.interrupt()
        events = await submission
        assert outcome(events) == "interrupted"
        assert texts(events) == ["this loop was left behind and a new one takes over; the cell did not end"]
        assert talk.session.host is not before
        assert texts(await talk.type("x, background_task.done()")) == ["('kept', False)"]
        await is_well(talk)
        assert not background_ended.is_set()
        # When the call returns, the old loop's tasks are cancelled, and it is closed.
        lock.release()
        await asyncio.wrap_future(before.ended)
        assert background_ended.is_set()
        assert before.loop.is_closed()
        await is_well(talk)

    converse(script)


def test_presses_after_one_another_are_each_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four quick presses do not leave a loop behind that would have obeyed the first."""

    async def script(talk: Conversation) -> None:
        before = talk.session.host
        submission = await talk.begin("try:\n    here()\n    while True: pass\nfinally:\n    x = 1")
        await asyncio.gather(*(talk.session.interrupt() for _ in range(4)))
        assert outcome(await submission) == "interrupted"
        assert talk.session.host is before
        await is_well(talk)

    converse(script)


def test_in_the_main_thread_a_loop_is_never_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "PATIENCE", 0.05)

    async def script(talk: Conversation) -> None:
        lock = threading.Lock()
        lock.acquire()
        talk.session.namespace["lock"] = lock
        talk.session._in_main_thread = True
        before = talk.session.host
        submission = await talk.begin("here()\nlock.acquire()")
        await talk.stands_in(2)
        for _ in range(3):
            await talk.session.interrupt()
        assert talk.session.host is before
        lock.release()
        assert outcome(await submission) == "interrupted"
        await is_well(talk)

    converse(script)


def test_detaching_makes_a_job_that_is_announced_with_its_result() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("event = asyncio.Event()")
        submission = await talk.begin("asyncio.get_running_loop().call_soon(here)\nawait event.wait()\n'the result'")
        await talk.session.detach()
        events = await submission
        assert outcome(events) == "detached"
        assert texts(events) == ["[1] in the background; %fg brings it back"]
        assert talk.session.status().jobs == 1
        await talk.type("event.set()")
        told = await talk.announcement("done after")
        assert re.fullmatch(
            r"\[1\] done after \d+\.\d s: asyncio\.get_running_loop\(\)\.call_soon\(here\)…", getattr(told, "text", "")
        )
        await talk.announcement("'the result'")
        assert talk.announced[1] == Result("'the result'", 2)
        assert talk.session.status().jobs == 0
        assert texts(await talk.type("_2")) == ["'the result'"]

    converse(script)


def test_an_ampersand_starts_in_the_background() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("event = asyncio.Event()")
        events = await talk.type("await event.wait(); 'a' &")
        assert texts(events) == ["[1] in the background; %fg brings it back"]
        assert outcome(events) == "detached"
        assert outcome(await talk.type("await event.wait(); 1/0 &")) == "detached"
        assert [(job.number, job.text) for job in talk.session.jobs.list()] == [
            (1, "await event.wait(); 'a'"),
            (2, "await event.wait(); 1/0"),
        ]
        await talk.type("event.set()")
        await talk.announcement("[1] done after")
        await talk.announcement("[2] failed after")
        await talk.announcement("ZeroDivisionError")

    converse(script)


def test_an_ampersand_after_what_is_not_python_is_an_error() -> None:
    async def script(talk: Conversation) -> None:
        assert outcome(await talk.type("return 1 &")) == "error"
        assert talk.session.status().jobs == 0

    converse(script)


def test_a_job_is_brought_back_and_shows_its_result() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("event = asyncio.Event()")
        await talk.type("await event.wait(); 'the result' &")
        submission = asyncio.create_task(talk.type("%fg"))
        await talk.status(lambda status: status.running is not None)
        talk.session.host.call(talk.session.namespace["event"].set)  # type: ignore[attr-defined]
        events = await submission
        assert texts(events) == ["'the result'"]
        assert outcome(events) == "ok"
        assert talk.announced == []

    converse(script)


def test_a_job_that_was_brought_back_is_interrupted_and_detached_like_a_cell() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type(f"{PARKED} &")
        await talk.arrive()
        submission = asyncio.create_task(talk.type("%fg 1"))
        await talk.status(lambda status: status.running is not None)
        await talk.session.detach()
        assert outcome(await submission) == "detached"
        submission = asyncio.create_task(talk.type("%fg 1"))
        await talk.status(lambda status: status.running is not None)
        await talk.session.interrupt()
        assert outcome(await submission) == "interrupted"
        assert talk.session.status().jobs == 0

    converse(script)


def test_a_job_that_calls_exit_does_not_end_the_session() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("await asyncio.sleep(0); raise SystemExit(3) &")
        assert await talk.announcement("[1] exit status 3") == Notice("[1] exit status 3")
        await is_well(talk)

    converse(script)


def test_a_shell_line_runs_as_a_process(capfd: pytest.CaptureFixture[str]) -> None:
    async def script(talk: Conversation) -> None:
        assert texts(await talk.type("!printf hello")) == []
        assert texts(await talk.type("!exit 3")) == ["exit status 3"]
        assert outcome(await talk.type("!")) == "error"
        await talk.type("!exit 4 &")
        await talk.announcement("[1] failed after")

    converse(script)
    assert capfd.readouterr().out == "hello"


@pytest.fixture
def commands() -> Iterator[Registry]:
    """The registry, which forgets afterwards what a test registers."""
    before = dict(COMMANDS._commands), dict(COMMANDS._by_name)
    yield COMMANDS
    COMMANDS._commands, COMMANDS._by_name = before


def test_a_bug_in_a_command_shows_and_the_session_goes_on(commands: Registry) -> None:
    @commands.command(name="broken")
    def broken(context: Context) -> None:
        """Fail."""
        raise ZeroDivisionError("a bug")

    async def script(talk: Conversation) -> None:
        events = await talk.type("%broken")
        (failure,) = [event for event in events if isinstance(event, Failure)]
        assert failure.summary == "ZeroDivisionError: a bug"
        assert 'raise ZeroDivisionError("a bug")' in failure.text
        assert outcome(events) == "error"
        await is_well(talk)

    converse(script)


def test_what_a_command_refuses_is_one_line(commands: Registry) -> None:
    @commands.command(name="refuse")
    async def refuse(context: Context) -> None:
        """Refuse."""
        raise CommandError("not now; try later")

    async def script(talk: Conversation) -> None:
        events = await talk.type("%refuse")
        assert events[0] == Notice("not now; try later", "error")
        assert outcome(events) == "error"

    converse(script)


def test_a_command_that_waits_is_interrupted(commands: Registry) -> None:
    @commands.command(name="wait")
    async def wait(context: Context) -> None:
        """Wait for ever."""
        context.namespace["here"]()  # type: ignore[operator]
        await asyncio.Event().wait()

    async def script(talk: Conversation) -> None:
        submission = await talk.begin("%wait")
        await talk.session.interrupt()
        events = await submission
        assert texts(events) == ["KeyboardInterrupt\n"]
        assert outcome(events) == "interrupted"

    converse(script)


def test_status_says_what_runs_and_what_it_waits_on() -> None:
    async def script(talk: Conversation) -> None:
        assert talk.session.status().running is None
        submission = await talk.begin("asyncio.get_running_loop().call_soon(here)\nawait asyncio.sleep(1000)")
        running = talk.session.status().running
        assert running is not None
        assert running.number == 1
        assert re.fullmatch(r"asyncio\.sleep, [\d.]+ s left \(line 2 of <cell 1>\)", running.waits_on)
        assert talk.session.status().loop == "busy"
        await talk.session.interrupt()
        await submission
        assert talk.session.status().running is None

    converse(script)


def test_status_counts_tasks_and_tells_of_debug_mode() -> None:
    async def script(talk: Conversation) -> None:
        assert not (await talk.status(lambda status: status.tasks == 0)).debug
        await talk.type("tasks = [asyncio.create_task(asyncio.sleep(1000)) for _ in range(3)]")
        await talk.type("asyncio.get_running_loop().set_debug(True)")
        # The cell's own task may take a moment to be gone.
        assert (await talk.status(lambda status: status.tasks == 3)).debug

    converse(script)


def test_status_of_a_blocked_loop_says_so() -> None:
    async def script(talk: Conversation) -> None:
        release = threading.Event()
        talk.session.namespace["release"] = release
        submission = await talk.begin("here(); release.wait();")
        lag = (await talk.status(lambda status: status.loop == "blocked")).lag
        assert lag is not None
        assert lag > 0.5
        release.set()
        await submission
        await talk.status(lambda status: status.loop == "idle")

    converse(script)


def test_what_a_cell_does_to_the_loop_is_survived() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("loop = asyncio.get_running_loop()\nloop.stop()")
        await is_well(talk)
        await talk.type("asyncio.set_event_loop(None)")
        await is_well(talk)
        await talk.type("async def leave(): raise SystemExit(3)\ntask = asyncio.create_task(leave())")
        await talk.announcement("(leave) failed and nobody awaits it")
        await is_well(talk)
        await talk.type("loop._thread_id = None; loop.close()")
        await talk.announcement(
            "the event loop was closed; a new one takes over, and the tasks of the old one are gone"
        )
        await is_well(talk)
        assert texts(await talk.type("loop.is_closed(), loop is asyncio.get_running_loop()")) == ["(True, False)"]

    converse(script)


def test_a_cell_whose_loop_is_lost_ends() -> None:
    async def script(talk: Conversation) -> None:
        events = await talk.type(
            "loop = asyncio.get_running_loop()\n"
            "def close():\n    loop._thread_id = None\n    loop.close()\n"
            "loop.call_soon(close)\nawait asyncio.sleep(1000)"
        )
        assert outcome(events) == "interrupted"
        assert texts(events) == ["the event loop was closed; the cell did not end"]
        await is_well(talk)

    converse(script)


def test_closing_cancels_what_runs_and_names_what_refuses() -> None:
    async def run() -> None:
        session = new_session()
        session.settings.set("exit_timeout", 0.1)
        async with conversation(session) as talk:
            await talk.type(
                "seen = []\n"
                "async def tidy():\n    try: await asyncio.sleep(1000)\n    finally: seen.append('tidied')\n"
                "async def stubborn():\n    while True:\n        try: await asyncio.sleep(1000)\n"
                "        except asyncio.CancelledError: pass\n"
                "tasks = [asyncio.create_task(tidy()), asyncio.create_task(stubborn(), name='mule')]"
            )
            await talk.type("await asyncio.sleep(0)")
        assert session.namespace["seen"] == ["tidied"]
        assert talk.announced == [Notice("did not end in time: mule (stubborn)", "alert")]
        for task in session.namespace["tasks"]:  # type: ignore[attr-defined]
            task._log_destroy_pending = False

    asyncio.run(run())


def test_closing_with_a_blocked_loop_does_not_wait_for_ever() -> None:
    release = threading.Event()

    async def run() -> None:
        session = new_session({"release": release})
        session.settings.set("exit_timeout", 0.2)
        async with conversation(session) as talk:
            await talk.type("asyncio.get_running_loop().call_later(0.01, lambda: (here(), release.wait()));")
            await talk.arrive()
            started = time.monotonic()
        assert time.monotonic() - started < PATIENCE
        told = [event for event in talk.announced if isinstance(event, Notice)]
        assert told == [Notice("the loop is blocked and was left as it is", "alert")]

    asyncio.run(run())
    release.set()


def test_closing_undoes_in_reverse_order_on_the_sessions_own_thread_while_the_loop_runs() -> None:
    async def run() -> None:
        session = new_session()
        undone: list[object] = []

        def note(what: str) -> None:
            undone.append((what, threading.current_thread(), session.host.loop.is_running()))

        def fails(what: str) -> None:
            note(what)
            raise ValueError(what)

        async with conversation(session) as talk:
            for function, what in ((note, "first"), (fails, "second"), (note, "third"), (fails, "fourth")):
                session.undo.callback(function, what)
            await is_well(talk)
            assert undone == []
        here = threading.current_thread()
        assert undone == [(what, here, True) for what in ("fourth", "third", "second", "first")]
        told = [(event.text, event.level) for event in talk.announced if isinstance(event, Notice)]
        assert told == [("not undone: ValueError: fourth", "alert"), ("not undone: ValueError: second", "alert")]

    asyncio.run(run())


def test_a_submission_that_is_not_read_to_its_end_is_taken_back() -> None:
    async def script(talk: Conversation) -> None:
        events = talk.session.submit("print('never read')\nx = 1\nx")
        async for event in events:
            assert event == Result("1", 1)
            break
        await events.aclose()  # type: ignore[attr-defined]
        await is_well(talk)

    converse(script)


def test_a_file_is_named_in_its_tracebacks_and_shows_no_value() -> None:
    async def script(talk: Conversation) -> None:
        events = [event async for event in talk.session.submit("x = 1\n1/0\n", filename="a.py", show=False)]
        assert texts(events)[0].startswith('Traceback (most recent call last):\n  File "a.py", line 2, in <module>\n')
        events = [event async for event in talk.session.submit("x\n", filename="a.py", show=False)]
        assert texts(events) == []

    converse(script)
