"""``pytest --aiorepl-dump``, in real runs of pytest."""

import importlib
import subprocess
import sys
import tomllib

import pytest
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
        [sys.executable, "-m", "pytest", "-p", "aiorepl.pytest_plugin", "--aiorepl-dump-after=0.1"],
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
    return request.config.pluginmanager.get_plugin("aiorepl-watch")

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
    ended = run_pytest(home, tests, "--aiorepl-dump-after=0.1")
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
