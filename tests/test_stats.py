"""What is counted of each task while statistics are kept, and that nothing is left of it after that."""

import asyncio
import functools
import gc
import logging
import sys
import threading
import weakref
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from time import perf_counter
from typing import Any

import pytest
from loops_elsewhere import loop_elsewhere

from aiorepl.alerts.records import TaskStats, Woken
from aiorepl.alerts.stats import account_of, keep_statistics
from aiorepl.alerts.steps import SlowStep, watch_steps
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.own_loops import mark_own

ORIGINAL = events.Handle._run


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert events.Handle._run is ORIGINAL
    assert not hasattr(asyncio.BaseEventLoop, "_aiorepl_steps")


def spin(seconds: float) -> None:
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def counted(
    main: Callable[[], Coroutine[Any, Any, None]],
    *,
    debug: bool = False,
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> dict[str, TaskStats]:
    """Run a program with statistics kept from the start; return them by the tasks' names, as they are at its end.

    What ``keep`` of the program refers to is still there then.
    """
    found: dict[str, TaskStats] = {}

    async def run() -> None:
        await main()
        account = account_of(asyncio.get_running_loop())
        assert account is not None
        for number, stats in account.read().items():
            task: Any = BOOK.find(number)
            found[task.get_name()] = stats

    with asyncio.Runner(loop_factory=factory, debug=debug) as runner:
        hold = keep_statistics(runner.get_loop())
        try:
            runner.run(run())
        finally:
            hold.end()
            keep.clear()
    return found


keep: list[Any] = []


def start(coroutine: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
    task = asyncio.create_task(coroutine, name=name)
    keep.append(task)
    return task


def by(stats: TaskStats) -> list[tuple[str, int]]:
    """Who woke a task how often."""
    return [(one.by.rpartition(".")[2], one.times) for one in stats.woken]


@pytest.mark.parametrize("debug", [False, True])
def test_steps_and_busy_seconds_are_those_of_the_task(debug: bool) -> None:
    async def worker() -> None:
        for _ in range(3):
            spin(0.01)
            await asyncio.sleep(0.001)
        spin(0.3)
        await asyncio.sleep(0)

    async def main() -> None:
        await start(worker(), "worker")

    started = perf_counter()
    stats = counted(main, debug=debug)["worker"]
    elapsed = perf_counter() - started
    assert stats.steps == 5
    assert stats.busy is not None
    assert 0.33 <= stats.busy <= elapsed
    assert stats.longest is not None
    assert 0.3 <= stats.longest <= stats.busy - 0.03
    assert stats.longest_at is not None
    assert stats.longest_at.file == __file__
    # A busy machine may hold up a short step for longer.
    assert stats.longest_at.line - worker.__code__.co_firstlineno in (3, 5)
    assert (stats.wakes, stats.own) == (5, 1)


@pytest.mark.parametrize("debug", [False, True])
def test_waiting_to_run_is_the_time_from_wake_to_step(debug: bool) -> None:
    async def main() -> None:
        event = asyncio.Event()
        waiter = start(event.wait(), "waiter")
        await asyncio.sleep(0)
        event.set()
        spin(0.03)
        await waiter

    started = perf_counter()
    stats = counted(main, debug=debug)["waiter"]
    assert stats.waited is not None
    assert 0.03 <= stats.waited <= perf_counter() - started


@pytest.mark.parametrize("debug", [False, True])
def test_who_woke_a_task_is_told(debug: bool) -> None:
    async def consumer(queue: "asyncio.Queue[int]") -> None:
        for _ in range(6):
            await queue.get()
        await asyncio.sleep(0.001)
        # It must not end before it is awaited.
        release = threading.Event()
        asyncio.get_running_loop().call_soon(release.set)
        await asyncio.to_thread(release.wait)
        left, right = await asyncio.open_connection(*address)
        right.write(b"x\n")
        await left.readline()
        right.close()
        await asyncio.gather(start(asyncio.sleep(0), "gathered"))

    async def producer(queue: "asyncio.Queue[int]", count: int) -> None:
        for _ in range(count):
            queue.put_nowait(1)
            await asyncio.sleep(0)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address[:] = server.sockets[0].getsockname()
        task = start(consumer(queue), "consumer")
        await asyncio.sleep(0)
        await start(producer(queue, 4), "producer")
        await start(producer(queue, 2), "other producer")
        await task
        server.close()

    address: list[Any] = []
    stats = counted(main, debug=debug)
    woken = stats["consumer"].woken
    numbers = {name: one.task for name, one in stats.items()}
    times = {one.task: one.times for one in woken if one.task is not None}
    assert times[numbers["producer"]] == 4
    assert times[numbers["other producer"]] == 2
    # The one that was gathered, by way of asyncio's own callback.
    assert times[numbers["gathered"]] == 1
    kinds = {one.by: one.times for one in woken if one.task is None}
    assert kinds["timer"] == 1
    assert kinds["thread"] == 1
    assert kinds["I/O"] >= 2
    assert stats["consumer"].wakes == sum(one.times for one in woken) + stats["consumer"].own


def test_a_task_that_spins_wakes_itself() -> None:
    async def spinning() -> None:
        while not done:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def healthy() -> None:
        for _ in range(120):
            await asyncio.sleep(0.0001)

    async def main() -> None:
        start(spinning(), "spinning")
        await start(healthy(), "healthy")
        done.append(True)

    done: list[bool] = []
    stats = counted(main)
    assert stats["spinning"].own > 100
    assert stats["spinning"].own >= stats["spinning"].wakes - 1
    assert stats["healthy"].own == 0
    assert stats["healthy"].wakes == 121


def test_tasks_that_have_ended_are_told_by_their_coroutine_and_are_few_however_many_woke() -> None:
    async def handler(event: asyncio.Event) -> None:
        event.set()

    async def server() -> None:
        for _ in range(500):
            event = asyncio.Event()
            tasks = [asyncio.create_task(handler(event))]
            await event.wait()
            await tasks.pop()

    async def main() -> None:
        await start(server(), "server")
        gc.collect()

    stats = counted(main)["server"]
    assert by(stats)[0][0] == "handler"
    assert by(stats)[0][1] >= 500
    assert len(stats.woken) <= 9


@pytest.mark.parametrize("kinds", [50])
def test_the_most_frequent_wakers_are_kept_and_the_others_are_counted_as_one(kinds: int) -> None:
    async def waker(event: asyncio.Event) -> None:
        event.set()
        await asyncio.sleep(60)

    async def woken() -> None:
        for _ in range(kinds):
            event = asyncio.Event()
            start(waker(event), "waker")
            await event.wait()

    async def main() -> None:
        task = start(woken(), "woken")
        await task

    stats = counted(main)["woken"]
    assert by(stats)[0][0] == "others"
    assert sum(one.times for one in stats.woken) == stats.wakes
    assert len(stats.woken) <= 9


def test_a_step_that_goes_on_is_part_of_what_is_read() -> None:
    with loop_elsewhere() as elsewhere:
        begun, end = threading.Event(), threading.Event()

        async def block() -> None:
            await asyncio.sleep(0)
            begun.set()
            end.wait(20)

        async def begin() -> "asyncio.Task[None]":
            return asyncio.create_task(block(), name="blocks")

        hold = keep_statistics(elsewhere.loop)
        task = elsewhere.run(begin())
        assert begun.wait(20)
        spin(0.03)
        stats = hold.account.read()[BOOK.number_of(task)]
        end.set()
        assert stats.busy is not None
        assert stats.longest is not None
        assert stats.busy >= stats.longest >= 0.03
        assert stats.steps == 1
        hold.end()


def test_what_was_counted_between_two_readings() -> None:
    place = None
    before = TaskStats(1, 10, 1.0, 0.5, place, 2.0, 12, 3, (Woken("timer", None, 7), Woken("f", 2, 2)))
    after = TaskStats(
        1, 15, 1.5, 0.6, place, 2.25, 18, 4, (Woken("timer", None, 7), Woken("f", 2, 5), Woken("g", 3, 2))
    )
    assert after.since(before) == TaskStats(1, 5, 0.5, None, None, 0.25, 6, 1, (Woken("f", 2, 3), Woken("g", 3, 2)))
    assert after.since(None) is after
    bare = TaskStats(1, wakes=5)
    assert bare.since(TaskStats(1, wakes=2)) == TaskStats(1, wakes=3)


def test_slow_steps_and_exceptions_are_told_with_statistics_too(caplog: pytest.LogCaptureFixture) -> None:
    told: list[SlowStep] = []

    def slow_callback() -> None:
        spin(0.02)
        raise ValueError("the callback's")

    async def slow() -> None:
        spin(0.02)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watch = watch_steps(loop, slow=0.02, on_slow=told.append)
        loop.call_soon(slow_callback)
        loop.call_later(0, functools.partial(spin, 0.02))
        await start(slow(), "slow")
        await asyncio.sleep(0.001)
        watch.end()

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        counted(main)
    assert {(step.name, step.callback.rpartition(".")[2]) for step in told} >= {
        ("", "slow_callback"),
        ("", "spin"),
        ("slow", "TaskStepMethWrapper"),
    }
    (record,) = caplog.records
    assert record.message.startswith("Exception in callback test_slow_steps_and")
    assert "ValueError: the callback's" in (record.exc_text or caplog.text)


def leave_by_task() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    start(leave(), "leaves")


def leave_by_callback() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 3)


@pytest.mark.parametrize("leave", [leave_by_task, leave_by_callback])
def test_system_exit_ends_the_run_as_ever(leave: Callable[[], None]) -> None:
    async def main() -> None:
        leave()
        await asyncio.sleep(20)

    with pytest.raises(SystemExit, match="3"):
        counted(main)


def test_handles_look_and_can_be_cancelled_as_ever() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ran: list[int] = []
        handles = [loop.call_soon(ran.append, number) for number in range(3)]
        assert repr(handles[0]) == repr(asyncio.Handle(ran.append, (0,), loop))
        assert isinstance(handles[0], asyncio.Handle)
        handles[1].cancel()
        assert handles[1].cancelled()
        assert repr(handles[1]) == "<Handle cancelled>"
        await asyncio.sleep(0)
        assert ran == [0, 2]

    counted(main)


def test_a_closed_loop_takes_nothing_more() -> None:
    loop = asyncio.new_event_loop()
    hold = keep_statistics(loop)
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_soon(print)
    hold.end()
    with pytest.raises(ValueError, match="no statistics"):
        keep_statistics(loop)
    own = asyncio.new_event_loop()
    mark_own(own)
    with pytest.raises(ValueError, match="no statistics"):
        keep_statistics(own)
    own.close()


def test_nothing_is_left_when_the_last_hold_ends() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        plain = loop.call_soon.__func__  # type: ignore[attr-defined]
        first, second = keep_statistics(loop), keep_statistics(loop)
        await asyncio.sleep(0)
        assert account_of(loop) is first.account is second.account
        first.end()
        first.end()
        assert account_of(loop) is second.account
        second.end()
        assert account_of(loop) is None
        assert loop.call_soon.__func__ is plain  # type: ignore[attr-defined]
        assert events.Handle._run is ORIGINAL
        # What was scheduled before runs all the same.
        await asyncio.sleep(0)

    asyncio.run(main())


def test_statistics_begin_and_end_while_the_loop_works() -> None:
    async def worker() -> None:
        while not done:
            steps.append(1)
            await asyncio.sleep(0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(worker()) for _ in range(10)]
        for _ in range(200):
            hold = keep_statistics(loop)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            read = hold.account.read()
            assert {BOOK.number_of(task) for task in tasks} <= read.keys()
            hold.end()
            await asyncio.sleep(0)
        done.append(True)
        await asyncio.gather(*tasks)

    done: list[bool] = []
    steps: list[int] = []
    asyncio.run(main())
    assert 10 * 600 <= len(steps) <= 10 * 602


def test_tasks_are_not_kept_alive_and_records_are_as_many_as_tasks() -> None:
    async def short() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        account = account_of(asyncio.get_running_loop())
        assert account is not None
        for batch in range(100):
            if batch == 10:
                gc.collect()
                before = sys.getallocatedblocks()
            await asyncio.gather(*(short() for _ in range(1_000)))
            # The handle that has woken us refers to them.
            await asyncio.sleep(0)
            assert len(account._records) < 10
        gc.collect()
        assert sys.getallocatedblocks() - before < 1_000

    counted(main)


def test_neither_loop_nor_task_is_kept_alive() -> None:
    loop = asyncio.new_event_loop()
    hold = keep_statistics(loop)
    watch = watch_steps(loop, slow=1, on_slow=print)
    alive = weakref.ref(loop)
    loop.run_until_complete(asyncio.sleep(0))
    assert len(hold.account.read()) == 0
    del loop
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        gc.collect()
    # The warning had it, too.
    gc.collect()
    assert alive() is None
    assert events.Handle._run is ORIGINAL
    hold.end()
    watch.end()


class OwnCallSoon(asyncio.SelectorEventLoop):
    """A loop that does something more when it is asked to call something."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        self.calls += 1
        return super().call_soon(callback, *args, context=context)


def test_a_loop_that_overrides_call_soon_is_still_asked() -> None:
    async def worker() -> None:
        for _ in range(5):
            spin(0.002)
            await asyncio.sleep(0)

    async def main() -> None:
        await start(worker(), "worker")
        loop = asyncio.get_running_loop()
        assert isinstance(loop, OwnCallSoon)
        assert loop.calls >= 6

    stats = counted(main, factory=OwnCallSoon)["worker"]
    assert (stats.steps, stats.wakes, stats.own) == (6, 6, 5)
    assert stats.busy is not None
    assert stats.busy >= 0.01


def test_on_uvloop_wakes_are_counted_and_steps_are_not() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def worker(event: asyncio.Event) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        await event.wait()
        await asyncio.sleep(0.001)

    async def main() -> None:
        event = asyncio.Event()
        task = start(worker(event), "worker")
        for _ in range(8):
            await asyncio.sleep(0)
        event.set()
        await task
        main_number.append(BOOK.number_of(asyncio.current_task()))  # type: ignore[arg-type]

    main_number: list[int] = []
    stats = counted(main, factory=uvloop.new_event_loop)["worker"]
    assert stats == stats._replace(steps=None, busy=None, longest=None, longest_at=None, waited=None)
    assert (stats.wakes, stats.own) == (8, 5)
    assert {(one.task, one.times) for one in stats.woken if one.task} == {(main_number[0], 2)}
    assert [one.times for one in stats.woken if one.by == "loop"] == [1]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_what_an_eager_task_does_in_its_first_step_is_its_makers() -> None:
    async def eager() -> None:
        spin(0.02)
        await asyncio.sleep(0)

    async def ends_at_once() -> None:
        pass

    async def maker() -> None:
        start(ends_at_once(), "never scheduled")
        await start(eager(), "eager")

    async def main() -> None:
        task = start(maker(), "maker")
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        await task

    stats = counted(main)
    assert stats["eager"].steps == 1
    assert stats["maker"].longest is not None
    assert stats["maker"].longest >= 0.02
    assert "never scheduled" not in stats


def test_two_loops_are_counted_apart() -> None:
    async def worker(steps: int) -> "asyncio.Task[None] | None":
        for _ in range(steps - 1):
            await asyncio.sleep(0)
        return asyncio.current_task()

    with loop_elsewhere() as one, loop_elsewhere() as two:
        holds = [keep_statistics(elsewhere.loop) for elsewhere in (one, two)]
        tasks = [elsewhere.run(worker(steps)) for elsewhere, steps in ((one, 3), (two, 7))]
        numbers = [BOOK.number_of(task) for task in tasks if task is not None]
        reads = [hold.account.read() for hold in holds]
        for hold in holds:
            hold.end()
    assert [read[number].steps for read, number in zip(reads, numbers, strict=True)] == [3, 7]
    assert numbers[0] not in reads[1]
    assert numbers[1] not in reads[0]
