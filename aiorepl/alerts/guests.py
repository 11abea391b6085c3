"""What a task of a cell raises does not end the program on whose loop the cell is a guest.

asyncio lets SystemExit and KeyboardInterrupt of any task out of the loop. In a task that a cell has made, or one of
its tasks, they become a failure and a cancellation of that task.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from aiorepl.errors import LeavingTaskError

__all__ = ["GUEST", "guarded"]

# Set in the context of cells that are guests; what they make inherits it.
GUEST: contextvars.ContextVar[bool] = contextvars.ContextVar("aiorepl_guest", default=False)


def guarded(coroutine: Any) -> Any:
    """Return what a task that is made now should run in place of a coroutine."""
    return Guarded(coroutine) if GUEST.get() and asyncio.iscoroutine(coroutine) else coroutine


class Guarded(Coroutine[Any, Any, Any]):
    """A coroutine, but for what its steps raise; ``guarded`` is the cell's own, by which a task is described."""

    __slots__ = ("guarded",)

    def __init__(self, coroutine: Any) -> None:
        """Guard this one."""
        self.guarded = coroutine

    def send(self, value: Any) -> Any:
        """Make a step."""
        return self._step(self.guarded.send, value)

    def throw(self, *raised: Any) -> Any:
        """Make a step that begins with an exception."""
        return self._step(self.guarded.throw, *raised)

    def close(self) -> None:
        """End it."""
        self.guarded.close()

    def __await__(self) -> Any:
        """Wait for it as for the coroutine itself."""
        return self.guarded.__await__()

    def __getattr__(self, name: str) -> Any:
        """Its name, its frame and what else a coroutine has."""
        if name == "guarded":
            # It has not been made yet, as when it is being copied.
            raise AttributeError(name)
        return getattr(self.guarded, name)

    def _step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return step(*arguments)
        except SystemExit as left:
            raised: BaseException = LeavingTaskError(f"{left!r} in a task of a cell; the program goes on")
            raised.__traceback__ = left.__traceback__ and left.__traceback__.tb_next
        except KeyboardInterrupt as interrupt:
            raised = asyncio.CancelledError("KeyboardInterrupt in a task of a cell; the program goes on")
            raised.__traceback__ = interrupt.__traceback__ and interrupt.__traceback__.tb_next
        raise raised
