"""The examples of Python's page "Developing with asyncio" at the prompt: what a person sees, and what the page says."""

import asyncio
import contextlib
import difflib
import functools
import logging
import re

import pytest
from processes import ROOT

from docs import make_developing
from docs.make_developing import BLOCK, Factory, cells_of

PAGE = (ROOT / "docs" / "developing.md").read_text()

_TIME = re.compile(r"(about )?\b\d+(\.\d+)? (ns|us|ms|s)\b")
# What differs from one run to the next, or from one loop to the other.
_VARYING = (
    (re.compile(r"\b[\d.]+ times as long"), "N times as long"),
    (re.compile(r"\bTask-\d+"), "Task-N"),
    (re.compile(r"(?m)^loop \d+:"), "loop N:"),
    # pytest has some of its own.
    (re.compile(r"(?m)^(root|asyncio) +(\w+) +(\w+) +(.*)$(\n {20,}\w+Handler$)*"), r"\1 \2 \3"),
    (re.compile(r"(?m)^logger +level.*$"), "logger"),
    (re.compile(r"(?m)^task +\d+$"), "task N"),
    (re.compile(r"(?m)^came +.*$"), "came at some time"),
    (re.compile(r"(?m)^origin tracking +.*$"), "origin tracking, a line or none"),
    (re.compile(r"thread \w+_0, not the loop's: a RuntimeError in debug\s+mode"), "thread of the executor"),
    (re.compile(r"selector: \w+"), "selector: S"),
    # Two lines of one traceback, which Python 3.13 and later underline.
    (re.compile(r"(?m)^ +[~^]+\n"), ""),
)


@functools.cache
def asked(factory: Factory) -> str:
    """The page with what is answered now; where that differs, what is answered at the third time.

    A machine that is busy enough lets a call end before anybody could say that it lasts.
    """
    for _ in range(2):
        with contextlib.suppress(TimeoutError):
            if not differences(page := _answered(factory)):
                return page
    return _answered(factory)


def _answered(factory: Factory) -> str:
    # The page sets it.
    logger = logging.getLogger("asyncio")
    level = logger.level
    try:
        return asyncio.run(make_developing.answered(PAGE, factory))
    finally:
        logger.setLevel(level)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(ROOT)
    return asked(asyncio.new_event_loop)


def steady(page: str) -> str:
    """A page without what varies."""
    # Another test of this process may have loaded jedi, whose parser has loggers of its own.
    page = re.sub(r"(?m)^parso\b.*\n", "", _TIME.sub("T", page))
    for pattern, instead in _VARYING:
        page = pattern.sub(instead, page)
    return page


def differences(page: str) -> list[str]:
    """The lines that are not those of the page in the repository."""
    return [line for line in difflib.ndiff(steady(PAGE).splitlines(), steady(page).splitlines()) if line[0] != " "]


def block(page: str, cell: str) -> str:
    """The block in which this cell is typed, with all that is shown."""
    (found,) = [block["cells"] for block in BLOCK.finditer(page) if cell in cells_of(block["cells"])]
    return found


def test_every_example_is_answered_as_on_the_page(now: str) -> None:
    assert differences(now) == []


def test_uvloop_answers_the_same() -> None:
    uvloop = pytest.importorskip("uvloop")
    assert differences(asked(uvloop.new_event_loop)) == []


def test_the_page_names_no_folder_of_whoever_made_it() -> None:
    assert re.findall(r"(?:/home|/root|/tmp|/Users|/work)/\S*", PAGE) == []


# What Python's page says of each example, and what it says that its output is.


def test_call_soon_raises_in_another_thread_and_only_in_debug_mode(now: str) -> None:
    """Many non-threadsafe asyncio APIs raise an exception if they are called from a wrong thread."""
    plain = block(now, 'def other():\n    time.sleep(0.1)\n    loop.call_soon(print, "late")')
    assert "RuntimeError" not in plain
    assert "\nlate\n" in plain
    debug = now.partition('print, "refused"')[2].partition("```")[0]
    assert "\nRuntimeError: Non-thread-safe operation invoked on an event loop other than the current one\n" in debug
    assert "refused\n!" not in debug


def test_a_callback_is_scheduled_from_another_thread(now: str) -> None:
    """loop.call_soon_threadsafe(callback, *args), and loop.call_soon_threadsafe(fut.cancel)."""
    assert "\nfrom another thread\n```" in now
    assert "\ncancelled: True\n```" in now


def test_a_coroutine_is_scheduled_from_another_thread(now: str) -> None:
    """Its result is 42."""
    assert block(now, "async def coro_func():\n    return await asyncio.sleep(0.1, 42)").endswith("\n42\n")


def test_a_subprocess_is_talked_to(now: str) -> None:
    assert block(now, "await process.communicate()").endswith("\n(b'42\\n', None)\n")


def test_blocking_code_delays_all_tasks_unless_it_is_in_an_executor(now: str) -> None:
    blocking = block(now, 'task = asyncio.create_task(calls_it(), name="blocker")')
    (lasts, ended) = re.findall(r"(?m)^! \d+ blocking-call: (.*)", blocking)
    assert lasts.endswith(" so far")
    assert float(re.findall(r"(\d+) ms", ended)[0]) > 400
    executor = block(now, "async def runs_it():\n    return await loop.run_in_executor(None, blocking)")
    assert executor.endswith("\n['done', 'meanwhile']\n")


def test_the_level_of_the_logger_is_easily_adjusted(now: str) -> None:
    levels = re.findall(r"(?m)^asyncio +(\w+) ", block(now, 'logging.getLogger("asyncio").setLevel(logging.WARNING)'))
    assert levels == ["WARNING", "DEBUG"]


def test_a_coroutine_that_was_never_awaited(now: str) -> None:
    """RuntimeWarning: coroutine 'test' was never awaited; in debug mode with the calls that made it."""
    plain, debug = re.findall(r"(?m)^! \d+ never-awaited: (.*)\n  (.*)\n  (.*)", now)
    assert [one[0] for one in (plain, debug)] == ["coroutine 'test' was never awaited"] * 2
    assert [re.sub(r"cell \d+", "cell N", one[1]) for one in (plain, debug)] == ["<cell N>, line 2: test()"] * 2
    # The usual fix is to either await the coroutine or call create_task.
    assert plain[2].startswith("Write: await test(), or asyncio.create_task(test()) ")
    assert "never scheduled\n!" not in now
    stack = now.partition("\nstack\n")[2].partition("```")[0]
    assert re.sub(r"cell \d+", "cell N", stack) == "  <cell N>:1 in <module>\n  <cell N>:2 in main\n"


def test_an_exception_that_was_never_retrieved(now: str) -> None:
    """Its traceback; in debug mode also the traceback where the task was created."""
    plain, debug = re.findall(r"(?m)^! \d+ never-retrieved: (.*)\n", now)
    assert plain.endswith(" failed and nobody awaits it: Exception: not consumed")
    shown = steady(block(now, "%alerts 7"))
    assert 'in bug\n    raise Exception("not consumed either")\nException: not consumed either\n' in shown
    created = shown.partition("\ncreated at (most recent call last):\n")[2]
    assert re.sub(r"cell \d+", "cell N", created) == (
        '  File "<cell N>", line 1, in <module>\n    await main()\n'
        '  File "<cell N>", line 2, in main\n    asyncio.create_task(bug())\n'
    )
    assert debug.endswith("Exception: not consumed either")
