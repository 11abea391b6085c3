"""A request to a process that waits for a signal: written to a file that only its memory has, and that it offers.

The file's name tells the signal. It is in no folder, a forked child has it too, and it is gone with the process. Linux.
"""

import fcntl
import json
import os
from typing import NamedTuple

from aiorepl.errors import AttachError
from aiorepl.remote.attach.process import signal_mask

__all__ = ["Request", "find_request", "offer", "take", "write"]

_NAME = "aiorepl-attach-signal-"
_LINK = f"/memfd:{_NAME}"
_LONGEST = 4096


class Request(NamedTuple):
    """Where a request can be written, and the signal to send then."""

    file: str
    signum: int


def offer(signum: int) -> int:
    """Offer to take requests when this signal comes; returns the file's descriptor."""
    return os.memfd_create(f"{_NAME}{signum}")


def take(descriptor: int) -> tuple[str, str] | None:
    """Take what was requested, a socket's path and the token; None if nothing was."""
    data = os.pread(descriptor, _LONGEST, 0)
    os.ftruncate(descriptor, 0)
    try:
        path, token = json.loads(data)
    except ValueError:
        return None
    return str(path), str(token)


def find_request(pid: int) -> Request | None:
    """Find what a process offers, if it still catches the signal."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
        caught = signal_mask(pid, "SigCgt")
    except OSError:
        return None
    for name in names:
        try:
            link = os.readlink(f"{folder}/{name}")
        except OSError:
            # It was closed meanwhile.
            continue
        number = link.removeprefix(_LINK).partition(" ")[0]
        if link.startswith(_LINK) and number.isdigit() and int(number) in caught:
            return Request(f"{folder}/{name}", int(number))
    return None


def write(request: Request, path: str, token: str) -> int:
    """Write a request; returns a descriptor to be closed once it is answered, until which nobody else can write.

    Raises:
        AttachError: If somebody else's waits there for its answer.
    """
    descriptor = os.open(request.file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AttachError("somebody else is about to attach to it, or to a process that it was forked with") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps([path, token]).encode(), 0)
    return descriptor
