"""``%time`` and ``%timeit``: how long code takes."""

import asyncio
import time as clock

from aiorepl.commands.arguments import Code
from aiorepl.commands.context import Context
from aiorepl.commands.measuring import Measurement, compile_timed
from aiorepl.commands.registry import command
from aiorepl.commands.values import Timeit, Timing
from aiorepl.errors import CommandError
from aiorepl.model import Progress


@command(group="time", examples=[("%time await fetch(url)", "once, with the value shown")])
async def time(context: Context, code: Code) -> Timing | None:
    """Run code once and tell how long it took.

    It tells the time in all, on the processor (of every thread), and how long the code itself held the loop.

    Args:
        code: What to run; await may stand in it.
    """
    cpu = clock.process_time()
    evaluation = await context.execute(code)
    # What cannot be compiled has not run.
    if evaluation.detached or evaluation.on_loop is None:
        return None
    return Timing(evaluation.elapsed, clock.process_time() - cpu, evaluation.on_loop)


@command(
    group="time",
    examples=[("%timeit sorted(data)", "sync code"), ("%timeit await asyncio.sleep(0)", "with await")],
)
async def timeit(context: Context, code: Code) -> Timeit | None:
    """Run code many times and tell how long it takes.

    As many runs are timed together as take 0.2 s, and that five times, with garbage collection off. Names that the
    code binds are its own.

    Args:
        code: What to run; await may stand in it.
    """
    try:
        timed = compile_timed(code, context.namespace)
    except (SyntaxError, ValueError) as error:
        raise CommandError(f"this is not Python: {getattr(error, 'msg', error)}") from None
    own_loop = asyncio.get_running_loop()

    def progress(fraction: float, text: str) -> None:
        own_loop.call_soon_threadsafe(context.emit, Progress(fraction, text))

    measurement = Measurement(timed, progress)
    evaluation = await context.run(measurement.run)
    if evaluation.exception is not None or evaluation.detached:
        return None
    return Timeit(measurement.loops, tuple(measurement.times))
