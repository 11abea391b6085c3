"""``--aiorepl-dump``: a report of every loop in the failure of a test that hangs.

The report is taken while the test still hangs: when it fails, its tasks are gone.
"""

import io
import os
import threading
from collections.abc import Generator
from typing import Any

import pytest

# Loaded before any test, as one that hangs may hold the lock of any import.
from aiorepl.api import dump
from aiorepl.pytest_plugin.patience import PATIENCE, Patience

__all__ = ["Reporting"]


class Reporting(Patience):
    """What was found when the time of a test ran out, until the test is reported on."""

    def __init__(self, after: float | None) -> None:
        """See ``Patience``."""
        super().__init__(after)
        # Standard error itself; pytest captures what is written to the other descriptor while a test runs.
        self._terminal = os.dup(2)
        self._reporting = threading.Lock()
        self._text = ""

    def pytest_unconfigure(self) -> None:
        """Give back what was opened."""
        os.close(self._terminal)

    def pytest_runtest_logstart(self) -> None:
        """Another test begins."""
        self._text = ""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, None]:
        """Put what was found into a failure."""
        report: pytest.TestReport = (yield).get_result()
        if report.failed and self._reporting.locked() and self._timer is not None:
            # It has begun and is nearly there.
            self._timer.join(PATIENCE)
        if report.failed and self._text:
            report.sections.append(("aiorepl dump", self._text))
            self._text = ""

    def ran_out(self, item: pytest.Item, after: float, *, will_fail: bool) -> None:
        """Take the report; where nothing will show it, write it."""
        with self._reporting:
            file = io.StringIO()
            print(f"{item.nodeid} after {after:g} s:", file=file)
            dump(file)
            self._text = file.getvalue()
        if not will_fail:
            # The process may be ended without a word of pytest's.
            os.write(self._terminal, f"\n{self._text}".encode(errors="backslashreplace"))
