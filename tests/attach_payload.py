"""What is run in a process instead of a session: it answers each line with what the expression on it gives."""

import socket
import sys
import threading
from collections.abc import Callable, Mapping


def prepare(options: Mapping[str, str]) -> Callable[[socket.socket], None]:
    if "refuse" in options:
        raise RuntimeError(options["refuse"])
    return answer


def answer(connection: socket.socket) -> None:
    with connection, connection.makefile("rw") as file:
        for line in file:
            file.write(f"{eval(line, {'sys': sys, 'threading': threading})!r}\n")
            file.flush()
