"""A socket that carries messages: what is read is checked, and what is not read at the other end is bounded."""

import asyncio
import contextlib
import socket
from collections import deque
from typing import Generic, TypeVar

from aiorepl.errors import RemoteProtocolError
from aiorepl.remote.messages import ToClient, ToServer
from aiorepl.remote.protocol import Connection

__all__ = ["QUEUED", "Channel"]

# Bytes that wait for a slow reader: with more than these, who can wait does; with more than those, it is cut off.
_ENOUGH = 1 << 20
QUEUED = 4 << 20
_READ = 64 << 10

Sent = TypeVar("Sent", bound=ToServer | ToClient)
Received = TypeVar("Received", bound=ToServer | ToClient)


class Channel(Generic[Sent, Received]):
    """One end; all of it is used on the loop that is running when it is made."""

    def __init__(self, connected: socket.socket, connection: Connection[Sent, Received]) -> None:
        """Take a connected socket, which is closed by ``aclose``."""
        connected.setblocking(False)
        self._socket = connected
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._more = asyncio.Event()
        self._less = asyncio.Event()
        self._less.set()
        self._writer = asyncio.create_task(self._write(), name="aiorepl-write")
        # True once nothing can be sent any more.
        self.broken = False
        # It was cut off since it did not read.
        self.slow = False

    async def receive(self) -> Received | None:
        """Return the next message; None when no more will come.

        Raises:
            RemoteProtocolError: As ``Connection.next`` does.
        """
        while (message := self._connection.next()) is None and self._connection.state != "closed":
            try:
                data = await self._loop.sock_recv(self._socket, _READ)
            except OSError:
                data = b""
            self._connection.receive(data)
        return message

    @property
    def can_send(self) -> bool:
        """Tell whether the other end may still be told something."""
        return not self.broken and self._connection.may_send

    @property
    def idle(self) -> bool:
        """Tell whether everything has been sent."""
        return not self._queued

    async def receive_any(self) -> Received | None:
        """Return the next message that is one; None when no more will come."""
        while True:
            with contextlib.suppress(RemoteProtocolError):
                return await self.receive()

    def send(self, message: Sent) -> None:
        """Send a message soon; who has not read what was sent before is cut off.

        Raises:
            LocalProtocolError: As ``Connection.send`` does.
        """
        for data in self._connection.send(message):
            self._put(data)
        if self._queued > QUEUED:
            self.slow = True
            self.abort()

    async def send_patiently(self, message: Sent) -> None:
        """Send a message when what was sent before has been read; other threads can work meanwhile.

        Raises:
            LocalProtocolError: As ``Connection.send`` does.
        """
        for number, data in enumerate(self._connection.send(message)):
            if number:
                await asyncio.sleep(0)
            await self._less.wait()
            self._put(data)

    async def flush(self) -> None:
        """Wait until everything has been sent, or cannot be."""
        while self._queued and not self.broken:
            self._less.clear()
            await self._less.wait()

    def stop_receiving(self) -> None:
        """Let ``receive`` end; what is sent is sent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def abort(self) -> None:
        """Send nothing more; ``receive`` ends."""
        self.broken = True
        self._queue.clear()
        self._queued = 0
        self._less.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    async def aclose(self) -> None:
        """Close the socket; what has not been sent is lost."""
        self.abort()
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._socket.close()

    def close_in_child(self) -> None:
        """Close a socket that was inherited by a fork, and touch nothing else: the loop is the parent's."""
        self._socket.close()

    def _put(self, data: bytes) -> None:
        if self.broken:
            return
        self._queue.append(data)
        self._queued += len(data)
        self._more.set()
        if self._queued > _ENOUGH:
            self._less.clear()

    async def _write(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                await self._more.wait()
                self._more.clear()
                while self._queue:
                    data = self._queue.popleft()
                    await self._loop.sock_sendall(self._socket, data)
                    self._queued -= len(data)
                    if self._queued <= _ENOUGH:
                        self._less.set()
        self.abort()
