"""Why a task is not finished: the sentences, from snapshots that are made up and from a program."""

import asyncio
import threading

import pytest
from loops_elsewhere import PATIENCE, loop_elsewhere
from made_snapshots import APP, awaits, holding, parked, snapshot, task, wants

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.look import look_now
from aiorepl.introspect.values import ExecutorInfo, Explanation, Frame, LoopSnapshot, TaskInfo, Wait
from aiorepl.introspect.why import own_place, why

SLEEPING = task(3, Wait("sleep", left=3.1))
EVENT = Wait("event", "Event", 7, known=False)
CALL = Wait("thread", "resize", 8, started=False)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (SLEEPING, "Task-3 job3 (app.py:30) sleeps 3.1 s more."),
        (task(1, Wait("sleep", left=-0.09)), "Task-1 job1 (app.py:10) sleeps 0.0 s more."),
        (task(1, Wait("sleep", left=-6.21)), "Task-1 job1 (app.py:10) has slept 6.2 s longer than it should."),
        (
            task(1, EVENT, **parked(-6.21, 11)),
            "Task-1 job1 (app.py:10) waits for Event.wait, though its timeout was due 6.2 s ago.",
        ),
        (task(1, EVENT), "Task-1 job1 (app.py:10) waits for Event.wait."),
        (task(1, EVENT, seen=12.42), "Task-1 job1 (app.py:10) has waited at least 12.4 s for Event.wait."),
        (
            task(1, EVENT, **parked(3.0, 8)),
            "Task-1 job1 (app.py:10) waits for Event.wait, at most until its timeout in 3.0 s.",
        ),
        (
            task(1, EVENT, state="cancelling"),
            "Task-1 job1 (app.py:10) was asked to end, but waits for Event.wait.",
        ),
        (task(1, state="running"), "Task-1 job1 (app.py:10) executes now."),
        (task(1), "Task-1 job1 (app.py:10) is ready, and runs at the loop's next pass."),
        (task(1, state="done", outcome="7", stack=()), "Task-1 job1 has ended (done: 7)."),
        (task(1, state="cancelled", stack=()), "Task-1 job1 has ended (cancelled)."),
        (
            task(1, Wait("future", "a future", 7, known=False)),
            "Task-1 job1 (app.py:10) waits for a future (who sets it is not known).",
        ),
        (
            task(1, wants(7)),
            "Task-1 job1 (app.py:10) waits for a Lock, whose holder is not seen: it was taken without async with, "
            "or its task has ended.",
        ),
        (task(1, CALL._replace(started=True)), "Task-1 job1 (app.py:10) waits for thread: resize."),
        (task(1, CALL), "Task-1 job1 (app.py:10) waits for thread: resize (not started)."),
    ],
)
def test_one_task_is_one_sentence(info: TaskInfo, expected: str) -> None:
    assert why(snapshot(info), info.number) == Explanation(info.number, (expected,), (info.number,))


def test_a_call_that_has_no_thread_yet_says_what_the_threads_do() -> None:
    made = snapshot(task(1, CALL), executor=ExecutorInfo(2, 2, 0, 1, ("resize", "resize")))
    assert str(why(made, 1)) == (
        "Task-1 job1 (app.py:10) waits for thread: resize (not started), as all 2 workers are busy."
    )


def test_a_task_that_is_not_there_is_said_to_have_ended() -> None:
    assert why(snapshot(SLEEPING), 9) == Explanation(9, ("Task 9 is not there any more: it has ended.",))


def test_the_sentences_go_down_to_who_goes_on_by_itself() -> None:
    made = snapshot(
        task(1, awaits(2)),
        task(2, wants(7, 3), seen=12.4),
        task(3, SLEEPING.wait, **holding(7, 41)),
        task(4, awaits(1)),
    )
    assert why(made, 1) == Explanation(
        1,
        (
            "Task-1 job1 (app.py:10) waits for Task-2 job2.",
            "Task-2 job2 (app.py:20) has waited at least 12.4 s for a Lock held by Task-3 job3 (app.py:41).",
            "Task-3 job3 (app.py:30) sleeps 3.1 s more.",
        ),
        (1, 2, 3),
    )


def test_of_several_the_one_that_waits_for_others_is_followed() -> None:
    several = awaits(3, 2, kind="gather", pending=2, total=2)
    made = snapshot(task(1, several), task(2, awaits(4)), SLEEPING, task(4, EVENT))
    assert why(made, 1) == Explanation(
        1,
        (
            "Task-1 job1 (app.py:10) waits for gather, 2 of 2 pending: Task-2 job2 and Task-3 job3.",
            "Task-2 job2 (app.py:20) waits for Task-4 job4.",
            "Task-4 job4 (app.py:40) waits for Event.wait.",
        ),
        (1, 2, 4),
    )


def test_of_several_the_one_that_never_ends_is_followed_and_three_are_named() -> None:
    several = awaits(2, 3, 4, 5, kind="gather", pending=4, total=4)
    # Task 2 waits for one that sleeps, 5 for one whose event nobody may set, 6 for a timeout of its event.
    timed = task(6, EVENT, **parked(3.0, 8))
    made = snapshot(
        task(1, several), task(2, awaits(3)), SLEEPING, task(4, awaits(6)), task(5, awaits(7)), timed, task(7, EVENT)
    )
    found = why(made, 1)
    assert found.path == (1, 5, 7)
    assert found.sentences[0] == (
        "Task-1 job1 (app.py:10) waits for gather, 4 of 4 pending: Task-5 job5, Task-2 job2, Task-3 job3 and 1 more."
    )


def test_a_wait_for_the_first_of_several_says_so() -> None:
    made = snapshot(task(1, awaits(2, 3, kind="wait", pending=2, total=2, first=True)), task(2, awaits(3)), SLEEPING)
    assert why(made, 1).sentences[0] == (
        "Task-1 job1 (app.py:10) waits for wait, 2 of 2 pending: Task-2 job2 and Task-3 job3, one of which may do."
    )


def test_other_holders_are_counted() -> None:
    made = snapshot(task(1, wants(7, 3, 4, 5, kind="semaphore", what="BoundedSemaphore(3)")), SLEEPING, task(4))
    assert why(made, 1).sentences[0] == (
        "Task-1 job1 (app.py:10) waits for a BoundedSemaphore(3) held by Task-3 job3 and 2 more."
    )


def test_a_long_way_is_cut_short() -> None:
    made = snapshot(*(task(number, awaits(number + 1)) for number in range(1, 2000)), task(2000, EVENT))
    found = why(made, 1)
    assert found.sentences[7:] == (
        "Task-8 job8 (app.py:80) waits for Task-9 job9.",
        "And so on, through 1992 more tasks.",
    )
    assert found.path == tuple(range(1, 2001))


def test_a_circle_is_called_a_deadlock() -> None:
    made = snapshot(task(3, awaits(1)), task(1, wants(7, 2)), task(2, wants(8, 1), **holding(7, 25)))
    assert why(made, 3) == Explanation(
        3,
        (
            "Task-3 job3 (app.py:30) waits for Task-1 job1.",
            "Task-1 job1 (app.py:10) waits for a Lock held by Task-2 job2 (app.py:25).",
            "Task-2 job2 (app.py:20) waits for a Lock held by Task-1 job1.",
            "That is a deadlock: Task-1, Task-2 wait for each other for ever.",
        ),
        (3, 1, 2, 1),
    )


def test_a_task_that_waits_for_itself_is_a_deadlock_too() -> None:
    assert str(why(snapshot(task(1, wants(7, 1))), 1)) == (
        "Task-1 job1 (app.py:10) waits for a Lock held by Task-1 job1. That is a deadlock: Task-1 waits for itself."
    )


def test_a_circle_that_a_timeout_ends_is_no_deadlock() -> None:
    made = snapshot(task(1, awaits(2)), task(2, awaits(1), **parked(2.5, 8)))
    assert why(made, 1).sentences[-1] == "They wait for each other until a timeout ends it in 2.5 s: Task-1, Task-2."


def test_a_circle_that_a_timeout_around_who_awaits_it_ends_is_no_deadlock() -> None:
    made = snapshot(task(3, awaits(1), **parked(2.5, 8)), task(1, awaits(2)), task(2, awaits(1)))
    assert why(made, 2).sentences[-1] == "They wait for each other until a timeout ends it in 2.5 s: Task-2, Task-1."


def test_a_circle_that_somebody_else_can_end_is_no_deadlock() -> None:
    made = snapshot(task(1, awaits(2, 3, kind="wait", pending=2, total=2, first=True)), task(2, wants(7, 1)), SLEEPING)
    assert why(made, 2).sentences[-1] == ("They wait for each other, but something else may end that: Task-2, Task-1.")


def outside(current: int | None) -> LoopSnapshot:
    stack = (Frame("main", APP, 5), Frame("sleep", "/usr/lib/python3.13/x.py", 9, library=True))
    made = snapshot(task(1, EVENT), task(2, state="running"), current=current, stack=stack)
    return made._replace(outside=True)


def test_who_blocks_the_loop_is_named() -> None:
    assert why(outside(2), 1).sentences[-1] == (
        "The loop does not answer: Task-2 job2 executes at app.py:20, and nothing else runs until that ends."
    )
    assert why(outside(None), 1).sentences[-1] == (
        "The loop does not answer: a callback executes at app.py:5, and nothing else runs until that ends."
    )


# A real program


def test_a_task_of_a_program_that_waits_for_a_lock() -> None:
    async def hold(lock: asyncio.Lock) -> None:
        async with lock:
            await asyncio.sleep(3600)

    async def want(lock: asyncio.Lock) -> None:
        async with lock:
            pass

    async def begin() -> "list[asyncio.Task[None]]":
        lock = asyncio.Lock()
        tasks = [
            asyncio.create_task(hold(lock), name="reader"),
            asyncio.create_task(want(lock), name="writer"),
        ]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks

    with loop_elsewhere() as elsewhere:
        tasks = elsewhere.run(begin())
        found = why(look_now(elsewhere.loop), BOOK.number_of(tasks[1]))
        coroutine = "test_a_task_of_a_program_that_waits_for_a_lock.<locals>"
        lines = [function.__code__.co_firstlineno for function in (hold, want)]
        reader = f"reader {coroutine}.hold (test_why.py:{lines[0] + 2})"
        assert found.sentences[0] == (
            f"writer {coroutine}.want (test_why.py:{lines[1] + 1}) waits for a Lock held by {reader}."
        )
        assert found.sentences[1].startswith(f"{reader} sleeps 3")


def test_the_culprit_of_a_blocked_loop_is_found(looks_at_once: None) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def block() -> None:
        begun.set()
        ended.wait(PATIENCE)

    async def wait() -> None:
        await asyncio.Event().wait()

    async def begin() -> None:
        tasks.append(asyncio.create_task(wait(), name="waiting"))
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(block(), name="blocking"))

    tasks: list[asyncio.Task[None]] = []
    with loop_elsewhere() as elsewhere:
        # Its own end is not heard of before the loop goes on.
        asyncio.run_coroutine_threadsafe(begin(), elsewhere.loop)
        assert begun.wait(PATIENCE)
        found = why(look_now(elsewhere.loop), BOOK.number_of(tasks[0]))
        ended.set()
    line = block.__code__.co_firstlineno + 2
    assert found.sentences[-1] == (
        f"The loop does not answer: blocking {block.__qualname__} executes at test_why.py:{line}, "
        "and nothing else runs until that ends."
    )


def test_a_task_stands_in_the_programs_own_line_and_not_in_that_of_a_package_it_calls() -> None:
    own, packaged = Frame("main", "/srv/app.py", 7), Frame("get", "/venv/lib/site-packages/client/api.py", 70)
    library = Frame("wait", "/lib/python3.11/asyncio/locks.py", 213, library=True)
    assert own_place(task(1, stack=(own, packaged, library))) == "app.py:7"
    assert own_place(task(1, stack=(packaged, library))) == "api.py:70"
    assert own_place(task(1, stack=(library,))) == ""
