"""When a test is thought to hang."""

import threading
from collections.abc import Generator
from typing import Any

import pytest

__all__ = ["PATIENCE", "Patience"]

# Seconds after which a test is thought to hang, where nothing limits its time.
PATIENCE = 60.0
# The part of pytest-timeout's time after which there is still time to act.
_SHARE = 0.8


class Patience:
    """A timer for each test; what is done when one runs out is for a subclass to say."""

    def __init__(self, after: float | None) -> None:
        """Wait for this many seconds, or for a while that depends on pytest-timeout."""
        self._after = after
        self._timer: threading.Timer | None = None

    def ran_out(self, item: pytest.Item, after: float, *, will_fail: bool) -> None:
        """Act on a test that hangs; called on the timer's thread.

        Args:
            item: The test.
            after: For how many seconds it has run.
            will_fail: Whether something makes the test fail before long, so that there is a place for what was found.
        """
        raise NotImplementedError

    # Wrappers of the old kind, which every pytest knows: what is installed in an environment must not break it.
    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Begin and end the time of a test."""
        # pytest-timeout's own timer, if there is one, begins within.
        self._start(PATIENCE if self._after is None else self._after, item, will_fail=False)
        yield
        self._stop()

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Any) -> None:
        """Begin anew, as pytest-timeout does."""
        after = settings.timeout * _SHARE if self._after is None else self._after
        self._start(after, item, will_fail=settings.method == "signal")

    def _start(self, after: float, item: pytest.Item, *, will_fail: bool) -> None:
        self._stop()
        self._timer = threading.Timer(after, self.ran_out, (item, after), {"will_fail": will_fail})
        self._timer.name = "aiorepl-patience"
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None
