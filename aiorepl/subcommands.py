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
    """A module with a ``main`` (or ``module:function``), and what ``--help`` says of it in a line."""

    module: str
    summary: str

    @property
    def main(self) -> _Main:
        """Load the module and return what runs it with a word and its arguments, and returns an exit status."""
        module, _, name = self.module.partition(":")
        function: _Main = getattr(importlib.import_module(module), name or "main")
        return function


SUBCOMMANDS: Mapping[str, Subcommand] = {
    "run": Subcommand("aiorepl.beside", "run a program unmodified, with a prompt beside it"),
    "list": Subcommand("aiorepl.far_list", "the processes that can be reached"),
    "connect": Subcommand("aiorepl.connected", "a prompt in a process that has called aiorepl.serve()"),
    "attach": Subcommand("aiorepl.attaching", "a prompt in any process of Python 3.14 or newer"),
    "follow": Subcommand("aiorepl.connected:follow_main", "what happens at somebody else's prompt there"),
    "exec": Subcommand("aiorepl.far_command:exec_main", "run one cell there"),
    **{
        word: Subcommand("aiorepl.far_command", summary)
        for word, summary in {
            "tasks": "the tasks there (ps)",
            "ps": "the same",
            "tree": "who awaits whom there (pstree)",
            "pstree": "the same",
            "task": "all about one task there",
            "why": "why a task there is not finished",
            "where": "where a task there stands",
            "stuck": "what is wrong there",
            "locks": "what tasks there hold and wait on",
            "timers": "what the loop there is to call, and when",
            "io": "what the loop there watches",
            "loop": "how the loop there is doing",
            "loops": "the loops there",
            "alerts": "what went wrong there so far",
            "doctor": "what is wrong there, in plain language, after a look of some seconds",
            "dump": "everything at once",
            "cancel": "ask tasks there to end",
        }.items()
    },
}
