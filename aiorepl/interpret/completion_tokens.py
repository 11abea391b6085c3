"""What stands before the cursor, as tokens: text that no parser accepts yet must still be understood."""

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Arguments", "Bindings", "Scan", "Token", "arguments", "bindings", "primary", "scan"]


class Token(NamedTuple):
    """A piece of source; ``depth`` is how many brackets and strings are open around it.

    ``kind`` is "name", "number", "string" (a whole one, or the opening quotes of an open one), "open", "close",
    "newline", "operator", or "spec" (the format specification of an f-string's field).
    """

    kind: str
    text: str
    start: int
    end: int
    depth: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The tokens of a text, without blanks and comments.

    ``stack`` has the indices of the tokens that are still open, ``openers`` the index of the opening token for
    that of each closing one. ``comment``: the text ends inside a comment.
    """

    tokens: list[Token] = field(default_factory=list)
    stack: list[int] = field(default_factory=list)
    openers: dict[int, int] = field(default_factory=dict)
    comment: bool = False

    def open_token(self) -> Token | None:
        """The innermost bracket or string that is open at the end."""
        return self.tokens[self.stack[-1]] if self.stack else None

    def statement(self) -> int:
        """The index of the first token of the last statement; the number of tokens if it has none yet."""
        starts = list(_statement_starts(self.tokens))
        return starts[-1]


_CODE = re.compile(
    r"""(?P<comment>\#[^\n]*)
    | (?P<string>(?i:[rbuft]|[bft]r|r[bft])?(?:\"{3}|'{3}|["']))
    | (?P<number>\.?\d[\w.]*)
    | (?P<name>[^\W\d]\w*)
    | (?P<newline>\n)
    | (?P<blank>(?:[^\S\n]|\\\n)+)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<operator>:=|==|!=|<=|>=|->|\*\*|.)""",
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_COMPOUND = frozenset(
    ("if", "elif", "else", "while", "for", "with", "try", "except", "finally", "def", "class", "async", "match", "case")
)


def scan(text: str) -> Scan:
    """Split a text, however broken, into tokens."""
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found = Scan()
        self.comment = False

    def run(self) -> Scan:
        while self.at < len(self.text):
            top = self.found.open_token()
            if top is not None and top.kind in ("string", "spec"):
                self._in_string(top)
            else:
                self._in_code(top)
        found = self.found
        return Scan(found.tokens, found.stack, found.openers, self.comment)

    def _in_code(self, top: Token | None) -> None:
        match = _CODE.match(self.text, self.at)
        assert match is not None  # the last alternative takes any character
        kind, text = str(match.lastgroup), match[0]
        self.at = match.end()
        self.comment = kind == "comment" and self.at == len(self.text)
        if kind in ("comment", "blank") or (kind == "newline" and top is not None):
            return
        index = self._add(kind, text)
        if kind in ("open", "string"):
            self.found.stack.append(index)
        elif kind == "close" and top is not None and top.text == _PAIRS[text]:
            self.found.openers[index] = self.found.stack.pop()
        elif text == ":" and self._is_field(top):
            self.found.tokens[index] = self.found.tokens[index]._replace(kind="spec")
            self.found.stack.append(index)

    def _add(self, kind: str, text: str) -> int:
        tokens = self.found.tokens
        tokens.append(Token(kind, text, self.at - len(text), self.at, len(self.found.stack)))
        return len(tokens) - 1

    def _is_field(self, top: Token | None) -> bool:
        """Whether the innermost bracket is the brace of an f-string's field."""
        stack = self.found.stack
        if top is None or top.text != "{" or len(stack) < 2:
            return False
        return self.found.tokens[stack[-2]].kind in ("string", "spec")

    def _in_string(self, top: Token) -> None:
        """Go on to the end of the string, or to the code in its next field."""
        tokens = self.found.tokens
        index = next(i for i in reversed(self.found.stack) if tokens[i].kind == "string")
        for match in _stops(tokens[index].text, top.kind == "spec").finditer(self.text, self.at):
            stop = match[0]
            if len(stop) == 2:  # an escape, or a doubled brace
                continue
            self.at = match.end()
            if stop == "{":
                self.found.stack.append(self._add("open", stop))
            elif stop == "}":
                self._end_field()
            else:
                self._end_string(index)
            return
        self.at = len(self.text)

    def _end_field(self) -> None:
        self.found.stack.pop()
        opener = self.found.stack.pop()
        self.found.openers[self._add("close", "}")] = opener

    def _end_string(self, index: int) -> None:
        """Make one token of the string and all that was found in it."""
        string = self.found.tokens[index]
        del self.found.tokens[index:]
        while self.found.stack and self.found.stack[-1] >= index:
            self.found.stack.pop()
        if self.text[self.at - 1] == "\n":  # a string without its end stops at the line's
            self.at -= 1
        self.found.tokens.append(string._replace(text=self.text[string.start : self.at], end=self.at))


def _stops(opening: str, spec: bool) -> re.Pattern[str]:
    quote = opening.lstrip("rbuftRBUFT")
    parts = [r"\\.", quote]
    if len(quote) == 1:
        parts.append(r"\n")
    if spec:
        parts += [r"\{", r"\}"]
    elif set(opening.lower()) & {"f", "t"}:
        parts += [r"\{\{", r"\{"]
    return re.compile("|".join(parts), re.DOTALL)  # re keeps the compiled ones


def primary(found: Scan, end: int) -> int | None:
    """The index of the token where the expression begins that ends with token ``end``.

    It is a name, a literal or a bracket with the attributes, calls and subscripts after it; None if there is none.
    """
    at = end
    while at >= 0:
        token = found.tokens[at]
        if token.kind == "close":
            if (opener := found.openers.get(at)) is None:
                return None
            if token.text == "}" or not _has_trailer(found, opener):
                return opener
            at = opener - 1
        elif token.kind == "name":
            if keyword.iskeyword(token.text) and token.text not in ("None", "True", "False"):
                return None
            if at == 0 or found.tokens[at - 1].text != ".":
                return at
            at -= 2
        else:
            return at if token.kind in ("string", "number") else None
    return None


def _has_trailer(found: Scan, opener: int) -> bool:
    """Whether a bracket calls or subscripts what stands before it."""
    if opener == 0:
        return False
    before = found.tokens[opener - 1]
    if before.kind == "name":
        return not keyword.iskeyword(before.text)
    return before.kind in ("close", "string")


class Arguments(NamedTuple):
    """The arguments of a call: how many commas, the keywords given, and that of the last argument (or empty)."""

    commas: int
    keywords: set[str]
    current: str


def arguments(found: Scan, first: int) -> Arguments:
    """The arguments from token ``first`` on, to the end of its bracket or of the text."""
    commas, given, current, depth = 0, set[str](), "", 0
    for index in range(first, len(found.tokens)):
        token = found.tokens[index]
        depth += (token.kind == "open") - (token.kind == "close")
        if depth < 0:
            break
        if depth == 0 and token.text == ",":
            commas, current = commas + 1, ""
        elif depth == 0 and token.kind == "name" and _text(found.tokens, index + 1) == "=":
            given.add(token.text)
            current = token.text
    return Arguments(commas, given, current)


@dataclass(frozen=True, slots=True)
class Bindings:
    """Names that a text gives a value before its end.

    ``names`` maps each to its kind, as in a ``Completion``; ``imports`` those that an import binds to the module
    and, for ``from``, the name in it.
    """

    names: dict[str, str] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)


def bindings(found: Scan) -> Bindings:
    """The names that the text itself binds, in whatever scope; the last statement's ``=`` has not happened yet."""
    bound = Bindings()
    starts = [*_statement_starts(found.tokens), len(found.tokens)]
    for number, (start, end) in enumerate(pairwise(starts)):
        statement = [token for token in found.tokens[start:end] if token.kind != "newline"]
        if next((token.text for token in statement if token.text != "lazy"), "") in ("import", "from"):
            _bind_imports(statement, bound)
            continue
        _bind_inside(statement, bound)
        if number < len(starts) - 2:
            _bind_targets(statement, bound)
    return bound


def _statement_starts(tokens: list[Token]) -> Iterator[int]:
    yield 0
    first = tokens[0].text if tokens else ""
    for index, token in enumerate(tokens):
        if token.depth:
            continue
        ends = token.kind == "newline" or token.text == ";"
        if ends or (token.text == ":" and first in _COMPOUND):
            first = _text(tokens, index + 1)
            yield index + 1


def _text(tokens: list[Token], index: int) -> str:
    return tokens[index].text if 0 <= index < len(tokens) else ""


def _is_target(tokens: list[Token], index: int) -> bool:
    token = tokens[index]
    if token.kind != "name" or keyword.iskeyword(token.text):
        return False
    return _text(tokens, index - 1) != "." and _text(tokens, index + 1) not in (".", "[", "(")


def _bind_targets(tokens: list[Token], bound: Bindings) -> None:
    """``a = b, c = ...`` and ``a: int = ...`` and ``a: int``."""
    if tokens and tokens[-1].text == ":":  # the head of a compound statement
        return
    equals = [i for i, token in enumerate(tokens) if token.depth == 0 and token.text == "="]
    colon = next((i for i, token in enumerate(tokens) if token.depth == 0 and token.text == ":"), 0)
    end = max(equals) if equals and (not colon or equals[0] < colon) else colon
    for index in range(end):
        if tokens[index].depth == 0 and _is_target(tokens, index):
            bound.names.setdefault(tokens[index].text, "name")


_KINDS_AFTER = {"def": "function", "class": "class", "as": "name"}


def _bind_inside(tokens: list[Token], bound: Bindings) -> None:
    """What a part of a statement binds: loops, ``as``, ``:=``, definitions and their parameters."""
    for index, token in enumerate(tokens):
        following = _text(tokens, index + 1)
        if token.text in _KINDS_AFTER and following.isidentifier():
            bound.names[following] = _KINDS_AFTER[token.text]
        if token.text == "for":
            _bind_run(tokens, index + 1, "in", bound)
        elif token.text == "lambda":
            _bind_parameters(tokens, index + 1, token.depth, ":", bound)
        elif token.text == "def":
            opens = (i for i in range(index, len(tokens)) if tokens[i].text == "(")
            _bind_parameters(tokens, next(opens, len(tokens)) + 1, token.depth + 1, ")", bound)
        elif token.kind == "name" and following == ":=":
            bound.names[token.text] = "name"


def _bind_run(tokens: list[Token], start: int, stop: str, bound: Bindings) -> None:
    """Bind every target up to the word ``stop``; without it they are still being typed."""
    end = next((i for i in range(start, len(tokens)) if tokens[i].text == stop), start)
    for index in range(start, end):
        if _is_target(tokens, index):
            bound.names[tokens[index].text] = "name"


def _bind_parameters(tokens: list[Token], start: int, depth: int, stop: str, bound: Bindings) -> None:
    """Bind the names that begin a parameter, as far as they are typed."""
    for index in range(start, len(tokens)):
        token = tokens[index]
        if token.depth < depth or (token.depth == depth and token.text == stop):
            return
        begins = _text(tokens, index - 1) in ("lambda", "(", "[", ",", "*", "**")
        if token.depth == depth and begins and token.kind == "name":
            bound.names[token.text] = "name"


def _bind_imports(tokens: list[Token], bound: Bindings) -> None:
    texts = [token.text for token in tokens if token.text not in ("(", ")", "lazy")]
    module = ""
    if texts and texts[0] == "from":
        if "import" not in texts:
            return
        middle = texts.index("import")
        module, texts = "".join(texts[1:middle]), texts[middle:]
    for item in " ".join(texts[1:]).split(","):
        path, _, alias = item.partition(" as ")
        path = path.replace(" ", "")
        name = alias.strip() or (path if module else path.partition(".")[0])
        if name.isidentifier():
            target = (module, path) if module else (path if alias else name, "")
            bound.names[name] = "name" if module else "module"
            bound.imports[name] = target
