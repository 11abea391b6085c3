"""From the words of a command line to the arguments of a function, as its signature says."""

import difflib
import inspect
import os
import re
import shlex
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NewType

from aiorepl.commands.context import Context
from aiorepl.errors import CommandError
from aiorepl.settings import switch

__all__ = [
    "Choice",
    "Code",
    "Kind",
    "Parameter",
    "Query",
    "add_kind",
    "bind",
    "options_of",
    "parameters_of",
    "takes_options",
    "usage_of",
]

# Choices that take more characters than this are told by Tab and in errors, not in the usage.
_LONGEST_LIST = 20

# The whole rest of the text as it was typed, on all its lines; only a command's last parameter can be that.
Code = NewType("Code", str)


@dataclass(frozen=True, slots=True)
class Query:
    """A word being typed: its beginning, the words before it, and the session (None where there is none)."""

    beginning: str
    before: tuple[str, ...] = ()
    context: Context | None = None


# A word that could be typed, and what it means in a few words.
Choice = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """What an annotation stands for.

    ``convert`` makes a value of a word, and raises ValueError for one that it does not take; ``expected``
    says in words what it takes. ``choices`` lists what could be typed (it need not look at the beginning).
    ``placeholder`` stands for a value in the usage; left out, the parameter's name does. ``completion`` is
    the kind of ``model.Completion`` that its choices are.
    """

    convert: Callable[[str], object]
    expected: str
    choices: Callable[[Query], Iterable[Choice]] = lambda query: ()
    placeholder: str = ""
    completion: str = "value"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a command.

    ``place`` is "word", "rest" (any number of words), "code" (the whole rest of the text), "option"
    (``--name VALUE``) or "flag" (``--name``).
    """

    name: str
    kind: Kind
    place: Literal["word", "rest", "code", "option", "flag"]
    required: bool

    @property
    def option(self) -> str:
        """How an option or a flag is typed."""
        return "--" + self.name.rstrip("_").replace("_", "-")

    @property
    def label(self) -> str:
        """How the parameter is called in help and errors."""
        if self.place in ("option", "flag"):
            return self.option
        return self.kind.placeholder or self.name.rstrip("_").upper()

    @property
    def usage(self) -> str:
        """How the parameter stands in the usage line."""
        if self.place == "option":
            text = f"{self.option} {self.kind.placeholder or self.name.rstrip('_').upper()}"
        else:
            text = self.label + ("..." if self.place == "rest" else "")
        return text if self.required else f"[{text}]"


def add_kind(annotation: object, kind: Kind) -> None:
    """Let commands annotate parameters with a further type, such as a ``NewType`` for a task's name."""
    _KINDS[annotation] = kind


def parameters_of(function: Callable[..., object]) -> tuple[Parameter, ...]:
    """Read the parameters after the first, which is the context; one without an annotation takes text.

    Raises:
        TypeError: If a parameter's annotation is of no known kind.
    """
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return tuple(_parameter(parameter) for parameter in list(parameters)[1:])


def usage_of(parameters: Iterable[Parameter]) -> str:
    """Return how the parameters are typed after the command's name."""
    return " ".join(parameter.usage for parameter in parameters)


def options_of(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    """The options and flags by how they are typed."""
    return {parameter.option: parameter for parameter in parameters if parameter.place in ("option", "flag")}


def takes_options(parameters: Iterable[Parameter]) -> bool:
    """Tell whether what looks like an option is one: it is not where code or another program's words stand."""
    listed = list(parameters)
    if any(parameter.place == "code" for parameter in listed):
        return False
    return bool(options_of(listed)) or not any(parameter.place == "rest" for parameter in listed)


def bind(parameters: tuple[Parameter, ...], text: str) -> tuple[list[object], dict[str, object]]:
    """Return the positional and keyword arguments that a text stands for.

    Raises:
        CommandError: If a word is missing, too many, or not of its parameter's kind.
    """
    code = next((parameter for parameter in parameters if parameter.place == "code"), None)
    if code is not None:
        return _bind_code(parameters, code, text)
    words, keywords = _take_options(parameters, _split(text))
    return _bind_words([p for p in parameters if p.place in ("word", "rest")], words), keywords


def _parameter(parameter: inspect.Parameter) -> Parameter:
    annotation = str if parameter.annotation is parameter.empty else _without_none(parameter.annotation)
    kind = kind_of(annotation)
    place: Literal["word", "rest", "code", "option", "flag"] = "word"
    if parameter.kind is parameter.VAR_POSITIONAL:
        place = "rest"
    elif parameter.kind is parameter.KEYWORD_ONLY:
        place = "flag" if annotation is bool else "option"
    elif annotation is Code:
        place = "code"
    required = parameter.default is parameter.empty and place not in ("rest", "flag")
    return Parameter(parameter.name, kind, place, required)


def kind_of(annotation: object) -> Kind:
    """Return what an annotation stands for.

    Raises:
        TypeError: If that is not known.
    """
    if typing.get_origin(annotation) is Literal:
        return _literal(typing.get_args(annotation))
    try:
        return _KINDS[annotation]
    except (KeyError, TypeError):
        raise TypeError(f"a command cannot take {annotation!r}; add_kind() can teach it") from None


def _without_none(annotation: object) -> object:
    """``int`` of ``int | None``."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        others = [part for part in typing.get_args(annotation) if part is not type(None)]
        return others[0] if len(others) == 1 else annotation
    return annotation


def _literal(values: tuple[object, ...]) -> Kind:
    known = {str(value): value for value in values}

    def convert(word: str) -> object:
        if word not in known:
            raise ValueError(word)
        return known[word]

    listed = [(name, "") for name in known]
    every = "|".join(known)
    return Kind(convert, " or ".join(known), lambda query: listed, every if len(every) <= _LONGEST_LIST else "")


def _switch(word: str) -> bool:
    value = switch(word)
    if value is None:
        raise ValueError(word)
    return value


def _paths(query: Query) -> Iterable[Choice]:
    """The files of the folder that the beginning names; folders end with a slash."""
    folder, _ = os.path.split(query.beginning)
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    except OSError:
        return []
    hidden = os.path.basename(query.beginning).startswith(".")
    return [(os.path.join(folder, name), "") for name in names if hidden or not name.startswith(".")]


_KINDS: dict[object, Kind] = {
    str: Kind(str, "a text"),
    Code: Kind(str, "code"),
    int: Kind(int, "a whole number", placeholder="N"),
    float: Kind(float, "a number"),
    bool: Kind(_switch, "on or off", lambda query: (("on", ""), ("off", "")), "on|off"),
    Path: Kind(lambda word: Path(word).expanduser(), "a file", _paths, completion="path"),
}


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise CommandError(f"{str(error).lower()}: quotes come in pairs") from None


def _bind_code(parameters: tuple[Parameter, ...], code: Parameter, text: str) -> tuple[list[object], dict[str, object]]:
    """Give each parameter before the code one word and the code all the rest."""
    values: list[object] = []
    for parameter in parameters:
        if parameter is code:
            break
        found = re.match(r"\s*(\S*)", text)
        assert found is not None
        word, text = found[1], text[found.end() :]
        values.append(_convert(parameter, word) if word else _missing(parameter))
    source = text.lstrip(" \t")
    # Code that begins below the command's line may be indented as a whole.
    source = textwrap.dedent(source).strip("\n") if source.startswith("\n") else source.rstrip()
    if source:
        values.append(source)
    elif code.required:
        _missing(code)
    return values, {}


def _take_options(parameters: tuple[Parameter, ...], words: list[str]) -> tuple[list[str], dict[str, object]]:
    """Part the options from the other words; what stands after ``--`` is none."""
    options = options_of(parameters)
    if not options and any(parameter.place == "rest" for parameter in parameters):
        # What looks like an option is for somebody else, a script for instance.
        return words, {}
    positional: list[str] = []
    keywords: dict[str, object] = {}
    remaining = iter(words)
    for word in remaining:
        name, equals, value = word.partition("=")
        if word == "--":
            positional.extend(remaining)
        elif not word.startswith("--"):
            if re.fullmatch(r"-[A-Za-z]+", word):
                raise CommandError(f"no option {word}{_instead(word, options)}")
            positional.append(word)
        elif name not in options:
            raise CommandError(f"no option {name}{_instead(name, options)}")
        elif options[name].place == "flag":
            keywords[options[name].name] = _convert(options[name], value if equals else "on")
        else:
            keywords[options[name].name] = _convert(options[name], value if equals else next(remaining, ""))
    for parameter in options.values():
        if parameter.required and parameter.name not in keywords:
            _missing(parameter)
    return positional, keywords


def _instead(name: str, options: Mapping[str, Parameter]) -> str:
    if not options:
        return ": it takes none"
    if name.startswith("--"):
        close = difflib.get_close_matches(name, options, n=1) or list(options)
    else:
        close = _by_letters(name[1:], options) or list(options)
    return f"; did you mean {close[0]}?" if len(close) == 1 else f"; there are {', '.join(close)}"


def _by_letters(letters: str, options: Mapping[str, Parameter]) -> list[str]:
    """The options that begin with these letters, or the one whose value is called so: -n for --max N."""
    named = [option for option in options if option[2:].startswith(letters)]
    return named or [option for option, part in options.items() if part.kind.placeholder.lower() == letters.lower()]


def _bind_words(parameters: list[Parameter], words: list[str]) -> list[object]:
    values: list[object] = []
    remaining = list(words)
    for parameter in parameters:
        if parameter.place == "rest":
            values += [_convert(parameter, word) for word in remaining]
            remaining = []
        elif remaining:
            values.append(_convert(parameter, remaining.pop(0)))
        elif parameter.required:
            _missing(parameter)
    if remaining:
        raise CommandError(f"too much: {' '.join(remaining)}")
    return values


def _missing(parameter: Parameter) -> typing.NoReturn:
    raise CommandError(f"{parameter.label} is missing: {parameter.kind.expected}")


def _convert(parameter: Parameter, word: str) -> object:
    try:
        return parameter.kind.convert(word)
    except ValueError:
        raise CommandError(f"{parameter.label} takes {parameter.kind.expected}, not {word!r}") from None
