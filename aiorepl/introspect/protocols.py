"""What a connection is between, and which waits for a bare future are waits for one.

A package with protocols of its own (aiohttp, tornado, drivers of databases) makes a future for who waits, keeps it in
an object of its own, and sets it when data comes. Whose it is can be seen: the object refers to its protocol.
"""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from types import CoroutineType
from typing import Any

from aiorepl.introspect.callbacks import FUTURES
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.values import Wait, WaitKind

__all__ = ["address_words", "peer_of", "wait_for_protocol"]

# What an object refers to that has as many fields as this is no part of a protocol.
_FIELDS = 100
# The flag of types that were made when the program ran, as classes are.
_HEAP = 1 << 9


def wait_for_protocol(future: object, chain: Sequence[object]) -> Wait | None:
    """Say that a future waits for the other end of a connection; None if it cannot be told.

    The innermost coroutine has it from an object that keeps it, which is a protocol or refers to one.
    """
    innermost = next((link for link in reversed(chain) if type(link) is CoroutineType), None)
    if innermost is None:
        return None
    for owner in gc.get_referents(innermost):
        fields = list(_fields(owner))
        if not any(field is future for field in fields):
            continue
        for protocol in (owner, *fields):
            if issubclass(type(protocol), asyncio.BaseProtocol) and (peer := _peer_of_protocol(protocol)):
                name = innermost.cr_code.co_qualname
                kind: WaitKind = "drain" if "drain" in name else "read"
                word = "to" if kind == "drain" else "from"
                return Wait(kind, f"{bounded(name)} {word} {peer}", id(protocol))
    return None


def _peer_of_protocol(protocol: object) -> str:
    return next(filter(None, map(peer_of, _fields(protocol))), "")


def _fields(value: object) -> Iterator[object]:
    """What an object's attributes hold; empty if it is none of a class of the program's, or has too many."""
    kind = type(value)
    if issubclass(kind, (type, *FUTURES)) or kind.__flags__ & _HEAP == 0:
        return
    parts = gc.get_referents(value)
    if len(parts) > _FIELDS:
        return
    for part in parts:
        if type(part) is dict and len(part) <= _FIELDS:
            yield from part.values()
        else:
            yield part


def peer_of(transport: Any) -> str:
    """The other end of a transport of asyncio's or uvloop's; others may run any code when asked."""
    if not hasattr(type(transport), "get_extra_info"):
        return ""
    module = type.__dict__["__module__"].__get__(type(transport))
    if type(module) is not str or module.partition(".")[0] not in ("asyncio", "uvloop"):
        return ""
    try:
        return address_words(transport.get_extra_info("peername"))
    except OSError:
        return ""


def address_words(address: object) -> str:
    """A socket's address as ``host:port``, or its path."""
    if type(address) is tuple and len(address) >= 2:
        host = f"[{address[0]}]" if ":" in str(address[0]) else str(address[0])
        return bounded(f"{host}:{address[1]}")
    return bounded(address) if type(address) is str else ""
