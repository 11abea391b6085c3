"""Measure what it takes to be served, and to ask a program that is, and print the samples as JSON.

    python serving.py MEASURE WHAT

``WHAT`` is aiorepl, aiomonitor or nothing. Times are seconds, memory is MiB.
"""

import asyncio
import gc
import importlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from benchmarks.inside.app import APP
from benchmarks.inside.cost import echo, free_port, step

# How often two things are measured in turn, how often each is done then, and one thing again and again.
PAIRS = 15
TIMES = 10
TRIPS = 200

Samples = dict[str, list[float]]


def serve(what: str) -> AbstractContextManager[Any]:
    """Let this process be served."""
    if what == "aiorepl":
        import aiorepl

        return aiorepl.serve("measured")
    if what == "aiomonitor":
        aiomonitor = importlib.import_module("aiomonitor")

        monitor: AbstractContextManager[Any] = aiomonitor.start_monitor(
            asyncio.get_running_loop(), hook_task_factory=True, **PORTS
        )
        return monitor
    return nullcontext()


# Those of aiomonitor: its console, the Python prompt there, and its web page.
PORTS = {name: free_port() for name in ("port", "console_port", "webui_port")}


def times(what: str) -> Samples:
    """How many times the processor time of a program that is not served steps take, and lines to an echo server.

    Not the time of the clock, and of many turns the fastest: what is asked for is a hundredth, and other processes, who
    use the same caches, take more than that. Theirs is no part of what the server's own threads take of each second.
    """
    shares: list[float] = []

    async def work(function: Callable[[], Coroutine[Any, Any, float]], served: bool) -> float:
        with serve(what if served else "nothing"):
            # It has begun to wait for clients.
            await asyncio.sleep(0.05)
            started, before = time.process_time(), servers_time()
            for _ in range(TIMES):
                await function()
            elapsed = time.process_time() - started
            if served:
                shares.append((servers_time() - before) / elapsed)
            return elapsed

    samples: Samples = {"served-share": shares}
    for function in (step, echo):
        fastest = {False: math.inf, True: math.inf}
        for pair in range(PAIRS):
            # What comes first may have it easier.
            for served in (False, True) if pair % 2 else (True, False):
                gc.collect()
                fastest[served] = min(fastest[served], asyncio.run(work(function, served)))
        samples[f"served-{function.__name__}-times"] = [fastest[True] / fastest[False]]
    return samples


def servers_time() -> float:
    """The processor time that the server's threads have taken."""
    servers = [thread.ident for thread in threading.enumerate() if thread.name.startswith("aiorepl")]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in servers if ident is not None)


def start(what: str) -> Samples:
    """How long it takes to load over asyncio alone, and to start; and how much memory both take."""
    function, arguments = "aiorepl.serve", "'measured'"
    if what == "aiomonitor":
        function = "aiomonitor.start_monitor"
        arguments = f"asyncio.get_running_loop(), hook_task_factory=True, **{PORTS!r}"
    script = f"""
import asyncio, time
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20
async def main():
    before = memory()
    started = time.perf_counter()
    import {what}
    function = {function}
    loaded = time.perf_counter()
    with function({arguments}):
        ready = time.perf_counter()
        await asyncio.sleep(0.1)
        print(loaded - started, ready - loaded, memory() - before)
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    load, start, memory = map(float, ended.stdout.split()[-3:])
    return {"served-load": [load], "served-start": [start], "served-memory": [memory]}


def trips(what: str) -> Samples:
    """From a client to a program and back: a cell, and completions."""
    with subprocess.Popen([sys.executable, "-c", APP], stdout=subprocess.PIPE) as app:
        try:
            assert app.stdout is not None
            app.stdout.readline()
            return asyncio.run(_trips(str(app.pid)))
        finally:
            app.kill()


async def _trips(target: str) -> Samples:
    from aiorepl.remote.client import RemoteSession
    from aiorepl.remote.discovery import find
    from aiorepl.settings import Settings

    session = RemoteSession(find(target), settings=Settings())
    await session.open()
    samples: Samples = {"trip-cell": [], "trip-complete": []}
    async for _ in session.submit("1 + 1"):
        pass
    for _ in range(TRIPS):
        started = time.perf_counter()
        async for _ in session.submit("1 + 1"):
            pass
        samples["trip-cell"].append(time.perf_counter() - started)
        started = time.perf_counter()
        async for _ in session.complete("asyncio.w", 9):
            pass
        samples["trip-complete"].append(time.perf_counter() - started)
    await session.aclose()
    return samples


MEASURES: dict[str, Callable[[str], Samples]] = {"times": times, "start": start, "trips": trips}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](sys.argv[2])))
