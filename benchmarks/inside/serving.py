"""Measure what it takes to be served, and to ask a program that is, and print the samples as JSON.

    python serving.py MEASURE WHAT

``WHAT`` is aiorepl or aiomonitor. Times are seconds, memory is MiB.
"""

import asyncio
import contextlib
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from benchmarks.inside.cost import echo, free_port, step

# How often two things are measured in turn, and one thing again and again.
PAIRS = 15
TRIPS = 200
# Tasks that are listed, the ticker beside them, and how long it ticks while nobody asks.
CROWD = 10_000
TICK = 0.001
ALONE = 2.0

Samples = dict[str, list[float]]


def serve(what: str) -> AbstractContextManager[Any]:
    """Let this process be served."""
    if what == "aiorepl":
        import aiorepl

        return aiorepl.serve("measured")
    if what == "aiomonitor":
        aiomonitor = importlib.import_module("aiomonitor")

        ports = {name: free_port() for name in ("port", "console_port")}
        monitor: AbstractContextManager[Any] = aiomonitor.start_monitor(
            asyncio.get_running_loop(), hook_task_factory=True, webui_port=WEB_PORT, **ports
        )
        return monitor
    return nullcontext()


WEB_PORT = free_port()


def times(what: str) -> Samples:
    """How many times the processor time of a program that is not served steps take, and lines to an echo server.

    Not the time of the clock: what is asked for is a hundredth, and any other process takes more than that.
    """

    async def work(function: Callable[[], Coroutine[Any, Any, float]], served: bool) -> float:
        with serve(what if served else "nothing"):
            started = time.process_time()
            await function()
            return time.process_time() - started

    samples: Samples = {}
    for function in (step, echo):
        ratios = samples[f"served-{function.__name__}-times"] = []
        for _ in range(PAIRS):
            gc.collect()
            without, with_ = (asyncio.run(work(function, served)) for served in (False, True))
            ratios.append(with_ / without)
    return samples


def start(what: str) -> Samples:
    """How long it takes to load and start, over asyncio alone, and how much memory."""
    script = f"""
import asyncio, time, sys
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from serving import serve
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20
async def main():
    before = memory()
    started = time.perf_counter()
    served = serve({what!r})
    with served:
        elapsed = time.perf_counter() - started
        await asyncio.sleep(0.1)
        print(elapsed, memory() - before)
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    elapsed, memory = map(float, ended.stdout.split()[-2:])
    return {"served-start": [elapsed], "served-memory": [memory]}


def crowd(what: str) -> Samples:
    """Of 10,000 waiting tasks: what each costs to make and keep, how long a list takes, and what the loop feels."""
    return asyncio.run(_crowd(what))


async def _crowd(what: str) -> Samples:
    with serve(what):
        gc.collect()
        before, started = _memory(), time.perf_counter()
        tasks = [asyncio.create_task(_wait(), name=f"worker-{number}") for number in range(CROWD)]
        made = time.perf_counter() - started
        await asyncio.sleep(0)
        gc.collect()
        samples = {"crowd-task": [made / CROWD], "crowd-memory": [(_memory() - before) * 1024 / CROWD]}
        if what != "nothing":
            ticker = asyncio.create_task(_tick())
            for series, command in _lists(what).items():
                samples |= await _ask(series, command)
            ticker.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return samples


def _lists(what: str) -> dict[str, list[str]]:
    """The commands that ask for the tasks: the first of them also makes the process load what answers."""
    if what == "aiomonitor":
        page = [sys.executable, __file__, "ask", str(WEB_PORT)]
        return {"list-first": page, "list-all": page}
    tasks = [sys.executable, "-m", "aiorepl", "tasks", str(os.getpid())]
    return {"list-first": tasks, "list": tasks, "list-all": [*tasks, "--top", str(2 * CROWD)]}


async def _ask(series: str, command: list[str]) -> Samples:
    """Ask from another process; tell how long that takes, and for how long the loop's thread was held meanwhile."""
    with tempfile.TemporaryFile() as out:
        GAPS.clear()
        await asyncio.sleep(ALONE)
        alone = max(GAPS)
        GAPS.clear()
        with holds() as held:
            started = time.perf_counter()
            process = await asyncio.create_subprocess_exec(*command, stdout=out)
            await process.wait()
            elapsed = time.perf_counter() - started
        gap = max(GAPS)
        out.seek(0)
        if series == "list-all" and (listed := out.read().count(b"worker-")) != CROWD:
            raise RuntimeError(f"{listed} of {CROWD} tasks were listed")
    # To start a process is a long step of the loop, and none of ours.
    mine = max((seconds for seconds, name in held if "_slice" in name), default=max(seconds for seconds, _ in held))
    return {series: [elapsed], f"{series}-gap": [gap], f"{series}-gap-alone": [alone], f"{series}-held": [mine]}


@contextlib.contextmanager
def holds() -> Iterator[list[tuple[float, str]]]:
    """Collect the processor time of each step of the running loop, with what was called."""
    original: Any = events.Handle._run
    loop = asyncio.get_running_loop()
    held = [(0.0, "")]

    def run(handle: Any) -> None:
        started = time.thread_time()
        original(handle)
        elapsed = time.thread_time() - started
        if asyncio._get_running_loop() is loop and elapsed > held[-1][0] / 2:
            held.append((elapsed, getattr(handle._callback, "__name__", "")))

    patched: Any = events.Handle
    patched._run = run
    try:
        yield held
    finally:
        patched._run = original


GAPS: list[float] = []


async def _tick() -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(TICK)
        now = time.perf_counter()
        GAPS.append(now - last - TICK)
        last = now


async def _wait() -> None:
    await asyncio.Event().wait()


def ask(port: str) -> None:
    """Print what aiomonitor's web page shows of the tasks."""
    query = urllib.parse.urlencode({"filter": "", "persistent": "false"})
    url = f"http://127.0.0.1:{port}/api/live-tasks"
    with urllib.request.urlopen(url, data=query.encode()) as answer:
        print(answer.read().decode())


def _memory() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


APP = """
import asyncio, aiorepl
async def main():
    aiorepl.serve("measured")
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


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


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(sys.argv[2])
    else:
        measured: Callable[[str], Samples] = {"times": times, "start": start, "crowd": crowd, "trips": trips}[
            sys.argv[1]
        ]
        print(json.dumps(measured(sys.argv[2])))
