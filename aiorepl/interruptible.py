"""Run a coroutine until it ends or Ctrl-C is pressed, at whatever moment that is."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run"]

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as ``asyncio.run`` does, in the main thread; Ctrl-C cancels it.

    The handler that ``asyncio.run`` itself has does not wake the loop: a key that is pressed just before it waits for
    something to do would have no effect until there is something.

    Raises:
        KeyboardInterrupt: When Ctrl-C has been pressed.
    """
    pressed = False

    async def interruptible() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def press() -> None:
            nonlocal pressed
            pressed = True
            task.cancel()

        loop.add_signal_handler(signal.SIGINT, press)
        try:
            return await main
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        if pressed:
            raise KeyboardInterrupt from None
        raise
