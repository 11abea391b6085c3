"""Completion and signatures for a prompt: the static tier at once, jedi for what it cannot tell.

Nothing here runs the user's code, and nothing holds up the loop that asks: what may take long has threads of its own.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from aiorepl.interpret.completion_thread import AbandonableThread
from aiorepl.interpret.jedi_completion import JediTier
from aiorepl.interpret.static_completion import LIMIT, Answer, static_answer, static_signature
from aiorepl.model import Completion, Signature

__all__ = ["Completer"]

_FILES_DEADLINE = 1.0  # seconds
_COMMAND = re.compile(r"\s*%\S*\s+")


class Completer:
    """Completes what is typed at a prompt; used on one event loop, which need not be the user's."""

    def __init__(
        self,
        namespace: dict[str, object],
        *,
        commands: Callable[[str], Sequence[Completion] | None] | None = None,
        jedi_deadline: float = 1.5,
    ) -> None:
        """Look names up in the live namespace.

        ``commands`` completes a text that begins with ``%`` and ends at the cursor; it returns None where code is
        expected. jedi is given ``jedi_deadline`` seconds for each answer.
        """
        self._namespace = namespace
        self._commands = commands
        self._jedi = JediTier(namespace, deadline=jedi_deadline)
        self._warmed = False
        self._files = AbandonableThread("aiorepl-files", patience=5.0)

    def close(self) -> None:
        """Let the threads end."""
        self._jedi.close()
        self._files.close()

    def warm(self) -> None:
        """Let jedi get ready in its thread, once."""
        if not self._warmed:
            self._warmed = True
            self._jedi.warm()

    async def complete(self, text: str, cursor: int) -> AsyncIterator[tuple[Completion, ...]]:
        """Yield what the static tier finds, then everything in its final order, if jedi finds more in time."""
        if (ready := self._of_command(text[:cursor])) is not None:
            yield ready
            return
        text = _without_command(text)
        if "." in text:
            # What jedi is asked for comes behind a dot. It costs as much memory as all else: not before it is of use.
            self.warm()
        answer = static_answer(text, cursor, self._namespace)
        static = answer.completions
        if answer.slow is not None:
            static = await self._files.run(answer.slow, _FILES_DEADLINE) or ()
        yield static
        if answer.unknown:
            more = await self._jedi.complete(text, cursor)
            if (merged := _merge(answer, more)) != static:
                yield merged

    async def signature(self, text: str, cursor: int) -> Signature | None:
        """The call around the cursor, or None."""
        if self._of_command(text[:cursor]) is not None or text.lstrip().startswith("!"):
            return None
        text = _without_command(text)
        found = static_signature(text, cursor, self._namespace)
        return await self._jedi.signature(text, cursor) if found == "unknown" else found

    def _of_command(self, before: str) -> tuple[Completion, ...] | None:
        """What can go on a ``%`` command; None where it is code."""
        if not before.lstrip().startswith("%"):
            return None
        found = self._commands(before) if self._commands is not None else ()
        if found is None and not _COMMAND.match(before):
            return ()
        return None if found is None else tuple(found)


def _without_command(text: str) -> str:
    """Blank the ``%name`` before code out, so that every index stays what it is."""
    head = _COMMAND.match(text)
    return text if head is None else " " * head.end() + text[head.end() :]


def _merge(answer: Answer, more: Iterable[Completion]) -> tuple[Completion, ...]:
    """Put what jedi knows where it belongs; of a call's names only the parameters are new."""
    if answer.unknown == "attributes":
        return tuple(more)
    texts = {completion.text for completion in answer.completions}
    new = (c for c in more if c.kind == "parameter" and c.text not in texts)
    return (*new, *answer.completions)[:LIMIT]
