"""An asynchronous generator that was left before its end and collected: its ``finally`` runs at some later time."""

import asyncio
import sys
from collections.abc import Callable
from types import AsyncGeneratorType
from typing import Any

from aiorepl.alerts.blocked import Report
from aiorepl.alerts.places import frame_at, line_text
from aiorepl.alerts.values import Alert
from aiorepl.introspect.chain import bounded
from aiorepl.introspect.loops import number_of

__all__ = ["GeneratorWatch"]


class GeneratorWatch:
    """Stands before the finalizer that a running loop has set for its thread; used on that thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Report) -> None:
        """Watch nothing yet."""
        self._loop = loop
        self._report = report
        self._inner: Callable[[Any], None] | None = None

    def renew(self) -> None:
        """Stand before the finalizer, if that is not so: the loop sets it anew whenever it begins to run."""
        firstiter, finalizer = sys.get_asyncgen_hooks()
        if finalizer is not None and finalizer != self._finalize:
            self._inner = finalizer
            sys.set_asyncgen_hooks(firstiter=firstiter, finalizer=self._finalize)

    def undo(self) -> None:
        """Let the loop's own finalizer take over."""
        firstiter, finalizer = sys.get_asyncgen_hooks()
        if finalizer == self._finalize:
            sys.set_asyncgen_hooks(firstiter=firstiter, finalizer=self._inner)

    def _finalize(self, generator: Any) -> None:
        self._tell(generator)
        if self._inner is not None:
            self._inner(generator)

    def _tell(self, generator: "AsyncGeneratorType[Any, Any]") -> None:
        frame = getattr(generator, "ag_frame", None)
        if frame is None:
            return
        where = frame_at(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
        self._report(
            Alert(
                "unclosed",
                f"the asynchronous generator {bounded(generator.__qualname__)} was left before its end",
                where=where,
                source=line_text(where),
                loop=number_of(self._loop),
                cure="Its cleanup runs at some later time. Use: async with contextlib.aclosing(...) as items",
            ),
            None,
        )
