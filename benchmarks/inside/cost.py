"""Run the same work on a loop without and with something that watches it, and print both as JSON.

    python cost.py MODE WORK [uvloop]

Both are measured in turn in one process, each on a loop of its own, so that what else the machine does befalls both.
After each, everything has to be as it was before.
"""

import asyncio
import contextlib
import gc
import importlib
import json
import socket
import sys
import threading
import time
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import aiorepl

# How often both are measured.
PAIRS = 9
TASKS, STEPS = 100, 100
MADE = 3_000
CONNECTIONS, REQUESTS = 10, 100

Loop = asyncio.AbstractEventLoop
Samples = dict[str, list[float]]

ORIGINAL = events.Handle._run


async def step() -> float:
    """Seconds for a step of the loop: one hundred tasks that do nothing but give way."""

    async def give_way() -> None:
        for _ in range(STEPS):
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        started = time.perf_counter()
        for _ in range(TASKS):
            group.create_task(give_way())
    return (time.perf_counter() - started) / (TASKS * STEPS)


async def task() -> float:
    """Seconds to make a task that does nothing, and to wait for it."""

    async def nothing() -> None:
        pass

    started = time.perf_counter()
    for _ in range(MADE // TASKS):
        await asyncio.gather(*(asyncio.create_task(nothing()) for _ in range(TASKS)))
    return (time.perf_counter() - started) / MADE


async def echo() -> float:
    """Seconds for a line to an echo server over streams and back; client and server share the loop."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(REQUESTS):
            writer.write(b"a line that is sent and comes back\n")
            await reader.readline()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    started = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    elapsed = time.perf_counter() - started
    server.close()
    await server.wait_closed()
    return elapsed / (CONNECTIONS * REQUESTS)


WORK: dict[str, Callable[[], Coroutine[Any, Any, float]]] = {"step": step, "task": task, "echo": echo}


@contextlib.contextmanager
def plain(loop: Loop) -> Iterator[None]:
    """Nothing watches."""
    yield


@contextlib.contextmanager
def pulse(loop: Loop) -> Iterator[None]:
    """``aiorepl.watch`` as an app has it: a heartbeat, how busy the loop is, each task when it is made."""
    with aiorepl.watch(loop, on_alert=print):
        yield


@contextlib.contextmanager
def alerts(loop: Loop) -> Iterator[None]:
    """The same, and the exact time of each step."""
    with aiorepl.watch(loop, on_alert=print, exact=True):
        yield


@contextlib.contextmanager
def stats(loop: Loop) -> Iterator[None]:
    """The same, and the steps and wakes of each task."""
    from aiorepl.alerts.stats import keep_statistics

    with alerts(loop):
        hold = keep_statistics(loop)
        yield
        hold.end()


@contextlib.contextmanager
def debug(loop: Loop) -> Iterator[None]:
    """Python's own debug mode."""
    loop.set_debug(True)
    yield
    loop.set_debug(False)


@contextlib.contextmanager
def aiodebug(loop: Loop) -> Iterator[None]:
    """The package aiodebug, which replaces the same method as we do, for good."""
    importlib.import_module("aiodebug.log_slow_callbacks").enable(0.1)
    yield
    events.Handle._run = ORIGINAL  # type: ignore[method-assign]


@contextlib.contextmanager
def aiomonitor(loop: Loop) -> Iterator[None]:
    """The package aiomonitor with its hooks for tasks."""
    module = importlib.import_module("aiomonitor")
    ports = {name: free_port() for name in ("port", "webui_port", "console_port")}
    with module.start_monitor(loop, hook_task_factory=True, **ports):
        yield


MODES = {one.__name__: one for one in (plain, pulse, alerts, stats, debug, aiodebug, aiomonitor)}


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def once(make_loop: Callable[[], Loop], mode: str, work: str) -> float:
    """Do the work on a new loop that is watched in this mode."""
    threads = threading.active_count()
    loop = make_loop()
    loop.set_debug(False)
    attributes = set(dir(loop))
    try:
        with MODES[mode](loop):
            elapsed = loop.run_until_complete(WORK[work]())
        left = [name for name in attributes if name in vars(loop) and callable(vars(loop)[name])]
        if mode in OURS and (events.Handle._run is not ORIGINAL or threading.active_count() > threads or left):
            raise RuntimeError(f"{mode} left something behind: {events.Handle._run}, {threading.enumerate()}, {left}")
    finally:
        loop.close()
    return elapsed


OURS = ("pulse", "alerts", "stats")


def measure(mode: str, work: str, kind: str = "") -> Samples:
    """The seconds in this mode, and how many times those of a plain loop they are."""
    make_loop = importlib.import_module(kind or "asyncio").new_event_loop
    series = f"{work}-{kind}" if kind else work
    seconds, times = [], []
    for _ in range(PAIRS):
        gc.collect()
        without, with_ = once(make_loop, "plain", work), once(make_loop, mode, work)
        seconds.append(with_)
        times.append(with_ / without)
    return {series: seconds, f"{series}-times": times}


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
