"""CPython's own tests of asyncio give the same results on loops whose steps are measured and counted."""

import importlib.util
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("run_asyncio_tests.py")
# Most of them wait for something, so that they are run side by side.
PARTS = (
    ("test_base_events", "test_futures", "test_locks", "test_queues", "test_timeouts"),
    ("test_events",),
    ("test_taskgroups",),
    ("--part=1/3", "test_tasks"),
    ("--part=2/3", "test_tasks"),
    ("--part=3/3", "test_tasks"),
)


def run(*arguments: str) -> dict[str, Any]:
    # In one process these would leave each other's replacements behind.
    command = [sys.executable, str(PROGRAM), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True, timeout=200)
    results: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return results


@pytest.mark.timeout(300)
def test_asyncios_own_tests_fail_on_watched_loops_only_where_they_fail_anyway() -> None:
    if importlib.util.find_spec("test.test_asyncio") is None:
        pytest.skip("this Python comes without the tests of asyncio")
    with ThreadPoolExecutor(len(PARTS)) as threads:
        results = list(threads.map(lambda part: run(*part), PARTS))
    assert sum(one["run"] for one in results) > 1500
    assert sum(one["loops"] for one in results) > 1500
    assert sum(one["passes"] for one in results) > 5_000
    failed = {name.removeprefix("test.test_asyncio."): text for one in results for name, text in one["failed"].items()}
    if failed:
        # On a busy machine one may come too late for what it waits for: each has a second chance, alone.
        again, plain = run(*failed), run("--plain", *failed)
        assert again["failed"].keys() <= plain["failed"].keys(), again["failed"]
