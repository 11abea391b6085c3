"""Look at many tasks with one tool, and print what it took as JSON: ``python looking.py TOOL MEASURE``.

The loop that is looked at has the main thread, as ``pstree`` finds no other; with a ticker on it.
"""

import asyncio
import gc
import importlib
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any

CROWD, DEEP = 100_000, 1_000
# Seconds; another process that looks may take any time.
PATIENCE = 120.0
# Seconds for which the ticker is watched before anybody looks.
QUIET = 2.0

Samples = dict[str, list[float]]


async def wait(event: asyncio.Event) -> None:
    """Wait for what does not come."""
    await event.wait()


async def take(lock: asyncio.Lock, event: asyncio.Event) -> None:
    """Wait for a lock, or hold it for good: four frames deep in both cases."""
    await deeper(lock, event)


async def deeper(lock: asyncio.Lock, event: asyncio.Event) -> None:
    """Hold it."""
    async with lock:
        await wait(event)


class Ticker:
    """Wakes up each millisecond and notes the longest time in which it could not."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now

    def take(self) -> float:
        """The longest gap since the last call."""
        longest, self.longest = self.longest, 0.0
        return longest


def beside(
    program: Callable[[], Coroutine[Any, Any, None]], measure: Callable[[asyncio.AbstractEventLoop], Samples]
) -> Samples:
    """Measure in another thread, when the tasks of a program have all begun to wait."""

    async def main() -> Samples:
        await program()
        gc.collect()
        try:
            return await asyncio.to_thread(measure, asyncio.get_running_loop())
        finally:
            tasks.clear()

    return asyncio.run(main())


tasks: "list[asyncio.Task[None]]" = []


async def crowd() -> None:
    """Start tasks that wait for events, each for its own."""
    tasks.extend([asyncio.create_task(wait(asyncio.Event())) for _ in range(CROWD)])
    await asyncio.sleep(0)


async def deep() -> None:
    """Start tasks of which each second one holds what the one after it waits for."""
    event = asyncio.Event()
    for _ in range(DEEP // 2):
        lock = asyncio.Lock()
        tasks.extend([asyncio.create_task(take(lock, event)) for _ in range(2)])
    await asyncio.sleep(0)


def seconds(function: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def on_the_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> Callable[[], object]:
    """The same function, called on the loop's own thread."""

    async def call() -> object:
        return function()

    return lambda: asyncio.run_coroutine_threadsafe(call(), loop).result(PATIENCE)


def command(loop: asyncio.AbstractEventLoop) -> Callable[[], object]:
    """``%tasks`` as a session runs it, with its answer drawn."""
    from aiorepl.commands.task_lists import list_tasks
    from aiorepl.introspect.inspector import NearbyInspector
    from aiorepl.render.plain import draw

    inspector = NearbyInspector(lambda: loop)

    def ask() -> object:
        return draw(list_tasks(asyncio.run(inspector.snapshot())))

    return ask


def format_call_graph(loop: asyncio.AbstractEventLoop) -> Callable[[], object]:
    """Python's own call graph of each task (3.14+); it can be asked for on the loop's thread only."""
    return on_the_loop(loop, lambda: [asyncio.format_call_graph(task) for task in tasks])  # type: ignore[attr-defined]


def stackscope(loop: asyncio.AbstractEventLoop) -> Callable[[], object]:
    """The stack of each task, with the context managers that it is in."""
    extract = importlib.import_module("stackscope").extract
    return on_the_loop(loop, lambda: [extract(task.get_coro()) for task in tasks])


def pstree(loop: asyncio.AbstractEventLoop) -> Callable[[], object]:
    """``python -m asyncio pstree`` (3.14+): another process reads this one's memory."""
    arguments = [sys.executable, "-m", "asyncio", "pstree", str(os.getpid())]

    def ask() -> None:
        ended = subprocess.run(
            arguments, check=True, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=PATIENCE
        )
        # An older Python takes no notice of what it is asked for.
        if ended.stdout.count("(T)") < len(tasks):
            raise RuntimeError(f"not all tasks were found: {ended.stdout[:200]}")

    return ask


TOOLS = {"aiorepl": command, "format_call_graph": format_call_graph, "stackscope": stackscope, "pstree": pstree}


def look_at_crowd(tool: str) -> Samples:
    """How long the answer takes, and how long the loop's own work has to wait for that."""

    def measure(loop: asyncio.AbstractEventLoop) -> Samples:
        ticker = Ticker()
        ask = TOOLS[tool](loop)
        asyncio.run_coroutine_threadsafe(ticker.run(), loop)
        time.sleep(QUIET)
        ticker.take()
        time.sleep(QUIET)
        without = ticker.take()
        elapsed = seconds(ask)
        # A gap is noted when it is over.
        on_the_loop(loop, lambda: None)()
        looking = ticker.take()
        return {"crowd": [elapsed], "gap": [looking], "gap-without": [without], "gap-added": [looking - without]}

    return beside(crowd, measure)


def look_at_deep(tool: str) -> Samples:
    """How long a look at fewer tasks takes, with their owners and without."""

    def measure(loop: asyncio.AbstractEventLoop) -> Samples:
        if tool != "aiorepl":
            ask = TOOLS[tool](loop)
            return {"deep": [seconds(ask) for _ in range(5)]}
        from aiorepl.introspect.look import look_now

        owners = on_the_loop(loop, lambda: look_now(loop))
        alone = on_the_loop(loop, lambda: look_now(loop, holders=False))
        return {"deep-owners": [seconds(owners) for _ in range(9)], "deep": [seconds(alone) for _ in range(9)]}

    return beside(deep, measure)


def memory_of_crowd(tool: str) -> Samples:
    """How much memory is held while a snapshot is there, in MiB, and the most while it is made."""
    from aiorepl.introspect.look import look_now

    def measure(loop: asyncio.AbstractEventLoop) -> Samples:
        look_now(loop)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        snapshot = look_now(loop)
        held, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(snapshot.tasks) >= CROWD
        return {"memory-of-crowd": [(held - before) / 2**20], "memory-peak": [(most - before) / 2**20]}

    return beside(crowd, measure)


MEASURES = {"crowd": look_at_crowd, "deep": look_at_deep, "memory": memory_of_crowd}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[2]](sys.argv[1])))
