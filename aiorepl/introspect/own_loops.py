"""The loops that aiorepl made for itself: nobody asks for them."""

import asyncio
import weakref

__all__ = ["OWN_LOOPS", "mark_own"]

OWN_LOOPS: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def mark_own(loop: asyncio.AbstractEventLoop) -> None:
    """Leave a loop out of the loops of the process."""
    OWN_LOOPS.add(loop)
