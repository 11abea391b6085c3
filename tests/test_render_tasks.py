"""What the task commands' answers look like: whole screens, 80 columns wide."""

import re

import pytest

from aiorepl.commands.task_values import (
    Blocked,
    Cancellation,
    CancelledTask,
    FrameSource,
    GroupRow,
    LockList,
    LockRow,
    Reason,
    StackGroup,
    StackGroups,
    StuckReport,
    TaskDetails,
    TaskGroups,
    TaskRef,
    TaskRow,
    TaskStack,
    TaskTable,
    TaskTree,
    TreeRow,
    View,
)
from aiorepl.introspect.values import (
    Explanation,
    Finding,
    Frame,
    Held,
    State,
    TaskInfo,
    Timeout,
    Wait,
)
from aiorepl.render import colored
from aiorepl.render.plain import draw

FILE = "/srv/app.py"
LOCKS = Frame("Lock.acquire", "/usr/lib/python3.13/asyncio/locks.py", 113, library=True)
VIEW = View(3, (("running", 1), ("waiting", 2)))
MAIN = TaskRef(1, "main", "main", Frame("main", FILE, 9))


def at(line: int, function: str = "worker") -> Frame:
    return Frame(function, FILE, line)


def row(
    number: int,
    name: str,
    waits: str = "",
    *,
    state: State = "waiting",
    age: float | None = None,
    timeouts: tuple[Timeout, ...] = (),
    error: str = "",
) -> TaskRow:
    info = TaskInfo(number, name, "worker", state, (at(10),), age=age, timeouts=timeouts, error=error)
    return TaskRow(info, at(10), waits)


TABLE = TaskTable(
    VIEW,
    (
        row(1, "main", state="running"),
        row(2, "writer", "Lock held by reader", age=12.4, timeouts=(Timeout(2.5, at(3)), Timeout(9, at(4)))),
        row(13, "late", "sleep, 3.1 s left", age=0.3, timeouts=(Timeout(-0.5, at(3)),)),
        row(14, "odd", error="TypeError: x"),
    ),
)
INFO = TaskInfo(
    number=7,
    name="writer",
    coroutine="main.<locals>.worker",
    state="waiting",
    stack=(at(10), at(52, "store"), LOCKS),
    wait=Wait("lock"),
    age=12.4,
    born=at(5, "main"),
    seen=3.2,
    parent=1,
    cancels=2,
    holds=(Held(1, "lock", "Lock", at(11)), Held(2, "semaphore", "", at(14))),
    timeouts=(Timeout(2.5, at(3)),),
    context=(("request", "'abc'"), ("user", "None")),
)
WRITER = TaskRow(INFO, at(52, "store"), "Lock held by reader (1st of 1 in line)")


def test_a_table_has_a_row_for_each_task_and_counts_the_rest() -> None:
    assert draw(TABLE._replace(omitted=4312)) == (
        "3 tasks: 1 running, 2 waiting\n"
        "\n"
        " #  task    state       age  coroutine         waits on\n"
        " 1  main    running       –  worker app.py:10\n"
        " 2  writer  waiting  12.4 s  worker app.py:10  Lock held by reader, timeout in\n"
        "                                               2.5 s\n"
        "13  late    waiting  300 ms  worker app.py:10  sleep, 3.1 s left, timeout was\n"
        "                                               due 500 ms ago\n"
        "14  odd     waiting       –  worker app.py:10  –; not read: TypeError: x\n"
        "… 4,312 more; --top N shows more, --group merges them\n"
    )


def test_an_empty_table_says_so() -> None:
    assert draw(TaskTable(View(0), ())) == "no tasks\n"


def test_a_look_from_outside_names_the_culprit_first() -> None:
    blocked = Blocked(at(41, "handle"), MAIN)
    view = VIEW._replace(blocked=blocked, error="RuntimeError: changed")
    assert draw(TABLE._replace(view=view, rows=())) == (
        "the loop does not answer: blocked in handle (app.py:41) by 1 main; this was seen\n"
        "from outside\n"
        "not everything could be read: RuntimeError: changed\n"
        "3 tasks: 1 running, 2 waiting\n"
    )
    nobody = VIEW._replace(blocked=Blocked(None, None))
    assert draw(LockList(nobody, ())) == (
        "the loop does not answer: blocked; this was seen from outside\n"
        "no task holds or waits on a lock, queue or the like\n"
    )


def test_ten_thousand_tasks_are_a_few_rows() -> None:
    groups = (
        GroupRow(10_000, (4, 5, 6, 7), "main.<locals>.worker", "waiting", at(12), "Queue(maxsize=0).get, empty", 1.2),
        GroupRow(2, (1, 2), "reader", "ready", at(17, "reader"), ""),
    )
    assert draw(TaskGroups(View(10_002, (("ready", 2), ("waiting", 10_000))), groups, 3)) == (
        "10,002 tasks: 2 ready, 10,000 waiting\n"
        "\n"
        " tasks  state    oldest  first  coroutine         waits on\n"
        "10,000  waiting   1.2 s      4  worker app.py:12  Queue(maxsize=0).get, empty\n"
        "     2  ready         –      1  reader app.py:17\n"
        "… 3 more groups; --top N shows more\n"
    )


TREE = TaskTree(
    View(6, (("waiting", 6),)),
    (
        TreeRow(0, row(1, "main", "gather, 2 of 2 pending")),
        TreeRow(1, row(2, "a", "task c"), "awaits"),
        TreeRow(2, row(4, "c", "sleep, 3.1 s left"), "awaits"),
        TreeRow(1, row(3, "b", "task c"), "awaits"),
        TreeRow(2, row(4, "c", "sleep, 3.1 s left"), "awaits", "shared"),
        TreeRow(0, row(5, "x", "task y")),
        TreeRow(1, row(6, "y", "task x"), "awaits"),
        TreeRow(2, row(5, "x", "task y"), "awaits", "cycle"),
    ),
)

HELD = TaskTree(
    View(3, (("waiting", 3),)),
    (
        TreeRow(0, row(1, "a", "lock of b")),
        TreeRow(1, row(2, "b", "sleep"), "holds", "shared"),
        TreeRow(1, row(9, "z", "sleep"), "holds", "shared"),
        TreeRow(0, row(2, "b", "sleep")),
        TreeRow(0, row(3, "c", "lock of b")),
        TreeRow(1, row(2, "b", "sleep"), "holds", "shared"),
    ),
)


def test_a_tree_refers_to_shared_children_and_marks_circles() -> None:
    assert draw(TREE) == (
        "6 tasks: 6 waiting\n"
        "\n"
        "task       state    coroutine         waits on\n"
        "1 main     waiting  worker app.py:10  gather, 2 of 2 pending\n"
        "├─ 2 a     waiting  worker app.py:10  task c\n"
        "│  └─ 4 c  waiting  worker app.py:10  sleep, 3.1 s left\n"
        "└─ 3 b     waiting  worker app.py:10  task c\n"
        "   └─ 4 c  waiting  worker app.py:10  drawn above\n"
        "5 x        waiting  worker app.py:10  task y\n"
        "└─ 6 y     waiting  worker app.py:10  task x\n"
        "   └─ 5 x  waiting  worker app.py:10  is awaited above: a circle\n"
    )


def test_a_tree_says_where_a_task_is_drawn_and_of_one_that_is_left_out_what_it_waits_on() -> None:
    assert draw(HELD) == (
        "3 tasks: 3 waiting\n"
        "\n"
        "task    state    coroutine         waits on\n"
        "1 a     waiting  worker app.py:10  lock of b\n"
        "├─ 2 b  waiting  worker app.py:10  drawn below\n"
        "└─ 9 z  waiting  worker app.py:10  sleep\n"
        "2 b     waiting  worker app.py:10  sleep\n"
        "3 c     waiting  worker app.py:10  lock of b\n"
        "└─ 2 b  waiting  worker app.py:10  drawn above\n"
    )


def test_a_tree_can_be_drawn_in_ascii() -> None:
    drawn = draw(TREE._replace(omitted=1), ascii=True)
    assert drawn.isascii()
    assert drawn.endswith(
        "`- 6 y     waiting  worker app.py:10  task x\n"
        "   `- 5 x  waiting  worker app.py:10  is awaited above: a circle\n"
        "... 1 more; %tree TASK draws those below one\n"
    )


def test_a_deep_tree_stays_on_the_screen() -> None:
    rows = tuple(TreeRow(depth, row(depth, "t", "task")) for depth in range(1000))
    lines = draw(TaskTree(View(1000), rows)).splitlines()
    assert lines[-1] == "                  └─ (999 deep) 999 t"[3:] + "  waiting  worker app.py:10  task"
    assert max(map(len, lines)) <= 80


def test_one_task_is_told_in_full() -> None:
    reader = TaskRef(3, "reader", "reader", at(41, "reader"))
    details = TaskDetails(
        VIEW, WRITER, parent=MAIN, awaits=(TaskRef(8, "child"),), awaited_by=(MAIN,), holders=(reader,)
    )
    assert draw(details) == (
        "7 writer\n"
        "state       waiting\n"
        "coroutine   worker app.py:52\n"
        "age         12.4 s\n"
        "made at     /srv/app.py:5 in main\n"
        "made by     1 main (app.py:9)\n"
        "waits on    Lock held by reader (1st of 1 in line)\n"
        "            for at least 3.2 s\n"
        "awaits      8 child\n"
        "held by     3 reader (app.py:41)\n"
        "holds       Lock since /srv/app.py:11 in worker\n"
        "            semaphore since /srv/app.py:14 in worker\n"
        "timeouts    timeout in 2.5 s, at /srv/app.py:3 in worker\n"
        "awaited by  1 main (app.py:9)\n"
        "cancelled   2 times\n"
        "context     request = 'abc'\n"
        "            user = None\n"
        "\n"
        "stack\n"
        "  /srv/app.py:10 in worker\n"
        "  /srv/app.py:52 in store\n"
        "  /usr/lib/python3.13/asyncio/locks.py:113 in Lock.acquire\n"
    )


def test_what_is_not_known_of_a_task_is_a_dash() -> None:
    ended = TaskRow(TaskInfo(3, "reader", "", "failed", outcome="ValueError('x')", cancels=1, error="odd"), None, "")
    assert draw(TaskDetails(VIEW, ended)) == (
        "3 reader\n"
        "state      failed\n"
        "coroutine  –\n"
        "age        –\n"
        "made at    –\n"
        "made by    –\n"
        "outcome    ValueError('x')\n"
        "cancelled  once\n"
        "not read   odd\n"
    )


def test_a_list_of_tasks_keeps_their_places_on_a_narrow_screen() -> None:
    table = TaskTable(VIEW, (row(7, "writer", "Lock held by reader", age=12.4), row(8, "fetcher-of-pages", "sleep")))
    assert draw(table, 40) == (
        "3 tasks: 1 running, 2 waiting\n"
        "\n"
        "#  task              state       age\n"
        "7  writer            waiting  12.4 s\n"
        "    worker app.py:10  Lock held by\n"
        "    reader\n"
        "8  fetcher-of-pages  waiting       –\n"
        "    worker app.py:10  sleep\n"
    )


def test_of_an_ended_task_only_cancellations_that_were_counted_are_shown() -> None:
    ended = TaskRow(TaskInfo(3, "reader", "", "cancelled"), None, "")
    assert draw(TaskDetails(VIEW, ended)) == (
        "3 reader\nstate      cancelled\ncoroutine  –\nage        –\nmade at    –\nmade by    –\n"
    )


STACK = TaskStack(
    VIEW,
    WRITER,
    (
        FrameSource(at(10), 8, ("    async def worker():", "        # go", "        await store()")),
        FrameSource(
            at(52, "store"),
            50,
            ("async def store(item):", "    x = 1", "    async with lock:", "        y = 2", ""),
            (("item", "3"), ("self", "<app.Store>")),
        ),
        FrameSource(LOCKS),
    ),
    gap=1,
    omitted=40,
)


def test_a_stack_has_source_and_locals_around_each_line_of_the_program() -> None:
    assert draw(STACK) == (
        "7 writer: waiting on Lock held by reader (1st of 1 in line)\n"
        "/srv/app.py:10 in worker\n"
        "     8  async def worker():\n"
        "     9      # go\n"
        "  > 10      await store()\n"
        "… 40 more frames …\n"
        "/srv/app.py:52 in store\n"
        "    50  async def store(item):\n"
        "    51      x = 1\n"
        "  > 52      async with lock:\n"
        "    53          y = 2\n"
        "    54\n"
        "    item  3\n"
        "    self  <app.Store>\n"
        "/usr/lib/python3.13/asyncio/locks.py:113 in Lock.acquire\n"
    )


def test_a_task_that_has_ended_has_no_frames() -> None:
    ended = TaskRow(TaskInfo(3, "reader", "read", "done", outcome="5"), None, "5")
    assert draw(TaskStack(VIEW, ended, ())) == "3 reader: done\nit has no frames\n"


def test_equal_stacks_are_merged() -> None:
    groups = (
        StackGroup(1200, (3, 4, 5, 6), "worker", (at(10), LOCKS), "Lock"),
        StackGroup(1, (1,), "main.<locals>.run", (at(3, "main.<locals>.run"),), ""),
    )
    assert draw(StackGroups(View(1201, (("waiting", 1201),)), groups, 2)) == (
        "1,201 tasks: 1,201 waiting\n"
        "\n"
        "1,200 tasks (3, 4, 5, 6 …): worker, waits on Lock\n"
        "  /srv/app.py:10 in worker\n"
        "  /usr/lib/python3.13/asyncio/locks.py:113 in Lock.acquire\n"
        "\n"
        "1 task (1): run\n"
        "  /srv/app.py:3 in run\n"
        "… 2 more groups\n"
    )


def test_a_reason_is_its_sentences() -> None:
    reason = Reason(VIEW, WRITER, Explanation(7, ("7 writer waits for 3 reader.", "3 reader sleeps.")))
    assert draw(reason) == "7 writer waits for 3 reader.\n3 reader sleeps.\n"


FINDINGS = (
    Finding("deadlock", 3, "2 tasks wait for each other", ("a: app.py:3", "b: app.py:5"), "Take locks in one order."),
    Finding("growing", 1, "300 tasks of worker", ("app.py:10",), "Limit them with a Semaphore."),
)


def test_findings_say_what_to_do() -> None:
    assert draw(StuckReport(VIEW, FINDINGS)) == (
        "deadlock: 2 tasks wait for each other\n"
        "    a: app.py:3\n"
        "    b: app.py:5\n"
        "  Take locks in one order.\n"
        "\n"
        "growing: 300 tasks of worker\n"
        "    app.py:10\n"
        "  Limit them with a Semaphore.\n"
    )


def test_where_nothing_is_wrong_it_says_what_was_looked_for() -> None:
    assert draw(StuckReport(VIEW, ())) == (
        "nothing wrong was found in 3 tasks: looked for deadlocks, waits that nothing can\n"
        "end, tasks that nobody holds or that ignore their cancellation, exceptions that\n"
        "nobody retrieved, full queues, a busy executor and coroutines that pile up\n"
        "(full queues, ignored cancellations and the like count when a second look, 5 s\n"
        "later, finds them again)\n"
    )


def test_what_may_pass_stands_below_what_is_wrong() -> None:
    failed = Finding("unretrieved", 2, "consumer failed with KeyError('id')", ("raised at app.py:3", "b"), "Await it.")
    may_pass = (
        "this may pass, and is a fault if a second look, 5 s later, finds it again:\n"
        "    unretrieved: consumer failed with KeyError('id') (raised at app.py:3)\n"
    )
    assert draw(StuckReport(VIEW, FINDINGS, (failed,))) == f"{draw(StuckReport(VIEW, FINDINGS))}\n{may_pass}"
    nothing = draw(StuckReport(VIEW, ())).replace("nothing wrong", "nothing else")
    assert " ".join(draw(StuckReport(VIEW, (), (failed,))).split()) == " ".join((may_pass + nothing).split())
    many = draw(StuckReport(VIEW, (), (failed._replace(evidence=()),) * 1_011))
    assert many.count("    unretrieved: consumer failed with KeyError('id')\n") == 10
    assert "\n    … 1,001 more\nnothing else was found in 3 tasks" in many


def test_locks_have_holders_and_a_line() -> None:
    reader = TaskRef(3, "reader", "reader", at(41))
    waiting = (TaskRef(7, "writer", "w", at(52)), TaskRef(9, "late", "w", at(60)))
    rows = (LockRow("lock", "Lock", (reader,), waiting, 3), LockRow("event", "", (), (TaskRef(1, "main"),)))
    assert draw(LockList(VIEW, rows, 4)) == (
        "Lock\n"
        "held by  3 reader (app.py:41)\n"
        "in line  1st  7 writer (app.py:52)\n"
        "         2nd  9 late (app.py:60)\n"
        "         … 3 more\n"
        "\n"
        "event\n"
        "in line  1st  1 main\n"
        "… 4 more\n"
    )
    line = LockRow("lock", "Lock", (), tuple(TaskRef(30 + number, f"req-{number}") for number in range(1, 12)))
    drawn = draw(LockList(VIEW, (line,))).splitlines()
    assert drawn[1] == "in line   1st  31 req-1"
    assert drawn[9:11] == ["          9th  39 req-9", "         10th  40 req-10"]


def test_a_cancellation_says_what_was_asked_and_what_came_of_it() -> None:
    asked = CancelledTask(TaskRef(7, "writer", "w", at(52)), "asked")
    assert draw(Cancellation((asked,), (MAIN, TaskRef(2, "other")))) == (
        "asked to end: 7 writer (app.py:52)\nand with that: 1 main, 2 other\n"
    )
    assert draw(Cancellation((asked,), (MAIN,), omitted=4000, also_omitted=3)) == (
        "asked to end: 7 writer (app.py:52)\n… 4,000 more\nand with that: 1 main and 3 more\n"
    )
    deaf = CancelledTask(TaskRef(8, "deaf"), "goes on", row(8, "deaf", "sleep, 3.1 s left", state="cancelling"))
    waited = (
        CancelledTask(TaskRef(1, "a"), "cancelled"),
        CancelledTask(TaskRef(2, "b"), "done"),
        CancelledTask(TaskRef(3, "c"), "failed"),
        CancelledTask(TaskRef(4, "d"), "ended"),
        deaf,
    )
    assert draw(Cancellation(waited, (), 2.0), 100) == (
        "1 a has ended: cancelled\n"
        "2 b has ended: it returned\n"
        "3 c has ended: it failed\n"
        "4 d has ended\n"
        "8 deaf has not ended within 2 s: it is cancelling at app.py:10, on sleep, 3.1 s left\n"
    )


@pytest.mark.parametrize("value", [TABLE, TREE, STACK, StuckReport(VIEW, FINDINGS)], ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("width", [20, 80])
def test_colours_add_nothing_but_escape_codes(value: object, width: int) -> None:
    painted = colored.draw(value, width, theme="dark", colors=256)
    assert painted != draw(value, width)
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == draw(value, width)


def test_no_text_of_the_program_steers_the_terminal() -> None:
    hostile = TaskRow(TaskInfo(1, "a\x1b[2J\n", "c\x07", "waiting"), Frame("f", "/x\x1b.py", 1), "w\r\n")
    assert draw(TaskTable(VIEW, (hostile,)), 100).splitlines()[-1] == (
        "1  a\\x1b[2J↵  waiting    –  c\\x07 x\\x1b.py:1  w\\r↵"
    )
