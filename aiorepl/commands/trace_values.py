"""What ``%trace`` returns and announces: frozen plain data, drawn by ``aiorepl.render.describe_traces``."""

from typing import NamedTuple

from aiorepl.alerts.traced import TracedCall, TraceInfo

__all__ = ["TraceBegun", "TraceList", "TraceNews"]


class TraceBegun(NamedTuple):
    """A function is traced from now on."""

    trace: TraceInfo


class TraceList(NamedTuple):
    """What the session traces."""

    traces: tuple[TraceInfo, ...]


class TraceNews(NamedTuple):
    """Calls that have ended, ``more`` of them besides, and the traces that are over."""

    calls: tuple[TracedCall, ...]
    more: int = 0
    ended: tuple[TraceInfo, ...] = ()
