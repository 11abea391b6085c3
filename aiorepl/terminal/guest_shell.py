"""Shell commands at a prompt in a program: process groups, so that their keys are no signals to the program."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

from prompt_toolkit.input import Input

from aiorepl.session.jobs import ShellJob, is_stopped
from aiorepl.terminal.screen import Screen

__all__ = ["GuestShells"]

# Seconds between two looks whether a process was stopped, of which nobody tells.
_LOOK = 0.05


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
        # It may look at the terminal as soon as it is there.
        job: asyncio.Future[_GuestShellJob] = asyncio.get_running_loop().create_future()
        await self._lend_to(job)
        try:
            job.set_result(await self._start(text))
        except BaseException:
            job.cancel()
            raise
        return job.result()

    async def end(self, *, cancel: bool = False) -> None:
        """Wait until nothing has the terminal any more; ``cancel``: take it back at once."""
        lending, self._lending = self._lending, None
        if lending is not None:
            if cancel:
                lending.cancel()
            await asyncio.wait({lending})
            if not lending.cancelled():
                lending.result()

    async def _start(self, text: str) -> "_GuestShellJob":
        process = await asyncio.create_subprocess_shell(text, stdin=self._screen.input, process_group=0)
        return _GuestShellJob(text, process, self._lend)

    async def _lend(self, job: "_GuestShellJob") -> None:
        known: asyncio.Future[_GuestShellJob] = asyncio.get_running_loop().create_future()
        known.set_result(job)
        await self._lend_to(known)

    async def _lend_to(self, job: "asyncio.Future[_GuestShellJob]") -> None:
        """Lend to a command until it leaves the terminal; returns when that is as the command should find it."""
        lent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lending = asyncio.create_task(self._lend_until_it_leaves(job, lent))
        await asyncio.wait({self._lending, lent}, return_when=asyncio.FIRST_COMPLETED)

    async def _lend_until_it_leaves(
        self, coming: "asyncio.Future[_GuestShellJob]", lent: "asyncio.Future[None]"
    ) -> None:
        # Whoever else would read keys meanwhile would be stopped.
        async with self._terminal:
            self._screen.lend(True)
            with self._input.detach(), self._screen.as_found():
                lent.set_result(None)
                job = await coming
                with self._screen.in_front(job.process.pid):
                    # It may have been stopped by asking for the terminal before it had it.
                    job.resume()
                    await job.leaves_terminal()
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
            while not (ended.done() or is_stopped(self.process.pid)):
                await asyncio.wait({ended}, timeout=_LOOK)
        finally:
            ended.cancel()

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)
