"""An asyncio REPL, and a look at what every task of a loop is doing; importing this package loads next to nothing."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiorepl.alerts.watching import watch as watch
    from aiorepl.api import dump as dump
    from aiorepl.api import install_attach_signal as install_attach_signal
    from aiorepl.api import install_dump_signal as install_dump_signal
    from aiorepl.api import snapshot as snapshot
    from aiorepl.api import why as why
    from aiorepl.commands.registry import command as command
    from aiorepl.embedding import embed as embed
    from aiorepl.embedding import post_mortem as post_mortem
    from aiorepl.serving import serve as serve

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "command",
    "dump",
    "embed",
    "install_attach_signal",
    "install_dump_signal",
    "post_mortem",
    "serve",
    "snapshot",
    "watch",
    "why",
]

# Where each is defined if not in ``aiorepl.api``, which loads what draws as well.
_MODULES = {
    "command": "aiorepl.commands.registry",
    "embed": "aiorepl.embedding",
    "post_mortem": "aiorepl.embedding",
    "serve": "aiorepl.serving",
    "watch": "aiorepl.alerts.watching",
}


def __getattr__(name: str) -> object:
    """Load the public functions when one of them is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES.get(name, "aiorepl.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
