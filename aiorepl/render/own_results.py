"""Results that are aiorepl's own values, such as those of ``repl.tasks()``: shown as their command shows them."""

from collections.abc import Callable

from aiorepl.interpret.representation import Representation
from aiorepl.introspect.summary import type_name

__all__ = ["with_own"]

Represent = Callable[[object], Representation]


def with_own(represent: Represent, width: Callable[[], int]) -> Represent:
    """Return a function that draws what ``render.describe`` knows, and represents all else as before."""

    def represent_any(value: object) -> Representation:
        if not type_name(value).startswith("aiorepl."):
            return represent(value)
        # Loaded at the first such value: a program without one need not wait for it.
        from aiorepl.render.describe import describe
        from aiorepl.render.plain import draw

        if describe.dispatch(type(value)) is describe.dispatch(object):
            return represent(value)
        return Representation(draw(value, width()).rstrip("\n"))

    return represent_any
