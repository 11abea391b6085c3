"""What the editor decides about text being typed or pasted: pure functions, no terminal.

A small scanner stands in for ``tokenize``, which raises on most unfinished text, and differently in each version
of Python; whether a text is complete is for the parser (``aiorepl.interpret.source``) to say.
"""

import re
from dataclasses import dataclass

from aiorepl.interpret.quiet_parse import quiet_parse

__all__ = ["INDENT", "Scan", "indentation_after", "pasted", "scan", "without_prompts", "without_tail"]

INDENT = 4

_TOKEN = re.compile(
    r"""
    (?P<skipped>  [^\S\n]+ | \#[^\n]* | \\\n )
  | (?P<newline>  \n )
  | (?P<triple>   \"{3} [^"\\]* (?: (?: \\(?:.|\Z) | "(?!"") ) [^"\\]* )* (?:\"{3}|(?P<open1>\Z))
                | '{3}  [^'\\]* (?: (?: \\(?:.|\Z) | '(?!'') ) [^'\\]* )* (?:'{3}|(?P<open2>\Z)) )
  | (?P<string>   " (?: [^"\\\n] | \\(?:.|\Z) )* "? | ' (?: [^'\\\n] | \\(?:.|\Z) )* '? )
  | (?P<word>     \w+ )
  | (?P<other>    . )
    """,
    re.VERBOSE | re.DOTALL,
)

_LEAVING = frozenset({"break", "continue", "pass", "raise", "return"})


@dataclass(frozen=True, slots=True)
class Scan:
    """Where the end of a text stands; lines count from 0.

    ``statement`` is the line on which the last statement begins, ``first`` and ``last`` are its first and last tokens
    (empty if there is none). ``brackets`` holds the line of each bracket that is open, ``in_string`` is true inside a
    triple-quoted string, and ``string_lines`` are the lines that begin inside one.
    """

    statement: int
    first: str
    last: str
    brackets: tuple[int, ...]
    in_string: bool
    string_lines: frozenset[int]


def scan(text: str) -> Scan:
    """Read a text of Python, finished or not."""
    statement = line = 0
    first = last = ""
    brackets: list[int] = []
    string_lines: set[int] = set()
    begins = True
    in_string = False
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match[0]
        if kind == "newline":
            begins = begins or not brackets
        elif kind != "skipped":
            if begins:
                statement, first, begins = line, token, False
            last = token
            _follow(token, line, brackets)
        lines = token.count("\n")
        if match["triple"] is not None:
            string_lines.update(range(line + 1, line + lines + 1))
            in_string = match["open1"] is not None or match["open2"] is not None
        line += lines
    return Scan(statement, first, last, tuple(brackets), in_string, frozenset(string_lines))


def _follow(token: str, line: int, brackets: list[int]) -> None:
    """Note a bracket that opens on a line, or forget the one that closes."""
    if token in ("(", "[", "{"):
        brackets.append(line)
    elif token in (")", "]", "}") and brackets:
        brackets.pop()


def indentation_after(text: str) -> str:
    """The whitespace that a new line after this text begins with."""
    lines = text.split("\n")
    current = lines[-1]
    found = scan(text)
    if found.in_string or not current.strip():
        return _indentation(current)
    if found.brackets:
        opened_here = found.brackets[-1] == len(lines) - 1
        return _indentation(current) + " " * (INDENT * opened_here)
    base = _indentation(lines[found.statement])
    if found.last == ":":
        return base + " " * INDENT
    return base[:-INDENT] if found.first in _LEAVING else base


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def without_tail(text: str) -> str:
    """The text without the blank lines at its end."""
    return re.sub(r"(?:\n[ \t]*)+\Z", "", text)


def pasted(text: str, before: str = "") -> str:
    r"""What a pasted text becomes after the text ``before`` the cursor.

    Line ends become ``\n``; unless it goes into a string, prompts are taken off and tabs that indent become
    spaces.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if scan(before).in_string:
        return text
    return _expand_indentation(without_prompts(text))


def _expand_indentation(text: str) -> str:
    """Make spaces of tabs that indent code, as Python counts them; the lines of a string stay as they are."""
    if "\t" not in text:
        return text
    kept = scan(text).string_lines
    return "\n".join(
        line if number in kept else _indentation(line).expandtabs() + line.lstrip()
        for number, line in enumerate(text.split("\n"))
    )


# A prompt ends with a space, which is lost where nothing follows and the line's end was trimmed.
_PYTHON = re.compile(r"(?:>>>|\.\.\.)(?: |$)")
_IPYTHON = re.compile(r"In \[\d+\]:(?: |$)|[ ]*\.\.\.+:(?: |$)")
_FIRST = re.compile(r"([ \t]*)(?:>>>(?: |$)|(In \[\d+\]:(?: |$)))")


def without_prompts(text: str) -> str:
    """Take the prompts of Python or IPython off a copied session and leave out what was printed between them.

    As in doctest, a line without a prompt is output. The first prompt may be missing, where copying began behind
    it. Any other text is returned as it is, and so is one whose first prompt would stand within a string, or that is
    Python as it stands: "..." may be a value, and ">>> " a line of a text.
    """
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if line.strip()), 0)
    bare_first = not _FIRST.match(lines[start])
    sample = lines[start + 1] if bare_first and start + 1 < len(lines) else lines[start]
    prompt = _prompt_of(sample, continued=bare_first)
    if prompt is None or (bare_first and _is_whole(text, lines[start])):
        return text
    code = lines[start : start + 1] if bare_first else []
    for line in lines[start + len(code) :]:
        if found := prompt.match(line):
            code.append(line[found.end() :])
    return "\n".join(code)


def _is_whole(text: str, first: str) -> bool:
    """Tell whether a text whose first line has no prompt needs none taken off its others."""
    if scan(first).in_string:
        return True
    # "In [2]: x" is Python too: it annotates.
    return "In [" not in text and quiet_parse(text, "exec") is not None


def _prompt_of(line: str, *, continued: bool) -> re.Pattern[str] | None:
    """The pattern of every prompt in the session that this line is of; None if it is not of one.

    A line that continues one may begin with a continuation prompt, but ``    ...`` alone is a stub's body.
    """
    if first := _FIRST.match(line):
        return re.compile(re.escape(first[1]) + f"(?:{(_IPYTHON if first[2] else _PYTHON).pattern})")
    if continued:
        return next((pattern for pattern in (_PYTHON, _IPYTHON) if pattern.match(line)), None)
    return None
