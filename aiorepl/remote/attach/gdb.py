"""Queueing a call in a Python before 3.14 with gdb: ``Py_AddPendingCall``, which takes no lock that Python code holds.

The code is run later, at a safe point of the main thread. gdb stops the process for about half a second. A page of
memory stays mapped in it. Nothing is loaded into it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from aiorepl.errors import AttachError

__all__ = ["ANNOUNCEMENT", "find", "queue_script", "try_out"]

ANNOUNCEMENT = (
    "{gdb} is tried on a process of our own first; then it stops process {pid} for about half a second, and has its "
    "Python queue a call that starts one thread (Py_AddPendingCall); 4 kB of memory stay mapped there"
)
# Seconds; gdb may look for symbols in large files.
_PATIENCE = 60.0


def find() -> str:
    """Return where gdb is.

    Raises:
        AttachError: If it is not installed.
    """
    found = shutil.which("gdb")
    if found is None:
        raise AttachError("--gdb takes gdb, which is not installed")
    return found


def try_out(gdb: str) -> None:
    """Do to a process of our own what is to be done to another: some gdbs break what they call functions in.

    gdb before 14 does so on a processor with AMX: it leaves registers half written.

    Raises:
        AttachError: If that process did not do what it was asked to.
    """
    with tempfile.TemporaryDirectory(prefix="aiorepl-") as folder:
        proof = Path(folder) / "proof"
        source = Path(folder) / "prove.py"
        source.write_text(f"open({str(proof)!r}, 'x').close()")
        # In a selector, as what is attached to usually is.
        program = "import select; print(end='!', flush=True)\nwhile True: select.epoll().poll()"
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", program], stdout=subprocess.PIPE) as ours:
            try:
                assert ours.stdout is not None
                ours.stdout.read(1)
                queue_script(gdb, ours.pid, str(source))
                ours.wait(0.01 if proof.exists() else 1.0)
            except subprocess.TimeoutExpired:
                pass
            except AttachError as error:
                raise AttachError(f"{error}; that was a process of our own, and no other was touched") from None
            finally:
                ours.kill()
        if not proof.exists():
            raise AttachError(f"{gdb} cannot call functions in a process here; that was tried on one of our own")


def queue_script(gdb: str, pid: int, path: str) -> None:
    """Queue the running of a script.

    Raises:
        AttachError: If gdb could not.
    """
    options = ("-nx", "-nh", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off")
    commands = str(Path(__file__).with_name("in_gdb.py"))
    try:
        ended = subprocess.run(
            [gdb, *options, "-p", str(pid), "-x", commands],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
            env={**os.environ, "DEBUGINFOD_URLS": "", "AIOREPL_SCRIPT": path},
        )
    except subprocess.TimeoutExpired:
        raise AttachError(f"{gdb} did not end within {_PATIENCE:g} s") from None
    if "aiorepl queued: 0" not in ended.stdout:
        lines = (*ended.stdout.splitlines(), *ended.stderr.splitlines())
        problem = next(
            (line for line in reversed(lines) if "rror" in line or "ouldn't" in line), "it said nothing of it"
        )
        raise AttachError(f"{gdb} could not queue a call in process {pid}: {problem.strip()[:300]}")
