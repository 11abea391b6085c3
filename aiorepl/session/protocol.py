"""What every frontend talks to, and every kind of session offers."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from aiorepl.model import Completion, Event, Signature, Status

__all__ = ["Session"]


class Session(Protocol):
    """A place to run code, near or far; all of it is used from the frontend's own loop."""

    def submit(self, text: str) -> AsyncIterator[Event]:
        """Run what was typed; the last event is ``Done``. One submission at a time is in the foreground."""

    def announcements(self) -> AsyncIterator[Event]:
        """What happens by itself: jobs that end, tasks that fail. Ends after ``aclose``."""

    def complete(self, text: str, cursor: int) -> AsyncIterator[tuple[Completion, ...]]:
        """Ways to go on at the cursor: at once those that are cheap, then the whole list, if there are more."""

    async def signature(self, text: str, cursor: int) -> Signature | None:
        """The call that the cursor stands in, if it is known."""

    async def interrupt(self) -> None:
        """What Ctrl-C asks for: stop what is in the foreground, and nothing else."""

    async def detach(self) -> None:
        """What Ctrl-Z asks for: let what is in the foreground go on as a background job."""

    def warm(self) -> None:
        """Load, off the frontend's thread, what the first completion would otherwise wait for; any thread may call."""

    def command_names(self) -> Sequence[str]:
        """The names of the ``%`` commands."""

    def status(self) -> Status:
        """How the loop is doing, as far as it is known now."""

    async def aclose(self) -> None:
        """End the session; what had to be given up is announced first."""
