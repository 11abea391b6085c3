"""How busy a loop is, and its slow passes, are measured from selector to selector."""

import asyncio
from time import perf_counter

import pytest
from loops_elsewhere import loop_elsewhere

from aiorepl.alerts.steps import told_since, watch_steps
from aiorepl.alerts.turns import SlowTurn, turn_reading, utilisation, watch_turns

# On a busy machine whatever is measured may take longer, so that limits are far from what is expected.
SLOW = 0.3


def spin(seconds: float) -> None:
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def test_busy_and_idle_seconds_passes_and_the_longest_are_counted() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        watch = watch_turns(loop, slow=None, on_slow=print)
        await asyncio.sleep(0)
        before = turn_reading(loop)
        assert before is not None
        spin(0.03)
        await asyncio.sleep(0.05)
        spin(0.04)
        for _ in range(10):
            await asyncio.sleep(0)
        after = turn_reading(loop)
        assert after is not None
        assert after.busy - before.busy >= 0.07
        assert after.idle - before.idle >= 0.045
        assert after.busy + after.idle - before.busy - before.idle == pytest.approx(after.time - before.time)
        assert after.passes - before.passes == 12
        assert 0.04 <= after.longest <= after.busy - 0.03
        watch.end()
        assert turn_reading(loop) is None

    asyncio.run(main())


def test_utilisation_is_of_the_window_and_also_of_what_goes_on_now() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert utilisation(loop, 1.0) is None
        watch = watch_turns(loop, slow=None, on_slow=print)
        await asyncio.sleep(0.3)
        idle = utilisation(loop, 0.15)
        spin(0.3)
        busy = utilisation(loop, 0.15)
        half = utilisation(loop, 0.6)
        assert idle is not None
        assert busy is not None
        assert half is not None
        assert idle < 0.5
        assert busy > 0.99
        assert 0.45 < half < 0.9
        watch.end()

    asyncio.run(main())


def test_a_blocked_loop_is_busy_seen_from_another_thread() -> None:
    with loop_elsewhere() as elsewhere:
        watch = watch_turns(elsewhere.loop, slow=None, on_slow=print)
        # It was waiting already, and is measured from its next pass on.
        elsewhere.run(asyncio.sleep(0))
        with elsewhere.blocked():
            first = turn_reading(elsewhere.loop)
            spin(0.05)
            second = turn_reading(elsewhere.loop)
            assert first is not None
            assert second is not None
            assert second.busy - first.busy == pytest.approx(second.time - first.time, abs=0.001)
            assert second.idle == first.idle
            assert second.longest >= 0.05
            assert utilisation(elsewhere.loop, 0.04) == pytest.approx(1.0, abs=0.01)
        watch.end()


def slow_turns(steps: "list[float]", *, measured: bool = True) -> list[SlowTurn]:
    """Run callbacks that take so long in one pass; return the slow passes."""
    told: list[SlowTurn] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watches = [
            watch_turns(loop, slow=SLOW, on_slow=told.append, excused=lambda began: told_since(loop, began, SLOW))
        ]
        if measured:
            watches.append(watch_steps(loop, slow=SLOW, on_slow=print))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        for seconds in steps:
            loop.call_soon(spin, seconds)
        await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        for watch in watches:
            watch.end()

    asyncio.run(main())
    return told


def test_a_slow_pass_of_many_short_steps_is_told() -> None:
    (turn,) = slow_turns([0.02] * 20)
    assert turn.duration >= 0.4
    assert turn.ready >= 20


def test_a_slow_pass_with_a_slow_step_is_not_told_again() -> None:
    assert slow_turns([0.01] * 10 + [0.31]) == []


def test_short_passes_are_not_told() -> None:
    assert slow_turns([0.0001] * 20) == []


def test_what_is_between_two_runs_of_a_loop_is_no_pass() -> None:
    told: list[SlowTurn] = []
    loop = asyncio.new_event_loop()
    watch = watch_turns(loop, slow=SLOW, on_slow=told.append)
    for _ in range(2):
        loop.run_until_complete(asyncio.sleep(0))
        spin(SLOW)
    reading = turn_reading(loop)
    watch.end()
    loop.close()
    assert told == []
    assert reading is not None
    assert reading.busy < SLOW


def test_nothing_is_left_on_the_loop_and_its_selector() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        objects = (loop, loop._selector)  # type: ignore[attr-defined]
        before = [dict(vars(one)) for one in objects]
        watches = [watch_turns(loop, slow=None, on_slow=print) for _ in range(2)]
        assert "select" in vars(objects[1])
        await asyncio.sleep(0)
        for watch in watches:
            watch.end()
        await asyncio.sleep(0)
        assert [vars(one).keys() for one in objects] == [one.keys() for one in before]

    asyncio.run(main())


def test_another_tool_around_the_same_selector_goes_on_to_work() -> None:
    async def main() -> None:
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        watch = watch_turns(asyncio.get_running_loop(), slow=None, on_slow=print)
        inner, calls = selector.select, []

        def select(timeout: float | None = None) -> object:
            calls.append(timeout)
            return inner(timeout)

        selector.select = select
        await asyncio.sleep(0)
        watch.end()
        await asyncio.sleep(0)
        assert selector.select is select
        assert len(calls) == 2

    asyncio.run(main())


def test_of_uvloop_nothing_is_measured() -> None:
    loop = pytest.importorskip("uvloop").new_event_loop()
    watch = watch_turns(loop, slow=0.0, on_slow=print)
    loop.run_until_complete(asyncio.sleep(0))
    assert turn_reading(loop) is None
    assert utilisation(loop, 1.0) is None
    watch.end()
    loop.close()


def test_a_wait_that_was_interrupted_has_ended() -> None:
    told: list[SlowTurn] = []

    def interrupted(timeout: float | None = None) -> object:
        raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    selector = loop._selector  # type: ignore[attr-defined]
    selector.select = interrupted
    watch = watch_turns(loop, slow=SLOW, on_slow=told.append)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    spin(SLOW)
    del selector.select
    watch.end()
    watch = watch_turns(loop, slow=SLOW, on_slow=told.append)
    loop.run_until_complete(asyncio.sleep(0))
    watch.end()
    loop.close()
    assert told == []
