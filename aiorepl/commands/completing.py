"""How the arguments of a command can go on, told by their kinds."""

import re
import shlex
from collections.abc import Iterable

from aiorepl.commands.arguments import Choice, Parameter, Query, options_of
from aiorepl.commands.context import Context
from aiorepl.model import Completion

__all__ = ["complete"]

# One word as the shell reads it; a quote that is not closed runs to the end.
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.?|'[^']*'?|"(?:[^"\\]|\\.?)*"?)+""", re.DOTALL)


def complete(
    parameters: tuple[Parameter, ...], text: str, begin: int, context: Context | None, *, json: bool = False
) -> list[Completion] | None:
    """List how the last word of a text can go on; None if code stands there.

    ``begin`` is where the arguments begin in the text; ``json`` if the command takes ``--json``.
    """
    words = list(_WORD.finditer(text, begin))
    last = words.pop() if words and words[-1].end() == len(text) else None
    typed = last[0] if last else ""
    query = Query(_unquoted(typed), tuple(_unquoted(word[0]) for word in words), context)
    parameter = _parameter_at(parameters, query)
    if parameter is not None and parameter.place == "code":
        return None
    options = [*_options(parameters), ("--json", "the answer as JSON")] if json else _options(parameters)
    found = [(choice, "parameter") for choice in options if query.beginning.startswith("-")]
    if parameter is not None:
        found += [(choice, parameter.kind.completion) for choice in parameter.kind.choices(query)]
    start = len(text) - len(typed)
    return [
        Completion(_written(word, typed), start, kind, summary)
        for (word, summary), kind in found
        if word.startswith(query.beginning)
    ]


def _parameter_at(parameters: tuple[Parameter, ...], query: Query) -> Parameter | None:
    """The parameter that the word being typed belongs to."""
    options = options_of(parameters)
    places = [parameter for parameter in parameters if parameter.option not in options]
    if query.before and (option := options.get(query.before[-1])) and option.place == "option":
        return option
    index = 0
    before = iter(query.before)
    for word in before:
        if word in options:
            if options[word].place == "option":
                next(before, None)
        elif index < len(places) and places[index].place == "word":
            index += 1
    return places[index] if index < len(places) else None


def _options(parameters: tuple[Parameter, ...]) -> Iterable[Choice]:
    return ((name, option.kind.expected) for name, option in options_of(parameters).items())


def _unquoted(word: str) -> str:
    """What a word stands for, be it still without its closing quote."""
    for closing in ("", '"', "'"):
        try:
            return "".join(shlex.split(word + closing))
        except ValueError:
            continue
    return word


def _written(word: str, typed: str) -> str:
    """A word with the quotes that it needs, or that were begun."""
    quote = typed[:1]
    if quote and quote in "'\"":
        return quote + word + ("" if word.endswith("/") else quote)
    return word if re.fullmatch(r"[\w@%+=:,./~*-]+", word) else shlex.quote(word)
