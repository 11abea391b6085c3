"""What to type next, for who asks from the shell: there a command is a word of ``aiorepl``, and has a target."""

import re

from aiorepl.alerts.doctor_values import Cause, Diagnosis
from aiorepl.commands.task_values import StuckReport

__all__ = ["for_shell"]

_COMMAND = re.compile(r"%(?=[a-z])")


def for_shell(value: object, target: str) -> object:
    """Return an answer with the commands in it as they are typed at a shell; any other value is returned as it is."""
    if isinstance(value, Diagnosis):
        return value._replace(causes=tuple(_cause(cause, target) for cause in value.causes))
    if isinstance(value, StuckReport):
        found = tuple(finding._replace(advice=_words(finding.advice)) for finding in value.findings)
        return value._replace(findings=found)
    return value


def _cause(cause: Cause, target: str) -> Cause:
    word, _, rest = cause.command.removeprefix("%").partition(" ")
    command, shows = f"aiorepl {cause.command.removeprefix('%')} {target}", cause.shows
    if word == "alerts":
        # An alert is gone with the session that has seen it.
        command, shows = f"aiorepl connect {target}", "a prompt, which tells of each as it happens, with its stack"
    elif word == "loops":
        command, shows = f"aiorepl tasks --loop {rest} {target}", "shows what that loop has to do"
    advice = _words(cause.advice)
    return cause._replace(advice=advice, command=command, shows=shows) if word else cause._replace(advice=advice)


def _words(text: str) -> str:
    return _COMMAND.sub("aiorepl ", text)
