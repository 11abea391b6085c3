"""KeyboardInterrupt reaches a cell that is executing, and nothing else."""

import asyncio
import contextlib
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from types import coroutine
from typing import Any

import pytest

from aiorepl.interpret.interrupt import Gate, raise_in, steps

# Enough to land in every place around a step, and few enough to take a second.
ROUNDS = 1000
# Seconds; what is waited for comes at once, unless it is lost.
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def _threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def interrupt_soon(gate: Gate, chance: random.Random) -> None:
    """Interrupt a cell that is now executing and now not, at a moment of chance."""
    while not gate.interrupt(raise_in):
        time.sleep(chance.random() * 1e-4)


def work() -> int:
    return sum(number for number in range(100))


def test_an_interrupt_ends_a_step_and_never_comes_after_it() -> None:
    gate, stop = Gate(), threading.Event()
    seen, escaped = threading.Semaphore(0), []

    def step_for_ever() -> None:
        try:
            while not stop.is_set():
                try:
                    gate.step(work)
                except KeyboardInterrupt:
                    seen.release()
        except BaseException as error:
            escaped.append(error)

    thread = threading.Thread(target=step_for_ever, daemon=True)
    thread.start()
    chance = random.Random(1)
    for number in range(ROUNDS):
        interrupt_soon(gate, chance)
        assert seen.acquire(timeout=PATIENCE), f"interrupt {number} was lost"
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert escaped == []
    assert not seen.acquire(blocking=False), "one interrupt came twice"


def test_on_a_loop_an_interrupt_ends_the_cell_and_no_other_task() -> None:
    gate, stop = Gate(), threading.Event()
    seen, escaped = threading.Semaphore(0), []

    async def cell() -> None:
        while True:
            work()
            await asyncio.sleep(0)

    async def innocent() -> None:
        while not stop.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def main() -> None:
        others = [asyncio.create_task(innocent()) for _ in range(3)]
        while not stop.is_set():
            try:
                await steps(cell(), gate)
            except KeyboardInterrupt:
                seen.release()
        await asyncio.gather(*others)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            escaped.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    chance = random.Random(2)
    for number in range(ROUNDS // 20):
        interrupt_soon(gate, chance)
        assert seen.acquire(timeout=PATIENCE), f"interrupt {number} was lost: {escaped}"
    # The last cell ends by an interrupt as well.
    stop.set()
    interrupt_soon(gate, chance)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert escaped == []


def test_many_interrupts_at_once_do_not_escape() -> None:
    gate, stop, escaped = Gate(), threading.Event(), []
    interrupted = threading.Event()

    def step_for_ever() -> None:
        try:
            while not stop.is_set():
                with contextlib.suppress(KeyboardInterrupt):
                    gate.step(work)
                if not gate.open:
                    interrupted.set()
        except BaseException as error:
            escaped.append(error)

    thread = threading.Thread(target=step_for_ever, daemon=True)
    thread.start()
    for _ in range(5 * ROUNDS):
        gate.interrupt(raise_in)
    stop.set()
    thread.join(PATIENCE)
    assert escaped == []
    assert not gate.open


def test_a_closed_gate_lets_nothing_through() -> None:
    gate = Gate()
    raised: list[int] = []
    assert not gate.interrupt(raised.append)
    gate.step(work)
    assert not gate.interrupt(raised.append)
    assert raised == []


def test_the_gate_is_open_for_the_thread_of_the_step() -> None:
    gate, raised = Gate(), list[int]()

    def inside() -> bool:
        assert gate.open
        return gate.interrupt(raised.append)

    assert gate.step(inside)
    assert raised == [threading.get_ident()]
    assert not gate.open


def test_a_step_that_fails_closes_the_gate() -> None:
    gate = Gate()
    with pytest.raises(ZeroDivisionError):
        gate.step(lambda: 1 / 0)
    assert not gate.open


def test_the_time_of_steps_is_measured() -> None:
    gate = Gate()
    assert (gate.total, gate.longest, gate.current) == (0.0, 0.0, 0.0)

    def hold(seconds: float) -> float:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        return gate.current

    assert gate.step(hold, 0.03) >= 0.03
    gate.step(hold, 0.01)
    assert gate.longest >= 0.03
    assert gate.total >= 0.04
    assert gate.current == 0.0


@coroutine
def ask(question: object) -> Generator[object, Any, Any]:
    """Suspend with a value, and return what is sent."""
    answer = yield question
    return answer


def stepped(work: Coroutine[Any, Any, Any], gate: Gate | None = None) -> Generator[Any, Any, Any]:
    return steps(work, gate or Gate())


def test_values_go_through_both_ways() -> None:
    async def cell() -> list[object]:
        return [await ask(1), await ask(2)]

    run = stepped(cell())
    assert run.send(None) == 1
    assert run.send("a") == 2
    with pytest.raises(StopIteration) as stop:
        run.send("b")
    assert stop.value.value == ["a", "b"]


def test_exceptions_go_in_and_come_out() -> None:
    async def cell() -> object:
        try:
            return await ask(1)
        except KeyError as error:
            return await ask(error.args)

    run = stepped(cell())
    run.send(None)
    assert run.throw(KeyError("in")) == ("in",)
    with pytest.raises(ValueError, match="out"):
        run.throw(ValueError("out"))


def test_closing_runs_what_is_left_of_the_cell() -> None:
    left: list[type[BaseException]] = []

    async def cell() -> None:
        try:
            await ask(1)
        except BaseException as error:
            left.append(type(error))
            raise

    run = stepped(cell())
    run.send(None)
    run.close()
    assert left == [GeneratorExit]


def test_a_cell_that_will_not_be_closed_is_an_error_as_ever() -> None:
    async def cell() -> None:
        with contextlib.suppress(GeneratorExit):
            await ask(1)
        await ask(2)

    run = stepped(cell())
    run.send(None)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        run.close()


def test_cancelling_reaches_the_cell() -> None:
    async def main() -> str:
        parked = asyncio.Event()

        async def cell() -> str:
            try:
                parked.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "cancelled"
            return "not cancelled"

        task = asyncio.ensure_future(_awaiting(cell()))
        await parked.wait()
        task.cancel()
        return await task

    assert asyncio.run(main()) == "cancelled"


async def _awaiting(work: Coroutine[Any, Any, str]) -> str:
    return await steps(work, Gate())


class _Around(Gate):
    """A gate that is interrupted before or after a step instead of within."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def step(self, function: Callable[..., Any], *arguments: object) -> Any:
        when, self.when = self.when, ""
        if when == "before":
            raise KeyboardInterrupt
        value = super().step(function, *arguments)
        if when == "after":
            raise KeyboardInterrupt
        return value


@pytest.mark.parametrize("when", ["after"])
def test_an_interrupt_around_a_step_is_raised_in_the_cell(when: str) -> None:
    async def cell() -> str:
        try:
            await ask(1)
        except KeyboardInterrupt:
            return "seen"
        return "not seen"

    with pytest.raises(StopIteration) as stop:
        stepped(cell(), _Around(when)).send(None)
    assert stop.value.value == "seen"


def test_an_interrupt_before_the_first_step_ends_the_cell() -> None:
    async def cell() -> None:
        raise AssertionError("this cell was interrupted before it began")

    with pytest.raises(KeyboardInterrupt):
        stepped(cell(), _Around("before")).send(None)


def test_an_interrupt_after_the_last_step_ends_the_cell() -> None:
    async def cell() -> str:
        return "value"

    class Late(Gate):
        def step(self, function: Callable[..., Any], *arguments: object) -> Any:
            try:
                return super().step(function, *arguments)
            finally:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stepped(cell(), Late()).send(None)


def test_async_generators_of_a_cell_are_interrupted_too() -> None:
    gate, entered = Gate(), threading.Event()

    async def spin() -> AsyncIterator[int]:
        yield 1
        entered.set()
        while True:
            pass

    async def cell() -> None:
        async for _ in spin():
            pass

    def interrupt() -> None:
        entered.wait(PATIENCE)
        gate.interrupt(raise_in)

    with _running(interrupt), pytest.raises(KeyboardInterrupt):
        stepped(cell(), gate).send(None)


@contextlib.contextmanager
def _running(function: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=function)
    thread.start()
    yield
    thread.join(PATIENCE)


def test_after_an_interrupt_that_came_too_late_a_thread_can_be_traced() -> None:
    """Before Python 3.13, to withdraw an exception could leave the interpreter looking for one for ever."""
    gate = Gate()

    def interrupt_and_return() -> int:
        # Caught here, the step has been interrupted all the same, and there is something to withdraw.
        with contextlib.suppress(KeyboardInterrupt):
            gate.interrupt(raise_in)
            work()
        return 7

    called = []

    def trace(frame: Any, event: str, argument: Any) -> None:
        called.append(frame.f_code.co_name)

    def run() -> None:
        assert gate.step(interrupt_and_return) == 7
        sys.settrace(trace)
        work()
        sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert called[0] == "work"
