"""``aiorepl list``: the processes of this user that can be reached, and what each says of itself."""

import asyncio
import sys
from collections.abc import Sequence

from aiorepl.errors import ServeError
from aiorepl.far_output import write, write_value
from aiorepl.remote.client import greet
from aiorepl.remote.discovery import Found, ProcessList, ProcessRow, command_of, served

__all__ = ["main", "other_rows", "served_rows"]

# Seconds within which a process says what it is.
_LOOK = 2.0


def main(word: str, arguments: Sequence[str]) -> int:
    """List them; return the exit status."""
    if set(arguments) - {"--json"}:
        wants_help = bool({"-h", "--help"}.intersection(arguments))
        write(sys.stdout if wants_help else sys.stderr, "usage: aiorepl list [--json]\n")
        return 0 if wants_help else 2
    rows = asyncio.run(served_rows())
    rows = [*rows, *other_rows({row.process for row in rows})]
    write_value(ProcessList(tuple(rows)), as_json="--json" in arguments)
    return 0


async def served_rows() -> list[ProcessRow]:
    """The processes that serve, by number; one that does not answer is there all the same."""
    return list(await asyncio.gather(*map(_look_at, served())))


def other_rows(served: set[int]) -> list[ProcessRow]:
    """The other processes of this user that have asyncio: whether they can be attached to, or why not."""
    from aiorepl.remote.attach.look import count_tasks
    from aiorepl.remote.attach.refusals import attachable, python_processes

    rows = []
    for process in python_processes():
        if process.pid in served or process.python is None:
            continue
        tasks = count_tasks(process)
        # Where another version's tasks cannot be counted and it has asyncio built in, a loop shows by its selector.
        if tasks or process.loads_asyncio or (tasks is None and process.holds_selector()):
            way, reason = attachable(process.pid)
            # What to do instead is said by aiorepl attach.
            state = "attach" if way else reason.removeprefix(f"process {process.pid} ").partition(":")[0]
            version = ".".join(map(str, process.python))
            rows.append(ProcessRow(process.pid, "", command_of(process.pid), version, tasks=tasks, state=state))
    return rows


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
