"""Run some of CPython's own tests of asyncio, with every loop that they make watched, and print what failed as JSON.

    python tests/run_asyncio_tests.py [--plain] [--part K/N] NAME...

NAME is as for ``python -m unittest``, within ``test.test_asyncio``. With ``--plain`` nothing is watched, and with
``--part 2/3`` the second of each three tests is run. The file is a program of its own, as what is replaced is
replaced for the whole process.
"""

import argparse
import asyncio
import io
import itertools
import json
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiorepl.alerts.stats import keep_statistics
from aiorepl.alerts.steps import watch_steps
from aiorepl.alerts.turns import watch_turns

# To be sure that something was watched.
told: list[object] = []
seen = {"loops": 0, "passes": 0}


def watch_every_loop() -> None:
    """Switch everything on for each loop as soon as it has what that needs."""
    base: Any = asyncio.BaseEventLoop
    initialize, run_once = base.__init__, base._run_once

    def made(self: Any) -> None:
        initialize(self)
        seen["loops"] += 1
        watch_steps(self, slow=0.1, on_slow=told.append)
        keep_statistics(self)

    def run(self: Any) -> None:
        # The selector is set after that, and some tests have one of their own.
        if not getattr(self, "_turns_watched", False):
            self._turns_watched = True
            watch_turns(self, slow=0.1, on_slow=told.append)
        seen["passes"] += 1
        run_once(self)

    base.__init__, base._run_once = made, run


def each(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The tests of a suite, which may be made of suites."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()
    if not arguments.plain:
        watch_every_loop()
    names = [f"test.test_asyncio.{name}" for name in arguments.names]
    part, parts = map(int, arguments.part.split("/"))
    tests = each(unittest.defaultTestLoader.loadTestsFromNames(names))
    suite = unittest.TestSuite(itertools.islice(tests, part - 1, None, parts))
    result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    failed = [(test.id(), text) for test, text in (*result.failures, *result.errors)]
    failed += [(test.id(), "passed unexpectedly") for test in result.unexpectedSuccesses]
    print(json.dumps({"run": result.testsRun, "failed": dict(failed), "told": len(told), **seen}))


if __name__ == "__main__":
    main()
