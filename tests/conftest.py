"""Fixtures that several files share."""

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from loops_elsewhere import give_time_to_answer
from processes import Home

# What runs in the background of a shell script ignores SIGINT, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in each run, however slow the machine is; others are tried with --hypothesis-profile=default.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")


@pytest.fixture(autouse=True, scope="module")
def small_heap() -> None:
    """Leave what earlier tests have loaded out of what is gone through whenever all of memory is, which is often."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A private home folder for the processes of a test."""
    return Home(tmp_path)


@pytest.fixture(autouse=True)
def time_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give loops more time to answer: on a busy machine one may be late without being blocked."""
    give_time_to_answer(3.0, monkeypatch)


@pytest.fixture
def looks_at_once(time_to_answer: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test whose loop is blocked: look at it from outside at once."""
    give_time_to_answer(0.02, monkeypatch)


@pytest.fixture
def private_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder for what the test makes to attach to a process: nothing may be left there.

    pytest's own, which is made before, is too long for a socket's name.
    """
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)
        assert os.listdir(name) == []
