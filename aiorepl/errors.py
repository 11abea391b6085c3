"""The errors that aiorepl raises; each says whose fault it is."""


class AioreplError(Exception):
    """Base of every error that aiorepl raises on purpose."""


class CommandError(AioreplError):
    """The person at the prompt asked for what cannot be done; the message is one line and says what to type."""


class LeavingTaskError(AioreplError):
    """A task of a cell has raised SystemExit on a program's loop, which goes on; its cause is that."""


class SettingsError(AioreplError):
    """A setting has a wrong name or value; the message is one line and says what is accepted."""


class LoopError(AioreplError):
    """The event loop could not be made as asked; the message is one line and says why."""


class ServeError(AioreplError):
    """A process cannot be served or reached over a socket; the message is one line and says why."""


class ProtocolError(AioreplError):
    """What was to be said over a socket, or came from there, is not what the protocol allows; says what."""


class LocalProtocolError(ProtocolError):
    """This end was about to break the protocol."""


class RemoteProtocolError(ProtocolError):
    """The other end broke the protocol."""


class AttachError(AioreplError):
    """A process cannot be attached to; the message says why and what to do instead."""
