"""``%exit``."""

from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.model import Leave


@command(name="exit", group="session", looks=True, aliases=["quit"])
def exit_(context: Context, status: int = 0) -> None:
    """End the session; pending tasks are cancelled and awaited.

    Args:
        status: The exit status.
    """
    context.emit(Leave(status))
