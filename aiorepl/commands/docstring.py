"""What a Google-style docstring says: a summary, a text, and a sentence for each argument."""

import inspect
import re
from dataclasses import dataclass

__all__ = ["Documentation", "read"]

_SECTION = re.compile(r"(Args|Returns|Raises|Yields|Examples?|Note):")
_ARGUMENT = re.compile(r"\*{0,2}(\w+)(?: \([^)]*\))?:\s*(.*)")


@dataclass(frozen=True, slots=True)
class Documentation:
    """A docstring in its parts; ``text`` is what stands between the summary and the first section."""

    summary: str
    text: str
    arguments: dict[str, str]


def read(docstring: str | None) -> Documentation:
    """Take a docstring apart; what it does not say is empty."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    sections: dict[str, list[str]] = {"": []}
    section = ""
    for line in lines:
        heading = _SECTION.fullmatch(line)
        if heading:
            section = heading[1]
            sections[section] = []
        else:
            sections[section].append(line)
    summary, *text = sections[""] or [""]
    return Documentation(summary, "\n".join(text).strip(), _arguments(sections.get("Args", [])))


def _arguments(lines: list[str]) -> dict[str, str]:
    """Read the lines of an "Args:" section; a line that is indented further goes on with the one before."""
    found: dict[str, str] = {}
    name = ""
    text = inspect.cleandoc("\n".join(["", *lines]))
    for line in text.splitlines():
        argument = None if line.startswith(" ") else _ARGUMENT.fullmatch(line)
        if argument:
            name = argument[1]
            found[name] = argument[2]
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
