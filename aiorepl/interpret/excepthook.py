"""``sys.excepthook``, where the user has set one."""

import sys

__all__ = ["call_hook", "has_hook"]


def has_hook() -> bool:
    """Tell whether exceptions are told by something else than Python's own hook."""
    return getattr(sys, "excepthook", sys.__excepthook__) is not sys.__excepthook__


def call_hook(error: BaseException) -> None:
    """Let the hook tell of an exception, on this thread; what it raises is raised."""
    sys.excepthook(type(error), error, error.__traceback__)
