"""Run cells on a real loop in a thread, without a session."""

import asyncio
import contextlib
import linecache
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from aiorepl.interpret.host import LoopHost
from aiorepl.interpret.interpreter import Ending, Execution, Interpreter
from aiorepl.interpret.main_module import make_main
from aiorepl.interpret.representation import represent_plain
from aiorepl.model import Event, Failure, Notice, Result

E = TypeVar("E", bound=Event)

# Seconds; what is waited for comes at once, unless it does not come.
PATIENCE = 20.0


class Deaf:
    """A listener to whom nothing that happens to the loop matters."""

    def loop_started(self, loop: asyncio.AbstractEventLoop) -> None:
        pass

    def loop_lost(self, loop: asyncio.AbstractEventLoop, reason: str) -> None:
        pass

    def escaped(self, error: BaseException) -> None:
        pass

    def refused(self, names: list[str]) -> None:
        pass


class Cells:
    """An interpreter with the namespace of a new ``__main__``; cells are numbered from 1."""

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.host = LoopHost(factory, Deaf())
        self.namespace = make_main().__dict__
        self.interpreter = Interpreter(self.namespace, represent=represent_plain)
        self.interpreter.host = self.host
        self.count = 0

    def start(self, text: str) -> Execution:
        self.count += 1
        cell = self.interpreter.compile(text, f"<cell {self.count}>", remember=True)
        return self.interpreter.start(self.count, cell)

    def run(self, text: str) -> Ending:
        """Run a cell to its end."""
        return self.start(text).done.result(PATIENCE)

    def value(self, text: str) -> object:
        """Run a cell that is expected to succeed; return its value."""
        ending = self.run(text)
        assert ending.outcome == "ok", ending
        return ending.value

    def shown(self, text: str) -> str:
        """Run a cell that is expected to succeed; return what is shown of its value, or an empty text."""
        return "".join(event.text for event in self.run(text).events if isinstance(event, Result))

    def failure(self, text: str) -> str:
        """Run a cell that is expected to fail; return its traceback."""
        return only(self.run(text).events, Failure).text

    def hints(self, text: str) -> list[str]:
        """Run a cell; return the hints that it got."""
        return [event.text for event in self.run(text).events if isinstance(event, Notice) and event.level == "hint"]


def only(events: Iterable[Event], kind: type[E]) -> E:
    """The one event of its kind."""
    (event,) = (event for event in events if isinstance(event, kind))
    return event


def without_carets(text: str) -> str:
    """A traceback without the lines that mark a part of the line above; which are marked depends on the version."""
    return re.sub(r"(?m)^ +[~^]+\n", "", text)


@contextlib.contextmanager
def running_cells(factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> Iterator[Cells]:
    # Cells of other tests have the same names.
    for name in [name for name in linecache.cache if name.startswith("<cell ")]:
        del linecache.cache[name]
    cells = Cells(factory)
    cells.host.start()
    try:
        yield cells
    finally:
        cells.host.close(timeout=0.1)
        cells.host.ended.result(PATIENCE)
