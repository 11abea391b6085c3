"""``aiorepl list``: the processes of this user that can be reached, and what each says of itself."""

import asyncio
import sys
from collections.abc import Sequence

from aiorepl.errors import ServeError
from aiorepl.far_output import write, write_value
from aiorepl.remote.client import greet
from aiorepl.remote.discovery import Found, ProcessList, ProcessRow, command_of, served

__all__ = ["main", "served_rows"]

# Seconds within which a process says what it is.
_LOOK = 2.0


def main(word: str, arguments: Sequence[str]) -> int:
    """List them; return the exit status."""
    if set(arguments) - {"--json"}:
        wants_help = bool({"-h", "--help"}.intersection(arguments))
        write(sys.stdout if wants_help else sys.stderr, "usage: aiorepl list [--json]\n")
        return 0 if wants_help else 2
    rows = asyncio.run(served_rows())
    write_value(ProcessList(tuple(rows)), as_json="--json" in arguments)
    return 0


async def served_rows() -> list[ProcessRow]:
    """The processes that serve, by number; one that does not answer is there all the same."""
    return list(await asyncio.gather(*map(_look_at, served())))


async def _look_at(found: Found) -> ProcessRow:
    row = ProcessRow(found.process, found.name, command_of(found.process), path=found.path)
    try:
        channel, welcome = await greet(found, "look", timeout=_LOOK)
    except ServeError as error:
        return row._replace(state=str(error))
    await channel.aclose()
    return row._replace(
        command=row.command or welcome.program,
        python=welcome.python,
        loops=welcome.loops,
        tasks=welcome.tasks,
        state="connect (read-only)" if welcome.read_only else "connect",
    )
