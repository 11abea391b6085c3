"""A ``__main__`` of the user's own, as an interactive Python has it, and what leaving it is called there."""

import asyncio
import builtins
import sys
from types import ModuleType

from aiorepl.interpret.program_namespace import ProgramNamespace

__all__ = ["Leaver", "install_leavers", "lend_usual", "make_main"]


class Leaver:
    """``exit`` and ``quit``: typed as a name it leaves as well as called.

    The standard one closes ``sys.stdin``, which the frontend still reads from.
    """

    def __init__(self, name: str) -> None:
        """Make one that is called ``name``."""
        self._name = name

    def __repr__(self) -> str:
        """Say how to leave."""
        return f"{self._name}, {self._name}() or Ctrl-D leaves"

    def __call__(self, code: object = None) -> None:
        """Leave with this exit status.

        Raises:
            SystemExit: Always.
        """
        raise SystemExit(code)


def make_main() -> ModuleType:
    """Return a new ``__main__``, put in place of the one in ``sys.modules``, with ``asyncio`` imported."""
    module = ModuleType("__main__")
    # None, as in an interactive Python: what spawns processes must not try to import this module again.
    module.__package__ = None
    module.__dict__.update(__builtins__=builtins, __annotations__={}, asyncio=asyncio)
    sys.modules["__main__"] = module
    return module


def lend_usual(namespace: ProgramNamespace) -> None:
    """Let the cells of a session in a program have what they have at a prompt of their own, for as long as it lasts."""
    for name in ("exit", "quit"):
        namespace.lend(name, Leaver(name))
    namespace.lend("asyncio", asyncio)


def install_leavers() -> None:
    """Replace ``exit`` and ``quit`` of this process."""
    for name in ("exit", "quit"):
        setattr(builtins, name, Leaver(name))
