"""``pytest --aiorepl-dump`` and ``--aiorepl``, in real runs of pytest."""

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from person import CONTROL_C, CONTROL_D, Person
from processes import ROOT, Home

HANGS = """
import asyncio

def test_hangs():
    async def wait_for_ever():
        await asyncio.Event().wait()
    async def main():
        task = asyncio.create_task(wait_for_ever(), name="the-waiter")
        await task
    asyncio.run(main())
"""
BLOCKS = """
import asyncio, time

def test_blocks():
    async def main():
        time.sleep(1000)
    asyncio.run(main())
"""
PASSES = """
def test_passes():
    pass
"""
FAILS = """
def test_fails():
    assert 0
"""


def run_pytest(home: Home, tests: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run tests with the two plugins alone, whatever else is installed."""
    (home.path / "test_it.py").write_text(tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "aiorepl.pytest_plugin", "-p", "pytest_timeout", *arguments],
        capture_output=True,
        text=True,
        cwd=home.path,
        env=home.environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        timeout=60,
    )


def section(output: str) -> str:
    """What stands in the failure under our title."""
    _, _, rest = output.partition("- aiorepl dump -")
    return rest.partition("\n")[2].partition("\n====")[0]


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        pytest.param(HANGS, ["the-waiter", "test_it.py:6"], id="a task waits for ever"),
        pytest.param(BLOCKS, ["test_it.py:6"], id="the loop is blocked"),
    ],
)
def test_the_report_is_in_the_failure_of_a_test_that_times_out(home: Home, tests: str, expected: list[str]) -> None:
    ended = run_pytest(home, tests, "--aiorepl-dump", "--timeout=2", "--timeout-method=signal")
    assert ended.returncode == 1
    found = section(ended.stdout)
    assert found.startswith("test_it.py::test_")
    assert " after 1.6 s:\n" in found
    for text in expected:
        assert text in found
    assert "aiorepl report" not in ended.stderr


def test_the_report_is_on_the_terminal_if_the_process_is_ended_by_the_timeout(home: Home) -> None:
    ended = run_pytest(home, HANGS, "--aiorepl-dump", "--timeout=2", "--timeout-method=thread")
    assert ended.returncode == 1
    assert "\ntest_it.py::test_hangs after 1.6 s:\n" in ended.stderr
    assert "the-waiter" in ended.stderr


def test_a_test_without_a_time_limit_is_reported_on_the_terminal_while_it_hangs(home: Home) -> None:
    (home.path / "test_it.py").write_text(HANGS)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "aiorepl.pytest_plugin", "--aiorepl-dump", "--aiorepl-after=0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home.path,
        env=home.environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    ) as process:
        assert process.stderr is not None
        try:
            lines: list[str] = []
            while not lines or "test_it.py:6" not in lines[-1]:
                lines.append(process.stderr.readline())
                assert lines[-1], lines
        finally:
            process.kill()
    assert lines[1] == "test_it.py::test_hangs after 0.1 s:\n"


def test_a_test_that_is_slow_and_fails_has_the_report_and_its_teardown_has_not(home: Home) -> None:
    tests = """
import asyncio, pytest

@pytest.fixture
def watch(request):
    return request.config.pluginmanager.get_plugin("aiorepl-reporting")

@pytest.fixture
def broken():
    yield
    raise ValueError("in teardown")

def test_slow(watch, broken):
    async def main():
        while not watch._text:
            await asyncio.sleep(0.01)
        assert False
    asyncio.run(main())
"""
    ended = run_pytest(home, tests, "--aiorepl-dump", "--aiorepl-after=0.1")
    assert ended.stdout.count("- aiorepl dump -") == 1
    assert "test_it.py:16" in section(ended.stdout)


@pytest.mark.parametrize("tests", [PASSES, FAILS])
def test_a_test_that_ends_in_time_has_no_report(home: Home, tests: str) -> None:
    ended = run_pytest(home, tests, "--aiorepl-dump", "--timeout=50")
    assert "aiorepl" not in ended.stdout + ended.stderr


def test_nothing_is_reported_unless_asked_for(home: Home) -> None:
    ended = run_pytest(home, HANGS, "--timeout=0.5", "--timeout-method=signal")
    assert ended.returncode == 1
    assert "aiorepl" not in ended.stdout + ended.stderr


def test_pytest_finds_the_plugin_where_aiorepl_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (name,) = project["entry-points"]["pytest11"].values()
    assert hasattr(importlib.import_module(name), "pytest_addoption")


PROMPTED = """
import asyncio

def test_passes():
    pass

def test_fails():
    print("captured")
    share = 0.5
    assert 1 / int(share)

async def use(slots):
    await slots.acquire()

def test_hangs():
    async def main():
        slots = asyncio.Semaphore(2)
        print("begun")
        async with asyncio.TaskGroup() as group:
            users = [group.create_task(use(slots), name=f"user-{n}") for n in range(3)]
    asyncio.run(main())

def test_that_is_async_by_a_plugin():
    async def test():
        deadline = 4
        await asyncio.Event().wait()
    with asyncio.Runner() as runner:
        runner.run(test())

def test_last():
    pass
"""


@pytest.fixture
def prompted(tmp_path: Path) -> Iterator[Person]:
    (tmp_path / "test_it.py").write_text(PROMPTED)
    plugins = ("-p", "aiorepl.pytest_plugin", "-p", "pytest_timeout")
    options = ("--aiorepl", "--timeout=1", "--aiorepl-after=0.2", "-p", "no:cacheprovider")
    with Person(
        tmp_path,
        "-m",
        "pytest",
        *plugins,
        *options,
        command=(sys.executable,),
        columns=120,
        rows=80,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    ) as person:
        yield person


def test_a_prompt_opens_where_a_test_fails_and_beside_one_that_hangs(prompted: Person) -> None:
    person = prompted
    person.waits_for_prompt()
    assert person.shows("^E +ZeroDivisionError: division by zero$")
    assert person.shows("^captured$")
    assert person.runs("share, type(_exc).__name__") == ["(0.5, 'ZeroDivisionError')"]
    person.send(CONTROL_D)

    person.sees(r"^aiorepl beside test_it.py::test_hangs, which has run for 0.2 s; cells run on its loop")
    person.waits_for_prompt()
    assert person.runs("slots.locked(), len(users)") == ["(True, 3)"]
    assert person.runs("%stuck")[0] == "lost-wait: user-2 use waits for a Semaphore that nobody else has"
    # What limits the time of a test waits for as long as there is the prompt.
    person.runs("await asyncio.sleep(1.1)")
    person.runs("slots.release()")
    person.sees("^test_it.py::test_hangs ended by itself after ")
    assert person.runs("slots.locked()") == ["True"]
    person.send(CONTROL_D)

    person.sees("^aiorepl beside test_it.py::test_that_is_async")
    person.waits_for_prompt()
    assert person.runs("deadline") == ["4"]
    person.send(CONTROL_D)
    person.sees("the prompt has been left and test_it.py::test_that_is_async_by_a_plugin goes on; Ctrl-C stops it")
    person.send(CONTROL_C)
    assert person.ends() == 2
    assert person.shows("^=+ 1 failed, 2 passed in ")


def test_quit_ends_the_run(prompted: Person) -> None:
    person = prompted
    person.waits_for_prompt()
    person.send(CONTROL_D)
    person.sees("^aiorepl beside test_it.py::test_hangs")
    person.waits_for_prompt()
    person.enters("%quit")
    assert person.ends() == 2
    assert person.shows("KeyboardInterrupt")


def test_without_a_terminal_the_tests_run_as_ever(home: Home) -> None:
    ended = run_pytest(home, FAILS + PASSES, "--aiorepl")
    assert ended.returncode == 1
    assert "1 failed, 1 passed" in ended.stdout
    why = "was passed over: the standard input is not a terminal"
    assert f"aiorepl: aiorepl.post_mortem() in test_fails (test_it.py, line 3) {why}" in ended.stderr


def test_workers_have_no_terminal(home: Home) -> None:
    ended = run_pytest(home, PASSES, "-p", "xdist", "-n", "2", "--aiorepl")
    assert ended.returncode == 4
    assert "--aiorepl needs the terminal, which the workers of pytest-xdist do not have: -n 0" in ended.stderr
