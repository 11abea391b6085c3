"""Values as plain text, drawn with the standard library only."""

from aiorepl.render import describe_loops, describe_tasks, describe_traces  # noqa: F401 - registers what these look like
from aiorepl.render.blocks import lay_out
from aiorepl.render.describe import describe

__all__ = ["draw"]


def draw(value: object, width: int = 80, *, ascii: bool = False) -> str:
    """Return the lines that show a value, each ending with a newline; empty where there is nothing to show.

    With ``ascii`` no other characters are used, for an output whose encoding has no others.
    """
    lines = lay_out(describe(value), width, ascii=ascii)
    return "".join("".join(part.text for part in line) + "\n" for line in lines)
