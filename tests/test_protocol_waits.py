"""A wait for a future of a package's own protocol is a wait for the other end of its connection."""

import asyncio
from collections.abc import Callable

import pytest
from loop_factories import EACH_LOOP, LoopFactory

from aiorepl.introspect.look import look_now
from aiorepl.introspect.values import Wait


class Line(asyncio.Protocol):
    """A protocol as many packages have one."""

    transport: asyncio.BaseTransport | None = None
    waiter: "asyncio.Future[None] | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def reply(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter

    async def drain_all(self) -> None:
        await self.reply_of(self)

    async def reply_of(self, line: "Line") -> None:
        await line.reply()


class Slotted:
    """What refers to its protocol."""

    __slots__ = ("protocol", "waiter")

    def __init__(self, protocol: Line) -> None:
        self.protocol = protocol

    async def drain(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter


class Cache:
    """What has no connection."""

    async def fill(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter


async def wait_of(waiting: Callable[[Line], object]) -> tuple[Wait, int]:
    """What a task waits for that is connected with a server, and the server's port."""
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, line = await loop.create_connection(Line, "127.0.0.1", port)
    try:
        task = asyncio.ensure_future(waiting(line))  # type: ignore[call-overload]
        await asyncio.sleep(0)
        (info,) = [info for info in look_now(loop).tasks if info.wait is not None and info.name == task.get_name()]
        assert info.wait is not None
        task.cancel()
        return info.wait, port
    finally:
        transport.close()
        server.close()


@EACH_LOOP
@pytest.mark.parametrize(
    ("waiting", "kind", "what"),
    [
        (Line.reply, "read", "Line.reply from 127.0.0.1:{}"),
        (Line.drain_all, "read", "Line.reply from 127.0.0.1:{}"),
        (lambda line: Slotted(line).drain(), "drain", "Slotted.drain to 127.0.0.1:{}"),
        (lambda line: Cache().fill(), "future", "a future"),
    ],
)
def test_the_other_end_is_named(factory: LoopFactory, waiting: Callable[[Line], object], kind: str, what: str) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        wait, port = runner.run(wait_of(waiting))
    assert (wait.kind, wait.what) == (kind, what.format(port))
