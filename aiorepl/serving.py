"""``aiorepl.serve`` and ``aiorepl.command``: what an app calls to be reached, and to offer commands of its own.

Standard library only, and next to nothing of that is loaded before the first client comes.
"""

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiorepl.remote.loading import FORKING
from aiorepl.remote.offer import Offer, program_loop
from aiorepl.remote.server import Server
from aiorepl.remote.sockets import usable_name

if TYPE_CHECKING:
    from aiorepl.interpret.interpreter import Represent
    from aiorepl.settings import Settings

__all__ = ["program_name", "represent", "serve"]


def serve(
    name: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    read_only: bool = False,
    namespace: dict[str, object] | None = None,
) -> Server:
    """Let this user connect to the process, with ``aiorepl connect`` and the other commands of the shell.

    A thread of its own listens on a Unix socket; nothing else is done before a client comes. Cells run on the loop that
    is running where this is called, or else on the one that runs when the client comes. Each client has a session of
    its own, and leaving it ends nothing but its own cells.

    Args:
        name: What the process is to be called; the program's name if left out.
        path: Where the socket is to be, instead of in the user's own folder. Child processes add their number.
        read_only: Clients can look, and change nothing.
        namespace: The names that cells see, instead of those of the program's ``__main__``.

    Returns:
        What ends it with ``close()``; also a context manager.

    Raises:
        ServeError: If the socket cannot be made, or the name is none.
    """
    offer = Offer(
        program_name() if name is None else usable_name(name),
        "read-only" if read_only else "write",
        namespace,
        program_loop(),
        represent,
    )
    return Server(offer, None if path is None else os.path.abspath(path))


def program_name() -> str:
    """Make a name of the file, or the module's package, that was started."""
    started = sys.argv[0] if getattr(sys, "argv", None) else ""
    file = os.path.basename(started).removesuffix(".py")
    if file == "__main__":
        file = os.path.basename(os.path.dirname(started))
    name = re.sub(r"[^A-Za-z0-9_.+-]", "-", file).lstrip(".+-")[:40]
    return name if name and not name.isdecimal() else "python"


def represent(settings: "Settings", columns: Callable[[], int]) -> "Represent":
    """Return what shows the values of a session's cells; it is loaded for the first one."""
    with FORKING.kept_away():
        import aiorepl.render.plain
        import aiorepl.render.values  # noqa: F401 - needed by the first value that is shown
        from aiorepl.render.results import bounded

    return bounded(settings, columns)
