"""What one session has switched: debug mode and its threshold, of which loops and until when; undone at its end."""

import asyncio
import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from aiorepl.alerts.debugmode import DEBUG, SLOW
from aiorepl.commands.context import Context, Undo
from aiorepl.model import Event, Notice

__all__ = ["DebugSession", "debug_session"]

Loop = asyncio.AbstractEventLoop


class _Limit(NamedTuple):
    """When debug mode is to be as it was, and what this session wished for then."""

    end: float
    seconds: float
    before: bool | None


class DebugSession:
    """Used on the session's own thread, and by its cells."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has been switched yet."""
        self._clock = clock
        self._limits: dict[Loop, _Limit] = {}

    def switch(self, loop: Loop, on: bool) -> None:
        """Have debug mode on or off until the session ends."""
        self._limits.pop(loop, None)
        DEBUG.put(loop, self, on)

    def switch_on_for(self, context: Context, loop: Loop, seconds: float) -> None:
        """Have debug mode on for some time; its end is announced."""
        running = self._limits.get(loop)
        before = running.before if running is not None else DEBUG.wish(loop, self)
        limit = self._limits[loop] = _Limit(self._clock() + seconds, seconds, before)
        DEBUG.put(loop, self, True)
        context.feed(partial(self._look, loop, limit))

    def set_slow(self, loop: Loop, seconds: float) -> None:
        """Have debug mode log callbacks from so many seconds on, until the session ends."""
        SLOW.put(loop, self, seconds)

    def wish(self, loop: Loop) -> bool | None:
        """Return what this session wishes for, if anything."""
        return DEBUG.wish(loop, self)

    def left(self, loop: Loop) -> float | None:
        """Return for how many seconds debug mode stays on; None if there is no limit."""
        limit = self._limits.get(loop)
        return max(0.0, limit.end - self._clock()) if limit is not None else None

    def close(self) -> None:
        """Leave every loop as it was found."""
        self._limits.clear()
        DEBUG.drop_all(self)
        SLOW.drop_all(self)

    def _look(self, loop: Loop, limit: _Limit) -> Iterable[Event] | None:
        if self._limits.get(loop) is not limit:
            return None
        if self._clock() < limit.end:
            return ()
        del self._limits[loop]
        if limit.before is None:
            DEBUG.drop(loop, self)
        else:
            DEBUG.put(loop, self, limit.before)
        return [Notice(f"the {limit.seconds:g} s are over: debug mode is {'on' if loop.get_debug() else 'off'}")]


_SESSIONS: "weakref.WeakKeyDictionary[Undo, DebugSession]" = weakref.WeakKeyDictionary()


def debug_session(context: Context) -> DebugSession:
    """Return what a session has switched; it is undone with the session."""
    # By what is undone at its end: a cell's context is another object, and shares that.
    session = _SESSIONS.get(context.undo)
    if session is None:
        session = _SESSIONS[context.undo] = DebugSession()
        context.undo.callback(session.close)
    return session
