"""What a task holds open: locks, deadlines and TaskGroups, also within other context managers."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NamedTuple, cast

import pytest

from aiorepl.introspect.chain import links
from aiorepl.introspect.holding import open_blocks

MINUTE = 60


class Found(NamedTuple):
    """Open blocks, with names for what they hold: ``(name, kind, what, function)`` and ``(left, function)``."""

    holds: tuple[tuple[str, str, str, str], ...] = ()
    timeouts: tuple[tuple[int, str], ...] = ()
    groups: tuple[str, ...] = ()


def found(program: Callable[..., Coroutine[Any, Any, object]], make: Callable[[], dict[str, Any]] = dict) -> Found:
    """Let a program run until it waits, and find what it holds of the objects that are made for it."""

    async def main() -> Found:
        loop = asyncio.get_running_loop()
        objects = make()
        task: Any = loop.create_task(program(**objects))
        # Every program stands still after a few steps.
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        blocks = open_blocks(links(task.get_coro()), loop)
        names = {id(one): name for name, one in objects.items()}
        names |= {
            id(cast(Any, one)._lock): f"{name}'s" for name, one in objects.items() if type(one) is asyncio.Condition
        }
        return Found(
            tuple((names[held.key], held.kind, held.what, held.frame.function) for held in blocks.holds),
            tuple((round(timeout.left), timeout.frame.function) for timeout in blocks.timeouts),
            tuple(names[id(group)] for group in blocks.groups),
        )

    return asyncio.run(main())


async def forever() -> None:
    await asyncio.Event().wait()


def locks() -> dict[str, Any]:
    return {"a": asyncio.Lock(), "b": asyncio.Lock()}


async def holds_both(a: asyncio.Lock, b: asyncio.Lock) -> None:
    async with a, b:
        await forever()


def test_two_locks() -> None:
    assert found(holds_both, locks).holds == (("a", "lock", "Lock", "holds_both"), ("b", "lock", "Lock", "holds_both"))


async def outer(a: asyncio.Lock, b: asyncio.Lock) -> None:
    async with a:
        await inner(b)


async def inner(b: asyncio.Lock) -> None:
    async with b:
        await forever()


def test_locks_of_several_calls_and_the_call_that_took_each() -> None:
    assert found(outer, locks).holds == (("a", "lock", "Lock", "outer"), ("b", "lock", "Lock", "inner"))


async def waits_for_second(a: asyncio.Lock, b: asyncio.Lock) -> None:
    await b.acquire()
    async with a, b:
        pass


def test_a_lock_that_is_waited_for_is_not_held() -> None:
    """Its block has begun, but not been entered."""
    assert found(waits_for_second, locks).holds == (("a", "lock", "Lock", "waits_for_second"),)


async def has_left(a: asyncio.Lock, b: asyncio.Lock) -> None:
    async with a:
        pass
    await b.acquire()
    await forever()


def test_a_block_that_was_left_is_not_open_and_a_plain_acquire_leaves_no_trace() -> None:
    assert found(has_left, locks) == Found()


async def in_a_stack(a: asyncio.Lock, b: asyncio.Lock) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(a)
        await stack.enter_async_context(asyncio.timeout(MINUTE))
        stack.push_async_exit(contextlib.nullcontext())
        stack.callback(print, "end")
        await stack.enter_async_context(b)
        await forever()


def test_what_an_exit_stack_has_entered() -> None:
    assert found(in_a_stack, locks) == Found(
        (("a", "lock", "Lock", "in_a_stack"), ("b", "lock", "Lock", "in_a_stack")), ((MINUTE, "in_a_stack"),)
    )


@contextlib.asynccontextmanager
async def locked(lock: asyncio.Lock) -> AsyncIterator[None]:
    async with asyncio.timeout(MINUTE), lock:
        yield


async def in_a_manager(a: asyncio.Lock, b: asyncio.Lock) -> None:
    async with a, locked(b):
        await forever()


def test_what_an_async_context_manager_has_entered() -> None:
    assert found(in_a_manager, locks) == Found(
        (("a", "lock", "Lock", "in_a_manager"), ("b", "lock", "Lock", "locked")), ((MINUTE, "locked"),)
    )


async def enters_a_manager(a: asyncio.Lock, b: asyncio.Lock) -> None:
    await b.acquire()
    async with locked(b):
        await forever()


def test_a_manager_that_waits_for_its_lock_does_not_hold_it() -> None:
    assert found(enters_a_manager, locks) == Found(timeouts=((MINUTE, "locked"),))


@contextlib.asynccontextmanager
async def waits_at_its_end(lock: asyncio.Lock) -> AsyncIterator[None]:
    async with lock:
        yield
        await forever()


async def leaves_a_manager(a: asyncio.Lock, b: asyncio.Lock) -> None:
    async with waits_at_its_end(a), b:
        pass


def test_a_manager_that_is_being_left_is_looked_at_once() -> None:
    assert found(leaves_a_manager, locks).holds == (("a", "lock", "Lock", "waits_at_its_end"),)


async def generates(lock: asyncio.Lock) -> AsyncIterator[int]:
    async with lock:
        await forever()
        yield 1


async def iterates(a: asyncio.Lock, b: asyncio.Lock) -> None:
    async for _ in generates(a):
        pass


def test_a_lock_that_an_async_generator_holds() -> None:
    assert found(iterates, locks).holds == (("a", "lock", "Lock", "generates"),)


async def takes_twice(semaphore: asyncio.Semaphore, bounded: asyncio.BoundedSemaphore) -> None:
    async with semaphore, bounded, bounded:
        await forever()


def test_semaphores() -> None:
    made = found(takes_twice, lambda: {"semaphore": asyncio.Semaphore(2), "bounded": asyncio.BoundedSemaphore(2)})
    bounded = ("bounded", "semaphore", "BoundedSemaphore(2)", "takes_twice")
    assert made.holds == (
        ("semaphore", "semaphore", "Semaphore", "takes_twice"),
        bounded,
        bounded,
    )


def test_a_semaphore_that_several_tasks_hold_is_found_with_each() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        semaphore = asyncio.Semaphore(2)

        async def takes() -> None:
            async with semaphore:
                await forever()

        tasks = [loop.create_task(takes()) for _ in range(3)]
        await asyncio.sleep(0)
        keys = [[held.key for held in open_blocks(links(task.get_coro()), loop).holds] for task in tasks]
        assert keys == [[id(semaphore)], [id(semaphore)], []]

    asyncio.run(main())


def condition() -> dict[str, Any]:
    return {"condition": asyncio.Condition()}


async def in_a_condition(condition: asyncio.Condition) -> None:
    async with condition:
        await forever()


def test_a_condition_holds_its_lock() -> None:
    held = ("condition's", "lock", "Lock of a Condition", "in_a_condition")
    assert found(in_a_condition, condition).holds == (held,)


async def waits_for_notice(condition: asyncio.Condition) -> None:
    async with condition:
        await condition.wait()


def test_a_condition_that_waits_has_let_go_of_its_lock() -> None:
    assert found(waits_for_notice, condition) == Found()


async def notices(condition: asyncio.Condition) -> None:
    async def notifies() -> None:
        async with condition:
            condition.notify()
            await forever()

    async with condition:
        asyncio.get_running_loop().call_soon(_KEPT.append, asyncio.ensure_future(notifies()))
        await condition.wait()


_KEPT: list[object] = []


def test_a_condition_that_takes_its_lock_again_does_not_hold_it_yet() -> None:
    assert found(notices, condition) == Found()
    _KEPT.clear()


async def nested_timeouts() -> None:
    async with asyncio.timeout(MINUTE), asyncio.timeout(None):
        await two_timeouts()


async def two_timeouts() -> None:
    async with asyncio.timeout(2 * MINUTE), asyncio.timeout_at(asyncio.get_running_loop().time() - MINUTE) as late:
        late.reschedule(asyncio.get_running_loop().time() + 3 * MINUTE)
        await asyncio.wait_for(forever(), 4 * MINUTE)


def test_nested_timeouts() -> None:
    """One without a time is none; that of wait_for is where it was called."""
    assert found(nested_timeouts).timeouts == (
        (MINUTE, "nested_timeouts"),
        (2 * MINUTE, "two_timeouts"),
        (3 * MINUTE, "two_timeouts"),
        (4 * MINUTE, "two_timeouts"),
    )


async def in_groups(outer: asyncio.TaskGroup, inner: asyncio.TaskGroup) -> None:
    async with outer, inner:
        await forever()


def test_groups_in_whose_body_a_task_is() -> None:
    made = found(in_groups, lambda: {"outer": asyncio.TaskGroup(), "inner": asyncio.TaskGroup()})
    assert made == Found(groups=("outer", "inner"))


class OwnLock(asyncio.Lock):
    async def __aenter__(self) -> None:
        await super().__aenter__()


async def own(a: OwnLock, b: OwnLock) -> None:
    await b.acquire()
    async with a, b:
        pass


def test_a_lock_of_a_derived_class() -> None:
    assert found(own, lambda: {"a": OwnLock(), "b": OwnLock()}).holds == (("a", "lock", "OwnLock", "own"),)


@pytest.mark.parametrize("chain", [[], [None], [1, "text", object()]], ids=["empty", "None", "others"])
def test_what_is_no_chain_holds_nothing(chain: list[object]) -> None:
    loop = asyncio.new_event_loop()
    assert open_blocks(chain, loop) == ((), (), ())
    loop.close()


def test_blocks_around_a_thousand_awaits_are_found() -> None:
    async def down(levels: int, lock: asyncio.Lock) -> None:
        if not levels:
            await forever()
        if levels % 100 == 0:
            async with lock, asyncio.timeout(MINUTE):
                await down(levels - 1, asyncio.Lock())
        await down(levels - 1, lock)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(down(1_000, asyncio.Lock()))
        await asyncio.sleep(0)
        blocks = open_blocks(links(task.get_coro()), loop)
        assert (len(blocks.holds), len(blocks.timeouts)) == (10, 10)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5_000)
    try:
        asyncio.run(main())
    finally:
        sys.setrecursionlimit(limit)
