"""One client in the app: its greeting, and what it is there for."""

import asyncio
import contextlib
import os
import socket
import sys
from typing import Protocol

from aiorepl import __version__
from aiorepl.errors import RemoteProtocolError
from aiorepl.remote.audit import Who, audit
from aiorepl.remote.channel import Channel
from aiorepl.remote.loading import FORKING
from aiorepl.remote.messages import (
    PROTOCOL,
    Goodbye,
    Hello,
    Refused,
    ToClient,
    ToServer,
    Welcome,
)
from aiorepl.remote.offer import Offer
from aiorepl.remote.protocol import ServerConnection
from aiorepl.remote.scrollback import Said, Scrollback
from aiorepl.remote.sockets import Peer

__all__ = ["Hall", "ServerChannel", "Visit", "open_channel"]

ServerChannel = Channel[ToClient, ToServer]

# Seconds within which a client says what it wants.
_GREETING = 5.0


def open_channel(connected: socket.socket) -> ServerChannel:
    """Return the app's end of a socket."""
    return Channel(connected, ServerConnection())


class Hall(Protocol):
    """What the visits of a server share: the sessions that can be followed, by number."""

    sessions: dict[int, Scrollback]

    def new_number(self) -> int:
        """Return the number of a new session."""


class Visit:
    """Talks to one client; used on the server's loop."""

    def __init__(self, channel: ServerChannel, peer: Peer, offer: Offer, hall: Hall) -> None:
        """Begin with nothing heard."""
        self._channel = channel
        self._peer = peer
        self._offer = offer
        self._hall = hall
        self._reason = ""

    async def run(self) -> None:
        """Talk until one of the two has enough."""
        try:
            hello = await self._greeting()
            if hello is not None:
                await self._answer(hello)
            await self._channel.flush()
        finally:
            await self._channel.aclose()

    def end(self, reason: str) -> None:
        """Let the conversation come to its end, and say why."""
        self._reason = reason
        self._channel.stop_receiving()

    def abandon(self) -> None:
        """Forget about it in the child of a fork."""
        self._channel.close_in_child()

    async def _greeting(self) -> Hello | None:
        try:
            async with asyncio.timeout(_GREETING):
                hello = await self._channel.receive()
        except TimeoutError:
            self._refuse(f"nothing was said for {_GREETING:g} s")
            return None
        except RemoteProtocolError as error:
            self._refuse(str(error))
            return None
        if not isinstance(hello, Hello):
            return None
        if hello.protocol != PROTOCOL:
            theirs = f"the client's is {hello.version[:20]} with protocol {hello.protocol}"
            self._refuse(f"the program's aiorepl is {__version__} with protocol {PROTOCOL}, and {theirs}")
            return None
        return hello

    def _refuse(self, reason: str) -> None:
        self._channel.send(Refused(reason))

    async def _answer(self, hello: Hello) -> None:
        if hello.purpose == "look":
            self._channel.send(self._seen())
        elif hello.purpose == "follow":
            await self._follow(hello.follows)
        else:
            await self._hold(hello)

    async def _hold(self, hello: Hello) -> None:
        loop = self._offer.loop()
        if loop is None:
            self._refuse(f"no event loop is running in {self._offer.name} (process {os.getpid()})")
            return
        number = self._hall.new_number()
        who = Who(self._offer.name, number, self._peer)
        try:
            audit("connect", who, hello.purpose)
        except Exception as error:
            self._refuse(f"the program does not allow it: {error}")
            return
        # Loaded when the first client comes: an app that nobody connects to need not pay for it.
        with FORKING.kept_away():
            from aiorepl.remote.served_session import ServedSession

        scrollback = Scrollback()
        if hello.purpose == "session":
            self._hall.sessions[number] = scrollback
        try:
            self._channel.send(self._welcome()._replace(session=number))
            session = ServedSession(self._channel, self._offer, loop, who, scrollback, hello)
            await session.run()
            if self._channel.can_send:
                self._channel.send(Goodbye(self._reason))
        finally:
            self._hall.sessions.pop(number, None)
            scrollback.end()
            # A hook has nothing to refuse here.
            with contextlib.suppress(Exception):
                audit("disconnect", who, "it did not read what was sent" if self._channel.slow else "")

    async def _follow(self, number: int) -> None:
        number = number or max(self._hall.sessions, default=0)
        followed = self._hall.sessions.get(number)
        if followed is None:
            there = f"there are {', '.join(map(str, self._hall.sessions))}" if self._hall.sessions else "there is none"
            self._refuse(f"no session {number or 'to follow'} in {self._offer.name}; {there}")
            return
        audit("follow", Who(self._offer.name, number, self._peer))
        self._channel.send(self._welcome()._replace(session=number))

        def tell(said: Said | None) -> None:
            if said is None:
                self.end(f"session {number} has ended")
            elif self._channel.can_send:
                self._channel.send(said)

        unfollow = followed.follow(tell)
        try:
            while not isinstance(await self._channel.receive_any(), Goodbye | None):
                continue
            if self._channel.can_send:
                self._channel.send(Goodbye(self._reason))
        finally:
            unfollow()

    def _seen(self) -> Welcome:
        with FORKING.kept_away():
            from aiorepl.introspect.loops import count_tasks, loops

        running = loops()
        return self._welcome()._replace(loops=len(running), tasks=sum(count_tasks(loop) or 0 for loop in running))

    def _welcome(self) -> Welcome:
        program = sys.argv[0] if getattr(sys, "argv", None) else ""
        python = sys.version.split()[0]
        read_only = self._offer.mode != "write"
        return Welcome(PROTOCOL, __version__, self._offer.name, os.getpid(), program[:200], python, read_only)
