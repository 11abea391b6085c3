"""The modules that are sent to a process: they need not be readable there, and it need not have them."""

import functools
import hashlib
import marshal
import os
import pkgutil
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
from types import CodeType
from typing import Any, NamedTuple

import aiorepl

__all__ = ["Bundle", "make_bundle"]

# What only a person's end needs.
_LEFT_OUT = (
    "__main__",
    "application",
    "attaching",
    "beside",
    "cli",
    "companion",
    "connected",
    "embedding",
    "far_arguments",
    "far_command",
    "far_list",
    "far_output",
    "main_program",
    "options",
    "programs",
    "prompt_thread",
    "pytest_plugin",
    "remote.attach.in_gdb",
    "remote.client",
    "subcommands",
    "terminal",
)


class Bundle(NamedTuple):
    """Marshalled modules, by name, for a Python with this ``magic`` number; equal sources have equal digests."""

    data: bytes
    digest: str
    magic: str


@functools.cache
def make_bundle() -> Bundle:
    """Take the modules of this aiorepl, compiled as they are cached."""
    modules: dict[str, tuple[bool, CodeType]] = {}
    digest = hashlib.sha256(aiorepl.__version__.encode())
    for spec in sorted(_specs(), key=lambda spec: spec.name):
        loader: Any = spec.loader
        modules[spec.name] = (spec.submodule_search_locations is not None, loader.get_code(spec.name))
        digest.update(f"\0{spec.name}\0{loader.get_source(spec.name)}".encode())
    return Bundle(marshal.dumps(modules), digest.hexdigest(), MAGIC_NUMBER.hex())


def _specs() -> Iterator[ModuleSpec]:
    """How each module is found where it is; a hook, as pytest's is, may have loaded other code."""
    (folder,) = aiorepl.__path__
    # Of a folder or of an archive; the package itself is found as one of it.
    finder: Any = pkgutil.get_importer(os.path.dirname(folder))
    spec: ModuleSpec = finder.find_spec("aiorepl")
    yield spec
    yield from _specs_below(spec)


def _specs_below(package: ModuleSpec) -> Iterator[ModuleSpec]:
    for found in pkgutil.iter_modules(package.submodule_search_locations, f"{package.name}."):
        if found.name.removeprefix("aiorepl.") in _LEFT_OUT:
            continue
        finder: Any = found.module_finder
        spec: ModuleSpec = finder.find_spec(found.name)
        yield spec
        if found.ispkg:
            yield from _specs_below(spec)
