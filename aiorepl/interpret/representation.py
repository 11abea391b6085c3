"""The values of cells as text, by the standard library only."""

from typing import NamedTuple

from aiorepl.introspect.summary import type_name

__all__ = ["Representation", "failed_repr", "represent_plain"]


class Representation(NamedTuple):
    """A value as text; ``note`` says in one line what was left out or went wrong, or is empty."""

    text: str
    note: str = ""


def represent_plain(value: object) -> Representation:
    """Return the whole ``repr`` of a value, or what can be said of it where that fails.

    Runs the user's code: call it where that may run. KeyboardInterrupt and its like pass through.
    """
    try:
        return Representation(repr(value))
    except Exception as error:
        return Representation(f"{object.__repr__(value)} ({failed_repr(value, error)})")


def failed_repr(value: object, error: Exception) -> str:
    """Say in one line why a value has no repr."""
    if type(value) is int:
        digits = int(value.bit_length() * 0.30103)
        return f"an int of about {digits:,} digits is not written out (see sys.set_int_max_str_digits)"
    # The message is the user's too, and may fail as well.
    try:
        message = " ".join(str(error).split())[:200]
    except Exception:
        message = ""
    return f"{type_name(value)}.__repr__ raised {type_name(error)}{': ' if message else ''}{message}"
