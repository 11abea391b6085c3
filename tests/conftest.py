"""Fixtures that several files share."""

from pathlib import Path

import pytest
from processes import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A private home folder for the processes of a test."""
    return Home(tmp_path)
