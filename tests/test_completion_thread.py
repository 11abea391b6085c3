"""AbandonableThread: one call at a time, the newest of a kind, and no waiting for one that is stuck."""

import asyncio
import threading

import pytest

from aiorepl.interpret.completion_thread import AbandonableThread


class Gate:
    """A call that says when it has begun, and does not return before it may."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        self.open.wait()
        return "passed"


def test_the_call_runs_in_a_daemon_thread_of_this_name() -> None:
    thread = AbandonableThread("some-name", patience=60)
    found = asyncio.run(thread.run(threading.current_thread, 60))
    assert found is not None
    assert (found.name, found.daemon) == ("some-name", True)


def test_what_the_call_raises_is_raised() -> None:
    thread = AbandonableThread("t", patience=60)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(thread.run(lambda: 1 / 0, 60))


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration()])
def test_what_would_end_the_asker_is_raised_as_something_milder(error: BaseException) -> None:
    def call() -> None:
        raise error

    thread = AbandonableThread("t", patience=60)
    with pytest.raises(RuntimeError, match=type(error).__name__):
        asyncio.run(thread.run(call, 60))
    assert asyncio.run(thread.run(lambda: "still there", 60)) == "still there"


def test_a_newer_request_of_the_same_kind_takes_the_place_of_a_waiting_one() -> None:
    thread, gate = AbandonableThread("t", patience=60), Gate()

    async def ask() -> list[object]:
        running = asyncio.create_task(thread.run(gate, 60, key="a"))
        await asyncio.to_thread(gate.begun.wait)
        older = asyncio.create_task(thread.run(lambda: "older", 60, key="a"))
        other = asyncio.create_task(thread.run(lambda: "other kind", 60, key="b"))
        newer = asyncio.create_task(thread.run(lambda: "newer", 60, key="a"))
        assert await older is None
        gate.open.set()
        return [await running, await other, await newer]

    assert asyncio.run(ask()) == ["passed", "other kind", "newer"]


def test_a_late_answer_is_dropped_and_the_thread_goes_on() -> None:
    thread, gate = AbandonableThread("t", patience=60), Gate()

    async def ask() -> str | None:
        assert await thread.run(gate, 0) is None
        gate.open.set()
        return await thread.run(lambda: "next", 60)

    assert asyncio.run(ask()) == "next"


def test_an_asker_whose_loop_has_closed_is_forgotten() -> None:
    thread, gate = AbandonableThread("t", patience=60), Gate()

    async def leave() -> None:
        asking = asyncio.create_task(thread.run(gate, 60))
        await asyncio.to_thread(gate.begun.wait)
        asking.cancel()

    asyncio.run(leave())  # closes its loop
    gate.open.set()
    assert asyncio.run(thread.run(lambda: "next", 60)) == "next"


def test_a_stuck_thread_is_left_behind_as_often_as_there_are_spares() -> None:
    abandoned: list[str] = []
    thread = AbandonableThread("t", patience=0, spares=1, on_abandon=lambda: abandoned.append("called"))
    gates = [Gate(), Gate()]

    async def ask() -> None:
        for gate in gates:
            asking = asyncio.create_task(thread.run(gate, 60))
            await asyncio.to_thread(gate.begun.wait)
            asking.cancel()
        assert abandoned == ["called"]
        assert await thread.run(lambda: "refused", 60) is None

    asyncio.run(ask())
    for gate in gates:
        gate.open.set()
