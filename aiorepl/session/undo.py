"""What is undone when a session ends."""

from collections.abc import Callable
from functools import partial

__all__ = ["UndoStack"]


class UndoStack:
    """Callbacks for the end, last in, first out; unlike ``contextlib.ExitStack`` it tells of each one that fails."""

    def __init__(self, failed: Callable[[Exception], object]) -> None:
        """Start empty; ``failed`` is given what a callback raises."""
        self._failed = failed
        self._callbacks: list[Callable[[], object]] = []

    def callback(self, function: Callable[..., object], /, *arguments: object, **keywords: object) -> None:
        """Call a function at the end; any thread may say so."""
        self._callbacks.append(partial(function, *arguments, **keywords))

    def close(self) -> None:
        """Call them all, here and now, and forget them."""
        while self._callbacks:
            undo = self._callbacks.pop()
            try:
                undo()
            except Exception as error:
                self._failed(error)
