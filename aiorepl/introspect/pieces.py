"""Work in pieces: a generator that yields wherever a loop may go on with its own."""

from collections.abc import Generator
from typing import TypeVar

__all__ = ["PIECE", "at_once"]

T = TypeVar("T")

# Simple things, such as the values of a snapshot, that are gone through in one piece, which takes a tenth of a
# millisecond.
PIECE = 128


def at_once(work: Generator[None, None, T]) -> T:
    """Do all the pieces one after the other, and return the result."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: T = stop.value
            return result
