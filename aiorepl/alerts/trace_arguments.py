"""The arguments of a call in a few words each, with none of the program's code run."""

import inspect
import itertools
import types
from collections.abc import Callable, Iterator

from aiorepl.alerts.traced import Argument
from aiorepl.introspect.summary import summarize, type_name

__all__ = ["Parameters", "in_words"]

# Characters of an argument and of a result, and how many arguments are told.
_LENGTH, _LONGER = 40, 60
_MOST = 8

_NOTHING = object()


def in_words(value: object, length: int = _LONGER) -> str:
    """Describe a value; one whose repr would be the program's own code by its type."""
    return summarize(value, length) or f"<{type_name(value)}>"


class Parameters:
    """How the arguments of a function are read; they are told as one would type them, without what is left out."""

    def __init__(self, code: types.CodeType, *, hide_first: bool = False) -> None:
        """``hide_first``: the first one is what a method is called on."""
        names = iter(code.co_varnames)
        self._places = tuple(itertools.islice(names, code.co_argcount))
        self._keywords = tuple(itertools.islice(names, code.co_kwonlyargcount))
        self._rest = next(names) if code.co_flags & inspect.CO_VARARGS else ""
        self._more = next(names) if code.co_flags & inspect.CO_VARKEYWORDS else ""
        self._hidden = 1 if hide_first and self._places else 0

    @property
    def first(self) -> str:
        """The name of the first parameter, which a method is called on; empty if there is none."""
        return self._places[0] if self._places else ""

    def arguments(self, read: Callable[[str], object], function: types.FunctionType | None) -> tuple[Argument, ...]:
        """Describe the arguments of a call: ``read`` gives the value of a parameter, ``function`` the defaults."""
        found = list(itertools.islice(self._all(read, function), _MOST + 1))
        return (*found[:_MOST], Argument("", "…")) if len(found) > _MOST else tuple(found)

    def _all(self, read: Callable[[str], object], function: types.FunctionType | None) -> Iterator[Argument]:
        rest = read(self._rest) if self._rest else ()
        defaults = (function and function.__defaults__) or ()
        required = len(self._places) - len(defaults)
        for index, name in enumerate(self._places[self._hidden :], self._hidden):
            value = read(name)
            if index < required or rest:
                yield Argument("", in_words(value, _LENGTH))
            elif value is not defaults[index - required]:
                yield Argument(name, in_words(value, _LENGTH))
        assert type(rest) is tuple
        yield from (Argument("", in_words(value, _LENGTH)) for value in rest)
        optional = (function and function.__kwdefaults__) or {}
        for name in self._keywords:
            value = read(name)
            if value is not optional.get(name, _NOTHING):
                yield Argument(name, in_words(value, _LENGTH))
        others = read(self._more) if self._more else {}
        assert type(others) is dict
        for key, value in others.items():
            yield Argument(key[:_LENGTH] if type(key) is str else in_words(key, _LENGTH), in_words(value, _LENGTH))
