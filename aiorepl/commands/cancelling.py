"""``%cancel``: ask tasks to end, on their loop's own thread only, and say what goes down with them."""

import asyncio
import concurrent.futures
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import BuiltinMethodType, MethodType
from typing import Any, Literal, NamedTuple

from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.task_graphs import ending_with
from aiorepl.commands.task_lists import ENDED, Tasks
from aiorepl.commands.task_names import TaskName, find_some
from aiorepl.commands.task_values import Cancellation, CancelledTask
from aiorepl.errors import CommandError
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.values import TaskInfo

__all__ = ["Asked", "cancel_on_loop"]

Task = asyncio.Future[Any]
Ending = Literal["done", "cancelled", "failed"]

# Seconds for which --wait waits.
_PATIENCE = 2.0
# Tasks that are named before the rest is counted: in the question, and when it is done.
_NAMED = 6
_TOLD = 20
# ``Task.cancel`` calls itself for each task that awaits another one; Python up to 3.12 gives up at about 1,000 of them.
_DEEPEST = 300


@command(
    group="tasks",
    examples=[
        ("%cancel 7", "ask task 7 to end"),
        ("%cancel worker-* --yes", "all that are called so, without being asked again"),
        ("%cancel 7 --message 'too slow' --wait", "and tell within 2 seconds whether it has ended"),
    ],
)
async def cancel(
    context: Context, *tasks: TaskName, message: str = "", wait: bool = False, yes: bool = False
) -> Cancellation:
    """Ask tasks to end, as task.cancel() does.

    Where more of them would end than you have named, they are listed and nothing is done without --yes. Nothing is done
    while the loop is blocked.

    Args:
        tasks: Numbers, names or globs.
        message: What the CancelledError says.
        wait: Wait up to 2 seconds, and say which have ended and where the others stand.
        yes: Do it, whatever ends with them.
    """
    if not tasks:
        raise CommandError("which task? %cancel takes numbers, names or globs; %tasks lists them")
    seen = Tasks(await context.inspector.snapshot(ended=True))
    chosen = find_some(seen.snapshot, tasks)
    _refuse(chosen)
    numbers = [info.number for info in chosen]
    also = ending_with(seen, numbers)
    if len(numbers) + len(also) > len(tasks) and not yes:
        raise CommandError(_question(seen, [*numbers, *also], tasks, message, wait))
    loop = context.inspector.loop
    asked, _ = await context.inspector.call(lambda: cancel_on_loop(loop, numbers, message))
    if asked is None:
        raise CommandError("the loop does not answer, and only its own thread can cancel; nothing was done (see %loop)")
    if not wait:
        return _told(seen, [CancelledTask(seen.ref(number), "asked") for number in numbers], also)
    await asyncio.wait({asyncio.wrap_future(asked.all_ended)}, timeout=_PATIENCE)
    after = Tasks(await context.inspector.snapshot())
    results = [_result(seen, after, number, asked.endings) for number in numbers]
    return _told(seen, sorted(results, key=lambda task: task.outcome != "goes on"), also, _PATIENCE)


class Asked(NamedTuple):
    """Tasks that were asked to end: how those that have did, by number, and a future that is done when all have."""

    endings: dict[int, Ending]
    all_ended: "concurrent.futures.Future[None]"


def cancel_on_loop(loop: asyncio.AbstractEventLoop, numbers: Iterable[int], message: str = "") -> Asked | None:
    """Cancel tasks by number.

    Anywhere but on the loop's own thread this does nothing and returns None: a task that is cancelled from another
    thread can be stuck for good.
    """
    if asyncio._get_running_loop() is not loop:
        return None
    tasks = {number: task for number in numbers if (task := BOOK.find(number)) is not None}
    asked = _watched(tasks)
    for task in tasks.values():
        if not task.done():
            _cancel(task, message or None)
    return asked


def _refuse(chosen: Sequence[TaskInfo]) -> None:
    for info in chosen:
        if info.own:
            raise CommandError(f"task {info.number} {info.name} is aiorepl's own, or the cell that asks")
        if info.state in ENDED:
            raise CommandError(f"task {info.number} {info.name} has ended already: {info.state}")


def _question(seen: Tasks, numbers: Sequence[int], words: Sequence[str], message: str, wait: bool) -> str:
    """Say what would end, and the line that does it."""
    named = ", ".join(f"{number} {seen.name(number)}" for number in numbers[:_NAMED])
    more = f" and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else ""
    options = [*(["--message", message] if message else []), *(["--wait"] if wait else []), "--yes"]
    # A glob needs no quotes here, and is easier to read without.
    line = " ".join([*words, *map(shlex.quote, options)])
    return f"this ends {len(numbers):,} tasks: {named}{more}; %cancel {line} does it"


def _told(
    seen: Tasks, tasks: Sequence[CancelledTask], also: Sequence[int], waited: float | None = None
) -> Cancellation:
    """What is told of it all; however many there are, that is no more than a screen."""
    return Cancellation(
        tuple(tasks[:_TOLD]),
        seen.refs(also[:_TOLD]),
        waited,
        max(len(tasks) - _TOLD, 0),
        max(len(also) - _TOLD, 0),
    )


def _result(before: Tasks, after: Tasks, number: int, endings: Mapping[int, Ending]) -> CancelledTask:
    info = after.by_number.get(number)
    if number in endings or info is None:
        return CancelledTask(before.ref(number), endings.get(number, "ended"))
    return CancelledTask(before.ref(number), "goes on", after.row(info))


def _watched(tasks: Mapping[int, Task]) -> Asked:
    """Note how tasks end from now on; called on their loop's thread."""
    asked = Asked({}, concurrent.futures.Future())

    def note(number: int, task: Task) -> None:
        asked.endings[number] = _ending(task)
        # Who waited may have given up.
        if len(asked.endings) == len(tasks) and asked.all_ended.set_running_or_notify_cancel():
            asked.all_ended.set_result(None)

    for number, task in tasks.items():
        task.add_done_callback(partial(note, number))
    return asked


def _ending(task: Any) -> Ending:
    if task.cancelled():
        return "cancelled"
    # task.exception() would count as if somebody had retrieved it.
    return "done" if task._exception is None else "failed"


def _cancel(task: Task, message: str | None) -> None:
    # Those that await the one where this begins get its CancelledError one after the other, and nothing recurses.
    begin, in_circle = _where_to_begin(task)
    if in_circle:
        _wake_cancelled(begin, message)
    else:
        begin.cancel(message)


def _where_to_begin(task: Task) -> tuple[Task, bool]:
    """Return what to cancel so that this task ends, and whether that is in a circle of tasks that await each other.

    It is the task itself unless its ``cancel()`` would go round in a circle, or too deep.
    """
    path = {id(task)}
    finished: set[int] = set()
    stack: list[tuple[Task, Iterator[Task]]] = [(task, _cancelled_by(task))]
    deepest, innermost = _DEEPEST, task
    while stack:
        future, below = stack[-1]
        inner = next(below, None)
        if inner is None:
            stack.pop()
            path.discard(id(future))
            finished.add(id(future))
        elif id(inner) in path:
            # There is a task in every circle, and on the way back from the innermost it is met within that.
            return next(member for member, _ in reversed(stack) if isinstance(member, asyncio.Task)), True
        elif id(inner) not in finished:
            path.add(id(inner))
            stack.append((inner, _cancelled_by(inner)))
            if len(stack) > deepest:
                deepest, innermost = len(stack), inner
    return innermost, False


def _cancelled_by(future: Any) -> Iterator[Task]:
    """What ``cancel()`` of a task or a gather passes on to."""
    if isinstance(future, asyncio.Task):
        waiter = future._fut_waiter  # type: ignore[attr-defined]
        return iter(() if waiter is None or waiter.done() else (waiter,))
    if type(future) is asyncio.tasks._GatheringFuture:  # type: ignore[attr-defined]
        return (child for child in future._children if not child.done())
    return iter(())


def _wake_cancelled(task: Any, message: str | None) -> None:
    """Wake a task as if what it awaits had been cancelled: in a circle there is nothing below it that could be.

    ``task.cancel()`` on a circle of tasks that await each other is a RecursionError (Python 3.11 to 3.15).
    """
    waiter = task._fut_waiter
    for callback, context in waiter._callbacks or ():
        if _is_wakeup(callback, task):
            waiter.remove_done_callback(callback)
            cancelled = task.get_loop().create_future()
            cancelled.cancel(message)
            task.get_loop().call_soon(callback, cancelled, context=context)
            return


def _is_wakeup(callback: Any, task: object) -> bool:
    """Tell whether a future wakes this task by calling that: a method of C's tasks, or of Python's."""
    kind = type(callback)
    if kind is not BuiltinMethodType and kind is not MethodType:
        return False
    return callback.__self__ is task and callback.__name__ in {"task_wakeup", "__wakeup"}
