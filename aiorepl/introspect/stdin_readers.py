"""Who waits for standard input by other means than ``input()`` and ``sys.stdin``'s lines."""

import asyncio
import os
import platform

from aiorepl.introspect.registrations import registrations

__all__ = ["blocked_in_read", "watched_by"]

# The number of read(2); https://docs.kernel.org/filesystems/proc.html tells of /proc/PID/syscall.
_READ = {"x86_64": 0, "aarch64": 63, "i686": 3, "armv7l": 3, "riscv64": 63, "ppc64le": 3, "s390x": 3}.get(
    platform.machine()
)


def blocked_in_read(descriptor: int) -> bool:
    """Tell whether a thread of this process waits in ``read`` for this descriptor; False where the system hides it."""
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:
        return False
    return any(_reads(thread, descriptor) for thread in threads)


def watched_by(loop: asyncio.AbstractEventLoop, descriptor: int) -> bool:
    """Tell whether a loop waits until this descriptor can be read; on uvloop it goes through all objects for that."""
    selector_map = getattr(getattr(loop, "_selector", None), "get_map", None)
    if selector_map is not None:
        return descriptor in (selector_map() or ())
    return any(row.fd == descriptor for row in registrations(loop).rows)


def _reads(thread: str, descriptor: int) -> bool:
    try:
        with open(f"/proc/self/task/{thread}/syscall") as file:
            words = file.read().split()
    except OSError:
        return False
    # "running" where the thread is not in a call.
    return len(words) > 1 and words[0] == str(_READ) and int(words[1], 16) == descriptor
