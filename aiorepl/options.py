"""What the command line asks for."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Options"]


class Options(NamedTuple):
    """The arguments; of ``code``, ``module`` and ``file`` one at most is given, followed by the program's arguments."""

    code: Sequence[str] | None = None
    module: Sequence[str] | None = None
    file: Sequence[str] = ()
    interactive: bool = False
    quiet: bool = False
    main_loop: bool = False
    loop: str = "asyncio"
    settings: Mapping[str, str] = {}
