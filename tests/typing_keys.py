"""Type into a real PromptSession without a terminal.

Each chunk of keys is sent when the one before has been handled; the keys of one chunk arrive at once, as in a paste.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prompt_toolkit.application import create_app_session
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.shortcuts import PromptSession

from aiorepl.terminal import editing

ENTER = "\r"
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
HOME, END, CONTROL_RIGHT = "\x1b[H", "\x1b[F", "\x1b[1;5C"
TAB, SHIFT_TAB, BACKSPACE = "\t", "\x1b[Z", "\x7f"
META_ENTER, META_F, ESCAPE = "\x1b\r", "\x1bf", "\x1b"
CONTROL_C, CONTROL_D, CONTROL_E, CONTROL_L, CONTROL_R = "\x03", "\x04", "\x05", "\x0c", "\x12"
UNDO = "\x1f"

# A chunk that is a function is called with the session and awaited, to look at it or to wait for something.
Chunk = str | Callable[[PromptSession[str]], Awaitable[object]]


def paste(text: str) -> str:
    """What a terminal with bracketed paste sends."""
    return f"\x1b[200~{text}\x1b[201~"


def typed(*chunks: Chunk, vi: bool = False, **options: Any) -> str:
    """Type the chunks and return the text that was run; if none was, this fails after a while."""
    return asyncio.run(type_keys(*chunks, vi=vi, **options))


async def type_keys(*chunks: Chunk, vi: bool = False, **options: Any) -> str:
    """The same inside a loop, and what goes wrong in it is raised. ``options`` are PromptSession's."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        session: PromptSession[str] = PromptSession(
            ">>> ",
            multiline=True,
            key_bindings=editing.bindings(),
            input_processors=editing.processors(),
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            enable_open_in_editor=True,
            tempfile_suffix=".py",
            **options,
        )
        editing.prefix_search(session.default_buffer)
        # How long a lone Escape waits for what may follow it.
        session.app.ttimeoutlen = session.app.timeoutlen = 0.01
        loop = asyncio.get_running_loop()
        failure = loop.create_future()
        loop.set_exception_handler(lambda _, context: failure.set_exception(context["exception"]))
        hand = asyncio.create_task(_type(session, pipe.send_text, chunks))
        prompt = asyncio.create_task(session.prompt_async(set_exception_handler=False))
        try:
            async with asyncio.timeout(20):
                waits: list[asyncio.Future[Any]] = [hand, prompt, failure]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if failure.done():
                    failure.result()
                if not prompt.done():
                    hand.result()
                return await prompt
        finally:
            failure.cancel()
            hand.cancel()
            prompt.cancel()
            await asyncio.wait([hand, prompt])


async def _type(session: PromptSession[str], send: Callable[[str], None], chunks: tuple[Chunk, ...]) -> None:
    handled = asyncio.Event()
    session.app.key_processor.after_key_press += lambda _: handled.set()
    for chunk in chunks:
        if isinstance(chunk, str):
            handled.clear()
            send(chunk)
            await handled.wait()
        else:
            await chunk(session)


async def happens(event: Any, until: Callable[[], bool]) -> None:
    """Wait until something is true, looking each time that an event of prompt_toolkit fires."""
    fired = asyncio.Event()

    def fire(_: object) -> None:
        fired.set()

    event += fire
    try:
        while not until():
            fired.clear()
            await fired.wait()
    finally:
        event -= fire


def suggestion(text: str) -> Chunk:
    """A chunk that waits for a suggestion."""

    async def wait(session: PromptSession[str]) -> None:
        buffer: Buffer = session.default_buffer
        await happens(buffer.on_suggestion_set, lambda: bool(buffer.suggestion and buffer.suggestion.text == text))

    return wait
