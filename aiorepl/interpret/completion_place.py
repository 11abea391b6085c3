"""Where the cursor stands in a piece of Python: in a string, after a dot, in a call; told from the text alone."""

import keyword
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from aiorepl.interpret.completion_tokens import (
    Arguments,
    Bindings,
    Scan,
    Token,
    arguments,
    bindings,
    primary,
    scan,
)

__all__ = ["Call", "OpenString", "Place"]


class OpenString(NamedTuple):
    """The string that the cursor is in: its letters (``rb``), its quotes, and what is typed of it."""

    prefix: str
    quote: str
    typed: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose bracket is open: the source of what is called, and the arguments before the cursor."""

    callee: str
    arguments: Arguments

    @property
    def positional(self) -> int:
        """How many arguments before the cursor's are given by position."""
        others = self.arguments.keywords - {self.arguments.current}
        return max(self.arguments.commas - len(others), 0)


class Place:
    """The cursor and what stands before it."""

    def __init__(self, text: str, cursor: int) -> None:
        """Read the text up to the cursor; ``prefix`` is the part of a name that ends there."""
        self.before, self.after = text[:cursor], text[cursor:]
        self.cursor = cursor
        self.scan: Scan = scan(self.before)
        self.tokens = self.scan.tokens
        self.prefix = ""
        if self.tokens and self.tokens[-1].kind == "name" and self.tokens[-1].end == cursor:
            self.prefix = self.tokens.pop().text
        self.start = cursor - len(self.prefix)

    @property
    def last(self) -> Token | None:
        """The token before the prefix."""
        return self.tokens[-1] if self.tokens else None

    @property
    def number(self) -> str:
        """The number that ends at the cursor, or nothing."""
        last = self.last
        return last.text if last is not None and last.kind == "number" and last.end == self.cursor else ""

    @cached_property
    def bound(self) -> Bindings:
        """The names that the text binds before the cursor."""
        return bindings(self.scan)

    @property
    def statement(self) -> str:
        """The statement that the cursor is in, from its beginning."""
        first = self._first
        return self.before[self.tokens[first].start :] if first < len(self.tokens) else self.prefix

    @cached_property
    def _first(self) -> int:
        return self.scan.statement()

    @property
    def begins_statement(self) -> bool:
        """Whether nothing but the prefix stands in the statement."""
        return not self.scan.stack and self._first == len(self.tokens)

    @property
    def follows_operand(self) -> bool:
        """Whether an expression has just ended, so that only an operator can follow."""
        last = self.last
        if last is None or last.kind not in ("name", "number", "string", "close"):
            return False
        if last.kind != "name" or keyword.iskeyword(last.text):
            return last.text in ("None", "True", "False") or last.kind != "name"
        soft = self._first == len(self.tokens) - 1 and last.text in keyword.softkwlist
        return not soft

    def string(self) -> OpenString | None:
        """The string that the cursor is in, if it is in one; the code in an f-string's field is none."""
        top = self.scan.open_token()
        if top is None or top.kind not in ("string", "spec"):
            return None
        prefix = top.text.rstrip("\"'")
        return OpenString(prefix.lower(), top.text[len(prefix) :], self.before[top.end :])

    def attribute_owner(self) -> str | None:
        """The source of what stands before the dot; None if there is no dot or nothing before it."""
        if self.last is None or self.last.text != ".":
            return None
        return self._expression(len(self.tokens) - 2)

    def subscripted(self) -> str | None:
        """The source of ``d`` in ``d[``, ``d[1`` or ``d["``, where the cursor is in the first part of a subscript."""
        stack = self.scan.stack
        inside = self.scan.open_token()
        if inside is not None and inside.kind == "string":
            stack = stack[:-1]
        if not stack or self.tokens[stack[-1]].text != "[":
            return None
        typed = inside is not None and (inside.kind == "string" or bool(self.number))
        return self._expression(stack[-1] - 1) if stack[-1] == len(self.tokens) - 1 - typed else None

    def call(self) -> Call | None:
        """The innermost call around the cursor."""
        for opener in reversed(self.scan.stack):
            if self.tokens[opener].text == "(" and (callee := self._callee(opener)):
                return Call(callee, arguments(self.scan, opener + 1))
        return None

    def call_at_argument(self) -> Call | None:
        """The call whose argument begins at the cursor's name, if one does."""
        top = self.scan.open_token()
        if top is None or top.text != "(" or self.last is None or self.last.text not in ("(", ","):
            return None
        callee = self._callee(self.scan.stack[-1])
        return Call(callee, arguments(self.scan, self.scan.stack[-1] + 1)) if callee else None

    def argument_of(self) -> str:
        """What is called with the string at the cursor as its first argument, or nothing."""
        stack = self.scan.stack
        if len(stack) < 2 or stack[-2] != stack[-1] - 1 or self.tokens[stack[-2]].text != "(":
            return ""
        return self._callee(stack[-2]) or ""

    def keywords_after(self) -> set[str]:
        """The keyword arguments that the call has been given after the cursor."""
        return arguments(scan(self.after), 0).keywords

    def _callee(self, opener: int) -> str | None:
        first = primary(self.scan, opener - 1)
        if first is None or (first and self.tokens[first - 1].text in ("def", "class")):
            return None
        return self._source(first, opener - 1)

    def _expression(self, end: int) -> str | None:
        first = primary(self.scan, end)
        return None if first is None else self._source(first, end)

    def _source(self, first: int, last: int) -> str:
        return self.before[self.tokens[first].start : self.tokens[last].end]
