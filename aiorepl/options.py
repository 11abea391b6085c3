"""What the command line asks for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from aiorepl.settings import SETTINGS, expected

if TYPE_CHECKING:
    from argparse import ArgumentParser

__all__ = ["Options", "add_settings", "take_settings"]


class Options(NamedTuple):
    """The arguments; of ``code``, ``module`` and ``file`` one at most is given, followed by the program's arguments."""

    code: Sequence[str] | None = None
    module: Sequence[str] | None = None
    file: Sequence[str] = ()
    interactive: bool = False
    quiet: bool = False
    main_loop: bool = False
    debug: bool = False
    loop: str = "asyncio"
    settings: Mapping[str, str] = {}


def add_settings(parser: "ArgumentParser") -> None:
    """Let a parser take an option for each setting."""
    group = parser.add_argument_group("settings (also in the settings file, and %set at the prompt)")
    for setting in SETTINGS.values():
        name = "--" + setting.name.replace("_", "-")
        about = f"{setting.summary} ({expected(setting)})"
        group.add_argument(name, dest=setting.name, metavar="VALUE", help=about.replace("%", "%%"))


def take_settings(parsed: dict[str, Any]) -> dict[str, str]:
    """Take the settings that were given out of what such a parser has found."""
    chosen = {name: parsed.pop(name) for name in SETTINGS}
    return {name: value for name, value in chosen.items() if value is not None}
