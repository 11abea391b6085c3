"""Timing a statement by running it again and again, as ``timeit`` does, also where it awaits."""

import ast
import asyncio
import gc
import inspect
import itertools
import linecache
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

__all__ = ["Measurement", "Timed", "compile_timed"]

REPEATS = 5
# Seconds that one repeat is to take at least; as in timeit.
ENOUGH = 0.2
_FILENAME = "<timeit>"

# Called with what to iterate over and the clock; returns the seconds.
Timed = Callable[[Iterable[None], Callable[[], float]], float | Awaitable[float]]

# The loop stands in the function itself, so that one turn costs next to nothing beside the statement.
_FRAME = """\
{}def timed(_aiorepl_turns, _aiorepl_clock):
    _aiorepl_start = _aiorepl_clock()
    for _aiorepl_turn in _aiorepl_turns:
        pass
    return _aiorepl_clock() - _aiorepl_start
"""


def compile_timed(source: str, namespace: dict[str, object]) -> Timed:
    """Make a function that runs a text as often as its first argument has items; a coroutine function if it awaits.

    It reads the names of the namespace, and binds none there.

    Raises:
        SyntaxError: If it is not Python, or ValueError for a null character.
    """
    linecache.cache[_FILENAME] = (len(source), None, source.splitlines(keepends=True), _FILENAME)
    tree = ast.parse(source, _FILENAME)
    # Compiled as a cell first: what is not allowed there, such as return, would be allowed in a function.
    code = compile(tree, _FILENAME, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    frame = ast.parse(_FRAME.format("async " if code.co_flags & inspect.CO_COROUTINE else ""))
    function = frame.body[0]
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    loop = function.body[1]
    assert isinstance(loop, ast.For)
    loop.body = tree.body or loop.body
    made: dict[str, Timed] = {}
    exec(compile(frame, _FILENAME, "exec", dont_inherit=True), namespace, made)
    return made["timed"]


@dataclass
class Measurement:
    """Finds how many runs take long enough, then repeats that; ``times`` are for all ``loops`` of one repeat.

    ``progress`` is called on the thread that ``run`` runs on, with a fraction of 1 and a text.
    """

    timed: Timed
    progress: Callable[[float, str], None]
    loops: int = 0
    times: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Measure, on the loop on which the statement is to run; other tasks take turns between the repeats."""
        enabled = gc.isenabled()
        gc.disable()
        try:
            await self._find_loops()
            for repeat in range(REPEATS):
                self.progress((repeat + 1) / (REPEATS + 1), f"{repeat} of {REPEATS} repeats, {self.loops:,} loops each")
                self.times.append(await self._once())
        finally:
            if enabled:
                gc.enable()

    async def _find_loops(self) -> None:
        """Go through 1, 2, 5, 10, 20, 50 ... until it takes ``ENOUGH`` seconds."""
        for scale in itertools.count():
            for digit in (1, 2, 5):
                self.loops = digit * 10**scale
                self.progress(0.0, f"how many loops: {self.loops:,}")
                if await self._once() >= ENOUGH:
                    return

    async def _once(self) -> float:
        await asyncio.sleep(0)
        elapsed = self.timed(itertools.repeat(None, self.loops), time.perf_counter)
        return elapsed if isinstance(elapsed, float) else await elapsed
