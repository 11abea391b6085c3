"""``%exit``, ``%quit`` and ``%stdin``: what ends a session, and what goes to the program beside it."""

from aiorepl.commands.arguments import Code
from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.errors import CommandError
from aiorepl.model import Leave, Notice

_NOTHING = Code("")


@command(name="exit", group="session")
def exit_(context: Context, status: int = 0) -> None:
    """End the session; pending tasks are cancelled and awaited.

    In a program only the prompt is left: the program and its tasks go on.

    Args:
        status: The exit status.
    """
    context.emit(Leave(status))


@command(group="session")
def quit(context: Context, status: int = 0) -> None:
    """End the session, or stop the program beside it as Ctrl-C does.

    Args:
        status: The exit status of a session of aiorepl's own.
    """
    if context.program is None:
        context.emit(Leave(status))
    else:
        context.program.stop()
        context.emit(Notice("Ctrl-C was sent to the program"))


@command(group="session", examples=[("%stdin yes", "the program that reads standard input gets the line yes")])
def stdin(context: Context, text: Code = _NOTHING, *, end: bool = False) -> None:
    """Give a program (aiorepl run) a line on its standard input.

    What it asks for by input() or sys.stdin is asked at the terminal; this is for one that reads in another way.

    Args:
        text: The line; empty if left out.
        end: Tell the end of input instead.
    """
    if context.program is None:
        raise CommandError("there is no program beside this prompt; aiorepl run FILE starts one")
    context.program.type_line("" if end else f"{text}\n")
