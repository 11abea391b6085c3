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

__all__ = ["FUTURES", "TASKS", "Task", "callback_name", "defined_at", "served_task", "waiting_task"]

Task = asyncio.Future[Any]
# asyncio's tasks and futures that are written in C derive from none of these that are written in Python.
TASKS = (asyncio.Task, asyncio.tasks._PyTask)  # type: ignore[attr-defined]
FUTURES = (asyncio.Future, asyncio.futures._PyFuture)  # type: ignore[attr-defined]


def callback_name(callback: object) -> str:
    """Return the qualified name of what is called in the end; of an object that can be called, the name of its type."""
    function = _function(callback)
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
    function = _function(callback)
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


def _function(callback: Any) -> Any:
    """What a callback calls in the end, through partials, bound methods and ``Context.run``."""
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
    if type(callback) in (MethodType, BuiltinFunctionType):
        yield cast(MethodType, callback).__self__
