"""``aiorepl run``: a program in the main thread as Python would run it, and on a terminal a prompt beside it."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from aiorepl.main_program import MainProgram, main_file, main_module, without_runner
from aiorepl.options import Options, add_settings, take_settings

__all__ = ["main"]


def main(word: str, arguments: Sequence[str]) -> int:
    """Run the program that these arguments name; return its exit status.

    Raises:
        AioreplError: If there is no such program.
        OSError: If it cannot be read.
        SystemExit: From the program, and KeyboardInterrupt.
    """
    options = _parse(arguments)
    if options.module:
        program = main_module(options.module[0], options.module[1:])
    else:
        program = main_file(options.file[0], options.file[1:])
    return _run_alone(program)


def _run_alone(program: MainProgram) -> int:
    try:
        program.run(program.install())
    except (SystemExit, KeyboardInterrupt):
        # Python knows what is due then.
        sys.excepthook = _hiding_runner(sys.excepthook)
        raise
    except BaseException as error:
        _hiding_runner(sys.excepthook)(type(error), error, error.__traceback__)
        return 1
    return 0


def _hiding_runner(hook: Any) -> Any:
    def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        shown = without_runner(traceback)
        hook(kind, error.with_traceback(shown), shown)

    return excepthook


def _parse(arguments: Sequence[str]) -> Options:
    import argparse

    parser = argparse.ArgumentParser(
        prog="aiorepl run",
        usage="%(prog)s [options] (-m MODULE | FILE) [ARGS ...]",
        description="Run a program unmodified, in the main thread and with its own exit status, and a prompt beside "
        "it: cells run on the program's loop and in its namespace. Without a terminal it runs as with python.",
    )
    rest = argparse.REMAINDER
    parser.add_argument("-m", dest="module", nargs=rest, metavar="MODULE", help="run a module")
    parser.add_argument("file", nargs=rest, metavar="FILE", help="run a file")
    parser.add_argument(
        "-i", dest="interactive", action="store_true", help="keep the prompt when the program has ended"
    )
    parser.add_argument("-q", dest="quiet", action="store_true", help="no banner")
    add_settings(parser)
    parsed = vars(parser.parse_args(arguments))
    settings = take_settings(parsed)
    if not (parsed["module"] or parsed["file"]):
        parser.error("which program? a FILE, or -m and a MODULE")
    return Options(**parsed, settings=settings)
