"""Programs made at random, of tasks that hold locks and wait on each other: the graph found is the one built."""

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loops_elsewhere import PATIENCE, loop_elsewhere

from aiorepl.introspect.deadlock import dead_tasks
from aiorepl.introspect.graph import cycles, edges
from aiorepl.introspect.look import look_now
from aiorepl.introspect.values import LoopSnapshot

# What a task does last, with the tasks that it names. "lock" and "semaphore" are for one that the first of them holds.
WAYS = ("task", "shield", "gather", "wait", "lock", "semaphore", "group", "event", "queue", "sleep")
WITHOUT_OTHERS = ("event", "queue", "sleep", "group")


@dataclass
class Part:
    """One task of a program: through how many calls it waits, in which way, and for which other tasks."""

    way: str
    others: list[int]
    depth: int = 0
    children: int = 0


@st.composite
def programs(draw: st.DrawFn, circles: bool = True) -> list[Part]:
    count = draw(st.integers(1, 8))
    parts = []
    for index in range(count):
        everyone = list(range(count if circles else index))
        ways = WAYS if (circles and count > 1) or index else (*WITHOUT_OTHERS, "lock") if circles else WITHOUT_OTHERS
        way = draw(st.sampled_from(ways))
        # A task cannot await itself, but it can want a lock that it holds.
        if way in ("task", "shield", "gather", "wait") and index in everyone:
            everyone.remove(index)
        if way in WITHOUT_OTHERS:
            parts.append(Part(way, [], draw(st.integers(0, 3)), draw(st.integers(1, 3))))
            continue
        several = way in ("gather", "wait")
        others = draw(st.lists(st.sampled_from(everyone), min_size=1, max_size=4 if several else 1, unique=True))
        parts.append(Part(way, others, draw(st.integers(0, 3))))
    return parts


@dataclass
class Program:
    """A program that has been started; each task holds a lock and a semaphore of its own."""

    parts: list[Part]
    tasks: "list[asyncio.Task[Any]]" = field(default_factory=list)

    async def start(self) -> None:
        """Let every task come as far as it can."""
        count = len(self.parts)
        self.locks = [asyncio.Lock() for _ in range(count)]
        self.semaphores = [asyncio.Semaphore(1) for _ in range(count)]
        self.never = asyncio.Event()
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self.ready = asyncio.Barrier(count + 1)
        self.expected: set[tuple[str, str]] = set()
        self.tasks = [asyncio.create_task(self.run(index), name=f"t{index}") for index in range(count)]
        await self.ready.wait()
        # The longest way takes a handful of passes: through the calls, a gather, and the tasks of a group.
        for _ in range(20):
            await asyncio.sleep(0)

    async def run(self, index: int) -> None:
        async with self.locks[index], self.semaphores[index]:
            await self.ready.wait()
            await self.descend(index, self.parts[index].depth)

    async def descend(self, index: int, depth: int) -> None:
        if depth:
            await self.descend(index, depth - 1)
        else:
            await self.wait(index)

    async def wait(self, index: int) -> None:
        part = self.parts[index]
        others = [self.tasks[other] for other in part.others]
        if part.way in ("task", "shield", "gather", "wait", "lock", "semaphore"):
            self.expected |= {(f"t{index}", task.get_name()) for task in others}
        if part.way == "task":
            await others[0]
        elif part.way == "shield":
            await asyncio.shield(others[0])
        elif part.way == "gather":
            await asyncio.gather(*others)
        elif part.way == "wait":
            await asyncio.wait(others)
        elif part.way == "lock":
            async with self.locks[part.others[0]]:
                pass
        elif part.way == "semaphore":
            async with self.semaphores[part.others[0]]:
                pass
        elif part.way == "group":
            async with asyncio.TaskGroup() as group:
                for number in range(part.children):
                    child = group.create_task(self.never.wait(), name=f"t{index}.{number}")
                    self.expected.add((f"t{index}", child.get_name()))
        elif part.way == "queue":
            await self.queue.get()
        elif part.way == "event":
            await self.never.wait()
        else:
            await asyncio.sleep(3600)


def found(snapshot: LoopSnapshot) -> set[tuple[str, str]]:
    names = {info.number: info.name for info in snapshot.tasks}
    return {(names[edge.waiter], names[edge.target]) for edge in edges(snapshot)}


def in_circles(graph: set[tuple[str, str]]) -> set[str]:
    """The nodes that can be reached from themselves."""
    reached = {start: {end for begin, end in graph if begin == start} for start, _ in graph}
    changed = True
    while changed:
        changed = False
        for ends in reached.values():
            more = set().union(*(reached.get(end, set()) for end in ends)) - ends
            ends |= more
            changed = changed or bool(more)
    return {start for start, ends in reached.items() if start in ends}


def abandon(loop: asyncio.AbstractEventLoop) -> None:
    """End tasks that await each other in circles, which cancel() cannot (a RecursionError on some versions)."""
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        with contextlib.suppress(RuntimeError):
            task.get_coro().close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_the_graph_that_is_found_is_the_one_that_was_built(parts: list[Part]) -> None:
    loop = asyncio.new_event_loop()
    try:
        program = Program(parts)
        loop.run_until_complete(program.start())
        snapshot = look_now(loop)
        assert [info.error for info in snapshot.tasks if info.error] == []
        assert snapshot.error == ""
        assert found(snapshot) == program.expected
        names = {info.number: info.name for info in snapshot.tasks}
        # One circle is shown of those that hang together, and whoever is shown is in one.
        shown = {names[edge.waiter] for circle in cycles(snapshot) for edge in circle}
        assert shown <= in_circles(program.expected)
        assert bool(shown) == bool(in_circles(program.expected))
        # Nothing else can end these waits, so a circle is a deadlock, and nothing else is.
        dead = {names[number] for number in dead_tasks(snapshot)}
        assert shown <= dead
        assert bool(dead) == bool(shown)
    finally:
        abandon(loop)
        loop.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(circles=False))
def test_a_snapshot_from_another_thread_never_raises_while_tasks_come_and_go(parts: list[Part]) -> None:
    with loop_elsewhere() as elsewhere:
        stop = threading.Event()

        async def churn() -> None:
            while not stop.is_set():
                program = Program(parts)
                await program.start()
                for task in program.tasks:
                    task.cancel()
                await asyncio.wait(program.tasks)

        churning = asyncio.run_coroutine_threadsafe(churn(), elsewhere.loop)
        for _ in range(20):
            snapshot = look_now(elsewhere.loop)
            assert snapshot.error == ""
            assert [info.error for info in snapshot.tasks if info.error] == []
            edges(snapshot)
            cycles(snapshot)
        stop.set()
        churning.result(PATIENCE)
