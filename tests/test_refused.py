"""What debug mode refuses from another thread is told with the line that did it, and how it is written instead."""

import ast
import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from alerting import drawn, watched
from app_session import App, running_app
from command_session import new_session

from aiorepl.alerts.refused import RefusalWatch, thread_safe
from aiorepl.alerts.values import Alert
from aiorepl.interpret.host import loop_factory


@pytest.fixture(params=["asyncio", "uvloop"])
def factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return loop_factory(request.param)


@pytest.fixture
def app(factory: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[App]:
    with running_app(factory) as app:
        yield app


# Calls, as a function does them, with what is called and what is to be written instead.
CALLS = [
    ("loop.call_soon(print, 1)", "loop.call_soon", "loop.call_soon_threadsafe(print, 1)"),
    ("loop.create_task(work())", "loop.create_task", "asyncio.run_coroutine_threadsafe(work(), loop)"),
    ("future.set_result(\n        42)", "future.set_result", "loop.call_soon_threadsafe(future.set_result, 42)"),
    ("task.cancel()", "task.cancel", "loop.call_soon_threadsafe(task.cancel)"),
    ("queue.put_nowait('item')", "queue.put_nowait", "loop.call_soon_threadsafe(queue.put_nowait, 'item')"),
]

# A task that debug mode has kept from being cancelled never ends.
QUIET: dict[str, object] = {"lag": 0.0, "look": 0.0, "slow": 5.0, "exit_timeout": 0.05}

CELL = """\
import threading, contextlib
loop = asyncio.get_running_loop()
future, queue = loop.create_future(), asyncio.Queue()
async def work(): pass
async def wait(): await future
async def take(): await queue.get()
task, taking = asyncio.create_task(wait()), asyncio.create_task(take())
await asyncio.sleep(0)
"""


@pytest.mark.parametrize(("call", "name", "instead"), CALLS, ids=[call[1] for call in CALLS])
def test_a_call_from_another_thread_is_told_with_its_line(
    call: str, name: str, instead: str, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def script() -> None:
        async with watched(new_session(factory=factory), **QUIET) as watch:
            await watch.type(CELL, "%debug on")
            await watch.type(
                f"errors = []\ndef other():\n    try: {call}\n    except RuntimeError as e: errors.append(e)"
            )
            await watch.type("thread = threading.Thread(target=other, name='worker'); thread.start(); thread.join()")
            shown = drawn(await watch.alert("non-threadsafe"))
            source = call.partition("\n")[0]
            assert shown == [
                f"! non-threadsafe: {name} was called in thread worker, not the loop's: a RuntimeError in debug mode",
                f"  <cell 3>, line 3: try: {source}",
                f"  Write instead: {instead}",
            ]
            alert = watch.alerts("non-threadsafe")[0]
            assert (alert.stack[-1].function, alert.stack[-1].line, alert.times) == ("other", 3, 1)
            (error,) = [event for event in await watch.type("str(errors[0])") if hasattr(event, "number")][:1]
            assert "Non-thread-safe operation" in getattr(error, "text", "")
            # What it was to run is collected while somebody takes the warning.
            await watch.type("errors.clear()")

    asyncio.run(script())


def test_the_thread_safe_forms_are_not_told(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def script() -> None:
        async with watched(new_session(factory=factory), **QUIET) as watch:
            await watch.type(CELL, "%debug on", "done = []")
            calls = "; ".join(
                [
                    "loop.call_soon_threadsafe(done.append, 1)",
                    "loop.call_soon_threadsafe(future.set_result, 42)",
                    "loop.call_soon_threadsafe(queue.put_nowait, 'item')",
                    "asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(20)",
                    "loop.call_soon_threadsafe(loop.call_later, 0, done.append, 2)",
                ]
            )
            await watch.type(f"def other():\n    {calls}")
            await watch.type(
                "await asyncio.to_thread(other)\nawait task; await taking\nloop.call_soon(done.append, 3);"
            )
            await watch.looked()
            assert watch.alerts() == []

    asyncio.run(script())


def test_a_timer_is_told_once(app: App) -> None:
    """By who watches timers where debug mode is off, or by what debug mode refuses."""
    told: list[Alert] = []
    from aiorepl.alerts.watcher import Watcher

    watcher = Watcher()
    watcher.watch(app.loop)
    app.loop.set_debug(True)
    app.call(lambda: None)
    with pytest.raises(RuntimeError, match="Non-thread-safe"):
        app.loop.call_later(1, print)
    watcher.unwatch(app.loop)
    told = watcher.ledger.list("non-threadsafe")
    assert [(alert.times, alert.source) for alert in told] == [(1, "app.loop.call_later(1, print)")]


def test_without_debug_mode_nothing_stands_in_the_way_and_nothing_stays_behind(app: App) -> None:
    told: list[Alert] = []
    before = app.call(lambda: vars(app.loop).copy().keys())
    watch = RefusalWatch(app.loop, lambda alert, key: told.append(alert))
    assert "call_soon" not in vars(app.loop)
    app.loop.set_debug(True)
    app.call(lambda: app.loop.call_soon(len, ""))
    app.loop.set_debug(False)
    assert "call_soon" not in vars(app.loop)
    app.loop.set_debug(True)
    watch.undo()
    app.loop.set_debug(False)
    app.call(lambda: None)
    assert app.call(lambda: vars(app.loop).copy().keys()) == before
    assert told == []


def test_what_another_library_calls_has_the_name_of_the_loops_method(app: App) -> None:
    told: list[Alert] = []
    app.loop.set_debug(True)
    watch = RefusalWatch(app.loop, lambda alert, key: told.append(alert))
    caught: list[object] = []
    hook, threading.excepthook = threading.excepthook, lambda args: caught.append(args.exc_value)
    try:
        thread = threading.Thread(target=app.loop.call_soon, args=(print,), name="worker")
        thread.start()
        thread.join()
    finally:
        threading.excepthook = hook
        watch.undo()
    (alert,) = told
    assert alert.what == "loop.call_soon was called in thread worker, not the loop's: a RuntimeError in debug mode"
    assert alert.cure == "Write instead: loop.call_soon_threadsafe(...)"
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("self.loop.call_soon(f, *args, context=c)", "self.loop.call_soon_threadsafe(f, *args, context=c)"),
        (
            "future.set_exception(exception=error)",
            "loop.call_soon_threadsafe(lambda: future.set_exception(exception=error))",
        ),
        ("self.loop.call_later(1, f)", "self.loop.call_soon_threadsafe(self.loop.call_later, 1, f)"),
        ("loop.call_at(when(), f, x)", "loop.call_soon_threadsafe(loop.call_at, when(), f, x)"),
        ("asyncio.ensure_future(work(1))", "asyncio.run_coroutine_threadsafe(work(1), loop)"),
        ("event.set()", "loop.call_soon_threadsafe(event.set)"),
    ],
)
def test_a_call_is_rewritten(written: str, instead: str) -> None:
    call = ast.parse(written, mode="eval").body
    assert isinstance(call, ast.Call)
    assert thread_safe(call) == instead
