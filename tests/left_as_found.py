"""What a prompt inside a program could have changed, and must have put back: imported by the programs of the tests."""

import asyncio
import builtins
import ctypes
import gc
import getpass
import logging
import os
import pydoc
import signal
import sys
import termios
import threading
import warnings
from typing import Any

# libffi opens its own file when it is first used, for as long as the process lives.
ctypes.CFUNCTYPE(None)(int)

LOG = logging.StreamHandler()


def state() -> dict[str, object]:
    """Describe it, as seen from the running loop's thread, if there is a running loop."""
    loop = asyncio._get_running_loop()
    of_loop = {}
    if loop is not None:
        of_loop = {
            "exception handler": loop.get_exception_handler(),
            "task factory": loop.get_task_factory(),
            "debug": (loop.get_debug(), loop.slow_callback_duration),
            "attributes": sorted(getattr(loop, "__dict__", ())),
            "tasks": sorted(task.get_name() for task in asyncio.all_tasks()),
        }
    files = [os.fstat(number) for number in range(3)]
    return of_loop | {
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "wakeup": asyncio.get_event_loop_policy.__name__ and signal.set_wakeup_fd(signal.set_wakeup_fd(-1)),
        "terminal": termios.tcgetattr(0),
        "files": [(file.st_dev, file.st_ino) for file in files],
        "descriptors": sorted(map(_target, os.listdir("/dev/fd"))),
        "streams": [sys.stdin, sys.stdout, sys.stderr, LOG.stream],
        "functions": [input, help, exit, quit, getpass.getpass, pydoc.pager, print],
        "hooks": [sys.displayhook, sys.excepthook, threading.excepthook, sys.unraisablehook, sys.gettrace()],
        "warnings": [list(warnings.filters), warnings.showwarning],
        "log": [logging.root.handlers[:], logging.root.level, logging.getLogger("asyncio").handlers[:]],
        "asyncio's log": logging.getLogger("asyncio").level,
        "tools": _tools(),
        "thread": [sys.get_coroutine_origin_tracking_depth(), sys.get_asyncgen_hooks(), sys.getswitchinterval()],
        "collector": gc.isenabled(),
        "last": [vars(sys).get(name) for name in ("last_type", "last_value", "last_traceback", "last_exc")],
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "keys read by pdb": "_pyrepl.main" in sys.modules,
        "main": sys.modules["__main__"],
        "code": [value.__code__ for value in vars(sys.modules["__main__"]).values() if hasattr(value, "__code__")],
        "argv": sys.argv[:],
        "builtins": sorted(vars(builtins)),
    }


def _tools() -> list[str | None]:
    """What watches calls, from 3.12 on."""
    monitoring: Any = getattr(sys, "monitoring", None)
    return [monitoring.get_tool(number) for number in range(6)] if monitoring else []


def _target(descriptor: str) -> str:
    """What a descriptor refers to, where the system tells; the one of the listing itself is gone already."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return "?"


def compare(before: dict[str, object]) -> None:
    """Say what is not as it was; threads of aiorepl's that end by themselves have the time for it."""
    for thread in threading.enumerate():
        if thread.name.startswith("aiorepl"):
            thread.join(20)
    after = state()
    changed = [f"{name}: {before[name]} -> {after[name]}" for name in before if before[name] != after[name]]
    print("changed:", *changed or ["nothing"], sep="\n", flush=True)
