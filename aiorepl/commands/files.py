"""``%run``, ``%load``, ``%save`` and ``%edit``: code from files and to files."""

import contextlib
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.script import script
from aiorepl.errors import CommandError
from aiorepl.model import Edit, Insert, Notice


@command(
    group="session",
    examples=[("%run setup.py", "run a file here"), ("%run tool.py --fast data.csv", "with arguments")],
)
async def run(context: Context, file: Path, *arguments: str) -> None:
    """Run a file here, with await allowed outside of functions.

    It runs in this session's namespace, so its names stay. Meanwhile sys.argv, __file__ and the first folder for
    imports are as python FILE has them.

    Args:
        file: The Python file.
        arguments: Its sys.argv[1:].
    """
    source = read(file)
    with _as_script(context, file, arguments):
        await context.execute(source, show=False, filename=str(file))


@command(group="session", looks=True, examples=[("%load draft.py", "edit the file's code, then Enter runs it")])
def load(context: Context, file: Path) -> None:
    """Put a file's code into the next prompt.

    Args:
        file: The Python file.
    """
    context.emit(Insert(read(file).rstrip("\n")))


@command(
    group="session",
    examples=[("%save work.py", "then: python work.py"), ("%save work.py --force", "write over it")],
)
def save(context: Context, file: Path, *, force: bool = False) -> None:
    """Save what succeeded in this session as a script for plain Python.

    Cells stand in one async main(), and the names that they bind are global. Commands become comments.

    Args:
        file: Where to write.
        force: Write over a file that is there.
    """
    text = script([entry for entry in context.entries if entry.ok])
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise CommandError(f"{file} exists; %save {file} --force writes over it") from None
    except (OSError, UnicodeEncodeError) as error:
        raise CommandError(f"cannot write {file}: {_reason(error)}") from None
    # In somebody's program the current folder is that of the program.
    context.emit(Notice(f"saved as {file if context.owned else file.absolute()}"))


@command(
    group="session",
    looks=True,
    examples=[
        ("%edit", "what was typed last"),
        ("%edit 3", "cell 3 again"),
        ("%edit tool.py", "a file's code"),
    ],
)
def edit(context: Context, what: str = "") -> None:
    """Edit code in $VISUAL or $EDITOR, then put it into the prompt.

    Args:
        what: A cell's number or a file; left out, the last thing typed. The file itself is not changed.
    """
    context.emit(Edit(_to_edit(context, what)))


def read(file: Path) -> str:
    """Return a Python file's text, decoded as its first lines say.

    Raises:
        CommandError: If it cannot be read or decoded.
    """
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise CommandError(f"cannot read {file}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _to_edit(context: Context, what: str) -> str:
    if not what:
        typed = [entry.text for entry in context.entries if not entry.text.lstrip().startswith("%")]
        return typed[-1] if typed else ""
    if not what.isdecimal():
        return read(Path(what).expanduser())
    for entry in context.entries:
        if entry.number == int(what):
            return entry.text
    raise CommandError(f"no cell {what}; %history lists them")


@contextlib.contextmanager
def _as_script(context: Context, file: Path, arguments: tuple[str, ...]) -> Iterator[None]:
    """Let ``sys.argv``, ``sys.path`` and ``__file__`` be what a script expects."""
    argv, folder = sys.argv, str(file.resolve().parent)
    # A program's own is there where the session is a guest in it.
    before = context.namespace.get("__file__")
    sys.argv = [str(file), *arguments]
    sys.path.insert(0, folder)
    context.namespace["__file__"] = str(file)
    try:
        yield
    finally:
        sys.argv = argv
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
        if before is None:
            context.namespace.pop("__file__", None)
        else:
            context.namespace["__file__"] = before
