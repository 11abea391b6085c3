"""What is shown of a value on a screen: as wide and as long as the screen and the settings allow."""

import os

from aiorepl.interpret.interpreter import Represent
from aiorepl.interpret.representation import Representation
from aiorepl.render.own_results import with_own
from aiorepl.settings import Settings

__all__ = ["bounded"]


def bounded(settings: Settings) -> Represent:
    """Return a function that represents a value within the settings in force."""

    def represent(value: object) -> Representation:
        # Loaded at the first value, not before the prompt.
        from aiorepl.render.values import represent

        return represent(
            value,
            width=_columns(),
            max_lines=settings.integer("max_lines"),
            max_items=settings.integer("max_items"),
            max_string=settings.integer("max_string"),
        )

    return with_own(represent, _columns)


def _columns() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 80
