"""Tasks as a person names them: by number, name or glob."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NewType

from aiorepl.commands.arguments import Choice, Kind, Query, add_kind
from aiorepl.commands.task_lists import ENDED, Tasks, matches, program_place
from aiorepl.errors import CommandError
from aiorepl.introspect.book import BOOK
from aiorepl.introspect.values import LoopSnapshot, TaskInfo

__all__ = ["TaskName", "find_one", "find_some"]

# A task's number, its name, or a glob for names and coroutines.
TaskName = NewType("TaskName", str)

# Completing looks through no more tasks than this, and offers no more words: a key does not wait.
_SEARCHED = 10_000
_OFFERED = 200
# Names that are compared with a wrong one, and listed where several would do.
_COMPARED = 2_000
_LISTED = 5


def find_one(snapshot: LoopSnapshot, name: str) -> TaskInfo:
    """Return the task that is meant; one that has ended only if no other is called so.

    Raises:
        CommandError: If there is none, or several; names the nearest ones.
    """
    found = _called(snapshot.tasks, name)
    if not found:
        raise _no_task(snapshot, name)
    if len(found) > 1:
        listed = ", ".join(f"{info.number} {info.name}" for info in found[:_LISTED])
        more = f" and {len(found) - _LISTED:,} more" if len(found) > _LISTED else ""
        raise CommandError(f"{len(found):,} tasks match {name!r}: {listed}{more}; name one by its number")
    return found[0]


def find_some(snapshot: LoopSnapshot, names: Iterable[str]) -> list[TaskInfo]:
    """Return the tasks that are meant, each once.

    Raises:
        CommandError: If a name stands for none.
    """
    found: dict[int, TaskInfo] = {}
    for name in names:
        called = _called(snapshot.tasks, name)
        if not called:
            raise _no_task(snapshot, name)
        found.update((info.number, info) for info in called)
    return list(found.values())


def _called(tasks: Sequence[TaskInfo], name: str) -> list[TaskInfo]:
    """The tasks that are meant by a name: a number or a whole name before a glob, what lives before what has ended."""
    by_number = [info for info in tasks if str(info.number) == name]
    if by_number:
        return by_number
    fitting = [info for info in tasks if matches(info, name) and not info.own]
    for chosen in ([info for info in fitting if info.name == name], fitting):
        living = [info for info in chosen if info.state not in ENDED]
        if chosen:
            return living or chosen
    return []


def _no_task(snapshot: LoopSnapshot, name: str) -> CommandError:
    """Say what became of a task that was here, or which names are near."""
    for gone in reversed(BOOK.gone()):
        if name in (str(gone.number), gone.name):
            return CommandError(f"task {gone.number} {gone.name} has ended; nothing kept it, so how is not known")
    names = {info.name: info.number for info in islice(snapshot.tasks, _COMPARED) if not info.own}
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        near = " or ".join(f"{names[one]} {one}" for one in close)
        return CommandError(f"no task {name!r}; did you mean {near}?")
    return CommandError(f"no task {name!r}; %tasks lists them")


def _choices(query: Query) -> Iterable[Choice]:
    """What was seen at the last look: completing does not look by itself."""
    last = query.context.inspector.last if query.context else None
    return islice(_words(last, query.beginning), _OFFERED) if last else ()


def _words(snapshot: LoopSnapshot, beginning: str) -> Iterator[Choice]:
    tasks = Tasks(snapshot)
    seen: set[str] = set()
    for info in islice(snapshot.tasks, _SEARCHED):
        if info.own or info.state in ENDED:
            continue
        if str(info.number).startswith(beginning):
            yield str(info.number), f"{info.name}: {_doing(info, tasks)}"
        if info.name.startswith(beginning) and info.name not in seen:
            seen.add(info.name)
            yield info.name, f"{info.number}: {_doing(info, tasks)}"


def _doing(info: TaskInfo, tasks: Tasks) -> str:
    place = program_place(info.stack)
    line = f":{place.line}" if place else ""
    return f"{info.coroutine}{line}, {tasks.waits(info) or info.state}"


add_kind(TaskName, Kind(TaskName, "a task's number, name or glob", _choices, placeholder="TASK"))
