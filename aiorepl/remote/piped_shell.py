"""``!command`` for a client elsewhere: its output is sent there, and it has no terminal and no input.

Not by asyncio: which thread hears of a child's end is the app's choice, and may be none that knows of ours.
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable

from aiorepl.interpret.daemon import in_thread
from aiorepl.session.jobs import ShellJob

__all__ = ["piped_shell"]

_READ = 32 << 10


class _Process:
    """As much of an asyncio process as a job needs."""

    def __init__(self, process: "subprocess.Popen[bytes]", write: Callable[[str], None]) -> None:
        self._process = process
        self._write = write
        self.pid = process.pid
        self._ended = asyncio.ensure_future(in_thread(self._pump))

    @property
    def returncode(self) -> int | None:
        """Its exit status, once it is known."""
        return self._process.returncode

    async def wait(self) -> int:
        """Return its exit status when all that it wrote has been sent."""
        return await asyncio.shield(self._ended)

    def _pump(self) -> int:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while data := output.read1(_READ):  # type: ignore[attr-defined]
                self._write(data.decode("utf-8", "replace"))
        return self._process.wait()


class _PipedJob(ShellJob):
    """A shell command that is the first of a session of its own."""

    def _send(self, number: int) -> None:
        # Its children too, which may be there when it has ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


async def piped_shell(text: str, write: Callable[[str], None]) -> ShellJob:
    """Start a shell command whose output is given to ``write``, on a thread of its own."""

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            text,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    return _PipedJob(text, _Process(await in_thread(start), write))
