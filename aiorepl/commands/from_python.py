"""``repl`` in the namespace: the commands for Python code, returning the values that a prompt draws."""

import asyncio
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aiorepl.commands.context import Context
from aiorepl.errors import CommandError
from aiorepl.introspect.book import BOOK
from aiorepl.model import Progress

if TYPE_CHECKING:
    from aiorepl.commands.registry import Command

__all__ = ["Repl"]

# Groups whose commands only need to look; the others work on the frontend's side.
_GROUPS = ("tasks", "debug")


class Repl:
    """``repl.tasks()``, ``repl.why(task)`` and so on: what ``%tasks`` and ``%why`` show, as values.

    A task may be given as itself, by number, by name or as a glob. ``help(repl.tasks)`` says what a command takes.
    Each is called on the loop's thread or on any other one, and raises CommandError where the prompt shows an error.
    What takes its time is awaited: ``await repl.doctor()``.
    """

    def __init__(self, context: Context) -> None:
        """Ask in the name of this session."""
        self._context = context

    def __dir__(self) -> list[str]:
        """The names of the commands."""
        return sorted(name for name, command in _commands().items() if command.group in _GROUPS)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a command as a function.

        Raises:
            AttributeError: If there is no such command, or it has no meaning in Python code.
        """
        command = _commands().get(name)
        if command is None or command.group not in _GROUPS:
            raise AttributeError(f"repl has no {name}; it has {', '.join(dir(self))}")
        return _function(command, _InCell(self._context))

    def __repr__(self) -> str:
        """Say what it is for."""
        return f"the commands as functions: repl.{', repl.'.join(dir(self))}"


def _commands() -> "dict[str, Command]":
    # Loaded when they are asked for, not with the first cell.
    from aiorepl.commands.standard import COMMANDS

    return {name: COMMANDS.get(name) for name in COMMANDS.names()}


def _function(command: "Command", context: "_InCell") -> Callable[..., Any]:
    signature = inspect.signature(command.function)
    signature = signature.replace(parameters=list(signature.parameters.values())[1:])

    def call(*arguments: object, **options: object) -> Any:
        try:
            signature.bind(*arguments, **options)
        except TypeError as error:
            raise CommandError(f"repl.{command.name}: {error}; help(repl.{command.name}) says what it takes") from None
        found = command.function(context, *map(_named, arguments, _takes_numbers(command)), **options)
        if command.waits:
            return found
        return _finish(found) if inspect.iscoroutine(found) else found

    call.__name__ = command.name
    call.__qualname__ = f"repl.{command.name}"
    call.__doc__ = command.function.__doc__
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def _takes_numbers(command: "Command") -> Iterator[bool]:
    """Tell of each argument in its place whether it is to be a number; a task's is typed as a text."""
    known = (parameter.kind.convert in (int, float) for parameter in command.parameters)
    return itertools.chain(known, itertools.repeat(False))


def _named(argument: object, number: bool) -> object:
    """A task as a command takes it: by its number."""
    if isinstance(argument, asyncio.Future):
        return str(BOOK.number_of(argument))
    return str(argument) if type(argument) is int and not number else argument


def _finish(coroutine: Any) -> Any:
    """Run a command to its end in one step: with ``AtOnce`` it has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise CommandError("this waits for the loop, which a cell holds meanwhile: use the command at the prompt")


class _InCell:
    """The session's context, but for what a cell may not wait for."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def inspector(self) -> object:
        from aiorepl.introspect.inspector import AtOnce

        return AtOnce(self._context.inspector)

    def emit(self, event: object) -> None:
        if not isinstance(event, Progress):
            print(getattr(event, "text", event))

    def __getattr__(self, name: str) -> object:
        return getattr(self._context, name)
