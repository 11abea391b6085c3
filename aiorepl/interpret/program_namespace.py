"""A program's names as cells see them: read and bound where they are, with the session's own names kept apart."""

import contextlib
import inspect
import itertools
import re
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from types import FrameType
from typing import TYPE_CHECKING

__all__ = ["FrameLocals", "ProgramNamespace"]

# What results and exceptions are kept as; a program may mean something else by them (gettext's ``_``).
_SESSIONS = re.compile(r"_{1,3}|_\d+|_exc")
# What the interpreter itself looks for in the globals of code that runs, past any method of a subclass of dict.
_FOR_PYTHON = ("__builtins__", "__name__", "__package__", "__spec__", "__path__", "__loader__")


if TYPE_CHECKING:
    _Dict = dict[str, object]
else:

    class _Dict(MutableMapping, dict):
        """A dict of which every method goes by those that its subclass defines."""


class ProgramNamespace(_Dict):
    """Globals for cells that stand for a program's globals and, at a frame, for its locals.

    A name is looked for among the session's own, the locals and the globals, and is bound where it is found. A new
    one becomes the session's own, or a global if the namespace ``adopts``. Results (``_``, ``_1``, ``_exc``) are always
    the session's own, so that ending it leaves nothing behind.

    It is a dict because only that may be the globals of code, functions that cells define included: they look names
    up by its methods, as it is a subclass. A ``global`` statement in such a function does not: what it binds is stored
    in this dict itself, and is brought to the program's globals at the next use of the namespace.
    """

    def __init__(self, names: dict[str, object], local: "FrameLocals | None" = None, *, adopts: bool = False) -> None:
        """Stand for these globals and locals."""
        dict.__init__(self, {name: names[name] for name in _FOR_PYTHON if name in names})
        # How large the dict itself is when nothing is in it that belongs elsewhere.
        self._settled = dict.__len__(self)
        self._globals = names
        self._frame = local
        self._locals: Mapping[str, object] = {} if local is None else local
        self._adopts = adopts
        # The session's own names, and those of the program's globals that are there because a cell bound them.
        self._own: dict[str, object] = {}
        self._adopted: set[str] = set()
        self._lent: dict[str, object] = {}

    @classmethod
    def of_frame(cls, frame: FrameType) -> "ProgramNamespace":
        """Stand for what code in this frame can see."""
        if frame.f_locals is frame.f_globals:
            return cls(frame.f_globals, adopts=True)
        return cls(frame.f_globals, FrameLocals(frame))

    def bound(self) -> dict[str, object]:
        """The names that cells have bound and the program did not have, with their values."""
        adopted = {name: self._globals[name] for name in list(self._adopted) if name in self._globals}
        bound = adopted | self._own
        return {name: value for name, value in bound.items() if self._lent.get(name, self) is not value}

    def lend(self, name: str, value: object) -> None:
        """Let cells see a name for as long as there is the session, unless the program has it."""
        if name not in self:
            self._own[name] = self._lent[name] = value

    def __getitem__(self, name: str, /) -> object:
        """Return what a name stands for."""
        self._settle()
        for names in (self._own, self._locals, self._globals):
            with contextlib.suppress(KeyError):
                return names[name]
        raise KeyError(name)

    def __setitem__(self, name: str, value: object, /) -> None:
        """Bind a name where it is bound already."""
        self._settle()
        if name in self._own or _SESSIONS.fullmatch(name):
            self._own[name] = value
        elif self._frame is not None and self._frame.can_bind(name):
            self._frame[name] = value
        elif name in self._globals:
            self._globals[name] = value
        elif self._adopts:
            self._adopted.add(name)
            self._globals[name] = value
        else:
            self._own[name] = value

    def __delitem__(self, name: str, /) -> None:
        """Unbind a name of the session's or a global; a variable of a frame cannot be unbound."""
        self._settle()
        if name in self._own:
            del self._own[name]
        elif self._frame is not None and name in self._frame:
            del self._frame[name]
        else:
            del self._globals[name]
            self._adopted.discard(name)

    def __contains__(self, name: object) -> bool:
        """Tell whether a name is bound."""
        self._settle()
        return any(name in names for names in (self._own, self._locals, self._globals))

    def __iter__(self) -> Iterator[str]:
        """Every name, once."""
        self._settle()
        return iter(dict.fromkeys(itertools.chain(*map(list, (self._globals, self._locals, self._own)))))

    def __len__(self) -> int:
        """How many names there are."""
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        """There always are some."""
        return True

    def _settle(self) -> None:
        """Bring what a ``global`` statement bound to where it belongs."""
        if dict.__len__(self) == self._settled:
            return
        for name in [name for name in dict.keys(self) if not name.startswith("__")]:
            value = dict.pop(self, name)
            if name not in self._own and (self._adopts or name in self._globals):
                if name not in self._globals:
                    self._adopted.add(name)
                self._globals[name] = value
            else:
                self._own[name] = value
        self._settled = dict.__len__(self)


class FrameLocals(MutableMapping[str, object]):
    """The variables of a function that is suspended or has ended; those that are bound are its items.

    Before Python 3.13 ``f_locals`` is a copy, which keeps what is in it alive until the frame ends.
    """

    def __init__(self, frame: FrameType) -> None:
        """Read and bind the variables of this frame."""
        self._frame = frame
        code = frame.f_code
        # The body of a class binds any name in its ``f_locals``.
        self._is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)
        self._names = frozenset(code.co_varnames + code.co_cellvars + code.co_freevars)
        # Between a copy and its way back nobody may ask for another copy.
        self._lock = threading.Lock()

    def can_bind(self, name: str) -> bool:
        """Tell whether there is a variable of this name, bound or not."""
        return name in self._names or not self._is_function

    def __getitem__(self, name: str, /) -> object:
        """Return the value of a variable."""
        with self._lock:
            return self._frame.f_locals[name]

    def __setitem__(self, name: str, value: object, /) -> None:
        """Bind a variable, for the frame's own code as well."""
        with self._lock:
            self._frame.f_locals[name] = value
            if self._is_function and sys.version_info < (3, 13):
                import ctypes

                to_fast = ctypes.pythonapi.PyFrame_LocalsToFast
                to_fast(ctypes.py_object(self._frame), ctypes.c_int(0))

    def __delitem__(self, name: str, /) -> None:
        """A variable cannot be unbound from outside.

        Raises:
            KeyError: Always.
        """
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """The names of the variables that are bound."""
        with self._lock:
            return iter(list(self._frame.f_locals))

    def __len__(self) -> int:
        """How many variables are bound."""
        with self._lock:
            return len(self._frame.f_locals)
