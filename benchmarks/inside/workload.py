"""What the measured programs import at their prompts, so that little has to be typed there."""

import asyncio
import time

zebra_one = zebra_two = 1


async def spin() -> None:
    """Keep the loop busy with Python code for good, about 20 ms at a time."""
    while True:
        for _ in range(10**6):
            pass
        await asyncio.sleep(0)


async def flood(lines: int) -> None:
    """Print many lines once the prompt has come back; the last one tells when that began.

    ``time.perf_counter`` counts from the same moment in every process of the machine.
    """
    await asyncio.sleep(0.5)
    started = time.perf_counter()
    for number in range(lines):
        print(f"line {number}")
        if number % 100 == 0:
            await asyncio.sleep(0)
    print(f"flood since {started!r};")


def names(count: int) -> dict[str, int]:
    """A crowd of variables: ``globals().update(names(20_000))``."""
    return {f"name_{number}": number for number in range(count)}
