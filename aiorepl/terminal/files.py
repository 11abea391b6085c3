"""Where a person's settings, startup file and history are kept, by the rules of each system."""

from pathlib import Path

import platformdirs

__all__ = ["history_file", "settings_file", "startup_file"]


def settings_file() -> str:
    """The settings; it need not exist."""
    return str(_folder() / "settings.toml")


def startup_file() -> str:
    """Python to run before the first prompt, or an empty text if there is none."""
    path = _folder() / "startup.py"
    return str(path) if path.exists() else ""


def history_file() -> Path:
    """What was typed; it is made when something is."""
    return Path(platformdirs.user_state_dir("aiorepl", appauthor=False)) / "history"


def _folder() -> Path:
    return Path(platformdirs.user_config_dir("aiorepl", appauthor=False))
