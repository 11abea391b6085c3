"""What a trace ends with, and what the program and others who watch it notice of it: nothing."""

import asyncio
import gc
import inspect
import pickle
import sys
import threading
import types
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traced_program import Clock, in_threads, lines, new_trace, told, told_on_loop, tools, traced

from aiorepl.alerts.trace import Limits, Trace
from aiorepl.alerts.traced import Rate
from aiorepl.errors import CommandError
from aiorepl.introspect.look import look_now
from aiorepl.introspect.words import wait_in_words

monitoring: Any = getattr(sys, "monitoring", None)
needs_monitoring = pytest.mark.skipif(monitoring is None, reason="sys.monitoring came with 3.12")


def fetch(url: object) -> int:
    return 200


class Client:
    def get(self, what: str) -> str:
        return what


class Name:
    def __str__(self) -> str:
        raise ValueError("no name")


# What a trace ends with.


def test_the_function_has_its_own_code_as_soon_as_the_limit_is_reached() -> None:
    def works() -> None:
        inside.append(works.__code__ is own)

    inside: list[bool] = []
    own = works.__code__
    with traced(works, limits=Limits(2)) as trace:
        works()
        assert works.__code__ is not own
        # The second call has begun when its first line is run.
        works()
        works()
        assert inside == [False, True, True]
        before = trace.finished
        trace.tidy()
        assert (before, trace.finished) == (False, True)
        assert len(lines(trace)) == 2
        assert trace.info.reason == "the limit of 2 calls is reached"


def test_calls_that_began_before_the_limit_are_followed_to_their_end() -> None:
    async def works(n: int) -> None:
        await asyncio.sleep(0)

    async def program() -> None:
        tasks = [asyncio.create_task(works(n), name=f"worker-{n}") for n in range(3)]
        await asyncio.sleep(0)
        assert lines(trace) == []
        assert (trace.info.calls, trace.info.open, trace.finished) == (2, 2, False)
        await asyncio.wait(tasks)

    with traced(works, limits=Limits(2)) as trace:
        asyncio.run(program())
        assert lines(trace) == [f"works({n}) -> None in 0 s, suspended 1 time (0 s)  worker-{n}" for n in range(2)]
        assert trace.finished


def test_a_call_that_does_not_end_is_waited_for_a_minute_after_the_limit() -> None:
    async def works() -> None:
        await asyncio.Event().wait()

    async def program() -> None:
        task = asyncio.create_task(works(), name="worker")
        await asyncio.sleep(0)
        clock.passes(59)
        assert lines(trace) == []
        clock.passes(2)
        assert lines(trace) == ["works() has not ended after 1 min 1 s, suspended 1 time (1 min 1 s)  worker"]
        assert trace.finished
        task.cancel()
        await asyncio.wait([task])

    clock = Clock()
    with traced(works, clock, limits=Limits(1)) as trace:
        asyncio.run(program())
        assert lines(trace) == []
        assert (trace.info.calls, trace.info.open) == (1, 1)


def test_too_many_calls_in_a_time_end_a_trace() -> None:
    def works() -> None:
        pass

    clock = Clock()
    with traced(works, clock, limits=Limits(rate=Rate(3, 1))) as trace:
        for _ in range(3):
            for _ in range(3):
                works()
            clock.passes(1)
        assert len(lines(trace)) == 9
        for _ in range(5):
            works()
        assert len(lines(trace)) == 3
        assert trace.finished
        assert trace.info.reason == "it was called more than 3 times in 1 s"


def test_what_nobody_takes_is_counted_only() -> None:
    def works() -> None:
        pass

    with traced(works) as trace:
        for _ in range(1_500):
            works()
        assert len(lines(trace)) == 1_000
        assert (trace.info.calls, trace.info.missed) == (1_500, 500)
        works()
        assert len(lines(trace)) == 1


def test_calls_that_never_end_are_bounded_too() -> None:
    def counts() -> Iterator[int]:
        yield 1

    with traced(counts) as trace:
        generators = [counts() for _ in range(1_500)]
        for generator in generators:
            next(generator)
        assert (trace.info.calls, trace.info.open, trace.info.missed) == (1_500, 1_000, 500)


def test_a_trace_does_not_keep_its_function_alive() -> None:
    def works() -> None:
        pass

    trace = new_trace(works, Clock())
    trace.start()
    works()
    reference = weakref.ref(works)
    del works
    gc.collect()
    assert reference() is None
    assert len(lines(trace)) == 1
    assert trace.finished
    assert trace.info.reason == "the function is gone"


def test_totals_are_those_of_all_calls_taken_or_not() -> None:
    def works(clock: Clock, seconds: float) -> None:
        clock.passes(seconds)
        if seconds == 3:
            raise ValueError

    clock = Clock()
    with traced(works, clock) as trace:
        assert (trace.info.mean, trace.info.longest) == (None, None)
        for seconds in (1, 2):
            works(clock, seconds)
        trace.take(0)
        with pytest.raises(ValueError):  # noqa: PT011
            works(clock, 3)
        info = trace.info
        assert (info.calls, info.failed, info.mean, info.longest) == (3, 1, 2.0, 3.0)


def test_what_fails_ends_the_trace_and_not_the_program() -> None:
    def works() -> int:
        return 1

    def in_thread() -> None:
        threading.current_thread()._name = Name()  # type: ignore[attr-defined]
        results.append(works())

    results: list[int] = []
    with traced(works) as trace:
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        assert (results, lines(trace)) == ([1], [])
        assert trace.info.reason == "it failed: ValueError: no name"
        assert trace.finished


# What the program notices: nothing.


class Picklable:
    async def get(self, a: int, /, b: int = 1, *c: int, d: int = 2, **e: int) -> int:
        """Get it."""
        return a


def test_a_traced_function_is_what_it_was() -> None:
    before = (inspect.signature(Picklable.get), Picklable.get.__code__.co_flags, inspect.getsource(Picklable.get))
    with traced(Picklable.get):
        assert before == (
            inspect.signature(Picklable.get),
            Picklable.get.__code__.co_flags,
            inspect.getsource(Picklable.get),
        )
        assert pickle.loads(pickle.dumps(Picklable.get)) is Picklable.get
        assert inspect.iscoroutinefunction(Picklable().get)
        code = Picklable.get.__code__
        assert (code.co_name, code.co_qualname, code.co_filename) == ("get", "Picklable.get", __file__)


def test_a_method_that_asks_its_super_class_is_followed() -> None:
    class Below(Client):
        def get(self, what: str) -> str:
            return super().get(what) + "!"

    assert told(Below.get, lambda clock: Below().get("x")) == ["Below.get('x') -> 'x!' in 0 s  MainThread"]


def test_wrong_arguments_are_refused_as_ever() -> None:
    def refused() -> str:
        with pytest.raises(TypeError) as error:
            fetch()  # type: ignore[call-arg]
        return str(error.value)

    before = refused()
    with traced(fetch) as trace:
        assert refused() == before
        assert lines(trace) == []


def test_code_that_somebody_else_gives_the_function_stays() -> None:
    def works() -> int:
        return 1

    def other() -> int:
        return 2

    trace = new_trace(works, Clock())
    trace.start()
    works.__code__ = other.__code__
    trace.stop("over")
    assert works.__code__ is other.__code__


def test_a_recursion_goes_to_the_limit_and_no_further() -> None:
    def deep(n: int) -> int:
        return deep(n + 1)

    with traced(deep) as trace:
        with pytest.raises(RecursionError):
            deep(0)
        trace.tidy()
        calls, _ = trace.take(2_000)
        assert trace.info.reason == ""
    assert 100 < len(calls) <= 1_000
    assert all(call.outcome == "raised" for call in calls)


def test_a_debugger_may_look_meanwhile() -> None:
    def works(value: int) -> int:
        value += 1
        other = value
        return value + other

    def watch(frame: types.FrameType, event: str, argument: object) -> Any:
        assert frame.f_locals is not None
        return watch

    with traced(works) as trace:
        before = sys.gettrace()
        sys.settrace(watch)
        try:
            assert works(1) == 4
        finally:
            sys.settrace(before)
        assert lines(trace) == ["works(1) -> 4 in 0 s  MainThread"]


def test_what_a_trace_itself_calls_can_be_traced() -> None:
    own: weakref.WeakSet[type] = weakref.WeakSet()

    async def program(clock: Clock) -> None:
        assert Client not in own
        asyncio.current_task()

    assert told_on_loop(weakref.WeakSet.__contains__, program) == ["WeakSet.__contains__(Client) -> False in 0 s  main"]
    if sys.version_info < (3, 12):
        assert told_on_loop(asyncio.current_task, program) == ["current_task() -> main, pending in 0 s  main"]


def test_what_a_traced_call_waits_on_is_seen() -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    async def items() -> AsyncIterator[int]:
        await asyncio.Event().wait()
        yield 1

    @types.coroutine
    def old() -> Generator[Any, None, None]:
        yield from asyncio.get_running_loop().create_future()

    async def iterates() -> None:
        async for _ in items():
            pass

    async def program(coroutine: Coroutine[Any, Any, object]) -> tuple[str, list[str]]:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0)
        told = wait_in_words(coroutine, loop)
        (info,) = [one for one in look_now(loop).tasks if one.name == task.get_name()]
        task.cancel()
        await asyncio.wait([task])
        return told.partition(" (line")[0], [frame.function.rpartition(".")[2] for frame in info.stack]

    async def delegates() -> None:
        await old()

    def once(names: list[str]) -> list[str]:
        # On Python 3.11 the wrapper stands there too.
        return [name for number, name in enumerate(names) if name not in names[:number]]

    with traced(waits), traced(items), traced(old):
        words, stack = asyncio.run(program(waits()))
        assert (words, once(stack)) == ("Event.wait", ["waits", "wait"])
        words, stack = asyncio.run(program(iterates()))
        assert (words, once(stack)) == ("Event.wait", ["iterates", "items", "wait"])
        words, stack = asyncio.run(program(delegates()))
        assert (words, once(stack)) == ("a future (who sets it is not known)", ["delegates", "old"])


class Fails(Exception):
    pass


# What is done with a generator, one after the other.
Steps = list[object]
STEPS = st.lists(st.sampled_from(["send", "throw", "close"]), max_size=6)


def gives(log: list[object]) -> Generator[object, object, str]:
    for number in range(3):
        try:
            log.append((yield number))
        except Fails:
            log.append("caught")
            if number == 1:
                raise
        finally:
            log.append(number)
    return "end"


async def gives_async(log: list[object]) -> AsyncIterator[object]:
    for number in range(3):
        try:
            await asyncio.sleep(0)
            log.append((yield number))
            await asyncio.sleep(0)
        except Fails:
            log.append("caught")
            if number == 1:
                raise
        finally:
            log.append(number)


def outcome_of(step: Callable[[], object]) -> object:
    try:
        return step()
    except BaseException as error:
        return repr(error)


def play(steps: list[str]) -> list[object]:
    log: list[object] = []
    generator = gives(log)
    done = {"send": lambda: generator.send(None), "throw": lambda: generator.throw(Fails()), "close": generator.close}
    return [*(outcome_of(done[step]) for step in steps), log]


def play_async(steps: list[str]) -> list[object]:
    log: list[object] = []

    async def go() -> list[object]:
        generator: Any = gives_async(log)
        done = {
            "send": lambda: generator.asend(None),
            "throw": lambda: generator.athrow(Fails()),
            "close": generator.aclose,
        }
        results: list[object] = []
        for step in steps:
            try:
                results.append(await done[step]())
            except BaseException as error:
                results.append(repr(error))
        return results

    return [*asyncio.run(go()), log]


@settings(deadline=None, max_examples=50)
@given(STEPS)
def test_a_traced_generator_behaves_as_it_did(steps: list[str]) -> None:
    expected = play(steps)
    with traced(gives):
        assert play(steps) == expected


@settings(deadline=None, max_examples=50)
@given(STEPS)
def test_a_traced_async_generator_behaves_as_it_did(steps: list[str]) -> None:
    expected = play_async(steps)
    with traced(gives_async):
        assert play_async(steps) == expected


# Others who watch the same program.


def test_a_function_is_traced_once() -> None:
    with traced(fetch):
        with pytest.raises(
            CommandError, match=r"^fetch is traced already; where that was asked for, %trace off ends it$"
        ):
            new_trace(fetch, Clock()).start()
        with traced(plain_function):
            plain_function()
    with traced(fetch) as trace:
        fetch(1)
        assert len(lines(trace)) == 1


def plain_function() -> None:
    pass


def test_aiorepl_does_not_trace_itself() -> None:
    with pytest.raises(CommandError, match="is part of aiorepl"):
        new_trace(Trace.take, Clock()).start()


@needs_monitoring
def test_ids_of_others_are_left_alone() -> None:
    for number in (3, 4):
        monitoring.use_tool_id(number, f"tool {number}")
    try:
        with pytest.raises(CommandError) as error:
            new_trace(fetch, Clock()).start()
        assert str(error.value) == (
            "tool 4 and tool 3 have all of sys.monitoring that is nobody's own; end one of them first"
        )
        monitoring.free_tool_id(3)
        before = tools()
        with traced(fetch) as trace:
            assert tools() == [*before[:3], "aiorepl trace", *before[4:]]
            fetch(1)
            assert len(lines(trace)) == 1
        assert tools() == before
    finally:
        monitoring.free_tool_id(4)


@needs_monitoring
def test_another_tool_sees_the_same_calls() -> None:
    seen: list[object] = []
    events = monitoring.events
    monitoring.use_tool_id(monitoring.PROFILER_ID, "profiler")
    monitoring.register_callback(
        monitoring.PROFILER_ID, events.PY_START, lambda code, offset: seen.append(code.co_name)
    )
    monitoring.set_events(monitoring.PROFILER_ID, events.PY_START)
    try:
        with traced(plain_function) as trace:
            plain_function()
            assert len(lines(trace)) == 1
        plain_function()
    finally:
        monitoring.set_events(monitoring.PROFILER_ID, 0)
        monitoring.free_tool_id(monitoring.PROFILER_ID)
    assert seen.count("plain_function") == 2


def test_traces_come_and_go_while_threads_call() -> None:
    def works(n: int) -> int:
        if n % 7 == 0:
            raise ValueError(n)
        return sum(counts(n % 5))

    def counts(n: int) -> Iterator[int]:
        yield from range(n)

    def call() -> None:
        for n in range(3_000):
            try:
                results.add(works(n))
            except ValueError:
                results.add(-1)

    def trace() -> None:
        while not over.is_set():
            for function, limits in ((works, Limits(20)), (counts, Limits(rate=Rate(50, 10)))):
                one = new_trace(function, Clock(), limits=limits)
                one.start()
                one.tidy()
                one.stop("over")
                ended.append(one)

    results: set[int] = set()
    ended: list[Trace] = []
    over = threading.Event()
    tracer = threading.Thread(target=trace)
    tracer.start()
    in_threads(3, call)
    over.set()
    tracer.join()
    assert results == {-1, 0, 1, 3, 6}
    assert len(ended) > 2
    assert all(one.finished for one in ended)
