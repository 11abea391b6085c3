"""What is told about the usual mistakes of asynchronous code."""

import sys
import time
from collections.abc import Iterator

import pytest
from cells import Cells, running_cells
from loop_factories import EACH_LOOP, LoopFactory

FETCH = "async def fetch(x=1):\n    await asyncio.sleep(0)\n    return x"

# For where a coroutine would never be awaited: asyncio complains of the running loop first.
NO_COROUTINE = "def fetch(x=1): pass"


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    with running_cells() as cells:
        cells.run(FETCH)
        # What is never awaited here is so on purpose, and is not to be warned of.
        cells.namespace["close"] = lambda: cells.namespace["_"].close()
        yield cells


def test_a_coroutine_as_a_value_is_told_with_what_to_type(cells: Cells) -> None:
    assert cells.hints("fetch(  2 )") == ["that is a coroutine, and it runs only when awaited: await fetch( 2 )"]
    cells.run("close()")


def test_a_long_expression_is_cut(cells: Cells) -> None:
    argument = "'" + "x" * 100 + "'"
    (hint,) = cells.hints(f"fetch({argument})")
    assert hint == "that is a coroutine, and it runs only when awaited: await " + f"fetch({argument}"[:59] + "…"
    cells.run("close()")


def test_a_coroutine_that_is_not_the_value_is_not_told(cells: Cells) -> None:
    assert cells.hints("c = fetch()") == []
    assert cells.hints("await c") == []
    assert cells.hints("asyncio.create_task(fetch())") == []


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("asyncio.run(fetch(3))", "await fetch(3)"),
        ("x = asyncio.run(fetch())", "await fetch()"),
        ("asyncio.get_event_loop().run_until_complete(fetch(1))", "await fetch(1)"),
        ("def main():\n    return asyncio.run(fetch(4))\nmain()", "await fetch(4)"),
    ],
)
def test_running_a_loop_in_the_loop_is_told_with_what_to_type(cells: Cells, text: str, instead: str) -> None:
    cells.run(NO_COROUTINE)
    assert cells.hints(text) == [f"a loop is running here already, so type: {instead}"]


def test_running_a_loop_elsewhere_than_in_the_cell_is_told_without(cells: Cells) -> None:
    cells.run(NO_COROUTINE)
    cells.run("def main():\n    return asyncio.run(fetch())")
    assert cells.hints("main()") == [
        "a loop is running here already: await the coroutine instead of running a loop",
    ]


def test_a_mistake_that_is_no_run_of_a_loop_uses_up_no_hint(cells: Cells) -> None:
    cells.run(NO_COROUTINE)
    assert cells.hints("asyncio.get_running_loop().close()") == []
    cells.run("def main():\n    return asyncio.run(fetch())")
    assert len(cells.hints("main()")) == 1
    assert cells.hints("asyncio.run(fetch(5))") == ["a loop is running here already, so type: await fetch(5)"]


@pytest.mark.parametrize(
    "text",
    [
        "import signal; signal.signal(signal.SIGUSR1, print)",
        "import signal; asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)",
    ],
)
@EACH_LOOP
def test_a_signal_handler_outside_of_the_main_thread_is_told(
    monkeypatch: pytest.MonkeyPatch, factory: LoopFactory, text: str
) -> None:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    with running_cells(factory) as cells:
        assert cells.hints(text) == ["signal handlers need the main thread: start aiorepl with --main-loop"]


def test_any_other_runtime_error_is_not_told(cells: Cells) -> None:
    assert cells.hints("raise RuntimeError('something else')") == []


def test_each_kind_is_told_once_until_it_is_renewed(cells: Cells) -> None:
    assert len(cells.hints("fetch()")) == 1
    cells.run("close()")
    assert cells.hints("fetch()") == []
    cells.run("close()")
    cells.interpreter.hints.renew()
    assert len(cells.hints("fetch()")) == 1
    cells.run("close()")


def test_no_hint_where_they_are_off(cells: Cells) -> None:
    cells.interpreter.hints.enabled = False
    assert cells.hints("fetch()") == []
    cells.run("close()")


def hold(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_cell_that_blocked_others_is_told_how_not_to(cells: Cells) -> None:
    cells.namespace["hold"] = hold
    cells.run("other = asyncio.create_task(asyncio.Event().wait())")
    (hint,) = cells.hints("hold(0.15)")
    before, _, after = hint.partition(" s, and ")
    assert before.startswith("this cell blocked the loop for 0.")
    assert after == "another task stood still meanwhile; in a thread it does not: await asyncio.to_thread(hold, 0.15)"


def test_several_that_were_blocked_are_counted(cells: Cells) -> None:
    cells.namespace["hold"] = hold
    cells.run("others = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]")
    (hint,) = cells.hints("x = 1\nhold(0.15)\nawait asyncio.sleep(0)")
    assert hint.endswith(
        " s, and 3 other tasks stood still meanwhile; "
        "a sync call belongs in a thread: await asyncio.to_thread(function, ...)"
    )


def test_a_cell_that_blocked_nobody_is_not_told(cells: Cells) -> None:
    cells.namespace["hold"] = hold
    assert cells.hints("hold(0.15)") == []


def test_a_cell_that_let_others_run_is_not_told(cells: Cells) -> None:
    cells.run("other = asyncio.create_task(asyncio.Event().wait())")
    assert cells.hints("await asyncio.sleep(0.15)") == []
