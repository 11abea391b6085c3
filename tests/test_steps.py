"""Each step of a loop is measured exactly, and reported once if it was slow; without a watch nothing is left of it."""

import asyncio
import contextvars
import gc
import importlib
import logging
import sys
import threading
import weakref
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from loops_elsewhere import loop_elsewhere

from aiorepl.alerts.steps import SlowStep, supports, told_since, watch_steps
from aiorepl.alerts.turns import watch_turns
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.own_loops import mark_own

ORIGINAL = events.Handle._run
SLOW = 0.02

Main = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    spins.clear()
    yield
    assert events.Handle._run is ORIGINAL


# When the test has kept a thread busy.
spins: list[tuple[float, float]] = []


def spin(seconds: float = SLOW) -> None:
    """Keep the thread busy."""
    started = perf_counter()
    while perf_counter() - started < seconds:
        pass
    spins.append((started, perf_counter()))


def meant(told: list[SlowStep]) -> list[SlowStep]:
    """The steps that were slow because the test made them so, and not because the machine is busy."""
    return [step for step in told if any(covers(step, *one) for one in spins)]


def covers(step: SlowStep, began: float, ended: float) -> bool:
    return step.started <= began and ended <= step.started + step.duration


def line_of(function: Callable[..., object], part: str) -> int:
    """The number of the line of a function in which this stands."""
    source = Path(__file__).read_text().splitlines()
    code = function.__code__
    return next(
        number for number, text in enumerate(source[code.co_firstlineno :], code.co_firstlineno + 1) if part in text
    )


def watched(main: Main, *, slow: float | None = SLOW) -> list[SlowStep]:
    """Run a program with its loop watched from the start; return the steps that were told."""
    told: list[SlowStep] = []
    with asyncio.Runner() as runner:
        watch = watch_steps(runner.get_loop(), slow=slow, on_slow=told.append)
        try:
            runner.run(main())
        finally:
            watch.end()
    return meant(told)


def test_a_slow_step_of_a_task_is_told_once_with_its_time_and_its_line() -> None:
    async def slow() -> None:
        await asyncio.sleep(0)
        spin()
        asyncio.get_running_loop().call_soon(lambda: following.append(perf_counter()))
        await asyncio.sleep(0)  # here

    async def main() -> None:
        task = asyncio.create_task(slow(), name="slow one")
        numbers.append(BOOK.number_of(task))
        await task

    numbers: list[int] = []
    following: list[float] = []
    (step,) = watched(main)
    assert step.duration >= SLOW
    # It covers what was done, and not what came after it.
    assert step.started + step.duration <= following[0]
    assert (step.task, step.name, step.ended) == (numbers[0], "slow one", False)
    assert step.coroutine.endswith("<locals>.slow")
    here = next(frame for frame in reversed(step.stack) if not frame.library)
    assert (here.file, here.line) == (__file__, line_of(slow, "# here"))


def test_a_slow_step_that_ends_its_task_is_told() -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        spin()

    (step,) = watched(main)
    assert (step.ended, step.stack) == (True, ())
    assert step.coroutine.endswith("<locals>.main")


def test_a_slow_callback_is_told_with_where_it_is_defined() -> None:
    def slow_callback(seconds: float) -> None:
        spin(seconds)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(slow_callback, SLOW)
        loop.call_later(0.001, partial(slow_callback, seconds=SLOW))
        await asyncio.sleep(0.01)

    for step in (steps := watched(main)):
        assert step.task is None
        assert step.callback.endswith("<locals>.slow_callback")
        assert step.defined is not None
        assert (step.defined.file, step.defined.line) == (__file__, slow_callback.__code__.co_firstlineno)
    assert len(steps) == 2


def test_many_short_steps_and_long_waits_are_not_told() -> None:
    async def main() -> None:
        # A busy machine may hold a thread up for a while, and that is told.
        watch = watch_steps(asyncio.get_running_loop(), slow=0.5, on_slow=unmeant.append)
        await asyncio.sleep(0.51)
        for _ in range(30):
            spin(0.02)
            await asyncio.sleep(0)
        watch.end()

    unmeant: list[SlowStep] = []
    asyncio.run(main())
    assert unmeant == []


def test_no_threshold_tells_of_nothing_and_can_be_set_at_any_time() -> None:
    told: list[SlowStep] = []

    async def main() -> None:
        watch = watch_steps(asyncio.get_running_loop(), slow=None, on_slow=told.append)
        await asyncio.sleep(0)
        spin()
        await asyncio.sleep(0)
        watch.slow = SLOW
        spin()
        await asyncio.sleep(0)
        watch.slow = None
        spin()
        await asyncio.sleep(0)
        watch.end()

    asyncio.run(main())
    (step,) = meant(told)
    assert covers(step, *spins[1])


def test_each_who_watches_has_a_threshold_and_an_end_of_its_own() -> None:
    patient: list[SlowStep] = []
    strict: list[SlowStep] = []
    short: list[SlowStep] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watches = [
            watch_steps(loop, slow=slow, on_slow=told.append)
            for told, slow in ((patient, 60), (strict, SLOW), (short, SLOW))
        ]
        await asyncio.sleep(0)
        spin()
        await asyncio.sleep(0)
        assert told_since(loop, 0.0, SLOW)
        # Of the same step another clock may say that it began later.
        assert told_since(loop, spins[-1][0] + SLOW / 2, SLOW)
        assert not told_since(loop, perf_counter())
        assert not told_since(loop, 0.0, 60)
        watches[2].end()
        watches[2].end()
        spin()
        await asyncio.sleep(0)
        for watch in watches:
            assert events.Handle._run is not ORIGINAL
            watch.end()
            watch.end()
            if watch is watches[1]:
                assert events.Handle._run is ORIGINAL
                break

    asyncio.run(main())
    assert [len(meant(told)) for told in (patient, strict, short)] == [0, 2, 1]


def test_the_first_step_of_a_task_is_known_where_its_birth_is() -> None:
    told: list[SlowStep] = []

    async def lazy() -> None:
        spin()
        await asyncio.sleep(0)
        spin()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        steps = watch_steps(loop, slow=SLOW, on_slow=told.append)
        turns = watch_turns(loop, slow=None, on_slow=print)
        await asyncio.sleep(0)
        unknown = asyncio.create_task(lazy())
        await unknown
        task = asyncio.create_task(lazy())
        BOOK.record_birth(task, (__file__, 1, "main"), None)
        await task
        turns.end()
        steps.end()

    asyncio.run(main())
    assert [step.first for step in meant(told)] == [None, None, True, False]


def test_what_a_callback_raises_is_reported_as_ever() -> None:
    def reported(loop: asyncio.AbstractEventLoop) -> list[dict[str, Any]]:
        contexts: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        loop.call_soon(fail, 1)
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        return contexts

    def fail(number: int) -> None:
        raise ValueError(number)

    (plain,) = reported(asyncio.new_event_loop())
    loop = asyncio.new_event_loop()
    watch = watch_steps(loop, slow=SLOW, on_slow=print)
    (measured,) = reported(loop)
    watch.end()
    assert plain.keys() == measured.keys() == {"message", "exception", "handle"}
    assert plain["message"] == measured["message"]
    assert repr(measured["exception"]) == "ValueError(1)"
    assert type(measured["handle"]) is asyncio.Handle


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_goes_on_to_do_so_and_its_slow_step_is_told(error: type[BaseException]) -> None:
    told: list[SlowStep] = []

    def leave() -> None:
        spin()
        raise error(3)

    loop = asyncio.new_event_loop()
    watch = watch_steps(loop, slow=SLOW, on_slow=told.append)
    loop.call_soon(leave)
    with pytest.raises(error, match="3"):
        loop.run_forever()
    watch.end()
    loop.close()
    assert len(meant(told)) == 1


def test_a_callback_runs_in_its_own_context() -> None:
    variable = contextvars.ContextVar("variable", default=0)
    seen: list[int] = []

    async def main() -> None:
        variable.set(1)
        asyncio.get_running_loop().call_soon(lambda: seen.append(variable.get()))
        context = contextvars.copy_context()
        context.run(variable.set, 2)
        asyncio.get_running_loop().call_soon(lambda: seen.append(variable.get()), context=context)
        variable.set(3)
        await asyncio.sleep(0)

    assert watched(main) == []
    assert seen == [1, 2]


def test_an_exception_keeps_nothing_alive_once_it_is_gone() -> None:
    class Thing:
        pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        thing = Thing()

        def fail(thing: Thing) -> None:
            raise ValueError

        loop.call_soon(fail, thing)
        alive = weakref.ref(thing)
        del thing
        gc.disable()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert alive() is None

    try:
        watched(main)
    finally:
        gc.enable()


def test_who_fails_when_told_is_logged_once_and_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    told: list[SlowStep] = []

    def fail(step: SlowStep) -> None:
        told.append(step)
        raise SystemExit("the callback's own")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watch = watch_steps(loop, slow=SLOW, on_slow=fail)
        for _ in range(3):
            await asyncio.sleep(0)
            spin()
        watch.end()

    with caplog.at_level(logging.ERROR, logger="aiorepl"):
        asyncio.run(main())
    assert len(told) == 1
    assert [record.message for record in caplog.records] == [
        "a callback for what takes long failed and is not called any more"
    ]


def test_loops_in_other_threads_are_told_apart_and_those_that_nobody_watches_are_left_alone() -> None:
    told: dict[str, list[SlowStep]] = {"one": [], "two": []}

    async def slow(name: str) -> None:
        asyncio.current_task().set_name(name)  # type: ignore[union-attr]
        await asyncio.sleep(0)
        spin()

    with loop_elsewhere() as one, loop_elsewhere() as two, loop_elsewhere() as nobody:
        watches = [
            watch_steps(elsewhere.loop, slow=SLOW, on_slow=told[name].append)
            for elsewhere, name in ((one, "one"), (two, "two"))
        ]
        threads = [
            threading.Thread(target=elsewhere.run, args=(slow(name),))
            for elsewhere, name in ((one, "one"), (two, "two"), (nobody, "nobody")) * 3
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for watch in watches:
            watch.end()
    assert {name: {step.name for step in steps if step.task} for name, steps in told.items()} == {
        "one": {"one"},
        "two": {"two"},
    }
    assert [len(meant(steps)) for steps in told.values()] >= [3, 3]


def test_a_loop_run_within_a_callback_is_part_of_its_step() -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.call_soon(spin)
        # What nest_asyncio does.
        task = asyncio.current_task()
        asyncio.tasks._leave_task(loop, task)  # type: ignore[arg-type]
        try:
            loop._run_once()
        finally:
            asyncio.tasks._enter_task(loop, task)  # type: ignore[arg-type]
        await asyncio.sleep(0)

    inner, outer = watched(main)
    assert (inner.callback, inner.task) == ("spin", None)
    assert outer.coroutine.endswith("<locals>.main")
    assert outer.duration > inner.duration


def test_debug_mode_reports_a_slow_step_besides(caplog: pytest.LogCaptureFixture) -> None:
    told: list[SlowStep] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = SLOW
        watch = watch_steps(loop, slow=SLOW, on_slow=told.append)
        await asyncio.sleep(0)
        spin()
        await asyncio.sleep(0)
        watch.end()

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        asyncio.run(main(), debug=True)
    (step,) = meant(told)
    reported = [record.args[1] for record in caplog.records if isinstance(record.args, tuple) and len(record.args) == 2]
    # What debug mode measures has our measurement in it.
    assert any(isinstance(seconds, float) and seconds >= step.duration for seconds in reported)


def test_tasks_written_in_python_are_told_by_their_number_too() -> None:
    async def slow() -> None:
        spin()
        await asyncio.sleep(0)
        spin()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.tasks._PyTask(slow(), loop=loop, name="python")  # type: ignore[attr-defined]
        await task

    assert [step.name for step in watched(main)] == ["python", "python"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_the_first_step_of_an_eager_task_is_part_of_the_step_that_makes_it() -> None:
    async def slow() -> None:
        spin()
        await asyncio.sleep(0)
        spin()

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        await asyncio.create_task(slow(), name="eager")

    first, second = watched(main)
    assert first.coroutine.endswith("<locals>.main")
    assert second.name == "eager"


def test_aiorepls_own_loops_and_uvloops_are_not_measured() -> None:
    own = asyncio.new_event_loop()
    mark_own(own)
    other = importlib.import_module("uvloop").new_event_loop() if importlib.util.find_spec("uvloop") else None
    for loop in filter(None, (own, other)):
        assert not supports(loop)
        watch = watch_steps(loop, slow=SLOW, on_slow=print)
        assert events.Handle._run is ORIGINAL
        watch.end()
        loop.close()


def test_another_tool_that_replaces_the_same_method_goes_on_to_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def replace(name: str) -> None:
        inner: Any = events.Handle._run

        def run(self: asyncio.Handle) -> None:
            seen.append(name)
            inner(self)

        monkeypatch.setattr(events.Handle, "_run", run)

    told: list[SlowStep] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        replace("before")
        watch = watch_steps(loop, slow=SLOW, on_slow=told.append)
        replace("after")
        again = watch_steps(loop, slow=SLOW, on_slow=told.append)
        loop.call_soon(spin)
        await asyncio.sleep(0)
        assert (seen[:2], len(meant(told))) == (["after", "before"], 2)
        watch.end()
        again.end()
        # Ours is still under the other tool's, which may be taken away again, or be joined by a new watch of ours.
        third = watch_steps(loop, slow=SLOW, on_slow=told.append)
        seen.clear()
        loop.call_soon(spin)
        await asyncio.sleep(0)
        assert (seen[:2], len(meant(told))) == (["after", "before"], 3)
        third.end()

    asyncio.run(main())
    monkeypatch.undo()
    assert len(watched(main_that_spins)) == 1


async def main_that_spins() -> None:
    spin()


def test_a_closed_loop_is_forgotten_by_the_next_watch() -> None:
    loop = asyncio.new_event_loop()
    alive = weakref.ref(loop)
    watch_steps(loop, slow=SLOW, on_slow=print)
    loop.close()
    del loop
    assert len(watched(main_that_spins)) == 1
    gc.collect()
    assert alive() is None
