"""The menu of completions and the lines that show the call being typed: what the session answers, drawn.

All of it runs on the prompt's own loop, and an answer that has become pointless is not waited for.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from prompt_toolkit.application.current import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, is_done
from prompt_toolkit.formatted_text import OneStyleAndTextTuple, StyleAndTextTuples
from prompt_toolkit.layout.containers import ConditionalContainer, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.utils import get_cwidth

from aiorepl import model

__all__ = ["SessionCompleter", "SignatureHint", "signature_fragments"]

Batch = tuple[model.Completion, ...]


class SessionCompleter(Completer):
    """Completes by asking a session, which may answer in several batches; the later ones add to the menu."""

    def __init__(self, complete: Callable[[str, int], AsyncIterator[Batch]]) -> None:
        """Ask ``complete(text, cursor)``."""
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Nothing: a session can only be asked asynchronously."""
        return ()

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Yield each completion once; end when the text has changed, as prompt_toolkit asks again only then."""
        if not complete_event.completion_requested and not _invites(document.current_line_before_cursor):
            return
        # The key that was typed is drawn first: the application has just asked for that.
        await asyncio.sleep(0)
        if get_app().current_buffer.text != document.text:
            return
        seen: set[tuple[str, int]] = set()
        answer = self._complete(document.text, document.cursor_position)
        async with _while_unchanged(answer, get_app().current_buffer) as batches:
            while batch := await batches.get():
                for found in batch:
                    if (found.text, found.start) not in seen:
                        seen.add((found.text, found.start))
                        yield _drawn(found, document.cursor_position)
                # By itself prompt_toolkit draws a growing menu only three times a second.
                get_app().invalidate()


def _invites(line: str) -> bool:
    """Tell whether what was typed begins something: after a blank or a bracket, a menu of everything is in the way."""
    return bool(line.strip()) and re.search(r"""[\w.\[/%-]$|[\[(,=]\s*['"]$""", line) is not None


@asynccontextmanager
async def _while_unchanged(answer: AsyncIterator[Batch], buffer: Buffer) -> AsyncIterator[asyncio.Queue[Batch]]:
    """Read batches until the last or until the buffer's text changes; an empty one ends them."""
    batches: asyncio.Queue[Batch] = asyncio.Queue()
    reader = asyncio.create_task(_read(answer, batches), name="aiorepl completions")

    def stop(_: Buffer) -> None:
        reader.cancel()
        # A reader that has not begun yet does not say that it has ended.
        batches.put_nowait(())

    buffer.on_text_changed += stop
    try:
        yield batches
    finally:
        buffer.on_text_changed -= stop
        reader.cancel()
        await asyncio.wait([reader])
    if not reader.cancelled():
        reader.result()


async def _read(answer: AsyncIterator[Batch], batches: asyncio.Queue[Batch]) -> None:
    try:
        async for batch in answer:
            if batch:
                batches.put_nowait(batch)
    finally:
        batches.put_nowait(())
        if isinstance(answer, AsyncGenerator):
            await answer.aclose()


def _drawn(found: model.Completion, cursor: int) -> Completion:
    return Completion(
        found.text,
        start_position=found.start - cursor,
        display_meta=_one_line(found.summary),
        style=f"class:kind.{found.kind}",
        selected_style="class:kind.selected",
    )


class SignatureHint:
    """Shows the call that the cursor stands in.

    While a new answer is awaited the last one stays, so that nothing flickers.
    """

    def __init__(self, signature: Callable[[str, int], Awaitable[model.Signature | None]]) -> None:
        """Ask ``signature(text, cursor)``."""
        self._signature = signature
        self._shown: model.Signature | None = None
        self._asked: Document | None = None
        self._asking: asyncio.Task[None] | None = None

    def attach(self, buffer: Buffer) -> None:
        """Follow what is typed into a buffer."""
        buffer.on_text_changed += self._changed
        buffer.on_cursor_position_changed += self._changed

    def container(self) -> ConditionalContainer:
        """The lines as a part of a layout; it takes no room while there is nothing to show."""
        window = Window(FormattedTextControl(self.fragments), dont_extend_height=True, style="class:signature")
        shown = Condition(lambda: bool(self.fragments()))
        return ConditionalContainer(window, filter=shown & ~is_done)

    def fragments(self) -> StyleAndTextTuples:
        """The lines as text, no wider than the terminal; empty if there is nothing to show."""
        app = get_app()
        # A buffer that starts anew does not say that it has changed.
        if self._shown is None or self._asked is None or self._asked.text != app.current_buffer.text:
            return []
        return signature_fragments(self._shown, app.output.get_size().columns)

    def _changed(self, buffer: Buffer) -> None:
        document = buffer.document
        if document == self._asked:
            return
        self._asked = document
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        if "(" in document.text_before_cursor:
            self._asking = get_app().create_background_task(self._ask(document))
        else:
            self._shown = None

    async def _ask(self, document: Document) -> None:
        await asyncio.sleep(0)
        found = await self._signature(document.text, document.cursor_position)
        if document is self._asked and found != self._shown:
            self._shown = found
            get_app().invalidate()


def signature_fragments(signature: model.Signature, width: int) -> StyleAndTextTuples:
    """Write a call in one line and its summary in another, both cut to a width; the active parameter is kept."""
    name = _tail(_one_line(signature.name), width // 2)
    parameters = [_one_line(parameter) for parameter in signature.parameters]
    active = -1 if signature.active is None else signature.active
    first = _first_visible(parameters, active, width - get_cwidth(f"{name}(…, …"))
    fragments: StyleAndTextTuples = [("class:signature.name", name), ("", "(…, " if first else "(")]
    for number in range(first, len(parameters)):
        fragments.append(("class:signature.active" if number == active else "", parameters[number]))
        fragments.append(("", ", " if number + 1 < len(parameters) else ""))
    lines = _cut([*fragments, ("", ")")], width)
    if signature.summary:
        lines.append(("", "\n"))
        lines += _cut([("class:signature.summary", _one_line(signature.summary))], width)
    return lines


def _tail(text: str, width: int) -> str:
    """The end of a text that is too wide, as a dotted name tells most there."""
    if get_cwidth(text) <= width:
        return text
    while text and get_cwidth(text) >= width:
        text = text[1:]
    return "…" + text


def _first_visible(parameters: list[str], active: int, width: int) -> int:
    """The first parameter to write, so that the active one has room behind it, or begins the line."""
    first = 0
    while first < active and get_cwidth(", ".join(parameters[first : active + 1])) > width:
        first += 1
    return first


def _cut(fragments: list[OneStyleAndTextTuple], width: int) -> StyleAndTextTuples:
    """Cut a line to a width, with an ellipsis where something is missing."""
    if sum(get_cwidth(text) for _, text, *_ in fragments) <= width:
        return list(fragments)
    kept: StyleAndTextTuples = []
    room = width - 1
    for style, text, *_ in fragments:
        end = len(text)
        while get_cwidth(text[:end]) > room:
            end -= 1
        kept.append((style, text[:end]))
        room -= get_cwidth(text[:end])
        if end < len(text):
            break
    return [*kept, ("", "…")]


def _one_line(text: str) -> str:
    """The first line, with nothing in it that a terminal could act on."""
    line = text.strip().partition("\n")[0]
    return "".join(character if character.isprintable() else "?" for character in line)
