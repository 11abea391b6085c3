"""The modules that are sent to a process: they need not be readable there, and it need not have them."""

import hashlib
import importlib.util
import marshal
import pkgutil
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER
from types import CodeType
from typing import NamedTuple

import aiorepl

__all__ = ["Bundle", "make_bundle"]

# What only a person's end needs.
_LEFT_OUT = ("terminal", "application", "cli", "__main__", "pytest_plugin")


class Bundle(NamedTuple):
    """Marshalled modules, by name, for a Python with this ``magic`` number; equal sources have equal digests."""

    data: bytes
    digest: str
    magic: str


def make_bundle() -> Bundle:
    """Take the modules of this aiorepl, compiled as they are cached."""
    modules: dict[str, tuple[bool, CodeType]] = {}
    digest = hashlib.sha256(aiorepl.__version__.encode())
    for name in sorted(_names()):
        spec = importlib.util.find_spec(name)
        loader = spec.loader if spec is not None else None
        # Every loader of Python's own has both; aiorepl was loaded by one of these.
        code, source = loader.get_code(name), loader.get_source(name)  # type: ignore[union-attr]
        modules[name] = (spec is not None and spec.submodule_search_locations is not None, code)
        digest.update(f"\0{name}\0{source}".encode())
    return Bundle(marshal.dumps(modules), digest.hexdigest(), MAGIC_NUMBER.hex())


def _names() -> Iterator[str]:
    yield aiorepl.__name__
    yield from _names_below(aiorepl.__path__, "aiorepl.")


def _names_below(path: list[str], prefix: str) -> Iterator[str]:
    for found in pkgutil.iter_modules(path, prefix):
        if found.name.split(".")[1] in _LEFT_OUT:
            continue
        yield found.name
        if found.ispkg:
            spec = importlib.util.find_spec(found.name)
            assert spec is not None
            yield from _names_below(list(spec.submodule_search_locations or ()), f"{found.name}.")
