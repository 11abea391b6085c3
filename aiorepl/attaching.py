"""``aiorepl attach``: a prompt in a process that was not prepared for it, or a look at it from outside."""

import sys
from collections.abc import Sequence
from typing import Any

from aiorepl.options import add_settings, take_settings

__all__ = ["main"]


def main(word: str, arguments: Sequence[str]) -> int:
    """Attach to a process and open a prompt there, or look at it from outside; return the exit status.

    Raises:
        AioreplError: If the arguments are wrong, or the process cannot be attached to; says why.
    """
    parsed = _parse(arguments)
    if parsed.pop("outside"):
        return _look(parsed["pid"], as_json=parsed["json"])
    return _attach(parsed)


def _attach(parsed: dict[str, Any]) -> int:
    from aiorepl.remote.attach.attaching import attach

    pid, quiet = parsed["pid"], parsed["quiet"]
    settings = take_settings(parsed)
    try:
        attached = attach(
            pid,
            options={"write": parsed["write"]},
            gdb=parsed["gdb"],
            patience=parsed["timeout"],
            tell=lambda text: _say(text),
        )
    except KeyboardInterrupt:
        _say(f"process {pid} is left alone")
        return 130
    from aiorepl.connected import converse
    from aiorepl.remote.discovery import Found

    status = converse(Found(pid, "attached", ""), quiet=quiet, settings=settings, connected=attached.socket)
    if attached.wait_until_left():
        text = "left as it was, but for the modules of Python's own that were loaded"
    else:
        text = "what was changed has not been undone yet: it will be when its threads get on"
    if not quiet and sys.stdin.isatty():
        _say(f"process {pid}: {text}")
    return status


def _look(pid: int, *, as_json: bool) -> int:
    from aiorepl.remote.attach.look import look_from_outside
    from aiorepl.remote.attach.process import find_process
    from aiorepl.remote.attach.refusals import check_readable

    process = find_process(pid)
    check_readable(process)
    found = look_from_outside(process)
    if as_json:
        import json

        from aiorepl.commands.json_data import to_data

        print(json.dumps(to_data(found), indent=2, ensure_ascii=False))
        return 0
    from aiorepl.render.plain import draw

    print(draw(found, _columns(), ascii="utf" not in (sys.stdout.encoding or "").lower()), end="")
    return 0


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((120, 40)).columns if sys.stdout.isatty() else 120


def _say(text: str) -> None:
    print(f"aiorepl: {text}", file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str]) -> dict[str, Any]:
    import argparse

    parser = argparse.ArgumentParser(
        prog="aiorepl attach",
        description="Open a prompt in a running process, which needs neither to be prepared nor to have aiorepl: cells "
        "run on its loop and see its names. It takes Python 3.14 or newer at both ends, and the right to trace the "
        "process. Leaving takes everything out of it again but the modules that were loaded.",
        conflict_handler="resolve",
    )
    # One of the settings has the name of an option of ours, and is set by %set only.
    add_settings(parser)
    parser.set_defaults(look=None)
    parser.add_argument("pid", type=int, metavar="PID", help="the process's number")
    parser.add_argument("--look", dest="outside", action="store_true", help="only read its tasks and stacks")
    parser.add_argument("--json", action="store_true", help="with --look: as JSON")
    parser.add_argument("--write", action="store_true", help="allow from the start what changes the process")
    parser.add_argument("--gdb", action="store_true", help="before Python 3.14: use gdb to get in")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="give up after so long (30)")
    parser.add_argument("-q", dest="quiet", action="store_true", help="no banner")
    return vars(parser.parse_args(arguments))
