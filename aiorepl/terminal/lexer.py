"""The colours of what is being typed."""

import re
from collections.abc import Callable, Hashable

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer, PygmentsLexer

__all__ = ["SourceLexer"]

_PREFIXED = re.compile(r"\s*(?:%\s*\w*|!)")


class SourceLexer(Lexer):
    """Python, if there is a lexer for it; a ``%`` or ``!`` line by its first word."""

    def __init__(self, python: Lexer | None = None) -> None:
        """Without a lexer for Python that has no colours: what is typed first need not wait for pygments."""
        self._python = python

    @classmethod
    def by_pygments(cls) -> "SourceLexer":
        """Load pygments; any thread may do so."""
        from pygments.lexers.python import PythonLexer

        return cls(PygmentsLexer(PythonLexer))

    def invalidation_hash(self) -> Hashable:
        """Always the same: the lines of a text decide."""
        return 0

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """Return a function from a line's number to its parts."""
        if not document.text.strip():
            return lambda number: [("", document.lines[number])]
        word = _PREFIXED.match(document.text)
        if word and "\n" not in word[0]:
            return lambda number: _prefixed_line(document.lines[number], word.end() if number == 0 else 0)
        if self._python is None:
            return lambda number: [("", document.lines[number])]
        return self._python.lex_document(document)


def _prefixed_line(line: str, end: int) -> StyleAndTextTuples:
    return [("class:command", line[:end]), ("", line[end:])]
