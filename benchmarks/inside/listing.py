"""Measure what 10,000 waiting tasks cost in a program that is served, and a list of them, and print it as JSON.

    python listing.py WHAT

``WHAT`` is aiorepl, aiomonitor or nothing. Times are seconds, memory is KiB. The list is asked for from another
process; how long it holds the program's loop is measured by that loop.
"""

import asyncio
import contextlib
import gc
import json
import os
import socket
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from asyncio import events
from collections.abc import Iterator
from typing import Any, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from benchmarks.inside.serving import PORTS, Samples, serve

# The tasks that are listed, how often the ticker beside them ticks, and for how long while nobody asks.
CROWD = 10_000
TICK = 0.001
ALONE = 2.0
PATIENCE = 30.0


class Gap(NamedTuple):
    """How late a tick came; what the process computed until then, and how long its thread waited for a processor."""

    late: float
    computed: float
    waited: float

    @property
    def held(self) -> float:
        """What of it is the process's own doing, and not that of others on a busy machine."""
        return min(self.late - self.waited, self.computed)


def crowd(what: str) -> Samples:
    """What each task costs to make and keep, how long a list of them takes, and what the loop feels of it."""
    return asyncio.run(_crowd(what))


async def _crowd(what: str) -> Samples:
    with serve(what):
        gc.collect()
        before, started = _memory(), time.perf_counter()
        tasks = [asyncio.create_task(_wait(), name=f"worker-{number}") for number in range(CROWD)]
        made = time.perf_counter() - started
        await asyncio.sleep(0)
        gc.collect()
        samples = {"crowd-task": [made / CROWD], "crowd-memory": [(_memory() - before) / CROWD]}
        if what != "nothing":
            samples |= await _listed(what)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return samples


async def _listed(what: str) -> Samples:
    gaps: list[Gap] = []
    ticker = asyncio.create_task(_tick(gaps))
    samples: Samples = {}
    for series, command in _lists(what).items():
        gaps.clear()
        await asyncio.sleep(ALONE)
        # On a busy machine there may be none yet.
        while not gaps:  # noqa: ASYNC110
            await asyncio.sleep(ALONE)
        samples[f"{series}-alone-held"] = [max(gap.held for gap in gaps)]
        samples[f"{series}-alone-gap"] = [max(gap.late for gap in gaps)]
        with long_steps() as steps:
            samples[series] = [await _ask(command, gaps, everything=series.startswith("list-all"))]
        samples[f"{series}-step"] = [max((seconds for seconds, name in steps if "_slice" in name), default=0.0)]
        samples[f"{series}-held"] = [max(gap.held for gap in gaps)]
        samples[f"{series}-gap"] = [max(gap.late for gap in gaps)]
    ticker.cancel()
    return samples


def _lists(what: str) -> dict[str, list[str]]:
    """The commands that ask for the tasks: the first of them also makes the process load what answers."""
    if what == "aiomonitor":
        page, console = ([sys.executable, __file__, "ask", place] for place in ("page", "console"))
        return {
            "list-all": [*console, str(PORTS["port"])],
            "list-all-page": [*page, str(PORTS["webui_port"])],
        }
    tasks = [sys.executable, "-m", "aiorepl", "tasks", str(os.getpid())]
    return {"list-first": tasks, "list": tasks, "list-all": [*tasks, "--top", str(2 * CROWD)]}


async def _ask(command: list[str], gaps: list[Gap], *, everything: bool) -> float:
    """Ask from another process; return how long that takes."""
    with tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(*command, stdout=out)
        # To start a process is a long step of the loop, and none of ours; the tick after it is late.
        await asyncio.sleep(5 * TICK)
        gaps.clear()
        async with asyncio.timeout(PATIENCE):
            status = await process.wait()
        elapsed = time.perf_counter() - started
        out.seek(0)
        if status or (everything and (listed := out.read().count(b"worker-")) != CROWD):
            raise RuntimeError(f"status {status}, or {listed} of {CROWD} tasks were listed")
    return elapsed


@contextlib.contextmanager
def long_steps() -> Iterator[list[tuple[float, str]]]:
    """Collect the processor time of each step of the running loop that is a longer one, with what was called."""
    original: Any = events.Handle._run
    loop = asyncio.get_running_loop()
    steps: list[tuple[float, str]] = []

    def run(handle: Any) -> None:
        started = time.thread_time()
        original(handle)
        elapsed = time.thread_time() - started
        if asyncio._get_running_loop() is loop and elapsed > 0.0001:
            steps.append((elapsed, getattr(handle._callback, "__name__", "")))

    patched: Any = events.Handle
    patched._run = run
    try:
        yield steps
    finally:
        patched._run = original


async def _tick(gaps: list[Gap]) -> None:
    # In memory, as all that is there.
    with open("/proc/thread-self/schedstat", "rb", buffering=0) as scheduled:  # noqa: ASYNC230

        def now() -> tuple[float, float, float]:
            # The second number are the nanoseconds that the thread could have run, and did not.
            waited = int(os.pread(scheduled.fileno(), 100, 0).split()[1]) / 1e9
            return time.perf_counter(), time.process_time(), waited

        while True:
            before = now()
            await asyncio.sleep(TICK)
            late, computed, waited = (after - earlier for after, earlier in zip(now(), before, strict=True))
            gaps.append(Gap(late - TICK, computed, waited))


async def _wait() -> None:
    await asyncio.Event().wait()


def ask_page(port: int) -> None:
    """Print what aiomonitor's web page shows of the tasks."""
    query = urllib.parse.urlencode({"filter": "", "persistent": "false"})
    url = f"http://127.0.0.1:{port}/api/live-tasks"
    with urllib.request.urlopen(url, data=query.encode()) as answer:
        print(answer.read().decode())


# As a telnet client negotiates: a window of 200 columns and 50 rows, and the terminal's type. And where its cursor is.
_WINDOW = b"\xff\xfa\x1f\x00\xc8\x00\x32\xff\xf0"
_TYPE = b"\xff\xfa\x18\x00xterm\xff\xf0"
_WHERE, _HERE = b"\x1b[6n", b"\x1b[1;1R"


def ask_console(port: int) -> None:
    """Print what ``ps`` shows at aiomonitor's console, until the next prompt."""
    prompt = b"monitor >>> "
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(_WINDOW + _TYPE)
        _until(connection, _WHERE)
        connection.sendall(_HERE)
        _until(connection, prompt)
        connection.sendall(b"ps\r\n")
        sys.stdout.buffer.write(_until(connection, b"tasks running", prompt))


def _until(connection: socket.socket, *signs: bytes) -> bytes:
    """Read until each of these has come, one after the other."""
    data = bytearray()
    place = 0
    for sign in signs:
        while (found := data.find(sign, place)) < 0:
            piece = connection.recv(1 << 16)
            if not piece:
                raise EOFError(f"closed before {sign!r}")
            place = max(place, len(data) - len(sign))
            data += piece
        place = found + len(sign)
    return bytes(data)


def _memory() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**10


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        {"page": ask_page, "console": ask_console}[sys.argv[2]](int(sys.argv[3]))
    else:
        print(json.dumps(crowd(sys.argv[1])))
