"""What tells a call into C that holds the GIL from a machine that is busy."""

import pytest

from aiorepl.alerts.gil import GilWatch


@pytest.mark.parametrize(
    ("late", "worked", "slept", "held"),
    [
        pytest.param(0.3, 0.29, 55, 0.3, id="held"),
        pytest.param(0.3, 0.29, 15, 0.3, id="held on a busy machine"),
        pytest.param(0.3, 0.29, 2, None, id="no processor for this thread"),
        pytest.param(0.3, 0.1, 55, None, id="held by another thread"),
        pytest.param(0.03, 0.03, 6, None, id="in time"),
        pytest.param(0.3, 0.29, None, 0.3, id="not counted"),
    ],
)
def test_late_is_not_held(late: float, worked: float, slept: int | None, held: float | None) -> None:
    cpu, sleeps = 7.0, 100
    watch = GilWatch(lambda: cpu, lambda: None if slept is None else sleeps)
    assert watch.held(50.0, 50.025) is None
    cpu, sleeps = cpu + worked, sleeps + (slept or 0)
    found = watch.held(50.0, 50.0 + late)
    assert found == (None if held is None else pytest.approx(held))
    assert watch.held(60.0, 60.025) is None


def test_what_the_thread_worked_before_it_was_known_does_not_count() -> None:
    cpu = 0.0
    watch = GilWatch(lambda: cpu, lambda: None)
    cpu = 7.0
    assert watch.held(50.0, 50.3) is None
