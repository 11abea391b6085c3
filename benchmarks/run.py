"""Measure aiorepl against python -m asyncio, IPython and ptpython, and print a table.

    python benchmarks/run.py [--only NAME] [--repeat N] [--python PATH] [--write FILE]

The programs are installed into environments of their own under ``.benchmarks-env/``. POSIX only. A whole run
takes about ten minutes; leave the machine alone meanwhile.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import environments  # noqa: E402

IN_DRIVER = "AIOREPL_BENCHMARKS_IN_DRIVER"


def main() -> int:
    """Make the environments, then run this file again in the one that has pyte."""
    arguments = _parse(sys.argv[1:])
    if IN_DRIVER in os.environ:
        _measure(arguments)
        return 0
    environments.make(arguments.python)
    driver = environments.interpreters(arguments.python)["driver"]
    command = [str(driver), __file__, *sys.argv[1:], "--python", arguments.python]
    return subprocess.run(command, env={**os.environ, IN_DRIVER: "1"}, check=False).returncode


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure aiorepl and its peers.")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this measure; may be repeated")
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="rounds over all programs (7)")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="the Python to measure with")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table there, too")
    return parser.parse_args(words)


def _measure(arguments: argparse.Namespace) -> None:
    from benchmarks import suite  # needs pyte

    try:
        text = suite.run(arguments.python, arguments.repeat, arguments.only)
    except suite.UnknownMeasure as error:
        raise SystemExit(str(error)) from None
    print(f"\n{text}")
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
