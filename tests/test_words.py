"""A wait in a short phrase."""

import asyncio

import pytest

from aiorepl.introspect.values import Wait
from aiorepl.introspect.words import wait_in_words, wait_words

CASES = [
    (Wait("task", "reader", tasks=(3,)), "Task-3"),
    (Wait("task", "reader"), "reader"),
    (Wait("future", "a future", 1, known=False), "a future (who sets it is not known)"),
    (Wait("gather", "gather", tasks=(1, 2), pending=2, total=5), "gather, 2 of 5 pending"),
    (Wait("wait", "wait", tasks=(1,), pending=1, total=3, left=4.04), "wait, 1 of 3 pending, 4.0 s left"),
    (Wait("wait_for", "Queue.get", tasks=(7,), left=59.96), "wait_for Queue.get, 60.0 s left"),
    (Wait("wait_for", "swallows", tasks=(7,)), "wait_for swallows"),
    (Wait("as_completed", "as_completed", tasks=(1,), pending=1), "as_completed, 1 pending"),
    (Wait("as_completed", "as_completed", known=False), "as_completed"),
    (Wait("shield", "reader", tasks=(3,)), "shield of Task-3"),
    (Wait("shield", "gather", tasks=(3,), pending=1, total=2), "shield of gather, 1 of 2 pending"),
    (Wait("shield", "a future", 1, known=False), "shield of a future"),
    (Wait("taskgroup", "TaskGroup", 1, tasks=(1, 2), pending=2), "TaskGroup, 2 pending"),
    (Wait("sleep", left=3.14), "asyncio.sleep, 3.1 s left"),
    (Wait("sleep", left=-0.04), "asyncio.sleep, 0.0 s left"),
    (Wait("sleep", left=-6.21), "asyncio.sleep, 6.2 s overdue"),
    (Wait("sleep"), "asyncio.sleep"),
    (Wait("lock", "Lock", 1, place=1, total=1), "Lock"),
    (Wait("lock", "Lock", 1, holders=(), place=1, total=2), "Lock (1st of 2 in line)"),
    (Wait("lock", "Lock", 1, holders=(3,), place=2, total=4), "Lock held by Task-3 (2nd of 4 in line)"),
    (Wait("lock", "Lock", 1, holders=(3,), place=113, total=121), "Lock held by Task-3 (113th of 121 in line)"),
    (
        Wait("semaphore", "BoundedSemaphore(5)", 1, holders=(1, 2, 3, 4, 5), place=3, total=3),
        "BoundedSemaphore(5) held by Task-1, Task-2, Task-3 and 2 more (3rd of 3 in line)",
    ),
    (Wait("event", "Event", 1, known=False), "Event.wait"),
    (Wait("condition", "Condition", 1, place=21, total=22, known=False), "Condition.wait (21st of 22 in line)"),
    (Wait("barrier", "Barrier(3)", 1, pending=1, total=3, known=False), "Barrier(3), 1 of 3 missing"),
    (Wait("queue.get", "Queue(maxsize=0)", 1, place=1, total=1), "Queue(maxsize=0).get, empty"),
    (Wait("queue.put", "Queue(maxsize=5)", 1, place=2, total=2), "Queue(maxsize=5).put, full (2nd of 2 in line)"),
    (Wait("queue.join", "Queue(maxsize=0)", 1, pending=1), "Queue(maxsize=0).join, 1 item not done"),
    (Wait("queue.join", "Queue(maxsize=0)", 1, pending=2), "Queue(maxsize=0).join, 2 items not done"),
    (Wait("read", "StreamReader.readline from 127.0.0.1:80", 1), "StreamReader.readline from 127.0.0.1:80"),
    (Wait("socket", "sock_recv on fd 7", 1), "sock_recv on fd 7"),
    (Wait("process", "Process.wait, pid 99", 1), "Process.wait, pid 99"),
    (Wait("thread", "time.sleep", 1, started=True), "thread: time.sleep"),
    (Wait("thread", "time.sleep", 1, started=False), "thread: time.sleep (not started)"),
    (Wait("unknown", error="KeyError: 1"), "unknown (not read: KeyError: 1)"),
    # With as much as is the same for a group of tasks.
    (Wait("lock", "Lock"), "Lock"),
    (Wait("lock"), "Lock"),
    (Wait("gather"), "gather"),
    (Wait("queue.get"), "Queue.get, empty"),
    (Wait("queue.join"), "Queue.join"),
    (Wait("barrier"), "Barrier"),
    (Wait("shield"), "shield"),
    (Wait("wait_for"), "wait_for"),
    (Wait("thread"), "thread"),
    (Wait("task"), "a task"),
]


@pytest.mark.parametrize(("wait", "words"), CASES, ids=[words for _, words in CASES])
def test_a_wait_in_words(wait: Wait, words: str) -> None:
    assert wait_words(wait, "Task-{}".format) == words


def test_words_are_bounded() -> None:
    assert wait_words(Wait("task", "x" * 300), str) == "x" * 119 + "…"


def test_a_coroutine_tells_what_it_waits_on_and_the_line_of_the_program() -> None:
    async def waits(future: "asyncio.Future[None]") -> None:
        await asyncio.shield(future)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        other = loop.create_task(asyncio.Event().wait(), name="other")
        task = loop.create_task(waits(other))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        line = waits.__code__.co_firstlineno + 1
        assert wait_in_words(task.get_coro(), loop) == f"shield of other (line {line} of waits)"
        assert wait_in_words(other.get_coro(), loop) == "Event.wait"

    asyncio.run(main())


def test_what_does_not_wait_has_no_words() -> None:
    async def ended() -> None:
        pass

    async def main() -> None:
        coroutine = ended()
        await coroutine
        assert wait_in_words(coroutine, asyncio.get_running_loop()) == ""

    asyncio.run(main())
