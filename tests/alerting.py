"""Cells of a real session, and the alerts that come of them, as they stand on the screen."""

import asyncio
import contextlib
import re
import threading
from collections.abc import AsyncIterator, Callable

from command_session import new_session
from sessions import PATIENCE, Conversation, conversation

from aiorepl.alerts.values import Alert
from aiorepl.model import AlertRaised, Event
from aiorepl.render.plain import draw
from aiorepl.session.local import LocalSession

# Wide enough that no line of an alert is broken.
WIDTH = 200
_TIME = re.compile(r"(about )?\b\d+(\.\d+)? (us|ms|s)\b")


class Watched:
    """A conversation, of which the alerts are looked at; ``seen`` in a cell is set when a ``wanted`` one has come."""

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.session = talk.session
        self.seen = threading.Event()
        self.session.namespace["seen"] = self.seen
        self.wanted = ""
        self.session.alerts.listen(self._heard)

    def _heard(self, alert: Alert) -> None:
        if alert.kind == self.wanted:
            self.seen.set()

    async def type(self, *cells: str) -> list[Event]:
        """Submit cells one after the other; the events of all of them."""
        events: list[Event] = []
        for cell in cells:
            events += await self.talk.type(cell)
        return events

    def alerts(self, kind: str = "") -> list[Alert]:
        """What has been told so far, in its order."""
        told = [event.alert for event in self.talk.announced if isinstance(event, AlertRaised)]
        return [alert for alert in told if isinstance(alert, Alert) and kind in ("", alert.kind)]

    async def alert(self, kind: str, phase: str = "") -> Alert:
        """Wait for an alert of a kind."""

        def wanted(found: list[Alert]) -> list[Alert]:
            return [alert for alert in found if phase in ("", alert.phase)]

        return wanted(await self.several(kind, wanted))[-1]

    async def several(self, kind: str, enough: Callable[[list[Alert]], object]) -> list[Alert]:
        """Wait until enough alerts of a kind have come."""
        async with asyncio.timeout(PATIENCE):
            while not (found := self.alerts(kind)) or not enough(found):
                await self.talk.news()
        return found

    async def looked(self, times: int = 8) -> None:
        """Wait until the loop has been looked at so often from now on; tasks are with every fourth look."""
        pulse = self.session.alerts.pulse(self.session.host.loop)
        assert pulse is not None
        async with asyncio.timeout(PATIENCE):
            end = pulse.ticks + times
            # The watching thread tells nobody of its looks.
            while pulse.ticks < end:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def watched(session: LocalSession | None = None, **settings: object) -> AsyncIterator[Watched]:
    """Open a session with these settings; a new one unless given."""
    session = session or new_session()
    for name, value in settings.items():
        if name in session.settings:
            session.settings.set(name, value)
        else:
            session.alerts.set_rules(session.alerts.rules._replace(**{name: value}))  # type: ignore[arg-type]
    async with conversation(session) as talk:
        yield Watched(talk)


def drawn(alert: Alert) -> list[str]:
    """The lines above the prompt, with every time as ``T`` and ``~T``, and without the alert's number."""
    text = re.sub(r"^! \d+ ", "! ", draw(alert, WIDTH))
    text = re.sub(r"%alerts \d+", "%alerts N", text)
    return _TIME.sub(lambda found: "~T" if found[1] else "T", text).splitlines()
