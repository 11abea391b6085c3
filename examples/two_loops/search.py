"""A server with its index on a loop of its own, in a second thread: `python search.py [--port 8080]`.

Each line that is sent is a word: it is added to the index, and what begins like it is answered.
"""

import argparse
import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiorepl

T = TypeVar("T")


class Index:
    """Words, on a loop in a thread of its own, where slow work holds nobody up."""

    def __init__(self, main_loop: asyncio.AbstractEventLoop) -> None:
        self.main_loop = main_loop
        self.loop = asyncio.new_event_loop()
        self.words: set[str] = set()
        self.log: list[str] = []
        self.changes: asyncio.Queue[str] = asyncio.Queue()
        threading.Thread(target=self.run, name="index", daemon=True).start()

    def run(self) -> None:
        self.loop.create_task(self.compact(), name="compact")
        self.loop.run_forever()

    async def compact(self) -> None:
        """The work that goes on meanwhile."""
        while True:
            await asyncio.sleep(0.05)
            self.words = set(sorted(self.words)[-1000:])

    async def add(self, word: str) -> list[str]:
        """Runs on the index's loop."""
        self.words.add(word)
        if word.endswith("!"):
            # The log belongs to the main loop, and here its answer is waited for.
            asyncio.run_coroutine_threadsafe(self.write_log(word), self.main_loop).result()
        return sorted(known for known in self.words if known.startswith(word[:2]))

    async def write_log(self, word: str) -> None:
        """Runs on the main loop; the entry tells how many words there are."""
        self.log.append(f"{word}: {await self.on_its_loop(self.count())}")

    async def count(self) -> int:
        return len(self.words)

    async def on_its_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Await what runs on the index's loop; called on any other."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))


async def main(port: int) -> None:
    index = Index(asyncio.get_running_loop())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            found = await index.on_its_loop(index.add(line.decode().strip()))
            writer.write(f"{' '.join(found)}\n".encode())
            await writer.drain()
        writer.close()

    with aiorepl.serve("search"):
        async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
            print("ready", flush=True)
            await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Search for words.")
    parser.add_argument("--port", type=int, default=8080)
    asyncio.run(main(parser.parse_args().port))
