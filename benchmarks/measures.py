"""What is measured: each function starts one program, asks it one thing, and returns named samples.

Times are seconds, memory is MiB. All is seen from outside: from the moment when a key is written to the
pseudo-terminal to the moment when the answer is read from it.
"""

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import AIOREPL, ASYNCIO, IPYTHON, PROGRAMS, PTPYTHON, ROOT, Program
from benchmarks.terminal import Terminal, TimedOut, environment

__all__ = ["MEASURES", "Bench", "Measure", "Samples"]

Samples = dict[str, list[float]]

CLEAR_SCREEN = "\x0c"
DELETE_LINE = "\x15"
LINES_OF_FLOOD = 20_000
NAMES_IN_CROWD = 20_000
CODE = "total = sum(numbers) or None"


class Bench:
    """Where the programs and their homes are; each home is kept over the run, as a person's would be."""

    def __init__(self, interpreters: Mapping[str, Path]) -> None:
        """Make an empty folder for the homes, with an empty one beside it to start the programs in."""
        self._interpreters = interpreters
        self._folder = tempfile.TemporaryDirectory(prefix="benchmarks-")
        self.directory = Path(self._folder.name, "empty")
        self.directory.mkdir()

    def close(self) -> None:
        """Remove the folders."""
        self._folder.cleanup()

    def command(self, program: Program) -> list[str]:
        """How to start the program at its prompt."""
        return [*self.python(program), *program.arguments]

    def python(self, program: Program) -> list[str]:
        """How to start the interpreter that the program runs in."""
        return [str(self._interpreters[program.environment])]

    def variables(self, program: Program, **more: str) -> dict[str, str]:
        """The environment variables to start it with."""
        return environment(Path(self._folder.name, program.name.replace(" ", "-")), **more)

    def terminal(self, program: Program) -> Terminal:
        """Start the program alone."""
        return Terminal(self.command(program), self.variables(program), directory=self.directory)

    @contextlib.contextmanager
    def prompt(self, program: Program, *setup: str) -> Iterator["Prompt"]:
        """Start the program with ``workload`` to import, wait for its prompt, and run a few lines there."""
        variables = self.variables(program, PYTHONPATH=str(ROOT / "benchmarks" / "inside"))
        with Terminal(self.command(program), variables, directory=self.directory) as terminal:
            prompt = Prompt(terminal, program.prompt)
            prompt.appear()
            for line in setup:
                prompt.run(line)
            yield prompt


class Prompt:
    """A program that waits for input at its prompt."""

    def __init__(self, terminal: Terminal, pattern: str) -> None:
        """``pattern`` is a regular expression for the prompt."""
        self.terminal = terminal
        self._pattern = re.compile(pattern)

    def here(self, typed: str = "") -> bool:
        """Whether the cursor stands behind a prompt and what was typed there."""
        before = self.terminal.before_cursor
        return before.endswith(typed) and bool(self._pattern.fullmatch(before, endpos=len(before) - len(typed)))

    def appear(self) -> None:
        """Wait for the prompt."""
        self.terminal.wait(self.here, "the prompt")

    def clear(self) -> None:
        """Get an empty screen with the prompt at its top, and wait until nothing more is drawn."""
        self.terminal.send(CLEAR_SCREEN)
        self.terminal.wait(lambda: self.terminal.row < 2 and self.here(), "a cleared screen")
        self.terminal.settle()

    def type(self, text: str) -> None:
        """Type text at an empty prompt, and wait until it is there and nothing more is drawn."""
        self.terminal.send(text)
        self.terminal.wait(lambda: self.here(text), f"the typed {text!r}")
        self.terminal.settle()

    def enter(self) -> float:
        """Press Enter; return the seconds until the next prompt is there."""
        row = self.terminal.row
        pressed = self.terminal.send("\r")
        return self.terminal.wait(lambda: self.terminal.row > row and self.here(), "the next prompt") - pressed

    def run(self, line: str) -> float:
        """Type a line on a clean screen and press Enter; return the seconds from Enter to the next prompt."""
        self.clear()
        self.type(line)
        return self.enter()

    def press(self, key: str) -> float:
        """Press a key that writes itself; return the seconds until it is on the screen."""
        expected = self.terminal.before_cursor + key
        pressed = self.terminal.send(key)
        return self.terminal.wait(lambda: self.terminal.before_cursor == expected, f"the {key!r}") - pressed

    def until(self, pattern: str, key: str) -> float:
        """Press a key; return the seconds until a regular expression, not there before, is on the screen."""
        if self.terminal.shows(pattern):
            raise ValueError(f"{pattern!r} is there already:\n{self.terminal.text}")
        pressed = self.terminal.send(key)
        return self.terminal.wait(lambda: self.terminal.shows(pattern), pattern) - pressed


def start(bench: Bench, program: Program) -> Samples:
    """Process start to the answer to a line: typed at once, and typed as soon as the prompt is seen.

    The first is the figure for "until typed input is taken": what a person types while the program starts
    waits in the terminal, so it tells when the program reads and runs it, not when it has drawn something.
    """
    return {
        "start": [_answer(bench, program, at_once=True)],
        "start-seen": [_answer(bench, program, at_once=False)],
    }


def _answer(bench: Bench, program: Program, *, at_once: bool) -> float:
    with bench.terminal(program) as terminal:
        if not at_once:
            Prompt(terminal, program.prompt).appear()
        terminal.send("print(6*7)\r")
        return terminal.wait(lambda: "42" in terminal.lines, "the answer") - terminal.started


def run_nothing(bench: Bench, program: Program) -> Samples:
    """The whole process: ours runs ``pass``, asyncio's REPL reads an empty input."""
    command = [*bench.python(program), "-m", "aiorepl", "-c", "pass"] if program is AIOREPL else bench.command(program)
    started = time.perf_counter()
    subprocess.run(
        command,
        env=bench.variables(program),
        cwd=bench.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return {"nothing": [time.perf_counter() - started]}


def echo(bench: Bench, program: Program) -> Samples:
    """A key to its letter on the screen, one key after the other at an idle prompt."""
    with bench.prompt(program) as prompt:
        return {"echo": _echoes(prompt)}


def echo_spinning(bench: Bench, program: Program) -> Samples:
    """The same while a task keeps the loop executing Python code."""
    setup = ("import asyncio", "from workload import *", "task = asyncio.create_task(spin())")
    with bench.prompt(program, *setup) as prompt:
        return {"echo-spinning": _echoes(prompt)}


def _echoes(prompt: Prompt) -> list[float]:
    """Press the keys of a line of code, each when nothing is drawn any more for the one before."""
    prompt.clear()
    samples = []
    for key in CODE:
        samples.append(prompt.press(key))
        prompt.terminal.settle()
    return samples


def enter(bench: Bench, program: Program) -> Samples:
    """Enter to the next prompt, for a cell that awaits once."""
    with bench.prompt(program, "import asyncio") as prompt:
        return {"enter": [prompt.run("await asyncio.sleep(0)") for _ in range(10)]}


def complete(bench: Bench, program: Program) -> Samples:
    """A key to the first completions on the screen: an attribute of a module, and a name of the namespace."""
    with bench.prompt(program, "import asyncio", "from workload import *") as prompt:
        attribute = [_completion(program, prompt, "asyncio.", "w", "wait_for") for _ in range(5)]
        name = [_completion(program, prompt, "", "z", "zebra_one") for _ in range(5)]
    return {"complete-attribute": attribute, "complete-name": name}


def complete_crowd(bench: Bench, program: Program) -> Samples:
    """The same among 20,000 names, every one of which begins with the key."""
    setup = ("from workload import *", f"globals().update(names({NAMES_IN_CROWD}))")
    with bench.prompt(program, *setup) as prompt:
        return {"complete-crowd": [_completion(program, prompt, "", "n", r"name_\d+") for _ in range(5)]}


def _completion(program: Program, prompt: Prompt, before: str, key: str, expected: str) -> float:
    """Seconds from a key to the completions: the letter itself, or for IPython, which waits for it, Tab."""
    prompt.clear()
    prompt.type(before + key if program is IPYTHON else before)
    elapsed = prompt.until(expected, "\t" if program is IPYTHON else key)
    prompt.terminal.settle(quiet=0.3)
    prompt.terminal.send(DELETE_LINE)
    prompt.appear()
    return elapsed


def flood(bench: Bench, program: Program) -> Samples:
    """A task prints while a half-typed line stands at the prompt: until its last line, and what is left."""
    typed = "half a line"
    with bench.prompt(program, "import asyncio", "from workload import *") as prompt:
        terminal = prompt.terminal
        prompt.run(f"task = asyncio.create_task(flood({LINES_OF_FLOOD}))")
        terminal.send(typed)
        last = re.compile(rb"flood since ([\d.]+);")
        terminal.wait(lambda: _found(last, terminal) is not None, "the last line", timeout=60)
        began = _found(last, terminal)
        assert began is not None
        elapsed = terminal.last_read - began
        return {"flood": [elapsed], "flood-broken": [float(not _intact(prompt, typed))]}


def _found(pattern: re.Pattern[bytes], terminal: Terminal) -> float | None:
    recent = b"".join(data for _, data in terminal.output[-3:])
    found = pattern.search(recent[-2000:])
    return float(found[1]) if found else None


def _intact(prompt: Prompt, typed: str) -> bool:
    """Whether the half-typed line stands behind its prompt again, under whole lines from the left edge."""
    try:
        prompt.terminal.wait(lambda: prompt.here(typed), "the prompt", timeout=2)
    except TimedOut:
        return False
    above = [line for line in prompt.terminal.lines[: prompt.terminal.row] if line]
    return len(above) > 5 and all(re.match(r"line \d+$|flood since ", line) for line in above)


def memory(bench: Bench, program: Program) -> Samples:
    """The most memory the process has held, after one cell and three seconds at the prompt (Linux only).

    Those seconds are for what a program loads once the person can type.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    with bench.prompt(program) as prompt:
        prompt.run("print(6*7)")
        prompt.terminal.linger(3.0)
        text = Path(f"/proc/{prompt.terminal.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return {"memory": [int(found[1]) / 1024]} if found else {}


@dataclass(frozen=True)
class Measure:
    """One function with its name for ``--only`` and the programs that can be asked."""

    name: str
    samples: Callable[[Bench, Program], Samples]
    programs: tuple[Program, ...] = PROGRAMS


MEASURES = (
    Measure("start", start),
    Measure("nothing", run_nothing, (AIOREPL, ASYNCIO)),
    Measure("echo", echo),
    Measure("echo-spinning", echo_spinning, (AIOREPL, ASYNCIO, PTPYTHON)),  # IPython's loop runs during a cell only
    Measure("enter", enter),
    Measure("complete", complete, (AIOREPL, IPYTHON, PTPYTHON)),
    Measure("complete-crowd", complete_crowd, (AIOREPL, IPYTHON, PTPYTHON)),
    Measure("flood", flood, (AIOREPL, ASYNCIO, PTPYTHON)),
    Measure("memory", memory),
)
