"""The loop that aiorepl owns, and what code does to it."""

import asyncio
import contextlib
import os
import queue
import sys
import threading
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from aiorepl.errors import LoopError
from aiorepl.interpret.host import LoopHost, loop_factory

# Seconds; what is waited for comes at once, unless it does not come.
PATIENCE = 20.0


class Listener:
    """Keeps what it is told in ``told``, as pairs of a method's name and its last argument."""

    def __init__(self) -> None:
        self.told: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.started: list[asyncio.AbstractEventLoop] = []

    def loop_started(self, loop: asyncio.AbstractEventLoop) -> None:
        self.started.append(loop)

    def loop_lost(self, loop: asyncio.AbstractEventLoop, reason: str) -> None:
        assert loop is not self.started[-1]
        self.told.put(("lost", reason))

    def escaped(self, error: BaseException) -> None:
        self.told.put(("escaped", error))

    def refused(self, names: list[str]) -> None:
        self.told.put(("refused", names))

    def hear(self) -> tuple[str, Any]:
        return self.told.get(timeout=PATIENCE)


class Host(LoopHost):
    """One that runs in a worker thread, with a listener that can be asked."""

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.listener = Listener()
        super().__init__(factory, self.listener)

    def on_loop(self, function: Callable[[], object]) -> Any:
        """Call a function on the loop and return what it returns."""
        answers: queue.Queue[object] = queue.Queue()
        self.call(lambda: answers.put(function()))
        return answers.get(timeout=PATIENCE)

    def end(self, timeout: float = PATIENCE) -> None:
        """Close it, and give what does not end by itself so many seconds."""
        self.close(timeout=timeout)
        self.ended.result(2 * PATIENCE)


@contextlib.contextmanager
def running(factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> Iterator[Host]:
    host = Host(factory)
    host.start()
    try:
        yield host
    finally:
        host.end()
        assert host.listener.told.empty(), list(host.listener.told.queue)


@pytest.fixture(params=["asyncio", "uvloop"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    with running(loop_factory(request.param)) as host:
        yield host


def stop() -> None:
    asyncio.get_running_loop().stop()


def start(host: Host, *coroutines: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Make tasks of coroutines and wait until each is parked; the loop itself would not keep them alive."""
    tasks: list[asyncio.Task[None]] = host.on_loop(lambda: [host.loop.create_task(work) for work in coroutines])
    host.on_loop(lambda: None)
    return tasks


def forget(tasks: list[asyncio.Task[None]]) -> None:
    """Keep asyncio from telling that these tasks never ended, as that is what the test was about."""
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


async def leave(error: BaseException) -> None:
    raise error


def test_the_loop_runs_in_a_thread_of_its_own(host: Host) -> None:
    assert host.on_loop(threading.get_ident) == host.thread != threading.get_ident()
    assert host.on_loop(asyncio.get_running_loop) is host.loop
    assert host.listener.started == [host.loop]


def test_stopping_the_loop_does_not_end_it(host: Host) -> None:
    loop = host.loop
    host.on_loop(stop)
    assert host.on_loop(asyncio.get_running_loop) is loop


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_escapes_from_a_task_is_told_and_the_loop_goes_on(host: Host, error: BaseException) -> None:
    loop = host.loop
    survivor = host.on_loop(lambda: loop.create_task(asyncio.Event().wait()))
    task = host.on_loop(lambda: loop.create_task(leave(error)))
    assert host.listener.hear() == ("escaped", error)
    assert host.on_loop(asyncio.get_running_loop) is loop
    assert host.on_loop(lambda: asyncio.all_tasks()) == {survivor}
    assert task.exception() is error


@pytest.mark.parametrize("error", [SystemExit("text"), KeyboardInterrupt()], ids=repr)
def test_what_escapes_from_a_callback_is_told_and_the_loop_goes_on(host: Host, error: BaseException) -> None:
    def fail() -> None:
        raise error

    host.call(fail)
    assert host.listener.hear() == ("escaped", error)
    assert host.on_loop(asyncio.get_running_loop) is host.loop


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_what_escapes_from_an_eager_task_is_told_and_the_loop_goes_on(host: Host) -> None:
    error = SystemExit(3)

    def fail() -> None:
        loop = asyncio.get_running_loop()
        asyncio.Task(leave(error), loop=loop, eager_start=True)  # type: ignore[call-arg, unused-ignore]

    host.call(fail)
    assert host.listener.hear() == ("escaped", error)
    assert host.on_loop(asyncio.get_running_loop) is host.loop


def test_setting_no_event_loop_changes_nothing_for_running_code(host: Host) -> None:
    host.on_loop(lambda: asyncio.set_event_loop(None))
    host.on_loop(stop)
    assert host.on_loop(asyncio.get_running_loop) is host.loop


def close_while_running(loop: asyncio.AbstractEventLoop) -> None:
    """What code does that takes a loop for its own; asyncio itself refuses as long as it knows that the loop runs."""
    loop._thread_id = None  # type: ignore[attr-defined]
    loop.close()


def test_a_closed_loop_is_replaced_and_that_is_told() -> None:
    with running() as host:
        old = host.loop
        host.call(lambda: close_while_running(old))
        assert host.listener.hear() == ("lost", "the event loop was closed")
        assert host.on_loop(asyncio.get_running_loop) is host.loop is not old
        assert host.listener.started == [old, host.loop]


def test_a_loop_with_a_broken_selector_is_replaced_and_that_is_told() -> None:
    with running() as host:
        old = host.loop
        host.call(lambda: os.close(old._selector.fileno()))  # type: ignore[attr-defined]
        kind, reason = host.listener.hear()
        assert kind == "lost"
        assert reason.startswith("the event loop failed (")
        assert host.on_loop(asyncio.get_running_loop) is host.loop is not old
        assert old.is_closed()


def test_a_call_that_finds_the_loop_closed_is_made_on_the_next_one() -> None:
    with running() as host:
        old, seen = host.loop, queue.Queue[asyncio.AbstractEventLoop]()

        def close_and_call() -> None:
            close_while_running(old)
            host.call(lambda: seen.put(asyncio.get_running_loop()))

        host.call(close_and_call)
        assert seen.get(timeout=PATIENCE) is host.loop is not old
        assert host.listener.hear() == ("lost", "the event loop was closed")


def test_a_loop_can_be_lost_more_than_once() -> None:
    with running() as host:
        for _ in range(3):
            old = host.loop
            host.call(lambda loop=old: close_while_running(loop))  # type: ignore[misc]
            assert host.listener.hear() == ("lost", "the event loop was closed")
            assert host.on_loop(asyncio.get_running_loop) is not old


def test_closing_cancels_the_tasks_and_waits_for_them(host: Host) -> None:
    ended = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    tasks = start(host, *(work(name) for name in "ab"))
    host.end()
    assert all(task.done() for task in tasks)
    assert sorted(ended) == ["a", "b"]
    assert host.loop.is_closed()


def test_tasks_that_refuse_to_end_are_named(host: Host) -> None:
    async def stubborn() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    tasks = start(host, stubborn(), stubborn())
    tasks[0].set_name("b")
    tasks[1].set_name("a")
    host.end(timeout=0.05)
    qualname = "test_tasks_that_refuse_to_end_are_named.<locals>.stubborn"
    assert host.listener.hear() == ("refused", [f"a ({qualname})", f"b ({qualname})"])
    assert host.loop.is_closed()
    forget(tasks)


def test_a_task_that_leaves_while_it_is_cancelled_does_not_stop_the_closing(host: Host) -> None:
    ended = []

    async def work(error: BaseException) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(type(error))
            raise error

    told = []
    host.loop.set_exception_handler(lambda loop, context: told.append(type(context["exception"])))
    tasks = start(host, *(work(error) for error in (SystemExit(3), KeyboardInterrupt(), ValueError())))
    host.end()
    assert set(ended) == set(told) == {SystemExit, KeyboardInterrupt, ValueError}
    assert all(task.done() for task in tasks)


def test_tasks_that_await_each_other_do_not_stop_the_closing(host: Host) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def wait_for(index: int) -> None:
        await tasks[index]

    def begin() -> None:
        tasks.append(host.loop.create_task(wait_for(1), name="a"))
        tasks.append(host.loop.create_task(wait_for(0), name="b"))

    host.on_loop(begin)
    host.on_loop(lambda: None)
    host.end(timeout=0.05)
    assert host.loop.is_closed()
    while not host.listener.told.empty():
        assert host.listener.hear()[0] == "refused"
    forget(tasks)


def test_closing_ends_async_generators(host: Host) -> None:
    ended = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            ended.set()

    async def begin() -> AsyncIterator[int]:
        generator = numbers()
        await anext(generator)
        return generator

    generator = asyncio.run_coroutine_threadsafe(begin(), host.loop).result(PATIENCE)
    host.end()
    assert ended.is_set()
    assert generator is not None


def test_closing_waits_for_the_threads_of_the_executor(host: Host) -> None:
    release, ended = threading.Event(), threading.Event()

    def work() -> None:
        release.wait(PATIENCE)
        ended.set()

    host.on_loop(lambda: host.loop.run_in_executor(None, work))
    host.close(timeout=PATIENCE)
    release.set()
    host.ended.result(PATIENCE)
    assert ended.is_set()


# Not with uvloop, whose own thread fails loudly if the loop was closed while it waited for the executor.
def test_a_thread_that_refuses_to_end_is_named() -> None:
    with running() as host:
        release, before = threading.Event(), threading.enumerate()
        host.on_loop(lambda: host.loop.run_in_executor(None, release.wait))
        host.end(timeout=0.05)
        assert host.listener.hear() == ("refused", ["a thread of the executor"])
        release.set()
        for thread in set(threading.enumerate()).difference(before):
            thread.join(PATIENCE)


def test_a_blocked_loop_ends_when_what_blocks_it_returns() -> None:
    with running() as host:
        blocked, release = threading.Event(), threading.Event()

        def block() -> None:
            blocked.set()
            release.wait(PATIENCE)

        host.call(block)
        assert blocked.wait(PATIENCE)
        host.close(timeout=1)
        assert not host.ended.done()
        release.set()
        host.ended.result(PATIENCE)


def test_calls_after_the_end_are_made_never_and_harm_nothing(host: Host) -> None:
    host.end()
    host.call(lambda: 1 / 0)
    host.close(timeout=0)


def fail() -> asyncio.AbstractEventLoop:
    raise OSError("no files left")


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (fail, "the loop could not be made: OSError: no files left"),
        (lambda: 3, "which is not an event loop"),
        (None, "the loop could not be made: TypeError: 'NoneType' object is not callable"),
    ],
)
def test_a_factory_that_gives_no_loop_is_an_error_of_one_line(factory: Any, message: str) -> None:
    with pytest.raises(LoopError) as raised:
        LoopHost(factory, Listener())
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_loops_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("loops")
    module.make = asyncio.SelectorEventLoop  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "loops", module)
    assert loop_factory("asyncio") is asyncio.new_event_loop
    assert loop_factory("loops:make") is asyncio.SelectorEventLoop


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fast", "--loop takes asyncio, uvloop or module:function, not 'fast'"),
        ("", "--loop takes asyncio, uvloop or module:function, not ''"),
        ("no_such_module:loop", "cannot import no_such_module: No module named 'no_such_module'"),
        ("asyncio:no_such_loop", "asyncio has no no_such_loop"),
        ("asyncio:", "--loop takes asyncio, uvloop or module:function, not 'asyncio:'"),
        (":make", "--loop takes asyncio, uvloop or module:function, not ':make'"),
    ],
)
def test_a_loop_that_is_not_there_is_an_error_of_one_line(name: str, message: str) -> None:
    with pytest.raises(LoopError) as raised:
        loop_factory(name)
    assert str(raised.value) == message


def test_uvloop_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(LoopError, match=r'pip install "aiorepl\[uvloop\]"'):
        loop_factory("uvloop")
