"""See the calls of a function with ``sys.monitoring`` (Python 3.12 and later).

A copy of the function's code is marked, so that of functions that share their code, as those of one decorator do, only
one is followed, and its own code is never touched. Before 3.15 the end of a call by an exception can be heard of for
the whole process only: each frame that an exception ends then costs a call of a function that does not know it.
"""

import functools
import inspect
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

from aiorepl.alerts.trace_call import Begin, OpenCall, Read
from aiorepl.errors import CommandError

__all__ = ["Monitored"]

# Python 3.11 has none.
monitoring: Any = getattr(sys, "monitoring", None)

# The ids that are meant for no kind of tool; the others belong to debuggers, coverage and profilers.
_IDS = (4, 3)
_NAME = "aiorepl trace"


class Monitored:
    """One function whose calls are seen from ``install`` until ``remove``."""

    def __init__(self, function: types.FunctionType, begin: Begin) -> None:
        """See nothing yet."""
        self.begin = begin
        self._function = weakref.ref(function)
        self._own = function.__code__
        # Equal to the other one, but not the same.
        self.code = self._own.replace()
        # By the identity of their frames, which are not kept alive.
        self.open: dict[int, OpenCall] = {}
        generator = self._own.co_flags & inspect.CO_GENERATOR and not self._own.co_flags & inspect.CO_ITERABLE_COROUTINE
        self._gives_items = bool(generator)

    def install(self) -> None:
        """See the calls from now on.

        Raises:
            CommandError: If no tool id of ``sys.monitoring`` is free.
        """
        _TOOL.add(self)
        function = self._function()
        if function is not None:
            function.__code__ = self.code

    def release(self) -> None:
        """Give the function its own code back, unless it has been given another one meanwhile."""
        function = self._function()
        if function is not None and function.__code__ is self.code:
            function.__code__ = self._own

    def remove(self) -> None:
        """See nothing any more, and leave nothing behind."""
        self.release()
        _TOOL.discard(self)

    def is_item(self, value: object) -> bool:
        """Tell whether a generator gives a value to who iterates over it; else it awaits something."""
        return self._gives_items or type(value).__name__ == "async_generator_wrapped_value"


class _Tool:
    """The one tool of ``sys.monitoring`` that all traces are; it has an id only while there are any."""

    def __init__(self) -> None:
        # By the identity of the code: equal ones are not the same here.
        self.seen: dict[int, Monitored] = {}
        self._lock = threading.Lock()
        self._id: int | None = None

    def add(self, one: Monitored) -> None:
        with self._lock:
            if self._id is None:
                self._id = self._begin()
            self.seen[id(one.code)] = one
            monitoring.set_local_events(self._id, one.code, _events(_LOCAL))

    def discard(self, one: Monitored) -> None:
        with self._lock:
            if self.seen.pop(id(one.code), None) is None:
                return
            monitoring.set_local_events(self._id, one.code, 0)
            if not self.seen:
                self._end()

    def _begin(self) -> int:
        number = next((number for number in _IDS if monitoring.get_tool(number) is None), None)
        if number is None:
            others = " and ".join(str(monitoring.get_tool(number)) for number in _IDS)
            raise CommandError(f"{others} have all of sys.monitoring that is nobody's own; end one of them first")
        monitoring.use_tool_id(number, _NAME)
        for name in (*_LOCAL, *_GLOBAL):
            monitoring.register_callback(number, getattr(monitoring.events, name), _CALLBACKS[name])
        monitoring.set_events(number, _events(_GLOBAL))
        return number

    def _end(self) -> None:
        monitoring.set_events(self._id, 0)
        for name in (*_LOCAL, *_GLOBAL):
            monitoring.register_callback(self._id, getattr(monitoring.events, name), None)
        monitoring.free_tool_id(self._id)
        self._id = None


_TOOL = _Tool()


def _events(names: tuple[str, ...]) -> int:
    return sum(getattr(monitoring.events, name) for name in names)


# Python calls these on the thread of the call; their caller's frame is that of the call, and nothing is told of them.


def _started(code: types.CodeType, offset: int) -> None:
    seen = _TOOL.seen.get(id(code))
    if seen is None:
        return
    frame = sys._getframe(1)
    # On 3.13 a suspended generator is closed without a word, and its frame's place is taken by another one.
    before = seen.open.pop(id(frame), None)
    if before is not None:
        before.lost("closed")
    call = seen.begin(_reader(frame))
    if call is not None:
        seen.open[id(frame)] = call


def _yielded(code: types.CodeType, offset: int, value: object) -> None:
    seen = _TOOL.seen.get(id(code))
    if seen is not None and (call := seen.open.get(id(sys._getframe(1)))) is not None:
        call.suspend(item=seen.is_item(value))


def _resumed(code: types.CodeType, offset: int, error: object = None) -> None:
    seen = _TOOL.seen.get(id(code))
    if seen is not None and (call := seen.open.get(id(sys._getframe(1)))) is not None:
        call.resume()


def _returned(code: types.CodeType, offset: int, value: object) -> None:
    seen = _TOOL.seen.get(id(code))
    if seen is not None and (call := seen.open.pop(id(sys._getframe(1)), None)) is not None:
        call.returned(value)


def _unwound(code: types.CodeType, offset: int, error: BaseException) -> None:
    seen = _TOOL.seen.get(id(code))
    if seen is not None and (call := seen.open.pop(id(sys._getframe(1)), None)) is not None:
        call.raised(error)


_CALLBACKS: dict[str, Callable[..., None]] = {
    "PY_START": _started,
    "PY_YIELD": _yielded,
    "PY_RESUME": _resumed,
    "PY_RETURN": _returned,
    "PY_THROW": _resumed,
    "PY_UNWIND": _unwound,
}
# Before Python 3.15 the last two are not told of one function.
_LOCAL = tuple(_CALLBACKS) if sys.version_info >= (3, 15) else tuple(_CALLBACKS)[:4]
_GLOBAL = tuple(name for name in _CALLBACKS if name not in _LOCAL)


def _reader(frame: types.FrameType) -> Read:
    if sys.version_info >= (3, 13):
        return frame.f_locals.__getitem__
    return functools.partial(_get_variable(), frame)


@functools.cache
def _get_variable() -> Callable[[types.FrameType, str], object]:
    """Return what reads one variable of a frame on Python 3.12.

    There ``f_locals`` keeps what it was read for alive, and a debugger that looks later writes it back into the frame.
    """
    import ctypes

    get: Any = ctypes.pythonapi.PyFrame_GetVar
    get.restype = ctypes.py_object
    get.argtypes = [ctypes.py_object, ctypes.py_object]
    return get  # type: ignore[no-any-return]
