"""Importing this module registers aiorepl's own commands in ``COMMANDS``."""

from aiorepl.commands import (  # noqa: F401
    access,
    alerts,
    cancelling,
    debugging,
    doctor,
    dumping,
    files,
    help,
    history,
    jobs,
    leaving,
    logs,
    loops,
    names,
    settings,
    stats,
    tasks,
    timing,
    tracing,
)
from aiorepl.commands.registry import COMMANDS

__all__ = ["COMMANDS"]
