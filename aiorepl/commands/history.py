"""``%history``: what was typed."""

from fnmatch import fnmatchcase

from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.values import History, HistoryLine


@command(
    group="session",
    looks=True,
    examples=[
        ("%history", "this session"),
        ("%history sleep --all", "whatever has sleep in it, from earlier sessions too"),
    ],
)
def history(context: Context, pattern: str = "", *, max: int = 100, all: bool = False) -> History:
    """List what was typed, oldest first.

    A number N is that of the value _N.

    Args:
        pattern: Only what contains this text, or fits it with * and ? as in file names.
        max: How many at most; the newest are kept.
        all: Earlier sessions too.
    """
    past = [HistoryLine(0, text) for text in context.past_entries()] if all else []
    lines = past + [HistoryLine(entry.number, entry.text) for entry in context.entries]
    found = [line for line in lines if pattern in line.text or fnmatchcase(line.text, pattern)]
    shown = found[-max:] if max > 0 else []
    return History(tuple(shown), len(found) - len(shown))
