"""The event loops that the same test is run on: asyncio's own, and uvloop's where it is installed."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import pytest

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

FACTORIES: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
# Not by an import statement: types are checked where uvloop is installed and where it is not.
if find_spec("uvloop") is not None:
    FACTORIES["uvloop"] = import_module("uvloop").new_event_loop

EACH_LOOP = pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
