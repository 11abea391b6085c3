"""What the commands of the shell print: plain text as wide as the terminal, or JSON."""

import json
import shutil
import sys
from typing import Any

__all__ = ["columns", "write", "write_foreign", "write_json", "write_value"]

# Where there is no terminal.
_WIDTH = 120


def write_value(value: object, *, as_json: bool, short: bool = False) -> None:
    """Print what a command found; JSON on one line if it is to be ``short``."""
    if as_json:
        from aiorepl.commands.json_data import to_data

        write_json(to_data(value), short=short)
        return
    # Loaded when there is something to draw, while the answer is under way.
    from aiorepl.render.plain import draw

    encoding = (sys.stdout.encoding or "").lower()
    write(sys.stdout, draw(value, columns(), ascii="utf" not in encoding))


def write_json(data: object, *, short: bool) -> None:
    """Print data as JSON."""
    write(sys.stdout, json.dumps(data, indent=None if short else 2, ensure_ascii=False) + "\n")


def write(stream: Any, text: str) -> None:
    """Print a text at once, whatever characters the stream's encoding has."""
    if not text:
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def write_foreign(stream: Any, text: str) -> None:
    """Print what another program made of a value, which is not to steer the terminal that it is shown on."""
    if stream.isatty():
        from aiorepl.render.text import visible

        text = "\n".join(map(visible, text.split("\n")))
    write(stream, text)


def columns() -> int:
    """The width of the terminal."""
    return shutil.get_terminal_size((_WIDTH, 40)).columns if sys.stdout.isatty() else _WIDTH
