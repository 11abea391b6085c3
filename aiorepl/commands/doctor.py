"""``%doctor``: look for some seconds, and say what is wrong."""

import asyncio
import math

from aiorepl.alerts.doctor_values import Diagnosis, Limits, Observations
from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.errors import CommandError
from aiorepl.introspect.loops import number_of
from aiorepl.model import Progress

# Seconds; it is looked for as long as somebody waits for the answer.
_LONGEST = 3600.0


@command(
    group="tasks",
    waits=True,
    looks=True,
    examples=[("%doctor", "what is wrong, after three seconds"), ("%doctor 60", "what comes only now and then, too")],
)
async def doctor(context: Context, seconds: float = 3.0) -> Diagnosis:
    """Look at the loop for a few seconds, and say what is wrong with it.

    It is blocked by code, has too many steps, or has nothing to do while tasks wait on one lock or queue; its executor
    is starved, tasks grow in number, or take too much memory; or none of that was found, and then the largest groups of
    tasks that waited all the time are named. Several of these may hold: the worst comes first, each with what it was
    concluded from and the command to type next. What was not measured is shown as –.

    The loop's thread is looked at 100 times in a second, and the tasks four times in all; nothing is changed, and a
    loop that is blocked is looked at from outside. Ctrl-C ends it. In a cell: await repl.doctor().

    Args:
        seconds: For how long.
    """
    if not 0 < seconds <= _LONGEST:
        raise CommandError(f"%doctor takes from 0 to {_LONGEST:,.0f} seconds, not {seconds:g}")
    loop = context.inspector.loop
    # Loaded when somebody asks.
    from aiorepl.alerts.doctor import diagnose
    from aiorepl.alerts.examination import Examination
    from aiorepl.interpret.daemon import in_thread

    own_loop = asyncio.get_running_loop()

    def progress(part: float) -> None:
        left = math.ceil(seconds * (1 - part))
        text = f"looking, {left} s left" if left else "looking at the tasks"
        own_loop.call_soon_threadsafe(context.emit, Progress(part, text))

    slow = context.alerts.rules.slow or Limits().slow
    limits = Limits(slow=slow)
    examination = Examination(loop, seconds, limits=limits, ledger=context.alerts.ledger, progress=progress)

    def examine() -> Observations:
        # By this name its thread is known.
        return examination.run()

    try:
        seen = await in_thread(examine)
    finally:
        examination.stop()
    if not seen.last.loop.running:
        raise CommandError(f"loop {number_of(loop)} does not run; %loops lists those that do")
    return diagnose(seen, limits)
