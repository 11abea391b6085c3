"""A session over a socket does what a local one does, and keeps to itself."""

import asyncio
import builtins
import contextvars
import getpass
import io
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served import Guest, Served, printed, read, serving, value, visiting
from sessions import PATIENCE, texts

from aiorepl.alerts.values import Alert
from aiorepl.model import AlertRaised, Done, Failure, Leave, Notice, Output, Result, SettingChanged
from aiorepl.remote.client import Interrupted
from aiorepl.remote.loading import FORKING
from aiorepl.settings import Settings


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as served:
        yield served


def test_a_cell_has_a_value_an_exception_or_prints(served: Served) -> None:
    added, raised, printed_, awaited, again = served.types(
        "1 + 1",
        "1 / 0",
        "print('to out'); import sys; print('to err', file=sys.stderr)",
        "await asyncio.sleep(0, 7)",
        "_",
    )
    assert added[0] == Result("2", 1)
    assert raised[0] == Failure(
        'Traceback (most recent call last):\n  File "<cell 1:2>", line 1, in <module>\n    1 / 0\n    ~~^~~\n'
        "ZeroDivisionError: division by zero\n",
        "ZeroDivisionError: division by zero",
    )
    outs = [event for event in printed_ if isinstance(event, Output)]
    assert "".join(event.text for event in outs if event.stream == "stdout") == "to out\n"
    assert "".join(event.text for event in outs if event.stream == "stderr") == "to err\n"
    assert awaited[0] == Result("7", 4)
    assert again[0] == Result("7", 5)
    assert [events[-1].outcome for events in (added, raised) if isinstance(events[-1], Done)] == ["ok", "error"]


def test_cells_run_on_the_loop_and_in_the_namespace_of_the_app(served: Served) -> None:
    served.app.names["counter"] = [0]
    served.types("counter[0] += 1; thread = __import__('threading').get_ident(); counter.append(thread)")
    assert served.app.names["counter"] == [1, served.app.thread]


def test_nothing_is_left_in_the_apps_namespace(served: Served) -> None:
    before = dict(served.app.names)
    served.types("x = 1", "x", "def f(): return _")
    assert served.app.names == before


def test_running_a_file_leaves_the_apps_own_as_it_was(served: Served, tmp_path: Path) -> None:
    served.app.names["__file__"] = "app.py"
    (tmp_path / "other.py").write_text("print(__file__, __name__)")
    (told,) = served.says(f"%run {tmp_path / 'other.py'}")
    assert told.startswith(str(tmp_path / "other.py"))
    assert served.app.names["__file__"] == "app.py"


def test_each_session_has_its_own_names_results_and_context_variables(served: Served) -> None:
    served.app.names["variable"] = contextvars.ContextVar("variable", default="unset")

    async def one(guest: Guest) -> None:
        await guest.type("variable.set('one'); x = 1; 'first'")
        await both.wait()
        assert value(await guest.type("variable.get(), x, _")) == "('one', 1, 'first')"

    async def other(guest: Guest) -> None:
        await both.wait()
        assert value(await guest.type("variable.get()")) == "'unset'"
        assert value(await guest.type("_")) == "'unset'"
        assert "NameError" in read(await guest.type("x"))

    both = asyncio.Barrier(2)
    served.visit(one, other)


def test_what_a_cell_and_its_tasks_print_goes_to_its_client_and_only_there(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = """
    async def task(): print('from a task of NAME')
    await asyncio.create_task(task())
    await asyncio.to_thread(print, 'from a thread of NAME')
    """.replace("    ", "")

    async def print_both(guest: Guest, name: str) -> None:
        events = await guest.type(cell.replace("NAME", name))
        assert printed(events) == f"from a task of {name}\nfrom a thread of {name}\n"

    async def one(guest: Guest) -> None:
        await print_both(guest, "one")
        served.app.call(lambda: print("from the app"))

    async def other(guest: Guest) -> None:
        await print_both(guest, "other")
        assert guest.announced == []

    served.visit(one, other)
    assert capsys.readouterr() == ("from the app\n", "")


def test_what_a_task_prints_later_is_announced(served: Served) -> None:
    async def script(guest: Guest) -> None:
        await guest.type("_ = asyncio.get_running_loop().call_later(0.01, print, 'later')")
        assert await guest.announcement("later")

    served.visit(script)


def test_the_streams_are_the_apps_own_again_when_the_last_session_ends(served: Served) -> None:
    def streams() -> tuple[object, ...]:
        return (
            sys.stdout, sys.stderr, sys.stdin, builtins.input, getpass.getpass, sys.breakpointhook, sys.displayhook,
        )  # fmt: skip

    before = streams()

    async def script(guest: Guest) -> None:
        await guest.type("1")
        assert sys.stdout is not before[0]

    served.visit(script, script)
    assert all(now is then for now, then in zip(streams(), before, strict=True))


def test_who_keeps_a_stream_of_a_session_is_passed_on(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    kept: list[io.TextIOBase] = []
    served.app.names["keep"] = kept.append
    served.types("keep(sys.stdout)" if "sys" in served.app.names else "import sys; keep(sys.stdout)")
    print("afterwards", file=kept[0])
    assert kept[0].encoding == sys.stdout.encoding
    assert capsys.readouterr().out == "afterwards\n"


def test_what_the_app_puts_in_place_of_a_stream_stays(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = io.StringIO()

    async def script(guest: Guest) -> None:
        monkeypatch.setattr(sys, "stdout", other)
        assert printed(await guest.type("print('cell')")) == "cell\n"
        served.app.call(lambda: print("app"))

    served.visit(script)
    assert other.getvalue() == "app\n"


def test_a_sessions_streams_are_no_terminal_and_cannot_be_closed(served: Served) -> None:
    lines = (
        "import sys; sys.stdout.isatty(), sys.stdin.isatty(), sys.stdout.encoding, sys.stdout.writable()",
        "sys.stdout.close(); sys.stdin.close(); sys.stdout.closed",
        "sys.stdout.fileno()",
        "sys.stdout.buffer.write(b'bytes\\n'); sys.stdout.writelines(['a', 'b\\n']); sys.stdout.flush()",
        "print(1, file=sys.stdout)",
    )
    told = served.says(*lines)
    assert told[0] == "(False, False, 'utf-8', True)"
    assert told[1] == "False"
    assert told[2].endswith("io.UnsupportedOperation: a session's stream has no descriptor\n")
    assert told[3:] == ["bytes\nab\n", "1\n"]


def test_a_cell_asks_the_person_at_the_client(served: Served) -> None:
    asked: list[tuple[str, bool]] = []

    async def script(guest: Guest) -> None:
        async def read_line(prompt: str, hidden: bool) -> str:
            asked.append((prompt, hidden))
            answer = answers.pop(0)
            if isinstance(answer, str):
                return answer
            raise answer

        guest.session.read_line = read_line
        answers: list[str | BaseException] = ["Guido", "secret", "a line", EOFError(), Interrupted()]
        assert value(await guest.type("input('name? ')")) == "'Guido'"
        assert value(await guest.type("import getpass; getpass.getpass()")) == "'secret'"
        assert value(await guest.type("import sys; sys.stdin.readline()")) == "'a line\\n'"
        # Not a frame of ours; from Python 3.13 on the call is underlined.
        assert read(await guest.type("input()")).replace("    ~~~~~^^\n", "") == (
            'Traceback (most recent call last):\n  File "<cell 1:4>", line 1, in <module>\n    input()\nEOFError\n'
        )
        assert read(await guest.type("input()")).startswith("KeyboardInterrupt")

    served.visit(script)
    assert asked == [("name? ", False), ("Password: ", True), ("", False), ("", False), ("", False)]


def test_a_question_is_withdrawn_when_the_cell_is_interrupted(served: Served) -> None:
    async def script(guest: Guest) -> None:
        withdrawn, asked = asyncio.Event(), asyncio.Event()

        async def read_line(prompt: str, hidden: bool) -> str:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                withdrawn.set()
            return ""

        guest.session.read_line = read_line
        # The moment at which a cell is interrupted that has just asked differs from one time to the next.
        for _ in range(20):
            running = asyncio.create_task(guest.type("input()"))
            await asked.wait()
            await guest.session.interrupt()
            assert read(await running).startswith("KeyboardInterrupt")
            async with asyncio.timeout(PATIENCE):
                await withdrawn.wait()
            asked.clear()
            withdrawn.clear()

    served.visit(script)


def test_a_debugger_talks_to_the_client(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not the one of pytest, which would have its own terminal.
    monkeypatch.setattr(sys, "breakpointhook", sys.__breakpointhook__)

    async def script(guest: Guest) -> None:
        commands = ["p 6 * 7", "c"]

        async def read_line(prompt: str, hidden: bool) -> str:
            assert prompt == "(Pdb) "
            return commands.pop(0)

        guest.session.read_line = read_line
        told = printed(await guest.type("x = 1; breakpoint(); x += 1"))
        assert told.endswith("42\n")
        assert value(await guest.type("x")) == "2"

    served.visit(script)


def test_a_copy_of_the_output_is_one_more_way_to_print(served: Served) -> None:
    assert served.says("import copy, sys", "copy.copy(sys.stdout).write('x') and None") == ["", "x"]


def test_help_is_printed(served: Served) -> None:
    assert "sleep(delay" in served.says("help(asyncio.sleep)")[0]


def test_completions_and_signatures(served: Served) -> None:
    served.app.names["warehouse"] = {"key": 1}

    async def script(guest: Guest) -> None:
        session = guest.session
        batches = [batch async for batch in session.complete("asyncio.slee", 12)]
        assert [one.text for batch in batches for one in batch] == ["sleep"]
        (names,) = [batch async for batch in session.complete("wareh", 5)]
        assert [one.text for one in names] == ["warehouse"]
        (commands,) = [batch async for batch in session.complete("%tas", 4)]
        assert [one.text for one in commands] == ["task", "tasks"]
        signature = await session.signature("asyncio.sleep(", 14)
        assert signature is not None
        assert signature.parameters == ("delay", "result=None")
        assert await session.signature("1 + ", 4) is None
        await guest.status(lambda _: "tasks" in session.command_names())

    served.visit(script)


def test_ctrl_c_reaches_the_cell_and_nothing_else(served: Served) -> None:
    async def script(guest: Guest) -> None:
        parked = await guest.begin("print('ready'); await asyncio.sleep(100)")
        await guest.session.interrupt()
        assert "KeyboardInterrupt" in read(await parked)
        busy = await guest.begin("print('ready')\nwhile True: pass")
        await guest.session.interrupt()
        assert "KeyboardInterrupt" in read(await busy)

    served.visit(script)
    assert served.app.call(lambda: "the app goes on") == "the app goes on"


def test_a_cell_that_nobody_listens_to_any_more_is_ended(served: Served) -> None:
    async def script(guest: Guest) -> None:
        abandoned = await guest.begin("print('ready'); await asyncio.sleep(1000)")
        abandoned.cancel()
        await asyncio.wait({abandoned})
        assert read(await guest.type("1 + 1")) == "2"

    served.visit(script)


def test_ctrl_z_and_ampersand_send_a_cell_to_the_background(served: Served) -> None:
    async def script(guest: Guest) -> None:
        running = await guest.begin("print('ready'); event = asyncio.Event(); await event.wait(); 'woken'")
        await guest.session.detach()
        assert "[1] in the background" in read(await running)
        assert "[2] in the background" in read(await guest.type("await event.wait(); 'too' &"))
        await guest.status(lambda status: status.jobs == 2)
        await guest.type("event.set()")
        assert await guest.announcement("[1] done")
        assert await guest.announcement("'woken'")
        assert await guest.announcement("'too'")

    served.visit(script)


def test_the_status_is_that_of_the_apps_loop(served: Served) -> None:
    async def script(guest: Guest) -> None:
        status = await guest.status(lambda status: status.tasks == 1)
        assert (status.loop, status.debug, status.running) == ("idle", False, None)
        running = await guest.begin("print('ready'); await asyncio.sleep(100)")
        status = await guest.status(lambda status: status.running is not None)
        assert status.loop == "busy"
        await guest.session.interrupt()
        await running

    served.visit(script)


@pytest.mark.usefixtures("looks_at_once")
def test_commands_answer_while_the_loop_is_blocked(served: Served) -> None:
    release = threading.Event()

    async def script(guest: Guest) -> None:
        served.app.loop.call_soon_threadsafe(release.wait)
        await guest.status(lambda status: status.loop == "blocked")
        told = read(await guest.type("%tasks"))
        assert "the loop does not answer: blocked in " in told
        assert "Task-" in told
        cell = asyncio.create_task(guest.type("'a cell waits'"))
        await guest.status(lambda status: status.running is not None)
        await guest.session.interrupt()
        assert "holds the loop in" in getattr(await guest.announcement("holds the loop"), "text", "")
        release.set()
        await cell

    served.visit(script)


def test_turns_are_short_while_a_command_works_and_not_while_a_cell_does(served: Served) -> None:
    before = sys.getswitchinterval()
    seen: list[float] = []

    async def script(guest: Guest) -> None:
        # The completions' thread has been loaded by then.
        await guest.type("1")
        cell = await guest.begin("print('ready'); await asyncio.sleep(1000)")
        seen.append(sys.getswitchinterval())
        await guest.session.interrupt()
        await cell
        doctor = asyncio.create_task(guest.type("%doctor 1000"))
        await until(lambda: sys.getswitchinterval() < before)
        await guest.session.interrupt()
        await doctor
        seen.append(sys.getswitchinterval())

    served.visit(script)
    assert seen == [before, before]


def test_turns_are_short_while_something_is_loaded() -> None:
    before = sys.getswitchinterval()
    with FORKING.kept_away():
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        # Nothing tells of a switch interval.
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_leaving_detaches_and_nothing_more(served: Served) -> None:
    lines = ("exit", "quit", "exit()", "quit(2)", "import sys; sys.exit(3)", "raise SystemExit", "%exit 4")
    left = [next(e for e in events if isinstance(e, Leave)) for events in served.types(*lines)]
    assert left == [Leave(0), Leave(0), Leave(0), Leave(2), Leave(3), Leave(0), Leave(4)]
    assert served.says("1 + 1") == ["2"]
    assert not sys.stdin.closed


def test_a_setting_of_the_session_is_the_clients_too(served: Served) -> None:
    settings = Settings()
    settings.set("max_string", 30)

    async def visit() -> None:
        async with visiting(served.found, settings) as guest:
            assert len(value(await guest.type("'x' * 1000"))) < 40
            assert SettingChanged("max_items", 3) in await guest.type("%set max_items 3")
            assert value(await guest.type("[1, 2, 3, 4]")) == "[1, 2, 3, … 1 more]"

    asyncio.run(visit())
    assert settings.integer("max_items") == 3


def test_a_shell_command_prints_at_the_client(served: Served) -> None:
    told = served.says("!echo out; echo err >&2; cat", "!exit 3")
    assert told == ["out\nerr\n", "exit status 3"]


def test_a_shell_command_is_interrupted_with_its_children(served: Served) -> None:
    async def script(guest: Guest) -> None:
        running = await guest.begin("!echo ready; sleep 100; echo not reached")
        await guest.session.interrupt()
        events = await running
        assert printed(events) == "ready\n"
        assert texts([event for event in events if not isinstance(event, Output)]) == ["KeyboardInterrupt\n"]

    served.visit(script)


def test_a_submission_that_is_too_long_is_an_error(served: Served) -> None:
    (told,) = served.says("'" + "x" * (1 << 20) + "'")
    assert told == "this takes more than the 1,048,576 bytes that can be sent"


def test_a_second_submission_is_refused(served: Served) -> None:
    async def script(guest: Guest) -> None:
        running = await guest.begin("print('ready'); await asyncio.sleep(100)")
        second = asyncio.create_task(guest.type("1"))
        assert await guest.announcement("something runs in the foreground already")
        second.cancel()
        await guest.session.interrupt()
        await running

    served.visit(script)


def test_alerts_of_the_apps_loop_are_announced(served: Served) -> None:
    async def script(guest: Guest) -> None:
        await guest.type("async def fail(): 1 / 0\n_ = asyncio.create_task(fail(), name='careless'); del _")
        await until(lambda: any(isinstance(event, AlertRaised) for event in guest.announced))
        (alert,) = [event.alert for event in guest.announced if isinstance(event, AlertRaised)]
        assert isinstance(alert, Alert)
        assert alert.kind == "never-retrieved"
        assert "careless" in read(await guest.type("%alerts"))

    served.visit(script)


def test_hints_come_along(served: Served) -> None:
    async def visit() -> None:
        async with visiting(served.found, Settings()) as guest:
            hinted = await guest.type("asyncio.sleep(0)")
            assert [event.level for event in hinted if isinstance(event, Notice)] == ["hint"]
            await guest.type("await _")

    asyncio.run(visit())
