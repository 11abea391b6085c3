"""The arguments of the commands that ask a served process: which process, which words are the command's own."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from aiorepl.errors import AioreplError
from aiorepl.remote.discovery import Found, find, find_all, served, why_not_served

__all__ = ["OPTIONS", "OPTIONS_HELP", "Request", "asks_for_help", "read_code", "read_request", "take_options"]

OPTIONS = "[--loop N] [--json] [--follow SECONDS] [--all]"
OPTIONS_HELP = """\
TARGET is a process's number, its name, or its socket's path; it may be left out where there is only one.

  --target TARGET   the same, wherever it stands; a number in its old place is then the command's own
  --loop N          of this loop of the process, instead of the one that cells run on (aiorepl loops lists them)
  --json            the answer as JSON
  --follow SECONDS  again and again, until Ctrl-C
  --all             each process that TARGET names, all of them if it is left out
"""

# Words that a command needs before the target; of any other, the only word is the target.
_NEEDS = {"why": 1, "where": 1, "task": 1}
# Any number of words may stand before the target.
_TAKES_ALL = ("cancel",)
# A number may be theirs.
_TAKES_NUMBER = ("alerts", "doctor", "loops")
_VALUES = ("--target", "--follow", "--loop")


class Request(NamedTuple):
    """What is asked of whom, and of which loop there: after ``follow`` seconds again, unless that is None.

    ``every`` groups the answers.
    """

    text: str
    targets: Sequence[Found]
    as_json: bool = False
    follow: float | None = None
    every: bool = False
    loop: int | None = None


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Tell whether usage is wanted and no more."""
    return "-h" in arguments or "--help" in arguments


def read_request(word: str, arguments: Sequence[str]) -> Request:
    """Read the arguments of a command.

    Raises:
        AioreplError: If they are wrong, or no such process is served.
    """
    options, rest = take_options(arguments)
    words, target = _take_target(word, rest, options.get("--target"))
    return _request(f"%{word} {shlex.join(words)}".rstrip(), target, options)


def read_code(arguments: Sequence[str]) -> Request | None:
    """Read a target and code; None if there is something else.

    Raises:
        AioreplError: If no such process is served.
    """
    options, rest = take_options(arguments)
    if len(rest) not in (1, 2):
        return None
    return _request(rest[-1], options.get("--target", rest[0] if len(rest) == 2 else None), options)


def take_options(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Take our own options out of the words; those of a command stay."""
    options: dict[str, str] = {}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        name = "--target" if name == "-t" else name
        if name in _VALUES:
            options[name] = value if equals else next(words, "")
        elif word in ("--json", "--all"):
            options[word] = ""
        else:
            rest.append(word)
    return options, rest


def _request(text: str, target: str | None, options: dict[str, str]) -> Request:
    every = "--all" in options
    follow = _seconds(options["--follow"]) if "--follow" in options else None
    loop = _loop(options["--loop"]) if "--loop" in options else None
    return Request(text, find_all(target) if every else [find(target)], "--json" in options, follow, every, loop)


def _take_target(word: str, rest: list[str], target: str | None) -> tuple[list[str], str | None]:
    """Tell the target from the command's own words."""
    at = _bare_words(word, rest)
    if target is not None or not at:
        return rest, target
    needs = 0 if word == "where" and "--group" in rest else _NEEDS.get(word, 0)
    last = rest[at[-1]]
    may_be_own = word in _TAKES_ALL or (word in _TAKES_NUMBER and last.replace(".", "", 1).isdecimal())
    if len(at) > needs and (not may_be_own or _is_served(last)):
        return rest[: at[-1]] + rest[at[-1] + 1 :], last
    if word in _TAKES_NUMBER and last.isdecimal() and _is_python(int(last)):
        meant = f"aiorepl {shlex.join([word, *rest])} --target NAME means the number"
        raise AioreplError(f"{why_not_served(int(last))}; {meant}")
    return rest, None


def _bare_words(word: str, rest: Sequence[str]) -> list[int]:
    """Where the words stand that are neither options nor their values."""
    if not any(one.startswith("-") for one in rest):
        return list(range(len(rest)))
    from aiorepl.commands.arguments import options_of
    from aiorepl.commands.standard import COMMANDS

    options = options_of(COMMANDS.get(word).parameters)
    found = []
    words = iter(enumerate(rest))
    for number, one in words:
        option = options.get(one)
        if option is not None and option.place == "option":
            next(words, None)
        elif not one.startswith("-"):
            found.append(number)
    return found


def _is_served(target: str) -> bool:
    return "/" in target or any(target in (one.name, str(one.process)) for one in served())


def _is_python(process: int) -> bool:
    """Tell whether a number is more likely to mean a process than to be the command's own."""
    from aiorepl.remote.attach.process import is_own_python

    return is_own_python(process)


def _loop(text: str) -> int:
    if not text.isdecimal():
        raise AioreplError(f"--loop takes the number of a loop, as aiorepl loops lists them, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise AioreplError(f"--follow takes a number of seconds, not {text!r}")
    return max(seconds, 0.1)
