"""``%help`` and ``%hints``."""

from typing import NewType

from aiorepl.commands.arguments import Kind, Query, add_kind
from aiorepl.commands.context import Context
from aiorepl.commands.registry import COMMANDS, command
from aiorepl.commands.values import CommandHelp, CommandList
from aiorepl.model import Notice

CommandName = NewType("CommandName", str)


def _names(query: Query) -> list[tuple[str, str]]:
    percent = "%" if query.beginning.startswith("%") else ""
    return [(percent + name, COMMANDS.get(name).documentation.summary) for name in COMMANDS.names()]


add_kind(CommandName, Kind(str, "a command's name", _names, completion="command"))


@command(
    name="help",
    group="session",
    looks=True,
    examples=[("%help", "every command"), ("%help timeit", "all about one"), ("%timeit?", "the same")],
)
def help_(context: Context, name: CommandName | None = None) -> CommandList | CommandHelp:
    """List all commands, or explain one with examples.

    Python's own help is help(); help for an object is object?, with its source object??.

    Args:
        name: The command to explain.
    """
    if name is not None:
        return COMMANDS.get(name).help
    return CommandList(tuple(command.info for command in COMMANDS))


@command(group="session", looks=True)
def hints(context: Context) -> None:
    """Let each hint be shown once more.

    A hint is told the first time its mistake is made; %set hints off silences them all.
    """
    context.renew_hints()
    context.emit(Notice("each hint will be shown once more"))
