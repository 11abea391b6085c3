"""What uvloop does not show: its loop has none of asyncio's attributes, but the collector sees what it refers to.

Everything is read only, and may be from any thread; from another one than the loop's only while that does not go on, as
an object may refer to a part that is being destroyed. Tried with uvloop 0.23, whose objects refer to their parts in the
order in which its ``.pxd`` files declare them.
"""

import asyncio
import gc
import socket
import sys
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["asyncgens", "called_by", "executor", "is_uvloop", "polls", "ready_queue", "sockets", "timers"]


def is_uvloop(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a loop is uvloop's; does not import it."""
    module = sys.modules.get("uvloop.loop")
    return module is not None and issubclass(type(loop), module.Loop)


def ready_queue(loop: asyncio.AbstractEventLoop) -> "deque[Any] | None":
    """The handles that are to run at the next pass: the loop's own queue."""
    known = _QUEUES.get(loop)
    if known is not None and (queue := known()) is not None:
        return queue
    queues = [part for part in gc.get_referents(loop) if type(part) is deque]
    if len(queues) != 1:
        return None
    _QUEUES[loop] = weakref.ref(queues[0])
    return queues[0]


# Kept, as it stays the same, and is asked for again and again by a thread that may not ask the collector.
_QUEUES: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[deque[Any]]]" = weakref.WeakKeyDictionary()


def timers(loop: asyncio.AbstractEventLoop) -> list[Any]:
    """The timers that are set, in no order."""
    # An empty set of timers is like any other empty set.
    return [item for part in _sets(loop) for item in part if type(item).__name__ == "TimerHandle"]


def called_by(handle: Any) -> tuple[object, tuple[object, ...]]:
    """A handle's callback and arguments; a method of the loop is its name."""
    parts = gc.get_referents(handle)
    if type(handle).__name__ == "TimerHandle":
        callback, arguments = parts[:2]
        return callback, arguments or ()
    loop, _, first, *others = parts
    if first is loop:
        # Its repr is made of the name of the loop's method, not of any object of the program's.
        return repr(handle).removeprefix("<Handle ").removesuffix(">"), tuple(others)
    return first, others[0] if others and type(others[0]) is tuple else ()


def polls(loop: asyncio.AbstractEventLoop) -> dict[int, tuple[object, object]]:
    """The descriptors watched for ``add_reader``, ``add_writer`` and ``sock_*``, with the handles for either."""
    parts = gc.get_referents(loop)
    own = {socket.SocketType.fileno(part) for part in parts if type(part) is socket.socket}
    found = {}
    for part in parts:
        for fd, poll in list(part.items()) if type(part) is dict else ():
            if type(poll).__name__ != "UVPoll" or fd in own:
                continue
            reader, writer = gc.get_referents(poll)[-2:]
            if reader is not None or writer is not None:
                found[fd] = (reader, writer)
    return found


def sockets(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[Any, object, object]]:
    """The sockets of transports and servers: each with its protocol, or else with what makes one for a connection.

    Goes through all objects of the process, 16 ms for a million: nothing else knows all transports.
    """
    module = sys.modules["uvloop.loop"]
    for found in gc.get_referrers(loop):
        if issubclass(type(found), module.UVBaseTransport) and not found.is_closing():
            yield found.get_extra_info("socket"), found.get_protocol(), None
        elif issubclass(type(found), module.UVStreamServer):
            factory, server = gc.get_referents(found)[-2:]
            streams = gc.get_referents(server)[0]
            # A server that was closed has none any more.
            for stream, sock in zip(streams, server.sockets, strict=False) if type(streams) is list else ():
                if stream is found:
                    yield sock, None, factory


def executor(loop: asyncio.AbstractEventLoop) -> ThreadPoolExecutor | None:
    """The default executor, if there is one yet."""
    return next((part for part in gc.get_referents(loop) if issubclass(type(part), ThreadPoolExecutor)), None)


def asyncgens(loop: asyncio.AbstractEventLoop) -> int | None:
    """How many async generators have begun and not ended."""
    sets = [part for part in gc.get_referents(loop) if type(part) is weakref.WeakSet]
    return len(sets[0]) if len(sets) == 1 else None


def _sets(loop: asyncio.AbstractEventLoop) -> list[list[object]]:
    """The items of each set that the loop has; copied at once, as the loop goes on."""
    return [list(part) for part in gc.get_referents(loop) if type(part) is set]
