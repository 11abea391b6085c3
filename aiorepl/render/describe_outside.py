"""What a process looks like that was read from outside. Importing this registers it."""

from collections.abc import Iterator

from aiorepl.commands import outside_values as values
from aiorepl.introspect.values import Frame, Stack
from aiorepl.render.blocks import Block, Column, Lines, Rule, Table
from aiorepl.render.describe import describe
from aiorepl.render.describe_tasks import branches, short, spot, stack_lines
from aiorepl.render.text import seconds

__all__: list[str] = []

_EMPTY = Lines(("",))
_TREE = (Column("task", "function"), Column("state", "keyword"), Column("coroutine"), Column("waits in"))


@describe.register
def _(value: values.OutsideLook) -> tuple[Block, ...]:
    return tuple(_blocks(value))


def _blocks(value: values.OutsideLook) -> Iterator[Block]:
    yield Rule(f"process {value.process}: {value.command or '–'}")
    yield Lines((f"read from outside in {seconds(value.elapsed)} while it went on; nothing was run in it",), "dim")
    if value.error:
        yield Lines((f"not everything could be read: {value.error}",), "error")
    yield _EMPTY
    yield Lines((_counted(value),))
    if value.tasks:
        yield Table(_TREE, tuple(_rows(value.tasks)))
    if value.omitted:
        yield Lines((f"… {value.omitted:,} more",), "dim")
    for thread in value.threads:
        yield _EMPTY
        loops = ", runs an event loop" if thread.loops else ""
        yield Rule(f"{'main thread' if thread.main else 'thread'} {thread.number}{loops}")
        yield from stack_lines(thread.stack) or [Lines(("executes no Python code",), "dim", indent=2)]


def _counted(value: values.OutsideLook) -> str:
    if not value.total:
        return "no tasks"
    running = sum(task.running and not task.again for task in value.tasks)
    return f"{value.total:,} {'task' if value.total == 1 else 'tasks'}, {running or 'none'} running"


def _rows(tasks: tuple[values.OutsideTask, ...]) -> Iterator[tuple[str, str, str, str]]:
    prefixes = branches([task.depth for task in tasks])
    for prefix, task in zip(prefixes, tasks, strict=True):
        # A task that is not running is ready or waits, which cannot be told from outside.
        state = "running" if task.running else "–"
        end = "drawn above" if task.again else _innermost(task)
        yield f"{prefix}{task.number} {task.name}", state, _coroutine(task.stack), end


def _coroutine(stack: Stack) -> str:
    return f"{short(stack[0].function)} {spot(_program_place(stack))}" if stack else "–"


def _program_place(stack: Stack) -> Frame:
    return next((frame for frame in reversed(stack) if not frame.library), stack[-1])


def _innermost(task: values.OutsideTask) -> str:
    return short(task.stack[-1].function) if task.stack and task.stack[-1].library and not task.running else "–"
