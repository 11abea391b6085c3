"""Parse text that nobody has asked to run, without a warning about it on the person's screen."""

import ast
import re
import warnings
from typing import Literal

__all__ = ["FILENAME", "quiet_parse", "unsilence"]

FILENAME = "<aiorepl completion>"
_FILTER = ("ignore", None, Warning, re.compile(re.escape(FILENAME)), 0)


def quiet_parse(source: str | bytes, mode: Literal["eval", "exec"]) -> ast.AST | None:
    """The syntax tree, or None if the text is not Python."""
    # A filter for this file name alone: catch_warnings() would swallow what other threads warn of meanwhile. It is not
    # set anew while it stands first, as each change makes Python repeat the warnings that it has shown once.
    if warnings.filters[:1] != [_FILTER]:
        warnings.filterwarnings("ignore", module=re.escape(FILENAME))
    try:
        return ast.parse(source, FILENAME, mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        # SystemError: see source.py.
        return None


def unsilence(filename: str) -> None:
    """Let code of this name warn again."""
    silent = ("ignore", None, Warning, re.compile(re.escape(filename)), 0)
    while silent in warnings.filters:
        warnings.filters.remove(silent)  # type: ignore[attr-defined]
        # Python remembers what it has shown, and how it decided, until it is told.
        warnings._filters_mutated()  # type: ignore[attr-defined]
