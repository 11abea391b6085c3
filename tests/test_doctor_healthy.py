"""The healthy programs of ``test_healthy``, all on one loop: the doctor finds nothing, at whatever moment it looks."""

import asyncio
import concurrent.futures
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import test_healthy
from loop_factories import EACH_LOOP, LoopFactory
from test_healthy import PROGRAMS

from aiorepl.alerts.doctor import diagnose
from aiorepl.alerts.doctor_values import Cause, Diagnosis, Limits
from aiorepl.alerts.examination import Examination

SECONDS = 0.6
# A busy machine holds a loop up for longer than a slow step does; that is not what is asked about here.
LIMITS = Limits(slow=0.5)
# Seconds between two runs of a program, which leave the loop some time with nothing to do.
PAUSE = 0.4

# They hold what others of them want, all the time that they stand still: then the line at that does not move.
HOLDING = {
    test_healthy.a_lock_that_many_want,
    test_healthy.locks_that_are_taken_in_one_order,
    test_healthy.users_of_a_condition,
    test_healthy.more_calls_in_threads_than_there_are_threads,
}
# They work as fast as they can, so that the loop has no rest.
BUSY = {test_healthy.an_echo_server_under_load, test_healthy.an_aiohttp_server_under_load}

# A program of test_healthy, with what it awaits where it may be looked at.
Program = Callable[[Any], Awaitable[None]]


@pytest.fixture(autouse=True)
def _small_heap() -> Iterator[None]:
    """Without what all the other tests have left: to go through that for garbage takes as long as a slow step."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def examined(thread: concurrent.futures.Executor) -> Diagnosis:
    """Look at the loop that this runs on, from another thread."""
    loop = asyncio.get_running_loop()
    examination = Examination(loop, SECONDS, limits=LIMITS)
    return diagnose(await loop.run_in_executor(thread, examination.run), LIMITS)


def unhealthy(diagnosis: Diagnosis) -> list[Cause]:
    return [cause for cause in diagnosis.causes if cause.kind != "healthy"]


def run(factory: LoopFactory, main: Callable[..., Awaitable[Diagnosis]]) -> Diagnosis:
    async def call() -> Diagnosis:
        # Not the loop's own executor, which is looked at.
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            return await main(thread)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(call())


@EACH_LOOP
def test_programs_that_stand_still_at_their_first_wait_are_healthy(
    factory: LoopFactory,
) -> None:
    async def main(thread: concurrent.futures.Executor) -> Diagnosis:
        go = asyncio.Event()
        standing = asyncio.Semaphore(0)

        async def watch() -> None:
            standing.release()
            await go.wait()

        chosen: list[Any] = [program for program in PROGRAMS if program not in HOLDING | BUSY]
        running = [asyncio.create_task(program(watch)) for program in chosen]
        for _ in running:
            await standing.acquire()
        found = await examined(thread)
        go.set()
        await asyncio.gather(*running)
        return found

    assert unhealthy(run(factory, main)) == []


@EACH_LOOP
def test_programs_that_run_again_and_again_are_healthy(factory: LoopFactory) -> None:
    async def main(thread: concurrent.futures.Executor) -> Diagnosis:
        done = asyncio.Event()

        async def watch() -> None:
            await asyncio.sleep(0.001)

        async def again_and_again(program: Program) -> None:
            while not done.is_set():
                await program(watch)
                await asyncio.sleep(PAUSE)

        chosen = [program for program in PROGRAMS if program not in BUSY]
        running = [asyncio.create_task(again_and_again(program)) for program in chosen]
        await asyncio.sleep(PAUSE)
        found = await examined(thread)
        done.set()
        await asyncio.gather(*running)
        return found

    assert unhealthy(run(factory, main)) == []
