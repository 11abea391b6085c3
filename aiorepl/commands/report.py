"""A report of every loop of the process, for when nobody can ask any more; bounded, and it never fails as a whole."""

import asyncio
import os
import sys
import time
from typing import NamedTuple

from aiorepl.commands.task_lists import group_tasks, list_tasks
from aiorepl.commands.task_values import TaskGroups, TaskTable
from aiorepl.introspect.chain import bounded, thread_stack
from aiorepl.introspect.diagnose import findings
from aiorepl.introspect.look import look_now
from aiorepl.introspect.loops import loops
from aiorepl.introspect.summary import type_name
from aiorepl.introspect.values import Finding, LoopInfo, LoopSnapshot, Stack

__all__ = ["LoopReport", "Report", "make_report"]

# The most of each that is told.
_LOOPS = 20
_TASKS = 40
_FINDINGS = 20
_FRAMES = 30


class LoopReport(NamedTuple):
    """One loop, its tasks (merged by where they stand if they are many), and what is wrong with them.

    ``error`` is what could not be read. ``loop.stack`` is where its thread stands, cut to the innermost frames; empty
    if the loop answers another thread. ``omitted`` are findings.
    """

    loop: LoopInfo | None
    tasks: TaskTable | TaskGroups | None
    findings: tuple[Finding, ...] = ()
    omitted: int = 0
    error: str = ""


class Report(NamedTuple):
    """Every loop that runs in the process; ``time`` is in seconds since 1970, ``program`` the file that was started."""

    process: int
    program: str
    python: str
    time: float
    loops: tuple[LoopReport, ...]
    omitted: int = 0
    error: str = ""


def make_report() -> Report:
    """Look at every loop that runs; may be called from any thread."""
    program = bounded(sys.argv[0]) if getattr(sys, "argv", None) else ""
    report = Report(os.getpid(), program, sys.version.split()[0], time.time(), loops=())
    try:
        found = loops()
    except Exception as error:
        return report._replace(error=_what_failed(error))
    return report._replace(
        loops=tuple(_report_of(loop) for loop in found[:_LOOPS]), omitted=max(0, len(found) - _LOOPS)
    )


def _report_of(loop: asyncio.AbstractEventLoop) -> LoopReport:
    try:
        snapshot = look_now(loop)
        info = snapshot.loop._replace(stack=_stack(loop, snapshot))
    except Exception as error:
        return LoopReport(None, None, error=_what_failed(error))
    try:
        merged = len(snapshot.tasks) > _TASKS
        tasks = (group_tasks if merged else list_tasks)(snapshot, top=_TASKS, own=True)
        found = findings(snapshot)
    except Exception as error:
        return LoopReport(info, None, error=_what_failed(error))
    return LoopReport(info, tasks, found[:_FINDINGS], max(0, len(found) - _FINDINGS))


def _stack(loop: asyncio.AbstractEventLoop, snapshot: LoopSnapshot) -> Stack:
    here = asyncio._get_running_loop() is loop
    stack = thread_stack(sys._getframe()) if here else snapshot.loop.stack
    return stack[-_FRAMES:]


def _what_failed(error: Exception) -> str:
    return f"{type_name(error)}: {error}"
