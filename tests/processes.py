"""Run ``python -m aiorepl`` as a process of its own, away from the files and the environment of whoever tests."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parent.parent

# What would change how a Python behaves.
_LEFT_OUT = ("PYTHON", "XDG_", "VIRTUAL_ENV", "NO_COLOR", "FORCE_COLOR", "COVERAGE_", "PYTEST_")


class Home(NamedTuple):
    """A folder that is a process's home and the one it is started in; ``environment`` is all that it gets."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
        for name in ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"):
            if name in os.environ:
                kept[name] = os.environ[name]
        own = {"HOME": str(self.path), "TERM": "vt100", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        return kept | own


class Ended(NamedTuple):
    """How a process ended, and all that it printed."""

    status: int
    out: str
    err: str


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aiorepl", *arguments]


def run(*arguments: str, home: Home, stdin: str = "", **environment: str) -> Ended:
    """Run it to its end with this on its standard input."""
    return _run(command(*arguments), home, stdin, environment)


def python(*arguments: str, home: Home, stdin: str = "", **environment: str) -> Ended:
    """Run Python itself to its end."""
    return _run([sys.executable, *arguments], home, stdin, environment)


def _run(command: list[str], home: Home, stdin: str, environment: dict[str, str]) -> Ended:
    ended = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=home.path,
        env=home.environment | environment,
        timeout=60,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def start(*arguments: str, home: Home, **environment: str) -> "subprocess.Popen[str]":
    """Start it with pipes; a ``with`` statement waits for its end."""
    return subprocess.Popen(
        command(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=home.path,
        env=home.environment | environment,
    )


def pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str], IO[str]]:
    """Its standard input, output and error."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdin, process.stdout, process.stderr
