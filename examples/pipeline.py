"""Top-level await in a file: `aiorepl examples/pipeline.py 5`, or with -i to stay and look at the queue."""

import asyncio
import sys

queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)


async def produce(count: int) -> None:
    """Put numbers into the queue."""
    for number in range(count):
        await queue.put(number)


async def consume(count: int) -> int:
    """Take numbers out and add them up."""
    total = 0
    for _ in range(count):
        total += await queue.get()
        await asyncio.sleep(0.05)
    return total


count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
_, total = await asyncio.gather(produce(count), consume(count))  # noqa: F704
print(f"{count} numbers, {total} in all")
