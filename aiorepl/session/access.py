"""What a session may do to the program: everything, or only look."""

from collections.abc import Callable
from typing import Literal

from aiorepl.errors import CommandError
from aiorepl.interpret.source import Command, Help, Python, Shell

__all__ = ["Everything", "Guarded", "Mode"]

# "write": it may do everything. "locked": it only looks until it is unlocked. "read-only": it only looks.
Mode = Literal["write", "locked", "read-only"]
Typed = Python | Command | Shell | Help

_INSTEAD = {"locked": "%write on allows it", "read-only": "its program allows nothing else"}


class Everything:
    """The access of a session in the person's own process."""

    writes = True

    def check(self, typed: Typed) -> None:
        """Let everything through."""

    def unlock(self) -> None:
        """There is nothing to unlock."""

    def lock(self) -> None:
        """Refuse.

        Raises:
            CommandError: Always.
        """
        raise CommandError("this session runs its own program, which it may always change")


class Guarded:
    """Refuses what changes somebody else's program while that is not allowed, and reports what is allowed."""

    def __init__(self, mode: Mode, report: Callable[[str, str], None]) -> None:
        """``report`` is told what is done ("cell", "shell", "command", "unlock", "lock") and with what text.

        What it raises refuses it.
        """
        self._mode = mode
        self._report = report
        self.writes = mode == "write"

    def check(self, typed: Typed) -> None:
        """Let through what only looks, and the rest if the session may write.

        Raises:
            CommandError: If it may not.
        """
        kind = self._kind_of(typed)
        if kind and not self.writes:
            raise CommandError(f"this session is read-only; {_INSTEAD[self._mode]}")
        if kind and not isinstance(typed, Help):
            self._report(kind, f"%{typed.text}" if isinstance(typed, Command) else typed.text)

    def unlock(self) -> None:
        """Allow everything from now on.

        Raises:
            CommandError: If the program does not allow that.
        """
        if self._mode == "read-only":
            raise CommandError("this session is read-only; its program allows nothing else")
        if not self.writes:
            self._report("unlock", "")
        self.writes = True
        self._mode = "locked"

    def lock(self) -> None:
        """Only look from now on."""
        if self.writes:
            self._report("lock", "")
            self._mode = "locked"
        self.writes = False

    def _kind_of(self, typed: Typed) -> str:
        """What a submission changes with; empty if it only looks."""
        if isinstance(typed, Help):
            return ""
        if isinstance(typed, Command):
            return "" if self._looks(typed.text) else "command"
        return "shell" if isinstance(typed, Shell) else "cell"

    def _looks(self, text: str) -> bool:
        from aiorepl.commands.standard import COMMANDS

        return COMMANDS.only_looks(text)
