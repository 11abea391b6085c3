"""``embed`` and ``post_mortem``: a prompt at one place of a program, to which nothing else happens."""

import asyncio
import contextlib
import contextvars
import inspect
import os
import sys
import threading
from collections.abc import Awaitable, Coroutine, Generator
from functools import partial
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any, Literal

from aiorepl.errors import AioreplError
from aiorepl.interpret.app_host import AppHost
from aiorepl.interpret.interpreter import Interpreter, Represent
from aiorepl.interpret.main_module import lend_usual
from aiorepl.interpret.program_namespace import ProgramNamespace
from aiorepl.introspect.failures import describe, in_library, own_frame
from aiorepl.model import Event, Notice
from aiorepl.prompt_thread import PromptThread, no_terminal
from aiorepl.session.jobs import Shells
from aiorepl.session.local import LocalSession
from aiorepl.settings import Settings

__all__ = ["embed", "open_where_raised", "post_mortem"]

_MAY_AWAIT = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_HOW_TO_LEAVE = "exit or Ctrl-D goes on from here"


def embed(namespace: dict[str, object] | None = None) -> Awaitable[None]:
    """Open a prompt here, on the running loop, whose tasks go on meanwhile: ``await aiorepl.embed()``.

    Cells see the caller's locals and globals, and bind those that are there. ``exit``, ``quit`` and Ctrl-D leave the
    prompt and nothing else; then everything is as it was. Where no loop is running in this thread it need not be
    awaited: it returns when the prompt has been left, and cells run on a loop of their own. Without a terminal, a line
    on standard error says so and the program goes on. While there is one prompt, the next one waits for its end.

    Args:
        namespace: What cells see instead, and where they bind new names.

    Raises:
        AioreplError: If a loop is running in this thread, and the caller cannot await.
    """
    frame = sys._getframe(1)
    running = asyncio._get_running_loop() is not None
    if running and not frame.f_code.co_flags & _MAY_AWAIT:
        raise AioreplError("a loop is running in this thread: write `await aiorepl.embed()` in a coroutine function")
    names = ProgramNamespace.of_frame(frame) if namespace is None else ProgramNamespace(namespace, adopts=True)
    place = _place(frame)
    stay = _stay(names, f"aiorepl.embed() in {place}", (Notice(f"aiorepl in {place}; {_HOW_TO_LEAVE}"),))
    if running:
        return stay
    _run(stay)
    return _Left()


class post_mortem:  # noqa: N801 - it is used like a function
    """Open a prompt where an exception was raised in the block, and let it go on: ``with aiorepl.post_mortem():``.

    Its traceback is shown, cells see the variables of the failing frame (the innermost one that is not Python's own),
    and ``_exc`` is the exception. In a coroutine ``async with`` keeps the loop going meanwhile; with a plain ``with``
    it stands still, and cells run on a loop of their own.
    """

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        """Open a prompt if the block has failed."""
        if isinstance(error, Exception) and traceback is not None:
            stay = _stay_at(error, traceback)
            if asyncio._get_running_loop() is None:
                _run(stay)
            else:
                _run_in_thread(stay)
        return False

    async def __aenter__(self) -> None:
        """Begin the block."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        """Open a prompt on the running loop if the block has failed."""
        if isinstance(error, Exception) and traceback is not None:
            await _stay_at(error, traceback)
        return False


def open_where_raised(error: Exception, traceback: TracebackType) -> None:
    """Open a prompt at the failing frame, as ``post_mortem`` does; the traceback itself has been shown.

    No loop may be running in this thread: cells run on one of their own.
    """
    _run(_stay_at(error, traceback, shown=True))


class _Left:
    """What ``embed`` returns when all has been done; it can be awaited nevertheless."""

    def __await__(self) -> Generator[Any, None, None]:
        return iter(())  # type: ignore[return-value]


def _stay_at(error: Exception, traceback: TracebackType, *, shown: bool = False) -> Coroutine[Any, Any, None]:
    frame, line = _failing_frame(traceback)
    names = ProgramNamespace.of_frame(frame)
    names["_exc"] = error
    place = _place(frame, line)
    about = Notice(f"aiorepl where this was raised, in {place}; {_HOW_TO_LEAVE}")
    return _stay(names, f"aiorepl.post_mortem() in {place}", (about,) if shown else (describe(error), about))


async def _stay(names: ProgramNamespace, what: str, first: tuple[Event, ...]) -> None:
    """Have a prompt until it is left; cells run on the loop that is running now, in the caller's context."""
    lend_usual(names)
    session = partial(_session, names, contextvars.copy_context(), asyncio.get_running_loop())
    prompt = PromptThread(session, first=first)
    while (other := prompt.claim()) is not None and not other.stays:
        await asyncio.shield(asyncio.wrap_future(other.ended))
    reason = no_terminal() if other is None else "this program has a prompt beside it"
    if reason:
        prompt.give_up()
        _say(f"{what} was passed over: {reason}")
        return
    prompt.start()
    try:
        await asyncio.shield(asyncio.wrap_future(prompt.ended))
    except asyncio.CancelledError:
        prompt.leave()
        while not prompt.ended.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.wrap_future(prompt.ended))
        raise
    finally:
        prompt.leave()
        prompt.give_signals_back()
    if (error := prompt.ready.exception()) is not None:
        _say(f"{what} was passed over: {type(error).__name__}: {error}")


def _session(
    names: ProgramNamespace,
    context: contextvars.Context,
    loop: asyncio.AbstractEventLoop,
    settings: Settings,
    represent: Represent,
    shells: Shells,
) -> LocalSession:
    interpreter = Interpreter(names, represent=represent)
    interpreter.context = context
    return LocalSession(interpreter, partial(AppHost, loop), settings=settings, shells=shells)


def _run(stay: Coroutine[Any, Any, None]) -> None:
    """Run a stay to its end on a loop of its own, on this thread."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        loop = runner.get_loop()
        # Not by the runner, which would take a number of Task-N from the program.
        loop.run_until_complete(asyncio.Task(stay, loop=loop, name="aiorepl-embed"))


def _run_in_thread(stay: Coroutine[Any, Any, None]) -> None:
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_run, stay), name="aiorepl-embed", daemon=True)
    thread.start()
    thread.join()


def _failing_frame(traceback: TracebackType) -> tuple[FrameType, int]:
    """The innermost frame that is neither Python's own nor ours, or else the innermost, and its line."""
    frames = list(walk_tb(traceback))
    files = [frame.f_code.co_filename for frame, _ in frames]
    theirs = [one for one, file in zip(frames, files, strict=True) if not (in_library(file) or own_frame(file))]
    return (theirs or frames)[-1]


def _place(frame: FrameType, line: int | None = None) -> str:
    code = frame.f_code
    file = code.co_filename
    with contextlib.suppress(OSError):
        file = file.removeprefix(os.getcwd() + os.sep)
    return f"{code.co_qualname} ({file}, line {line or frame.f_lineno})"


def _say(text: str) -> None:
    # A program may have closed it, or have none.
    with contextlib.suppress(Exception):
        print(f"aiorepl: {text}", file=sys.stderr, flush=True)
