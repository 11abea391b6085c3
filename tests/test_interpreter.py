"""Cells: their values, their failures, and the world that they run in."""

import pickle
import re
import sys
import threading
import traceback
from collections.abc import Iterator

import pytest
from cells import PATIENCE, Cells, only, running_cells, without_carets

from aiorepl.interpret.interrupt import raise_in
from aiorepl.introspect.failures import describe
from aiorepl.model import Failure, Leave, Notice, Result


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    with running_cells() as cells:
        yield cells


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("6 * 7", "42"),
        ("await asyncio.sleep(0, 'slept')", "'slept'"),
        ("x = 1\nx + 1", "2"),
        ("[x async for x in numbers()]", "[0, 1]"),
        ("x = 1; x", "1"),
        ("'a' 'b'", "'ab'"),
        ("None", ""),
        ("await asyncio.sleep(0)", ""),
        ("x = 1", ""),
        ("", ""),
        ("for x in range(3): x", ""),
        ("6 * 7;", ""),
        ("await asyncio.sleep(0, 'slept');  # hidden", ""),
    ],
)
def test_the_value_of_the_last_expression_is_shown(cells: Cells, text: str, shown: str) -> None:
    cells.run("async def numbers():\n    for x in range(2):\n        yield x")
    assert cells.shown(text) == shown


def test_statements_that_await_run(cells: Cells) -> None:
    cells.run(
        "import contextlib\n"
        "seen = []\n"
        "@contextlib.asynccontextmanager\n"
        "async def manage(name):\n"
        "    yield name\n"
        "async def numbers():\n"
        "    yield 1\n"
    )
    cells.run("async with manage('a') as name:\n    seen.append(name)")
    cells.run("async for number in numbers():\n    seen.append(number)")
    cells.run("seen += {x: await asyncio.sleep(0, x) async for x in numbers()}")
    assert cells.value("seen") == ["a", 1, 1]


def test_a_cell_stops_at_the_first_error(cells: Cells) -> None:
    ending = cells.run("x = 1\n1/0\nx = 2")
    assert ending.outcome == "error"
    assert isinstance(ending.exception, ZeroDivisionError)
    assert cells.value("x") == 1


def test_earlier_values_are_kept(cells: Cells) -> None:
    for text in ("'one'", "'two'", "x = 'not a value'", "None", "'five'"):
        cells.run(text)
    assert cells.value("_, __, ___, _1, _2, _5") == ("five", "two", "one", "one", "two", "five")
    assert not {"_3", "_4"} & cells.namespace.keys()


def test_an_underscore_of_the_users_is_left_alone(cells: Cells) -> None:
    cells.run("'one'")
    cells.run("from gettext import gettext as _")
    assert [cells.shown("_('two')"), cells.shown("_('three')")] == ["'two'", "'three'"]
    assert cells.value("_1, _3, _4, '__' in globals()") == ("one", "two", "three", False)
    cells.run("del _")
    cells.run("'six'")
    cells.run("'seven'")
    assert cells.value("_, __") == ("seven", "six")


def test_the_end_of_an_iterator_is_the_exception_that_it_is(cells: Cells) -> None:
    assert without_carets(cells.failure("next(iter([]))")) == (
        "Traceback (most recent call last):\n"
        '  File "<cell 1>", line 1, in <module>\n'
        "    next(iter([]))\n"
        "StopIteration\n"
    )
    kept = cells.value("_exc")
    assert isinstance(kept, StopIteration)
    assert (kept.__cause__, kept.__context__) == (None, None)
    cells.run("async def ends():\n    raise StopAsyncIteration(1)")
    assert isinstance(cells.run("await ends()").exception, StopAsyncIteration)
    assert isinstance(cells.run("raise StopAsyncIteration").exception, StopAsyncIteration)


@pytest.fixture
def own_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells may set ``sys.excepthook``."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


@pytest.mark.usefixtures("own_hook")
def test_an_excepthook_of_the_users_is_called_instead(cells: Cells) -> None:
    cells.run(
        "import sys, threading\n"
        "called = []\n"
        "def hook(kind, error, traceback):\n"
        "    called.append((kind, error, traceback.tb_frame.f_code.co_filename, threading.get_ident()))\n"
        "sys.excepthook = hook"
    )
    ending = cells.run("1/0")
    assert (ending.outcome, ending.events) == ("error", ())
    error = ending.exception
    assert cells.value("called") == [(ZeroDivisionError, error, "<cell 2>", cells.host.thread)]
    assert cells.value("_exc") is error


@pytest.mark.usefixtures("own_hook")
def test_an_excepthook_that_fails_leaves_the_traceback(cells: Cells) -> None:
    cells.run("import sys\nsys.excepthook = lambda *_: {}['nothing']")
    failure, notice = cells.run("1/0").events
    assert isinstance(failure, Failure)
    assert failure.summary == "ZeroDivisionError: division by zero"
    assert notice == Notice("sys.excepthook failed: KeyError: 'nothing'", "error")
    cells.run("sys.excepthook = lambda *_: sys.exit(3)")
    assert cells.run("1/0").events == (Leave(3),)


def test_a_cell_knows_what_its_step_has_held_the_loop_so_far(cells: Cells) -> None:
    ending = cells.run("import time; time.sleep(0.05)")
    assert 0.05 <= ending.on_loop <= ending.elapsed


def test_a_hidden_value_is_kept_too(cells: Cells) -> None:
    cells.run("'hidden';")
    assert cells.value("_") == "hidden"


def test_a_thousand_values_are_kept(cells: Cells) -> None:
    for number in range(1, 1004):
        cells.run(str(number))
    kept = sorted(int(name[1:]) for name in cells.namespace if re.fullmatch(r"_\d+", name))
    assert (kept[0], kept[-1], len(kept)) == (4, 1003, 1000)


def test_a_context_variable_set_in_one_cell_is_seen_in_the_next(cells: Cells) -> None:
    cells.run("from contextvars import ContextVar\nvar = ContextVar('var', default='unset')\nvar.set('by a cell');")
    assert cells.value("var.get()") == "by a cell"
    cells.run("async def change(value):\n    await asyncio.sleep(0)\n    var.set(value)")
    cells.run("await change('by an awaited coroutine')")
    assert cells.value("var.get()") == "by an awaited coroutine"
    cells.run("await asyncio.create_task(change('by a task'))")
    assert cells.value("var.get()") == "by an awaited coroutine"


def test_a_context_variable_set_before_a_failure_is_seen_after_it(cells: Cells) -> None:
    cells.run("from contextvars import ContextVar\nvar = ContextVar('var')")
    cells.run("await asyncio.sleep(0); var.set(1); 1/0")
    assert cells.value("var.get()") == 1


def test_cells_take_no_numbers_from_the_users_tasks(cells: Cells) -> None:
    make = "int(asyncio.create_task(asyncio.sleep(0)).get_name().removeprefix('Task-'))"
    first = cells.value(make)
    for _ in range(3):
        cells.run("await asyncio.sleep(0)")
    assert cells.value(f"{make} - {first}") == 1


def test_a_cell_is_a_task_with_a_name_of_its_own(cells: Cells) -> None:
    assert cells.value("asyncio.current_task().get_name()") == "cell 1"
    assert cells.value("await asyncio.sleep(0, asyncio.current_task().get_coro().__qualname__)") == "cell_2"


def test_a_task_factory_of_the_users_is_for_the_users_tasks(cells: Cells) -> None:
    cells.run(
        "made = []\n"
        "def factory(loop, coro, **options):\n"
        "    made.append(coro.__name__)\n"
        "    return asyncio.Task(coro, loop=loop, **options)\n"
        "asyncio.get_running_loop().set_task_factory(factory)"
    )
    cells.run("await asyncio.create_task(asyncio.sleep(0))")
    assert cells.value("made") == ["sleep"]


def test_main_is_clean(cells: Cells) -> None:
    assert cells.value("sorted(globals())") == [
        *("__annotations__", "__builtins__", "__doc__", "__loader__", "__name__", "__package__", "__spec__"),
        "asyncio",
    ]
    assert cells.value("__name__, __package__, __spec__, __doc__") == ("__main__", None, None, None)
    assert cells.value("import sys; sys.modules['__main__'].__dict__ is globals()") is True


def test_classes_and_functions_pickle(cells: Cells) -> None:
    cells.run("class Point:\n    def __init__(self, x):\n        self.x = x\ndef double(x):\n    return 2 * x")
    assert cells.value("import pickle; pickle.loads(pickle.dumps(Point(3))).x") == 3
    assert cells.value("pickle.loads(pickle.dumps(double)) is double") is True
    assert b"__main__" in pickle.dumps(cells.namespace["double"])


def test_annotations_stay_in_the_namespace(cells: Cells) -> None:
    cells.run("x: int = 1")
    assert cells.value("x") == 1


def test_future_imports_hold_from_cell_to_cell(cells: Cells) -> None:
    cells.run("from __future__ import annotations")
    assert cells.value("def f(x: undefined): pass\nf.__annotations__") == {"x": "undefined"}


@pytest.mark.parametrize(
    ("text", "leave"),
    [
        ("exit(3)", Leave(3)),
        ("raise SystemExit", Leave(0)),
        ("import sys; sys.exit(256)", Leave(0)),
        ("raise SystemExit(-1)", Leave(255)),
        ("raise SystemExit(True)", Leave(1)),
        ("raise SystemExit('some text')", Leave(1, "some text")),
        ("raise SystemExit((1, 2))", Leave(1, "(1, 2)")),
        ("await asyncio.sleep(0); raise SystemExit(7)", Leave(7)),
        ("async def f():\n    await asyncio.sleep(0)\n    raise SystemExit(7)\nawait f()", Leave(7)),
    ],
)
def test_system_exit_asks_to_leave(cells: Cells, text: str, leave: Leave) -> None:
    ending = cells.run(text)
    assert ending.events == (leave,)
    # The loop goes on all the same.
    assert cells.value("1") == 1


def test_keyboard_interrupt_in_a_cell_is_one_line(cells: Cells) -> None:
    ending = cells.run("x = 1\nraise KeyboardInterrupt")
    assert ending.outcome == "interrupted"
    assert only(ending.events, Failure).text == "KeyboardInterrupt (<cell 1>, line 2)\n"
    assert "_exc" not in cells.namespace


def test_a_cancelled_cell_is_a_failure_unless_it_was_interrupted(cells: Cells) -> None:
    text = "asyncio.current_task().cancel(); await asyncio.sleep(0)"
    assert cells.run(text).outcome == "error"
    execution = cells.start("await asyncio.Event().wait()")
    execution.interrupted = True
    cells.host.call(lambda: execution.task is not None and execution.task.cancel())
    assert execution.done.result(PATIENCE).outcome == "interrupted"


def test_a_cell_that_is_cancelled_before_its_first_step_ends(cells: Cells) -> None:
    execution = cells.start("x = 1")

    def cancel() -> None:
        assert execution.task is not None
        execution.task.cancel()

    cells.host.loop.call_soon_threadsafe(cancel)
    assert execution.done.result(PATIENCE).outcome in ("interrupted", "ok")


def test_a_cell_that_is_executing_is_interrupted(cells: Cells) -> None:
    entered = threading.Event()
    cells.namespace["entered"] = entered
    execution = cells.start("entered.set()\nwhile True:\n    pass")
    assert entered.wait(PATIENCE)
    assert execution.gate.interrupt(raise_in)
    ending = execution.done.result(PATIENCE)
    assert ending.outcome == "interrupted"
    assert re.fullmatch(r"KeyboardInterrupt \(<cell 1>, line [23]\)\n", only(ending.events, Failure).text)


def test_a_repr_that_takes_for_ever_is_interrupted(cells: Cells) -> None:
    entered = threading.Event()
    cells.namespace["entered"] = entered
    cells.run("class Slow:\n    def __repr__(self):\n        entered.set()\n        while True: pass")
    execution = cells.start("Slow()")
    assert entered.wait(PATIENCE)
    assert execution.gate.interrupt(raise_in)
    assert execution.done.result(PATIENCE).outcome == "interrupted"


def test_a_message_that_takes_for_ever_is_interrupted(cells: Cells) -> None:
    entered = threading.Event()
    cells.namespace["entered"] = entered
    cells.run("class Slow(Exception):\n    def __str__(self):\n        entered.set()\n        while True: pass")
    execution = cells.start("raise Slow")
    assert entered.wait(PATIENCE)
    assert execution.gate.interrupt(raise_in)
    failure = only(execution.done.result(PATIENCE).events, Failure)
    # It is what Python makes of any exception from an exception's own __str__.
    assert failure.text.endswith("    raise Slow\nSlow: <exception str() failed>\n")


def test_a_repr_that_fails_is_one_line(cells: Cells) -> None:
    cells.run("class Broken:\n    def __repr__(self):\n        1/0")
    result = only(cells.run("Broken()").events, Result)
    assert result.text.startswith("<__main__.Broken object at 0x")
    assert result.text.endswith("> (Broken.__repr__ raised ZeroDivisionError: division by zero)")
    assert result.note == ""


def test_a_display_hook_of_the_users_shows_values(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(sys, "displayhook", seen.append)
    assert cells.shown("6 * 7") == ""
    assert cells.run("7;").outcome == "ok"
    assert seen == [42]
    assert cells.value("_1") == 42


def test_the_last_exception_is_kept(cells: Cells) -> None:
    error = cells.run("1/0").exception
    assert cells.value("_exc") is error is sys.last_value
    assert sys.last_type is ZeroDivisionError
    if sys.version_info >= (3, 12):
        assert sys.last_exc is error


def test_a_traceback_begins_in_the_cell_and_has_its_source(cells: Cells) -> None:
    cells.run("def inner():\n    raise ValueError('no')\n")
    cells.run("async def outer():\n    await asyncio.sleep(0)\n    inner()\n")
    assert without_carets(cells.failure("x = 1\nawait outer()")) == (
        "Traceback (most recent call last):\n"
        '  File "<cell 3>", line 2, in <module>\n'
        "    await outer()\n"
        '  File "<cell 2>", line 3, in outer\n'
        "    inner()\n"
        '  File "<cell 1>", line 2, in inner\n'
        "    raise ValueError('no')\n"
        "ValueError: no\n"
    )


# Each leaves ``raise_it``, which raises something that is hard to print.
HARD = {
    "a note": "def raise_it():\n    e = ValueError('a'); e.add_note('one\\ntwo'); raise e",
    "a cause": "def raise_it():\n    try: 1/0\n    except Exception as e: raise ValueError('a') from e",
    "a context": "def raise_it():\n    try: 1/0\n    except Exception: raise ValueError('a')",
    "from None": "def raise_it():\n    try: 1/0\n    except Exception: raise ValueError('a') from None",
    "a group": "def raise_it():\n    raise ExceptionGroup('g', [ValueError('a'), ExceptionGroup('h', [KeyError(1)])])",
    "a task group": (
        "async def fail(): await asyncio.sleep(0); {}['key']\n"
        "async def raise_it():\n    async with asyncio.TaskGroup() as tg:\n        tg.create_task(fail())\n"
        "        tg.create_task(fail())"
    ),
    "gather": "async def fail(): 1/0\nasync def raise_it(): await asyncio.gather(fail(), asyncio.sleep(1))",
    "a timeout": "async def raise_it():\n    async with asyncio.timeout(0): await asyncio.sleep(9)",
    "a syntax error": "def raise_it(): compile('x = = 1', 'f.py', 'exec')",
    "a recursion": "def raise_it(): raise_it()",
    "a cycle": "def raise_it():\n    e = ValueError(1); e.__cause__ = e.__context__ = KeyError(2); raise e",
    "a cancellation": "async def raise_it(): raise asyncio.CancelledError('why')",
    "a broken message": "class E(Exception):\n    def __str__(self): 1/0\ndef raise_it(): raise E",
    "a name": "def raise_it(): asyncio.sleeep",
    "eval": "def raise_it(): eval('1/0')",
    "a library": "import json\ndef raise_it(): json.loads('{')",
    "many lines": "def raise_it():\n    return (1 +\n        None +\n        2)",
    "a thread": "async def raise_it(): await asyncio.to_thread(lambda: 1/0)",
    "a lambda in a chain": "f = lambda: (lambda: {}['k'])()\ndef raise_it(): f()",
}


@pytest.mark.parametrize("what", HARD)
def test_a_traceback_is_what_python_prints_but_for_our_frames(cells: Cells, what: str) -> None:
    cells.run(HARD[what])
    call = "await raise_it()" if "async def raise_it" in HARD[what] else "raise_it()"
    error = cells.run(call).exception
    assert error is not None
    told = describe(error).text
    assert "aiorepl" not in told
    assert told == python_prints(error)


def python_prints(error: BaseException) -> str:
    """What Python prints, if the traceback begins with the cell's own frame."""
    own = error.__traceback__
    while own is not None and not own.tb_frame.f_code.co_filename.startswith("<cell"):
        own = own.tb_next
    return "".join(traceback.TracebackException(type(error), error, own, compact=True).format())


def test_an_exception_without_a_frame_of_the_users_is_told(cells: Cells) -> None:
    assert cells.failure("asyncio.current_task().cancel()\nawait asyncio.sleep(0)").endswith(
        "asyncio.exceptions.CancelledError\n"
    )


def test_an_exception_can_be_raised_again(cells: Cells) -> None:
    cells.run("def fail():\n    raise ValueError('no')")
    cells.run("await asyncio.sleep(0)\nfail()")
    assert without_carets(cells.failure("raise _exc")) == (
        "Traceback (most recent call last):\n"
        '  File "<cell 3>", line 1, in <module>\n'
        "    raise _exc\n"
        '  File "<cell 2>", line 2, in <module>\n'
        "    fail()\n"
        '  File "<cell 1>", line 2, in fail\n'
        "    raise ValueError('no')\n"
        "ValueError: no\n"
    )


def test_a_message_of_any_length_is_cut(cells: Cells) -> None:
    told = cells.failure("raise ValueError('x' * 10_000_000)")
    assert len(told) < 250_000
    assert "… 9," in told


def test_a_cell_in_a_thread_has_no_loop(cells: Cells) -> None:
    cell = cells.interpreter.compile(
        "import threading\ntry: asyncio.get_running_loop()\n"
        "except RuntimeError: where = threading.current_thread().name\nwhere",
        "<cell 1>",
        remember=True,
    )
    ending = cells.interpreter.start_in_thread(1, cell).done.result(PATIENCE)
    assert ending.value == "cell 1"


def test_a_cell_that_awaits_cannot_run_in_a_thread(cells: Cells) -> None:
    cell = cells.interpreter.compile("await asyncio.sleep(0.01)", "<cell 1>", remember=True)
    ending = cells.interpreter.start_in_thread(1, cell).done.result(PATIENCE)
    assert ending.outcome == "error"


def test_what_a_parked_cell_waits_on_is_said(cells: Cells) -> None:
    parked = threading.Event()
    cells.namespace["parked"] = parked
    cells.run("event = asyncio.Event()")
    execution = cells.start("asyncio.get_running_loop().call_soon(parked.set)\nawait event.wait()")
    assert parked.wait(PATIENCE)
    assert not execution.executing
    assert execution.waits_on() == "Event.wait (line 2 of <cell 2>)"
    cells.run("event.set()")
    assert execution.done.result(PATIENCE).outcome == "ok"
    assert execution.waits_on() == ""
