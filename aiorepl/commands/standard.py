"""Importing this module registers aiorepl's own commands in ``COMMANDS``."""

from aiorepl.commands import cancelling, files, help, history, jobs, leaving, loops, names, settings, tasks, timing  # noqa: F401
from aiorepl.commands.registry import COMMANDS

__all__ = ["COMMANDS"]
