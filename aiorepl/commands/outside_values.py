"""What a look from outside finds in a process: frozen plain data, drawn by ``aiorepl.render.describe_outside``."""

from typing import NamedTuple

from aiorepl.introspect.values import Stack

__all__ = ["OutsideLook", "OutsideTask", "OutsideThread"]


class OutsideTask(NamedTuple):
    """A line of the tree of who awaits whom, in drawing order; ``again`` if the task is drawn above, with all below.

    ``number`` is this look's own. ``thread`` is the system's number of the one whose loop it belongs to, 0 if that is
    not known. ``stack`` goes from the task's coroutine to the innermost await.
    """

    number: int
    name: str
    thread: int
    depth: int
    stack: Stack
    running: bool
    again: bool = False


class OutsideThread(NamedTuple):
    """A thread by the system's number, and where it stands; ``loops`` if that shows that it runs an event loop."""

    number: int
    main: bool
    stack: Stack
    loops: bool


class OutsideLook(NamedTuple):
    """A process as its memory shows it; ``omitted`` are lines of ``tasks``, ``elapsed`` is in seconds.

    ``error`` says what could not be read.
    """

    process: int
    command: str
    threads: tuple[OutsideThread, ...]
    tasks: tuple[OutsideTask, ...]
    total: int
    omitted: int = 0
    elapsed: float = 0.0
    error: str = ""
