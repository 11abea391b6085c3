"""``aiorepl run``: a program in the main thread as Python would run it, and on a terminal a prompt beside it."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from types import ModuleType

from aiorepl import __version__
from aiorepl.main_program import MainProgram, main_file, main_module, without_runner
from aiorepl.model import Notice
from aiorepl.options import Options, add_settings, take_settings
from aiorepl.settings import Settings

__all__ = ["main"]


def main(word: str, arguments: Sequence[str]) -> int:
    """Run the program that these arguments name; return its exit status.

    Raises:
        AioreplError: If there is no such program, or a setting is wrong.
        OSError: If it cannot be read.
        SystemExit: From the program, and KeyboardInterrupt.
    """
    options = _parse(arguments)
    settings = Settings()
    for name, value in options.settings.items():
        settings.set(name, value)
    if options.module:
        program = main_module(options.module[0], options.module[1:])
    else:
        program = main_file(options.file[0], options.file[1:])
    from aiorepl.prompt_thread import no_terminal

    if no_terminal():
        return _end(_run(program, program.install()))
    return _run_beside_prompt(program, options)


def _run(program: MainProgram, main: ModuleType) -> BaseException | None:
    """Run the program to its end; return what it ended with, which has been shown if Python would show it."""
    try:
        program.run(main)
    except SystemExit as error:
        return error
    except BaseException as error:
        shown = without_runner(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(shown), shown)
        return error
    return None


def _end(error: BaseException | None) -> int:
    """Return the exit status of a program that ended with this.

    Raises:
        SystemExit: Python knows what is due then, and with KeyboardInterrupt.
    """
    if isinstance(error, KeyboardInterrupt):
        # Python ends the process by the signal, as a shell has to know; the traceback has been shown.
        sys.excepthook = lambda *_: None
        raise error
    if isinstance(error, SystemExit):
        raise error
    return 0 if error is None else 1


def _run_beside_prompt(program: MainProgram, options: Options) -> int:
    # Not loaded where there is no prompt.
    from aiorepl.companion import Companion
    from aiorepl.interpret.program_namespace import ProgramNamespace
    from aiorepl.prompt_thread import PromptThread

    main = program.install()
    name = options.module[0] if options.module else os.path.basename(program.path)
    companion = Companion(ProgramNamespace(main.__dict__, adopts=True), name)
    banner = () if options.quiet else (Notice(_banner(name)),)
    prompt = PromptThread(companion.make_session, first=banner, settings=options.settings, attend=companion.attend)
    prompt.claim()
    prompt.start()
    if (failed := prompt.ready.exception()) is not None:
        print(f"aiorepl: no prompt: {type(failed).__name__}: {failed}", file=sys.stderr)
        return _end(_run(program, main))
    prompt.ended.add_done_callback(lambda _: companion.prompt_ended())
    started = time.perf_counter()
    error = _run(program, main)
    _join_threads()
    companion.program_ended(error, time.perf_counter() - started, stays=options.interactive)
    was_there = not prompt.ended.done()
    if not options.interactive:
        prompt.leave()
    prompt.ended.result()
    if options.interactive and was_there:
        return prompt.left.status if prompt.left is not None else 0
    return _end(error)


def _join_threads() -> None:
    """Wait for the program's threads, as Python does at its end, and before that for the prompt."""
    pool = sys.modules.get("concurrent.futures.thread")
    for thread in threading.enumerate():
        # Those of an executor wait for work for ever; Python ends them.
        works = pool is not None and thread in pool._threads_queues
        if not (thread.daemon or thread is threading.main_thread() or works):
            thread.join()


def _banner(name: str) -> str:
    return (
        f"aiorepl {__version__} beside {name}: cells run on its loop and in its names.\n"
        "Ctrl-D leaves the prompt only, %quit stops the program; %help lists the commands."
    )


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
