"""What a person typed: whether it is whole, of which kind it is, and its compiled form. Nothing is run here."""

import __future__

import ast
import io
import linecache
import re
import warnings
from collections.abc import Iterator
from types import CodeType
from typing import Literal, NamedTuple

__all__ = [
    "Cell",
    "Command",
    "Help",
    "Python",
    "Shell",
    "Typed",
    "classify",
    "compile_cell",
    "completeness",
    "is_block",
    "silence_checks",
    "speak_up",
    "split",
]

Completeness = Literal["complete", "incomplete", "invalid"]

# A check compiles what is being typed again and again: its name lets its warnings be told from those of a cell.
CHECK_NAME = "<input>"
# CPython's own flags for its prompt (Include/cpython/compile.h); the ast module does not name them before 3.13.
_ALLOW_INCOMPLETE_INPUT = 0x4000
_DONT_IMPLY_DEDENT = 0x200
_PARSE = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
_FUTURES = 0
for _name in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _name).compiler_flag

# Not compiled before a text has a question mark at one of its ends: a program without a prompt has none.
_HELP = r"(?P<before>\?\??)\s*(?P<a>[\w.\[\]'\"%]+)|(?P<b>%?[\w.\[\]'\"]+)\s*(?P<after>\?\??)"


class Python(NamedTuple):
    """Code for the loop; ``background`` if it ended with ``&``, which ``text`` no longer has."""

    text: str
    background: bool = False


class Command(NamedTuple):
    """A ``%`` command without its ``%``."""

    text: str


class Shell(NamedTuple):
    """A line for the shell without its ``!``."""

    text: str
    background: bool = False


class Help(NamedTuple):
    """``expression?``, or with its source ``expression??``."""

    expression: str
    source: bool


Typed = Python | Command | Shell | Help


class Cell(NamedTuple):
    """Compiled code, in two parts: all statements, and the last one's value if that is an expression.

    ``silent`` if a trailing semicolon hides the value. ``tree`` is the whole parsed text.
    """

    text: str
    filename: str
    tree: ast.Module
    body: CodeType | None
    value: CodeType | None
    silent: bool


def completeness(text: str) -> Completeness:
    """Tell whether a text can be run as it is, is the beginning of something, or is neither.

    A block counts as complete as soon as it parses: whether more of it may follow is the editor's to decide.
    """
    if _prefixed(text):
        return "incomplete" if text.endswith("\\") else "complete"
    # A newline after a line continuation turns "incomplete" into "invalid" on every version.
    bare = text.rstrip("\n")
    try:
        _syntax_tree(bare, CHECK_NAME, _ALLOW_INCOMPLETE_INPUT | _DONT_IMPLY_DEDENT)
    except SyntaxError as error:
        if isinstance(classify(text), Help):
            return "complete"
        if "incomplete input" in str(error):
            return "incomplete"
        return "complete" if _without_ampersand(bare) else "invalid"
    except (ValueError, OverflowError, MemoryError, RecursionError):
        return "invalid"
    return "complete"


def silence_checks() -> None:
    """Let only cells warn about their syntax, not each look at what is being typed; for this process."""
    warnings.filterwarnings("ignore", module=re.escape(CHECK_NAME))


def speak_up() -> None:
    """Undo ``silence_checks``, and what ``quiet_parse`` does to the same end."""
    from aiorepl.interpret.quiet_parse import FILENAME, unsilence

    unsilence(CHECK_NAME)
    unsilence(FILENAME)


def is_block(text: str) -> bool:
    """Tell whether a complete text ends in a compound statement, to which further lines could belong."""
    tree = _parse(text)
    if tree is None or not tree.body:
        return False
    return hasattr(tree.body[-1], "body") or isinstance(tree.body[-1], ast.Match)


def classify(text: str) -> Typed:
    """Tell Python code from a ``%`` command, a ``!`` line and a question for help."""
    stripped = text.strip()
    found = re.fullmatch(_HELP, stripped) if "?" in (stripped[:1], stripped[-1:]) else None
    if _is_command(stripped):
        if found is not None and found["after"]:
            return Help(found["b"], len(found["after"]) == 2)
        return Command(stripped[1:].lstrip())
    if stripped.startswith("!"):
        background = stripped.endswith("&") and not stripped.endswith("&&")
        return Shell(stripped[1:].strip().removesuffix("&" if background else "").strip(), background)
    if found is not None:
        marks = found["before"] or found["after"]
        return Help(found["a"] or found["b"], len(marks) == 2)
    code = _without_ampersand(text)
    return Python(text) if code is None else Python(code, background=True)


def split(text: str) -> Iterator[str]:
    """Cut a file's text into cells: one if all of it is Python, else at each ``%`` or ``!`` in the first column."""
    if ("%" not in text and "!" not in text) or _parse(text) is not None:
        yield text
        return
    chunk = ""
    for number, line in enumerate(_lines(text)):
        if _prefixed(line) and not line[0].isspace() and completeness(chunk) != "incomplete":
            if chunk.strip():
                yield chunk
            yield line
            # Lines keep their numbers, as tracebacks name them.
            chunk = "\n" * (number + 1)
        else:
            chunk += line
    if chunk.strip():
        yield chunk


def compile_cell(text: str, filename: str, *, flags: int = 0, remember: bool = True) -> tuple[Cell, int]:
    """Compile a cell; return it and the ``__future__`` flags that later cells inherit.

    With ``remember`` its lines are kept for tracebacks and ``inspect.getsource`` under the name that it has there.

    Raises:
        SyntaxError: As ``compile`` does, and ValueError, OverflowError, MemoryError or RecursionError.
    """
    if remember:
        # The form of linecache's own entries; without a modification time it is never checked against a file.
        linecache.cache[filename] = (len(text), None, _lines(text.rstrip("\n") + "\n"), filename)
    tree = _syntax_tree(text, filename, flags)
    last = tree.body[-1] if tree.body else None
    statements = tree.body[:-1] if isinstance(last, ast.Expr) else tree.body
    body = value = None
    run = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        if statements:
            module = ast.Module(statements, tree.type_ignores)
            body = compile(module, filename, "exec", run | flags, dont_inherit=True)
            flags |= body.co_flags & _FUTURES
        if isinstance(last, ast.Expr):
            value = compile(ast.Expression(last.value), filename, "eval", run | flags, dont_inherit=True)
    except SyntaxError as error:
        _quote_line(error, text)
        raise
    silent = last is not None and _ends_with_semicolon(text, last)
    return Cell(text, filename, tree, body, value, silent), flags


def _prefixed(text: str) -> bool:
    stripped = text.lstrip()
    return _is_command(stripped) or stripped.startswith("!")


def _is_command(stripped: str) -> bool:
    return stripped[:1] == "%" and stripped[1:].lstrip()[:1].isalpha()


def _parse(text: str) -> ast.Module | None:
    try:
        return _syntax_tree(text, CHECK_NAME)
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
        return None


def _syntax_tree(text: str, filename: str, flags: int = 0) -> ast.Module:
    try:
        tree = compile(text, filename, "exec", _PARSE | flags, dont_inherit=True)
    except SystemError:
        # Python 3.11 miscounts its recursion where the collector runs a finalizer that parses as well, as one that
        # prints a traceback does.
        tree = compile(text, filename, "exec", _PARSE | flags, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def _quote_line(error: SyntaxError, text: str) -> None:
    """Give an error the line that it is in, which the compiler has not seen where it was given a tree."""
    lines = _lines(text)
    if error.text is not None or error.lineno is None or not 0 < error.lineno <= len(lines):
        return
    line = error.text = lines[error.lineno - 1]
    if error.offset is None or error.end_offset is None:
        return
    # It counts bytes, from 1.
    error.offset = _characters(line, error.offset - 1) + 1
    if error.end_lineno == error.lineno:
        error.end_offset = _characters(line, error.end_offset - 1) + 1
    else:
        # Only the first line is shown, and before Python 3.13 nothing of it is marked otherwise.
        error.end_lineno, error.end_offset = error.lineno, len(line.rstrip()) + 1


def _characters(line: str, count: int) -> int:
    """How many characters of a line so many bytes of it are."""
    return len(line.encode()[:count].decode(errors="replace"))


def _without_ampersand(text: str) -> str | None:
    """The code before a trailing ``&``, or None if there is none or the code is not whole without it."""
    stripped = text.rstrip()
    if not stripped.endswith("&"):
        return None
    code = stripped[:-1].rstrip()
    return code if code and _parse(text) is None and _parse(code) is not None else None


def _ends_with_semicolon(text: str, last: ast.stmt) -> bool:
    """Tell whether a semicolon follows the last statement; only blanks and a comment can stand there otherwise."""
    assert last.end_lineno is not None
    assert last.end_col_offset is not None
    line = _lines(text)[last.end_lineno - 1].encode()
    return line[last.end_col_offset :].lstrip().startswith(b";")


def _lines(text: str) -> list[str]:
    """The lines as the parser counts them: form feeds and the like do not end one, as they do for str.splitlines."""
    return io.StringIO(text, newline=None).readlines()
