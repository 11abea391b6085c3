"""The traces of a session: begun, fed to it little by little, and ended with it."""

import time
import weakref
from collections.abc import Callable, Sequence

from aiorepl.alerts.trace import Trace
from aiorepl.alerts.traced import TraceInfo
from aiorepl.commands.context import Context, Undo
from aiorepl.commands.trace_values import TraceNews
from aiorepl.errors import CommandError
from aiorepl.model import Answer, Event

__all__ = ["Followed", "SessionTraces", "traces_of"]

# How many calls of one trace are shown within a second, and how many when it is ended by hand.
_SHOWN = 20


class Followed:
    """A trace whose news a session shows; a burst is cut short, so that the prompt stays readable."""

    def __init__(self, trace: Trace, clock: Callable[[], float] = time.monotonic) -> None:
        """Show what comes from now on."""
        self.trace = trace
        self._clock = clock
        # How many more may be shown until a second has passed since then.
        self._left = _SHOWN
        self._since = clock()
        # The end has been shown, or nobody wants to see it.
        self.over = False

    def feed(self) -> list[Event] | None:
        """Return the news; None when there will be no more. On the session's own thread."""
        if self.over:
            return None
        self.trace.tidy()
        now = self._clock()
        if now - self._since >= 1.0:
            self._since, self._left = now, _SHOWN
        if self.trace.finished:
            return [Answer(self.last_news())]
        if not self._left:
            return []
        calls, more = self.trace.take(self._left)
        # What was left out is told once a second.
        self._left = 0 if more else self._left - len(calls)
        return [Answer(TraceNews(calls, more))] if calls else []

    def last_news(self) -> TraceNews:
        """Return what has not been shown yet, with the end."""
        self.over = True
        calls, more = self.trace.take(_SHOWN)
        return TraceNews(calls, more, (self.trace.info,))


class SessionTraces:
    """What one session traces; used on any of its threads."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._followed: list[Followed] = []

    @property
    def active(self) -> list[Followed]:
        """Those that are not over, oldest first."""
        self._followed = [one for one in self._followed if not one.over]
        return self._followed

    def begin(self, context: Context, trace: Trace) -> TraceInfo:
        """Start a trace, and announce its calls.

        Raises:
            CommandError: If that is not possible.
        """
        trace.start()
        followed = Followed(trace)
        self.active.append(followed)
        context.feed(followed.feed)
        return trace.info

    def end(self, chosen: Sequence[Followed]) -> TraceNews:
        """End some of them; return what has not been shown yet."""
        news = []
        for followed in chosen:
            followed.trace.stop("ended by %trace off")
            news.append(followed.last_news())
        calls = tuple(call for one in news for call in one.calls)
        return TraceNews(calls, sum(one.more for one in news), tuple(info for one in news for info in one.ended))

    def chosen(self, name: str | None) -> Sequence[Followed]:
        """Return all, or those that are called so.

        Raises:
            CommandError: If there are none.
        """
        active = self.active
        if not active:
            raise CommandError("nothing is traced; %trace FUNC --max 10 shows ten calls of a function")
        chosen = active if name is None else [one for one in active if one.trace.name == name]
        if not chosen:
            raise CommandError(f"{name} is not traced; traced: {', '.join(one.trace.name for one in active)}")
        return list(chosen)

    def close(self) -> None:
        """End all and show nothing of it: the session is over."""
        for followed in self.active:
            followed.over = True
            followed.trace.stop("the session has ended")


_SESSIONS: "weakref.WeakKeyDictionary[Undo, SessionTraces]" = weakref.WeakKeyDictionary()


def traces_of(context: Context) -> SessionTraces:
    """Return what a session traces; it is ended with the session."""
    # By what is undone at its end: a cell's context is another object, and shares that.
    traces = _SESSIONS.get(context.undo)
    if traces is None:
        traces = _SESSIONS[context.undo] = SessionTraces()
        context.undo.callback(traces.close)
    return traces
