"""Each kind of alert: a program that has it, with all that stands on the screen, and a healthy one that is silent."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from alerting import drawn, watched
from command_session import new_session
from loop_factories import EACH_LOOP, LoopFactory

from aiorepl.alerts import looks
from aiorepl.alerts.values import KINDS


@dataclass
class Program:
    """Cells, what comes of them, and cells of which nothing comes.

    ``shown`` is the last alert of the kind as it is drawn; ``~T`` is a time that was not measured. With uvloop it is
    ``uvloop`` instead, where that is given. ``settings`` are for both.
    """

    kind: str
    cells: tuple[str, ...]
    shown: list[str]
    healthy: tuple[str, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    phase: str = ""
    uvloop: list[str] | None = None
    name: str = ""
    # uvloop's own objects give no warning.
    only: str = ""


# Ends when the alert has come: it is told while the loop is blocked.
BLOCK = "def block():\n    while not seen.wait(0.002): pass\nasync def step(): block()"
QUIET = {"slow": 5.0, "lag": 0.0, "saturation": 0.0, "look": 0.0, "first_step": 0.0}

PROGRAMS = [
    Program(
        "never-awaited",
        ("async def fetch(x): pass", "def work():\n    fetch(7)", "work()"),
        [
            "! never-awaited: coroutine 'fetch' was never awaited",
            "  <cell 2>, line 2: fetch(7)",
            "  Write: await fetch(7), or asyncio.create_task(fetch(7)) to let it run beside; a bare call runs nothing.",
        ],
        ("async def fetch(x): pass", "await fetch(7)", "c = fetch(8)", "c.close()"),
        QUIET,
    ),
    Program(
        "never-retrieved",
        (
            "async def crawl():\n    raise LookupError('gone')",
            "task = asyncio.create_task(crawl(), name='crawler')",
        ),
        [
            "! never-retrieved: crawler (crawl) failed and nobody awaits it: LookupError: gone",
            "  <cell 1>, line 2: raise LookupError('gone')",
            "  Await the task, or put it into a TaskGroup; it was made in <cell 2>, line 1.",
            "  %alerts N shows the traceback.",
        ],
        (
            "async def crawl():\n    raise LookupError('gone')",
            "task = asyncio.create_task(crawl())\ntry: await task\nexcept LookupError: pass",
            "await asyncio.gather(crawl(), return_exceptions=True);",
        ),
        QUIET | {"unretrieved": 0.2},
    ),
    Program(
        "exception-in-callback",
        ("def notify():\n    raise OSError('no')", "asyncio.get_running_loop().call_soon(notify);"),
        [
            "! exception-in-callback: the callback notify raised: OSError: no",
            "  <cell 1>, line 2: raise OSError('no')",
            "  Catch it in the callback: nobody else can.",
            "  %alerts N shows the traceback.",
        ],
        ("def notify():\n    pass", "asyncio.get_running_loop().call_soon(notify);"),
        QUIET,
    ),
    Program(
        "unhandled",
        ("asyncio.get_running_loop().call_exception_handler({'message': 'the cable is out'})",),
        [
            "! unhandled: the cable is out",
            "  The message says which part of asyncio could not pass it on to anybody.",
        ],
        ("asyncio.get_running_loop().call_soon(print, end='');",),
        QUIET,
    ),
    Program(
        "destroyed-pending",
        (
            "import gc\nasync def lost():\n    await asyncio.get_running_loop().create_future()",
            "asyncio.create_task(lost(), name='stray');",
            "del _, _2; gc.collect();",
        ),
        [
            "! destroyed-pending: stray (lost) was collected before it ended",
            "  <cell 2>, line 1: asyncio.create_task(lost(), name='stray');",
            "  Keep what create_task returns, or use a TaskGroup: the loop itself keeps no task alive.",
        ],
        (
            "import gc\nasync def kept():\n    await asyncio.get_running_loop().create_future()",
            "task = asyncio.create_task(kept())",
            "gc.collect();",
            "task.cancel()\ndel task\ngc.collect();",
        ),
        QUIET,
    ),
    Program(
        "swallowed-cancel",
        (
            "async def stubborn():\n    while True:\n        try: await asyncio.sleep(3600)\n"
            "        except asyncio.CancelledError: pass",
            "task = asyncio.create_task(stubborn(), name='mule'); await asyncio.sleep(0)",
            "task.cancel();",
        ),
        [
            "! swallowed-cancel: mule (stubborn) was cancelled and goes on; ~T",
            "  <cell 1>, line 3: try: await asyncio.sleep(3600)",
            "  It caught CancelledError, or its cleanup does not end: let CancelledError pass on, and put a timeout"
            " around the cleanup.",
        ],
        (
            "async def obedient():\n    await asyncio.sleep(3600)",
            "task = asyncio.create_task(obedient()); await asyncio.sleep(0)",
            "task.cancel();",
        ),
        QUIET | {"swallowed": 0.2, "exit_timeout": 0.1},
    ),
    Program(
        "unclosed",
        (
            "async def numbers():\n    try:\n        yield 1\n        yield 2\n    finally: pass",
            "async for n in numbers(): break",
        ),
        [
            "! unclosed: the asynchronous generator numbers was left before its end",
            "  <cell 1>, line 3: yield 1",
            "  Its cleanup runs at some later time. Use: async with contextlib.aclosing(...) as items",
        ],
        (
            "import contextlib\nasync def numbers():\n    try:\n        yield 1\n        yield 2\n    finally: pass",
            "async for n in numbers(): pass",
            "async with contextlib.aclosing(numbers()) as items:\n    async for n in items: break",
        ),
        QUIET,
    ),
    Program(
        "unclosed",
        ("import gc, asyncio\nlost = type(asyncio.get_running_loop())()", "del lost; gc.collect();"),
        [
            "! unclosed: unclosed event loop <> was collected before it was closed",
            "  Call loop.close() where the loop ends, or let asyncio.run or asyncio.Runner make and close it.",
        ],
        ("import gc\nother = type(asyncio.get_running_loop())()", "other.close()\ndel other; gc.collect();"),
        QUIET,
        name="unclosed loop",
        only="asyncio",
    ),
    Program(
        "unclosed",
        (
            "import gc, socket\na, b = socket.socketpair()\n"
            "transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=a)",
            # The loop itself holds a transport that it reads from.
            "transport.pause_reading()\ndel transport, _, a\ngc.collect();",
        ),
        [
            "! unclosed: unclosed transport <> was collected before it was closed",
            "  Close it: writer.close() and await writer.wait_closed(), or transport.close().",
        ],
        (
            "import gc, socket\na, b = socket.socketpair()\n"
            "transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=a)",
            "transport.close()\nawait asyncio.sleep(0)\ndel transport, _, a\ngc.collect();",
        ),
        QUIET,
        name="unclosed transport",
        only="asyncio",
    ),
    Program(
        "destroyed-pending",
        (
            "import gc; gc.disable()",
            "async def consume():\n    queue = asyncio.Queue()\n    await queue.get()",
            "def forget(): asyncio.create_task(consume(), name='stray')",
            "forget()",
        ),
        [
            "! destroyed-pending: nothing refers to 1 task but what is to wake them",
            "  <cell 2>, line 3: await queue.get()",
            "  Keep what create_task returns, or use a TaskGroup: such a task can be collected before it ends.",
        ],
        (
            "async def consume(queue):\n    await queue.get()",
            "queue = asyncio.Queue()\ntask = asyncio.create_task(consume(queue))",
        ),
        QUIET | {"look": 0.1},
        name="dropped",
    ),
    Program(
        "non-threadsafe",
        (
            "import threading\nloop = asyncio.get_running_loop()\nasync def work(): pass",
            "thread = threading.Thread(target=lambda: loop.create_task(work()), name='helper')\nthread.start()",
        ),
        [
            "! non-threadsafe: create_task(work()) was called in thread helper, not the loop's",
            "  <cell 2>, line 1: thread = threading.Thread(target=lambda: loop.create_task(work()), name='helper')",
            "  Write instead: asyncio.run_coroutine_threadsafe(work(...), loop)",
        ],
        (
            "import threading\nloop = asyncio.get_running_loop()\nasync def work(): pass",
            "threading.Thread(target=lambda: asyncio.run_coroutine_threadsafe(work(), loop)).start()",
        ),
        QUIET,
        name="create_task elsewhere",
    ),
    Program(
        "non-threadsafe",
        (
            "import threading\nloop = asyncio.get_running_loop()",
            "threading.Thread(target=lambda: loop.call_later(9, print), name='helper').start()",
        ),
        [
            "! non-threadsafe: call_at was called in thread helper, not the loop's",
            "  <cell 2>, line 1: threading.Thread(target=lambda: loop.call_later(9, print), name='helper').start()",
            "  Write instead: loop.call_soon_threadsafe(loop.call_at, ...)",
        ],
        (
            "import threading\nloop = asyncio.get_running_loop()",
            "threading.Thread(target=lambda: loop.call_soon_threadsafe(loop.call_later, 9, print)).start()",
        ),
        QUIET,
        name="call_later elsewhere",
        uvloop=[
            "! non-threadsafe: call_later was called in thread helper, not the loop's",
            "  <cell 2>, line 1: threading.Thread(target=lambda: loop.call_later(9, print), name='helper').start()",
            "  Write instead: loop.call_soon_threadsafe(loop.call_later, ...)",
        ],
    ),
    Program(
        "non-threadsafe",
        (
            "import threading, time\nloop = asyncio.get_running_loop()\ndef note(): pass",
            # The loop sleeps most of the time, and is seen to sleep on.
            # It may be closed before the last call.
            "def stray():\n    while not seen.is_set() and not time.sleep(0.3):\n"
            "        if not loop.is_closed(): loop.call_soon(note)\n"
            "thread = threading.Thread(target=stray)\nthread.start()",
        ),
        [
            "! non-threadsafe: call_soon(note) was called from another thread, and the loop sleeps on",
            "  <cell 1>, line 3: def note(): pass",
            "  Write instead: loop.call_soon_threadsafe(note, ...)",
        ],
        (
            "import threading, time\nloop = asyncio.get_running_loop()\ndef note(): pass",
            "def good():\n    for _ in range(100):\n        time.sleep(0.001)\n        loop.call_soon_threadsafe(note)\n"  # noqa: E501
            "thread = threading.Thread(target=good)\nthread.start(); await asyncio.to_thread(thread.join)",
        ),
        QUIET,
        name="call_soon elsewhere",
    ),
    Program(
        "non-threadsafe",
        (
            "import threading, time\nloop = asyncio.get_running_loop()\nasync def wait(future): await future",
            "def stray():\n    while not (seen.is_set() or loop.is_closed()):\n        future = loop.create_future()\n"
            "        asyncio.run_coroutine_threadsafe(wait(future), loop)\n        time.sleep(0.3)\n"
            "        future.set_result(None)\n        time.sleep(0.3)\nthread = threading.Thread(target=stray)\nthread.start()",  # noqa: E501
        ),
        [
            "! non-threadsafe: Task-N (wait) was woken from another thread, and the loop sleeps on",
            "  Write instead: loop.call_soon_threadsafe(future.set_result, ...), or loop.call_soon_threadsafe(task.cancel)",  # noqa: E501
        ],
        (
            "import threading, time\nloop = asyncio.get_running_loop()\nasync def wait(future): await future",
            "futures = [loop.create_future() for _ in range(50)]\n"
            "tasks = [asyncio.create_task(wait(future)) for future in futures]\n"
            "def good():\n    for future in futures: loop.call_soon_threadsafe(future.set_result, None)\n"
            "threading.Thread(target=good).start()\nawait asyncio.gather(*tasks);",
        ),
        QUIET,
        name="set_result elsewhere",
    ),
    Program(
        "blocked-loop",
        (
            "def count():\n    while not seen.is_set(): sum(range(1000))\nasync def step(): count()",
            "other = asyncio.create_task(asyncio.sleep(3600))",
            "task = asyncio.create_task(step(), name='worker')",
            "await task",
        ),
        [
            "! blocked-loop: worker (step) holds the loop; T so far",
            "  <cell 1>, line 2: while not seen.is_set(): sum(range(1000))",
            "  Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...).",
        ],
        ("async def step(): sum(range(1000))", "for _ in range(100): await step()"),
        QUIET | {"slow": 0.1},
        phase="lasts",
    ),
    Program(
        "blocking-call",
        (
            "import time\nasync def step():\n    while not seen.is_set(): time.sleep(0.05)",
            "other = asyncio.create_task(asyncio.sleep(3600))",
            "task = asyncio.create_task(step(), name='worker')",
            "await task",
        ),
        [
            "! blocking-call: worker (step) holds the loop in time.sleep; T so far",
            "  <cell 1>, line 3: while not seen.is_set(): time.sleep(0.05)",
            "  time.sleep blocks the loop's thread. Write instead: await asyncio.sleep(0.05)",
        ],
        ("import time", "await asyncio.to_thread(time.sleep, 0.3)"),
        QUIET | {"slow": 0.1},
        phase="lasts",
    ),
    Program(
        "slow-callback",
        (
            "import time\nasync def step():\n    time.sleep(0.06)",
            # Now and then one is told while it still goes on, as a loop that is blocked.
            "async def steps():\n    while not seen.is_set():\n        await asyncio.sleep(0.03)\n"
            "        await asyncio.create_task(step(), name='worker')",
            "task = asyncio.create_task(steps())",
        ),
        [
            "! slow-callback: a step of worker (step) was slow; T",
            "  <cell 1>, line 2: async def step():",
            "  Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...).",
        ],
        ("async def step(): pass", "for _ in range(100): await asyncio.create_task(step())"),
        QUIET | {"slow": 0.05},
        phase="once",
        uvloop=[
            "! slow-callback: a step of worker (step) was slow; ~T",
            "  <cell 1>, line 3: time.sleep(0.06)",
            "  Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...).",
        ],
    ),
    Program(
        "slow-iteration",
        (
            "import time\nasync def step(): time.sleep(0.002)",
            "async def crowds():\n    while not seen.is_set():\n        await asyncio.sleep(0.05)\n"
            "        await asyncio.gather(*(step() for _ in range(100)))",
            "task = asyncio.create_task(crowds())",
        ),
        [
            "! slow-iteration: one pass of the loop over N callbacks took long, though no single one did; T",
            "  Too much is ready at one time: a semaphore or a queue lets fewer tasks go on at once.",
        ],
        ("for _ in range(100): asyncio.get_running_loop().call_soon(print, end='')",),
        QUIET | {"slow": 0.15},
        uvloop=[
            "! slow-iteration: one pass of the loop over callbacks took long, though no single one did; ~T",
            "  Too much is ready at one time: a semaphore or a queue lets fewer tasks go on at once.",
        ],
    ),
    Program(
        "never-yielded",
        (
            "import time\nasync def first():\n    end = time.monotonic() + 0.3\n"
            "    while time.monotonic() < end: pass\n    await asyncio.sleep(3600)",
            # Of uvloop's steps only samples tell, which a busy machine may take too late to be sure.
            "async def again():\n    while not seen.is_set():\n        await asyncio.sleep(0.05)\n"
            "        tasks.append(asyncio.create_task(first(), name='hog'))\ntasks = []",
            "task = asyncio.create_task(again())",
        ),
        [
            "! never-yielded: the first step of hog (first) held the loop: it did not await anything that long; T",
            "  <cell 1>, line 4: while time.monotonic() < end: pass",
            "  Let it await something early, so that others get a turn; long work belongs in asyncio.to_thread.",
        ],
        (
            "import time\nasync def second():\n    await asyncio.sleep(0.2)\n    time.sleep(0.3)",
            "task = asyncio.create_task(second())\nawait task",
        ),
        QUIET | {"slow": 0.1, "first_step": 0.2},
        uvloop=[
            "! never-yielded: the first step of hog (first) held the loop: it did not await anything that long; ~T",
            "  <cell 1>, line 4: while time.monotonic() < end: pass",
            "  Let it await something early, so that others get a turn; long work belongs in asyncio.to_thread.",
        ],
    ),
    Program(
        "laggy-loop",
        (
            "import time\nasync def hog():\n    while not seen.is_set():\n        time.sleep(0.02)\n"
            "        await asyncio.sleep(0)",
            "task = asyncio.create_task(hog())",
        ),
        [
            "! laggy-loop: callbacks come late: this is the median of the last T; ~T",
            "  %doctor looks for the reason; %tasks --sort busy shows who works most, with %stats on.",
        ],
        ("for _ in range(100): await asyncio.sleep(0)",),
        QUIET | {"lag": 0.005, "window": 0.5},
    ),
    Program(
        "saturated-loop",
        (
            "async def spin():\n    while not seen.is_set(): await asyncio.sleep(0)",
            "task = asyncio.create_task(spin())",
        ),
        [
            "! saturated-loop: the loop was busy for N % of the last T",
            "  One thread can do no more: move work to threads or processes. %doctor shows who works.",
        ],
        ("await asyncio.sleep(0.1)",),
        QUIET | {"saturation": 0.4, "window": 0.5},
    ),
    Program(
        "spinning",
        (
            "async def poll():\n    while not seen.is_set():\n        await asyncio.sleep(0)",
            "task = asyncio.create_task(poll(), name='poller')",
        ),
        [
            "! spinning: poller (poll) woke itself, N of N times in T",
            "  <cell 1>, line 3: await asyncio.sleep(0)",
            "  Wait for what is to come, with an Event or a Queue, instead of asking again with sleep(0).",
        ],
        (
            "async def ping(me, other):\n    for _ in range(200):\n        await me.get()\n        other.put_nowait(1)",
            "a, b = asyncio.Queue(), asyncio.Queue(); a.put_nowait(1)\nawait asyncio.gather(ping(a, b), ping(b, a));",
        ),
        QUIET | {"window": 0.2, "stats": True},
    ),
    Program(
        "deadlock",
        (
            "a, b = asyncio.Lock(), asyncio.Lock()\nasync def take(first, second):\n    async with first:\n"
            "        await asyncio.sleep(0)\n        async with second: pass",
            "x = asyncio.create_task(take(a, b), name='x'); y = asyncio.create_task(take(b, a), name='y')",
        ),
        [
            "! deadlock: x and y wait for each other",
            "  <cell 1>, line 5: async with second: pass",
            "  Take the locks in the same order everywhere, or put a timeout around the wait; %cancel frees one now.",
        ],
        (
            "a, b = asyncio.Lock(), asyncio.Lock()\nasync def take(first, second):\n    async with first:\n"
            "        await asyncio.sleep(0)\n        async with second: await asyncio.sleep(0.2)",
            "x = asyncio.create_task(take(a, b)); y = asyncio.create_task(take(a, b))",
        ),
        QUIET | {"look": 0.1},
    ),
    Program(
        "lost-wait",
        (
            "async def listen():\n    opened = asyncio.Event()\n    await opened.wait()",
            "task = asyncio.create_task(listen(), name='waiter')",
        ),
        [
            "! lost-wait: waiter listen waits for an Event that nobody else has",
            "  <cell 1>, line 3: await opened.wait()",
            "  Keep the Event where the code that ends the wait can reach it, or put a timeout around the wait.",
        ],
        (
            "event = asyncio.Event()\nasync def waits():\n    await event.wait()",
            "task = asyncio.create_task(waits(), name='w')",
        ),
        QUIET | {"look": 0.1},
    ),
    Program(
        "growing",
        (
            "async def one():\n    await gate.wait()\ngate = asyncio.Event(); tasks = []",
            "async def grow():\n    while not seen.is_set():\n        await asyncio.sleep(0.05)\n"
            "        tasks.extend(asyncio.create_task(one()) for _ in range(40))",
            "task = asyncio.create_task(grow())",
        ),
        [
            "! growing: N tasks of one at <cell 1>:2, N more than before",
            "  <cell 1>, line 2: await gate.wait()",
            "  They are made faster than they end: bound them with a semaphore or a queue, or see what holds them up.",
        ],
        (
            "async def one():\n    await gate.wait()\ngate = asyncio.Event()",
            "tasks = [asyncio.create_task(one()) for _ in range(400)]",
        ),
        QUIET | {"look": 0.1},
    ),
]


@pytest.fixture(autouse=True)
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other however long one takes: on a busy machine that would be seconds."""
    monkeypatch.setattr(looks, "_REST", 0)


def settled(lines: list[str]) -> list[str]:
    """Without the numbers that depend on the moment."""
    counted = re.compile(r"\b\d[\d,]* (tasks|more|callbacks|of|times)\b")
    lines = [re.sub(r"<(?!cell).*>", "<>", re.sub(r"Task-\d+", "Task-N", line)) for line in lines]
    return [re.sub(r"\b\d+%", "N %", counted.sub(r"N \1", line)) for line in lines]


@EACH_LOOP
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name or program.kind)
def test_it_is_told(program: Program, factory: LoopFactory) -> None:
    async def script() -> None:
        if program.only and factory is not asyncio.new_event_loop:
            pytest.skip("uvloop does not warn of it")
        async with watched(new_session(factory=factory), **program.settings) as seen:
            seen.wanted = program.kind
            await seen.type(*program.cells)
            alert = await seen.alert(program.kind, program.phase)
            expected = program.uvloop if program.uvloop and factory is not asyncio.new_event_loop else program.shown
            assert settled(drawn(alert)) == expected
            assert alert.severity == KINDS[alert.kind].severity

    asyncio.run(script())


@EACH_LOOP
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name or program.kind)
def test_a_healthy_one_is_silent(program: Program, factory: LoopFactory) -> None:
    async def script() -> None:
        async with watched(new_session(factory=factory), **program.settings) as seen:
            await seen.type(*program.healthy)
            await seen.looked(16)
        assert seen.alerts(program.kind) == []

    asyncio.run(script())
