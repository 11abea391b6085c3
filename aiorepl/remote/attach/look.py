"""What a process does as its memory tells: its tasks, who awaits them, its stacks. Nothing is run in it.

Works while a C call holds the GIL. The process goes on meanwhile, so what is read may be half of what was and half of
what is; a look that fails for that is made again. Python 3.14+, of the same version as the process.
"""

import importlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from aiorepl.commands.outside_values import OutsideLook, OutsideTask, OutsideThread
from aiorepl.errors import AttachError
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.values import Frame, Stack
from aiorepl.remote.attach.process import Process

__all__ = ["count_tasks", "look_from_outside", "loop_threads", "main_stack"]

T = TypeVar("T")

_ATTEMPTS = 50
# Seconds between two looks at what moves.
_PAUSE = 0.001
_MOST_TASKS = 1000
_MOST_FRAMES = 100
# Python's own files, wherever it is installed.
_LIBRARY = re.compile(r"<frozen |.*/python3\.\d+t?/(?!site-packages/|dist-packages/)")
_LOOP = re.compile(r"(BaseEventLoop\.)?run_(forever|until_complete)|Runner\.run")


class _Seen(NamedTuple):
    """A task as it is read: ``waiters`` are the tasks that await it."""

    address: int
    name: str
    stack: Stack
    waiters: tuple[int, ...]
    thread: int


def look_from_outside(process: Process) -> OutsideLook:
    """Look at all tasks and threads of a process.

    Raises:
        AttachError: If its memory cannot be read, or it ended.
    """
    begun = time.perf_counter()
    errors: list[str] = []
    try:
        stacks = _read_stacks(process.pid, errors)
    except _Failed as failed:
        raise AttachError(f"process {process.pid} cannot be read: {failed}") from None
    seen: list[_Seen] = []
    running: set[int] = set()
    try:
        seen, running = _read(process.pid, _tasks), _read(process.pid, _running)
    except _Failed as failed:
        # It says "AsyncioDebug" of a program that has not imported asyncio.
        if "AsyncioDebug" not in str(failed):
            errors.append(str(failed))
    # 3.14 does not see what is below a C function: but for the running tasks these would seem to have no loop.
    run = {task.thread for task in seen if task.address in running}
    threads = tuple(
        OutsideThread(number, number == process.pid, stack, number in run or _runs_loop(stack))
        for number, stack in sorted(stacks.items(), key=lambda item: (item[0] != process.pid, item[0]))
    )
    tasks, omitted = _arranged(seen, running)
    took = time.perf_counter() - begun
    command = bounded(" ".join(process.arguments))
    return OutsideLook(process.pid, command, threads, tasks, len(seen), omitted, took, "; ".join(errors))


def count_tasks(process: Process) -> int | None:
    """Count the tasks of a process; None if that cannot be read from here."""
    if process.python != sys.version_info[:2]:
        return None
    try:
        return _read(
            process.pid, lambda unwinder: sum(len(owner.awaited_by) for owner in unwinder.get_all_awaited_by())
        )
    except _Failed:
        return None


def main_stack(pid: int) -> Stack:
    """Where a process's main thread stands, the outermost call first; empty if that cannot be read."""
    try:
        return _read(pid, _stacks, all_threads=False).get(pid, ())
    except _Failed:
        return ()


def loop_threads(pid: int) -> set[int]:
    """The threads of a process (the system's numbers) whose stacks show that they run a loop."""
    try:
        return {number for number, stack in _read(pid, _stacks).items() if _runs_loop(stack)}
    except _Failed:
        return set()


class _Failed(Exception):
    """What could not be read."""


def _read_stacks(pid: int, errors: list[str]) -> dict[int, Stack]:
    try:
        return _read(pid, _stacks)
    except _Failed:
        # 3.15 cannot read a thread that has been started and waits for the GIL, which a C call keeps from it.
        stacks = _read(pid, _stacks, all_threads=False)
        errors.append("the stacks of other threads than the main one")
        return stacks


def _read(pid: int, look: Callable[[Any], T], *, all_threads: bool = True) -> T:
    """Return what a look at the process gives; one that fails as things move is made again."""
    try:
        # Python's own, but not before 3.14.
        unwinder: Any = importlib.import_module("_remote_debugging").RemoteUnwinder
    except ImportError:
        raise _Failed("reading another process takes Python 3.14 or newer") from None
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            return look(unwinder(pid, all_threads=all_threads))
        except (RuntimeError, OSError, UnicodeDecodeError, MemoryError, ValueError) as error:
            problem = str(error)
            if not _exists(pid) or isinstance(error, PermissionError):
                break
            time.sleep(_PAUSE)
    raise _Failed(problem)


def _stacks(unwinder: Any) -> dict[int, Stack]:
    found = unwinder.get_stack_trace()
    # 3.15 has interpreters around the threads.
    threads = [thread for one in found for thread in getattr(one, "threads", (one,))]
    return {int(thread.thread_id): _stack(thread.frame_info) for thread in threads}


def _tasks(unwinder: Any) -> list[_Seen]:
    return [
        _Seen(
            task.task_id,
            bounded(str(task.task_name)),
            _stack(frame for part in task.coroutine_stack for frame in part.call_stack),
            tuple(dict.fromkeys(waiter.task_name for waiter in task.awaited_by)),
            int(owner.thread_id),
        )
        for owner in unwinder.get_all_awaited_by()
        for task in owner.awaited_by
    ]


def _running(unwinder: Any) -> set[int]:
    return {task.task_id for owner in unwinder.get_async_stack_trace() for task in owner.awaited_by[:1]}


def _stack(frames: Iterable[Any]) -> Stack:
    """The frames, which come with the innermost first, as ours."""
    found = [_frame(frame) for frame in frames][:_MOST_FRAMES]
    return tuple(reversed(found))


def _frame(frame: Any) -> Frame:
    # 3.15 tells more of a place than the line; of some frames of C code nothing is known.
    place = getattr(frame, "location", frame)
    line = getattr(place, "lineno", 0) or 0
    file = bounded(str(frame.filename))
    return Frame(bounded(str(frame.funcname)), file, line, _LIBRARY.match(file) is not None)


def _runs_loop(stack: Stack) -> bool:
    return any(frame.library and _LOOP.fullmatch(frame.function) for frame in stack)


def _arranged(seen: Sequence[_Seen], running: set[int]) -> tuple[tuple[OutsideTask, ...], int]:
    """The tasks in drawing order, each below those that await it; and how many are left out."""
    numbers = {task.address: number for number, task in enumerate(seen, 1)}
    below: dict[int, list[_Seen]] = {}
    roots = []
    for task in seen:
        waiters = [waiter for waiter in task.waiters if waiter in numbers]
        for waiter in waiters:
            below.setdefault(waiter, []).append(task)
        if not waiters:
            roots.append(task)
    drawn: dict[int, None] = {}
    rows: list[OutsideTask] = []
    # Circles have no root: whoever is left begins one.
    for root in (*roots, *seen):
        if root.address in drawn:
            continue
        rest = [(root, 0)]
        while rest:
            task, depth = rest.pop()
            again = task.address in drawn
            drawn[task.address] = None
            rows.append(
                OutsideTask(
                    numbers[task.address], task.name, task.thread, depth, task.stack, task.address in running, again
                )
            )
            if not again:
                rest += [(child, depth + 1) for child in reversed(below.get(task.address, []))]
    return tuple(rows[:_MOST_TASKS]), max(0, len(rows) - _MOST_TASKS)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
