"""Shell commands at a prompt in a program: process groups, so that their keys are no signals to the program."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

from prompt_toolkit.input import Input

from aiorepl.session.jobs import ShellJob, is_stopped
from aiorepl.terminal.screen import Screen

__all__ = ["GuestShells"]

# Seconds between two looks whether a process was stopped, and whether it has stopped itself at its start.
_LOOK = 0.05
_SOON = 0.001
# Not on macOS before Python 3.13, see is_stopped.
_KNOWS_STOPPED = hasattr(os, "waitid")


class GuestShells:
    """Starts the commands of one prompt and lends the terminal to the one in the foreground; on the prompt's loop."""

    def __init__(
        self, screen: Screen, input: Input, terminal: asyncio.Lock, detach: Callable[[], Awaitable[None]]
    ) -> None:
        """Lend nothing yet.

        Args:
            screen: What is lent.
            input: Who reads the keys otherwise.
            terminal: Held by whoever reads keys.
            detach: Sends what is in the foreground to the background.
        """
        self._screen = screen
        self._input = input
        self._terminal = terminal
        self._detach = detach
        self._lending: asyncio.Task[None] | None = None

    async def start(self, text: str, *, background: bool) -> ShellJob:
        """Start what was typed after ``!``; in the foreground it has the terminal."""
        if background:
            return await self._start(text)
        # Until it has the terminal, what it prints could be answered with keys that are signals to the program.
        job = await self._start(f"kill -STOP $$; {text}" if _KNOWS_STOPPED else text, typed=text)
        if _KNOWS_STOPPED:
            await job.has_stopped_or_ended(look=_SOON)
        await self._lend(job)
        return job

    async def end(self, *, cancel: bool = False) -> None:
        """Wait until nothing has the terminal any more; ``cancel``: take it back at once."""
        lending, self._lending = self._lending, None
        if lending is not None:
            if cancel:
                lending.cancel()
            await asyncio.wait({lending})
            if not lending.cancelled():
                lending.result()

    async def _start(self, text: str, typed: str = "") -> "_GuestShellJob":
        process = await asyncio.create_subprocess_shell(text, stdin=self._screen.input, process_group=0)
        return _GuestShellJob(typed or text, process, self._lend)

    async def _lend(self, job: "_GuestShellJob") -> None:
        """Lend to a command until it leaves the terminal; returns when the command has it."""
        lent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lending = asyncio.create_task(self._lend_until_it_leaves(job, lent))
        await asyncio.wait({self._lending, lent}, return_when=asyncio.FIRST_COMPLETED)

    async def _lend_until_it_leaves(self, job: "_GuestShellJob", lent: "asyncio.Future[None]") -> None:
        # Whoever else would read keys meanwhile would be stopped.
        async with self._terminal:
            self._screen.lend(True)
            with self._input.detach(), self._screen.in_front(job.process.pid):
                job.resume()
                lent.set_result(None)
                await job.has_stopped_or_ended(look=_LOOK)
        if job.process.returncode is None:
            await self._detach()


class _GuestShellJob(ShellJob):
    """A shell command with a process group of its own."""

    def __init__(
        self,
        text: str,
        process: asyncio.subprocess.Process,
        lend: Callable[["_GuestShellJob"], Awaitable[None]],
    ) -> None:
        """``lend`` gives it the terminal again, until it leaves that."""
        super().__init__(text, process)
        self._lend = lend

    async def come_back(self) -> None:
        """Let it go on with the terminal."""
        await self._lend(self)

    async def has_stopped_or_ended(self, *, look: float) -> None:
        """Wait until one of them is so; whether it is stopped is asked every ``look`` seconds, as nobody tells."""
        ended = asyncio.ensure_future(self.process.wait())
        try:
            while not (ended.done() or is_stopped(self.process.pid)):
                await asyncio.wait({ended}, timeout=look)
        finally:
            ended.cancel()

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)
