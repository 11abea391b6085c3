"""The rules by which the doctor says what is wrong, over observations that are made up."""

import itertools
from typing import Any

import pytest
from made_snapshots import APP, holding, snapshot, task, wants

from aiorepl.alerts.doctor import diagnose
from aiorepl.alerts.doctor_values import Cause, Hot, Limits, Observations, Sampled, Spell
from aiorepl.alerts.records import TaskStats
from aiorepl.alerts.values import Alert
from aiorepl.introspect.values import ExecutorInfo, Finding, Frame, LoopSnapshot, TaskInfo, Wait
from aiorepl.render.plain import draw

LINE = Frame("work", APP, 12)


def seen(
    first: LoopSnapshot | None = None, last: LoopSnapshot | None = None, sampled: Sampled | None = None, **more: object
) -> Observations:
    """Observations of three seconds, in which nothing happened but what is given."""
    first = first or last or snapshot()
    quiet = Sampled(looks=300, lags=(0.0001,) * 100)
    return Observations(3.0, first, last or first, sampled or quiet)._replace(**more)  # type: ignore[arg-type]


def causes(observed: Observations, **limits: float) -> list[Cause]:
    return [cause for cause in diagnose(observed, Limits(**limits)).causes if cause.kind != "healthy"]  # type: ignore[arg-type]


def titles(observed: Observations, **limits: float) -> list[str]:
    return [cause.title for cause in causes(observed, **limits)]


# Lines of tasks


def at_a_lock(*numbers: int, seen: float = 3.0, holder: int = 1, kind: str = "lock", others: int = 0) -> LoopSnapshot:
    """Tasks in line for what a task holds, which sleeps; and others that have nothing to do with it."""
    wait = wants(7, holder, kind=kind, what=kind.capitalize())  # type: ignore[arg-type]
    line = [
        task(number, wait._replace(place=place, total=len(numbers)), seen=seen)
        for place, number in enumerate(numbers, 1)
    ]
    sleeping = task(holder, Wait("sleep", left=60.0), **holding(7, 11, kind, kind.capitalize()))  # type: ignore[arg-type]
    rest = [task(500 + number, Wait("sleep", left=60.0)) for number in range(others)]
    return snapshot(sleeping, *line, *rest)


def test_two_tasks_that_stood_in_line_all_the_time_are_told() -> None:
    (cause,) = causes(seen(at_a_lock(2, 3), at_a_lock(2, 3)))
    assert cause.title == "2 tasks wait for a Lock, and none of them got it in 3.0 s"
    assert cause.evidence == (
        "Task-2 job2 (app.py:20) has waited at least 3.0 s for a Lock held by Task-1 job1 (app.py:11).",
        "Task-1 job1 (app.py:10) sleeps 60.0 s more.",
    )
    assert (cause.kind, cause.severity, cause.command, cause.tasks) == ("waiting", 2, "%locks", (2, 3))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (at_a_lock(2), at_a_lock(2)),
        (at_a_lock(2, 3), at_a_lock(3)),
        (at_a_lock(2, 3), at_a_lock(3, 4, 5)),
        (at_a_lock(2, 3), at_a_lock(2, 3, seen=0.5)),
        (snapshot(), at_a_lock(2, 3, 4)),
    ],
    ids=["one alone", "one has passed", "others have come", "each again and again", "all have come meanwhile"],
)
def test_a_line_that_moves_is_not_told(first: LoopSnapshot, last: LoopSnapshot) -> None:
    assert causes(seen(first, last)) == []


def test_a_lock_that_most_tasks_stand_before_is_told_though_some_get_it() -> None:
    crowd, later = at_a_lock(*range(2, 30)), at_a_lock(*range(5, 30))
    assert titles(seen(crowd, later)) == ["25 tasks wait for a Lock, and 3 got it in 3.0 s"]
    # As part of many more it need not be what holds the program up.
    crowd, later = at_a_lock(*range(2, 30), others=100), at_a_lock(*range(5, 30), others=100)
    assert titles(seen(crowd, later)) == []


def test_a_semaphore_is_there_to_let_tasks_wait_but_not_for_ever() -> None:
    line = at_a_lock(2, 3, 4, kind="semaphore", seen=3.0)
    assert titles(seen(line, line)) == []
    line = at_a_lock(2, 3, 4, kind="semaphore", seen=11.0)
    assert titles(seen(line, line)) == ["3 tasks wait for a Semaphore, and none of them got it in 3.0 s"]


def test_a_semaphore_that_nobody_is_seen_to_hold_is_told_at_once_and_as_what_it_is() -> None:
    def line(seen: float) -> LoopSnapshot:
        waits = [wants(7, kind="semaphore", what="Semaphore")._replace(place=place, total=2) for place in (1, 2)]
        return snapshot(*(task(number, wait, seen=seen) for number, wait in enumerate(waits, 2)))

    (cause,) = causes(seen(line(3.0), line(3.0)))
    assert (cause.title, cause.severity) == ("2 tasks wait for a Semaphore, and none of them got it in 3.0 s", 1)
    assert cause.evidence[0].startswith(
        "Task-2 job2 (app.py:20) has waited at least 3.0 s for a Semaphore (1st of 2 in"
    )
    assert cause.advice == "Take it with async with, which releases it whatever happens."
    assert [cause.severity for cause in causes(seen(line(11.0), line(11.0)))] == [2]
    brief = seen(line(0.6), line(0.6))._replace(seconds=0.6)
    assert causes(brief) == []


def test_a_lock_before_which_most_of_few_tasks_stand_is_told_if_the_loop_is_idle() -> None:
    def look(*waiting: int, others: int = 2) -> LoopSnapshot:
        return at_a_lock(*waiting, others=others)

    crowd, later = look(2, 3, 4, 5, 6), look(4, 5, 6, 7, 8)
    assert titles(seen(crowd, later)) == ["5 tasks wait for a Lock, and 2 got it in 3.0 s"]
    assert titles(seen(crowd, look(4, 5, 6))) == []
    assert titles(seen(crowd, look(4, 5, 6, 7, 8, others=9))) == []
    assert titles(seen(crowd, later, Sampled(looks=300, busy=160))) == []
    assert titles(seen(crowd, later, utilisation=0.6)) == []
    assert titles(seen(crowd, later)._replace(seconds=2.0), line=3.5) == []


def test_a_deadlock_is_told_once() -> None:
    dead = snapshot(
        task(1, wants(7, 2), seen=3.0, **holding(8, 11)),
        task(2, wants(8, 1), seen=3.0, **holding(7, 12)),
        task(3, wants(8, 1), seen=3.0),
    )
    finding = Finding("deadlock", 3, "Task-1 and Task-2 wait for each other", ("how",), "what to do", (1, 2))
    (cause,) = causes(seen(dead, dead, findings=(finding,)))
    assert (cause.kind, cause.severity, cause.title, cause.command) == ("waiting", 3, finding.title, "%why 1")


def test_a_full_queue_is_told_once() -> None:
    putters = [
        task(number, Wait("queue.put", "Queue(maxsize=1)", 7, place=number, total=2), seen=9.0) for number in (1, 2)
    ]
    full = snapshot(*putters)
    finding = Finding("full-queue", 2, "2 tasks wait to put into a Queue(maxsize=1)", (), "", (1, 2))
    assert titles(seen(full, full, findings=(finding,))) == [
        "2 tasks wait to put into a Queue(maxsize=1), from which nothing was taken in 3.0 s"
    ]
    assert titles(seen(snapshot(), full, findings=(finding,))) == [finding.title]


# Executors


def full(queued: int) -> ExecutorInfo:
    return ExecutorInfo(2, 2, 0, queued, ("fetch", "fetch"))


def calling(number: int, seen: float) -> TaskInfo:
    return task(number, Wait("thread", "fetch", 0, started=False), seen=seen)


def test_an_executor_whose_queue_gets_shorter_is_healthy() -> None:
    assert titles(seen(executors=(full(9), full(8), full(7)))) == []
    assert titles(seen(executors=(full(9), full(2)._replace(idle=1), full(9)))) == []
    assert titles(seen(executors=(None, full(9)))) == []
    assert titles(seen(executors=(full(7), full(9), full(9)))) == ["all 2 threads work and 9 calls wait"]


def test_calls_of_an_executor_that_is_not_the_loops_own_are_told_if_none_began() -> None:
    waiting = snapshot(calling(1, 3.0), calling(2, 3.0))
    (cause,) = causes(seen(waiting, waiting))
    assert (cause.kind, cause.title) == ("executor", "2 calls wait for a thread, and none of them began in 3.0 s")
    assert cause.evidence == (
        "Task-1 job1 (app.py:10) waits to call fetch",
        "Task-2 job2 (app.py:20) waits to call fetch",
    )
    passing = snapshot(calling(1, 0.3), calling(2, 3.0))
    assert titles(seen(passing, passing)) == []


# Steps


def test_a_step_that_lasts_is_worse_than_a_queue_that_is_full() -> None:
    spell = Spell("worker (work)", 1, LINE, 2.5, 2.5, source="time.sleep(9)", call="time.sleep", cure="x", lasts=True)
    sampled = Sampled(looks=300, busy=250, spells=(spell,), held=2.5, longest=2.5, overdue=2.5)
    found = causes(seen(at_a_lock(2, 3), at_a_lock(2, 3), sampled))
    assert [(cause.kind, cause.severity) for cause in found] == [("blocked", 3), ("waiting", 2)]


def test_a_slow_step_refers_to_its_alert_by_its_line_or_else_by_its_task() -> None:
    spell = Spell("worker (work)", 5, LINE, 0.5, 0.5)
    sampled = Sampled(looks=300, busy=50, spells=(spell,), held=0.5, longest=0.5)
    elsewhere = Alert("slow-callback", "slow", where=Frame("work", APP, 13), task=5, number=8)
    other = Alert("slow-callback", "slow", where=Frame("work", APP, 13), task=6, number=9)
    there = Alert("blocked-loop", "slow", where=Frame("other", APP, 12), task=6, number=7)
    commands = [
        causes(seen(sampled=sampled, alerts=alerts))[0].command
        for alerts in ((elsewhere, there, other), (elsewhere, other), (other,), ())
    ]
    assert commands == ["%alerts 7", "%alerts 8", "%alerts", "%alerts"]


def test_a_step_that_kept_every_thread_from_running_does_not_belong_into_a_thread() -> None:
    spell = Spell("worker (work)", 5, LINE, 0.5, 0.5, looks=2, there=2, hidden=True)
    (cause,) = causes(seen(sampled=Sampled(looks=50, busy=5, spells=(spell,), held=0.5, longest=0.5)))
    assert cause.evidence == (
        f"{APP}, line 12",
        "it held the GIL, so that no other thread could run; looks that were made all the same: 2",
    )
    assert cause.advice == (
        "A thread does not help here: do it in pieces, or in another process (ProcessPoolExecutor)."
    )


def test_a_loop_that_is_busy_with_slow_steps_is_not_told_to_have_too_many() -> None:
    spell = Spell("worker (work)", 1, LINE, 0.5, 1.4)
    one = Sampled(looks=300, busy=290, spells=(spell,), held=1.4, longest=0.5)
    assert [cause.kind for cause in causes(seen(sampled=one))] == ["blocked", "busy"]
    assert [cause.kind for cause in causes(seen(sampled=one._replace(held=1.6)))] == ["blocked"]
    # What is left beside the slow steps is not busy.
    assert [cause.kind for cause in causes(seen(sampled=one._replace(busy=200)))] == ["blocked"]


@pytest.mark.parametrize(("looks", "busy", "told"), [(300, 271, True), (300, 269, False), (9, 9, False), (0, 0, False)])
def test_a_loop_is_busy_if_it_is_so_at_nine_of_ten_looks(looks: int, busy: int, told: bool) -> None:
    assert bool(causes(seen(sampled=Sampled(looks=looks, busy=busy)))) is told


def test_who_has_the_steps_is_told_by_looks_or_where_they_are_counted() -> None:
    hot = (Hot("poll", LINE, 200), Hot("a callback", None, 60), Hot("rare", LINE, 20))
    sampled = Sampled(looks=300, busy=300, hot=hot, processor=0.5)
    stats = (TaskStats(1, 60_000, 1.5), TaskStats(2, 500, 0.6), TaskStats(3, 9, 0.03), TaskStats(99, 60_000, 2.0))
    running = snapshot(task(1), task(2), task(3))
    measured: dict[str, Any] = {"utilisation": 0.97, "passes": 1234.5, "steps": 98765.4, "stats": stats}
    (cause,) = causes(seen(running, sampled=sampled, **measured))
    assert cause.evidence == (
        "it had something to do in 300 of 300 looks",
        "it was at work for 97% of the time, as measured",
        "its thread had 50% of a processor",
        "98,765 steps a second",
        "Task-1 job1 had 60,000 steps, which took 50% of the time",
        "Task-2 job2 had 500 steps, which took 20% of the time",
        "67% of that: poll, app.py:12",
        "20% of that: a callback, asyncio's own code",
    )
    commands = [causes(seen(sampled=sampled, **more))[0].command for more in (measured, {}, {"countable": False})]
    assert commands == [
        "%tasks --sort busy",
        "%tasks --sort busy --window 2",
        "%tasks --sort wakes --window 2",
    ]


def test_late_calls_alone_are_no_fault_of_the_loop() -> None:
    """Others may have had the processor."""
    assert causes(seen(sampled=Sampled(looks=300, lags=(0.001, 0.4, 0.5)))) == []


def test_a_loop_that_does_not_answer_and_whose_thread_is_not_seen_is_told() -> None:
    sampled = Sampled(looks=300, overdue=3.0)
    assert titles(seen(last=snapshot(thread="MainThread"), sampled=sampled)) == []
    assert titles(seen(last=snapshot(thread=""), sampled=sampled)) == [
        "the loop has not called back for 3.0 s, and its thread cannot be seen"
    ]


@pytest.mark.parametrize(
    ("collected", "title"),
    [
        (False, "a call into C held the loop and the GIL for about 600 ms; nobody could look"),
        (True, "a collection of garbage held the loop and the GIL for about 600 ms; nobody could look"),
    ],
)
def test_what_held_the_gil_is_told_with_the_line_that_was_measured(collected: bool, title: str) -> None:
    alert = Alert("blocked-loop", "held", where=LINE, source="sum(numbers)", number=4)
    (cause,) = causes(seen(sampled=Sampled(looks=9, hidden=0.6, collected=collected), alerts=(alert,)))
    assert (cause.title, cause.evidence, cause.command) == (title, (f"{APP}, line 12: sum(numbers)",), "%alerts 4")


# Many tasks


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ((100, 150, 190, 250), True),
        ((100, 250), False),
        ((100, 150, 150, 250), False),
        ((250, 240, 230, 220), False),
        ((100, 120, 140, 199), False),
        ((2000, 2010, 2020, 2030), False),
        ((240, 250, 255, 259), False),
    ],
    ids=["grows", "two looks", "stops", "shrinks", "few", "hardly", "by less than twenty"],
)
def test_a_crowd_grows_if_it_is_larger_at_each_look(history: tuple[int, ...], told: bool) -> None:
    place = ("fetch", "app.py:12")
    found = titles(seen(counts=tuple({place: count} for count in history)))
    assert found == (["250 tasks of fetch at app.py:12, 150 more than 3.0 s ago"] if told else [])


def test_tasks_take_too_much_memory_in_bytes_and_in_part() -> None:
    pending = snapshot(*(task(number, Wait("sleep", left=60.0)) for number in range(1, 1001)))
    large = seen(pending, pending, sizes=(100_000, 300_000), memory=(None, 500_000_000))
    (cause,) = causes(large)
    assert cause.title == "1,000 pending tasks take about 200 MB, of 500 MB that the process has"
    assert cause.evidence[:2] == (
        "about 200 kB each, estimated from 2 of them and what only they refer to",
        "1 of job1 at app.py:10",
    )
    assert titles(large._replace(memory=(None, 900_000_000))) == []
    assert titles(large, memory=300_000_000) == []
    assert titles(large._replace(memory=(None, None))) == ["1,000 pending tasks take about 200 MB"]


def test_of_many_findings_of_a_kind_a_few_are_told() -> None:
    findings = tuple(Finding("unretrieved", 2, f"Task-{n} failed", ("where",), "", (n,)) for n in range(1, 2001))
    found = causes(seen(findings=findings))
    assert [cause.title for cause in found] == [f"Task-{n} failed" for n in range(1, 6)]
    assert found[-1].evidence == ("where", "… and 1,995 more like it; %stuck lists them")
    assert {cause.kind for cause in found} == {"failed"}


# No fault


def test_the_largest_groups_of_tasks_that_stood_all_the_time_are_named_where_no_fault_is_found() -> None:
    numbers = itertools.count(1)

    def group(size: int, wait: Wait, **more: object) -> list[TaskInfo]:
        stack = (Frame("job", APP, 4),)
        made = {"seen": 3.0, "coroutine": "job", "stack": stack, **more}
        return [task(next(numbers), wait, **made) for _ in range(size)]

    getting = Wait("queue.get", "LifoQueue(maxsize=0)", 7)
    tasks = [
        *group(4, getting, coroutine="few"),
        *group(5, Wait("read", "StreamReader.read from a", 1)),
        *group(1, Wait("read", "StreamReader.read from b", 2)),
        *group(50, getting._replace(place=3, total=50)),
        *group(7, Wait("task", "other", tasks=(1,)), stack=()),
        *group(5, Wait("event", "Event", 9)),
        *group(5, Wait("sleep", left=60.0)),
        *group(60, Wait("event", "Event", 9), coroutine="new", seen=1.0),
        *group(60, Wait("event", "Event", 9), coroutine="ours", own=True),
    ]
    (cause,) = diagnose(seen(snapshot(*tasks))).causes
    assert (cause.kind, cause.severity, cause.command) == ("healthy", 0, "%tasks --group")
    assert cause.evidence == (
        "50 tasks of job at app.py:4 waited all the time: LifoQueue(maxsize=0).get, empty",
        "7 tasks of job waited all the time: a task",
        "6 tasks of job at app.py:4 waited all the time: read",
        "… and 2 smaller groups of tasks that did",
    )


def test_what_was_not_measured_is_drawn_as_a_dash() -> None:
    assert draw(diagnose(seen(sampled=Sampled()))) == (
        "loop 1 in thread MainThread, looked at for 3 s\n"
        "\n"
        "no fault found: no step held the loop up, and no line for a lock stood still\n"
        "  next: %doctor 30  (looks longer, for what comes now and then)\n"
        "\n"
        "at work              –  of 0 looks\n"
        "processor            –  of one, for the loop's thread\n"
        "called back late by  –\n"
        "longest step seen    –  by looks 10 ms apart\n"
        "passes a second      –\n"
        "steps a second       –  %stats on counts them\n"
        "tasks                0\n"
        "executor             –  none yet\n"
        "memory               –\n"
        "of pending tasks     –\n"
    )
