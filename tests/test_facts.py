"""Gathering what findings rest on: in short pieces, as many as there are tasks to look at, while the loop goes on."""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Generator
from typing import Any, ClassVar

import pytest
from made_snapshots import awaits, snapshot, task, wants

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.dropped import dropped_in_pieces
from aiorepl.introspect.facts import gather_facts, gathering
from aiorepl.introspect.look import look_now
from aiorepl.introspect.pieces import at_once
from aiorepl.introspect.referrers import parts_of, search_for
from aiorepl.introspect.values import LoopSnapshot, Wait

EVENT = Wait("event", "Event", 7)


class Number(int):
    """A task's number that counts how often one is looked up, compared or put somewhere."""

    uses: ClassVar[int] = 0

    def __hash__(self) -> int:
        Number.uses += 1
        return int(self)


def numbers(first: int, count: int) -> list[int]:
    return [Number(number) for number in range(first, first + count)]


def waiters_of_one_event(count: int) -> LoopSnapshot:
    return snapshot(*(task(number, EVENT) for number in numbers(1, count)))


def gathered(count: int) -> LoopSnapshot:
    children = numbers(2, count)
    return snapshot(
        task(Number(1), awaits(*children, kind="gather")),
        *(task(number, EVENT) for number in children),
    )


def in_a_group(count: int) -> LoopSnapshot:
    children, parent = numbers(2, count), Number(1)
    below = (task(number, EVENT)._replace(parent=parent, grouped=True) for number in children)
    return snapshot(task(parent, awaits(*children, kind="taskgroup")), *below)


def behind_who_goes_on(count: int) -> LoopSnapshot:
    children, parent = numbers(2, count), Number(1)
    holder = Number(count + 2)
    below = (task(number, wants(7, holder)) for number in children)
    return snapshot(task(parent, awaits(*children, kind="gather")), *below, task(holder))


def one_behind_the_other(count: int) -> LoopSnapshot:
    chain = numbers(2, count)
    waits = (task(number, awaits(before)) for before, number in zip([Number(1), *chain], chain, strict=False))
    return snapshot(task(Number(1), EVENT), *waits)


def gathered_from(made: LoopSnapshot) -> tuple[int, int]:
    """In how many pieces the facts were gathered, and how often a number was used for that."""
    loop = asyncio.new_event_loop()
    loop.close()
    Number.uses = 0
    pieces = sum(1 for _ in gathering(loop, made))
    return pieces, Number.uses


@pytest.mark.parametrize(
    "program", [waiters_of_one_event, gathered, in_a_group, behind_who_goes_on, one_behind_the_other]
)
def test_twice_as_many_tasks_take_twice_the_work_in_twice_as_many_pieces(
    program: Callable[[int], LoopSnapshot],
) -> None:
    pieces, uses = gathered_from(program(2_000))
    pieces_of_twice, uses_of_twice = gathered_from(program(4_000))
    assert uses_of_twice < 2.2 * uses
    assert pieces_of_twice > 1.7 * pieces
    # There is none that would take more than a small part.
    assert pieces > 2_000 / 128


async def wait_for_it(event: asyncio.Event) -> None:
    await event.wait()


async def wait_in_private(service: "Service") -> None:
    await service.event.wait()


class Service:
    def __init__(self) -> None:
        self.event = asyncio.Event()


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_many_that_wait_for_what_nobody_else_has_are_lost() -> None:
    async def main() -> None:
        event = asyncio.Event()
        tasks = [asyncio.create_task(wait_for_it(event)) for _ in range(500)]
        service = Service()
        more = [asyncio.create_task(wait_in_private(service)) for _ in range(50)]
        await settled()
        del event, service
        loop = asyncio.get_running_loop()
        # Who can cancel the others is this very list.
        assert gather_facts(loop, look_now(loop)).lost == (BOOK.number_of(tasks[0]),)
        tasks += more
        for one in tasks:
            one.cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())


KEPT: list[object] = []


def take_event(coroutine: Any) -> None:
    KEPT.append(coroutine.cr_frame.f_locals["event"])


def take_method(coroutine: Any) -> None:
    KEPT.append(coroutine.cr_frame.f_locals["event"].set)


def advanced(steps: Generator[None, None, Any], count: int) -> bool:
    """Do so many pieces; tell whether there are more."""
    with contextlib.suppress(StopIteration):
        for _ in range(count):
            next(steps)
        return True
    return False


@pytest.mark.parametrize("act", [take_event, take_method])
def test_what_somebody_gets_hold_of_during_the_search_is_not_lost(act: Callable[[Any], None]) -> None:
    async def main() -> None:
        waiting = [asyncio.create_task(wait_for_it(event)) for event in [asyncio.Event()] for _ in range(2)]
        await settled()
        parts = parts_of(waiting[0]) | parts_of(waiting[1])

        def steps() -> Generator[None, None, bool]:
            search = search_for(waiting, parts, whole=True)
            assert search is not None
            return search.in_pieces()

        assert at_once(steps())
        count = 0
        while advanced(search := steps(), count):
            act(waiting[0].get_coro())
            assert not at_once(search)
            KEPT.clear()
            count += 1
        # Before it, and after each of its pieces.
        assert count > 4
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)

    asyncio.run(main())


def test_what_has_gone_on_since_is_not_lost() -> None:
    async def main() -> None:
        event = asyncio.Event()
        waiting = [asyncio.create_task(wait_for_it(event)) for _ in range(50)]
        await settled()
        loop = asyncio.get_running_loop()
        steps = gathering(loop, look_now(loop))
        next(steps)
        event.set()
        del event
        assert at_once(steps).lost == ()
        await asyncio.wait(waiting)

    asyncio.run(main())


async def wait_for_future(future: "asyncio.Future[None]") -> None:
    await future


@pytest.mark.parametrize("count", [3, 50], ids=["few", "crowd"])
def test_those_that_nothing_keeps_are_told_from_the_others_that_wait_for_the_same(count: int) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(wait_for_future(future)) for _ in range(count)]
        await settled()
        given = [BOOK.number_of(one) for one in tasks]
        assert at_once(dropped_in_pieces(given)) == []
        del tasks[1::2]
        assert at_once(dropped_in_pieces(given)) == given[1::2]
        future.set_result(None)
        await settled()

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()
