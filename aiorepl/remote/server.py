"""The server in an app: a thread of its own that listens on a socket, and serves whoever may connect.

It loads next to nothing before the first client comes, and looks at nothing. After a fork each child serves a socket of
its own.
"""

import asyncio
import atexit
import contextlib
import itertools
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiorepl.errors import ServeError
from aiorepl.introspect.own_loops import make_own
from aiorepl.remote.loading import FORKING
from aiorepl.remote.offer import Offer
from aiorepl.remote.sockets import SocketName, bind, folder, may_talk, peer_of, remove

if TYPE_CHECKING:
    from aiorepl.remote.scrollback import Scrollback
    from aiorepl.remote.visit import Visit

__all__ = ["Server"]

_log = logging.getLogger("aiorepl")

# Clients at the same time.
_MOST = 200
# Seconds: how long is waited when no socket can be accepted, for the clients when the server ends, by a fork, and by a
# loop that ends the server.
_AGAIN = 0.5
_ENDING = 5.0
_PAUSE = 1.0
_SOON = 0.2


class Server:
    """Serves this process until ``close``, or its end; also a context manager. Any thread may call.

    ``name`` and ``path`` tell how to find it.
    """

    def __init__(self, offer: Offer, path: str | None = None, *, listens: bool = True) -> None:
        """Listen at a path, in the user's own folder if it is left out; or not at all, for clients that are adopted.

        Raises:
            ServeError: If that cannot be done.
        """
        self._offer = offer
        self._asked = path
        self.name = offer.name
        self.path = ""
        self.sessions: dict[int, Scrollback] = {}
        # Called on the server's thread when the last client has gone.
        self.left: Callable[[], object] = lambda: None
        self._numbers = itertools.count(1)
        self._visits: dict[asyncio.Task[None], Visit] = {}
        self._listener: socket.socket | None = None
        self._process = os.getpid()
        self._reason = ""
        # A fork is about to happen; and the thread has ended for that.
        self._forking = self._paused = False
        self._start(listens)

    def __enter__(self) -> "Server":
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Say how to reach it."""
        state = f"serving at {self.path}" if self._thread.is_alive() else "closed"
        return f"<aiorepl server {self.name!r} {state}>"

    def new_number(self) -> int:
        """Return the number of a new session."""
        return next(self._numbers)

    def adopt(self, connected: socket.socket) -> None:
        """Serve a client whose socket is connected already."""
        self._call(lambda: self._receive(connected))

    def close(self, reason: str = "the program does not serve any longer") -> None:
        """End every session, stop listening, and remove the socket; does nothing the second time.

        The clients are told the reason. They are waited for, but not on an event loop's own thread: there their cells
        could not end meanwhile.
        """
        self._reason = reason
        if self._process == os.getpid() and self._thread.is_alive():
            self._call(self._stop.set)
            if threading.current_thread() is not self._thread:
                self._thread.join(_SOON if asyncio._get_running_loop() is not None else 2 * _ENDING)
        self._remove_socket()
        _SERVERS.discard(self)

    def _start(self, listens: bool) -> None:
        if listens:
            self.path = self._asked or os.path.join(folder(), SocketName(self._process, self.name).file)
            self._listener = bind(self.path)
        self._loop = make_own()
        self._stop = asyncio.Event()
        self._start_thread()
        _SERVERS.add(self)
        # What is called around a fork can never be taken away again: who is attached to is to be left clean.
        if listens:
            _register()

    def _start_thread(self) -> None:
        # A daemon: it must not keep the process from ending.
        self._thread = threading.Thread(target=self._serve, name="aiorepl-server", daemon=True)
        self._thread.start()

    def _call(self, function: Callable[[], object]) -> None:
        # It may have ended meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except Exception:
            _log.exception("the server of aiorepl has ended")
        finally:
            if not self._paused:
                self._loop.close()

    async def _main(self) -> None:
        accepting = asyncio.create_task(self._accept(), name="aiorepl-accept")
        try:
            await self._stop.wait()
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
        if not self._paused:
            await self._end()

    async def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for visit in self._visits.values():
            visit.end(self._reason)
        if self._visits:
            await asyncio.wait(self._visits, timeout=_ENDING)
        # Those of clients that do not end, and who waits for a thread.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_PAUSE)

    async def _accept(self) -> None:
        while self._listener is not None:
            try:
                connected, _ = await self._loop.sock_accept(self._listener)
            except OSError as error:
                # Too many open files, most likely: the client waits in the queue meanwhile.
                _log.warning("cannot accept a client: %s", error)
                await asyncio.sleep(_AGAIN)
                continue
            self._receive(connected)

    def _receive(self, connected: socket.socket) -> None:
        """Talk to a client that the kernel says is this user or root; to nobody else."""
        try:
            peer = peer_of(connected)
        except OSError:
            connected.close()
            return
        if not may_talk(peer) or len(self._visits) >= _MOST:
            _log.warning("a client was sent away: user %d, process %d", peer.user, peer.process)
            connected.close()
            return
        with FORKING.kept_away():
            from aiorepl.remote.visit import Visit, open_channel

        visit = Visit(open_channel(connected), peer, self._offer, self)
        task = asyncio.create_task(visit.run(), name="aiorepl-visit")
        self._visits[task] = visit
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        del self._visits[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a client's session has failed", exc_info=error)
        if not self._visits:
            self.left()

    def _remove_socket(self) -> None:
        if self._process == os.getpid() and self.path:
            remove(self.path)

    def _before_fork(self) -> None:
        """Without a client the thread ends for a fork: the child of a process with one thread is in order, whatever."""
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            return
        self._forking = True
        asked = threading.Event()

        def pause() -> None:
            if self._forking and not self._visits:
                self._paused = True
                self._stop.set()
            asked.set()

        self._call(pause)
        if asked.wait(_PAUSE) and self._paused:
            self._thread.join(_PAUSE)

    def _after_fork_in_parent(self) -> None:
        """Go on."""
        self._forking = False
        if self._paused:
            self._thread.join()
            self._paused = False
            self._stop.clear()
            self._start_thread()

    def _after_fork_in_child(self) -> None:
        """In a child: let go of what is the parent's without touching it, and serve a socket of the child's own."""
        listens = self._listener is not None
        if self._listener is not None:
            self._listener.close()
        for visit in self._visits.values():
            visit.abandon()
        # Not closed, as that would take the parent's descriptors out of the epoll object that both share.
        _LEFT_BEHIND.append(self._loop)
        _close_descriptors(self._loop)
        self._process = os.getpid()
        self._forking = self._paused = False
        self._visits = {}
        self.sessions = {}
        self._listener = None
        if self._asked:
            self._asked = f"{self._asked}.{self._process}"
        if listens:
            self._start(listens)


# Those that have not been closed.
_SERVERS: set[Server] = set()
_LEFT_BEHIND: list[asyncio.AbstractEventLoop] = []
_registered = False


def _register() -> None:
    global _registered
    if _registered:
        return
    _registered = True
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=FORKING.before, after_in_parent=FORKING.after_in_parent, after_in_child=FORKING.after_in_child
        )
        # Before a fork the later ones come first.
        os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


def _at_exit() -> None:
    for server in list(_SERVERS):
        server.close("the program has ended")


def _before_fork() -> None:
    for server in _SERVERS:
        server._before_fork()


def _in_parent() -> None:
    for server in _SERVERS:
        server._after_fork_in_parent()


def _in_child() -> None:
    # Loaded if there has been a session.
    if streams := sys.modules.get("aiorepl.remote.streams"):
        streams.standard_streams.after_fork()
    if turns := sys.modules.get("aiorepl.remote.turns"):
        turns.short_turns.after_fork()
    for server in list(_SERVERS):
        try:
            server._after_fork_in_child()
        except (ServeError, OSError, RuntimeError) as error:
            _log.warning("the child process %d is not served: %s", os.getpid(), error)


def _close_descriptors(loop: asyncio.AbstractEventLoop) -> None:
    for name in ("_selector", "_ssock", "_csock"):
        with contextlib.suppress(Exception):
            getattr(loop, name).close()
    # Nor is it to be closed when it is collected.
    loop._closed = True  # type: ignore[attr-defined]
