"""Importing this module registers aiorepl's own commands in ``COMMANDS``."""

from aiorepl.commands import files, help, history, jobs, leaving, names, settings, timing  # noqa: F401
from aiorepl.commands.registry import COMMANDS

__all__ = ["COMMANDS"]
