"""What a task waits on, for each kind of wait, way to wait and loop."""

import asyncio
import concurrent.futures
import contextlib
import gc
import multiprocessing
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from waiting_programs import KEY, LEFT, MINUTE, PROGRAMS, Program, Stage

from aiorepl.introspect.chain import coroutine_of, links
from aiorepl.introspect.holding import open_blocks
from aiorepl.introspect.values import Wait
from aiorepl.introspect.waits import wait_of

PATIENCE = 20


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    if kind == "asyncio":
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = pytest.importorskip("uvloop").new_event_loop()
    return loop


def on_loop(main: Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, None]], kind: str = "asyncio") -> None:
    """Run a test's coroutine, which may leave tasks behind."""
    with asyncio.Runner(loop_factory=lambda: new_loop(kind)) as runner:
        runner.run(main(runner.get_loop()))


def look(task: Any, loop: asyncio.AbstractEventLoop, number: Callable[[Any], int] = lambda task: 0) -> Wait:
    return wait_of(task._fut_waiter, links(coroutine_of(task)), loop, number)


def masked(wait: Wait) -> Wait:
    """A wait with no addresses, and no times but that they are within a minute."""
    within = wait.left is not None and 0 < wait.left <= MINUTE
    return wait._replace(key=KEY if wait.key else 0, left=LEFT if within else wait.left)


async def parked(task: "asyncio.Task[Any]", until: Callable[[], bool]) -> None:
    """Return once the task stands where it is to be looked at, or has ended."""
    end = time.monotonic() + PATIENCE
    # It may stand there only after a thread or a process has done something, of which nobody hears.
    while not until() and not task.done() and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_a_program_waits_on(program: Program, kind: str) -> None:
    seen: list[Wait] = []

    async def main(loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.ExitStack() as closing:
            stage = Stage(loop, closing)
            task = loop.create_task(program.run(stage), name="waiter")

            def stands() -> bool:
                seen[:] = [masked(look(task, loop, stage.number))]
                return bool(task._fut_waiter) and seen[0] == program.expected(stage)  # type: ignore[attr-defined]

            await parked(task, stands)
            if not stands():
                assert not task.done()
                assert seen[0] == program.expected(stage)
            for ending in (task, *stage.children):
                ending.cancel()
                # Some of the programs swallow it once.
                loop.call_soon(ending.cancel)

    on_loop(main, kind)


def test_tasks_that_await_each_other_are_found() -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        tasks: list[Any] = []

        async def awaits(index: int) -> None:
            await tasks[index]

        tasks += [loop.create_task(awaits(1), name="first"), loop.create_task(awaits(0), name="second")]
        await asyncio.sleep(0)
        assert [look(task, loop, tasks.index) for task in tasks] == [
            Wait("task", "second", tasks=(1,)),
            Wait("task", "first", tasks=(0,)),
        ]
        for task in tasks:
            task._log_destroy_pending = False

    # Not by a Runner, which would cancel them: a RecursionError on some versions.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main(loop))
    loop.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_an_eager_task_waits_as_any_other(kind: str) -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        waits, ends = asyncio.Event(), asyncio.Event()
        ends.set()
        make = asyncio.eager_task_factory  # type: ignore[attr-defined, unused-ignore]
        waiting, ended = make(loop, waits.wait()), make(loop, ends.wait())
        assert masked(look(waiting, loop)) == Wait("event", "Event", KEY, known=False)
        assert ended.done()
        assert look(ended, loop) == Wait("unknown")
        waits.set()
        await waiting

    on_loop(main, kind)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_task_of_another_loop_is_what_is_waited_on(kind: str) -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        other = asyncio.new_event_loop()
        thread = threading.Thread(target=other.run_forever)
        thread.start()
        started, ended = asyncio.Event(), asyncio.Event()
        made: list[Any] = []

        async def elsewhere() -> None:
            made.append(asyncio.current_task())
            made[0].set_name("elsewhere")
            loop.call_soon_threadsafe(started.set)
            try:
                await asyncio.Event().wait()
            finally:
                loop.call_soon_threadsafe(ended.set)

        async def waits() -> None:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(elsewhere(), other))

        task = loop.create_task(waits())
        await started.wait()
        assert look(task, loop, made.index) == Wait("task", "elsewhere", tasks=(0,))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ended.wait()
        other.call_soon_threadsafe(other.stop)
        thread.join()
        other.close()

    on_loop(main, kind)


def test_a_function_in_another_process_has_its_name() -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, context) as executor:
            futures = [loop.run_in_executor(executor, pow, 2, index) for index in range(5)]

            async def waits() -> None:
                await asyncio.gather(*futures)
                await futures[-1]

            task = loop.create_task(waits())
            await parked(task, lambda: bool(futures[-1]._callbacks))
            last = wait_of(futures[-1], [], loop, lambda task: 0)
            assert last._replace(key=KEY, started=None) == Wait("thread", "pow", KEY)
            await task

    on_loop(main)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_who_comes_to_a_barrier_that_others_leave_is_not_counted(kind: str) -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        barrier = asyncio.Barrier(2)
        first = loop.create_task(barrier.wait())
        await asyncio.sleep(0)
        # They run in one pass of the loop, and the first one is woken in the next.
        second, third = loop.create_task(barrier.wait()), loop.create_task(barrier.wait())
        await asyncio.sleep(0)
        assert masked(look(third, loop)) == Wait("barrier", "Barrier(2), draining", KEY, known=False)
        await asyncio.wait([first, second])
        await parked(third, lambda: not barrier._cond.locked())  # type: ignore[attr-defined]
        assert masked(look(third, loop)) == Wait("barrier", "Barrier(2)", KEY, pending=1, total=2, known=False)

    on_loop(main, kind)


def test_what_cannot_be_read_is_said() -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        queue: Any = asyncio.Queue()
        queue.put_nowait(1)
        task = loop.create_task(queue.join())
        await asyncio.sleep(0)
        del queue._unfinished_tasks
        error = "AttributeError: 'Queue' object has no attribute '_unfinished_tasks'"
        assert look(task, loop) == Wait("unknown", error=error)

    on_loop(main)


asked: list[str] = []


class Meta(type):
    """A class that notices what is asked of it."""

    def __getattribute__(cls, name: str) -> Any:
        asked.append(name)
        return type.__getattribute__(cls, name)


class Watched(metaclass=Meta):
    """A value that notices what is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        asked.append(name)
        return object.__getattribute__(self, name)

    def __eq__(self, other: object) -> bool:
        asked.append("==")
        return False

    __hash__ = None  # type: ignore[assignment]


def test_no_code_of_the_program_runs_while_looking() -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        value: object = Watched()
        held = threading.Event()
        queue = asyncio.Queue[object](1)
        queue.put_nowait(value)

        async def passes(value: object) -> None:
            async with asyncio.timeout(MINUTE):
                await queue.put(value)

        tasks = [
            loop.create_task(asyncio.sleep(MINUTE, value)),
            loop.create_task(passes(value)),
            loop.create_task(asyncio.to_thread(held.wait, PATIENCE)),
        ]
        await asyncio.sleep(0)
        del asked[:]
        assert not isinstance(value, int)
        assert asked == ["__class__"]
        del asked[:]
        kinds = [look(task, loop).kind for task in tasks]
        for task in tasks:
            open_blocks(links(task.get_coro()), loop)
        found = list(asked)
        held.set()
        assert (kinds, found) == (["sleep", "queue.put", "thread"], [])

    on_loop(main)


def test_a_look_keeps_nothing_of_the_program_alive() -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        tasks = [loop.create_task(lock.acquire()) for _ in range(100)]
        await asyncio.sleep(0)
        assert [look(task, loop).place for task in tasks] == list(range(1, 101))
        references: list[Callable[[], object]] = [
            weakref.ref(lock),
            weakref.ref(lock._waiters),
            *map(weakref.ref, tasks),
        ]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        del lock, task, tasks
        # Only what a collection is not needed for.
        assert [reference() for reference in references] == [None] * len(references)

    gc.disable()
    try:
        on_loop(main)
    finally:
        gc.enable()


def test_places_in_a_long_line_are_right_after_it_has_moved() -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        tasks = [loop.create_task(lock.acquire()) for _ in range(100)]
        await asyncio.sleep(0)
        assert look(tasks[99], loop).place == 100
        tasks[50].cancel()
        await asyncio.wait([tasks[50]])
        del tasks[50]
        assert [look(task, loop).place for task in tasks] == list(range(1, 100))

    on_loop(main)
