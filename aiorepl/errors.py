"""The errors that aiorepl raises; each says whose fault it is."""


class AioreplError(Exception):
    """Base of every error that aiorepl raises on purpose."""


class CommandError(AioreplError):
    """The person at the prompt asked for what cannot be done; the message is one line and says what to type."""


class SettingsError(AioreplError):
    """A setting has a wrong name or value; the message is one line and says what is accepted."""


class LoopError(AioreplError):
    """The event loop could not be made as asked; the message is one line and says why."""
