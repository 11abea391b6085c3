"""Ctrl-C ends what runs, whenever it is pressed, and nothing else."""

import asyncio
import textwrap

import pytest
from processes import Home, python

from aiorepl.interruptible import run

PRESSED = textwrap.dedent(
    """
    import asyncio, os, random, signal, threading, time
    from aiorepl.interruptible import run

    ended = 0

    async def main():
        def press():
            time.sleep(random.random() * 0.0005)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press).start()
        try:
            # Its next turn may be in the very moment of the key.
            await asyncio.sleep(random.random() * 0.0005)
            await asyncio.sleep(20)
        finally:
            global ended
            ended += 1

    pressed = 0
    for _ in range(200):
        try:
            run(main())
        except KeyboardInterrupt:
            pressed += 1
    print(pressed, ended, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """
)


def test_it_ends_at_whatever_moment_the_key_is_pressed(home: Home) -> None:
    assert python("-c", PRESSED, home=home) == (0, "200 200 True\n", "")


def test_what_it_returns_or_raises_is_passed_on() -> None:
    assert run(asyncio.sleep(0, "done")) == "done"

    async def fails() -> None:
        raise LookupError("no")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(LookupError, match="no"):
        run(fails())
    with pytest.raises(asyncio.CancelledError):
        run(cancelled())
