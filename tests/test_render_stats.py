"""What the counts of tasks look like: whole screens."""

import pytest

from aiorepl.alerts.price import Price
from aiorepl.alerts.records import TaskStats, Woken
from aiorepl.commands.task_values import Counted, StatsState, TaskDetails, TaskRow, TaskTable, View
from aiorepl.introspect.values import Frame, TaskInfo, Wait
from aiorepl.render.plain import draw

FILE = "/srv/app.py"
PLACE = Frame("worker", FILE, 10)
INFO = TaskInfo(7, "reader", "main.<locals>.worker", "waiting", (PLACE,), Wait("sleep"))
STATS = TaskStats(
    7,
    12_345,
    1.5,
    0.25,
    Frame("worker", FILE, 12),
    0.0125,
    12_346,
    46,
    (Woken("timer", None, 12_000), Woken("f", 3, 300)),
)
ROW = TaskRow(INFO, PLACE, "sleep, 3.1 s left", None, STATS, "timer, 3 writer …")
BARE = TaskRow(INFO._replace(number=13, state="ready", wait=None), PLACE, "", None, TaskStats(13, wakes=5), "")
TABLE = TaskTable(View(2, (("ready", 1), ("waiting", 1))), (ROW, BARE), counted=Counted(12.34))


def test_a_table_has_what_was_counted_and_below_that_where_each_stands() -> None:
    assert draw(TABLE) == (
        "2 tasks: 1 ready, 1 waiting; counted for 12.3 s\n"
        "\n"
        " #  task    state     steps   busy  longest   waited   wakes  woken by\n"
        " 7  reader  waiting  12,345  1.5 s   250 ms  12.5 ms  12,346  timer, 3 writer…\n"
        "    worker app.py:10: sleep, 3.1 s left\n"
        "13  reader  ready         –      –        –        –       5  –\n"
        "    worker app.py:10\n"
    )


def test_where_there_is_room_each_task_has_one_line() -> None:
    assert draw(TABLE._replace(omitted=3, counted=Counted(2.0, window=True)), width=120) == (
        "2 tasks: 1 ready, 1 waiting; counted during 2 s\n"
        "\n"
        " #  task    state     steps   busy  longest   waited   wakes  woken by           "
        "coroutine, and what it waits on\n"
        " 7  reader  waiting  12,345  1.5 s   250 ms  12.5 ms  12,346  timer, 3 writer …  "
        "worker app.py:10: sleep, 3.1 s left\n"
        "13  reader  ready         –      –        –        –       5  –                  "
        "worker app.py:10\n"
        "… 3 more; --top N shows more, --group merges them\n"
    )


def test_one_task_tells_everything_that_was_counted() -> None:
    assert draw(TaskDetails(View(1), ROW)).partition("cancelled")[2] == (
        "      no\n"
        "steps          12,345, busy 1.5 s, the longest 250 ms (until app.py:12)\n"
        "waited to run  12.5 ms\n"
        "woken          12,346 times, 46 by itself\n"
        "by             timer: 12,000\n"
        "               3 f: 300\n"
        "\n"
        "stack\n"
        "  /srv/app.py:10 in worker\n"
    )
    assert draw(TaskDetails(View(1), BARE)).partition("cancelled")[2] == (
        "  no\nwoken      5 times\n\nstack\n  /srv/app.py:10 in worker\n"
    )


@pytest.mark.parametrize(
    ("state", "drawn"),
    [
        (StatsState(1, False), "nothing is counted of the tasks of loop 1\n%stats on begins it\n"),
        (
            StatsState(1, True, True, 80.8e-6, 0),
            "steps and wakes are counted of the tasks of loop 1 from now on\n"
            "%tasks and %task T show what is counted; %stats off ends it\n",
        ),
        (
            StatsState(1, True, True, 3.0, 1, price=Price(1.2e-6, 1.5e-6)),
            "steps and wakes are counted of 1 task of loop 1 for 3 s\n"
            "a step that only gives way takes 1.2 us, and 1.5 us if counted: 1.25 times\n"
            "%tasks and %task T show what is counted; %stats off ends it\n",
        ),
        (
            StatsState(2, True, False, 3.0, 1_200, measured=False),
            "steps and wakes are counted of 1,200 tasks of loop 2 for 3 s, for another\n"
            "session\n"
            "a loop of this kind runs the steps itself: wakes are counted, and how long a\n"
            "task was busy is not known\n",
        ),
    ],
)
def test_the_state_says_what_it_costs_and_how_to_go_on(state: StatsState, drawn: str) -> None:
    assert draw(state) == drawn
