"""``%loop``, ``%loops``, ``%timers`` and ``%io``: the loop itself, and what it waits for."""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import NewType

from aiorepl.commands.arguments import Choice, Kind, Query, add_kind
from aiorepl.commands.context import Context
from aiorepl.commands.loop_values import IoList, IoRow, LoopDetails, LoopList, TimerList, TimerRow
from aiorepl.commands.registry import command
from aiorepl.commands.task_lists import program_place
from aiorepl.commands.task_values import Blocked, TaskRef
from aiorepl.errors import CommandError
from aiorepl.introspect import loops as found
from aiorepl.introspect import registrations as watched
from aiorepl.introspect import timers as scheduled
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.values import LoopInfo

LoopNumber = NewType("LoopNumber", int)


def _choices(query: Query) -> Iterable[Choice]:
    # Those that have been listed: a search through the whole process would delay the key.
    return [(str(info.number), f"{info.kind} in {info.thread or '–'}") for info in map(found.loop_info, found.known())]


add_kind(LoopNumber, Kind(int, "a loop's number in %loops", _choices, placeholder="N"))


@command(group="tasks", looks=True)
async def loop(context: Context) -> LoopDetails:
    """Tell what the loop has to do, its thread, executor and debug mode."""
    chosen = context.inspector.loop
    info, outside = await context.inspector.call(partial(found.loop_info, chosen))
    info = _counted(info, chosen)
    current = None if info.current is None else _ref(context, info.current)
    return LoopDetails(info, current, _blocked(context, chosen) if outside else None)


@command(
    group="tasks",
    looks=True,
    examples=[("%loops", "every loop of the process"), ("%loops 2", "%tasks, %why and all others look at loop 2")],
)
async def loops(context: Context, number: LoopNumber | None = None) -> LoopList:
    """List the loops of the process, or choose one to look at.

    Of one that does not answer it is told where it stands. Cells go on running where they did; beside a program
    (aiorepl run) they follow.

    Args:
        number: The loop to look at from now on.
    """
    running = found.loops(context.inspector.loop)
    if number is not None:
        chosen = _numbered(running, number)
        context.inspector.choose(chosen)
        if context.program is not None:
            context.program.choose(chosen)
    silent = await context.inspector.silent(running)
    infos = tuple(_counted(found.loop_info(one), one) for one in running)
    stand = tuple((info.number, Blocked(program_place(info.stack), _ref(context, info.current))) for info in silent)
    return LoopList(infos, found.number_of(context.inspector.loop), stand)


@command(group="tasks", looks=True)
async def timers(context: Context, *, top: int = 20) -> TimerList:
    """List what the loop is to call and when, the soonest first.

    Args:
        top: How many of them.
    """
    chosen = context.inspector.loop
    listing, outside = await context.inspector.call(partial(scheduled.timers, chosen, top=max(top, 0)))
    rows = tuple(TimerRow(timer, _ref(context, timer.task)) for timer in listing.rows)
    return TimerList(rows, listing.total, _blocked(context, chosen) if outside else None, listing.error)


@command(group="tasks", looks=True)
async def io(context: Context, *, top: int = 50) -> IoList:
    """List the sockets and pipes that the loop watches, and for which task.

    Args:
        top: How many of them.
    """
    chosen = context.inspector.loop
    listing, outside = await context.inspector.call(partial(watched.registrations, chosen, top=max(top, 0)))
    rows = tuple(IoRow(registration, _ref(context, registration.task)) for registration in listing.rows)
    return IoList(rows, listing.total, _blocked(context, chosen) if outside else None, listing.error)


def _counted(info: LoopInfo, loop: asyncio.AbstractEventLoop) -> LoopInfo:
    # Here, and not where the loop is looked at: it takes long where there are many.
    return info._replace(tasks=found.count_tasks(loop))


def _blocked(context: Context, loop: asyncio.AbstractEventLoop) -> Blocked | None:
    """Where a loop stands that did not answer; None if it is not running at all."""
    info = found.loop_info(loop, outside=True)
    return Blocked(program_place(info.stack), _ref(context, info.current)) if info.running else None


def _ref(context: Context, number: int | None) -> TaskRef | None:
    if number is None:
        return None
    task = context.inspector.find(number)
    name = task.get_name() if isinstance(task, asyncio.Task) else f"task {number}"
    return TaskRef(number, bounded(str(name)))


def _numbered(running: list[asyncio.AbstractEventLoop], number: int) -> asyncio.AbstractEventLoop:
    for one in running:
        if found.number_of(one) == number:
            return one
    known = ", ".join(str(found.number_of(one)) for one in running)
    raise CommandError(f"no loop {number}; running: {known}")
