"""What is shown of a cell's value: as wide as where it is shown, and as long as the settings allow."""

from collections.abc import Callable

from aiorepl.interpret.representation import Representation
from aiorepl.render.own_results import with_own
from aiorepl.settings import Settings

__all__ = ["bounded"]


def bounded(settings: Settings, columns: Callable[[], int]) -> Callable[[object], Representation]:
    """Return a function that represents a value within the settings in force and the columns there are."""

    def represent(value: object) -> Representation:
        # Loaded at the first value, not before the prompt.
        from aiorepl.render.values import represent

        return represent(
            value,
            width=columns(),
            max_lines=settings.integer("max_lines"),
            max_items=settings.integer("max_items"),
            max_string=settings.integer("max_string"),
        )

    return with_own(represent, columns)
