"""Ask about the chosen loop, again and again: from another loop without blocking that, or at once from a cell."""

import asyncio
import contextlib
import time
import weakref
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, TypeVar

from aiorepl.introspect.book import BOOK
from aiorepl.introspect.diagnose import Facts, Found, Place, counts, examine
from aiorepl.introspect.facts import gather_facts, gathering
from aiorepl.introspect.look import GRACE, Look, Slices, look_now
from aiorepl.introspect.silence import ask, silent, wait_for_answers
from aiorepl.introspect.values import Finding, LoopInfo, LoopSnapshot

__all__ = ["AtOnce", "Inspector", "NearbyInspector"]

T = TypeVar("T")

# Tasks of the last look that are kept.
_KEPT = 10_000


class Inspector(Protocol):
    """Looks at one loop of the process."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that is looked at."""

    @property
    def last(self) -> LoopSnapshot | None:
        """What was seen at the last look; None before the first."""

    def choose(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at another loop from now on."""

    async def snapshot(self, *, holders: bool = True, ended: bool = False, context: bool = False) -> LoopSnapshot:
        """Look at the loop's tasks; see ``Look`` for the options."""

    async def call(self, function: Callable[[], T]) -> tuple[T, bool]:
        """Call a function on the loop's thread, or here if the loop does not answer within 0.1 s.

        Returns what it returned, and whether it was called from outside the loop's thread. What it raises is raised.
        """

    async def findings(self) -> tuple[Finding, ...]:
        """Look for what is wrong, worst first; goes through all objects of the process where there may be something."""

    async def examine(self) -> Found:
        """The same, with what is wrong only if it lasts."""

    async def silent(self, loops: Sequence[asyncio.AbstractEventLoop]) -> tuple[LoopInfo, ...]:
        """Return those loops that do not answer within 0.1 s, with where their threads stand."""

    def find(self, number: int) -> "asyncio.Future[object] | None":
        """Return the task of a number, if it is still there."""


class NearbyInspector:
    """An ``Inspector`` for a loop of this process, used on a loop of aiorepl's own."""

    def __init__(self, default: Callable[[], asyncio.AbstractEventLoop], *, keeps: bool = True) -> None:
        """Look at the loop that ``default`` returns, until another one is chosen; ``last`` has tasks if it keeps."""
        self._default = default
        self._kept = _KEPT if keeps else 0
        self._chosen: asyncio.AbstractEventLoop | None = None
        self.last: LoopSnapshot | None = None
        self._looked = float("-inf")
        # How many tasks stood where when findings were asked for the last time.
        self._counts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Place, int]]
        self._counts = weakref.WeakKeyDictionary()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The chosen loop, as long as that is not closed."""
        if self._chosen is not None and not self._chosen.is_closed():
            return self._chosen
        return self._default()

    def choose(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at another loop from now on."""
        self._chosen = loop

    async def snapshot(self, *, holders: bool = True, ended: bool = False, context: bool = False) -> LoopSnapshot:
        """Look at the loop's tasks."""
        loop = self.loop
        look = Look(loop, holders=holders, ended=ended, context=context)

        def take_over() -> None:
            look.outside = True

        snapshot = await _in_slices(Slices(look, loop), loop, take_over)
        self._looked = time.monotonic()
        # Enough to complete a name; a hundred thousand tasks are not kept until the next look.
        self.last = snapshot._replace(tasks=snapshot.tasks[: self._kept])
        return snapshot

    async def keep_fresh(self, age: float) -> None:
        """Look again if the last look is older than this, and did not take longer."""
        if time.monotonic() - self._looked > age and (self.last is None or self.last.elapsed < age):
            await self.snapshot()

    async def call(self, function: Callable[[], T]) -> tuple[T, bool]:
        """Call a function on the loop's thread, or here."""
        outside = []

        def work() -> Generator[None, None, T]:
            yield
            return function()

        loop = self.loop
        result = await _in_slices(Slices(work, loop), loop, lambda: outside.append(True))
        return result, bool(outside)

    async def findings(self) -> tuple[Finding, ...]:
        """Look for what is wrong, worst first."""
        return (await self.examine()).findings

    async def examine(self) -> Found:
        """The same, with what is wrong only if it lasts."""
        loop = self.loop
        snapshot = await self.snapshot(ended=True)
        before = self._counts.get(loop, {})
        self._counts[loop] = counts(snapshot)
        facts = Facts(before=before)
        if not snapshot.outside:
            # On the loop's own thread only, where nothing moves meanwhile.
            facts = await _in_slices(Slices(lambda: gathering(loop, snapshot, before), loop), loop, lambda: None)
        return examine(snapshot, facts)

    async def silent(self, loops: Sequence[asyncio.AbstractEventLoop]) -> tuple[LoopInfo, ...]:
        """Return those loops that do not answer."""
        asked = ask(loops)
        if asked:
            await asyncio.wait([asyncio.wrap_future(one.answer) for one in asked], timeout=GRACE)
        return silent(asked)

    def find(self, number: int) -> "asyncio.Future[object] | None":
        """Return the task of a number, if it is still there."""
        return BOOK.find(number)


class AtOnce:
    """The same for a cell that asks: nothing is awaited, so that a command can be driven to its end in one step."""

    def __init__(self, inspector: Inspector) -> None:
        """Look at the loop that the other inspector looks at."""
        self._inspector = inspector

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that is looked at."""
        return self._inspector.loop

    @property
    def last(self) -> LoopSnapshot | None:
        """What was seen at the last look from the prompt."""
        return self._inspector.last

    def choose(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at another loop from now on."""
        self._inspector.choose(loop)

    async def snapshot(self, *, holders: bool = True, ended: bool = False, context: bool = False) -> LoopSnapshot:
        """Look at the loop's tasks, and wait for that in this very thread."""
        return look_now(self.loop, holders=holders, ended=ended, context=context)

    async def call(self, function: Callable[[], T]) -> tuple[T, bool]:
        """Call a function here; it is the loop's thread unless another loop was chosen."""
        return function(), asyncio._get_running_loop() is not self.loop

    async def findings(self) -> tuple[Finding, ...]:
        """Look for what is wrong, worst first."""
        return (await self.examine()).findings

    async def examine(self) -> Found:
        """The same, with what is wrong only if it lasts."""
        snapshot = await self.snapshot(ended=True)
        return examine(snapshot, gather_facts(self.loop, snapshot))

    async def silent(self, loops: Sequence[asyncio.AbstractEventLoop]) -> tuple[LoopInfo, ...]:
        """Return those loops that do not answer."""
        asked = ask(loops)
        wait_for_answers(asked)
        return silent(asked)

    def find(self, number: int) -> "asyncio.Future[object] | None":
        """Return the task of a number, if it is still there."""
        return self._inspector.find(number)


async def _in_slices(work: Slices[T], loop: asyncio.AbstractEventLoop, taken_over: Callable[[], object]) -> T:
    """Let the loop do the work; if it does not, do it here, and let this loop breathe meanwhile."""
    with work as slices:
        ended = _event_of(slices)
        if loop.is_running():
            slices.start()
            while not slices.stalled():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GRACE):
                        await ended.wait()
                if slices.done.done():
                    return slices.done.result()
            taken_over()
        slices.take_over()
        # Work, and not a wait for something.
        while not slices.advance():  # noqa: ASYNC110
            await asyncio.sleep(0)
        return slices.done.result()


def _event_of(work: Slices[Any]) -> asyncio.Event:
    """Return an event of the running loop that is set when a work is done.

    With ``asyncio.wrap_future`` the two futures would refer to each other, and what was seen, ten thousand tasks of it,
    would be left to the collector of cycles, for which the program has to wait.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        # Nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    work.done.add_done_callback(tell)
    return ended
