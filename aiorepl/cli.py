"""Arguments of the command line, and what they ask for."""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from aiorepl import __version__
from aiorepl.errors import AioreplError
from aiorepl.options import Options, add_settings, take_settings
from aiorepl.settings import Settings
from aiorepl.subcommands import SUBCOMMANDS

if TYPE_CHECKING:
    from argparse import ArgumentParser

__all__ = ["main"]

# Options of Python itself: with one of these, Python is started anew, so that they mean just what they mean there.
_PYTHON_FLAGS = ("-I", "-E", "-s", "-B", "-b", "-bb", "-O", "-OO", "-u", "-P", "-v")
_PYTHON_OPTIONS = ("-X", "-W")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``aiorepl`` with these arguments (those of the process unless given); return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    python, arguments = _python_options(arguments)
    if python:
        os.execv(sys.executable, [sys.executable, *python, "-m", "aiorepl", *arguments])
    options = _parse(arguments)
    if options.file and options.file[0] in SUBCOMMANDS:
        # Options that stand before the word are the subcommand's as well.
        word = options.file[0]
        before = arguments[: len(arguments) - len(options.file)]
        return _guarded(lambda: SUBCOMMANDS[word].main(word, [*before, *options.file[1:]]))
    settings = Settings()
    # Loading modules makes objects by the ten thousand and no garbage, which is looked for all the same: a tenth of the
    # time until the prompt. ``Application`` switches it on again.
    gc.disable()
    # What it takes to run is loaded after the arguments are known to be right.
    from aiorepl.application import Application

    def run() -> int:
        for name, value in options.settings.items():
            settings.set(name, value)
        return Application(options, settings).run()

    return _guarded(run)


def _guarded(run: Callable[[], int]) -> int:
    """Run to the end, or say in one line why that cannot be."""
    try:
        return run()
    except AioreplError as error:
        _fail(str(error))
    except BrokenPipeError:
        # Whoever read what is printed, as "| head" does, has seen enough. Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        _fail(f"cannot open {error.filename}: {error.strerror}")


def _python_options(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take Python's own options from the front of the arguments."""
    python: list[str] = []
    rest = list(arguments)
    kept: list[str] = []
    while rest and rest[0].startswith("-"):
        option = rest[0]
        if option in _PYTHON_FLAGS:
            python.append(rest.pop(0))
        elif option[:2] in _PYTHON_OPTIONS:
            count = 1 if len(option) > 2 else 2
            python += rest[:count]
            del rest[:count]
        elif option in ("-q", "-i", "--main-loop", "--debug"):
            kept.append(rest.pop(0))
        else:
            break
    return python, kept + rest


def _parse(arguments: list[str]) -> Options:
    # The usual ways to start need no parser, which takes as long to load as a tenth of Python.
    if not arguments:
        return Options()
    if arguments[0] == "-c" and len(arguments) > 1:
        return Options(code=arguments[1:])
    if not arguments[0].startswith("-"):
        return Options(file=arguments)
    parser = _parser()
    parsed = vars(parser.parse_args(arguments))
    for name, option in (("code", "-c"), ("module", "-m")):
        if parsed[name] == []:
            parser.error(f"argument {option}: expected {name}")
    settings = take_settings(parsed)
    return Options(**parsed, settings=settings)


def _parser() -> "ArgumentParser":
    import argparse

    parser = argparse.ArgumentParser(
        prog="aiorepl",
        usage="%(prog)s [options] [-c CODE | -m MODULE | FILE | COMMAND] [ARGS ...]",
        description="An asyncio REPL: Python with top-level await on a running event loop.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rest = argparse.REMAINDER
    parser.add_argument("-c", dest="code", nargs=rest, metavar="CODE", help="run this code, then exit")
    parser.add_argument("-m", dest="module", nargs=rest, metavar="MODULE", help="run a module, then exit")
    parser.add_argument("file", nargs=rest, metavar="FILE", help="run a file, then exit")
    parser.add_argument("-i", dest="interactive", action="store_true", help="stay at a prompt afterwards")
    parser.add_argument("-q", dest="quiet", action="store_true", help="no banner")
    parser.add_argument("--main-loop", action="store_true", help="the loop in the main thread, the prompt beside it")
    parser.add_argument("--debug", action="store_true", help="asyncio's debug mode, as asyncio.run(..., debug=True)")
    parser.add_argument("--loop", default="asyncio", metavar="LOOP", help="asyncio, uvloop, or module:factory")
    parser.add_argument("-V", "--version", action="version", version=f"aiorepl {__version__}")
    add_settings(parser)
    return parser


def _epilog() -> str:
    """List the subcommands; each has its own --help."""
    rows = [f"  {word:<22}{subcommand.summary}" for word, subcommand in SUBCOMMANDS.items()]
    return "\n".join(
        [
            "commands (a file of the same name is run as ./NAME; COMMAND --help tells more):",
            *rows,
            "",
            "Python's own -I, -E, -X and -W may stand first.",
        ]
    )


def _fail(message: str) -> NoReturn:
    print(f"aiorepl: {message}", file=sys.stderr)
    sys.exit(2)
