"""Importing this module registers aiorepl's own commands in ``COMMANDS``."""

from aiorepl.commands import (  # noqa: F401
    cancelling,
    files,
    help,
    history,
    jobs,
    leaving,
    loops,
    names,
    settings,
    stats,
    tasks,
    timing,
)
from aiorepl.commands.registry import COMMANDS

__all__ = ["COMMANDS"]
