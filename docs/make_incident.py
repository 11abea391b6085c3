"""Put the real answers of a real session into the page of the worked incident.

    python docs/make_incident.py

In ``docs/incident.md`` each block that begins with a prompt is typed, from the page's top to its end in one session,
and what stands below each line there is replaced by what is answered now.
"""

import asyncio
import os
import re
import sys
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "incident.md"

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from command_session import new_session  # noqa: E402

from aiorepl.introspect.own_loops import mark_own  # noqa: E402
from aiorepl.model import Answer, Event, Failure, Notice, Result  # noqa: E402
from aiorepl.render.plain import draw  # noqa: E402
from aiorepl.session.local import LocalSession  # noqa: E402

PROMPT = ">>> "
COLUMNS = 110
BLOCK = re.compile(r"(?ms)^```text\n(?=>>> )(.*?)^```$")


def main() -> None:
    """Write the page anew."""
    # The files of the example are named as a person in the checkout would.
    os.chdir(ROOT)
    PAGE.write_text(asyncio.run(answered(PAGE.read_text())))


async def answered(page: str) -> str:
    """Return the page with the answers of a new session."""
    # As in aiorepl itself: the loop that asks is none of those that are asked about.
    mark_own(asyncio.get_running_loop())
    session = new_session()
    await session.open()
    try:
        return "".join([part async for part in _parts(session, page)])
    finally:
        await session.aclose()


async def _parts(session: LocalSession, page: str) -> AsyncIterator[str]:
    end = 0
    for block in BLOCK.finditer(page):
        yield page[end : block.start(1)]
        for line in block[1].splitlines():
            if line.startswith(PROMPT):
                yield line + "\n"
                yield "".join([text(event) async for event in session.submit(line.removeprefix(PROMPT))])
        end = block.end(1)
    yield page[end:]


def text(event: Event) -> str:
    """What a person sees of an event."""
    if isinstance(event, Answer):
        # Where Python is installed tells a reader nothing.
        return draw(event.value, COLUMNS).replace(sysconfig.get_path("stdlib"), "lib/python")
    if isinstance(event, Notice):
        return event.text + "\n"
    return event.text.rstrip("\n") + "\n" if isinstance(event, Result | Failure) else ""


if __name__ == "__main__":
    main()
