"""``%who`` and ``%reset``: the user's own names."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.values import NameInfo, NameList
from aiorepl.interpret.program_namespace import ProgramNamespace
from aiorepl.introspect.summary import summarize, type_name
from aiorepl.model import Notice

__all__ = ["own_names"]


def own_names(context: Context) -> Iterator[tuple[str, object]]:
    """The names that cells have bound since the session began, with their values."""
    if isinstance(context.namespace, ProgramNamespace):
        yield from context.namespace.bound().items()
        return
    # A copy: cells go on binding names meanwhile.
    for name, value in list(context.namespace.items()):
        if name not in context.initial_names or context.initial_names[name] is not value:
            yield name, value


@command(
    group="session",
    looks=True,
    aliases=["whos"],
    examples=[("%who", "every name you have bound"), ("%who *_task", "those that end with _task")],
)
def who(context: Context, pattern: str = "") -> NameList:
    """List the names you have bound, with type and value.

    Values are shown for builtin types only, as any other repr could run code. Names that begin with an underscore
    are left out unless the pattern begins with one.

    Args:
        pattern: A name, or one with * and ? as in file names.
    """
    wanted = pattern or "[!_]*"
    names = [
        NameInfo(name, type_name(value), summarize(value) or f"<{type_name(value)}>")
        for name, value in own_names(context)
        if fnmatchcase(name, wanted) and (pattern.startswith("_") or not name.startswith("_"))
    ]
    return NameList(tuple(sorted(names, key=lambda info: info.name)))


@command(group="session")
def reset(context: Context) -> None:
    """Forget the names you have bound; tasks and jobs keep running."""
    names = [name for name, _ in own_names(context)]
    for name in names:
        context.namespace.pop(name, None)
    if not isinstance(context.namespace, ProgramNamespace):
        context.namespace.update(context.initial_names)
    context.emit(Notice(f"{len(names)} {'name' if len(names) == 1 else 'names'} forgotten; tasks keep running"))
