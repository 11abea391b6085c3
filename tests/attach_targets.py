"""Programs to attach to: real processes, which tell what they are like when a line is written to them."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import Home

from aiorepl.remote.attach.attaching import Attached, attach
from aiorepl.remote.attach.process import ptrace_allowed

# Seconds; what is waited for comes at once, unless it does not come.
PATIENCE = 20.0

# Tells what an attached session may change, on standard error; the last line says that it is where it shall be found.
_BEGINNING = """
import asyncio, os, signal, sys, threading, time
def opened(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").partition(":")[0]
    except OSError:
        # It was that of the listing, or another thread has closed it meanwhile.
        return ""
def tell(*_):
    fds = [opened(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
    # Once ctypes is loaded, its library keeps its own file open.
    fds = [name for name in fds if name and "/libffi." not in name]
    ours = [name for name in sys.modules if name.partition(".")[0] == "aiorepl"]
    threads = [thread.name for thread in threading.enumerate()]
    streams = type(sys.stdin), type(sys.stdout), type(sys.stderr), input, sys.breakpointhook, type(signal.getsignal(2))
    print(sys.path, list(map(type, sys.meta_path)), threads, len(os.listdir("/proc/self/task")), ours, sorted(fds),
          streams, file=sys.stderr, flush=True)
signal.signal(signal.SIGUSR1, tell)
async def main():
    asyncio.get_running_loop().call_soon(print, "ready")
    asyncio.current_task().set_name("the-waiter")
    await asyncio.Event().wait()
async def turn():
    asyncio.get_running_loop().call_soon(print, "ready")
    while True: await asyncio.sleep(0)
def elsewhere():
    thread = threading.Thread(target=asyncio.run, args=[main()], name="the-loop")
    thread.start()
    return thread
"""

TARGETS = {
    "busy": "asyncio.run(turn())",
    "idle": "asyncio.run(main())",
    "uvloop": "import uvloop; uvloop.run(main())",
    "loop in another thread": "elsewhere().join()",
    "loop in another thread, main sleeps": "elsewhere(); time.sleep(1000)",
    "loop in another thread, main reads input": "elsewhere(); sys.stdin.read(1)",
    "blocked": "import re; print('ready'); re.match('(a+)+$', 'a' * 60 + 'b')",
    "no loop": "print('ready')\ntime.sleep(1000)",
}

needs_remote_exec = pytest.mark.skipif(not hasattr(sys, "remote_exec"), reason="Python 3.14 has sys.remote_exec")


class Target(NamedTuple):
    """A program that has come to where it shall be found."""

    process: "subprocess.Popen[str]"

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self) -> str:
        """What it says of itself: paths, hooks, threads, modules of aiorepl's, open files."""
        assert self.process.stderr is not None
        answered: list[int] = []
        # A signal that comes when the loop is just about to wait is heard when it wakes next.
        while not answered:
            self.process.send_signal(signal.SIGUSR1)
            answered, _, _ = select.select([self.process.stderr.fileno()], [], [], 0.5)
        return self.process.stderr.readline()

    def comes_to_tell(self, expected: str) -> None:
        """Wait until it says this."""
        late = time.monotonic() + PATIENCE
        said = []
        while (told := self.tell()) != expected:
            said.append(told)
            assert time.monotonic() < late, (told, expected)
            assert told, (*said, f"the program ended with {self.process.wait(PATIENCE)}")


def _is_at_work(pid: int) -> None:
    """Wait until a process has computed for a while after what it has printed: it is in its one long call."""
    stat = Path(f"/proc/{pid}/stat")
    # The time in the process's own code, in hundredths of a second.
    begun = at = int(stat.read_text().rpartition(")")[2].split()[11])
    while at < begun + 5:
        time.sleep(0.01)
        at = int(stat.read_text().rpartition(")")[2].split()[11])


@contextlib.contextmanager
def target(
    home: Home,
    end: str,
    *,
    python: Sequence[str] = (sys.executable,),
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Target]:
    """Start a program that ends as given; kill it at the end."""
    (home.path / "program.py").write_text(f"{_BEGINNING}{end}\n")
    with subprocess.Popen(
        [*python, "-u", "program.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home.path,
        env=home.environment | {"PYTHONPATH": str(Path(__file__).parent)} | dict(environment or {}),
        **options,
    ) as process:
        late = threading.Timer(2 * PATIENCE, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if end == TARGETS["blocked"]:
                _is_at_work(process.pid)
            yield Target(process)
        finally:
            late.cancel()
            process.kill()


def skip_unless_permitted(pid: int) -> None:
    if not os.path.isdir("/proc/self/task") or not ptrace_allowed(pid):
        pytest.skip("this system does not permit to trace another process")


class Conversation:
    """What is said to the payload that runs in a target."""

    def __init__(self, attached: Attached) -> None:
        self.attached = attached
        self._file = attached.socket.makefile("rw")

    def ask(self, expression: str) -> str:
        self._file.write(f"{expression}\n")
        self._file.flush()
        return self._file.readline().rstrip("\n")

    def leave(self) -> bool:
        self._file.close()
        self.attached.socket.close()
        return self.attached.wait_until_left(PATIENCE)


def converse(target: Target, **options: Any) -> Conversation:
    """Attach to a target, with the payload in place of a session."""
    return Conversation(attach(target.pid, entry="attach_payload", patience=PATIENCE, **options))
