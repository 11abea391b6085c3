"""What is shown of a value on a screen: as wide and as long as the screen and the settings allow."""

import os

from aiorepl.interpret.interpreter import Represent
from aiorepl.render import results
from aiorepl.settings import Settings

__all__ = ["bounded"]


def bounded(settings: Settings) -> Represent:
    """Return a function that represents a value within the settings in force."""
    return results.bounded(settings, _columns)


def _columns() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 80
