"""The commands by name: read from functions, found, run and completed."""

import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

from aiorepl.commands import completing, docstring
from aiorepl.commands.arguments import Parameter, bind, parameters_of, takes_options, usage_of
from aiorepl.commands.context import Context
from aiorepl.commands.values import CommandHelp, CommandInfo
from aiorepl.errors import CommandError
from aiorepl.model import Completion, Output

__all__ = ["COMMANDS", "Command", "Invocation", "Registry", "command"]

F = TypeVar("F", bound=Callable[..., object])

# The order of the groups in %help; others come after them.
GROUPS = ("session", "jobs", "time", "tasks", "debug", "teaching")

_NAME = re.compile(r"%?\s*([^\s?]*)")
_BEGUN = re.compile(r"\s*%\s*(\w*)")
_QUESTION = re.compile(r"%?\s*(\w+)\s*\?{1,2}\s*")


@dataclass(frozen=True, slots=True)
class Command:
    """A function that a person can call by typing; its first parameter is the Context."""

    name: str
    function: Callable[..., object]
    group: str
    aliases: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]
    parameters: tuple[Parameter, ...]
    documentation: docstring.Documentation
    # It takes its time while the loop goes on: from a cell it is awaited.
    waits: bool = False
    # Whether it changes nothing in the program, and runs none of its code; or what tells that of its arguments.
    looks: "bool | Callable[..., bool]" = False

    @property
    def usage(self) -> str:
        """The command as it is typed."""
        return f"%{self.name} {usage_of(self.parameters)}".rstrip()

    @property
    def takes_json(self) -> bool:
        """Tell whether ``--json`` at a line's end is for aiorepl: not where nothing is answered, or code may stand."""
        answers = inspect.signature(self.function, eval_str=True).return_annotation is not None
        return answers and takes_options(self.parameters)

    @property
    def info(self) -> CommandInfo:
        """What the overview tells."""
        return CommandInfo(self.name, self.usage, self.documentation.summary, self.group, self.aliases)

    @property
    def help(self) -> CommandHelp:
        """Everything that there is to tell."""
        texts = self.documentation.arguments
        told = tuple((part.usage.strip("[]"), texts.get(part.name, "")) for part in self.parameters)
        return CommandHelp(self.info, self.documentation.text, told, self.examples)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command with the arguments that a line gives it."""

    command: Command
    positional: tuple[object, ...]
    keywords: dict[str, object]
    as_json: bool = False

    async def run(self, context: Context) -> object | None:
        """Call the command; return what it found, or write that as JSON where it was asked for."""
        found = self.command.function(context, *self.positional, **self.keywords)
        found = await found if inspect.isawaitable(found) else found
        if not self.as_json or found is None:
            return found
        import json

        from aiorepl.commands.json_data import to_data

        context.emit(Output(json.dumps(to_data(found), indent=2, ensure_ascii=False) + "\n"))
        return None


class Registry:
    """Commands by their names and aliases; a name that is registered again belongs to the newer command."""

    def __init__(self) -> None:
        """Start with none."""
        self._commands: dict[str, Command] = {}
        self._by_name: dict[str, Command] = {}

    def __iter__(self) -> Iterator[Command]:
        """Every command once, by group and then by name."""
        groups = [*GROUPS, *sorted({c.group for c in self._commands.values()}.difference(GROUPS))]
        return iter(sorted(self._commands.values(), key=lambda c: (groups.index(c.group), c.name)))

    @overload
    def command(self, function: F, /) -> F: ...

    @overload
    def command(
        self,
        /,
        *,
        name: str = "",
        group: str = ...,
        aliases: Sequence[str] = ...,
        examples: Sequence[tuple[str, str]] = ...,
        waits: bool = ...,
        looks: bool | Callable[..., bool] = ...,
    ) -> Callable[[F], F]: ...

    def command(
        self,
        function: F | None = None,
        /,
        *,
        name: str = "",
        group: str = "your own",
        aliases: Sequence[str] = (),
        examples: Sequence[tuple[str, str]] = (),
        waits: bool = False,
        looks: bool | Callable[..., bool] = False,
    ) -> F | Callable[[F], F]:
        """Make a command of a function ``(context, ...)``; its signature and docstring say how it is typed.

        Parameters are words in their order, keyword-only ones are options (``bool``: flags), and one
        annotated with ``Code`` takes the rest of the text as it is. An example is a line to type and what it
        does. The name is the function's, without a trailing underscore. One that ``waits`` takes its time while the
        loop goes on, and is a coroutine function in ``repl`` too. One that ``looks`` changes nothing in the program and
        runs none of its code, so that it is there in a read-only session too; a function tells it of the arguments.

        Raises:
            TypeError: If a parameter is annotated with what cannot be typed.
        """

        def register(function: F) -> F:
            own_name = name or function.__name__.rstrip("_")
            documentation = docstring.read(function.__doc__)
            parameters = parameters_of(function)
            self.register(
                Command(
                    own_name,
                    function,
                    group,
                    tuple(aliases),
                    tuple(examples),
                    parameters,
                    documentation,
                    waits,
                    looks,
                )
            )
            return function

        return register if function is None else register(function)

    def register(self, command: Command) -> None:
        """Add a command."""
        self._commands[command.name] = command
        self._by_name.update(dict.fromkeys((command.name, *command.aliases), command))

    def names(self) -> list[str]:
        """Every name and alias, sorted."""
        return sorted(self._by_name)

    def get(self, name: str) -> Command:
        """Return the command of a name or an alias, with or without its ``%``.

        Raises:
            CommandError: If there is none; says which is close.
        """
        name = name.removeprefix("%").strip()
        if name in self._by_name:
            return self._by_name[name]
        close = difflib.get_close_matches(name, self._by_name, n=1)
        instead = f"did you mean %{close[0]}?" if close else "%help lists them all"
        raise CommandError(f"no command %{name}; {instead}")

    def only_looks(self, line: str) -> bool:
        """Tell whether a line changes nothing in the program, as one that asks for help, or is no command at all."""
        found = _NAME.match(line)
        command = self._by_name.get(found[1]) if found is not None else None
        if command is None or _QUESTION.fullmatch(line) is not None:
            return True
        if isinstance(command.looks, bool):
            return command.looks
        try:
            asked = self.parse(line)
        except CommandError:
            # It will be refused for what is wrong with it.
            return True
        return command.looks(*asked.positional, **asked.keywords)

    def parse(self, line: str) -> Invocation:
        """Read a line, with or without its ``%``.

        Raises:
            CommandError: If there is no such command, or its arguments are wrong; says what is expected.
        """
        found = _NAME.match(line)
        assert found is not None
        command = self.get(found[1])
        arguments = line[found.end() :]
        as_json = command.takes_json and arguments.endswith(" --json")
        try:
            positional, keywords = bind(command.parameters, arguments.removesuffix(" --json") if as_json else arguments)
        except CommandError as error:
            raise CommandError(f"%{command.name}: {error} (usage: {command.usage})") from None
        return Invocation(command, tuple(positional), keywords, as_json)

    async def run(self, context: Context, line: str) -> object | None:
        """Run a line; ``%name?`` returns the command's help.

        Raises:
            CommandError: As ``parse`` does, or from the command.
        """
        question = _QUESTION.fullmatch(line)
        if question:
            return self.get(question[1]).help
        return await self.parse(line).run(context)

    def complete(self, text: str, context: Context | None = None) -> list[Completion] | None:
        """List how a line can go on at its end; None where code is to be typed.

        ``text`` is what stands before the cursor, with its ``%``. Runs nothing of the user's.
        """
        found = _BEGUN.match(text)
        if found is None:
            return []
        if found.end() == len(text):
            return self._complete_name(found[1], len(text) - len(found[1]))
        command = self.being_typed(text)
        if command is None:
            return []
        return completing.complete(command.parameters, text, found.end(), context, json=command.takes_json)

    def being_typed(self, text: str) -> Command | None:
        """Return the command whose arguments stand at the end of a text; None if there is none."""
        found = _BEGUN.match(text)
        return self._by_name.get(found[1]) if found is not None and found.end() < len(text) else None

    def _complete_name(self, beginning: str, start: int) -> list[Completion]:
        names = [name for name in self.names() if name.startswith(beginning)]
        return [Completion(name, start, "command", self.get(name).documentation.summary) for name in names]


COMMANDS = Registry()
command = COMMANDS.command
