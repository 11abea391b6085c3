"""``%stats``, and what it adds to ``%tasks`` and ``%task``, in real sessions."""

import asyncio
import json
from asyncio import events
from collections.abc import Iterator
from typing import Any

import pytest
from command_session import Typed, new_session, type_lines

from aiorepl.alerts.price import price_of
from aiorepl.alerts.records import TaskStats, Woken
from aiorepl.alerts.stats import account_of, keep_statistics
from aiorepl.commands.task_lists import SortKey, Tasks, list_tasks
from aiorepl.commands.task_stats import Counts, woken_by
from aiorepl.commands.task_values import Counted, StatsState, TaskDetails, TaskTable
from aiorepl.interpret.daemon import in_thread
from aiorepl.introspect.values import LoopInfo, LoopSnapshot, TaskInfo
from aiorepl.model import Output

ORIGINAL = events.Handle._run

PROGRAM = """\
import time
async def worker():
    while True:
        await asyncio.sleep(0.001)
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end: pass

async def idle():
    await asyncio.Event().wait()

tasks = [asyncio.create_task(worker(), name="busy"), asyncio.create_task(idle(), name="idle")]
await asyncio.sleep(0)"""


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert events.Handle._run is ORIGINAL


def rows(typed: Typed) -> dict[str, TaskStats | None]:
    assert isinstance(typed.answer, TaskTable)
    return {row.task.name: row.stats for row in typed.answer.rows}


def test_tasks_show_their_steps_while_it_is_on_and_only_then() -> None:
    _, before, on, _, during, details, off, after = type_lines(
        PROGRAM, "%tasks", "%stats on", "await asyncio.sleep(0.05)", "%tasks", "%task busy", "%stats off", "%tasks"
    )
    assert rows(before) == rows(after) == {"busy": None, "idle": None}
    assert isinstance(on.answer, StatsState)
    assert (on.answer.on, on.answer.own, on.answer.price) == (True, True, None)
    assert off.answer == StatsState(on.answer.loop, False)
    busy, idle = rows(during)["busy"], rows(during)["idle"]
    assert busy is not None
    assert idle is not None
    assert busy.steps is not None
    assert busy.busy is not None
    # One step for each wake; the first may have been scheduled before, and the last be still to come.
    assert busy.wakes - busy.steps in (-1, 0, 1)
    assert busy.busy >= busy.steps * 0.001
    assert [one.by for one in busy.woken] == ["timer"]
    assert idle == TaskStats(idle.task, 0, 0.0, None, None, 0.0)
    assert isinstance(during.answer, TaskTable)
    assert during.answer.counted is not None
    assert during.answer.rows[0].woken_by == "timer"
    assert isinstance(details.answer, TaskDetails)
    assert details.answer.row.stats is not None


def test_without_a_word_it_tells_the_state_and_the_price() -> None:
    off, _, on = type_lines("%stats", "%stats on", "%stats")
    for typed, state in ((off, False), (on, True)):
        assert isinstance(typed.answer, StatsState)
        assert (typed.answer.on, typed.answer.own) == (state, state)
        assert typed.answer.price is not None
        assert typed.answer.price.without > 0
        assert typed.answer.price.ratio > 0


def test_measuring_a_price_takes_no_number_from_the_programs_tasks() -> None:
    async def number() -> int:
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        return int(task.get_name().rpartition("-")[2])

    async def main() -> None:
        before = await number()
        price = await in_thread(lambda: price_of(lambda loop: keep_statistics(loop).end, asyncio.SelectorEventLoop))
        assert await number() == before + 1
        assert price.without > 0

    asyncio.run(main())


def test_a_window_counts_for_as_long_as_it_lasts() -> None:
    _, window, again = type_lines(PROGRAM, "%tasks --sort busy --window 0.05", "%tasks")
    assert isinstance(window.answer, TaskTable)
    assert window.answer.counted is not None
    assert window.answer.counted.window
    assert window.answer.counted.elapsed >= 0.05
    assert [row.task.name for row in window.answer.rows] == ["busy", "idle"]
    stats = window.answer.rows[0].stats
    assert stats is not None
    assert stats.busy is not None
    assert 0.001 <= stats.busy <= window.answer.counted.elapsed
    assert rows(again) == {"busy": None, "idle": None}


def test_a_window_within_statistics_leaves_them_on() -> None:
    _, _, _, window, after = type_lines(
        PROGRAM, "%stats on", "await asyncio.sleep(0.05)", "%tasks --window 0.03", "%tasks"
    )
    short, whole = rows(window)["busy"], rows(after)["busy"]
    assert short is not None
    assert whole is not None
    assert short.steps is not None
    assert whole.steps is not None
    assert short.steps < whole.steps
    assert short.longest is None
    assert whole.longest is not None


def test_json_has_every_count() -> None:
    *_, typed = type_lines(PROGRAM, "%stats on", "await asyncio.sleep(0.02)", "%tasks busy --json")
    (output,) = [event for event in typed.events if isinstance(event, Output)]
    (row,) = json.loads(output.text)["rows"]
    assert row["stats"].keys() == set(TaskStats._fields)
    assert row["stats"]["steps"] > 0


def test_a_cell_can_ask_and_switch_but_not_wait_for_a_window() -> None:
    *_, switched, steps, window, state = type_lines(
        PROGRAM,
        "repl.stats('on').on",
        "await asyncio.sleep(0.02); repl.tasks('busy').rows[0].stats.steps > 0",
        "repl.tasks(window=1.0)",
        "repl.stats().price",
    )
    assert switched.result == "True"
    assert steps.result == "True"
    assert "CommandError: this waits for the loop, which a cell holds meanwhile" in window.failure
    assert state.outcome == "ok"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("%tasks --sort busy", "nothing is counted: %stats on, or %tasks --sort busy --window 2"),
        ("%tasks --window 0", "--window takes seconds, at most 3,600: --window 2"),
        ("%tasks --window nan", "--window takes seconds, at most 3,600: --window 2"),
        ("%tasks --group --window 1", "--group merges tasks, and what is counted is of each: leave one of them out"),
        ("%tasks --group --sort busy", "--group merges tasks, and what is counted is of each: leave one of them out"),
    ],
)
def test_what_cannot_be_counted_says_what_to_type_instead(line: str, error: str) -> None:
    (typed,) = type_lines(line)
    assert typed.error == error


def test_a_window_that_is_interrupted_leaves_nothing_behind() -> None:
    async def converse() -> None:
        session = new_session()
        # Nothing else measures steps.
        session.settings.set("slow", 0)
        await session.open()
        try:

            async def wait() -> None:
                assert [event async for event in session.submit("%tasks --window 60")]

            typed = asyncio.create_task(wait())
            while account_of(session.host.loop) is None:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.001)
            await session.interrupt()
            await typed
            assert account_of(session.host.loop) is None
        finally:
            await session.aclose()

    asyncio.run(converse())


def test_what_one_session_wants_is_not_ended_by_another() -> None:
    async def converse() -> None:
        first, second = new_session(), new_session()
        await first.open()
        await second.open()
        loop: Any = first.host.loop

        async def type_(session: Any, line: str) -> StatsState:
            answer = Typed([event async for event in session.submit(line)]).answer
            assert isinstance(answer, StatsState)
            return answer

        try:
            second.inspector.choose(loop)
            await type_(first, "%stats on")
            assert (await type_(second, "%stats on")).own
            await type_(first, "%stats off")
            state = await type_(first, "%stats on")
            assert (state.on, state.own) == (True, True)
            await type_(first, "%stats off")
            state = await type_(first, "%stats")
            assert (state.on, state.own) == (True, False)
        finally:
            await second.aclose()
        assert not (await type_(first, "%stats off")).on
        await first.aclose()

    asyncio.run(converse())


SNAPSHOT = LoopSnapshot(
    LoopInfo(1, "loop", "MainThread", True),
    tuple(TaskInfo(number, f"t{number}", "f", "waiting") for number in (1, 2, 3)),
)
COUNTS = Counts(
    {1: TaskStats(1, 5, 0.1, 0.05, None, 0.3, 50), 3: TaskStats(3, 9, 0.2, 0.04, None, 0.2, 9)}, Counted(1.0), True
)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("steps", [3, 1, 2]),
        ("busy", [3, 1, 2]),
        ("longest", [1, 3, 2]),
        ("waited", [1, 3, 2]),
        ("wakes", [1, 3, 2]),
    ],
)
def test_what_was_counted_most_comes_first(sort: SortKey, expected: list[int]) -> None:
    assert [row.task.number for row in list_tasks(SNAPSHOT, sort=sort, counts=COUNTS).rows] == expected


def test_a_task_that_has_done_nothing_has_zeros_where_steps_are_measured_and_nothing_elsewhere() -> None:
    assert Tasks(SNAPSHOT, COUNTS).row(SNAPSHOT.tasks[1]).stats == TaskStats(2, 0, 0.0, None, None, 0.0)
    assert COUNTS._replace(measured=False).of(2) == TaskStats(2)


def test_those_who_woke_a_task_the_most_are_named() -> None:
    woken = (Woken("timer", None, 9), Woken("f", 3, 5), Woken("g", 4, 1))
    assert woken_by(TaskStats(1, woken=woken, own=7), "t{}".format) == "timer, itself …"
    assert woken_by(TaskStats(1, woken=woken[1:]), "t{}".format) == "3 t3, 4 t4"
    assert woken_by(TaskStats(1), "t{}".format) == ""
