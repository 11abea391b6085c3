"""What a report of every loop looks like."""

import time

from aiorepl.commands.report import LoopReport, Report
from aiorepl.commands.task_values import StuckReport, View
from aiorepl.introspect.values import Frame, LoopInfo
from aiorepl.render.blocks import Block, Lines, Rule
from aiorepl.render.describe import describe

__all__: list[str] = []


@describe.register
def _(value: Report) -> tuple[Block, ...]:
    made = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(value.time))
    # What may be long stands last, where it is cut.
    title = f"aiorepl report of process {value.process}, Python {value.python}, {made}: {value.program or '–'}"
    blocks: list[Block] = [Rule(title)]
    if value.error:
        blocks.append(Lines((f"the loops could not be found: {value.error}",), "error"))
    elif not value.loops:
        blocks.append(Lines(("no event loop runs in this process",)))
    for loop in value.loops:
        blocks += [Lines(("",)), *describe(loop)]
    if value.omitted:
        blocks += [Lines(("", f"… {value.omitted:,} more loops"))]
    return tuple(blocks)


# A report is made of a look alone: it does not go through the objects of the process, and there is no earlier look.
_NOTHING = (
    "no deadlock was found; waits that nothing can end are looked for by %stuck at a prompt, and where the program is"
    " served by aiorepl stuck NAME"
)


@describe.register
def _(value: LoopReport) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if value.loop is not None:
        blocks += [Rule(_title(value.loop)), Lines((_in_it(value.loop),))]
    if value.loop is not None and value.loop.stack:
        blocks += [Lines(("its thread stands at",)), Lines(tuple(map(_line, value.loop.stack)), indent=2)]
    if value.error:
        blocks.append(Lines((f"it could not be looked at: {value.error}",), "error"))
    if value.tasks is not None:
        blocks += describe(value.tasks._replace(omitted=0))
        if value.tasks.omitted:
            blocks.append(Lines((f"… {value.tasks.omitted:,} more places",)))
        # The view has been described with the tasks.
        found = describe(StuckReport(View(value.tasks.view.total), value.findings))
        blocks += [Lines(("",)), *(found if value.findings else [Lines((_NOTHING,), "dim")])]
    if value.omitted:
        blocks.append(Lines((f"… {value.omitted:,} more findings",)))
    return tuple(blocks)


def _title(loop: LoopInfo) -> str:
    return f"loop {loop.number}: {loop.kind} in thread {loop.thread}"


def _in_it(loop: LoopInfo) -> str:
    """What a loop has to do, as far as it tells."""
    counts = ((loop.ready, "ready"), (loop.timers, "timers"), (loop.registered, "descriptors"))
    parts = [f"{'–' if count is None else format(count, ',')} {what}" for count, what in counts]
    if loop.executor is not None:
        busy = "" if loop.executor.idle is None else f", {loop.executor.idle} idle"
        executor = loop.executor
        parts.append(f"executor: {executor.workers} of {executor.limit} workers{busy}, {executor.queued:,} queued")
    return ", ".join(parts)


def _line(frame: Frame) -> str:
    return f"{frame.file}:{frame.line} in {frame.function}"
