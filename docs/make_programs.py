"""Put real answers into the pages of the real programs, and into the page that lists them.

    python docs/make_programs.py [NAME ...]

Below each line ``<!-- what goes wrong -->`` in ``examples/*/README.md`` stands a block of commands: the program is
started, what goes wrong is brought about, and what is printed then replaces what stands there. From these pages
``docs/programs.md`` is made. Needs the packages of the extra ``test``, uvloop, and Python 3.14 for Jupyter's page.
"""

import contextlib
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "programs.md"
COMMAND = "$ "
BLOCK = re.compile(r"(?ms)(?<=^<!-- )([a-z_ ]+)( -->\n```text\n)(\$ .*?)(?=^```$)")

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import real_programs as programs  # noqa: E402
from processes import Home  # noqa: E402
from real_programs import Place, Program  # noqa: E402

# A program where something goes wrong, and a number for PID in the commands.
Incident = Callable[[Place], "contextlib.AbstractContextManager[Program]"]


@contextlib.contextmanager
def supplier_falls_silent(place: Place) -> Iterator[Program]:
    with programs.aiohttp_server(place) as (server, supplier):
        programs.falls_silent(server, supplier)
        yield server


@contextlib.contextmanager
def one_worker_hangs(place: Place) -> Iterator[Program]:
    with programs.fastapi_workers(place, "uvloop") as server, programs.load(server, "/invoice/1", "/invoice/2"):
        programs.asks_for_what_is_not_there(server)
        yield server


def bank(*paths: str, tasks: int = 0, kind: str = "lock") -> Incident:
    """The bank, asked for these addresses until so many tasks wait."""

    @contextlib.contextmanager
    def run(place: Place) -> Iterator[Program]:
        with programs.starlette_load(place) as server, programs.load(server, *paths):
            programs.wait_until(lambda: not tasks or programs.waiting(place, "bank", kind) > tasks, "nobody waits")
            yield server

    return run


@contextlib.contextmanager
def workers_are_gone(place: Place) -> Iterator[Program]:
    with programs.queue_worker(place) as program:
        programs.gives_bad_jobs(program)
        yield program


@contextlib.contextmanager
def index_stands_still(place: Place) -> Iterator[Program]:
    with programs.two_loops(place) as program, programs.says_a_word_with_a_mark(program):
        yield program


@contextlib.contextmanager
def mails_are_signed(place: Place) -> Iterator[Program]:
    with programs.dev_mode(place) as program, programs.signs_mails(program):
        yield program


INCIDENTS: dict[str, Incident] = {
    "the supplier falls silent": supplier_falls_silent,
    "one worker hangs": one_worker_hangs,
    "the deadlock": bank("/transfer/ann/bob", "/transfer/bob/ann", tasks=5),
    "the blocking call": bank("/balance/ann", "/statement/bob"),
    "the leak": bank("/balance/ann", "/watch/bob", tasks=200, kind="event"),
    "the workers are gone": workers_are_gone,
    "the index stands still": index_stands_still,
    "mails are signed": mails_are_signed,
    "jupyter": programs.jupyter,
}


def main(names: Sequence[str]) -> None:
    """Write the pages anew, or those of some programs."""
    for page in sorted(EXAMPLES.glob("*/README.md")):
        if not names or page.parent.name in names:
            page.write_text(answered(page.read_text()))
    PAGE.write_text(listed(PAGE.read_text()))


def answered(page: str) -> str:
    """Return a page with what is printed now."""
    return BLOCK.sub(lambda block: block[1] + block[2] + _answers(block[1], block[3]), page)


def _answers(incident: str, lines: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Home(Path(folder)))
        with INCIDENTS[incident](place) as program:
            asked = [line for line in lines.splitlines() if line.startswith(COMMAND)]
            return "".join(f"{line}\n{_run(line.removeprefix(COMMAND), program)}" for line in asked)


def _run(line: str, program: Program) -> str:
    """What a person sees of a command; where all is installed tells a reader nothing, nor do numbers of processes."""
    script = re.sub(r"\baiorepl\b", f"{sys.executable} -m aiorepl", line).replace("4711", program.number)
    home = program.place.home.path
    ended = subprocess.run(
        ["bash", "-c", script], cwd=home, env=program.place.environment, capture_output=True, text=True
    )
    shown = ended.stdout + ended.stderr
    places = {
        sysconfig.get_path("purelib"): "lib/site-packages",
        sysconfig.get_path("stdlib"): "lib/python",
        f"{EXAMPLES}{os.sep}": "",
        sys.executable: "python",
        str(home): "/srv",
        program.number: "4711",
    }
    for place, written in places.items():
        shown = shown.replace(place, written)
    return shown + (f"(exit status {ended.returncode})\n" if ended.returncode else "")


def listed(page: str) -> str:
    """Return the page that lists the programs, with the incident, the command and the answer of each."""
    head, mark, _ = page.partition("<!-- made by make_programs.py -->\n")
    return head + mark + "".join(_section(folder) for folder in _folders(head))


def _folders(head: str) -> list[Path]:
    """The programs in the order of the table."""
    return [EXAMPLES / name for name in re.findall(r"^\| \[(\w+)\]", head, re.MULTILINE)]


def _section(folder: Path) -> str:
    """What stands below the heading "What goes wrong" of a program's own page."""
    title, _, rest = (folder / "README.md").read_text().removeprefix("# ").partition("\n")
    wrong = rest.partition("## What goes wrong\n")[2]
    wrong = re.sub(r"(?m)^<!--.*-->\n", "", wrong)
    return f"\n## {title}\n{wrong.replace(chr(10) + '### ', chr(10) + '#### ')}"


if __name__ == "__main__":
    main(sys.argv[1:])
