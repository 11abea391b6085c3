"""What is found to be wrong, in real programs and in snapshots that are made up."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_snapshots import awaits, parked, snapshot, task, wants

from aiorepl.introspect.diagnose import LET_IT_END, Facts, counts, examine, findings
from aiorepl.introspect.facts import gather_facts, only_cancelling_ends
from aiorepl.introspect.look import look_now
from aiorepl.introspect.values import ExecutorInfo, Finding, LoopSnapshot, TaskInfo, Wait

HERE = Path(__file__)


def line(mark: str) -> str:
    """The place of the line of this file that ends with this comment."""
    (number,) = [n for n, text in enumerate(HERE.read_text().splitlines(), 1) if text.endswith(f"  # {mark}")]
    return f"{HERE.name}:{number}"


def kinds(found: tuple[Finding, ...]) -> list[str]:
    return [finding.kind for finding in found]


# Real programs


@contextlib.contextmanager
def come_to_a_halt(program: Callable[[], Coroutine[Any, Any, Any]]) -> Iterator[tuple[LoopSnapshot, Facts]]:
    """Run a program until nothing moves any more, and look at it from outside of any task."""
    loop = asyncio.new_event_loop()
    tasks = loop.run_until_complete(program())
    for _ in range(10):
        loop.run_until_complete(asyncio.sleep(0))
    snapshot = look_now(loop, ended=True)
    yield snapshot, gather_facts(loop, snapshot)
    # What awaits itself cannot be cancelled: a RecursionError.
    for left in asyncio.all_tasks(loop):
        left._log_destroy_pending = False  # type: ignore[attr-defined]
        with contextlib.suppress(RuntimeError):
            left.get_coro().close()
    del tasks
    loop.close()


def found_in(program: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Finding, ...]:
    with come_to_a_halt(program) as (snapshot, facts):
        return tuple(
            finding._replace(tasks=tuple(sorted(finding.tasks)), evidence=tuple(sorted(finding.evidence)))
            for finding in findings(snapshot, facts)
        )


async def book(ledger: asyncio.Lock, stock: asyncio.Lock) -> None:
    async with ledger:
        await asyncio.sleep(0)
        async with stock:  # the clerk wants the stock
            pass


async def ship(ledger: asyncio.Lock, stock: asyncio.Lock) -> None:
    async with stock:
        await asyncio.sleep(0)
        async with ledger:  # the packer wants the ledger
            pass


async def locks_in_opposite_order() -> object:
    locks = asyncio.Lock(), asyncio.Lock()
    return asyncio.create_task(book(*locks), name="clerk"), asyncio.create_task(ship(*locks), name="packer")


def test_two_locks_taken_in_opposite_order_are_a_deadlock() -> None:
    (finding,) = found_in(locks_in_opposite_order)
    assert (finding.kind, finding.severity, len(finding.tasks)) == ("deadlock", 3, 2)
    assert finding.title in ("clerk and packer wait for each other", "packer and clerk wait for each other")
    clerk, packer = line("the clerk wants the stock"), line("the packer wants the ledger")
    assert finding.evidence == (
        f"clerk book ({clerk}) waits for a Lock that packer ship holds at {packer}",
        f"packer ship ({packer}) waits for a Lock that clerk book holds at {clerk}",
    )
    assert finding.advice == (
        "Take the locks in the same order everywhere, or put a timeout around the wait; %cancel frees one now."
    )


Tasks = dict[str, "asyncio.Task[None]"]


async def ask(others: Tasks, name: str) -> None:
    await asyncio.sleep(0)
    await others[name]  # each awaits the next


async def ask_by_way_of_gather(others: Tasks, name: str) -> None:
    await asyncio.sleep(0)
    await asyncio.gather(others[name], asyncio.sleep(0))  # the last awaits the first


async def tasks_that_await_themselves_through_others() -> object:
    tasks: Tasks = {}
    tasks["one"] = asyncio.create_task(ask(tasks, "two"), name="one")
    tasks["two"] = asyncio.create_task(ask(tasks, "three"), name="two")
    tasks["three"] = asyncio.create_task(ask_by_way_of_gather(tasks, "one"), name="three")
    return tasks


def test_a_task_that_awaits_itself_through_others_is_a_deadlock() -> None:
    (finding,) = found_in(tasks_that_await_themselves_through_others)
    assert (finding.kind, finding.severity, len(finding.tasks)) == ("deadlock", 3, 3)
    next_one, first = line("each awaits the next"), line("the last awaits the first")
    assert finding.evidence == (
        f"one ask ({next_one}) awaits two ask ({next_one})",
        f"three ask_by_way_of_gather ({first}) awaits one ask ({next_one})",
        f"two ask ({next_one}) awaits three ask_by_way_of_gather ({first})",
    )


async def use(lock: asyncio.Lock) -> None:
    async with lock:  # the child wants the lock
        pass


async def lead(lock: asyncio.Lock) -> None:
    async with lock, asyncio.TaskGroup() as group:  # the leader waits for its group
        group.create_task(use(lock), name="child")
        group.create_task(asyncio.sleep(0), name="another child")


async def a_group_whose_child_wants_what_its_body_holds() -> object:
    return asyncio.create_task(lead(asyncio.Lock()), name="leader")


def test_a_child_that_waits_for_what_the_body_of_its_group_holds_is_a_deadlock() -> None:
    (finding,) = found_in(a_group_whose_child_wants_what_its_body_holds)
    assert (finding.kind, finding.severity, len(finding.tasks)) == ("deadlock", 3, 2)
    child, leader = line("the child wants the lock"), line("the leader waits for its group")
    assert finding.evidence == (
        f"child use ({child}) waits for a Lock that leader lead holds at {leader}",
        f"leader lead ({leader}) awaits child use ({child})",
    )


async def wait_for_news(event: asyncio.Event) -> None:
    await event.wait()  # nobody has the event


async def consume() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    await queue.get()  # nobody puts into the queue


async def answer() -> None:
    future = asyncio.get_running_loop().create_future()
    await future  # nobody sets the future


async def answer_somebody(keep: Callable[[asyncio.Future[None]], object]) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    keep(future)
    await future


@pytest.mark.parametrize(
    ("lost", "mark", "what"),
    [
        (lambda: wait_for_news(asyncio.Event()), "nobody has the event", "an Event"),
        (consume, "nobody puts into the queue", "a Queue(maxsize=0)"),
        (answer, "nobody sets the future", "a future"),
    ],
    ids=["event", "queue", "future"],
)
def test_a_wait_for_what_nobody_else_has_is_lost(
    lost: Callable[[], Coroutine[Any, Any, None]], mark: str, what: str
) -> None:
    async def program() -> object:
        return asyncio.create_task(lost(), name="reader")

    (finding,) = found_in(program)
    coroutine = {"an Event": "wait_for_news", "a future": "answer"}.get(what, "consume")
    assert (finding.kind, finding.severity, len(finding.tasks)) == ("lost-wait", 3, 1)
    assert finding.title == f"reader {coroutine} waits for {what} that nobody else has"
    assert finding.evidence == (f"reader {coroutine} ({line(mark)})",)


EVENTS: list[asyncio.Event] = []


@pytest.mark.parametrize("keep", [EVENTS.append, lambda event: EVENTS.append(event.set)], ids=["it", "its method"])
def test_an_event_that_somebody_has_is_not_lost(keep: Callable[[asyncio.Event], None]) -> None:
    async def program() -> object:
        event = asyncio.Event()
        keep(event)
        return asyncio.create_task(wait_for_news(event), name="reader")

    assert found_in(program) == ()
    EVENTS.clear()


KEPT: list[object] = []
WEAKLY: "weakref.WeakSet[asyncio.Future[None]]" = weakref.WeakSet()


@pytest.mark.parametrize(
    "keep",
    [
        KEPT.append,
        lambda future: KEPT.append(future.set_result),
        lambda future: KEPT.append(weakref.ref(future)),
        WEAKLY.add,
        lambda future: asyncio.get_running_loop().call_later(3600, future.set_result, None),
    ],
    ids=["it", "its method", "a weak reference", "a weak set", "a timer"],
)
def test_a_future_that_somebody_has_is_not_lost(keep: Callable[[asyncio.Future[None]], object]) -> None:
    async def program() -> object:
        return asyncio.create_task(answer_somebody(keep), name="reader")

    assert found_in(program) == ()
    KEPT.clear()


def test_that_only_cancelling_ends_a_wait_is_told_when_it_is_asked() -> None:
    """That is how to run until one is cancelled, and so no finding."""
    kept: list[asyncio.Future[None]] = []

    async def until_cancelled() -> None:
        await asyncio.get_running_loop().create_future()

    async def until_somebody_sets_it() -> None:
        kept.append(asyncio.get_running_loop().create_future())
        await kept[0]

    async def program() -> object:
        return [
            asyncio.create_task(until_cancelled(), name="a"),
            asyncio.create_task(until_somebody_sets_it(), name="b"),
            asyncio.create_task(asyncio.sleep(3600), name="c"),
        ]

    with come_to_a_halt(program) as (taken, facts):
        assert findings(taken, facts) == ()
        ends = {info.name: only_cancelling_ends(taken, info.number) for info in taken.tasks}
    assert ends == {"a": True, "b": False, "c": False}


@pytest.fixture
def no_collection() -> Iterator[None]:
    """A task that only a circle of its own keeps is there until the next collection."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_a_task_that_nothing_keeps_and_nothing_can_wake_is_dropped() -> None:
    async def program() -> None:
        asyncio.create_task(consume(), name="background")  # noqa: RUF006

    lost, dropped = found_in(program)
    place = line("nobody puts into the queue")
    assert lost.title == "background consume waits for a Queue(maxsize=0) that nobody else has"
    assert dropped._replace(tasks=()) == Finding(
        "dropped",
        1,
        "nothing refers to 1 task but what is to wake them",
        (f"background consume ({place})",),
        "Keep what create_task returns, or use a TaskGroup: such a task can be collected before it ends.",
    )
    assert dropped.tasks == lost.tasks


@pytest.mark.usefixtures("no_collection")
def test_a_task_that_nothing_keeps_but_a_timer_wakes_is_not_dropped() -> None:
    async def program() -> None:
        asyncio.create_task(asyncio.sleep(3600), name="background")  # noqa: RUF006

    assert found_in(program) == ()


# Deadlocks in made-up snapshots: what ends one


def test_who_waits_for_a_deadlock_is_counted_and_not_in_it() -> None:
    (finding,) = findings(
        snapshot(task(1, awaits(2)), task(2, wants(7, 3)), task(3, awaits(2, kind="gather")), task(4, wants(7, 3)))
    )
    assert finding.tasks == (2, 3)
    assert finding.evidence[-1] == "2 more wait for these"


def test_a_lock_that_is_wanted_by_who_holds_it_is_a_deadlock_of_one() -> None:
    (finding,) = findings(snapshot(task(1, wants(7, 1))))
    assert finding.title == "Task-1 waits for what it holds itself"
    assert finding.advice == "A Lock cannot be taken twice by one task: release it first, or hand on what it protects."


def test_a_long_circle_is_told_in_part() -> None:
    (finding,) = findings(snapshot(*(task(number, awaits(number % 30 + 1)) for number in range(1, 31))))
    assert finding.title == "Task-1 and Task-2 and 28 more wait for each other"
    assert len(finding.evidence) == 11
    assert finding.evidence[-1] == "and 20 more in the circle"
    assert len(finding.tasks) == 30


PAIR = (task(1, awaits(2)), task(2, wants(7, 1)))
ENDED_BY: dict[str, tuple[TaskInfo, ...]] = {
    "a timeout around one of them": (task(1, awaits(2), **parked(3.0, 8)), PAIR[1]),
    "a timeout around who awaits one": (*PAIR, task(3, awaits(1), **parked(3.0, 8))),
    "a timeout around the group of one": (
        PAIR[0],
        PAIR[1]._replace(parent=3, grouped=True),
        task(3, Wait("sleep", left=9.0), **parked(3.0, 8)),
    ),
    "the first of two": (task(1, awaits(2, 3, kind="wait", pending=2, total=2, first=True)), PAIR[1], task(3)),
    "one of several that has just ended": (task(1, awaits(2, kind="wait", pending=1, total=2, first=True)), PAIR[1]),
    "the timeout of the wait": (task(1, awaits(2, kind="wait", left=3.0)), PAIR[1]),
    "whichever completes": (task(1, awaits(2, 3, kind="as_completed", pending=2, total=2)), PAIR[1], task(3)),
    "a future among several": (task(1, awaits(2, kind="as_completed", pending=2, total=2)), PAIR[1]),
    "another holder of a semaphore": (PAIR[0], task(2, wants(7, 1, 3, kind="semaphore")), task(3)),
}


@pytest.mark.parametrize("tasks", ENDED_BY.values(), ids=ENDED_BY)
def test_what_can_be_ended_is_no_deadlock(tasks: tuple[TaskInfo, ...]) -> None:
    assert kinds(findings(snapshot(*PAIR))) == ["deadlock"]
    assert findings(snapshot(*tasks)) == ()


def test_tasks_that_have_gone_on_since_the_look_are_no_deadlock() -> None:
    assert findings(snapshot(*PAIR), Facts(moved=frozenset((2,)))) == ()
    assert kinds(findings(snapshot(*PAIR), Facts(moved=frozenset((3,))))) == ["deadlock"]


def test_a_deadlock_that_is_resolved_after_the_look_is_noticed_to_be() -> None:
    async def main() -> tuple[list[str], list[str]]:
        tasks: Any = await locks_in_opposite_order()
        for _ in range(3):
            await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        snapshot = look_now(loop)
        before = kinds(findings(snapshot, gather_facts(loop, snapshot)))
        tasks[0].cancel()
        return before, kinds(findings(snapshot, gather_facts(loop, snapshot)))

    assert asyncio.run(main()) == (["deadlock"], [])


def test_one_of_several_that_all_have_to_end_is_enough() -> None:
    every = awaits(2, 3, kind="wait", pending=2, total=2)
    assert kinds(findings(snapshot(task(1, every), PAIR[1], task(3)))) == ["deadlock"]


def test_several_that_all_can_never_end_are_a_deadlock() -> None:
    several = awaits(2, 3, kind="as_completed", pending=2, total=2)
    assert kinds(findings(snapshot(task(1, several), task(2, wants(7, 1)), task(3, wants(8, 1))))) == ["deadlock"]
    first = awaits(2, 3, kind="wait", pending=2, total=2, first=True)
    assert kinds(findings(snapshot(task(1, first), task(2, wants(7, 1)), task(3, wants(8, 1))))) == ["deadlock"]
    holders = wants(7, 1, 3, kind="semaphore")
    assert kinds(findings(snapshot(task(1, awaits(2)), task(2, holders), task(3, awaits(2))))) == ["deadlock"]


# What else is wrong, each with what makes it nothing


WAITING = task(1, Wait("event", "Event", 7, known=False))
IDLE = {"ready": 0, "timers": 0, "registered": 0, "asyncgens": 0}
BUSY = ExecutorInfo(2, 2, 0, 5, ("resize", "resize"))


def test_a_loop_on_which_nothing_can_happen_is_stalled() -> None:
    assert findings(snapshot(WAITING, **IDLE), Facts(alone=True)) == (
        Finding(
            "stalled",
            3,
            "1 task waits, and the loop has no timer, no socket and no thread to go on with",
            ("Task-1 job1 (app.py:10)",),
            "%why says of each what it waits for.",
            (1,),
        ),
    )


@pytest.mark.parametrize(
    ("more", "facts"),
    [
        ({}, Facts()),
        ({"timers": 1}, Facts(alone=True)),
        ({"registered": 1}, Facts(alone=True)),
        ({"ready": 1}, Facts(alone=True)),
        ({"ready": None}, Facts(alone=True)),
        ({"executor": ExecutorInfo(1, 4, 0, 0, ("resize",))}, Facts(alone=True)),
    ],
    ids=["reached from outside", "a timer", "a socket", "ready", "not known", "a thread"],
)
def test_a_loop_that_something_can_wake_is_not_stalled(more: dict[str, object], facts: Facts) -> None:
    assert findings(snapshot(WAITING, **{**IDLE, **more}), facts) == ()


def test_a_loop_on_which_a_task_executes_is_not_stalled() -> None:
    assert findings(snapshot(WAITING, task(2, state="running"), **IDLE), Facts(alone=True)) == ()


PUTTING = Wait("queue.put", "Queue(maxsize=3)", 7, place=1, total=1, known=False)
IN_THREAD = Wait("thread", "resize", 8, started=False)
STANDING: dict[str, Any] = {"seen": 6.0}
BRIEFLY: dict[str, Any] = {"seen": 4.0}


def test_a_queue_that_stays_full_is_told_once_with_all_who_put() -> None:
    (finding,) = findings(snapshot(task(1, PUTTING, **STANDING), task(2, PUTTING, **STANDING), task(3, PUTTING)))
    assert finding == Finding(
        "full-queue",
        2,
        "2 tasks wait to put into a Queue(maxsize=3)",
        ("Task-1 job1 (app.py:10)", "Task-2 job2 (app.py:20)"),
        "Its consumers are too slow, too few, or gone: look at what they wait for.",
        (1, 2),
    )


def test_an_executor_whose_threads_stay_taken_is_busy() -> None:
    assert findings(snapshot(task(1, IN_THREAD, **STANDING), executor=BUSY)) == (
        Finding(
            "busy-executor",
            2,
            "all 2 threads work and 5 calls wait",
            ("2 in resize",),
            "Give the loop an executor with more threads, or run fewer calls at a time.",
            (1,),
        ),
    )


def test_a_task_that_was_asked_to_end_and_goes_on_has_swallowed_that_whatever_it_waits_on() -> None:
    asked = task(1, Wait("sleep", left=0.4), state="cancelling", cancels=1, seen=0.1, asked=12.0)
    assert findings(snapshot(asked)) == (
        Finding(
            "swallowed-cancel",
            2,
            "Task-1 job1 was asked to end at least 12 s ago, and has not",
            ("Task-1 job1 (app.py:10)",),
            LET_IT_END,
            (1,),
        ),
    )


def test_what_asks_a_task_to_end_and_takes_that_back_may_do_so_again_and_again() -> None:
    asked: dict[str, Any] = {"state": "cancelling", "cancels": 1, "asked": 12.0}
    timed_out = task(1, Wait("sleep", left=0.4), **parked(-0.1, 11), **asked)
    assert examine(snapshot(timed_out._replace(seen=4.0))) == ((), ())
    assert [finding.kind for finding in findings(snapshot(timed_out._replace(seen=6.0)))] == ["swallowed-cancel"]
    grouped = task(1, awaits(2, kind="taskgroup"), seen=4.0, **asked)
    assert findings(snapshot(grouped, task(2, Wait("sleep", left=0.4)))) == ()


FAILED = "ValueError('no'); nobody has retrieved it"


def test_a_failure_that_nobody_looks_at_is_unretrieved() -> None:
    assert findings(snapshot(task(1, state="failed", outcome=FAILED, stack=(), seen=6.0))) == (
        Finding(
            "unretrieved",
            2,
            "Task-1 job1 failed with ValueError('no')",
            (),
            "Await the task, or put it into a TaskGroup.",
            (1,),
        ),
    )


def test_what_failed_or_was_asked_to_end_just_now_may_pass() -> None:
    tasks = [
        task(1, state="failed", outcome=FAILED, seen=6.0),
        task(2, state="failed", outcome=FAILED),
        task(3, state="failed", outcome="ValueError('no')"),
        task(4, Wait("sleep", left=0.4), state="cancelling", asked=0.4),
        task(5, Wait("sleep", left=0.4), state="cancelling", asked=4.4),
        task(6, Wait("sleep", left=0.4)),
    ]
    found = examine(snapshot(*tasks))
    assert [finding.tasks for finding in found.findings] == [(1,)]
    assert [(finding.title, finding.tasks) for finding in found.early] == [
        ("Task-4 job4 was asked to end, and has not", (4,)),
        ("Task-5 job5 was asked to end at least 4 s ago, and has not", (5,)),
        ("Task-2 job2 failed with ValueError('no')", (2,)),
    ]


@pytest.mark.parametrize(
    "made",
    [
        snapshot(task(1, PUTTING, **BRIEFLY)),
        snapshot(task(1, PUTTING)),
        snapshot(task(1, IN_THREAD, **BRIEFLY), executor=BUSY),
        snapshot(task(1, IN_THREAD, **STANDING), executor=BUSY._replace(queued=0)),
        snapshot(task(1, IN_THREAD, **STANDING), executor=BUSY._replace(limit=3)),
        snapshot(task(1, IN_THREAD._replace(started=True), **STANDING), executor=BUSY),
        snapshot(task(1, PUTTING._replace(kind="queue.get"), state="cancelling", asked=4.0)),
        snapshot(task(1, state="failed", outcome=FAILED, **BRIEFLY)),
        snapshot(task(1, state="failed", outcome="ValueError('no')", **STANDING)),
        snapshot(task(1, PUTTING, own=True, **STANDING)),
    ],
    ids=[
        "full for a moment",
        "seen for the first time",
        "busy for a moment",
        "nothing queued",
        "another thread can be started",
        "it has started",
        "cleaning up",
        "failed just now",
        "retrieved",
        "a task of aiorepl's",
    ],
)
def test_what_may_pass_is_not_told(made: LoopSnapshot) -> None:
    assert findings(made) == ()


def crowd(count: int) -> LoopSnapshot:
    return snapshot(*(task(number, PUTTING)._replace(coroutine="job", stack=WAITING.stack) for number in range(count)))


def test_a_crowd_that_grows_between_two_looks_is_told() -> None:
    assert findings(crowd(350), Facts(before=counts(crowd(250)))) == (
        Finding(
            "growing",
            1,
            "350 tasks of job at app.py:10, 100 more than before",
            ("Task-0 job (app.py:10)",),
            "They are made faster than they end: bound them with a semaphore or a queue, or see what holds them up.",
            (0,),
        ),
    )


@pytest.mark.parametrize(
    ("now", "before"), [(350, None), (350, 350), (350, 400), (199, 10)], ids=["first look", "same", "fewer", "few"]
)
def test_a_crowd_that_does_not_grow_or_is_small_is_not_told(now: int, before: int | None) -> None:
    facts = Facts() if before is None else Facts(before=counts(crowd(before)))
    assert findings(crowd(now), facts) == ()


def test_the_worst_comes_first() -> None:
    made = snapshot(
        *crowd(200).tasks, task(301, PUTTING, **STANDING), task(302, wants(9, 302)), task(303), executor=None
    )
    found = findings(made, Facts(dropped=(303,), before=counts(crowd(100))))
    assert kinds(found) == ["deadlock", "full-queue", "growing", "dropped"]


def test_tasks_that_have_gone_since_are_left_out() -> None:
    assert findings(snapshot(task(1)), Facts(lost=(1, 2), dropped=(3,))) == ()
