"""The settings: their names, kinds and defaults, and how a TOML text sets them."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from aiorepl.errors import SettingsError

__all__ = ["SETTINGS", "Setting", "Settings", "read_toml", "switch"]

Value = str | int | float | bool


class Setting(NamedTuple):
    """One setting; ``choices`` are all the values it takes, or empty where any value of its kind will do."""

    name: str
    default: Value
    summary: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None


SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("prompt", ">>> ", "what stands before a cell's first line"),
        Setting("theme", "auto", "colours", choices=("auto", "dark", "light", "projector", "none")),
        Setting("edit_mode", "emacs", "the keys of the editor", choices=("emacs", "vi")),
        Setting("suggest", True, "show the rest of a line from the history, dimmed"),
        Setting("complete", True, "complete while typing (Tab completes always)"),
        Setting("mouse", False, "take mouse clicks (the terminal's own selection then needs Shift)"),
        Setting("toolbar", True, "show the loop's state below the prompt"),
        Setting("title", True, "set the window's title"),
        Setting("hints", True, "tell about usual mistakes, each once"),
        Setting("max_lines", 40, "lines of a result that are shown", minimum=1),
        Setting("max_items", 200, "elements of a container that are shown", minimum=1),
        Setting("max_string", 2000, "characters of a string or repr that are shown", minimum=20),
        Setting("history_size", 10_000, "entries kept in the history file", minimum=0),
        Setting("slow", 0.1, "seconds for which a step may hold the loop (0: any)", minimum=0),
        Setting("lag", 0.01, "seconds by which callbacks may come late, in the median of 5 s (0: any)", minimum=0),
        Setting("saturation", 0.95, "part of 5 s for which the loop may be busy (0: any)", minimum=0),
        Setting("first_step", 1.0, "seconds that a task's first step may take (0: any)", minimum=0),
        Setting("spinning", 0.5, "part of its wakes that a task may cause itself (0: any)", minimum=0),
        Setting("unretrieved", 1.0, "seconds for which nobody need look why a task failed", minimum=0),
        Setting("swallowed", 5.0, "seconds that a task may go on after it was cancelled (0: any)", minimum=0),
        Setting("look", 5.0, "seconds from one look for deadlocks to the next (0: none)", minimum=0),
        Setting("exit_timeout", 3.0, "seconds that cancelled tasks get when leaving", minimum=0),
    )
}


class Settings:
    """The values in force; a change is told to every listener, on the thread that made it."""

    def __init__(self) -> None:
        """Start from the defaults."""
        self._values: dict[str, Value] = {name: setting.default for name, setting in SETTINGS.items()}
        self._listeners: list[Callable[[str, Value], None]] = []

    def __getitem__(self, name: str) -> Value:
        """Return a setting's value.

        Raises:
            SettingsError: If there is no such setting.
        """
        known(name)
        return self._values[name]

    def __iter__(self) -> Iterator[tuple[Setting, Value]]:
        """Every setting with its value, in the order of their definition."""
        return ((setting, self._values[name]) for name, setting in SETTINGS.items())

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a setting of this name."""
        return name in SETTINGS

    def flag(self, name: str) -> bool:
        """A setting that is on or off."""
        return bool(self[name])

    def integer(self, name: str) -> int:
        """A setting that counts."""
        return int(self[name])

    def seconds(self, name: str) -> float:
        """A setting that is a time."""
        return float(self[name])

    def text(self, name: str) -> str:
        """A setting that is a text."""
        return str(self[name])

    def set(self, name: str, value: object) -> Value:
        """Give a setting a value of its kind, or a text that stands for one; return what is now in force.

        Raises:
            SettingsError: If there is no such setting, or the value is not one it takes.
        """
        setting = known(name)
        new = convert(setting, value)
        self._values[name] = new
        for listener in self._listeners:
            listener(name, new)
        return new

    def listen(self, listener: Callable[[str, Value], None]) -> None:
        """Call the listener with the name and value of each change from now on."""
        self._listeners.append(listener)


def known(name: str) -> Setting:
    """Return the setting of this name, or raise SettingsError with the closest name there is."""
    if name in SETTINGS:
        return SETTINGS[name]
    import difflib

    close = difflib.get_close_matches(name, SETTINGS, n=1)
    instead = f"did you mean {close[0]}?" if close else f"there are {', '.join(SETTINGS)}"
    raise SettingsError(f"no setting {name!r}; {instead}")


def convert(setting: Setting, value: object) -> Value:
    """Return the value in the setting's own kind.

    Raises:
        SettingsError: If it cannot stand for one.
    """
    new = _of_kind(setting, value)
    if new is None:
        raise SettingsError(f"{setting.name} takes {expected(setting)}, not {value!r}")
    return new


def expected(setting: Setting) -> str:
    """Say in words what a setting takes."""
    if setting.choices:
        return " or ".join(setting.choices)
    if isinstance(setting.default, bool):
        return "on or off"
    kind = {int: "a whole number", float: "a number", str: "a text"}[type(setting.default)]
    return kind if setting.minimum is None else f"{kind} of at least {setting.minimum:g}"


_WORDS = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}


def switch(text: str) -> bool | None:
    """Return what "on", "off" and the other words for them stand for, or None."""
    return _WORDS.get(text.lower())


def _of_kind(setting: Setting, value: object) -> Value | None:
    default = setting.default
    if isinstance(default, bool):
        return value if isinstance(value, bool) else switch(str(value))
    if isinstance(default, str):
        fits = isinstance(value, str) and (not setting.choices or value in setting.choices)
        return str(value) if fits else None
    return _number(setting, value)


def _number(setting: Setting, value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
        if isinstance(setting.default, int) and number != int(number):
            return None
    except (ValueError, OverflowError):
        return None
    if setting.minimum is not None and not number >= setting.minimum:
        return None
    return int(number) if isinstance(setting.default, int) else number


def read_toml(text: str, settings: Settings) -> list[str]:
    """Set what a TOML text says; return one line for each key or value that was ignored, with its line number."""
    import tomllib

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [f"not TOML: {error}"]
    problems = []
    for name, value in table.items():
        try:
            settings.set(name, value)
        except SettingsError as error:
            problems.append(f"line {_line_of(name, text)}: {error}")
    return problems


def _line_of(name: str, text: str) -> int:
    """The line on which a top-level key or table is written; 1 if it cannot be told."""
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[].=]", text, re.MULTILINE)
    return text.count("\n", 0, found.start(0) + len(found[0]) - len(found[0].lstrip())) + 1 if found else 1
