"""A session on the loop of an app: the app goes on, and finds everything as it was when the session has ended."""

import asyncio
import re
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
from app_session import App, converse_with, running_app
from sessions import PATIENCE, Conversation, texts

from aiorepl.interpret.host import loop_factory
from aiorepl.model import Notice
from aiorepl.session import interrupts


@pytest.fixture(params=["asyncio", "uvloop"])
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    with running_app(loop_factory(request.param)) as app:
        yield app


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "PATIENCE", 0.05)


def found(app: App) -> list[object]:
    """What a session could have changed and must not, as seen on the app's own thread."""
    loop = app.loop
    return [
        # Whatever is queued there now, and whichever handle is called.
        {
            name: value
            for name, value in vars(loop).items()
            if name not in ("_current_handle", "_timer_cancelled_count")
        },
        loop.get_exception_handler(),
        loop.get_task_factory(),
        loop.get_debug(),
        loop.slow_callback_duration,
        sys.get_coroutine_origin_tracking_depth(),
        sys.get_asyncgen_hooks(),
        warnings.showwarning,
        list(warnings.filters),
        sys.displayhook,
        sys.excepthook,
        [getattr(sys, name, None) for name in ("last_type", "last_value", "last_traceback", "last_exc")],
        app.names.copy(),
        {task.get_name() for task in asyncio.all_tasks(loop)},
    ]


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
def test_everything_is_as_it_was_found(debug: bool) -> None:
    with running_app(debug=debug) as app:
        before = app.call(lambda: found(app))

        async def script(talk: Conversation) -> None:
            await talk.type("1 + 1")
            await talk.type("1 / 0")
            await talk.type("new = [_]; repl.tasks()")
            await talk.type("await asyncio.sleep(1000) &")

        converse_with(app, script)
        after = app.call(lambda: found(app))
        assert after == before


def test_cells_run_on_the_apps_loop_and_thread(app: App) -> None:
    async def script(talk: Conversation) -> None:
        talk.session.namespace["thread"] = threading.get_ident
        assert texts(await talk.type("thread()")) == [str(app.thread)]
        talk.session.namespace["loop"] = app.loop
        assert texts(await talk.type("await asyncio.sleep(0, asyncio.get_running_loop() is loop)")) == ["True"]
        assert talk.session.host.thread == app.thread

    converse_with(app, script)


def test_ctrl_c_reaches_the_cell_and_no_task_of_the_app(app: App) -> None:
    async def script(talk: Conversation) -> None:
        app.names["theirs"] = app.call(lambda: app.loop.create_task(asyncio.sleep(1000, "slept")))
        for cell in ("here(); await asyncio.sleep(1000)", "here()\nwhile True: pass"):
            submission = await talk.begin(cell)
            await talk.session.interrupt()
            assert "KeyboardInterrupt" in texts(await submission)[0]
        assert texts(await talk.type("theirs.done()")) == ["False"]
        await talk.type("theirs.cancel()")

    converse_with(app, script)


def test_what_else_holds_the_loop_is_named_and_left_alone(app: App, impatient: None) -> None:
    released = threading.Event()

    async def busy() -> bool:
        return released.wait(PATIENCE)

    async def script(talk: Conversation) -> None:
        task = app.call(lambda: app.loop.create_task(busy(), name="busy"))
        assert isinstance(task, asyncio.Task)
        submission = asyncio.create_task(talk.type("1 + 1"))
        await talk.status(lambda status: status.running is not None)
        for _ in range(3):
            await talk.session.interrupt()
        told = {event.text for event in talk.announced if isinstance(event, Notice)}
        (line,) = told
        assert line.startswith("busy holds the loop in ")
        assert line.endswith("; that is the program's own; Ctrl-Z sends the cell to the background")
        released.set()
        await submission
        assert app.call(task.result) is True

    converse_with(app, script)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (
            "await asyncio.create_task(leave())",
            "LeavingTaskError: SystemExit(3) in a task of a cell; the program goes on",
        ),
        (
            "t = asyncio.create_task(leave())\nawait asyncio.wait([t]); str(t.exception())",
            "'SystemExit(3) in a task of",
        ),
        ("await asyncio.gather(asyncio.to_thread(exit), leave())", "in a task of a cell; the program goes on"),
        ("async with asyncio.TaskGroup() as tg:\n    tg.create_task(leave())", "SystemExit"),
        (
            "await asyncio.create_task(interrupted())",
            "CancelledError: KeyboardInterrupt in a task of a cell; the program",
        ),
        ("t = asyncio.create_task(interrupted())\nawait asyncio.wait([t]); t.cancelled()", "True"),
    ],
)
def test_a_task_of_a_cell_does_not_end_the_program(app: App, cell: str, said: str) -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("async def leave():\n    await asyncio.sleep(0)\n    raise SystemExit(3)\n")
        await talk.type("async def interrupted():\n    await asyncio.sleep(0)\n    raise KeyboardInterrupt\n")
        assert said in "\n".join(texts(await talk.type(cell)))
        assert texts(await talk.type("asyncio.current_task().get_loop().is_running()")) == ["True"]

    converse_with(app, script)
    assert app.call(lambda: "it goes on") == "it goes on"


def test_tasks_of_a_cell_are_described_by_their_own_coroutines(app: App) -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("async def waits():\n    await asyncio.Event().wait()\n")
        await talk.type("task = asyncio.create_task(waits(), name='worker')")
        assert texts(await talk.type("str(task.get_coro().cr_code.co_name), task.get_coro().__qualname__")) == [
            "('waits', 'waits')"
        ]
        assert "worker waits (<cell 1>:2) waits for Event.wait." in repr(await talk.type("%why worker"))
        await talk.type("task.cancel()")

    converse_with(app, script)


def test_it_is_said_that_the_loop_does_not_come_to_a_cell(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiorepl.session.local._SAYS", 0.05)
    monkeypatch.setattr("aiorepl.session.local._WITHDRAWS", 0.1)
    released = threading.Event()

    async def busy() -> bool:
        return released.wait(PATIENCE)

    async def script(talk: Conversation) -> None:
        task = app.call(lambda: app.loop.create_task(busy(), name="busy"))
        assert isinstance(task, asyncio.Task)
        # Somebody could withdraw it; or it is from a command of the shell, for which nobody waits long.
        submission = talk.session.submit("ran = 'typed'")
        said = getattr(await anext(submission), "text", "")
        assert said.endswith("; the cell waits for its turn, Ctrl-C withdraws it")
        await talk.session.detach()
        assert [event async for event in submission]
        talk.session.is_typed_in = False
        said = texts(await talk.type("ran = 'asked'"))
        assert [re.sub(r" in .*(?=;)", "", line) for line in said] == [
            "busy holds the loop; the cell waits for its turn, for 0.1 s at most",
            "busy holds the loop; the cell was withdrawn",
        ]
        released.set()
        app.call(lambda: None)
        # In this order: what was withdrawn has not come after it.
        assert texts(await talk.type("ran")) == ["'typed'"]
        assert app.call(task.result) is True

    converse_with(app, script)


def test_leaving_ends_the_cells_and_nothing_else(app: App) -> None:
    ended: list[str] = []

    async def script(talk: Conversation) -> None:
        app.names |= {"ended": ended, "task": app.call(lambda: app.loop.create_task(asyncio.sleep(1000)))}
        cell = "try:\n    here()\n    await asyncio.sleep(1000)\nfinally:\n    ended.append('{}')\n"
        await (await talk.begin(cell.format("job").rstrip() + " &"))
        await talk.begin(cell.format("cell"))

    converse_with(app, script)
    assert sorted(ended) == ["cell", "job"]
    task = app.names["task"]
    assert isinstance(task, asyncio.Task)
    assert not app.call(task.done)
    app.call(task.cancel)


def test_jobs_are_kept_where_that_was_asked_for(app: App) -> None:
    async def script(talk: Conversation) -> None:
        talk.session.keeps_jobs = True
        app.names["gate"] = app.call(asyncio.Event)
        app.names["went_on"] = went_on.set
        await (await talk.begin("here(); await gate.wait(); went_on() &"))

    went_on = threading.Event()
    converse_with(app, script)
    gate = app.names["gate"]
    assert isinstance(gate, asyncio.Event)
    assert not went_on.is_set()
    app.call(gate.set)
    assert went_on.wait(PATIENCE)


def test_a_cell_that_does_not_end_is_named(app: App, impatient: None) -> None:
    async def script(talk: Conversation) -> None:
        talk.session.settings.set("exit_timeout", "0.1")
        app.names["gate"] = app.call(asyncio.Event)
        await talk.begin(
            "while not gate.is_set():\n"
            "    try:\n"
            "        here(); await gate.wait()\n"
            "    except asyncio.CancelledError:\n"
            "        pass\n"
        )
        await talk.session.aclose()
        await talk.announcement("did not end in time: cell 1")
        gate = app.names["gate"]
        assert isinstance(gate, asyncio.Event)
        app.call(gate.set)

    converse_with(app, script)


def test_the_apps_loop_ends_before_the_session(app: App) -> None:
    async def script(talk: Conversation) -> None:
        cell = await talk.begin("here()\ntry:\n    await asyncio.sleep(1000)\nfinally:\n    await asyncio.sleep(0)")
        await asyncio.to_thread(app.stop)
        # As asyncio.run cancels what runs at its end.
        assert "CancelledError" in "".join(texts(await cell))
        assert texts(await talk.type("1 + 1")) == ["the loop is closed; the cell did not end"]
        assert talk.session.status().loop == "closed"

    converse_with(app, script)
