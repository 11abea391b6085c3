"""``%set``: list, show and change the settings."""

from typing import NewType

from aiorepl.commands.arguments import Choice, Kind, Query, add_kind
from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.values import SettingInfo, SettingList
from aiorepl.errors import CommandError, SettingsError
from aiorepl.model import SettingChanged
from aiorepl.settings import SETTINGS, Setting, expected, known

SettingName = NewType("SettingName", str)
SettingValue = NewType("SettingValue", str)


def _names(query: Query) -> list[Choice]:
    return [(setting.name, setting.summary) for setting in SETTINGS.values()]


def _values(query: Query) -> list[Choice]:
    setting = SETTINGS.get(query.before[0]) if len(query.before) == 1 else None
    if setting is None:
        return []
    values = ("on", "off") if isinstance(setting.default, bool) else setting.choices
    return [(value, "") for value in values]


add_kind(SettingName, Kind(str, "a setting's name", _names))
add_kind(SettingValue, Kind(str, "a value", _values))


@command(
    name="set",
    group="session",
    looks=True,
    examples=[
        ("%set", "every setting"),
        ("%set theme", "one, and what it takes"),
        ("%set theme light", "change it for this session"),
        ('%set prompt "py> "', "quotes keep the blank at the end"),
    ],
)
def set_(context: Context, name: SettingName | None = None, *value: SettingValue) -> SettingList | None:
    """List the settings, or show or change one.

    A change holds for this session. The settings file in your configuration folder keeps them for later sessions.

    Args:
        name: The setting.
        value: What it is to be from now on.
    """
    try:
        if name is not None and value:
            context.emit(SettingChanged(name, context.settings.set(name, " ".join(value))))
            return None
        settings = [known(name)] if name is not None else list(SETTINGS.values())
    except SettingsError as error:
        raise CommandError(str(error)) from None
    return SettingList(tuple(_info(context, setting) for setting in settings))


def _info(context: Context, setting: Setting) -> SettingInfo:
    return SettingInfo(setting.name, context.settings[setting.name], expected(setting), setting.summary)
