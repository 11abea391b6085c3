"""Shell commands at a prompt in a program: process groups, so that their keys are no signals to the program."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

from aiorepl.session.jobs import ShellJob

__all__ = ["GuestShellJob", "start_guest_shell"]

Lend = Callable[["GuestShellJob"], Awaitable[None]]

# Seconds between two looks whether a process was stopped, of which nobody tells.
_LOOK = 0.05


class GuestShellJob(ShellJob):
    """A shell command with a process group of its own."""

    def __init__(self, text: str, process: asyncio.subprocess.Process, lend: Lend) -> None:
        """``lend`` gives it the terminal again, until ``leaves_terminal`` returns."""
        super().__init__(text, process)
        self._lend = lend

    async def come_back(self) -> None:
        """Let it go on with the terminal."""
        await self._lend(self)

    async def leaves_terminal(self) -> None:
        """Wait until it has ended or has been stopped."""
        ended = asyncio.ensure_future(self.process.wait())
        try:
            while not ended.done() and not self._is_stopped():
                await asyncio.wait({ended}, timeout=_LOOK)
        finally:
            ended.cancel()

    def _is_stopped(self) -> bool:
        # Only a look: whoever waits for its end is to be told of that as well.
        with contextlib.suppress(ChildProcessError):
            state = os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
            return state is not None and state.si_pid == self.process.pid
        return False

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


async def start_guest_shell(text: str, keys: int, lend: Lend) -> GuestShellJob:
    """Start a shell command that reads its keys from this descriptor when it has the terminal."""
    return GuestShellJob(text, await asyncio.create_subprocess_shell(text, stdin=keys, process_group=0), lend)
