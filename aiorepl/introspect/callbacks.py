"""What a loop is to call: its name, where it is defined, and the task that it is for. Runs nothing of the program's."""

import asyncio
import contextvars
import functools
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, cast

from aiorepl.introspect.chain import bounded, definition
from aiorepl.introspect.summary import type_name
from aiorepl.introspect.values import Frame

__all__ = [
    "FUTURES",
    "TASKS",
    "TASK_STEP",
    "Task",
    "callback_name",
    "called_function",
    "defined_at",
    "served_task",
    "stepped_task",
    "waiting_task",
]

Task = asyncio.Future[Any]
# asyncio's tasks and futures that are written in C derive from none of these that are written in Python.
TASKS = (asyncio.Task, asyncio.tasks._PyTask)  # type: ignore[attr-defined]
FUTURES = (asyncio.Future, asyncio.futures._PyFuture)  # type: ignore[attr-defined]


class _NoLoop:
    """Takes the first step of a task, and leaves it at that."""

    callback: object = None

    def get_debug(self) -> bool:
        return False

    def call_soon(self, callback: object, *_: object, context: object) -> None:
        self.callback = callback


def _task_step() -> type | None:
    """The type of what asyncio's tasks that are written in C have called for a step; it is in no module."""
    try:
        from _asyncio import Task as CTask
    except ImportError:
        return None

    async def nothing() -> None:
        """Not run."""

    loop: Any = _NoLoop()
    coroutine = nothing()
    # With a name, as any other one would take a number from the program's tasks.
    task: Any = CTask(coroutine, loop=loop, name="aiorepl")
    task._log_destroy_pending = False
    coroutine.close()
    return type(loop.callback)


TASK_STEP = _task_step()
# What a task has called when it begins and when what it awaits has ended: of tasks written in C and in Python.
_C_WAKEUP = "task_wakeup"
_PY_STEPS = frozenset(
    (asyncio.tasks._PyTask._Task__step, asyncio.tasks._PyTask._Task__wakeup)  # type: ignore[attr-defined]
)


def stepped_task(callback: object) -> Task | None:
    """Return the task of which a callback is a step; None if it is none, even if it is a method of a task."""
    kind = type(callback)
    if kind is TASK_STEP:
        return cast(MethodType, callback).__self__  # type: ignore[return-value]
    if kind is BuiltinFunctionType:
        function = cast(BuiltinFunctionType, callback)
        is_step = function.__name__ == _C_WAKEUP and issubclass(type(function.__self__), TASKS)
        return cast(Task, function.__self__) if is_step else None
    if kind is MethodType and cast(MethodType, callback).__func__ in _PY_STEPS:
        return cast(Task, cast(MethodType, callback).__self__)
    return None


def callback_name(callback: object) -> str:
    """Return the qualified name of what is called in the end; of an object that can be called, the name of its type."""
    function = called_function(callback)
    if type(function) is FunctionType:
        return bounded(function.__qualname__)
    if type(function) is BuiltinFunctionType:
        module = function.__module__
        prefix = f"{module}." if type(module) is str and module != "builtins" else ""
        return bounded(prefix + function.__qualname__)
    # A class is called to make one of its kind, as a protocol factory is.
    if issubclass(type(function), type):
        return bounded(type.__dict__["__qualname__"].__get__(function))
    return bounded(type_name(function))


def defined_at(callback: object) -> Frame | None:
    """Return where the function begins that is called in the end; None if it is not one of Python code."""
    function = called_function(callback)
    return definition(function.__code__) if type(function) is FunctionType else None


def served_task(callback: object, arguments: Iterable[object]) -> Task | None:
    """Return the task that a callback belongs to, or that it wakes by ending a future; None if none is to be seen."""
    for value in (*_bound_to(callback), *arguments):
        kind = type(value)
        if issubclass(kind, TASKS):
            return cast(Task, value)
        if issubclass(kind, FUTURES):
            return waiting_task(value)
        if kind is asyncio.Timeout:
            return cast(Any, value)._task  # type: ignore[no-any-return]
    return None


def waiting_task(future: Any) -> Task | None:
    """Return the first task that goes on when a future ends; None if none waits directly for it."""
    if not issubclass(type(future), FUTURES):
        return None
    for entry in future._callbacks or ():
        # Python's futures keep the context with each callback; both kinds of task have a bound method called.
        for value in _bound_to(entry[0]):
            if issubclass(type(value), TASKS):
                return cast(Task, value)
    return None


def called_function(callback: Any) -> Any:
    """Return what a callback calls in the end, through partials, bound methods and ``Context.run``."""
    # A partial of itself cannot be made, but a bound method of one can.
    for _ in range(20):
        if type(callback) is functools.partial:
            # asyncio.to_thread calls partial(context.run, function).
            callback = callback.args[0] if _runs_context(callback.func) and callback.args else callback.func
        elif type(callback) is MethodType:
            callback = callback.__func__
        else:
            break
    return callback


def _runs_context(function: object) -> bool:
    return any(type(owner) is contextvars.Context for owner in _bound_to(function))


def _bound_to(callback: object) -> Iterator[object]:
    while type(callback) is functools.partial:
        yield from callback.args
        callback = callback.func
    if type(callback) in (MethodType, BuiltinFunctionType, TASK_STEP):
        yield cast(MethodType, callback).__self__
