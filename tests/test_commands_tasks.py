"""The task commands: lists and names on made-up snapshots, the whole of each in real sessions."""

import asyncio
import json
import math
import threading
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
from command_session import Typed, new_session, type_lines

from aiorepl.commands import cancelling
from aiorepl.commands.cancelling import cancel, cancel_on_loop
from aiorepl.commands.context import Context
from aiorepl.commands.json_data import to_data
from aiorepl.commands.registry import COMMANDS
from aiorepl.commands.task_graphs import ending_with, lock_list, task_details, task_tree
from aiorepl.commands.task_lists import Tasks, group_tasks, list_tasks, program_place
from aiorepl.commands.task_names import TaskName, find_one, find_some
from aiorepl.commands.task_stacks import group_stacks, task_stack
from aiorepl.commands.task_values import (
    Blocked,
    Cancellation,
    StuckReport,
    TaskDetails,
    TaskRef,
    TaskStack,
    TaskTable,
    TaskTree,
)
from aiorepl.errors import CommandError
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.values import (
    Frame,
    Held,
    LoopInfo,
    LoopSnapshot,
    State,
    TaskInfo,
    Timeout,
    Wait,
)
from aiorepl.introspect.words import wait_words
from aiorepl.model import Output

LOOP = LoopInfo(1, "loop", "MainThread", True)
LIBRARY = Frame("sleep", "/usr/lib/python3/asyncio/tasks.py", 600, library=True)


def at(line: int, function: str = "work") -> Frame:
    return Frame(function, "/srv/app.py", line)


def task(number: int, name: str = "", state: State = "waiting", **others: Any) -> TaskInfo:
    stack = others.pop("stack", (at(10),))
    coroutine = others.pop("coroutine", "work")
    return TaskInfo(number, name or f"Task-{number}", coroutine, state, stack, **others)


def seen(*tasks: TaskInfo, **others: Any) -> LoopSnapshot:
    return LoopSnapshot(LOOP, tasks, **others)


def numbers(table: TaskTable) -> list[int]:
    return [row.task.number for row in table.rows]


MIXED = seen(
    task(1, "main", "running", age=5.0, coroutine="main"),
    task(2, "worker-b", age=1.0, wait=Wait("sleep", left=9.0)),
    task(3, "worker-a", wait=Wait("lock", key=7), timeouts=(Timeout(2.0, at(3)),), coroutine="run.<locals>.serve"),
    task(4, "asks", own=True),
)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("number", [1, 2, 3]),
        ("name", [1, 3, 2]),
        ("state", [1, 2, 3]),
        ("age", [1, 2, 3]),
        ("left", [3, 2, 1]),
        ("coroutine", [1, 3, 2]),
    ],
)
def test_a_list_can_be_sorted_by(sort: Any, expected: list[int]) -> None:
    assert numbers(list_tasks(MIXED, sort=sort)) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("2", [2]), ("main", [1]), ("worker-*", [2, 3]), ("run.*", [3]), ("s*", [3]), ("nobody", []), ("w?rk", [2])],
)
def test_a_pattern_is_a_number_a_name_or_a_glob(pattern: str, expected: list[int]) -> None:
    assert numbers(list_tasks(MIXED, pattern)) == expected


def test_a_list_has_the_chosen_state_only_and_is_cut_with_a_count() -> None:
    assert numbers(list_tasks(MIXED, state="waiting")) == [2, 3]
    short = list_tasks(MIXED, top=1)
    assert (numbers(short), short.omitted, short.view.counts) == ([1], 2, (("running", 1), ("waiting", 2)))
    assert list_tasks(MIXED, top=-5).rows == ()


def test_what_is_aiorepls_own_is_hidden_unless_asked_for() -> None:
    assert numbers(list_tasks(MIXED)) == [1, 2, 3]
    assert numbers(list_tasks(MIXED, own=True)) == [1, 2, 3, 4]


def test_a_row_has_the_innermost_line_of_the_program_and_the_time_left() -> None:
    assert program_place((at(1), at(2), LIBRARY)) == at(2)
    assert program_place((LIBRARY,)) == LIBRARY
    assert program_place(()) is None
    assert [row.left for row in list_tasks(MIXED).rows] == [None, 9.0, 2.0]


def test_a_view_from_outside_names_the_culprit() -> None:
    loop = LOOP._replace(stack=(LIBRARY, at(41, "handle"), LIBRARY), current=1)
    table = list_tasks(LoopSnapshot(loop, MIXED.tasks, outside=True, error="half"))
    assert table.view.blocked == Blocked(at(41, "handle"), TaskRef(1, "main", "main", at(10)))
    assert table.view.error == "half"
    nobody = LoopSnapshot(loop._replace(current=None), (), outside=True)
    assert list_tasks(nobody).view.blocked == Blocked(at(41, "handle"), None)


def test_ten_thousand_tasks_become_a_few_rows() -> None:
    sleeping = [
        task(n, age=float(n), wait=Wait("sleep", left=float(n)), stack=(at(12), LIBRARY)) for n in range(1, 9001)
    ]
    queueing = [task(n, wait=Wait("queue.get", "Queue", 5, place=n)) for n in range(9001, 10001)]
    groups = group_tasks(seen(*sleeping, *queueing, task(10001, state="ready")))
    assert [(row.size, row.numbers, row.state, row.place, row.age) for row in groups.rows] == [
        (9000, (1, 2, 3, 4), "waiting", at(12), 9000.0),
        (1000, (9001, 9002, 9003, 9004), "waiting", at(10), None),
        (1, (10001,), "ready", at(10), None),
    ]
    assert group_tasks(seen(*sleeping, *queueing), top=1).omitted == 1


def test_stacks_that_are_equal_are_merged_whatever_they_wait_on() -> None:
    groups = group_stacks(seen(task(1), task(2, wait=Wait("lock")), task(3, stack=(at(10), at(20))), task(4, own=True)))
    assert [(group.size, group.numbers, group.stack) for group in groups.groups] == [
        (2, (1, 2), (at(10),)),
        (1, (3,), (at(10), at(20))),
    ]


def test_a_task_is_found_by_number_name_or_glob() -> None:
    tasks = seen(
        task(1, "2"), task(2, "reader"), task(3, "reader", "done"), task(4, "writer"), task(5, "own", own=True)
    )
    assert [find_one(tasks, name).number for name in ("2", "reader", "wri*", "5")] == [2, 2, 4, 5]
    assert [info.number for info in find_some(tasks, ["*r", "4"])] == [2, 4]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("reeder", "no task 'reeder'; did you mean 2 reader?"),
        ("999999", "no task '999999'; %tasks lists them"),
        ("own", "no task 'own'; %tasks lists them"),
        ("w*", "7 tasks match 'w*': 3 w3, 4 w4, 5 w5, 6 w6, 7 w7 and 2 more; name one by its number"),
    ],
)
def test_a_wrong_name_is_told_the_nearest(name: str, error: str) -> None:
    workers = [task(n, f"w{n}", coroutine="run") for n in range(3, 10)]
    tasks = seen(task(2, "reader", coroutine="run"), *workers, task(11, "own", own=True, coroutine="run"))
    with pytest.raises(CommandError) as caught:
        find_one(tasks, name)
    assert str(caught.value) == error


def test_completing_offers_numbers_and_names_of_the_last_look() -> None:
    context = cast(Context, SimpleNamespace(inspector=SimpleNamespace(last=MIXED)))
    found = COMMANDS.complete("%why wor", context) or []
    assert [(one.text, one.summary) for one in found] == [
        ("worker-b", f"2: work:10, {wait_words(Wait('sleep', left=9.0), str)}"),
        ("worker-a", f"3: run.<locals>.serve:10, {wait_words(Wait('lock'), str)}"),
    ]
    assert [one.text for one in COMMANDS.complete("%cancel main 1", context) or []] == ["1"]
    fresh = cast(Context, SimpleNamespace(inspector=SimpleNamespace(last=None)))
    assert COMMANDS.complete("%why ", fresh) == []


def test_completing_does_not_go_through_all_of_a_hundred_thousand() -> None:
    many = seen(*(task(n, wait=Wait("sleep")) for n in range(1, 100_001)))
    context = cast(Context, SimpleNamespace(inspector=SimpleNamespace(last=many)))
    assert len(COMMANDS.complete("%why ", context) or []) == 200
    assert COMMANDS.complete("%why Task-99999", context) == []


def test_what_ends_with_a_task_follows_the_awaits_and_the_groups() -> None:
    tasks = Tasks(
        seen(
            task(1, wait=Wait("task", tasks=(2,))),
            task(2, wait=Wait("gather", tasks=(3, 4))),
            task(3),
            task(4, wait=Wait("wait", tasks=(5,))),
            task(5),
            task(6, parent=1, grouped=True),
            task(7, parent=1),
            task(8, wait=Wait("shield", tasks=(4,))),
            task(9, wait=Wait("taskgroup", tasks=(10,))),
            task(10, parent=9, grouped=True),
        )
    )
    assert ending_with(tasks, [1]) == [2, 6, 3, 4, 8]
    assert ending_with(tasks, [3]) == [2, 1, 6]
    assert ending_with(tasks, [5]) == []
    assert ending_with(tasks, [10]) == []
    assert ending_with(tasks, [9]) == [10]


def test_what_ends_on_a_circle_is_all_of_it() -> None:
    circle = [task(n, wait=Wait("task", tasks=(n % 1000 + 1,))) for n in range(1, 1001)]
    assert sorted(ending_with(Tasks(seen(*circle)), [1])) == list(range(2, 1001))


def test_sync_objects_have_their_holders_and_a_line() -> None:
    held = Held(70, "lock", "Lock", at(41))
    tasks = Tasks(
        seen(
            task(1, holds=(held, Held(71, "semaphore", "Semaphore(2)", at(42)))),
            task(2, wait=Wait("lock", "Lock", 70, place=2)),
            task(3, wait=Wait("lock", "Lock", 70, place=1)),
            task(4, wait=Wait("task", key=72, tasks=(1,))),
        )
    )
    rows = lock_list(tasks).rows
    assert [(row.kind, row.what) for row in rows] == [("lock", "Lock"), ("semaphore", "Semaphore(2)")]
    assert rows[0].holders == (TaskRef(1, "Task-1", "work", at(41)),)
    assert [ref.number for ref in rows[0].waiters] == [3, 2]
    assert (rows[1].holders[0].place, rows[1].waiters) == (at(42), ())


def test_the_waiters_that_are_not_named_are_counted() -> None:
    waiting = [task(n, wait=Wait("event", "Event", 5, place=n)) for n in range(1, 31)]
    (row,) = lock_list(Tasks(seen(*waiting))).rows
    assert ([ref.number for ref in row.waiters], row.omitted) == (list(range(1, 21)), 10)


def test_everything_on_a_task_names_those_around_it() -> None:
    tasks = Tasks(
        seen(
            task(1),
            task(2, parent=1, wait=Wait("lock", key=5, holders=(3,))),
            task(3, parent=999999, wait=Wait("task", tasks=(2,))),
        )
    )
    two, three = (task_details(tasks, tasks.by_number[number]) for number in (2, 3))
    assert (two.parent, [ref.number for ref in two.holders]) == (TaskRef(1, "Task-1", "work", at(10)), [3])
    assert [ref.number for ref in two.awaited_by] == [3]
    assert ([ref.number for ref in three.awaits], three.parent) == ([2], TaskRef(999999, "task 999999"))


def test_a_tree_is_bounded_and_leaves_out_what_is_aiorepls_own() -> None:
    tree = task_tree(Tasks(seen(*(task(n) for n in range(1, 302)), task(500, own=True))))
    assert (len(tree.rows), tree.omitted, tree.view.total) == (200, 101, 301)


def test_a_long_stack_leaves_out_its_middle() -> None:
    info = task(1, stack=tuple(at(n) for n in range(1, 1001)))
    stack = task_stack(Tasks(seen(info)), info)
    lines = [frame.frame.line for frame in stack.frames]
    assert lines == [*range(1, 31), *range(971, 1001)]
    assert (stack.gap, stack.omitted) == (30, 940)


class Point(NamedTuple):
    x: float
    y: object


@dataclass(frozen=True, slots=True)
class Box:
    corner: Point
    names: tuple[str, ...]


def test_values_become_data_that_json_takes() -> None:
    box = Box(Point(1.5, {"a": 1, 2: (None, True)}), ("b", "ü"))
    assert to_data(box) == {"corner": {"x": 1.5, "y": {"a": 1, "2": [None, True]}}, "names": ["b", "ü"]}
    assert to_data((math.inf, Point, b"x")) == ["inf", "Point", "b'x'"]
    json.dumps(to_data(list_tasks(MIXED)), allow_nan=False)


def test_a_value_that_holds_itself_or_a_hostile_one_becomes_data() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise AssertionError("its code was run")

    loop: list[object] = [Hostile()]
    loop.append(loop)
    data = to_data(loop)
    assert data[0].endswith("Hostile>")
    assert json.dumps(data).count("[") == 30


# In a session: real tasks on a real loop.

PROGRAM = """
async def sleeper(started):
    count = 3
    started.set()
    await asyncio.sleep(1000)

async def begin(name, function, *arguments):
    started = asyncio.Event()
    made = asyncio.create_task(function(started, *arguments), name=name)
    await started.wait()
    return made

async def awaiter(started, other):
    started.set()
    await other()
"""


def session(*lines: str) -> list[Typed]:
    return type_lines(PROGRAM, *lines)[1:]


def number_of(typed: Typed) -> str:
    """The number of the only task in an answer."""
    (row,) = cast(TaskTable, typed.answer).rows
    return str(row.task.number)


def test_tasks_lists_what_runs_beside_the_prompt() -> None:
    *_, table, found, nothing = session(
        "a = await begin('alpha', sleeper)", "b = await begin('beta', sleeper)", "%tasks", "%ps beta", "%tasks gamma"
    )
    assert isinstance(table.answer, TaskTable)
    assert [(row.task.name, row.task.state, row.place and row.place.function) for row in table.answer.rows] == [
        ("alpha", "waiting", "sleeper"),
        ("beta", "waiting", "sleeper"),
    ]
    assert [row.task.name for row in cast(TaskTable, found.answer).rows] == ["beta"]
    assert nothing.drawn == "no tasks\n"


def test_a_task_that_has_ended_is_told_how() -> None:
    *_, failed, told, listed = session(
        "async def fail(): raise ValueError('x')",
        "t = asyncio.create_task(fail(), name='failing'); _ = await asyncio.wait([t])",
        "_ = t.exception()",
        "%task failing",
        "%where failing",
        "%tasks --state failed",
    )
    assert isinstance(failed.answer, TaskDetails)
    assert (failed.answer.row.task.state, failed.answer.row.task.outcome) == ("failed", "ValueError('x')")
    assert told.drawn.partition(" ")[2] == (
        "failing: failed\n<cell 2>:1 in fail\n  > 1  async def fail(): raise ValueError('x')\n"
    )
    assert [row.task.name for row in cast(TaskTable, listed.answer).rows] == ["failing"]


def test_where_shows_source_of_cells_and_locals_when_asked() -> None:
    _, plain, full = session("a = await begin('alpha', sleeper)", "%where alpha", "%where alpha --locals")
    assert isinstance(plain.answer, TaskStack)
    first = plain.answer.frames[0]
    assert (first.frame.function, first.first, first.lines, first.locals) == (
        "sleeper",
        3,
        (
            "    count = 3",
            "    started.set()",
            "    await asyncio.sleep(1000)",
            "",
            "async def begin(name, function, *arguments):",
        ),
        None,
    )
    assert isinstance(full.answer, TaskStack)
    assert dict(full.answer.frames[0].locals or ())["count"] == "3"
    assert "  > 5      await asyncio.sleep(1000)\n" in plain.drawn


def test_where_needs_a_task_or_group() -> None:
    _, nothing, group = session("a = await begin('alpha', sleeper)", "%where", "%where --group")
    assert nothing.error == "which task? %where takes a number or a name; %where --group shows all stacks"
    assert group.drawn.startswith("1 task: 1 waiting\n\n1 task (")


def test_why_says_that_nothing_can_end_a_wait() -> None:
    _, why, kept = session(
        "async def hears():\n    opened = asyncio.Event()\n    await opened.wait()\n"
        "async def has(event): await event.wait()\nevent = asyncio.Event()\n"
        "a = asyncio.create_task(hears(), name='a'); b = asyncio.create_task(has(event), name='b')\n"
        "await asyncio.sleep(0)",
        "%why a",
        "%why b",
    )
    assert "Nobody else has what a hears waits for: nothing but cancelling it ends that." in why.drawn
    assert "Nobody else" not in kept.drawn


def test_why_stuck_locks_and_tree_answer() -> None:
    _, why, stuck, locks, tree = session("a = await begin('alpha', sleeper)", "%why alpha", "%stuck", "%locks", "%tree")
    assert why.drawn
    assert stuck.drawn.startswith("nothing wrong was found in 1 task: looked for deadlocks, ")
    assert locks.drawn == "no task holds or waits on a lock, queue or the like\n"
    assert [row.row.task.name for row in cast(TaskTree, tree.answer).rows] == ["alpha"]


def test_the_first_stuck_names_what_failed_already() -> None:
    cell = "async def fail(): raise KeyError('id')\nf = asyncio.create_task(fail(), name='consumer')"
    _, stuck = session(cell, "%stuck")
    assert isinstance(stuck.answer, StuckReport)
    assert stuck.answer.findings == ()
    assert [finding.title for finding in stuck.answer.early] == ["consumer fail failed with KeyError('id')"]
    assert "nothing else was found in 0 tasks: looked for deadlocks" in stuck.drawn


def test_every_command_gives_json() -> None:
    typed = session("a = await begin('alpha', sleeper)", "%tasks --json", "%task alpha --json", "%where alpha --json")
    for one in typed[1:]:
        (text,) = [event.text for event in one.events if isinstance(event, Output)]
        assert json.loads(text)["view"]["total"] == 1


def test_cancel_asks_one_task_at_once() -> None:
    _, asked, after = session(
        "a = await begin('alpha', sleeper)", "%cancel alpha --message stop", "await asyncio.wait([a]); a"
    )
    assert asked.drawn.startswith("asked to end: ")
    assert "cancelled" in after.result


def test_cancel_passes_the_message_on() -> None:
    *_, message = session(
        "said = []",
        "async def listen(started):\n    started.set()\n    try:\n        await asyncio.sleep(1000)\n"
        "    except asyncio.CancelledError as error:\n        said.extend(error.args)",
        "a = await begin('alpha', listen)",
        "%cancel alpha --message 'too slow'",
        "await asyncio.wait([a]); said",
    )
    assert message.result == "['too slow']"


def test_cancel_asks_before_more_ends_than_was_named() -> None:
    *_, refused, pending, done = session(
        "a = await begin('alpha', sleeper)",
        "b = await begin('beta', awaiter, lambda: a)",
        "%cancel alpha --wait",
        "a.cancelling(), b.cancelling()",
        "%cancel alpha --wait --yes",
    )
    assert refused.error.startswith("this ends 2 tasks: ")
    assert refused.error.endswith("; %cancel alpha --wait --yes does it")
    assert pending.result == "(0, 0)"
    assert isinstance(done.answer, Cancellation)
    assert [(one.task.name, one.outcome) for one in done.answer.tasks] == [("alpha", "cancelled")]
    assert [ref.name for ref in done.answer.also] == ["beta"]


def test_cancel_of_a_glob_lists_what_it_stands_for() -> None:
    *_, refused = session("a = await begin('w-1', sleeper); b = await begin('w-2', sleeper)", "%cancel w-*")
    assert refused.error.startswith("this ends 2 tasks: ")
    assert "; %cancel w-* --yes does it" in refused.error


DEAF = """
enough = asyncio.Event()
async def deaf(started):
    started.set()
    while not enough.is_set():
        try:
            await enough.wait()
        except asyncio.CancelledError:
            pass
"""


def test_a_task_that_does_not_obey_is_told_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_PATIENCE", 0.1)
    *_, waited, _ = session(DEAF, "a = await begin('deaf', deaf)", "%cancel deaf --wait", "enough.set(); await a")
    assert isinstance(waited.answer, Cancellation)
    (one,) = waited.answer.tasks
    assert (one.outcome, one.row and one.row.place and one.row.place.line) == ("goes on", 7)


def test_what_is_told_of_many_cancellations_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_PATIENCE", 0.5)
    *_, refused, done = session(
        "b = await begin('deaf', deaf)\nfor n in range(30): _ = await begin(f'w-{n}', sleeper)".join([DEAF, ""]),
        "%cancel * --wait",
        "%cancel * --wait --yes",
        "enough.set(); await b",
    )[:-1]
    assert refused.error.startswith("this ends 31 tasks: ")
    assert " and 25 more; %cancel * --wait --yes does it" in refused.error
    assert isinstance(done.answer, Cancellation)
    assert [one.outcome for one in done.answer.tasks] == ["goes on", *["cancelled"] * 19]
    assert (done.answer.omitted, done.answer.also) == (11, ())


def test_cancel_refuses_what_has_ended_and_names_nothing() -> None:
    *_, ended, nothing, unknown = session(
        "a = await begin('alpha', sleeper); a.cancel(); _ = await asyncio.wait([a])",
        "%cancel alpha",
        "%cancel",
        "%cancel 999999",
    )
    assert ended.error.endswith(" alpha has ended already: cancelled")
    assert nothing.error == "which task? %cancel takes numbers, names or globs; %tasks lists them"
    assert unknown.error == "no task '999999'; %tasks lists them"


RING = """
ring = {}
async def next_to(name, entered, wrap=lambda task: task):
    entered.set()
    await wrap(ring[name])
async def close_ring():
    entered = [asyncio.Event(), asyncio.Event()]
    ring['a'] = asyncio.create_task(next_to('b', entered[0]), name='a')
    ring['b'] = asyncio.create_task(next_to('a', entered[1], asyncio.gather), name='b')
    for event in entered:
        await event.wait()
await close_ring()
"""


def test_a_circle_of_tasks_can_be_cancelled() -> None:
    *_, done, ended = session(RING, "%cancel a --wait --yes", "[t.cancelled() for t in ring.values()]")
    assert [(one.task.name, one.outcome) for one in cast(Cancellation, done.answer).tasks] == [("a", "cancelled")]
    assert ended.result == "[True, True]"


def test_a_task_that_awaits_into_a_circle_can_be_cancelled() -> None:
    *_, done, ended = session(
        RING,
        "c = await begin('c', awaiter, lambda: ring['a'])",
        "%cancel c --wait --yes",
        "[t.cancelled() for t in (c, *ring.values())]",
    )
    assert [(one.task.name, one.outcome) for one in cast(Cancellation, done.answer).tasks] == [("c", "cancelled")]
    assert {ref.name for ref in cast(Cancellation, done.answer).also} == {"a", "b"}
    assert ended.result == "[True, True, True]"


CHAIN = """
last = await begin('end', sleeper)
for n in range(3000):
    last = await begin(f'link-{n}', awaiter, lambda last=last: last)
"""


def test_a_chain_of_thousands_of_tasks_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_PATIENCE", 20.0)
    *_, done = session(CHAIN, "%cancel link-2999 --wait --yes")
    assert [(one.task.name, one.outcome) for one in cast(Cancellation, done.answer).tasks] == [
        ("link-2999", "cancelled")
    ]


def test_nothing_is_cancelled_from_outside_the_loop() -> None:
    async def main() -> None:
        waiting = asyncio.create_task(asyncio.Event().wait())
        number = BOOK.number_of(waiting)
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(cancel_on_loop, loop, [number]) is None
        assert not waiting.cancelling()
        asked = cancel_on_loop(loop, [number])
        assert asked is not None
        await asyncio.wrap_future(asked.all_ended)
        assert asked.endings == {number: "cancelled"}

    asyncio.run(main())


def test_cancel_refuses_aiorepls_own() -> None:
    context = cast(Context, SimpleNamespace(inspector=SimpleNamespace(snapshot=look_at_mixed)))
    with pytest.raises(CommandError, match="task 4 asks is aiorepl's own, or the cell that asks"):
        asyncio.run(cancel(context, TaskName("4")))


async def look_at_mixed(**_: object) -> LoopSnapshot:
    return MIXED


BLOCK = """
async def culprit():
    block()
blocker = asyncio.create_task(culprit(), name='blocker')
"""


def test_a_blocked_loop_names_the_culprit_and_cancels_nothing(looks_at_once: None) -> None:
    async def converse() -> list[Typed]:
        entered, leave = threading.Event(), threading.Event()

        def block() -> None:
            entered.set()
            leave.wait(20)

        session = new_session({"block": block})
        await session.open()

        async def submit(line: str) -> Typed:
            return Typed([event async for event in session.submit(line)])

        try:
            await submit(PROGRAM)
            await submit("a = await begin('alpha', sleeper)")
            await submit(BLOCK)
            assert await asyncio.to_thread(entered.wait, 20)
            return [await submit(line) for line in ("%tasks", "%where blocker", "%cancel alpha", "%stuck")]
        finally:
            leave.set()
            await session.aclose()

    tasks, where, refused, stuck = asyncio.run(converse())
    assert isinstance(stuck.answer, StuckReport)
    assert [(finding.kind, finding.severity) for finding in stuck.answer.findings] == [("blocked-loop", 3)]
    assert "nothing wrong was found" not in stuck.drawn
    assert isinstance(tasks.answer, TaskTable)
    blocked = tasks.answer.view.blocked
    assert blocked is not None
    assert blocked.task is not None
    assert (blocked.task.name, blocked.task.place and blocked.task.place.function) == (
        "blocker",
        "test_a_blocked_loop_names_the_culprit_and_cancels_nothing.<locals>.converse.<locals>.block",
    )
    assert next(frame.frame.function for frame in cast(TaskStack, where.answer).frames) == "culprit"
    assert refused.error == (
        "the loop does not answer, and only its own thread can cancel; nothing was done (see %loop)"
    )
