"""The virtual environments that the benchmarks make for themselves, and the programs that run in them.

Standard library only: this is what runs before there is any environment.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "AIOREPL",
    "ASYNCIO",
    "CACHE",
    "IPYTHON",
    "PROGRAMS",
    "PTPYTHON",
    "ROOT",
    "Program",
    "interpreters",
    "make",
    "versions",
]

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".benchmarks-env"

REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "checkout": (str(ROOT),),
    "peers": ("ipython", "ptpython"),
    "stackscope": ("stackscope", "typing_extensions"),  # which stackscope uses and does not name
    "cost": (str(ROOT), "uvloop", "aiodebug", "aiomonitor"),
    "driver": ("pyte",),
}


@dataclass(frozen=True)
class Program:
    """A program that is measured: how it is started, and the prompt it shows (a regular expression)."""

    name: str
    arguments: tuple[str, ...]
    environment: str
    prompt: str = r">>> "


AIOREPL = Program("aiorepl", ("-m", "aiorepl"), "checkout")
ASYNCIO = Program("python -m asyncio", ("-m", "asyncio"), "peers")
IPYTHON = Program("IPython", ("-m", "IPython", "--no-banner", "--no-confirm-exit"), "peers", r"In \[\d+\]: ")
PTPYTHON = Program("ptpython --asyncio", ("-m", "ptpython", "--asyncio"), "peers")
PROGRAMS = (AIOREPL, ASYNCIO, IPYTHON, PTPYTHON)


def interpreters(python: str) -> dict[str, Path]:
    """Where the interpreter of each environment for this Python is, made or not."""
    version = _output(python, "-c", "import sys; print(sys.version.split()[0])")
    return {name: CACHE / f"{name}-{version}" / "bin" / "python" for name in REQUIREMENTS}


def make(python: str) -> None:
    """Make the environments that are missing, and install the checkout as it is now."""
    for name, interpreter in interpreters(python).items():
        complete = interpreter.parent.parent / "complete"
        if not complete.exists():
            print(f"making the environment {name} ...", flush=True)
            shutil.rmtree(complete.parent, ignore_errors=True)
            _run(python, "-m", "venv", "--without-pip", str(complete.parent))
        if not complete.exists() or str(ROOT) in REQUIREMENTS[name]:
            _install(interpreter, REQUIREMENTS[name])
            complete.touch()


def _install(interpreter: Path, requirements: tuple[str, ...]) -> None:
    """Install with the pip that we have: an interpreter that is measured may come without one."""
    pip = (sys.executable, "-m", "pip", "--python", str(interpreter), "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", *requirements)


def versions(python: str) -> dict[str, str]:
    """The version of each thing that is measured."""
    places = interpreters(python)
    packages = (
        ("aiorepl", "checkout"),
        ("ipython", "peers"),
        ("ptpython", "peers"),
        ("prompt_toolkit", "peers"),
        ("stackscope", "stackscope"),
        ("uvloop", "cost"),
        ("aiodebug", "cost"),
        ("aiomonitor", "cost"),
    )
    ask = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    return {package: _output(str(places[place]), "-c", ask, package) for package, place in packages}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
