"""Two thousand tasks that fail, print and block, for ten minutes of a clock that a test moves: nobody drowns."""

import asyncio
import gc
import tracemalloc

from alerting import Watched, watched
from command_session import new_session
from sessions import texts

from aiorepl.model import AlertRaised, Notice

MINUTES = 10
# Tasks that make trouble in each of them.
TASKS = 200
# What a minute may add to the screen: three alerts at once, and one line about the rest.
LINES = 4
# Bytes: 200 alerts are kept, and no more; on a busy machine more of them have a stack, and some twenty kilobytes.
MOST = 8_000_000

PROGRAM = """\
import time

async def fail(n):
    raise LookupError(f"no {n}")

async def talk(n):
    print("still here", n)

async def block(n):
    time.sleep(0.002)

WAYS = (fail, talk, block)

async def trouble(minute):
    tasks = [asyncio.create_task(WAYS[n % 3](n), name=f"trouble-{minute}-{n}") for n in range(TASKS)]
    await asyncio.wait(tasks)
    # A place of its own for each failure: nothing to merge.
    for n in range(TASKS):
        asyncio.get_running_loop().call_exception_handler({"message": f"trouble {minute}.{n}"})
"""


def test_the_last_alert_is_shown_until_it_is_over_or_the_list_is_cleared() -> None:
    async def script() -> None:
        async with watched(slow=5.0, lag=0.0, look=0.1) as seen:
            await seen.type(
                "async def take(first, second):\n    async with first:\n        await asyncio.sleep(0)\n"
                "        async with second: pass",
                "a, b = asyncio.Lock(), asyncio.Lock()",
                "x = asyncio.create_task(take(a, b), name='x'); y = asyncio.create_task(take(b, a), name='y')",
            )
            await seen.alert("deadlock")
            assert seen.session.status().last_alert == "deadlock: x and y wait for each other"
            await seen.type("x.cancel(); y.cancel(); await asyncio.wait({x, y})")
            assert seen.session.status().last_alert == ""
            await seen.type("asyncio.get_running_loop().call_exception_handler({'message': 'odd'})")
            await seen.alert("unhandled")
            assert seen.session.status().last_alert.endswith("odd")
            await seen.type("%alerts clear")
            assert seen.session.status().last_alert == ""

    asyncio.run(script())


def test_a_first_step_in_a_known_blocking_call_is_told_of_once() -> None:
    async def script() -> None:
        async with watched(slow=0.1, lag=0.0, look=0, first_step=0.2) as seen:
            await seen.type(
                "import time\nasync def first(): time.sleep(0.5)",
                "task = asyncio.create_task(first(), name='hog'); await task",
            )
            await seen.alert("blocking-call", "ended")
            await seen.looked()
            assert {alert.kind for alert in seen.alerts()} == {"blocking-call"}

    asyncio.run(script())


class Clock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ten_minutes_of_trouble_stay_readable_and_bounded() -> None:
    async def script() -> None:
        session = new_session({"TASKS": TASKS})
        clock = Clock()
        session._feed._pacing._clock = session.alerts.ledger._clock = clock
        async with watched(session, unretrieved=0.01, slow=0.001, look=0) as seen:
            await seen.type(PROGRAM)
            await a_minute(seen, 0)
            tracemalloc.start()
            try:
                gc.collect()
                before, _ = tracemalloc.get_traced_memory()
                for minute in range(1, MINUTES):
                    clock.now += 60.0
                    told = len(seen.talk.announced)
                    await a_minute(seen, minute)
                    # The prompt answers.
                    assert texts(await seen.talk.type("6 * 7")) == ["42"]
                    shown = seen.talk.announced[told:]
                    assert 1 <= sum(isinstance(event, AlertRaised | Notice) for event in shown) <= LINES
                gc.collect()
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert after - before < MOST
            ledger = session.alerts.ledger
            assert len(ledger.list()) <= 200
            counted = sum(alert.times for alert in ledger.list()) + ledger.forgotten
            assert counted >= MINUTES * TASKS
            # What was not shown is told of, and can be looked up.
            assert any("more alerts; %alerts lists them" in getattr(event, "text", "") for event in seen.talk.announced)
            assert (await seen.talk.type("%alerts"))[0]

    asyncio.run(script())


async def a_minute(seen: Watched, minute: int) -> None:
    await seen.type(f"await trouble({minute})")
    # All that was found has been taken.
    await seen.looked(12)
