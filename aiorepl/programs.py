"""Programs that the command line names: their source, and what ``__main__`` and ``sys`` hold while they run."""

import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from aiorepl.errors import AioreplError

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

__all__ = ["Program", "find_module", "import_from_here", "read_file", "read_module"]


class Program(NamedTuple):
    """Source to run as cells; ``show`` the value of each one's last expression."""

    source: str
    filename: str
    argv: list[str]
    show: bool = False
    folder: str | None = None
    spec: "ModuleSpec | None" = None

    def install(self, main: ModuleType) -> None:
        """Give the program its arguments and its ``__main__`` what Python gives one."""
        sys.argv = self.argv
        if self.filename:
            main.__file__ = self.filename
        if self.folder is not None and not sys.flags.safe_path:
            sys.path[0] = self.folder
        if self.spec is not None:
            main.__spec__ = self.spec
            main.__package__ = self.spec.parent


def import_from_here() -> None:
    """Let modules of the current folder be found, as at Python's own prompt and with ``-c``.

    A script that is installed, as ``aiorepl`` is, begins with its own folder in that place.
    """
    if not sys.flags.safe_path:
        sys.path[0] = ""


def read_file(path: str, arguments: Sequence[str]) -> Program:
    """Read a file that is to be run.

    Raises:
        OSError: If it cannot be read.
        AioreplError: If it is not text in its own encoding.
    """
    import tokenize

    try:
        with tokenize.open(path) as file:
            source = file.read()
    except (SyntaxError, UnicodeDecodeError) as error:
        raise AioreplError(f"{path} is not Python source: {error}") from error
    return Program(source, path, [path, *arguments], folder=os.path.dirname(os.path.abspath(path)))


def find_module(name: str) -> "ModuleSpec":
    """Find a module, or the ``__main__`` of a package, as ``python -m`` does.

    Raises:
        AioreplError: If there is none.
    """
    import importlib.util

    # As ``python -m``: what is here is found first.
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise AioreplError(f"no module {name}: {error}") from error
    if spec is None:
        raise AioreplError(f"no module {name}")
    return spec


def read_module(name: str, arguments: Sequence[str]) -> Program:
    """Read a module, or the ``__main__`` of a package, that is to be run.

    Raises:
        AioreplError: If there is none, or it has no source.
    """
    spec = find_module(name)
    source = getattr(spec.loader, "get_source", lambda _: None)(spec.name)
    if source is None or spec.origin is None:
        raise AioreplError(f"no module {name} with a source to run")
    return Program(source, spec.origin, [spec.origin, *arguments], spec=spec)
