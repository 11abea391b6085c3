"""The list of alerts: the same again is counted, the oldest are forgotten, and no alert is ever large."""

import threading
from collections.abc import Iterator

import pytest

from aiorepl.alerts.ledger import Ledger
from aiorepl.alerts.values import KINDS, Alert, Kind
from aiorepl.introspect.values import Frame

APP = "/srv/app.py"


class Clock:
    """Says what time it is when it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def slow(line: int, what: str = "a step was slow", kind: Kind = "slow-callback") -> Alert:
    return Alert(kind, what, where=Frame("work", APP, line))


def test_an_alert_gets_a_number_its_time_and_the_severity_of_its_kind() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    entered = ledger.add(slow(1))
    assert (entered.number, entered.first, entered.last, entered.times) == (1, 1000.0, 1000.0, 1)
    assert entered.severity == KINDS["slow-callback"].severity == "warning"
    assert ledger.add(slow(2, kind="deadlock")).severity == "error"
    assert ledger.get(1) == entered
    assert ledger.get(3) is None


def test_the_same_kind_at_the_same_line_is_one_alert_that_tells_the_latest() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    ledger.add(slow(1, "first"))
    clock.now = 1005.0
    again = ledger.add(slow(1, "second"))
    assert (again.number, again.what, again.times) == (1, "second", 2)
    assert (again.first, again.last) == (1000.0, 1005.0)
    assert ledger.list() == [again]


def test_another_line_another_kind_and_another_key_are_other_alerts() -> None:
    ledger = Ledger(Clock())
    ledger.add(slow(1))
    ledger.add(slow(2))
    ledger.add(slow(1, kind="blocked-loop"))
    ledger.add(slow(1), key="of its own")
    assert [alert.number for alert in ledger.list()] == [1, 2, 3, 4]
    assert [alert.number for alert in ledger.list("slow-callback")] == [1, 2, 4]


def test_without_a_line_two_are_the_same_if_they_say_the_same() -> None:
    ledger = Ledger(Clock())
    for what in ("the cable is out", "the cable is out", "the cable is in"):
        ledger.add(Alert("unhandled", what))
    assert [(alert.what, alert.times) for alert in ledger.list()] == [("the cable is out", 2), ("the cable is in", 1)]


def test_what_came_last_stands_at_the_end() -> None:
    ledger = Ledger(Clock())
    for line in (1, 2, 3, 1):
        ledger.add(slow(line))
    assert [alert.number for alert in ledger.list()] == [2, 3, 1]


def test_those_that_came_longest_ago_are_forgotten_and_counted() -> None:
    ledger = Ledger(Clock())
    for line in range(200):
        ledger.add(slow(line))
    ledger.add(slow(0))
    for line in range(200, 250):
        ledger.add(slow(line))
    listed = ledger.list()
    assert len(listed) == 200
    assert ledger.forgotten == 50
    # The first one has come again since, so that it is still known by its number; the second is not.
    assert ledger.get(1) is not None
    assert ledger.get(2) is None
    assert [listed[0].number, listed[-1].number] == [52, 250]
    assert ledger.add(slow(1)).number == 251


def test_one_that_has_been_forgotten_comes_back_as_a_new_one() -> None:
    ledger = Ledger(Clock())
    for line in range(201):
        ledger.add(slow(line))
    again = ledger.add(slow(0))
    assert (again.number, again.times) == (202, 1)


def test_more_can_be_said_of_an_alert_as_long_as_it_is_known() -> None:
    ledger = Ledger(Clock())
    ledger.add(slow(1))
    updated = ledger.update(1, duration=2.0, phase="ended")
    assert updated is not None
    assert (updated.duration, updated.phase, updated.times) == (2.0, "ended", 1)
    assert ledger.get(1) == updated
    ledger.clear()
    assert ledger.update(1, duration=3.0) is None


def test_what_was_cleared_is_gone_and_numbers_go_on() -> None:
    ledger = Ledger(Clock())
    for line in range(201):
        ledger.add(slow(line))
    assert ledger.clear() == 200
    assert (ledger.list(), ledger.forgotten) == ([], 0)
    again = ledger.add(slow(1))
    assert (again.number, again.times) == (202, 1)


@pytest.mark.parametrize("later", [False, True])
def test_every_text_is_bounded(later: bool) -> None:
    ledger = Ledger(Clock())
    large = Alert(
        "never-retrieved",
        "w" * 10_000,
        where=Frame("work", APP, 1),
        source="s" * 10_000,
        detail="begin" + "d" * 1_000_000 + "end",
        cure="c" * 10_000,
        stack=tuple(Frame("work", APP, line) for line in range(2_000)),
    )
    entered = ledger.add(large._replace(what="w", detail="", stack=(), source="", cure="") if later else large)
    if later:
        changed = ledger.update(
            1, what=large.what, detail=large.detail, stack=large.stack, source=large.source, cure=large.cure
        )
        assert changed is not None
        entered = changed
    assert entered.detail.startswith("begind")
    assert entered.detail.endswith("dend")
    assert "… 992,008 more characters …" in entered.detail
    # The innermost frames say where it happened.
    assert [frame.line for frame in entered.stack] == list(range(1_960, 2_000))
    assert max(len(entered.what), len(entered.source), len(entered.cure)) <= 1_000
    assert entered.what.endswith("…")


def alerts(count: int) -> Iterator[Alert]:
    return (slow(number % 50) for number in range(count))


def test_threads_that_report_at_the_same_time_lose_nothing() -> None:
    ledger = Ledger(Clock())
    threads = [threading.Thread(target=lambda: [ledger.add(alert) for alert in alerts(2_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listed = ledger.list()
    assert sum(alert.times for alert in listed) == 8_000
    assert sorted(alert.number for alert in listed) == list(range(1, 51))
