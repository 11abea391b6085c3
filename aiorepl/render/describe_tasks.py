"""What tasks look like: lists, groups, trees, stacks, and what is wrong with them. Importing this registers it all."""

import os
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from aiorepl.commands import task_values as values
from aiorepl.introspect.values import Explanation, Finding, Frame, TaskInfo
from aiorepl.introspect.words import ordinal
from aiorepl.render.blocks import Block, Code, Column, Lines, Rule, Table
from aiorepl.render.describe import describe
from aiorepl.render.describe_stats import STATS_COLUMNS, counted_words, stats_cells, stats_rows
from aiorepl.render.text import seconds

__all__ = ["branches", "short", "spot", "stack_lines", "view_blocks"]

# A deeper line of a tree is drawn at this depth, with its own depth before it.
_DEEPEST = 6
_EMPTY = Lines(("",))
_LABELLED = (Column(role="dim"), Column())
# What each severity of a finding is drawn in.
_ENDED = frozenset(("done", "cancelled", "failed"))
_ROLES = {3: "error", 2: "alert", 1: "hint"}
# What is a passing state in a healthy program; see aiorepl.introspect.diagnose.
_LASTING = "(full queues, ignored cancellations and the like count when a second look, 5 s later, finds them again)"
_EARLY = 10
_LOOKED_FOR = (
    "looked for deadlocks, waits that nothing can end, tasks that nobody holds or that ignore their cancellation,"
    " exceptions that nobody retrieved, full queues, a busy executor and coroutines that pile up"
)


def spot(frame: Frame | None) -> str:
    """Write a place short: the file's name and the line."""
    return f"{os.path.basename(frame.file)}:{frame.line}" if frame else "–"


def blocked_words(blocked: values.Blocked, loop: str = "the loop") -> str:
    """Say of a loop that it does not answer, and where it stands."""
    where = f" in {blocked.place.function} ({spot(blocked.place)})" if blocked.place else ""
    by = f" by {_named(blocked.task)}" if blocked.task else ""
    return f"{loop} does not answer: blocked{where}{by}"


def view_blocks(view: values.View) -> tuple[Block, ...]:
    """Say first what limits the rest: the loop is blocked, or something could not be read."""
    blocks: list[Block] = []
    if view.blocked:
        blocks.append(Lines((f"{blocked_words(view.blocked)}; this was seen from outside",), "alert"))
    if view.error:
        blocks.append(Lines((f"not everything could be read: {view.error}",), "error"))
    return tuple(blocks)


@describe.register
def _(value: values.TaskTable) -> tuple[Block, ...]:
    more = f"… {value.omitted:,} more; --top N shows more, --group merges them"
    if value.counted is not None:
        counted = tuple(map(_counted_row, value.rows))
        return _listed(value.view, _COUNTED_COLUMNS, counted, more if value.omitted else "", value.counted)
    columns = (
        Column("#", "number", right=True),
        Column("task", "function"),
        Column("state", "keyword"),
        Column("age", right=True),
        Column("coroutine", folds=True),
        Column("waits on"),
    )
    rows = tuple(
        (str(row.task.number), row.task.name, row.task.state, seconds(row.task.age), _stands(row), _waits(row))
        for row in value.rows
    )
    return _listed(value.view, columns, rows, more if value.omitted else "")


@describe.register
def _(value: values.TaskGroups) -> tuple[Block, ...]:
    columns = (
        Column("tasks", "number", right=True),
        Column("state", "keyword"),
        Column("oldest", right=True),
        Column("first", "number", right=True),
        Column("coroutine", folds=True),
        Column("waits on"),
    )
    rows = tuple(
        (
            f"{row.size:,}",
            row.state,
            seconds(row.age),
            str(row.numbers[0]),
            _at(row.coroutine, row.place),
            row.waits or _unknown(row.state),
        )
        for row in value.rows
    )
    more = f"… {value.omitted:,} more groups; --top N shows more"
    return _listed(value.view, columns, rows, more if value.omitted else "")


@describe.register
def _(value: values.TaskTree) -> tuple[Block, ...]:
    prefixes = branches([row.depth for row in value.rows])
    drawn = {row.row.task.number: line for line, row in enumerate(value.rows) if not row.mark}
    rows = tuple(
        (
            f"{prefix}{row.row.task.number} {row.row.task.name}",
            row.row.task.state,
            _stands(row.row),
            _branch_end(row, line, drawn.get(row.row.task.number)),
        )
        for line, (prefix, row) in enumerate(zip(prefixes, value.rows, strict=True))
    )
    columns = (
        Column("task", "function"),
        Column("state", "keyword"),
        Column("coroutine", folds=True),
        Column("waits on"),
    )
    more = f"… {value.omitted:,} more; %tree TASK draws those below one"
    return _listed(value.view, columns, rows, more if value.omitted else "")


@describe.register
def _(value: values.TaskDetails) -> tuple[Block, ...]:
    info = value.row.task
    blocks: list[Block] = [*view_blocks(value.view), Rule(f"{info.number} {info.name}")]
    blocks.append(Table(_LABELLED, tuple(_detail_rows(value))))
    if info.stack:
        blocks += [_EMPTY, Rule("stack"), *stack_lines(info.stack)]
    return tuple(blocks)


@describe.register
def _(value: values.TaskStack) -> tuple[Block, ...]:
    blocks: list[Block] = [*view_blocks(value.view), Rule(_headline(value.row))]
    if not value.frames:
        blocks.append(Lines(("it has no frames",), "dim"))
    for index, frame in enumerate(value.frames):
        if value.omitted and index == value.gap:
            blocks.append(Lines((f"… {value.omitted:,} more frames …",), "dim"))
        blocks += _frame_blocks(frame)
    return tuple(blocks)


@describe.register
def _(value: values.StackGroups) -> tuple[Block, ...]:
    blocks = [*view_blocks(value.view), Lines((_counted(value.view),))]
    for group in value.groups:
        count = f"{group.size:,} {'task' if group.size == 1 else 'tasks'}"
        waits = f", waits on {group.waits}" if group.waits else ""
        numbers = _some(group.numbers, group.size)
        blocks += [_EMPTY, Rule(f"{count} ({numbers}): {short(group.coroutine)}{waits}")]
        blocks += stack_lines(group.stack)
    if value.omitted:
        blocks.append(Lines((f"… {value.omitted:,} more groups",), "dim"))
    return tuple(blocks)


@describe.register
def _(value: values.Reason) -> tuple[Block, ...]:
    return (*view_blocks(value.view), *describe(value.explanation))


@describe.register
def _(value: Explanation) -> tuple[Block, ...]:
    return (Lines(value.sentences),)


@describe.register
def _(value: values.StuckReport) -> tuple[Block, ...]:
    blocks = [*view_blocks(value.view)]
    for index, finding in enumerate(value.findings):
        blocks += [_EMPTY] if index else []
        blocks.append(Lines((f"{finding.kind}: {finding.title}",), _ROLES.get(finding.severity, "alert")))
        blocks += [Lines(finding.evidence, indent=4), Lines((finding.advice,), "hint", indent=2)]
    if value.early:
        blocks += [_EMPTY] if value.findings else []
        blocks += _early(value.early)
    if not value.findings:
        tasks = f"{value.view.total:,} {'task' if value.view.total == 1 else 'tasks'}"
        found = f"nothing {'else' if value.early else 'wrong'} was found in {tasks}: {_LOOKED_FOR}"
        blocks += [Lines((found,)), Lines((_LASTING,), "dim")]
    return tuple(blocks)


def _early(found: Sequence[Finding]) -> Iterator[Block]:
    """What may pass, each in a line."""
    yield Lines(("this may pass, and is a fault if a second look, 5 s later, finds it again:",), "hint")
    for finding in found[:_EARLY]:
        where = f" ({finding.evidence[0]})" if finding.evidence else ""
        yield Lines((f"{finding.kind}: {finding.title}{where}",), indent=4)
    if len(found) > _EARLY:
        yield Lines((f"… {len(found) - _EARLY:,} more",), indent=4)


@describe.register
def _(value: values.LockList) -> tuple[Block, ...]:
    blocks = [*view_blocks(value.view)]
    if not value.rows:
        return (*blocks, Lines(("no task holds or waits on a lock, queue or the like",), "dim"))
    for index, row in enumerate(value.rows):
        blocks += [_EMPTY] if index else []
        blocks += [Rule(row.what or row.kind), Table(_LABELLED, tuple(_lock_rows(row)))]
    if value.omitted:
        blocks.append(Lines((f"… {value.omitted:,} more",), "dim"))
    return tuple(blocks)


@describe.register
def _(value: values.Cancellation) -> tuple[Block, ...]:
    lines = [Lines(_ended(task, value.waited)) for task in value.tasks]
    if value.omitted:
        lines.append(Lines((f"… {value.omitted:,} more",), "dim"))
    if value.also:
        more = f" and {value.also_omitted:,} more" if value.also_omitted else ""
        lines.append(Lines((f"and with that: {', '.join(map(_named, value.also))}{more}",), "dim"))
    return tuple(lines)


# Where a task stands goes below its row, where there is no room for it.
_COUNTED_COLUMNS = (
    Column("#", "number", right=True),
    Column("task", "function"),
    Column("state", "keyword"),
    *STATS_COLUMNS,
    Column("coroutine, and what it waits on"),
)


def _counted_row(row: values.TaskRow) -> tuple[str, ...]:
    waits = _waits(row)
    stands = f"{_stands(row)}: {waits}" if waits not in ("", "–") else _stands(row)
    return (str(row.task.number), row.task.name, row.task.state, *stats_cells(row), stands)


def _listed(
    view: values.View,
    columns: tuple[Column, ...],
    rows: tuple[tuple[str, ...], ...],
    more: str,
    counted: values.Counted | None = None,
) -> tuple[Block, ...]:
    also = f"; {counted_words(counted)}" if counted else ""
    blocks = [*view_blocks(view), Lines((_counted(view) + also,))]
    if rows:
        blocks += [_EMPTY, Table(columns, rows)]
    if more:
        blocks.append(Lines((more,), "dim"))
    return tuple(blocks)


def _counted(view: values.View) -> str:
    if not view.total:
        return "no tasks"
    states = ", ".join(f"{count:,} {state}" for state, count in view.counts)
    return f"{view.total:,} {'task' if view.total == 1 else 'tasks'}: {states}"


def _stands(row: values.TaskRow) -> str:
    return _at(row.task.coroutine, row.place)


def _at(coroutine: str, place: Frame | None) -> str:
    return f"{short(coroutine)} {spot(place)}" if place else short(coroutine) or "–"


def short(coroutine: str) -> str:
    """A name without the functions that it was defined in."""
    return coroutine.rpartition("<locals>.")[2]


def _waits(row: values.TaskRow) -> str:
    info = row.task
    waits = row.waits or _unknown(info.state)
    timeout = min((timeout.left for timeout in info.timeouts), default=None)
    if timeout is not None:
        waits += f", {_timeout(timeout)}"
    return f"{waits}; not read: {info.error}" if info.error else waits


def _timeout(left: float) -> str:
    return f"timeout in {seconds(left)}" if left > 0 else f"timeout was due {seconds(-left)} ago"


def _unknown(state: str) -> str:
    """A task that is about to run waits on nothing; what one that has ended gave need not be known."""
    return "–" if state in ("waiting", "cancelling") else ""


def _some(numbers: Sequence[int], size: int) -> str:
    return ", ".join(map(str, numbers)) + (" …" if size > len(numbers) else "")


def _named(task: values.TaskRef) -> str:
    return f"{task.number} {task.name}"


def _placed(task: values.TaskRef) -> str:
    return f"{_named(task)} ({spot(task.place)})" if task.place else _named(task)


def branches(depths: Sequence[int]) -> list[str]:
    """What is drawn before each line of a tree, whose lines are given by their depths."""
    prefixes: list[str] = []
    # Read from the end: depths at which a line is still to come before the tree goes back above them.
    coming: set[int] = set()
    for depth in reversed(depths):
        shown = min(depth, _DEEPEST)
        bars = "".join("│  " if level in coming else "   " for level in range(1, shown))
        corner = ("├─ " if depth in coming else "└─ ") if depth else ""
        deeper = f"({depth} deep) " if depth > _DEEPEST else ""
        prefixes.append(f"{bars}{corner}{deeper}")
        coming = {level for level in coming if level < depth} | {depth}
    return prefixes[::-1]


def _branch_end(row: values.TreeRow, line: int, drawn: int | None) -> str:
    """What stands at the end of a line; ``drawn`` is the one with what is below the task, unless that is left out."""
    if row.mark == "cycle":
        return "is awaited above: a circle"
    if not row.mark or drawn is None:
        return _waits(row.row)
    return "drawn above" if drawn < line else "drawn below"


def _detail_rows(value: values.TaskDetails) -> Iterator[tuple[str, str]]:
    info = value.row.task
    yield "state", info.state
    yield "coroutine", _stands(value.row)
    yield "age", seconds(info.age)
    yield "made at", _full(info.born) if info.born else "–"
    yield "made by", _placed(value.parent) if value.parent else "–"
    yield from _wait_rows(value)
    yield from _rows("holds", (f"{held.what or held.kind} since {_full(held.frame)}" for held in info.holds or ()))
    yield from _rows("timeouts", (f"{_timeout(timeout.left)}, at {_full(timeout.frame)}" for timeout in info.timeouts))
    yield from _rows("awaited by", map(_placed, value.awaited_by))
    if info.state not in _ENDED or info.cancels:
        # Of one that was cancelled before its first step Python keeps no count.
        yield "cancelled", _times(info)
    if value.row.stats is not None:
        yield from stats_rows(value.row.stats, spot)
    yield from _rows("context", (f"{name} = {summary}" for name, summary in info.context or ()))
    if info.error:
        yield "not read", info.error


def _wait_rows(value: values.TaskDetails) -> Iterator[tuple[str, str]]:
    info = value.row.task
    if info.wait is None:
        if info.outcome:
            yield "outcome", info.outcome
        return
    yield "waits on", value.row.waits or "–"
    if info.seen is not None:
        yield "", f"for at least {seconds(info.seen)}"
    yield from _rows("awaits", map(_placed, value.awaits))
    yield from _rows("held by", map(_placed, value.holders))


def _rows(label: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A row for each text, of which the first has the label."""
    for text in texts:
        yield label, text
        label = ""


def _times(info: TaskInfo) -> str:
    if not info.cancels:
        return "no"
    return "once" if info.cancels == 1 else f"{info.cancels} times"


def _headline(row: values.TaskRow) -> str:
    waits = f" on {row.waits}" if row.waits and row.task.wait else ""
    return f"{row.task.number} {row.task.name}: {row.task.state}{waits}"


def _full(frame: Frame) -> str:
    return f"{frame.file}:{frame.line} in {short(frame.function)}"


def stack_lines(stack: Sequence[Frame]) -> list[Block]:
    """Draw a stack, a line for each frame."""
    return [Lines((_full(frame),), "dim" if frame.library else "", indent=2) for frame in stack]


def _frame_blocks(source: values.FrameSource) -> list[Block]:
    frame = source.frame
    blocks: list[Block] = [Lines((_full(frame),), "dim" if frame.library else "function")]
    width = len(str(source.first + len(source.lines)))
    for number, line in enumerate(textwrap.dedent("\n".join(source.lines)).split("\n"), source.first):
        if source.lines:
            here = ">" if number == frame.line else " "
            blocks.append(Code(f"  {here} {number:>{width}}  {line}".rstrip()))
    if source.locals:
        blocks.append(
            Table((Column(role="dim"), Column()), tuple((f"    {name}", text) for name, text in source.locals))
        )
    return blocks


def _lock_rows(row: values.LockRow) -> Iterator[tuple[str, str]]:
    yield from _rows("held by", map(_placed, row.holders))
    places = [ordinal(place) for place in range(1, len(row.waiters) + 1)]
    width = max(map(len, places), default=0)
    line = zip(places, row.waiters, strict=True)
    yield from _rows("in line", (f"{place:>{width}}  {_placed(task)}" for place, task in line))
    if row.omitted:
        yield "", f"… {row.omitted:,} more"


def _ended(task: values.CancelledTask, waited: float | None) -> tuple[str, ...]:
    if task.outcome == "asked":
        return (f"asked to end: {_placed(task.task)}",)
    if task.row is None:
        how = {"ended": "", "done": ": it returned", "failed": ": it failed", "cancelled": ": cancelled"}[task.outcome]
        return (f"{_named(task.task)} has ended{how}",)
    place = f" at {spot(task.row.place)}" if task.row.place else ""
    waits = f", on {task.row.waits}" if task.row.waits else ""
    return (f"{_named(task.task)} has not ended within {seconds(waited)}: it is {task.row.task.state}{place}{waits}",)
