"""What commands have to announce from now on, asked for and not pushed: nobody waits for a session that is slow."""

from collections.abc import Callable

from aiorepl.commands.context import Feed
from aiorepl.introspect.failures import describe
from aiorepl.model import Event

__all__ = ["Feeds"]


class Feeds:
    """The feeds of a session; all but ``add`` on the session's own thread."""

    def __init__(self, tell: Callable[[Event], object]) -> None:
        """Start with none; ``tell`` announces an event."""
        self._tell = tell
        self._feeds: list[Feed] = []

    def add(self, feed: Feed) -> None:
        """Ask this one too from now on; any thread may call."""
        self._feeds.append(feed)

    def ask(self) -> None:
        """Announce what each has; one that is over, or fails, is not asked again."""
        for feed in list(self._feeds):
            try:
                events = feed()
            except Exception as error:
                self._tell(describe(error))
                events = None
            if events is None:
                self._feeds.remove(feed)
            for event in events or ():
                self._tell(event)
