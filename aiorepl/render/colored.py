"""Values in colour: the same lines as ``render.plain``, with escape codes."""

from collections.abc import Iterator
from itertools import groupby

from aiorepl.render import describe_loops, describe_tasks, describe_traces  # noqa: F401 - registers what these look like
from aiorepl.render.ansi import color_depth, paint
from aiorepl.render.blocks import Line, lay_out
from aiorepl.render.describe import describe
from aiorepl.render.highlight import highlight

__all__ = ["draw"]


def draw(value: object, width: int, *, theme: str, colors: int, ascii: bool = False) -> str:
    """Return the lines that show a value, each ending with a newline.

    ``colors`` is how many the terminal has: 16, 256 or 2**24 (True counts as 256), or 0 for none, as a theme that
    is not in the palette has none.
    """
    lines = lay_out(describe(value), width, ascii=ascii)
    return "".join(f"{line}\n" for line in _painted(lines, theme, color_depth(colors, theme)))


def _painted(lines: list[Line], theme: str, colors: int) -> Iterator[str]:
    for code, group in groupby(lines, key=lambda line: any(part.code for part in line)):
        if code:
            # As a whole, since a string may go over several lines.
            text = "\n".join("".join(part.text for part in line) for line in group)
            yield highlight(text, "python", theme=theme, colors=colors)
        else:
            yield from ("".join(paint(part.text, part.role, theme, colors) for part in line) for line in group)
