"""What serves a session in a process that is attached to; ``aiorepl.remote.bootstrap`` calls it there."""

import atexit
import socket
import threading
from collections.abc import Callable, Mapping

from aiorepl.errors import ServeError
from aiorepl.remote.offer import Offer, program_loop
from aiorepl.remote.server import Server
from aiorepl.serving import program_name, represent

__all__ = ["prepare"]


def prepare(options: Mapping[str, object]) -> Callable[[socket.socket], None]:
    """Return what serves a client until it leaves, and leaves nothing but modules behind.

    Args:
        options: ``write`` if the session may change the process from the start.

    Raises:
        ServeError: If no event loop is running.
    """
    find_loop = program_loop()
    if find_loop() is None:
        raise ServeError("no event loop is running in it")
    offer = Offer(program_name(), "write" if options.get("write") else "locked", None, find_loop, represent)

    def serve(connected: socket.socket) -> None:
        left = threading.Event()
        server = Server(offer, listens=False)
        server.left = left.set
        atexit.register(server.close, "the program has ended")
        try:
            server.adopt(connected)
            left.wait()
        finally:
            server.close()
            atexit.unregister(server.close)

    return serve
