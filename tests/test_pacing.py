"""Which alerts a person is shown: all that are new, as long as they can be read, and of the others a few."""

from aiorepl.alerts.ledger import Ledger
from aiorepl.alerts.pacing import Pacing
from aiorepl.alerts.values import Alert
from aiorepl.introspect.values import Frame


class Clock:
    """Says what time it is when it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Screen:
    """A ledger and a pacing that go by one clock, and what they show."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = Ledger(self.clock)
        self.pacing = Pacing(self.clock)
        # When each was shown, with its line and how often it had come.
        self.shown: list[tuple[float, int, int]] = []

    def at(self, time: float, line: int = 1) -> bool:
        """Something goes wrong in a line, at so many seconds; tell whether it is shown."""
        self.clock.now = 1000.0 + time
        alert = self.ledger.add(Alert("slow-callback", "slow", where=Frame("work", "/srv/app.py", line)))
        shown = self.pacing.show(alert)
        if shown:
            self.shown.append((time, line, alert.times))
        return shown

    def lasts(self, time: float, line: int = 1) -> tuple[Alert, bool]:
        """The same for what lasts."""
        self.clock.now = 1000.0 + time
        alert = Alert("blocked-loop", "holds", where=Frame("work", "/srv/app.py", line), phase="lasts")
        entered = self.ledger.add(alert)
        return entered, self.pacing.show(entered)

    def ends(self, time: float, alert: Alert) -> bool:
        self.clock.now = 1000.0 + time
        updated = self.ledger.update(alert.number, phase="ended")
        assert updated is not None
        return self.pacing.show(updated)

    def held_back(self, time: float) -> int:
        self.clock.now = 1000.0 + time
        return self.pacing.held_back()


def test_what_is_new_is_shown_at_once_but_three_in_a_second_at_most() -> None:
    screen = Screen()
    assert [screen.at(0.1 * line, line) for line in range(6)] == [True, True, True, False, False, False]
    assert screen.at(1.05, 7)
    assert screen.at(1.15, 8)


def test_where_more_and_more_come_it_is_said_every_two_seconds_how_many_were_not_shown() -> None:
    screen = Screen()
    said = []
    for step in range(1_000):
        screen.at(step / 100, step)
        if count := screen.held_back(step / 100):
            said.append((step / 100, count))
    assert [round(time) for time, _ in said] == [2, 4, 6, 8]
    assert sum(count for _, count in said) + len(screen.shown) + screen.held_back(20.0) == 1_000


def test_how_many_were_not_shown_is_said_when_there_is_room_again() -> None:
    screen = Screen()
    for line in range(10):
        screen.at(0.0, line)
    assert screen.held_back(0.5) == 0
    assert screen.held_back(1.1) == 7
    assert screen.held_back(1.2) == 0


def test_what_comes_again_is_shown_at_ten_a_hundred_and_so_on_and_after_half_a_minute() -> None:
    screen = Screen()
    for tenth in range(250):
        screen.at(tenth / 10)
    assert screen.shown == [(0.0, 1, 1), (0.9, 1, 10), (9.9, 1, 100)]
    assert not screen.at(30.0)
    assert screen.at(40.0)
    assert screen.shown[-1] == (40.0, 1, 252)


def test_what_comes_again_and_is_not_shown_is_not_counted_as_held_back() -> None:
    screen = Screen()
    for _ in range(9):
        screen.at(0.0)
    assert screen.held_back(2.0) == 0


def test_what_was_held_back_is_counted_once_however_often_it_comes() -> None:
    """It may be shown when it comes again, and there is room."""
    screen = Screen()
    for line in range(4):
        screen.at(0.0, line)
    for _ in range(5):
        assert not screen.at(0.5, 3)
    assert screen.held_back(1.1) == 1
    assert screen.at(1.2, 3)
    assert screen.held_back(2.5) == 0


def test_the_end_of_what_was_told_while_it_lasted_is_shown() -> None:
    screen = Screen()
    alert, shown = screen.lasts(0.0)
    assert shown
    assert screen.ends(0.5, alert)


def test_the_end_of_what_was_not_told_is_not_shown() -> None:
    screen = Screen()
    for line in range(3):
        screen.at(0.0, 10 + line)
    alert, shown = screen.lasts(0.1)
    assert not shown
    assert not screen.ends(0.2, alert)


def test_an_end_for_which_there_is_no_room_is_not_owed() -> None:
    screen = Screen()
    alert, _ = screen.lasts(0.0)
    for line in range(3):
        screen.at(0.1, 10 + line)
    assert not screen.ends(0.2, alert)
    assert not screen.ends(1.5, alert)


def test_ten_minutes_of_everything_going_wrong_are_a_few_lines_a_second() -> None:
    """And of a few things that go wrong a thousand times each, hardly any."""
    many = Screen()
    said: list[tuple[float, int]] = []
    for step in range(15_000):
        many.at(step / 25, step)
        if count := many.held_back(step / 25):
            said.append((step / 25, count))
    assert 1_500 <= len(many.shown) <= 1_803
    assert most_in_a_second(many.shown) == 3
    # Nothing is lost without a word, and the words do not take up the screen.
    assert 250 <= len(said) <= 300
    assert len(many.shown) + sum(count for _, count in said) + many.held_back(700.0) == 15_000
    few = Screen()
    for step in range(15_000):
        few.at(step / 25, step % 5)
    assert len(few.shown) <= 5 * (1 + 3 + 600 / 30)


def most_in_a_second(shown: list[tuple[float, int, int]]) -> int:
    times = [time for time, _, _ in shown]
    return max(sum(time - start < 0.999 for time in times[index : index + 10]) for index, start in enumerate(times))
