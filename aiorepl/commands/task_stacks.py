"""Where tasks stand: one stack with its source lines, or all stacks of a loop with equal ones merged."""

import heapq
import linecache
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from aiorepl.commands.task_lists import Tasks, few_numbers, group_waits
from aiorepl.commands.task_values import FrameSource, StackGroup, StackGroups, TaskStack
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.chain import bounded, coroutine_of, frame_of, links, place
from aiorepl.introspect.summary import summarize, type_name
from aiorepl.introspect.values import Frame, LoopSnapshot, Stack, TaskInfo

__all__ = ["Locals", "group_stacks", "locals_of", "task_stack"]

# Source lines before and after the one where a frame stands.
_AROUND = 2
# Of a longer stack the frames in the middle are left out; of more locals the last.
_FRAMES = 60
_LOCALS = 40
_GROUPS = 50

# The local variables of each frame of a chain, with a summary of each value.
Locals = tuple[tuple[Frame, tuple[tuple[str, str], ...]], ...]


def task_stack(tasks: Tasks, info: TaskInfo, found: Locals | None = None) -> TaskStack:
    """A task's stack with the source around each line that is not a library's; ``found`` are locals to go with it."""
    head, tail = info.stack[: _FRAMES // 2], info.stack[_FRAMES // 2 :]
    omitted = max(len(tail) - _FRAMES // 2, 0)
    frames = (*head, *tail[omitted:])
    return TaskStack(
        tasks.view([info]), tasks.row(info), tuple(_sources(frames, found)), len(head) if omitted else 0, omitted
    )


def group_stacks(snapshot: LoopSnapshot, *, own: bool = False) -> StackGroups:
    """All stacks of a loop, the most frequent first, without those of aiorepl's own tasks."""
    tasks = Tasks(snapshot)
    chosen = [info for info in snapshot.tasks if own or not info.own]
    merged: defaultdict[Stack, list[TaskInfo]] = defaultdict(list)
    for info in chosen:
        merged[info.stack].append(info)
    largest = heapq.nsmallest(_GROUPS, merged.values(), key=lambda group: (-len(group), group[0].number))
    groups = tuple(
        StackGroup(len(group), few_numbers(group), group[0].coroutine, group[0].stack, group_waits(group, tasks.name))
        for group in largest
    )
    return StackGroups(tasks.view(chosen), groups, len(merged) - len(groups))


def locals_of(number: int) -> Locals:
    """Read the local variables of a task's frames, and run none of their code.

    Up to Python 3.12 what a frame held at this moment may live as long as the frame does.
    """
    task: Any = BOOK.find(number)
    if task is None:
        return ()
    frames = [frame for link in links(coroutine_of(task)) if (frame := frame_of(link)) is not None]
    return tuple((place(frame), _summaries(frame.f_locals.items())) for frame in frames)


def _summaries(variables: Iterable[tuple[str, object]]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (bounded(name), summarize(value) or f"<{type_name(value)}>") for name, value in islice(variables, _LOCALS)
    )


def _sources(frames: Sequence[Frame], found: Locals | None) -> Iterable[FrameSource]:
    remaining = list(found or ())
    for frame in frames:
        # In the order of the stack: a function that awaits itself has several frames with the same place.
        index = next((index for index, (where, _) in enumerate(remaining) if where == frame), None)
        variables = None if index is None else remaining[index][1]
        if index is not None:
            del remaining[: index + 1]
        if frame.library:
            yield FrameSource(frame)
            continue
        first = max(frame.line - _AROUND, 1)
        lines = linecache.getlines(frame.file)[first - 1 : frame.line + _AROUND]
        yield FrameSource(frame, first, tuple(bounded(line.rstrip("\n")) for line in lines), variables)
