"""A heartbeat on the user's loop, felt from outside: how late it runs what is due, and whether it answers at all."""

import asyncio
import time
from collections.abc import Callable

from aiorepl.interpret.host import Host

__all__ = ["Pulse"]

# Seconds between beats.
PERIOD = 0.1


class Pulse:
    """Sends a beat, and the next one only when that has been answered."""

    def __init__(self, host: Callable[[], Host]) -> None:
        """Feel the pulse of whatever host is the current one."""
        self._host = host
        self._sent: float | None = None
        self._sent_to: Host | None = None
        self._lag: float | None = None

    @property
    def lag(self) -> float | None:
        """How late the loop ran the last beat, or how long it has not answered; None before the first."""
        overdue = self.overdue
        return overdue if overdue > (self._lag or 0.0) else self._lag

    @property
    def overdue(self) -> float:
        """Seconds for which a beat has not been answered; 0.0 if none is out."""
        return 0.0 if self._sent is None else time.perf_counter() - self._sent

    def beat(self) -> None:
        """Send a beat unless one is out; called every now and then."""
        host = self._host()
        if self._sent is not None and self._sent_to is host:
            return
        sent = self._sent = time.perf_counter()
        self._sent_to = host

        def answer() -> None:
            if self._sent_to is host:
                self._lag = time.perf_counter() - sent
                self._sent = None

        host.call(answer)

    async def run(self, also: Callable[[], None]) -> None:
        """Beat for ever, and call ``also`` after each beat."""
        while True:
            self.beat()
            also()
            await asyncio.sleep(PERIOD)
