"""What happened in a session, for those who follow it: the last of it, and from then on as it happens."""

from collections import deque
from collections.abc import Callable

from aiorepl.model import Output, Result
from aiorepl.remote.messages import Announced, Happened, Typed

__all__ = ["Said", "Scrollback"]

Said = Typed | Happened | Announced

# The most that is kept: messages, and characters of what was printed.
_MESSAGES = 500
_CHARACTERS = 200_000


class Scrollback:
    """The last messages of a session and those who want the next ones; used on the server's loop."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._said: deque[Said] = deque()
        self._characters = 0
        self._followers: list[Callable[[Said | None], None]] = []

    def add(self, said: Said) -> None:
        """Keep a message, and pass it on."""
        self._said.append(said)
        self._characters += _length(said)
        while len(self._said) > _MESSAGES or self._characters > _CHARACTERS:
            self._characters -= _length(self._said.popleft())
        for follower in self._followers:
            follower(said)

    def follow(self, follower: Callable[[Said | None], None]) -> Callable[[], None]:
        """Give a follower all that is kept, and then each message as it comes; None at the end of the session.

        Returns what ends that.
        """
        for said in self._said:
            follower(said)
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def end(self) -> None:
        """Tell the followers that the session has ended."""
        for follower in list(self._followers):
            follower(None)


def _length(said: Said) -> int:
    if isinstance(said, Typed):
        return len(said.text)
    event = said.event
    return len(event.text) if isinstance(event, Output | Result) else 1000
