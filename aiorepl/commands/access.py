"""``%write``: whether a session in somebody else's program may change it."""

from typing import Literal

from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.model import Notice


@command(
    group="session",
    looks=True,
    examples=[("%write on", "cells and %cancel are allowed from now on"), ("%write off", "only looking is")],
)
def write(context: Context, state: Literal["on", "off"] | None = None) -> None:
    """Say whether this session may change the program, or allow it.

    A session that only looks refuses cells, !commands, %cancel and whatever else changes the program. What a program
    serves as read-only stays so.

    Args:
        state: On or off; left out, tell which.
    """
    if state == "on":
        context.access.unlock()
    elif state == "off":
        context.access.lock()
    now = "may change the program" if context.access.writes else "only looks"
    context.emit(Notice(f"this session {now}"))
