"""Values that several sessions change for a while are as they were found when the last one has left."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from aiorepl.alerts.overrides import Overrides


@dataclass(eq=False)
class Knob:
    value: int = 0


def new() -> tuple[Overrides[Knob, int], Knob]:
    return Overrides(lambda knob: knob.value, lambda knob, value: setattr(knob, "value", value)), Knob()


def test_the_last_word_counts_and_the_others_are_not_forgotten() -> None:
    overrides, knob = new()
    overrides.put(knob, "a", 1)
    overrides.put(knob, "b", 2)
    assert (knob.value, overrides.wish(knob, "a"), overrides.in_force(knob)) == (2, 1, 2)
    overrides.drop(knob, "a")
    assert knob.value == 2
    overrides.drop(knob, "b")
    assert (knob.value, overrides.wish(knob, "b"), overrides.in_force(knob)) == (0, None, None)


def test_what_the_program_has_set_meanwhile_stays() -> None:
    overrides, knob = new()
    overrides.put(knob, "a", 1)
    knob.value = 9
    overrides.drop(knob, "a")
    assert knob.value == 9


def test_everything_of_an_owner_is_dropped_at_once() -> None:
    overrides, knob = new()
    other = Knob(5)
    overrides.put(knob, "a", 1)
    overrides.put(other, "a", 2)
    overrides.put(other, "b", 3)
    assert overrides.subjects("a") == [knob, other]
    overrides.drop_all("a")
    assert (knob.value, other.value, overrides.subjects("a")) == (0, 3, [])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(1, 3))))
def test_in_whatever_order_they_come_and_go(steps: list[tuple[str, int | None]]) -> None:
    overrides, knob = new()
    wishes: dict[str, int] = {}
    for owner, value in steps:
        wishes.pop(owner, None)
        if value is None:
            overrides.drop(knob, owner)
        else:
            wishes[owner] = value
            overrides.put(knob, owner, value)
        assert knob.value == (list(wishes.values()) or [0])[-1]
    for owner in "abc":
        overrides.drop(knob, owner)
    assert knob.value == 0
