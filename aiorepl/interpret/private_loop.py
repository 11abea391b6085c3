"""The loops that aiorepl's own work runs on: a frontend's, a server's."""

import asyncio
from typing import Any

from aiorepl.introspect.own_loops import mark_own

__all__ = ["private_loop"]


def private_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop that is in no list of loops, and whose tasks leave the numbers of ``Task-N`` to the user."""

    def name_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        options["name"] = options.get("name") or "aiorepl"
        return asyncio.Task(coro, loop=loop, **options)

    loop = asyncio.new_event_loop()
    mark_own(loop)
    loop.set_task_factory(name_task)
    return loop
