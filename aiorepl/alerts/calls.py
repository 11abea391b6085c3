"""Calls as they stand in the source: the function and its arguments, as texts.

Read token by token, and not with ``ast``: while one thread makes a syntax tree, another one that does so may fail (a
SystemError, "recursion depth mismatch", seen on Python 3.11), and a program must not suffer from being watched.
"""

import io
import keyword
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Call", "calls_in", "whole_call"]


class Call(NamedTuple):
    """A call: what is called (``time.sleep``), and each argument as it was written, in one line."""

    function: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        """Return the call as it could be written."""
        return f"{self.function}({', '.join(self.arguments)})"


def whole_call(text: str) -> Call | None:
    """Return the call that a text is; None if it is something else."""
    return next((call for call, whole in _calls(text) if whole), None)


def calls_in(text: str) -> Iterator[Call]:
    """Every call in a text that is a line of code, or the beginning of one."""
    return (call for call, _ in _calls(text))


class _Token(NamedTuple):
    text: str
    is_name: bool
    start: int
    end: int


def _calls(text: str) -> Iterator[tuple[Call, bool]]:
    """Each call, and whether it is all of the text."""
    tokens = _tokens(text)
    for index, token in enumerate(tokens):
        if token.text != "(" or not index or not _can_be_called(tokens[index - 1]):
            continue
        first, last = _beginning(tokens, index - 1), _match(tokens, index, 1)
        if last is None:
            continue
        function = _words(text[tokens[first].start : token.start])
        call = Call(function, tuple(_arguments(text, tokens[index + 1 : last], token.end)))
        yield call, first == 0 and last == len(tokens) - 1


def _tokens(text: str) -> list[_Token]:
    """The tokens of a text, as far as they can be told, without comments and ends of lines."""
    starts = [0]
    # In brackets, so that it may go on over several lines.
    source = f"({text}\n)"
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[_Token] = []
    try:
        for kind, string, (row, column), (end_row, end_column), _ in tokenize.generate_tokens(
            io.StringIO(source).readline
        ):
            if kind not in _NOTHING:
                start, end = starts[row - 1] + column - 1, starts[end_row - 1] + end_column - 1
                is_name = kind == tokenize.NAME and not keyword.iskeyword(string)
                found.append(_Token(string, is_name, start, end))
    except (tokenize.TokenError, SyntaxError):
        # It ends in the middle of something, or a bracket has no partner.
        pass
    return [token for token in found[1:] if token.start < len(text)]


_NOTHING = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_OPENING, _CLOSING = "([{", ")]}"


def _can_be_called(token: _Token) -> bool:
    return token.is_name or token.text in (")", "]")


def _match(tokens: list[_Token], index: int, step: int) -> int | None:
    """Find the partner of a bracket, forwards or backwards."""
    depth = 0
    for at in range(index, len(tokens) if step > 0 else -1, step):
        depth += step * ((tokens[at].text in _OPENING) - (tokens[at].text in _CLOSING))
        if depth == 0:
            return at
    return None


def _beginning(tokens: list[_Token], index: int) -> int:
    """Where what is called begins, if this is its last token: names, dots, and what stands in brackets behind them."""
    while True:
        if tokens[index].text in (")", "]"):
            opening = _match(tokens, index, -1)
            if opening is None or not opening or not _can_be_called(tokens[opening - 1]):
                return opening or 0
            index = opening - 1
        elif index > 1 and tokens[index - 1].text == ".":
            index -= 2
        else:
            return index


def _arguments(text: str, tokens: list[_Token], start: int) -> Iterator[str]:
    depth = 0
    for token in tokens:
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if token.text == "," and depth == 0:
            yield _words(text[start : token.start])
            start = token.end
    if rest := _words(text[start : tokens[-1].end]) if tokens else "":
        yield rest


def _words(text: str) -> str:
    return " ".join(text.split())
