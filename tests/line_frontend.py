"""A second frontend, for the Session protocol alone: each line of standard input is a submission.

``python line_frontend.py`` prints each event as its name and its text, and at the end whether prompt_toolkit is loaded.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import partial

from aiorepl.interpret.host import LoopHost
from aiorepl.interpret.interpreter import Interpreter
from aiorepl.interpret.main_module import install_leavers, make_main
from aiorepl.interpret.representation import represent_plain
from aiorepl.model import AlertRaised, Answer, Completion, Done, Event, Leave
from aiorepl.render.plain import draw
from aiorepl.session.local import LocalSession
from aiorepl.session.protocol import Session
from aiorepl.settings import Settings


async def show(events: AsyncIterator[Event]) -> Leave | None:
    """Print events; return the one that asks to leave, if there is one."""
    left = None
    async for event in events:
        left = event if isinstance(event, Leave) else left
        text = draw(event.value) if isinstance(event, Answer) else getattr(event, "text", "")
        if isinstance(event, AlertRaised):
            text = str(getattr(event.alert, "what", ""))
        outcome = event.outcome if isinstance(event, Done) else ""
        print(f"{type(event).__name__}: {text or outcome}".rstrip(), flush=True)
    return left


async def completions(session: Session, text: str) -> list[Completion]:
    """The last and longest list that there is."""
    return [found async for batch in session.complete(text, len(text)) for found in batch]


async def converse(session: Session) -> int:
    announcements = asyncio.create_task(show(session.announcements()))
    left = None
    while left is None and (line := await asyncio.to_thread(sys.stdin.readline)):
        if line.startswith("complete "):
            found = await completions(session, line.removeprefix("complete ").rstrip("\n"))
            print("Completions:", *dict.fromkeys(completion.text for completion in found), flush=True)
        else:
            left = await show(session.submit(line.replace("\\n", "\n")))
    await session.aclose()
    await announcements
    return left.status if left else 0


async def main() -> int:
    interpreter = Interpreter(make_main().__dict__, represent=represent_plain)
    session = LocalSession(interpreter, partial(LoopHost, asyncio.new_event_loop), settings=Settings())
    await session.open()
    return await converse(session)


if __name__ == "__main__":
    install_leavers()
    status = asyncio.run(main())
    print("prompt_toolkit" in sys.modules)
    sys.exit(status)
