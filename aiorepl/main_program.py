"""Run a program in this thread as Python itself would: its own ``__main__``, arguments and first folder for modules.

After ``pymain_run_python`` in Modules/main.c and Lib/runpy.py.
"""

import builtins
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import NamedTuple

from aiorepl.errors import AioreplError
from aiorepl.programs import find_module

# How a zip file begins.
_ARCHIVE = b"PK\x03\x04"

__all__ = ["MainProgram", "main_file", "main_module", "without_runner"]


class MainProgram(NamedTuple):
    """What is to run: ``spec`` is that of a module, and None for a file, which is named by ``path``."""

    path: str
    argv: list[str]
    folder: str
    spec: ModuleSpec | None = None

    def install(self) -> ModuleType:
        """Make the program's ``__main__``, with nothing run in it yet, and give the process what Python gives it."""
        main = ModuleType("__main__")
        main.__dict__.update(__builtins__=builtins, __package__=None)
        if sys.version_info < (3, 14):
            main.__annotations__ = {}
        if sys.version_info < (3, 15):
            main.__cached__ = self.spec and self.spec.cached  # type: ignore[attr-defined]
        if self.spec is None:
            main.__file__ = self.path
            main.__loader__ = self._file_loader
        else:
            main.__file__ = self.spec.origin
            main.__loader__ = self.spec.loader
            main.__spec__ = self.spec
            main.__package__ = self.spec.parent
        sys.modules["__main__"] = main
        sys.argv = self.argv
        if not sys.flags.safe_path:
            sys.path[0] = self.folder
        return main

    def run(self, main: ModuleType) -> None:
        """Run it to its end, on the main thread; whatever it raises is raised."""
        exec(self._code(), main.__dict__)

    @property
    def _file_loader(self) -> SourceFileLoader | SourcelessFileLoader:
        kind = SourcelessFileLoader if self.path.endswith(".pyc") else SourceFileLoader
        return kind("__main__", self.path)

    def _code(self) -> CodeType:
        if self.spec is not None:
            code: CodeType = self.spec.loader.get_code(self.spec.name)  # type: ignore[union-attr]
            return code
        if isinstance(self._file_loader, SourcelessFileLoader):
            compiled = self._file_loader.get_code("__main__")
            assert compiled is not None
            return compiled
        # Not by the loader, which would leave a file behind in __pycache__.
        with open(self.path, "rb") as file:
            return compile(file.read(), self.path, "exec", dont_inherit=True)


def main_file(path: str, arguments: Sequence[str]) -> MainProgram:
    """Prepare a file, or a folder or archive with a ``__main__`` in it, that is to be run.

    Raises:
        OSError: If it cannot be read.
        AioreplError: If there is no ``__main__`` in the folder.
    """
    argv = [path, *arguments]
    whole = os.path.abspath(path)
    with contextlib.suppress(IsADirectoryError), open(path, "rb") as file:
        if file.read(4) != _ARCHIVE:
            return MainProgram(whole, argv, os.path.dirname(os.path.realpath(path)))
    spec = PathFinder.find_spec("__main__", [whole])
    if spec is None or spec.loader is None:
        raise AioreplError(f"no __main__ in {path}")
    return MainProgram(whole, argv, whole, spec)


def main_module(name: str, arguments: Sequence[str]) -> MainProgram:
    """Prepare a module, or the ``__main__`` of a package, that is to be run.

    Raises:
        AioreplError: If there is none.
    """
    spec = find_module(name)
    if not hasattr(spec.loader, "get_code") or spec.origin is None:
        raise AioreplError(f"no module {name} to run")
    return MainProgram(spec.origin, [spec.origin, *arguments], os.getcwd(), spec)


def without_runner(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out of a traceback what stands above the program's own frames."""
    here = traceback
    while here is not None and here.tb_frame.f_code is not MainProgram.run.__code__:
        here = here.tb_next
    while here is not None and here.tb_frame.f_code.co_filename == __file__:
        here = here.tb_next
    return here
