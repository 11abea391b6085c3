"""Code, values and tracebacks in colour; not a character is added or lost besides the escape codes."""

import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Literal

from aiorepl.render.ansi import color_depth, paint

__all__ = ["highlight"]

# A longer text takes a second or more, and nobody reads it for its colours.
LONGEST = 100_000

_ROLES = {
    "Token.Keyword": "keyword",
    "Token.Keyword.Constant": "constant",
    "Token.Operator.Word": "keyword",
    "Token.Name.Builtin": "builtin",
    "Token.Name.Function": "function",
    "Token.Name.Class": "class",
    "Token.Name.Exception": "class",
    "Token.Name.Decorator": "decorator",
    "Token.Literal.String": "string",
    "Token.Literal.String.Escape": "escape",
    "Token.Literal.String.Interpol": "escape",
    "Token.Literal.Number": "number",
    "Token.Comment": "comment",
}

# What an exception group draws before its lines, and how deep a line stands in it.
_BOX = r"(?P<box>(?: *[|+][ -]?)*)"
_FRAME = re.compile(
    _BOX + r'(?P<file>  File ")(?P<name>.*)(?P<line>", line )(?P<number>\d+)(?P<rest>(?:, in )?)(?P<function>.*)'
)
_SOURCE = re.compile(_BOX + r"(?P<indent>    )(?P<code>.*)")
_MARKS = re.compile(_BOX + r"(?P<marks> {4,}[~^ ]*[~^]+)")
_HEADING = re.compile(_BOX + r"(?P<heading>(?:\S.* )?Traceback \(most recent call last\):|(?:-+ )?-{5,}.*-*)")
_ERROR = re.compile(_BOX + r"(?P<error>[A-Za-z_][\w.<>]*)(?P<message>(?:: .*)?)")

_Part = tuple[str, str]


def highlight(text: str, kind: Literal["python", "traceback", "repr"], *, theme: str, colors: int) -> str:
    """Colour a text; without its escape codes the result is the text.

    ``colors`` is 16, 256 or 2**24 (True counts as 256), or 0 for none. A text longer than ``LONGEST`` is returned as it
    is, and so is one that has colours of its own. Control characters are left as they are.
    """
    depth = color_depth(colors, theme)
    if not depth or len(text) > LONGEST or "\x1b" in text:
        return text
    parts = _traceback(text) if kind == "traceback" else _python(text)
    merged = ((role, "".join(part for _, part in group)) for role, group in groupby(parts, key=itemgetter(0)))
    return "".join(paint(part, role, theme, depth) for role, part in merged)


def _python(text: str) -> Iterator[_Part]:
    from pygments.lexers.python import PythonLexer

    # Not get_tokens, which changes line ends and the blank lines around the text.
    for _, token, part in PythonLexer().get_tokens_unprocessed(text):
        yield _role(token), part


def _role(token: object) -> str:
    """The role of a token type, or of the nearest more general one that has any."""
    name = str(token)
    while name:
        if name in _ROLES:
            return _ROLES[name]
        name = name.rpartition(".")[0]
    return ""


def _traceback(text: str) -> Iterator[_Part]:
    # Read line by line: pygments' own lexer knows no exception groups.
    after_frame = False
    for line in text.splitlines(keepends=True):
        content = line.rstrip("\r\n")
        if found := _FRAME.fullmatch(content):
            yield from _named(found, file="", name="string", line="", number="number", rest="", function="function")
            after_frame = True
        elif found := _MARKS.fullmatch(content):
            yield from _named(found, marks="error")
        elif after_frame and (found := _SOURCE.fullmatch(content)):
            yield "dim", found["box"]
            yield "", found["indent"]
            yield from _python(found["code"])
        elif found := _HEADING.fullmatch(content):
            after_frame = False
            yield from _named(found, heading="dim")
        elif found := _ERROR.fullmatch(content):
            after_frame = False
            yield from _named(found, error="error", message="bold")
        else:
            yield "", content
        yield "", line[len(content) :]


def _named(found: re.Match[str], **roles: str) -> Iterator[_Part]:
    yield "dim", found["box"]
    for name, role in roles.items():
        yield role, found[name]
