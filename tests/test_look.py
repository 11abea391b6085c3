"""A snapshot of a loop: what it says of each task, from where it is taken, and that nothing notices it."""

import asyncio
import contextlib
import gc
import itertools
import statistics
import sys
import threading
import time
import weakref
from collections.abc import Generator
from typing import Any

import pytest
from loops_elsewhere import PATIENCE, Elsewhere, loop_elsewhere

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.inspector import NearbyInspector
from aiorepl.introspect.look import Look, Pause, Slices, look_now
from aiorepl.introspect.values import LoopSnapshot, State, TaskInfo


def named(snapshot: LoopSnapshot, name: str) -> TaskInfo:
    (info,) = [info for info in snapshot.tasks if info.name == name]
    return info


def lines(info: TaskInfo) -> list[str]:
    return [frame.function.rpartition(".")[2] for frame in info.stack if not frame.library]


async def wait_for_it(event: asyncio.Event) -> None:
    await event.wait()


async def by_way_of(event: asyncio.Event) -> None:
    await wait_for_it(event)


def test_the_states_of_tasks_that_have_not_ended() -> None:
    async def stubborn(asked: asyncio.Event, event: asyncio.Event) -> None:
        try:
            await event.wait()
        except asyncio.CancelledError:
            asked.set()
            await event.wait()

    async def main() -> LoopSnapshot:
        event, asked = asyncio.Event(), asyncio.Event()
        tasks = [
            asyncio.create_task(by_way_of(event), name="waiting"),
            asyncio.create_task(stubborn(asked, event), name="cancelling"),
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asked.wait()
        tasks.append(asyncio.create_task(by_way_of(event), name="ready"))
        asyncio.current_task().set_name("running")  # type: ignore[union-attr]
        try:
            return look_now(asyncio.get_running_loop())
        finally:
            event.set()
            await asyncio.gather(*tasks)

    snapshot = asyncio.run(main())
    assert not snapshot.outside
    assert snapshot.error == ""
    states: dict[str, State] = {info.name: info.state for info in snapshot.tasks}
    assert states == {"running": "running", "waiting": "waiting", "cancelling": "cancelling", "ready": "ready"}
    assert lines(named(snapshot, "waiting")) == ["by_way_of", "wait_for_it"]
    assert lines(named(snapshot, "ready")) == ["by_way_of"]
    assert named(snapshot, "ready").wait is None
    assert named(snapshot, "cancelling").cancels == 1
    # Who asks does not count itself among what the program does.
    assert [info.name for info in snapshot.tasks if info.own] == ["running"]
    # What executes is shown with what it has called, but for aiorepl's own part of that.
    assert lines(named(snapshot, "running"))[:1] == ["main"]
    assert not any(frame.own for frame in named(snapshot, "running").stack)


def test_how_tasks_ended() -> None:
    async def fail() -> None:
        raise ValueError("no", 7)

    async def main() -> LoopSnapshot:
        done = asyncio.create_task(asyncio.sleep(0, "fine"), name="done")
        failed = asyncio.create_task(fail(), name="failed")
        cancelled = asyncio.create_task(asyncio.sleep(60), name="cancelled")
        # On 3.14 a search finds them; a number finds them on every version.
        for task in (done, failed, cancelled):
            BOOK.number_of(task)
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([done, failed, cancelled])
        snapshot = look_now(asyncio.get_running_loop(), ended=True)
        failed.exception()
        assert named(look_now(asyncio.get_running_loop(), ended=True), "failed").outcome == "ValueError('no', 7)"
        assert not {"done", "failed", "cancelled"} & {i.name for i in look_now(asyncio.get_running_loop()).tasks}
        return snapshot

    snapshot = asyncio.run(main())
    ended = {info.name: (info.state, info.outcome) for info in snapshot.tasks if not info.own}
    assert ended == {
        "done": ("done", "'fine'"),
        "failed": ("failed", "ValueError('no', 7); nobody has retrieved it"),
        "cancelled": ("cancelled", ""),
    }


def test_numbers_follow_the_order_in_which_tasks_were_made_and_stay() -> None:
    async def main() -> None:
        event = asyncio.Event()
        tasks = [asyncio.create_task(wait_for_it(event)) for _ in range(50)]
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        first = {info.name: info.number for info in look_now(loop).tasks}
        numbers = [first[task.get_name()] for task in tasks]
        assert numbers == sorted(numbers)
        later = asyncio.create_task(wait_for_it(event), name="later")
        await asyncio.sleep(0)
        second = {info.name: info.number for info in look_now(loop).tasks}
        assert second.pop("later") > max(numbers)
        assert second == first
        event.set()
        await asyncio.gather(later, *tasks)

    asyncio.run(main())


def test_a_task_that_is_gone_leaves_its_name_behind() -> None:
    async def main() -> int:
        task = asyncio.create_task(asyncio.sleep(0), name="short-lived")
        look_now(asyncio.get_running_loop())
        number = BOOK.number_of(task)
        await task
        return number

    number = asyncio.run(main())
    gc.collect()
    assert BOOK.find(number) is None
    assert (number, "short-lived") in [(gone.number, gone.name) for gone in BOOK.gone()]


def test_how_long_a_task_was_seen_in_one_wait_is_counted_from_the_first_look() -> None:
    async def main() -> None:
        first, second = asyncio.Event(), asyncio.Event()

        async def waits_twice() -> None:
            await first.wait()
            await second.wait()

        task = asyncio.create_task(waits_twice(), name="twice")
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        assert named(look_now(loop), "twice").seen is None
        again = named(look_now(loop), "twice").seen
        assert again is not None
        assert again > 0
        first.set()
        await asyncio.sleep(0)
        assert named(look_now(loop), "twice").seen is None
        second.set()
        await task

    asyncio.run(main())


def test_how_long_a_task_was_seen_to_be_asked_to_end_is_counted_whatever_it_waits_on() -> None:
    async def main() -> list[TaskInfo]:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()

        async def stubborn() -> None:
            while not asked.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await asked.wait()
            for _ in range(3):
                await asyncio.sleep(0.01)

        def look() -> TaskInfo:
            return named(look_now(loop), "stubborn")

        task = asyncio.create_task(stubborn(), name="stubborn")
        await asyncio.sleep(0)
        infos = [look()]
        task.cancel()
        infos.append(look())
        asked.set()
        for _ in range(2):
            await asyncio.sleep(0.01)
            infos.append(look())
        task.uncancel()
        infos.append(look())
        await task
        return infos

    before, *asked, taken_back = asyncio.run(main())
    assert before.asked is taken_back.asked is None
    times = [info.asked or 0.0 for info in asked]
    assert times[0] < times[1] < times[2]


def test_a_loop_in_another_thread_looks_at_itself() -> None:
    with loop_elsewhere() as elsewhere:
        elsewhere.run(start(elsewhere, 20))
        snapshot = look_now(elsewhere.loop)
        assert not snapshot.outside
        assert [lines(info) for info in snapshot.tasks] == [["wait_for_it"]] * 20


async def start(elsewhere: Elsewhere, count: int) -> None:
    event = asyncio.Event()
    # Kept there, as a loop refers to its tasks weakly.
    elsewhere.tasks = [asyncio.create_task(wait_for_it(event)) for _ in range(count)]  # type: ignore[attr-defined]
    await asyncio.sleep(0)


def test_a_blocked_loop_is_looked_at_from_outside_and_the_line_is_named(looks_at_once: None) -> None:
    begun, ended = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        ended.wait(PATIENCE)

    async def culprit() -> None:
        block()

    with loop_elsewhere() as elsewhere:
        elsewhere.run(start(elsewhere, 3))
        asyncio.run_coroutine_threadsafe(culprit(), elsewhere.loop)
        assert begun.wait(PATIENCE)
        snapshot = look_now(elsewhere.loop)
        ended.set()
    assert snapshot.outside
    (running,) = [info for info in snapshot.tasks if info.state == "running"]
    assert snapshot.loop.current == running.number
    assert lines(running) == ["culprit", "block"]
    line = block.__code__.co_firstlineno + 2
    assert [frame.line for frame in running.stack if frame.function.endswith("block")] == [line]
    assert sum(info.state == "waiting" for info in snapshot.tasks) == 3


def test_a_look_that_the_loop_began_is_ended_by_who_asked_if_the_loop_is_blocked_meanwhile() -> None:
    with loop_elsewhere() as elsewhere:
        here, ended = threading.Event(), threading.Event()
        threads: list[int] = []

        def block() -> None:
            here.set()
            ended.wait(PATIENCE)

        def work() -> Generator[None, None, str]:
            for step in range(100):
                threads.append(threading.get_ident())
                if step == 50:
                    # Between two slices something else takes the loop's thread and keeps it.
                    elsewhere.loop.call_soon(block)
                    slices._last = float("inf")
                    while not slices_may_end():
                        yield
                yield
            return "done"

        def slices_may_end() -> bool:
            return here.is_set()

        slices = Slices(work, elsewhere.loop)
        slices.start()
        assert here.wait(PATIENCE)
        slices.take_over()
        while not slices.advance():
            pass
        ended.set()
        assert slices.done.result() == "done"
        assert threads[0] != threading.get_ident() == threads[-1]


def test_slices_are_short_where_the_loop_has_nothing_else_to_do_and_longer_where_it_has() -> None:
    def passes(loop: asyncio.AbstractEventLoop, other: float) -> list[int]:
        """How many steps of 0.1 ms each pass of the loop does, if there is something else to do in it."""
        counts: list[int] = []

        def work() -> Generator[None, None, None]:
            for _ in range(200):
                counts[-1] += 1
                spin(0.0001)
                yield

        def pass_begins() -> None:
            counts.append(0)
            spin(other)
            if not slices.done.done():
                loop.call_soon(pass_begins)

        slices = Slices(work, loop)
        loop.call_soon_threadsafe(pass_begins)
        slices.start()
        slices.done.result(PATIENCE)
        return [count for count in counts if count]

    with loop_elsewhere() as elsewhere:
        # The clock is read before each step.
        assert statistics.median(passes(elsewhere.loop, 0.0)) <= 4
        busy = passes(elsewhere.loop, 0.001)
        assert 4 < max(busy) <= 10


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_no_step_of_a_look_at_ten_thousand_new_tasks_takes_long() -> None:
    async def longest() -> float:
        """Seconds of processor time."""
        event = asyncio.Event()
        tasks = [asyncio.create_task(wait_for_it(event)) for _ in range(10_000)]
        await asyncio.sleep(0)
        steps: list[float] = []
        work = Look(asyncio.get_running_loop(), holders=False)()
        with Pause():
            for _ in work:
                steps.append(time.thread_time())
        event.set()
        await asyncio.gather(*tasks)
        return max(after - before for before, after in itertools.pairwise(steps))

    # Another process may make one of them longer.
    assert min(asyncio.run(longest()) for _ in range(3)) < 0.002


def test_the_inspector_looks_without_blocking_the_loop_that_asks() -> None:
    with loop_elsewhere() as elsewhere:
        elsewhere.run(start(elsewhere, 5))
        inspector = NearbyInspector(lambda: elsewhere.loop)

        async def ask() -> None:
            assert len((await inspector.snapshot()).tasks) == 5
            assert await inspector.call(threading.get_ident) != (threading.get_ident(), False)
            with elsewhere.blocked():
                assert (await inspector.snapshot()).outside
                assert await inspector.call(threading.get_ident) == (threading.get_ident(), True)
            assert not (await inspector.snapshot()).outside

        asyncio.run(ask())


def test_what_was_seen_is_kept_for_who_types_only() -> None:
    with loop_elsewhere() as elsewhere:
        elsewhere.run(start(elsewhere, 5))
        for keeps, kept in ((True, 5), (False, 0)):
            inspector = NearbyInspector(lambda: elsewhere.loop, keeps=keeps)
            assert len(asyncio.run(inspector.snapshot()).tasks) == 5
            assert inspector.last is not None
            assert len(inspector.last.tasks) == kept


def test_what_was_seen_and_is_not_kept_is_gone_without_the_collector() -> None:
    async def ask(inspector: NearbyInspector) -> int:
        return len((await inspector.snapshot()).tasks)

    with loop_elsewhere() as elsewhere, Pause():
        elsewhere.run(start(elsewhere, 5))
        before = sum(type(thing) is TaskInfo for thing in gc.get_objects())
        assert asyncio.run(ask(NearbyInspector(lambda: elsewhere.loop, keeps=False))) == 5
        assert sum(type(thing) is TaskInfo for thing in gc.get_objects()) == before


def test_what_a_called_function_raises_is_raised() -> None:
    with loop_elsewhere() as elsewhere, pytest.raises(ZeroDivisionError):
        asyncio.run(NearbyInspector(lambda: elsewhere.loop).call(lambda: 1 // 0))


def test_a_loop_that_does_not_run_or_is_closed_can_be_looked_at() -> None:
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(0), name="never begun")
    assert named(look_now(loop), "never begun").state == "ready"
    assert not look_now(loop).outside
    loop.run_until_complete(task)
    loop.close()
    assert look_now(loop).tasks == ()


def test_a_task_that_cannot_be_read_is_told_of_and_the_others_are_shown() -> None:
    class Broken(asyncio.Task[Any]):
        def cancelling(self) -> int:
            raise RuntimeError("do not ask")

    async def main() -> LoopSnapshot:
        event = asyncio.Event()
        tasks = [
            asyncio.create_task(wait_for_it(event), name="whole"),
            Broken(wait_for_it(event), name="broken"),
        ]
        await asyncio.sleep(0)
        snapshot = look_now(asyncio.get_running_loop())
        event.set()
        await asyncio.gather(*tasks)
        return snapshot

    snapshot = asyncio.run(main())
    assert named(snapshot, "broken").error == "RuntimeError: do not ask"
    assert named(snapshot, "whole").state == "waiting"


class Thing:
    """Something of the program's that can be referred to weakly."""


def test_nothing_of_the_program_lives_longer_because_of_a_snapshot() -> None:
    async def uses(thing: Thing, event: asyncio.Event) -> None:
        await event.wait()

    async def main() -> None:
        gc.collect()
        gc.disable()
        try:
            event = asyncio.Event()
            thing = Thing()
            task = asyncio.create_task(uses(thing, event))
            await asyncio.sleep(0)
            kept = look_now(asyncio.get_running_loop(), context=True)
            thing_there, task_there, event_there = weakref.ref(thing), weakref.ref(task), weakref.ref(event)
            coroutine_there = weakref.ref(task.get_coro())
            event.set()
            await task
            del task, thing, event
            # The loop's own handle has it until the next pass.
            await asyncio.sleep(0)
            # Without a collection: a reference that is left anywhere shows, be it only part of a circle.
            assert [
                one for one in (thing_there(), task_there(), coroutine_there(), event_there()) if one is not None
            ] == []
            assert kept.tasks
        finally:
            gc.enable()

    asyncio.run(main())


def test_tasks_may_come_and_go_while_another_thread_looks() -> None:
    async def brief() -> None:
        await asyncio.sleep(0)

    async def churn(stop: threading.Event) -> int:
        made = 0
        while not stop.is_set():
            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(brief())
            made += 20
        return made

    with loop_elsewhere() as elsewhere:
        stop = threading.Event()
        churning = asyncio.run_coroutine_threadsafe(churn(stop), elsewhere.loop)
        for _ in range(30):
            snapshot = look_now(elsewhere.loop)
            assert snapshot.error == ""
            assert [info.error for info in snapshot.tasks if info.error] == []
        stop.set()
        assert churning.result(PATIENCE) > 0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Task.get_context came with 3.12")
def test_context_variables_are_summarised_where_asked_for() -> None:
    import contextvars

    variable: contextvars.ContextVar[object] = contextvars.ContextVar("request")

    async def main() -> LoopSnapshot:
        variable.set([1, 2])
        event = asyncio.Event()
        task = asyncio.create_task(wait_for_it(event), name="with variables")
        await asyncio.sleep(0)
        snapshot = look_now(asyncio.get_running_loop(), context=True)
        event.set()
        await task
        return snapshot

    # Other code of the process may have set some, too.
    assert ("request", "[1, 2]") in (named(asyncio.run(main()), "with variables").context or ())
