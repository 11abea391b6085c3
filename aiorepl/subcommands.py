"""The words that may stand in the place of FILE on the command line, and what each of them does.

To add one, add a line: its module is loaded when the word is given, and has a ``main(word, arguments) -> exit status``
that may raise AioreplError or OSError.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

__all__ = ["SUBCOMMANDS", "Subcommand"]


class _Main(Protocol):
    def __call__(self, word: str, arguments: Sequence[str], /) -> int: ...


class Subcommand(NamedTuple):
    """A module with a ``main``, and what ``--help`` says of it in a line."""

    module: str
    summary: str

    @property
    def main(self) -> _Main:
        """Load the module and return what runs it with a word and its arguments, and returns an exit status."""
        function: _Main = importlib.import_module(self.module).main
        return function


SUBCOMMANDS: Mapping[str, Subcommand] = {
    "run": Subcommand("aiorepl.beside", "run a program unmodified, with a prompt beside it"),
}
