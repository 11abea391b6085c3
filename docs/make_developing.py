"""Put the real answers of a real session into the page about "Developing with asyncio".

    python docs/make_developing.py

In ``docs/developing.md`` each block that begins with a prompt is typed, from the page's top to its end in one session,
and what stands below each cell there is replaced by what is shown now. Before a block, a comment can name the alerts
that are waited for after its last cell, as ``<!-- waits for: blocking-call ended -->``.
"""

import asyncio
import contextlib
import io
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "developing.md"

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from alerting import Watched, watched  # noqa: E402
from command_session import new_session  # noqa: E402
from sessions import PATIENCE  # noqa: E402

from aiorepl.alerts.values import Alert  # noqa: E402
from aiorepl.introspect.own_loops import mark_own  # noqa: E402
from aiorepl.model import AlertRaised, Event, Logged  # noqa: E402
from aiorepl.render.plain import draw  # noqa: E402
from docs.make_incident import COLUMNS, PROMPT  # noqa: E402
from docs.make_incident import text as text_of  # noqa: E402

CONTINUED = "... "
BLOCK = re.compile(r"(?ms)^(?:<!-- waits for: (?P<alerts>.*?) -->\n)?```text\n(?P<cells>>>> .*?)^```$")

Factory = Callable[[], asyncio.AbstractEventLoop]

# Seconds for which a person reads an alert; more of them in a second would not all be shown.
_READING = 0.35

# Only what the page is about is told of, and a failed task after a shorter time than a person would be patient for.
SETTINGS: dict[str, object] = {"lag": 0.0, "saturation": 0.0, "look": 0.0, "slow": 0.2, "unretrieved": 0.2}


def main() -> None:
    """Write the page anew."""
    os.chdir(ROOT)
    PAGE.write_text(asyncio.run(answered(PAGE.read_text())))


async def answered(page: str, factory: Factory = asyncio.new_event_loop) -> str:
    """Return the page with the answers of a new session."""
    mark_own(asyncio.get_running_loop())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        async with watched(new_session(factory=factory), **SETTINGS) as watch:
            return "".join([part async for part in _parts(_Screen(watch, printed), page)])


async def _parts(screen: "_Screen", page: str) -> AsyncIterator[str]:
    end = 0
    for block in BLOCK.finditer(page):
        yield page[end : block.start("cells")]
        for cell in cells_of(block["cells"]):
            yield "".join(f"{CONTINUED if number else PROMPT}{line}\n" for number, line in enumerate(cell.split("\n")))
            yield await screen.type(cell)
        yield await screen.rest(block["alerts"] or "")
        end = block.end("cells")
    yield page[end:]


def cells_of(block: str) -> Iterator[str]:
    """The cells that are typed in a block; what stands below a cell is not."""
    cell: list[str] = []
    for line in block.splitlines():
        if line.startswith(PROMPT):
            if cell:
                yield "\n".join(cell)
            cell = [line.removeprefix(PROMPT)]
        elif line.startswith(CONTINUED):
            cell.append(line.removeprefix(CONTINUED))
    yield "\n".join(cell)


class _Screen:
    """What a person sees, in the order in which it comes."""

    def __init__(self, watch: Watched, printed: io.StringIO) -> None:
        self._watch = watch
        self._printed = printed
        self._shown = 0
        # How much had been announced when the block began.
        self._begun = 0

    async def type(self, cell: str) -> str:
        """Type a cell; return what is shown until it has ended."""
        answers = "".join([text(event) for event in await self._watch.type(cell)])
        return self._print() + self._announced() + answers

    async def rest(self, alerts: str) -> str:
        """Wait for these alerts, and return what has been shown since."""
        async with asyncio.timeout(PATIENCE):
            for kind, *phase in map(str.split, alerts.split(", ") if alerts else ()):
                while not self._came(kind, *phase):
                    await self._watch.talk.news()
        if alerts:
            await asyncio.sleep(_READING)
        else:
            # What nobody waits for may be told late.
            await self._watch.looked(5)
        shown = self._print() + self._announced()
        self._begun = self._shown
        return shown

    def _came(self, kind: str, phase: str = "") -> bool:
        alerts = (e.alert for e in self._watch.talk.announced[self._begun :] if isinstance(e, AlertRaised))
        return any(isinstance(a, Alert) and a.kind == kind and phase in ("", a.phase) for a in alerts)

    def _print(self) -> str:
        printed = self._printed.getvalue()
        self._printed.seek(0)
        self._printed.truncate()
        return printed

    def _announced(self) -> str:
        events = self._watch.talk.announced[self._shown :]
        self._shown += len(events)
        return "".join(map(text, events))


def text(event: Event) -> str:
    """What a person sees of an event."""
    if isinstance(event, AlertRaised | Logged):
        return draw(event.alert if isinstance(event, AlertRaised) else event, COLUMNS)
    return text_of(event)


if __name__ == "__main__":
    main()
