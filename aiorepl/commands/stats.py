"""``%stats``: count what each task does, as long as the session lasts."""

import asyncio
import weakref
from typing import Literal

from aiorepl.alerts.price import price_of
from aiorepl.alerts.stats import Hold, account_of, keep_statistics
from aiorepl.commands.context import Context, Undo
from aiorepl.commands.registry import command
from aiorepl.commands.task_values import StatsState
from aiorepl.errors import CommandError
from aiorepl.interpret.daemon import in_thread
from aiorepl.introspect.inspector import AtOnce
from aiorepl.introspect.loops import number_of

# What each session has switched on, by what it undoes at its end: the same object wherever a command is called from.
_HOLDS: "weakref.WeakKeyDictionary[Undo, dict[int, Hold]]" = weakref.WeakKeyDictionary()


@command(
    group="debug",
    examples=[
        ("%stats on", "count the steps and wakes of every task from now on"),
        ("%stats", "is it on, and what does it cost"),
    ],
)
async def stats(context: Context, switch: Literal["on", "off"] | None = None) -> StatsState:
    """Count steps, busy time, wakes and who woke whom, for %tasks.

    It ends with the session. Left out, on or off: tell whether it is on, and measure what it adds to a step (not from
    within a cell). uvloop runs the steps itself, so that there only wakes are counted.

    Args:
        switch: On or off.
    """
    loop = context.inspector.loop
    holds = _HOLDS.setdefault(context.undo, {})
    number = number_of(loop)
    if switch == "on" and number not in holds:
        holds[number] = _kept(loop)
        context.undo.callback(_release, holds, number)
    if switch == "off":
        _release(holds, number)
    account = account_of(loop)
    state = StatsState(number, account is not None, number in holds)
    if account is not None:
        state = state._replace(elapsed=account.elapsed, tasks=len(account.read()), measured=account.measured)
    if switch is not None or isinstance(context.inspector, AtOnce):
        return state
    kind = type(loop)
    return state._replace(price=await in_thread(lambda: price_of(lambda loop: keep_statistics(loop).end, kind)))


def _kept(loop: asyncio.AbstractEventLoop) -> Hold:
    try:
        return keep_statistics(loop)
    except ValueError as error:
        raise CommandError(f"{error}: %loops lists those that run") from None


def _release(holds: dict[int, Hold], number: int) -> None:
    hold = holds.pop(number, None)
    if hold is not None:
        hold.end()
