"""An asyncio REPL; importing this package loads the standard library only."""

__version__ = "0.1.0"
__all__ = ["__version__"]
