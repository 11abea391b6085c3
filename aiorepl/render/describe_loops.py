"""What loops, their timers and their descriptors look like. Importing this registers it all."""

from collections.abc import Iterator

from aiorepl.commands import loop_values as values
from aiorepl.commands.task_values import TaskRef, View
from aiorepl.introspect.values import ExecutorInfo, LoopInfo
from aiorepl.render.blocks import Block, Column, Lines, Rule, Table
from aiorepl.render.describe import describe
from aiorepl.render.describe_tasks import blocked_words, spot, view_blocks
from aiorepl.render.text import seconds

__all__: list[str] = []

# What asyncio's own timers are for; two of them have the names of the functions that they call.
_MEANINGS = {
    "_set_result_unless_cancelled": "end of a sleep",
    "_release_waiter": "timeout of a wait",
    "Timeout._on_timeout": "timeout",
    "as_completed.<locals>._on_timeout": "timeout of as_completed",
    "_AsCompletedIterator._handle_timeout": "timeout of as_completed",
}


@describe.register
def _(value: values.LoopDetails) -> tuple[Block, ...]:
    info = value.loop
    above = view_blocks(View(0, blocked=value.blocked, error=info.error))
    title = Rule(f"loop {info.number}: {info.kind}, {'blocked' if value.blocked else _state(info)}")
    return (*above, title, Table((Column(role="dim"), Column()), tuple(_rows(value))))


def _rows(value: values.LoopDetails) -> Iterator[tuple[str, str]]:
    info = value.loop
    yield "thread", info.thread or "–"
    yield "tasks", _count(info.tasks)
    if value.current:
        yield "runs now", _task(value.current)
    yield "ready", _counted(info.ready, "callback")
    yield "timers", _count(info.timers)
    yield "watches", _counted(info.registered, "descriptor")
    yield "executor", _executor(info.executor)
    yield "async generators", _count(info.asyncgens)
    yield "debug mode", _debug_mode(info)


def _debug_mode(info: LoopInfo) -> str:
    if not info.debug:
        return "off"
    slow = info.slow_callback_duration
    return "on" if slow is None else f"on, reports callbacks of {seconds(slow)} and more"


def _executor(executor: ExecutorInfo | None) -> str:
    if executor is None:
        return "–"
    calls = f" ({', '.join(executor.running)})" if executor.running else ""
    busy = f"{len(executor.running):,} of {executor.workers:,} threads busy{calls}"
    return f"{busy}, {_counted(executor.queued, 'call')} queued, at most {executor.limit:,} threads"


@describe.register
def _(value: values.LoopList) -> tuple[Block, ...]:
    if not value.loops:
        return (Lines(("no loop is running",), "dim"),)
    silent = dict(value.silent)
    columns = (
        Column("loop", "number", right=True),
        Column("thread"),
        Column("state", "keyword"),
        Column("tasks", right=True),
        Column("ready", right=True),
        Column("timers", right=True),
        Column("kind", "class"),
    )
    rows = tuple(
        (
            f"{'*' if info.number == value.chosen else ''}{info.number}",
            info.thread or "–",
            "blocked" if info.number in silent else _state(info),
            _count(info.tasks),
            _count(info.ready),
            _count(info.timers),
            info.kind,
        )
        for info in value.loops
    )
    more = (Lines(("* is looked at; %loops N chooses another",), "dim"),) if len(rows) > 1 else ()
    stand = tuple(Lines((blocked_words(one, f"loop {number}"),), "alert") for number, one in value.silent)
    return (Table(columns, rows), *stand, *more)


@describe.register
def _(value: values.TimerList) -> tuple[Block, ...]:
    columns = (Column("in", right=True), Column("task", "function"), Column("place"), Column("calls"))
    rows = tuple(
        (
            seconds(row.timer.left),
            _task(row.task),
            spot(row.timer.frame),
            _MEANINGS.get(row.timer.callback, row.timer.callback),
        )
        for row in value.rows
    )
    return _listed(value, columns, rows, "timers")


@describe.register
def _(value: values.IoList) -> tuple[Block, ...]:
    columns = (
        Column("fd", "number", right=True),
        Column("kind", "class"),
        Column("for", "keyword"),
        Column("task", "function"),
        Column("protocol or callback"),
        Column("what"),
    )
    rows = tuple(
        (str(found.fd), found.kind, found.events, _task(row.task), found.callback, found.what or "–")
        for row in value.rows
        for found in (row.registration,)
    )
    return _listed(value, columns, rows, "descriptors")


def _listed(
    value: values.TimerList | values.IoList, columns: tuple[Column, ...], rows: tuple[tuple[str, ...], ...], what: str
) -> tuple[Block, ...]:
    above = view_blocks(View(0, blocked=value.blocked, error=value.error))
    if value.total is None:
        return (*above, Lines((f"a loop of this kind does not tell its {what}",), "dim"))
    table = (Table(columns, rows),) if rows else ()
    omitted = max(0, value.total - len(rows))
    if omitted:
        return (*above, *table, Lines((f"… {omitted:,} more; --top N shows more",), "dim"))
    return (*above, *table) if rows else (*above, Lines((f"no {what}",), "dim"))


def _state(info: LoopInfo) -> str:
    if info.closed:
        return "closed"
    return "running" if info.running else "stopped"


def _task(task: TaskRef | None) -> str:
    return f"{task.number} {task.name}" if task else "–"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _counted(value: int | None, what: str) -> str:
    return "–" if value is None else f"{value:,} {what}{'' if value == 1 else 's'}"
