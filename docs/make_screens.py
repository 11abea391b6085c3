"""Make the pictures of the README: real sessions of a real aiorepl on a pseudo-terminal.

    python docs/make_screens.py [NAME ...]

Each scenario below becomes ``docs/screens/NAME.svg``, and ``NAME.txt`` to see in a diff what has changed; one of
them is kept as a recording as well (``asciinema play docs/screens/session.cast``). Needs pyte. POSIX only.
"""

import argparse
import codecs
import io
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.terminal import Screen, Terminal, environment

SCREENS = Path(__file__).resolve().parent / "screens"
ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-m", "aiorepl")
PROMPTS = (">>>", "...")
RECORDED = "session"

CTRL_C, CTRL_Z, ENTER = "\x03", "\x1a", "\r"


@dataclass(frozen=True)
class Step:
    """Keys to press, and what to wait for after them: a regular expression, or the next prompt (None)."""

    keys: str
    until: str | None = None


@dataclass(frozen=True)
class Scenario:
    """One picture: what is done before it is taken, and the window's size.

    ``command`` is run in the checkout, so that a program of the examples is named as a person there would.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    rows: int = 24
    columns: int = 86
    command: tuple[str, ...] = COMMAND


def line(code: str, until: str | None = None) -> Step:
    """A line and Enter."""
    return Step(code + ENTER, until)


FETCH = (
    line("async def fetch(n):"),
    line("await asyncio.sleep(n)"),
    line("print(f'fetched {n}')"),
    line("return n * 10"),
    line(""),
)

TRANSFER = (
    line("async def transfer(source, target):"),
    line("async with source:"),
    line("await asyncio.sleep(.5)"),
    line("async with target:"),
    line("print('done')"),
    line(""),
)

SCENARIOS = (
    Scenario(
        "stuck",
        "a deadlock",
        (
            line("mine, yours = asyncio.Lock(), asyncio.Lock()"),
            *TRANSFER,
            line("both = ('there', mine, yours), ('back', yours, mine)"),
            line("tasks = [asyncio.create_task(transfer(a, b), name=n) for n, a, b in both]"),
            line("await asyncio.sleep(1)"),
            line("%tasks"),
            line("%why there"),
            line("%stuck"),
        ),
        rows=34,
    ),
    Scenario(
        "alerts",
        "told while it happens",
        (
            line("import time"),
            line("async def report():"),
            line("await asyncio.sleep(.5)"),
            line("time.sleep(2)"),
            line(""),
            line("tasks = [asyncio.create_task(report(), name='report'), asyncio.create_task(asyncio.sleep(9))]"),
            Step("half a li", r"held the loop in time\.sleep"),
            Step(CTRL_C),
            line("def order(): asyncio.sleep(1)"),
            line(""),
            line("order()", r"never awaited"),
            line("%alerts"),
        ),
        rows=40,
    ),
    Scenario(
        "session",
        "aiorepl",
        (
            *FETCH,
            line("slow = asyncio.create_task(fetch(2))"),
            line("await asyncio.gather(fetch(.1), fetch(.2))", r"\[1.0, 2.0\]"),
            line("fetch(1)"),
            line("async def worker(): raise ConnectionError('no route to host')"),
            line(""),
            line("task = asyncio.create_task(worker())", r"shows the traceback"),
            Step("await asyncio.wait_for(slow, ", "Signature|timeout"),
        ),
        rows=36,
    ),
    Scenario(
        "interrupts",
        "Ctrl-C hits the cell and nothing else",
        (
            line("import time"),
            line("ticker = asyncio.create_task(asyncio.sleep(1000), name='ticker')"),
            line("await asyncio.Event().wait()", r"waits on"),
            Step(CTRL_C),
            line("while True: pass"),
            line("", "pass"),
            Step(CTRL_C),
            line("time.sleep(1000)", "sleep"),
            Step(CTRL_C, "Ctrl-C again"),
            Step(CTRL_C),
            line("await asyncio.sleep(1, 'the result of a job') &"),
            line("%jobs", "result of a job'\n"),
        ),
        rows=26,
    ),
    Scenario(
        "waiting",
        "A cell that waits says on what",
        (line("queue = asyncio.Queue()"), line("await asyncio.wait_for(queue.get(), 60)", r"waits on")),
        rows=8,
        columns=100,
    ),
    Scenario("completion", "Completion while typing", (Step("await asyncio.", "wait|gather|all_tasks"),), rows=16),
    Scenario(
        "exception-group",
        "A traceback begins with your code",
        (
            line("async def fail(error): raise error"),
            line(""),
            line("results = await asyncio.gather("),
            line("fail(ValueError('first')), fail(KeyError('second')), return_exceptions=True)"),
            line("raise ExceptionGroup('two of two failed', results)", r"KeyError: 'second'"),
        ),
        rows=30,
    ),
    Scenario(
        "hints",
        "What to type instead",
        (
            line("async def main(): return 42"),
            line(""),
            line("main()"),
            line("import time; other = asyncio.create_task(asyncio.sleep(60))"),
            line("time.sleep(.3)"),
        ),
        rows=14,
    ),
    Scenario(
        "beside",
        "aiorepl run examples/service.py",
        (
            line("served, REQUESTS.qsize(), factors(1001)"),
            line("%tasks"),
            line("pause = 5; await asyncio.sleep(1, served)"),
            line("%why guest-1"),
            line("%quit", r"ended .* after"),
        ),
        rows=34,
        columns=100,
        command=(*COMMAND, "run", "examples/service.py"),
    ),
    Scenario(
        "embed",
        "await aiorepl.embed()",
        (
            line("order, stock, missing"),
            line("%tasks"),
            line("await asyncio.sleep(1); stock['loaves'] += 2"),
            Step("\x04", r"(?s)post_mortem|KeyError.*>>> "),
            line("what, stock"),
        ),
        rows=32,
        columns=100,
        command=(sys.executable, "examples/embedded.py"),
    ),
    Scenario("timeit", "%timeit awaits", (line("%timeit await asyncio.sleep(0)", "per loop"),), rows=10),
    Scenario("help", "%help", (line("%help"),), rows=50),
)


# pyte's names of colours, its misspelling included, by their number.
NAMES = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
NUMBERS = {name: number for number, name in enumerate(NAMES)}
NUMBERS |= {f"bright{name}": number + 8 for number, name in enumerate(NAMES)} | {"bfightmagenta": 13}


def rgb(hexadecimal: str) -> list[tuple[int, int, int]]:
    """Colours as Rich takes them, from a line of hexadecimal ones."""
    numbers = [int(word, 16) for word in hexadecimal.split()]
    return [(number >> 16, number >> 8 & 255, number & 255) for number in numbers]


THEME = TerminalTheme(
    background=rgb("1e2028")[0],
    foreground=rgb("dcdfe4")[0],
    normal=rgb("404452 f07178 98c379 e5c07b 61afef c68ce6 56c8d2 c8ccd4"),
    bright=rgb("787f91 ff868c b2dc91 f5d696 82c3ff dba5fa 78dce6 ffffff"),
)

# Rich's own frame loads a font from elsewhere, which GitHub does not allow.
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    """Make the pictures asked for, or all."""
    parser = argparse.ArgumentParser(description="Make the pictures of real sessions.")
    parser.add_argument("name", nargs="*", help=f"of {', '.join(scenario.name for scenario in SCENARIOS)}; or all")
    names = parser.parse_args().name
    SCREENS.mkdir(exist_ok=True)
    for scenario in SCENARIOS:
        if not names or scenario.name in names:
            print(scenario.name, flush=True)
            make(scenario)


def make(scenario: Scenario) -> None:
    """Play a scenario and write its files."""
    with tempfile.TemporaryDirectory() as folder:
        size = {"columns": scenario.columns, "rows": scenario.rows}
        variables = environment(Path(folder), PYTHONPATH=str(ROOT))
        directory = Path(folder) if scenario.command is COMMAND else ROOT
        with Terminal(scenario.command, variables, directory=directory, **size) as terminal:
            play(terminal, scenario.steps)
            (SCREENS / f"{scenario.name}.txt").write_text(terminal.text + "\n")
            (SCREENS / f"{scenario.name}.svg").write_text(picture(terminal.screen, scenario))
        if scenario.name == RECORDED:
            (SCREENS / "session.cast").write_text("".join(recording(terminal, scenario)))


def play(terminal: Terminal, steps: Sequence[Step]) -> None:
    """Type at a person's pace, and wait after each step for what it brings."""
    wait_for(terminal, None)
    for step in steps:
        terminal.linger(0.4)
        for key in step.keys:
            terminal.linger(0.03)
            terminal.send(key)
        wait_for(terminal, step.until)
    terminal.settle(quiet=0.3)


def wait_for(terminal: Terminal, pattern: str | None) -> None:
    """Wait until a pattern is on the screen, or the cursor stands at an empty prompt."""
    if pattern is None:
        terminal.wait(lambda: terminal.before_cursor.strip() in PROMPTS, "the prompt")
    else:
        terminal.wait(lambda: terminal.shows(pattern), f"the pattern {pattern!r}")


def picture(screen: Screen, scenario: Scenario) -> str:
    """Draw the screen as SVG, down to the last line that is not empty."""
    used = 1 + max(row for row, text in enumerate(screen.display) if text.strip() or row == screen.cursor.y)
    console = Console(record=True, width=screen.columns, file=io.StringIO(), force_terminal=True)
    for row in range(used):
        console.print(drawn_line(screen, row), no_wrap=True)
    return console.export_svg(
        title=scenario.title, theme=THEME, code_format=FRAME, unique_id=scenario.name, font_aspect_ratio=0.6
    )


def drawn_line(screen: Screen, row: int) -> Text:
    """One line, in stretches of one style each; where the cursor is, a block."""
    text = Text(end="")
    cells = ((screen.buffer[row][column].data, style_at(screen, row, column)) for column in range(screen.columns))
    for style, stretch in itertools.groupby(cells, key=lambda cell: cell[1]):
        text.append("".join(data for data, _ in stretch), style)
    return text


def style_at(screen: Screen, row: int, column: int) -> Style:
    """A cell's style in Rich's words."""
    cell = screen.buffer[row][column]
    at_cursor = not screen.cursor.hidden and (row, column) == (screen.cursor.y, screen.cursor.x)
    return Style(
        color=color_of(cell.fg),
        bgcolor=color_of(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        strike=cell.strikethrough,
        reverse=cell.reverse != at_cursor,
    )


def color_of(name: str) -> Color | None:
    """pyte tells a colour by its name, or by six hexadecimal digits."""
    if name == "default":
        return None
    return Color.from_ansi(NUMBERS[name]) if name in NUMBERS else Color.parse(f"#{name}")


def recording(terminal: Terminal, scenario: Scenario) -> Iterator[str]:
    """The lines of an asciicast (version 2) of all that the program wrote."""
    size = {"width": scenario.columns, "height": scenario.rows}
    yield json.dumps({"version": 2, **size, "title": scenario.title}) + "\n"
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for when, data in terminal.output:
        yield json.dumps([round(when - terminal.started, 3), "o", decoder.decode(data)]) + "\n"


if __name__ == "__main__":
    main()
