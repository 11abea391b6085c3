"""``%dump``: everything at once, for a file or for somebody else to read."""

from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.report import Report, make_report
from aiorepl.interpret.daemon import in_thread


@command(group="tasks", looks=True)
async def dump(context: Context) -> Report:
    """Report on every loop of the process, and what is wrong there.

    The same as aiorepl.dump() writes; its size is bounded, however many tasks there are.
    """
    return await in_thread(make_report)
