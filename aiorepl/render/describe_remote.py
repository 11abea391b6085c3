"""What the served processes look like. Importing this registers it."""

import re

from aiorepl.remote.discovery import ProcessList
from aiorepl.render.blocks import Block, Column, Lines, Table
from aiorepl.render.describe import describe

# Characters of a command line that are shown.
_COMMAND = 40


@describe.register
def _(value: ProcessList) -> tuple[Block, ...]:
    if not value.rows:
        return (Lines(("no process is served; a program is once it has called aiorepl.serve()",), "dim"),)
    columns = (
        Column("process", "number", right=True),
        Column("name", "function"),
        Column("python"),
        Column("loops", right=True),
        Column("tasks", right=True),
        Column("reached by"),
        Column("command"),
    )
    rows = tuple(
        (
            str(row.process),
            row.name or "–",
            row.python or "–",
            "–" if row.loops is None else str(row.loops),
            "–" if row.tasks is None else f"{row.tasks:,}",
            row.state,
            _short(row.command),
        )
        for row in value.rows
    )
    return (Table(columns, rows),)


def _short(command: str) -> str:
    """Cut a command line; where the interpreter is tells less than what it runs."""
    command = _FOLDER.sub("", command, count=1)
    return command if len(command) <= _COMMAND else f"{command[:_COMMAND]}…"


# The folder of the first word, or of the first word after "child of 4711: ".
_FOLDER = re.compile(r"(?<!\S)/(?:\S*/)?(?=\S+(?:\s|$))")
