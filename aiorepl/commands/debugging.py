"""``%debug`` and ``%slow``: asyncio's debug mode, and from when on a step is slow."""

import asyncio
import math
import sys
from typing import NewType

from aiorepl.alerts.debugmode import Price, asked_by, measure_price, ways_of
from aiorepl.commands.arguments import Choice, Kind, Query, add_kind
from aiorepl.commands.context import Context
from aiorepl.commands.debug_session import debug_session
from aiorepl.commands.debug_values import DebugInfo, SlowInfo, Unpriced
from aiorepl.commands.registry import command
from aiorepl.errors import CommandError
from aiorepl.introspect.loops import number_of
from aiorepl.model import Notice, Progress, SettingChanged

DebugArgument = NewType("DebugArgument", str)
SlowArgument = NewType("SlowArgument", str)

# Seconds for which debug mode is on in an app, unless others are given.
_IN_AN_APP = 600.0

_SWITCHES: list[Choice] = [("on", "until it is switched off"), ("off", ""), ("60", "on for so many seconds")]
_SLOW: list[Choice] = [("0.1", "as usual"), ("off", "no step is slow")]


def _switches(query: Query) -> list[Choice]:
    return _SWITCHES


def _slow_choices(query: Query) -> list[Choice]:
    return _SLOW


add_kind(DebugArgument, Kind(str, "on, off or a number of seconds", _switches, "on|off|SECONDS"))
add_kind(SlowArgument, Kind(str, "a number of seconds, or off", _slow_choices, "SECONDS|off"))


@command(
    group="debug",
    looks=lambda switch=None, *, price=False: switch is None and not price,
    examples=[
        ("%debug", "whether it is on and by whom, what it changes and what it costs"),
        ("%debug on", "until the session ends"),
        ("%debug 60", "for a minute"),
    ],
)
async def debug(context: Context, switch: DebugArgument | None = None, *, price: bool = False) -> DebugInfo | None:
    """Tell all about asyncio's debug mode, or switch it on or off.

    It takes effect at once, also while the loop is at work, for tasks and callbacks that are made from then on. Other
    ways to have it on from the start are PYTHONASYNCIODEBUG=1, python -X dev, and aiorepl --debug, which does what
    asyncio.run(..., debug=True) does.

    When the session ends the loop is left as it was found. On an app's loop it is switched on for ten minutes at most,
    unless a time is given.

    To tell the price, the steps of a few tasks are measured with and without, which takes 0.2 s; on an app's loop only
    where --price asks for it.

    Args:
        switch: On or off from now on; a number is for how many seconds it is on.
        price: Measure the price also where the loop is an app's, which then has debug mode on and off for 0.2 s.
    """
    if switch is None:
        return await _debug_info(context, price)
    loop = _open_loop(context)
    session = debug_session(context)
    if switch == "on" and context.owned:
        session.switch(loop, True)
        context.emit(Notice("debug mode is on; %debug tells what that changes and costs, %debug off ends it"))
    elif switch == "off":
        session.switch(loop, False)
        context.emit(Notice("debug mode is off"))
    else:
        time = _IN_AN_APP if switch == "on" else _seconds(switch, "%debug takes on, off or a number of seconds")
        session.switch_on_for(context, loop, time)
        context.emit(Notice(f"debug mode is on for {time:g} s; %debug tells what that changes, %debug off ends it"))
    return None


async def _debug_info(context: Context, asked: bool) -> DebugInfo:
    loop = context.inspector.loop
    session = debug_session(context)
    depth, outside = await context.inspector.call(sys.get_coroutine_origin_tracking_depth)
    price, unpriced = await _price(context, loop, outside, asked)
    return DebugInfo(
        number_of(loop),
        loop.get_debug(),
        asked_by(loop),
        ways_of(loop),
        session.wish(loop),
        session.left(loop),
        getattr(loop, "slow_callback_duration", None),
        None if outside else depth,
        price,
        unpriced,
    )


async def _price(
    context: Context, loop: asyncio.AbstractEventLoop, outside: bool, asked: bool
) -> tuple[Price | None, Unpriced]:
    """Measure the price, or say why not."""
    if asyncio._get_running_loop() is loop:
        return None, "cell"
    if outside:
        return None, "blocked"
    if not (context.owned or asked):
        return None, "app"

    async def measure() -> Price | None:
        return await measure_price() if asyncio.get_running_loop() is loop else None

    context.emit(Progress(0.0, "measuring what debug mode costs on this loop"))
    evaluation = await context.run(measure)
    if isinstance(evaluation.value, Price):
        return evaluation.value, ""
    return None, "interrupted" if evaluation.exception or evaluation.detached else "elsewhere"


@command(
    group="debug",
    looks=lambda seconds=None: seconds is None,
    examples=[
        ("%slow", "from when on a step is slow"),
        ("%slow 0.02", "a step of 20 ms is"),
        ("%slow off", "no step is"),
    ],
)
def slow(context: Context, seconds: SlowArgument | None = None) -> SlowInfo | None:
    """Show or set from when on a step of the loop is slow.

    It holds for the alerts and for what debug mode logs, loop.slow_callback_duration, together. An app gets both back
    when the session ends.

    Args:
        seconds: How long a step may hold the loop from now on; off, if nobody is to be told.
    """
    if seconds is None:
        loop = context.inspector.loop
        logged = getattr(loop, "slow_callback_duration", None)
        return SlowInfo(number_of(loop), context.alerts.rules.slow, logged, loop.get_debug())
    loop = _open_loop(context)
    time = 0.0 if seconds == "off" else _seconds(seconds, "%slow takes a number of seconds, or off")
    context.emit(SettingChanged("slow", context.settings.set("slow", time)))
    if hasattr(loop, "slow_callback_duration"):
        debug_session(context).set_slow(loop, time or math.inf)
    context.emit(Notice(f"a step of {time:g} s is slow" if time else "no step is slow"))
    return None


def _open_loop(context: Context) -> asyncio.AbstractEventLoop:
    loop = context.inspector.loop
    if loop.is_closed():
        raise CommandError("the loop is closed; %loops lists those that run")
    return loop


def _seconds(word: object, expected: str) -> float:
    # A cell gives a number as it is.
    try:
        seconds = float(str(word))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise CommandError(f"{expected}, not {str(word)!r}")
    return seconds
