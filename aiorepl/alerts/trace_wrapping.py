"""See the calls of a function by a wrapper (Python 3.11, which has no ``sys.monitoring``).

The function gets the code of a wrapper, of its own kind and with its own parameters, that calls a copy of the function.
What differs while it is traced: each call has two frames more, in tracebacks too, and keeps its arguments to its end;
what looks at its caller's frame sees the wrapper's.
"""

import inspect
import sys
import threading
import types
import weakref
from collections.abc import Callable, Generator
from typing import Any

from aiorepl.alerts.trace_call import Begin, OpenCall

__all__ = ["Wrapped"]

# Threads in which the beginning of a call is being noted: what is called for that is not told, be it traced itself.
_NOTING: set[int] = set()


class Wrapped:
    """One function whose calls are seen from ``install`` until ``remove``."""

    def __init__(self, function: types.FunctionType, begin: Begin) -> None:
        """See nothing yet."""
        self._begin = begin
        self._function = weakref.ref(function)
        self._own = code = function.__code__
        self._copy = types.FunctionType(
            code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        self._copy.__kwdefaults__ = function.__kwdefaults__
        self._copy.__qualname__ = function.__qualname__
        self._parameters = _Parameters(code)
        self._wrapper = _wrapper(self, code, self._parameters)

    def install(self) -> None:
        """See the calls that begin from now on."""
        function = self._function()
        if function is not None:
            function.__code__ = self._wrapper

    def release(self) -> None:
        """Give the function its own code back, unless it has been given another one meanwhile."""
        function = self._function()
        if function is not None and function.__code__ is self._wrapper:
            function.__code__ = self._own

    def remove(self) -> None:
        """Nothing is left but the wrappers of calls under way, whom nobody listens to any more."""
        self.release()

    # What the wrappers call, with the values of all parameters.

    def call(self, *values: Any) -> object:
        """Call a function."""
        call = self._noted(values)
        arguments, keywords = self._parameters.given(values)
        if call is None:
            return self._copy(*arguments, **keywords)
        try:
            value = self._copy(*arguments, **keywords)
        except BaseException as error:
            call.raised(error)
            raise
        call.returned(value)
        return value

    def steps(self, *values: Any) -> Any:
        """Return what a coroutine is to await."""
        call, inner = self._started(values)
        return inner if call is None else _steps(inner, call, call.returned, call.raised)

    def items(self, *values: Any) -> Any:
        """Return what a generator is to yield from."""
        call, inner = self._started(values)
        return inner if call is None else _steps(inner, call, call.returned, call.raised, items=True)

    def async_items(self, *values: Any) -> Any:
        """Return what an async generator is to pass on."""
        call, inner = self._started(values)
        return inner if call is None else _AsyncItems(inner, call)

    def _started(self, values: tuple[Any, ...]) -> tuple[OpenCall | None, Any]:
        call = self._noted(values)
        arguments, keywords = self._parameters.given(values)
        return call, self._copy(*arguments, **keywords)

    def _noted(self, values: tuple[Any, ...]) -> OpenCall | None:
        thread = threading.get_ident()
        if thread in _NOTING:
            return None
        _NOTING.add(thread)
        try:
            return self._begin(dict(zip(self._parameters.names, values, strict=True)).__getitem__)
        finally:
            _NOTING.discard(thread)


@types.coroutine
def _steps(
    inner: Any,
    call: OpenCall,
    ended: Callable[[Any], object],
    failed: Callable[[BaseException], object],
    *,
    items: bool = False,
) -> Generator[Any, Any, Any]:
    """Go through a coroutine, a generator or an awaitable step by step; tell of each suspension and of the end."""
    advance, argument = inner.send, None
    while True:
        try:
            given = advance(argument)
        except StopIteration as stop:
            ended(stop.value)
            return stop.value
        except BaseException as error:
            failed(error)
            raise
        call.suspend(item=items)
        try:
            argument = yield given
            advance = inner.send
        except BaseException as error:
            # Also GeneratorExit: thrown in there, it closes what is gone through.
            advance, argument = inner.throw, error
        call.resume()


class _AsyncItems:
    """Goes through an async generator as its consumer asks, one item after the other."""

    def __init__(self, inner: Any, call: OpenCall) -> None:
        self._inner = inner
        self._call = call
        self._begun = False

    def asend(self, value: object) -> Any:
        """Return what awaits the next item."""
        if self._begun:
            self._call.resume()
            return self._item(self._inner.asend(value))
        self._begun = True
        # The loop is to know the one generator that the program has, and to close no other.
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        try:
            return self._item(self._inner.asend(value))
        finally:
            sys.set_asyncgen_hooks(*hooks)

    def athrow(self, error: BaseException) -> Any:
        """Return what awaits the next item after an exception."""
        self._call.resume()
        return self._item(self._inner.athrow(error))

    def _item(self, step: Any) -> Any:
        return _steps(step, self._call, self._given, self._failed)

    def _given(self, item: object) -> None:
        self._call.suspend(item=True)

    def _failed(self, error: BaseException) -> None:
        if type(error) is StopAsyncIteration:
            self._call.returned(None)
        else:
            self._call.raised(error)


class _Parameters:
    """The parameters of a function: how they are written, and how a call gives them."""

    def __init__(self, code: types.CodeType) -> None:
        self._places, self._named = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
        self._only_places = code.co_posonlyargcount
        self._more = bool(code.co_flags & inspect.CO_VARARGS)
        self._others = bool(code.co_flags & inspect.CO_VARKEYWORDS)
        self.names = code.co_varnames[: self._named + self._more + self._others]

    @property
    def header(self) -> str:
        """The parameters without defaults, which belong to the function and not to its code."""
        written = list(self.names[: self._places])
        if self._only_places:
            written.insert(self._only_places, "/")
        if self._more or self._named > self._places:
            written.append(f"*{self.names[self._named] if self._more else ''}")
        written += self.names[self._places : self._named]
        if self._others:
            written.append(f"**{self.names[-1]}")
        return ", ".join(written)

    def given(self, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call that gives the parameters these values."""
        more = values[self._named] if self._more else ()
        others = values[-1] if self._others else {}
        keywords = dict(zip(self.names[self._places : self._named], values[self._places : self._named], strict=True))
        return (*values[: self._places], *more), keywords | others


# Stands for the method that a wrapper calls, which becomes one of its constants.
_MARK = 0x6D61726B
_FUNCTION = """
def wrapper({header}):
    _method_ = {mark}
    return _method_({values})
"""
_GENERATOR = """
def wrapper({header}):
    _method_ = {mark}
    return (yield from _method_({values}))
"""
_COROUTINE = """
async def wrapper({header}):
    _method_ = {mark}
    return await _method_({values})
"""
_ASYNC_GENERATOR = """
async def wrapper({header}):
    _method_ = {mark}
    _items_ = _method_({values})
    _advance_, _argument_ = _items_.asend, None
    while True:
        try:
            _item_ = await _advance_(_argument_)
        except StopAsyncIteration:
            return
        try:
            _argument_ = yield _item_
            _advance_ = _items_.asend
        except BaseException as _error_:
            _advance_, _argument_ = _items_.athrow, _error_
"""


def _wrapper(wrapped: Wrapped, own: types.CodeType, parameters: _Parameters) -> types.CodeType:
    """Return code that can stand in a function for its own, and calls the method of ``wrapped`` that suits it."""
    method: Callable[..., Any] = wrapped.call
    template = _FUNCTION
    iterable = own.co_flags & inspect.CO_ITERABLE_COROUTINE
    if own.co_flags & inspect.CO_ASYNC_GENERATOR:
        method, template = wrapped.async_items, _ASYNC_GENERATOR
    elif own.co_flags & inspect.CO_COROUTINE:
        method, template = wrapped.steps, _COROUTINE
    elif own.co_flags & inspect.CO_GENERATOR:
        method, template = wrapped.steps if iterable else wrapped.items, _GENERATOR
    names: dict[str, Any] = {}
    exec(template.format(header=parameters.header, mark=_MARK, values=", ".join(parameters.names)), names)
    code: types.CodeType = names["wrapper"].__code__
    return code.replace(
        co_consts=tuple(method if constant == _MARK else constant for constant in code.co_consts),
        co_flags=code.co_flags | iterable,
        # As many as the function has cells for; the wrapper reads none of them.
        co_freevars=own.co_freevars,
        co_filename=own.co_filename,
        co_name=own.co_name,
        co_qualname=own.co_qualname,
        co_firstlineno=own.co_firstlineno,
        co_linetable=_on_first_line(len(code.co_code) // 2),
    )


def _on_first_line(units: int) -> bytes:
    """Return a line table in which so many units of code stand on the function's first line, in no column.

    See ``Objects/locations.md`` of CPython: entries of at most eight units, code 13, with the line's difference.
    """
    entries = [min(8, units - start) for start in range(0, units, 8)]
    return b"".join(bytes((0x80 | 13 << 3 | length - 1, 0)) for length in entries)
