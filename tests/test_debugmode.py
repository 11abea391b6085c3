"""Debug mode of a loop at work: nothing is lost by switching it, nothing is left on, and its price is measured."""

import asyncio
import collections
import concurrent.futures
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from aiorepl.alerts.debugmode import DEBUG, asked_by, in_debug_mode, measure_price, ways_of
from aiorepl.alerts.values import Rules
from aiorepl.alerts.watcher import Watcher
from aiorepl.interpret.host import loop_factory

PATIENCE = 20.0


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in another thread."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    loop = loop_factory(request.param)()
    thread = threading.Thread(target=loop.run_forever, name="loop")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.close()


def on(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> object:
    """Call a function on the loop's thread."""
    answer: concurrent.futures.Future[object] = concurrent.futures.Future()
    loop.call_soon_threadsafe(lambda: answer.set_result(function()))
    return answer.result(PATIENCE)


def depth(loop: asyncio.AbstractEventLoop) -> object:
    return on(loop, sys.get_coroutine_origin_tracking_depth)


class Work:
    """Tasks that hand numbers to each other, and a thread that calls the loop, until they are stopped."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.sent: collections.Counter[str] = collections.Counter()
        self.got: collections.Counter[str] = collections.Counter()
        self._stop = threading.Event()
        self._caller = threading.Thread(target=self._call)
        self._caller.start()
        self._pairs = [asyncio.run_coroutine_threadsafe(self._pair(f"pair {n}"), loop) for n in range(10)]

    def stop(self) -> None:
        self._stop.set()
        self._caller.join(PATIENCE)
        for pair in self._pairs:
            pair.result(PATIENCE)
        on(self.loop, lambda: None)

    def _call(self) -> None:
        while not self._stop.wait(0.0005):
            self.sent["calls"] += 1
            self.loop.call_soon_threadsafe(self.got.update, ["calls"])

    async def _pair(self, name: str) -> None:
        queue: asyncio.Queue[bool] = asyncio.Queue(3)

        async def take() -> None:
            while await queue.get():
                self.got[name] += 1

        taking = asyncio.create_task(take())
        while not self._stop.is_set():
            self.sent[name] += 1
            await queue.put(True)
        await queue.put(False)
        await taking


def test_a_thousand_switches_lose_nothing_and_leave_nothing_on(loop: asyncio.AbstractEventLoop) -> None:
    found = on(loop, lambda: (vars(loop).keys() - {"_current_handle"}, sys.get_coroutine_origin_tracking_depth()))
    # However busy the machine is.
    watcher = Watcher(Rules(slow=20, lag=0, saturation=0, look=0, spinning=0))
    watcher.watch(loop)
    work = Work(loop)
    depths = set()
    try:
        for number in range(1000):
            owner = number % 7
            DEBUG.put(loop, owner, True)
            assert loop.get_debug()
            if number % 10 == 0:
                depths.add(depth(loop))
            DEBUG.drop(loop, owner)
            assert not loop.get_debug()
    finally:
        work.stop()
        watcher.unwatch(loop)
    assert depths == {10}
    assert work.got == work.sent
    assert len(work.got) == 11
    assert (loop.get_debug(), DEBUG.in_force(loop)) == (False, None)
    assert on(loop, lambda: (vars(loop).keys() - {"_current_handle"}, sys.get_coroutine_origin_tracking_depth())) == (
        found
    )
    assert watcher.ledger.list() == []


def test_origins_are_tracked_on_the_loops_own_thread(loop: asyncio.AbstractEventLoop) -> None:
    DEBUG.put(loop, "me", True)
    assert (depth(loop), sys.get_coroutine_origin_tracking_depth()) == (10, 0)
    assert asked_by(loop) == ("command",)
    DEBUG.drop(loop, "me")
    assert (depth(loop), sys.get_coroutine_origin_tracking_depth()) == (0, 0)
    assert asked_by(loop) == ()


def test_a_closed_loop_is_left_alone() -> None:
    loop = asyncio.new_event_loop()
    DEBUG.put(loop, "me", True)
    loop.close()
    DEBUG.drop(loop, "me")
    assert not loop.get_debug()


@pytest.mark.parametrize("debug", [False, True])
def test_the_price_is_measured_and_everything_is_as_it_was(loop: asyncio.AbstractEventLoop, debug: bool) -> None:
    loop.set_debug(debug)
    before = depth(loop)
    price = asyncio.run_coroutine_threadsafe(measure_price(), loop).result(PATIENCE)
    assert 0 < price.plain < price.debug < 0.1
    assert (loop.get_debug(), depth(loop)) == (debug, before)


def test_a_measurement_that_is_cancelled_leaves_nothing_on(loop: asyncio.AbstractEventLoop) -> None:
    async def cancel() -> bool:
        measuring = asyncio.create_task(measure_price())
        while not loop.get_debug():  # noqa: ASYNC110
            await asyncio.sleep(0)
        measuring.cancel()
        await asyncio.wait([measuring])
        return measuring.cancelled()

    assert asyncio.run_coroutine_threadsafe(cancel(), loop).result(PATIENCE)
    assert (loop.get_debug(), depth(loop)) == (False, 0)


def test_loops_are_made_in_debug_mode_for_the_option() -> None:
    loop = in_debug_mode(asyncio.new_event_loop)()
    try:
        assert loop.get_debug()
        assert (ways_of(loop).option, asked_by(loop)) == (True, ("option",))
        loop.set_debug(False)
        assert asked_by(loop) == ("program",)
    finally:
        loop.close()


def test_the_program_itself_may_have_switched_it() -> None:
    async def asked() -> tuple[str, ...]:
        return asked_by(asyncio.get_running_loop())

    assert asyncio.run(asked(), debug=True) == ("program",)
    assert asyncio.run(asked(), debug=False) == ()
