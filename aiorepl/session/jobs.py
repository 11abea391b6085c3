"""Cells and shell commands in the background: numbered, listed, brought back, announced when they end."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol

from aiorepl.commands.context import Job
from aiorepl.errors import CommandError
from aiorepl.interpret.interpreter import Ending, Execution

__all__ = ["CellJob", "JobTable", "Runs", "ShellJob", "Shells", "is_stopped", "start_shell"]


# Seconds; a process that hangs in the kernel does not stop before it leaves that.
_STOPS_WITHIN = 1.0


class Runs(Protocol):
    """Something that runs in the foreground or in the background."""

    @property
    def text(self) -> str:
        """What was typed."""

    @property
    def elapsed(self) -> float:
        """Seconds since it was started."""

    def waits_on(self) -> str:
        """What it waits on, or an empty text."""

    def stop(self) -> None:
        """Ctrl-Z was pressed while it was in the foreground."""

    def resume(self) -> None:
        """Let it go on if it is stopped."""

    async def come_back(self) -> None:
        """It is in the foreground again: let it go on if it is stopped."""

    async def end(self) -> Ending:
        """Wait until it has ended; may be called more than once, and cancelled without ending it."""


class CellJob:
    """A cell on the loop."""

    def __init__(self, execution: Execution) -> None:
        """Follow an execution."""
        self.execution = execution
        self.text = execution.text

    @property
    def elapsed(self) -> float:
        """Seconds since it was started."""
        return self.execution.elapsed

    def waits_on(self) -> str:
        """What the cell waits on, or an empty text while it executes."""
        return self.execution.waits_on()

    def stop(self) -> None:
        """A cell goes on in the background."""

    def resume(self) -> None:
        """A cell in the background is never stopped."""

    async def come_back(self) -> None:
        """It went on all the time."""

    async def end(self) -> Ending:
        """Wait until the cell has ended."""
        return await asyncio.shield(asyncio.wrap_future(self.execution.done))


class Process(Protocol):
    """As much of an ``asyncio.subprocess.Process`` as a job needs."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | None:
        """Its exit status, once it is known."""

    async def wait(self) -> int:
        """Return its exit status when it has ended."""


class ShellJob:
    """A process that was started with ``!``."""

    def __init__(self, text: str, process: Process) -> None:
        """Follow a process."""
        self.text = "!" + text
        self.process = process
        self.stopped = False
        self._started = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since it was started."""
        return time.perf_counter() - self._started

    def waits_on(self) -> str:
        """Tell whether the process is stopped."""
        return "stopped; %bg or %fg lets it go on" if self.stopped else f"process {self.process.pid}"

    def stop(self) -> None:
        """Stop the process; the terminal has done so already, unless no shell is there that could continue it."""
        self.stopped = True
        self._send(signal.SIGSTOP)
        # While it has yet to be scheduled, its read of the terminal would still take a key from who reads next.
        deadline = time.perf_counter() + _STOPS_WITHIN
        while self.process.returncode is None and not is_stopped(self.process.pid):
            if time.perf_counter() > deadline or not hasattr(os, "waitid"):
                break
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a process that Ctrl-Z stopped go on."""
        self.stopped = False
        self._send(signal.SIGCONT)

    async def come_back(self) -> None:
        """Let it go on where a person sees it."""
        self.resume()

    def terminate(self) -> None:
        """Ask the process to end, if it has not."""
        if self.process.returncode is None:
            self._send(signal.SIGTERM)

    async def end(self) -> Ending:
        """Wait until the process has ended."""
        status = await self.process.wait()
        return Ending("ok" if status == 0 else "error", (), self.elapsed, 0.0, status)

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)


def is_stopped(pid: int) -> bool:
    """Tell whether a child is stopped; whoever waits for its end is told of that nevertheless."""
    # Not on macOS before Python 3.13.
    if not hasattr(os, "waitid"):
        return False
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    return False


class Shells(Protocol):
    """What ``!`` starts a shell command with."""

    async def __call__(self, text: str) -> ShellJob:
        """Start it."""


async def start_shell(text: str) -> ShellJob:
    """Start a shell command on the terminal, or the pipes, of this process."""
    return ShellJob(text, await asyncio.create_subprocess_shell(text))


class JobTable:
    """The jobs of a session; used on the session's thread."""

    def __init__(
        self, *, attend: Callable[[Runs], Awaitable[object]], announce: Callable[[int, Runs, Ending], None]
    ) -> None:
        """``attend`` puts a job into the foreground; ``announce`` tells that one has ended in the background."""
        self._attend = attend
        self._announce = announce
        self._jobs: dict[int, Runs] = {}
        self._watchers: dict[int, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[Runs]:
        """The jobs that have not ended."""
        return iter(list(self._jobs.values()))

    def __len__(self) -> int:
        """How many jobs have not ended."""
        return len(self._jobs)

    def add(self, job: Runs) -> int:
        """Put something that runs into the background; return its number, the lowest that is free."""
        number = next(n for n in range(1, len(self._jobs) + 2) if n not in self._jobs)
        self._jobs[number] = job
        self._watchers[number] = asyncio.create_task(self._watch(number, job), name=f"aiorepl-job-{number}")
        return number

    def list(self) -> Sequence[Job]:
        """The jobs that have not ended, oldest first."""
        return [Job(number, job.text, job.elapsed, job.waits_on()) for number, job in sorted(self._jobs.items())]

    async def foreground(self, number: int) -> None:
        """Wait for a job as if it had been typed just now."""
        job = self._get(number)
        del self._jobs[number]
        self._watchers.pop(number).cancel()
        await job.come_back()
        await self._attend(job)

    def resume(self, number: int) -> None:
        """Let a stopped shell job go on in the background."""
        self._get(number).resume()

    async def aclose(self) -> None:
        """Stop following the jobs."""
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)

    def _get(self, number: int) -> Runs:
        if number not in self._jobs:
            there = f"there are {', '.join(map(str, sorted(self._jobs)))}" if self._jobs else "there is none"
            raise CommandError(f"no job {number}; {there}")
        return self._jobs[number]

    async def _watch(self, number: int, job: Runs) -> None:
        ending = await job.end()
        del self._jobs[number], self._watchers[number]
        self._announce(number, job, ending)
