"""A small crawler to look at: `%run examples/crawl.py`, then `await crawl(5)`, or `crawl(50) &` and press on."""

import asyncio
import random


async def fetch(page: int) -> int:
    """Pretend to fetch a page."""
    await asyncio.sleep(random.uniform(0.1, 1.0))
    if page % 13 == 12:
        raise ConnectionError(f"page {page} is gone")
    return page * 100


async def crawl(pages: int) -> dict[int, int]:
    """Fetch pages, three at a time; pages that are gone are left out."""
    slots = asyncio.Semaphore(3)
    found: dict[int, int] = {}

    async def one(page: int) -> None:
        async with slots:
            try:
                found[page] = await fetch(page)
            except ConnectionError as error:
                print(error)

    async with asyncio.TaskGroup() as group:
        for page in range(pages):
            group.create_task(one(page))
    return found
