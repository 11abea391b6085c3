"""What commands return: frozen plain data, drawn by ``aiorepl.render``. Times are seconds."""

from dataclasses import dataclass

from aiorepl.commands.context import Job

__all__ = [
    "CommandHelp",
    "CommandInfo",
    "CommandList",
    "Foreign",
    "History",
    "HistoryLine",
    "JobList",
    "NameInfo",
    "NameList",
    "ObjectHelp",
    "SettingInfo",
    "SettingList",
    "Timeit",
    "Timing",
]


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command in the overview: how it is typed (``%time CODE``) and what it does in one line."""

    name: str
    usage: str
    summary: str
    group: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandList:
    """Every command, in the order of its group."""

    commands: tuple[CommandInfo, ...]


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """One command in full; an example is a line to type and what it does."""

    command: CommandInfo
    text: str
    parameters: tuple[tuple[str, str], ...]
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A value of a type that is known in another process only: its repr, and what ``to_data`` makes of it, as JSON."""

    text: str
    data: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One thing that was typed; number is 0 where it comes from an earlier session."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """What was typed, oldest first; ``omitted`` older ones are not in it."""

    lines: tuple[HistoryLine, ...]
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class JobList:
    """The cells in the background."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class NameInfo:
    """A name of the user's: its value's type and a short repr (empty where none could be had safely)."""

    name: str
    type_name: str
    summary: str


@dataclass(frozen=True, slots=True)
class NameList:
    """The user's own names, sorted."""

    names: tuple[NameInfo, ...]


@dataclass(frozen=True, slots=True)
class ObjectHelp:
    """What ``obj?`` tells; what could not be found is empty. ``line`` is 0 if it is not known."""

    expression: str
    type_name: str
    signature: str
    doc: str
    file: str
    line: int
    summary: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """A setting, its value in force and what it takes."""

    name: str
    value: object
    takes: str
    summary: str


@dataclass(frozen=True, slots=True)
class SettingList:
    """Some or all settings."""

    settings: tuple[SettingInfo, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """One run of a cell. ``cpu`` is the processor time of the whole process meanwhile, all its threads.

    ``on_loop`` is how long the cell itself held the loop's thread, the rest of ``wall`` it was waiting.
    """

    wall: float
    cpu: float
    on_loop: float | None = None


@dataclass(frozen=True, slots=True)
class Timeit:
    """Repeated runs: ``times`` are seconds for one loop, one for each repeat, in the order they were run."""

    loops: int
    times: tuple[float, ...]
