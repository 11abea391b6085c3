"""The calls of a function are followed, with what goes in and what comes out, and nothing is left of it."""

import asyncio
import functools
import sys
import threading
import types
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest
from traced_program import Clock, in_threads, lines, told, told_on_loop, traced

from aiorepl.alerts.trace import Limits
from aiorepl.introspect.own_loops import mark_own

monitoring: Any = getattr(sys, "monitoring", None)
needs_monitoring = pytest.mark.skipif(monitoring is None, reason="sys.monitoring came with 3.12")


class Bad:
    """Nobody may ask it anything."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")


# Arguments.


def fetch(url: object, timeout: object = 5, /, *more: object, retry: object = True, **others: object) -> int:
    return 200


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (lambda: fetch("http://a"), "'http://a'"),
        (lambda: fetch(1, 5, retry=True), "1"),
        (lambda: fetch(1, 6), "1, timeout=6"),
        (lambda: fetch(1, 5, 2, 3), "1, 5, 2, 3"),
        (lambda: fetch(1, retry=None, x=[1, 2], y={}), "1, retry=None, x=[1, 2], y={}"),
        (lambda: fetch(Bad(), x=[Bad()]), "<test_trace.Bad>, x=[<test_trace.Bad>]"),
        (lambda: fetch("x" * 10**6), f"'{'x' * 38}…"),
        (lambda: fetch(*range(20)), "0, 1, 2, 3, 4, 5, 6, 7, …"),
        (lambda: fetch("\x1b[2J\n"), r"'\x1b[2J\n'"),
        (lambda: fetch(1, **{"\x1b" * 99: 2}), "1, " + r"\x1b" * 40 + "=2"),
    ],
)
def test_arguments_are_told_as_one_would_type_them(call: Callable[[], object], arguments: str) -> None:
    assert told(fetch, lambda clock: call()) == [f"fetch({arguments}) -> 200 in 0 s  MainThread"]


def test_arguments_are_told_as_they_were_given() -> None:
    def changes(value: int, other: int) -> int:
        value += 1
        # Both are cells.
        return (lambda: value + other)()

    assert told(changes, lambda clock: changes(1, other=2)) == ["changes(1, 2) -> 4 in 0 s  MainThread"]


def test_arguments_are_not_kept_alive() -> None:
    class Value:
        pass

    def takes(value: object) -> object:
        return Value()

    with traced(takes) as trace:
        value = Value()
        reference = weakref.ref(value)
        result = weakref.ref(takes(value))
        del value
        assert (reference(), result()) == (None, None)
        assert len(lines(trace)) == 1


# Every kind of function. Times are those that the program says have passed.


class Client:
    def get(self, what: str) -> str:
        return what

    @classmethod
    def new(cls, what: str) -> str:
        return what

    @staticmethod
    def free(what: str) -> str:
        return what


def test_a_function_is_told_with_its_result() -> None:
    def works(clock: Clock) -> list[int]:
        clock.passes(0.5)
        return [1, 2]

    assert told(works, lambda clock: works(clock)) == ["works(<traced_program.Clock>) -> [1, 2] in 500 ms  MainThread"]


def test_an_exception_is_told_and_goes_on() -> None:
    def fails(what: str) -> None:
        raise ValueError(what, Bad())

    def program(clock: Clock) -> None:
        for what in ("one", "two"):
            with pytest.raises(ValueError) as error:  # noqa: PT011
                fails(what)
            assert error.value.args[0] == what

    assert told(fails, program) == [
        f"fails('{what}') raised ValueError('{what}', <test_trace.Bad>) after 0 s  MainThread"
        for what in ("one", "two")
    ]


def test_each_call_of_a_recursion_is_told_innermost_first() -> None:
    def down(clock: Clock, n: int) -> int:
        clock.passes(1)
        return down(clock, n - 1) + 1 if n else 0

    assert [line.partition("Clock>, ")[2] for line in told(down, lambda clock: down(clock, 2))] == [
        "0) -> 0 in 1 s  MainThread",
        "1) -> 1 in 2 s  MainThread",
        "2) -> 2 in 3 s  MainThread",
    ]


def test_methods_are_told_without_what_they_are_called_on() -> None:
    client = Client()
    assert told(Client.get, lambda _: (client.get("x"), Client().get(what="y"))) == [
        "Client.get('x') -> 'x' in 0 s  MainThread",
        "Client.get('y') -> 'y' in 0 s  MainThread",
    ]
    new = Client.__dict__["new"].__func__
    assert told(new, lambda _: Client.new("x")) == ["Client.new('x') -> 'x' in 0 s  MainThread"]
    assert told(Client.free, lambda _: Client.free("x")) == ["Client.free('x') -> 'x' in 0 s  MainThread"]


def test_calls_on_one_object_are_told_apart() -> None:
    client, other = Client(), Client()
    with traced(Client.get, only=client, name="client.get", limits=Limits(1)) as trace:
        other.get("x")
        client.get("y")
        client.get("z")
        assert lines(trace) == ["client.get('y') -> 'y' in 0 s  MainThread"]


def test_of_functions_that_share_their_code_one_is_told() -> None:
    def decorate(function: Callable[[int], int]) -> Callable[[int], int]:
        @functools.wraps(function)
        def wrapper(*arguments: int) -> int:
            return function(*arguments)

        return wrapper

    double, triple = decorate(lambda n: 2 * n), decorate(lambda n: 3 * n)
    assert double.__code__ is triple.__code__
    assert told(double, lambda _: (double(1), triple(1))) == ["<lambda>(1) -> 2 in 0 s  MainThread"]


def test_a_coroutine_is_told_with_its_suspensions() -> None:
    async def works(clock: Clock) -> str:
        clock.passes(1)
        for _ in range(2):
            await asyncio.sleep(0)
        clock.passes(1)
        return "done"

    async def program(clock: Clock) -> None:
        coroutine = works(clock)
        # It begins with its first step.
        clock.passes(100)
        asyncio.get_running_loop().call_soon(clock.passes, 0.25)
        assert await coroutine == "done"

    assert told_on_loop(works, program) == [
        "works(<traced_program.Clock>) -> 'done' in 2.25 s, suspended 2 times (250 ms)  main"
    ]


def test_a_coroutine_that_awaits_what_is_there_is_never_suspended() -> None:
    async def inner() -> int:
        return 1

    async def works() -> int:
        return await inner()

    assert told_on_loop(works, lambda clock: works()) == ["works() -> 1 in 0 s, never suspended  main"]


def test_a_coroutine_that_fails_is_told() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    async def program(clock: Clock) -> None:
        with pytest.raises(KeyError):
            await fails()

    assert told_on_loop(fails, program) == ["fails() raised KeyError('x') after 0 s, suspended 1 time (0 s)  main"]


async def cancelled(clock: Clock, coroutine: Coroutine[Any, Any, object]) -> "asyncio.Task[object]":
    """Cancel a task that has waited for a second."""
    task = asyncio.create_task(coroutine, name="victim")
    await asyncio.sleep(0)
    clock.passes(1)
    task.cancel()
    await asyncio.wait([task])
    return task


def test_a_cancelled_coroutine_is_told() -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    async def program(clock: Clock) -> None:
        assert (await cancelled(clock, waits())).cancelled()

    assert told_on_loop(waits, program) == ["waits() was cancelled after 1 s, suspended 1 time (1 s)  victim"]


def test_a_coroutine_that_catches_its_cancellation_is_told() -> None:
    async def tidies(clock: Clock) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            clock.passes(5)
            await asyncio.sleep(0)
        return "tidy"

    async def program(clock: Clock) -> None:
        assert (await cancelled(clock, tidies(clock))).result() == "tidy"

    assert told_on_loop(tidies, program) == [
        "tidies(<traced_program.Clock>) -> 'tidy' in 6 s, suspended 2 times (1 s)  victim"
    ]


def test_a_coroutine_that_is_closed_is_told() -> None:
    @types.coroutine
    def forever() -> Generator[int, None, None]:
        while True:
            yield 1

    async def waits(name: str) -> None:
        try:
            await forever()
        finally:
            name += "!"

    def program(clock: Clock) -> None:
        never_started = waits("never started")
        coroutine = waits("closed")
        coroutine.send(None)
        never_started.close()
        coroutine.close()

    assert told(waits, program) == ["waits('closed') was closed after 0 s, suspended 1 time (0 s)  MainThread"]


def test_a_generator_is_told_as_a_whole() -> None:
    def counts(clock: Clock, n: int) -> Iterator[int]:
        for i in range(n):
            clock.passes(1)
            yield i

    def program(clock: Clock) -> None:
        for _ in counts(clock, 3):
            clock.passes(10)

    assert told(counts, program) == [
        "counts(<traced_program.Clock>, 3) gave 3 items in 33 s, suspended 3 times (30 s)  MainThread"
    ]


def test_a_generator_is_told_with_what_it_returns_raises_and_is_sent() -> None:
    def echo(name: str) -> Generator[object, object, str]:
        try:
            sent = yield "first"
        except KeyError as error:
            sent = error
        yield sent
        if name == "fails":
            raise ValueError(name)
        return name

    def program(clock: Clock) -> None:
        returns = echo("returns")
        error = KeyError("thrown")
        assert [next(returns), returns.throw(error)] == ["first", error]
        with pytest.raises(StopIteration) as stop:
            next(returns)
        assert stop.value.value == "returns"
        fails = echo("fails")
        assert [next(fails), fails.send(5)] == ["first", 5]
        with pytest.raises(ValueError, match="fails"):
            next(fails)

    assert told(echo, program) == [
        "echo('returns') gave 2 items -> 'returns' in 0 s, suspended 2 times (0 s)  MainThread",
        "echo('fails') gave 2 items and raised ValueError('fails') after 0 s, suspended 2 times (0 s)  MainThread",
    ]


def test_a_generator_that_is_closed_is_told() -> None:
    def counts(n: int) -> Iterator[int]:
        try:
            yield from range(n)
        finally:
            n = 0

    def program(clock: Clock) -> None:
        generator = counts(5)
        next(generator)
        generator.close()  # type: ignore[attr-defined]
        for _ in counts(6):
            break

    assert told(counts, program) == [
        f"counts({n}) gave 1 item and was closed after 0 s, suspended 1 time (0 s)  MainThread" for n in (5, 6)
    ]


def test_a_generator_that_is_closed_without_a_word_is_told_at_last() -> None:
    def counts() -> Iterator[int]:
        while True:
            yield 1

    clock = Clock()
    with traced(counts, clock, limits=Limits(1)) as trace:
        next(counts())
        clock.passes(61)
        (line,) = lines(trace)
        # Python 3.13 does not run what has nothing to tidy up.
        how = "has not ended" if sys.version_info[:2] == (3, 13) else "was closed"
        assert line.partition(" after ")[0] == f"counts() gave 1 item and {how}"


def test_an_async_generator_is_told_as_a_whole() -> None:
    async def counts(clock: Clock, n: int) -> AsyncIterator[int]:
        for i in range(n):
            clock.passes(1)
            await asyncio.sleep(0)
            yield i

    async def program(clock: Clock) -> None:
        async for _ in counts(clock, 2):
            clock.passes(10)

    assert told_on_loop(counts, program) == [
        "counts(<traced_program.Clock>, 2) gave 2 items in 22 s, suspended 4 times (20 s)  main"
    ]


def test_an_async_generator_is_told_however_it_ends() -> None:
    async def counts(name: str) -> AsyncIterator[str]:
        try:
            yield name
            await asyncio.sleep(0)
            yield name
        except KeyError:
            yield "caught"
        if name == "fails":
            raise ValueError(name)

    async def program(clock: Clock) -> None:
        closed: Any = counts("closed")
        await anext(closed)
        await closed.aclose()
        caught: Any = counts("caught")
        assert [await anext(caught), await caught.athrow(KeyError())] == ["caught", "caught"]
        assert [item async for item in caught] == []
        with pytest.raises(ValueError, match="fails"):
            assert [item async for item in counts("fails")] == []
        async for _ in counts("left"):
            break
        # The loop closes it in a task of its own.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert told_on_loop(counts, program) == [
        "counts('closed') gave 1 item and was closed after 0 s, suspended 1 time (0 s)  main",
        "counts('caught') gave 2 items in 0 s, suspended 2 times (0 s)  main",
        "counts('fails') gave 2 items and raised ValueError('fails') after 0 s, suspended 3 times (0 s)  main",
        "counts('left') gave 1 item and was closed after 0 s, suspended 1 time (0 s)  main",
    ]


def test_a_coroutine_of_the_old_kind_is_told_as_one() -> None:
    @types.coroutine
    def old(future: "asyncio.Future[int]") -> Generator[Any, None, int]:
        return (yield from future)

    async def program(clock: Clock) -> None:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, 7)
        assert await old(future) == 7

    assert told_on_loop(old, program) == ["old(pending) -> 7 in 0 s, suspended 1 time (0 s)  main"]


# Many at once.


def test_tasks_in_the_same_coroutine_function_are_told_apart() -> None:
    async def works(n: int) -> int:
        for _ in range(n):
            await asyncio.sleep(0)
        return n

    async def program(clock: Clock) -> None:
        await asyncio.gather(*(asyncio.create_task(works(n), name=f"worker-{n}") for n in (3, 1, 2)))

    assert told_on_loop(works, program) == [
        f"works({n}) -> {n} in 0 s, suspended {n} time{'s' * (n > 1)} (0 s)  worker-{n}" for n in (1, 2, 3)
    ]


def test_a_thousand_tasks_are_told_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def works(n: int) -> int:
        await asyncio.sleep(0)
        return n

    async def program() -> None:
        await asyncio.gather(*(works(n) for n in range(900)))

    clock = Clock()
    with traced(works, clock) as trace, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(program())
        seen = lines(trace)
    assert [line.partition(" in ")[0] for line in seen] == [f"works({n}) -> {n}" for n in range(900)]
    assert all(", suspended 1 time (0 s)  Task-" in line for line in seen)


def test_calls_in_other_threads_are_told_with_the_thread() -> None:
    def works() -> None:
        pass

    assert sorted(told(works, lambda clock: in_threads(3, works))) == [
        f"works() -> None in 0 s  thread-{n}" for n in range(3)
    ]


def test_the_limit_is_exact_however_many_threads_call() -> None:
    def works(n: int) -> int:
        return n

    with traced(works, limits=Limits(500)) as trace:
        in_threads(4, lambda: [works(n) for n in range(400)])
        assert len(lines(trace)) == 500
        assert trace.finished
        assert (trace.info.calls, trace.info.open) == (500, 0)


def test_aiorepls_own_calls_are_not_told() -> None:
    async def own() -> None:
        mark_own(asyncio.get_running_loop())
        await asyncio.sleep(0, "own")

    async def users() -> None:
        await asyncio.sleep(0, "users")

    with traced(asyncio.sleep) as trace:
        asyncio.run(own())
        thread = threading.Thread(target=lambda: asyncio.sleep(0).close(), name="aiorepl-something")
        thread.start()
        thread.join()
        asyncio.run(users())
        assert [line.partition(" in ")[0] for line in lines(trace)] == ["sleep(0, result='users') -> 'users'"]
