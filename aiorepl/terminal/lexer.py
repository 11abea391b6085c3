"""The colours of what is being typed."""

import re
from collections.abc import Callable, Hashable

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer, PygmentsLexer

__all__ = ["SourceLexer"]

_PREFIXED = re.compile(r"\s*(?:%\s*\w*|!)")


class SourceLexer(Lexer):
    """Python by pygments, once that is loaded; a ``%`` or ``!`` line by its first word."""

    def __init__(self) -> None:
        """Load nothing yet: what is typed first need not wait for its colours."""
        self._python: Lexer | None = None

    def load(self) -> None:
        """Load pygments; any thread may do so."""
        from pygments.lexers.python import PythonLexer

        self._python = PygmentsLexer(PythonLexer)

    def invalidation_hash(self) -> Hashable:
        """Tell whether what was drawn has to be drawn anew."""
        return self._python is None

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
