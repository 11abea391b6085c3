"""Where a person's settings, startup file and history are kept, by the rules of each system."""

from pathlib import Path

import platformdirs

from aiorepl.settings import Settings, read_toml

__all__ = ["history_file", "read_settings", "settings_file", "startup_file"]


def settings_file() -> str:
    """The settings; it need not exist."""
    return str(_folder() / "settings.toml")


def read_settings(settings: Settings) -> list[str]:
    """Put what the settings file says into force; return what is wrong with it, each in a line."""
    path = settings_file()
    try:
        with open(path, encoding="utf-8") as file:
            return [f"{path}: {problem}" for problem in read_toml(file.read(), settings)]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        return [f"{path} was ignored: {error}"]


def startup_file() -> str:
    """Python to run before the first prompt, or an empty text if there is none."""
    path = _folder() / "startup.py"
    return str(path) if path.exists() else ""


def history_file() -> Path:
    """What was typed; it is made when something is."""
    return Path(platformdirs.user_state_dir("aiorepl", appauthor=False)) / "history"


def _folder() -> Path:
    return Path(platformdirs.user_config_dir("aiorepl", appauthor=False))
