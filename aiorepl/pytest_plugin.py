"""For pytest: ``--aiorepl-dump`` puts a report of every loop into the failure of a test that hangs or times out.

The report is taken while the test still hangs: when it fails, its tasks are gone.
"""

import io
import os
import threading
from collections.abc import Generator
from typing import Any

import pytest

__all__: list[str] = []

# Seconds after which a test is thought to hang, where nothing limits its time.
_PATIENCE = 60.0
# The part of pytest-timeout's time after which there is still time for the report.
_SHARE = 0.8


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("aiorepl")
    group.addoption(
        "--aiorepl-dump",
        action="store_true",
        help="report what the tasks of every event loop are doing when a test times out or hangs",
    )
    group.addoption(
        "--aiorepl-dump-after",
        type=float,
        metavar="SECONDS",
        help="when to do so (default: after four fifths of pytest-timeout's time, or else 60)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Watch the tests if that is asked for."""
    if config.getoption("aiorepl_dump") or config.getoption("aiorepl_dump_after") is not None:
        config.pluginmanager.register(_Watch(config.getoption("aiorepl_dump_after")), "aiorepl-watch")


class _Watch:
    """A timer for each test, and what was found when one ran out."""

    def __init__(self, after: float | None) -> None:
        # Loaded now, as a test that hangs may hold the lock of any import.
        from aiorepl import api

        self._dump = api.dump
        self._after = after
        # Standard error itself; pytest captures what is written to the other descriptor while a test runs.
        self._terminal = os.dup(2)
        self._timer: threading.Timer | None = None
        self._reporting = threading.Lock()
        self._text = ""

    def pytest_unconfigure(self) -> None:
        os.close(self._terminal)

    # Wrappers of the old kind, which every pytest knows: what is installed in an environment must not break it.
    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, None]:
        self._text = ""
        # pytest-timeout's own timer, if there is one, begins within.
        self._start(_PATIENCE if self._after is None else self._after, item, will_fail=False)
        yield
        self._stop()

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Any) -> None:
        after = settings.timeout * _SHARE if self._after is None else self._after
        self._start(after, item, will_fail=settings.method == "signal")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, None]:
        report: pytest.TestReport = (yield).get_result()
        if report.failed and self._reporting.locked() and self._timer is not None:
            # It has begun and is nearly there.
            self._timer.join(_PATIENCE)
        if report.failed and self._text:
            report.sections.append(("aiorepl dump", self._text))
            self._text = ""

    def _start(self, after: float, item: pytest.Item, *, will_fail: bool) -> None:
        """Set the timer anew; ``will_fail`` if something makes the test fail, so that the report is shown then."""
        self._stop()
        self._timer = threading.Timer(after, self._report, (item.nodeid, after, will_fail))
        self._timer.name = "aiorepl dump"
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None

    def _report(self, test: str, after: float, will_fail: bool) -> None:
        with self._reporting:
            file = io.StringIO()
            print(f"{test} after {after:g} s:", file=file)
            self._dump(file)
            self._text = file.getvalue()
        if not will_fail:
            # The process may be ended without a word of pytest's.
            os.write(self._terminal, f"\n{self._text}".encode(errors="backslashreplace"))
