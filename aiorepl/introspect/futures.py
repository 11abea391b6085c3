"""What stands behind a future: tasks, other futures, a function in a thread, or nothing that can be seen.

Everything is read from the callbacks that asyncio has put on the future, from any thread; nothing is recursive, as
futures may await each other in circles.
"""

import asyncio
import concurrent.futures.thread
import gc
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from aiorepl.introspect.callbacks import FUTURES, TASKS, Task
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.executors import running_item, work_name
from aiorepl.introspect.summary import type_name
from aiorepl.introspect.values import Wait

__all__ = ["Awaited", "Number", "awaited", "name_future", "wait_for_future"]

Number = Callable[[Task], int]

_GATHERING: type = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]


class Awaited(NamedTuple):
    """Futures that are awaited together: ``tasks`` are those that have not ended, also within others.

    ``pending`` of ``total`` futures have not ended; ``known`` if each comes down to tasks or threads.
    """

    tasks: tuple[int, ...]
    pending: int
    total: int
    known: bool


def wait_for_future(future: Any, number: Number) -> Wait:
    """Say what waiting for a future means."""
    inner = _unshielded(future)
    wait = _wait_for_inner(inner, number)
    # What has a name, as a thread's function, is worth more than that it was shielded.
    if inner is future or wait.kind == "thread" or (wait.kind == "future" and wait.known):
        return wait
    return wait._replace(kind="shield")


# What those futures of ``concurrent.futures`` stand for that are aiorepl's.
_NAMES: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def name_future(future: "concurrent.futures.Future[Any]", what: str) -> None:
    """Let it be said of who waits for this future of aiorepl's, from whatever loop, that it waits for ``what``."""
    _NAMES[future] = what


def awaited(futures: Iterable[Any], number: Number) -> Awaited:
    """Find what several futures come down to, through gather and shield."""
    parts = list(futures)
    tasks: dict[int, None] = {}
    known = True
    seen: set[int] = set()
    left = parts[::-1]
    while left:
        future = left.pop()
        if id(future) in seen or future.done():
            continue
        seen.add(id(future))
        inner = _unshielded(future)
        if inner is not future:
            left.append(inner)
        elif issubclass(type(future), TASKS):
            tasks[number(future)] = None
        elif issubclass(type(future), _GATHERING):
            left += future._children[::-1]
        else:
            wait = _wait_for_inner(future, number)
            tasks.update(dict.fromkeys(wait.tasks))
            known = known and wait.known
    return Awaited(tuple(tasks), sum(not part.done() for part in parts), len(parts), known)


def _wait_for_inner(future: Any, number: Number) -> Wait:
    kind = type(future)
    if issubclass(kind, TASKS):
        return _wait_for_task(future, number)
    if not issubclass(kind, FUTURES):
        return Wait("future", f"a {bounded(type_name(future))}", id(future), known=False)
    if issubclass(kind, _GATHERING):
        found = awaited(future._children, number)
        return Wait("gather", "gather", 0, found.tasks, None, found.pending, found.total, known=found.known)
    source = _cell(_first_callbacks(future), _CHECK_CANCEL, "source")
    wait = _wait_for_source(source, number) if source is not None else None
    return wait or Wait("future", "a future", id(future), known=False)


def _wait_for_task(task: Any, number: Number) -> Wait:
    return Wait("task", bounded(task.get_name()), 0, () if task.done() else (number(task),))


def _wait_for_source(source: Any, number: Number) -> Wait | None:
    """What ends a future that was chained to another one, mostly of ``concurrent.futures``; None if nobody knows."""
    if issubclass(type(source), TASKS):
        return _wait_for_task(source, number)
    if not issubclass(type(source), concurrent.futures.Future):
        return None
    if (what := _NAMES.get(source)) is not None:
        return Wait("future", what, id(source))
    # asyncio.run_coroutine_threadsafe: a task of another loop.
    task = _cell(list(source._done_callbacks), _CHECK_CANCEL, "source")
    if issubclass(type(task), TASKS):
        return _wait_for_task(task, number)
    function = _function_of(source)
    if function is None:
        return None
    return Wait("thread", function, id(source), started=source._state == "RUNNING")


def _unshielded(future: Any) -> Any:
    seen: set[int] = set()
    while id(future) not in seen and issubclass(type(future), FUTURES) and not issubclass(type(future), TASKS):
        seen.add(id(future))
        inner = _cell(_first_callbacks(future), _SHIELD, "inner")
        if inner is None:
            break
        future = inner
    return future


def _nested(function: Any, name: str) -> CodeType:
    return next(const for const in function.__code__.co_consts if type(const) is CodeType and const.co_name == name)


_SHIELD = _nested(asyncio.shield, "_outer_done_callback")
_CHECK_CANCEL = _nested(asyncio.futures._chain_future, "_call_check_cancel")  # type: ignore[attr-defined]


def _first_callbacks(future: Any) -> Iterator[object]:
    """The first callbacks of a future: whoever makes one for somebody else adds its own before it hands it out.

    Not by ``_callbacks``, which copies all of them for each of the tasks that wait for the future.
    """
    for part in gc.get_referents(future):
        if type(part) is FunctionType:
            yield part
        elif type(part) is list:
            yield from (entry[0] for entry in part[:_FIRST] if type(entry) is tuple and entry)


_FIRST = 2


def _cell(callbacks: Iterable[Any], code: CodeType, variable: str) -> Any:
    """The value of a variable of the first callback that was made from this code; None if there is no such."""
    for callback in callbacks:
        if type(callback) is FunctionType and callback.__code__ is code and callback.__closure__:
            try:
                return callback.__closure__[code.co_freevars.index(variable)].cell_contents
            except ValueError:
                return None
    return None


# What executors are to run for a future. Kept, since a look for one has to go through all that wait for a thread.
_FUNCTIONS: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def _function_of(source: Any) -> str | None:
    """The name of the function whose result a future of an executor will be."""
    if source not in _FUNCTIONS:
        try:
            for item in _work_items():
                _FUNCTIONS[item.future] = work_name(item)
        except RuntimeError:
            # "changed size during iteration": threads come and go meanwhile.
            pass
    return _FUNCTIONS.get(source)


def _work_items() -> Iterator[Any]:
    """What all executors of the process run and have queued."""
    threads: dict[Any, Any] = dict(concurrent.futures.thread._threads_queues)
    frames = sys._current_frames()
    for thread in threads:
        item = running_item(frames.get(thread.ident))
        if item is not None:
            yield item
    for queue in {id(queue): queue for queue in threads.values()}.values():
        # Up to 3.12 it keeps its items in a list.
        for part in gc.get_referents(queue):
            items = part if type(part) is list else [part]
            yield from [item for item in items if type(item) is concurrent.futures.thread._WorkItem]
    processes: Any = sys.modules.get("concurrent.futures.process")
    for manager in list(processes._threads_wakeups) if processes is not None else ():
        yield from list(manager.pending_work_items.values())
