"""Events as text for a screen: coloured by the theme, or not at all."""

import os
import sys
from collections.abc import Callable

from aiorepl.model import AlertRaised, Answer, Event, Failure, Logged, Notice, Output, Progress, Result
from aiorepl.render.ansi import paint
from aiorepl.render.text import harmless, visible, wrap
from aiorepl.settings import Settings
from aiorepl.terminal.theme import detect

__all__ = ["Drawing"]


class Drawing:
    """Draws with the theme in force and as many colours as the terminal has."""

    def __init__(
        self, settings: Settings, *, colors: int, ascii: bool, width: Callable[[], int], far: bool = False
    ) -> None:
        """``colors`` is 0 for none; with ``ascii`` no other character is used.

        What comes from a process that is ``far`` sets no colours of its own.
        """
        self._settings = settings
        self.colors = colors
        self._ascii = ascii
        self._width = width
        self._far = far

    @property
    def theme(self) -> str:
        """The theme in force; "auto" is the one that suits the terminal's background."""
        chosen = self._settings.text("theme")
        return detect(os.environ) if chosen == "auto" else chosen

    def draw(self, event: Event) -> str:
        """Return the text that shows an event, ending with a newline if there is any."""
        if isinstance(event, Result):
            note = self.paint(event.note, "dim") + "\n" if event.note else ""
            return self._highlight(event.text, "repr") + "\n" + note
        if isinstance(event, Failure):
            return self._highlight(event.text, "traceback")
        if isinstance(event, Notice):
            return self._notice(event)
        if isinstance(event, Answer | AlertRaised | Logged):
            from aiorepl.render.colored import draw

            value: object = event
            if not isinstance(event, Logged):
                value = event.alert if isinstance(event, AlertRaised) else event.value
            return draw(value, self._width(), theme=self.theme, colors=self._depth, ascii=self._ascii)
        return event.text if isinstance(event, Output) else ""

    def progress(self, event: Progress) -> str:
        """Return a bar of one line."""
        room = max(4, min(40, self._width() - len(event.text) - 4))
        full = round(room * min(1.0, max(0.0, event.fraction)))
        block, rest = ("#", ".") if self._ascii else ("█", "░")
        return self.paint(f"{block * full}{rest * (room - full)} {event.text}"[: self._width() - 1], "dim")

    def paint(self, text: str, role: str) -> str:
        """Colour a text by what it stands for."""
        return paint(text, role, self.theme, self._depth)

    @property
    def _depth(self) -> int:
        return 0 if self.theme == "none" else self.colors

    def _notice(self, event: Notice) -> str:
        role = {"hint": "hint", "info": "dim", "alert": "alert", "error": "error"}[event.level]
        detail = self._highlight(event.detail, "traceback") if event.detail else ""
        lines = [part for line in event.text.splitlines() for part in wrap(visible(line), self._width())]
        return self.paint("\n".join(lines), role) + "\n" + detail

    def _highlight(self, text: str, kind: str) -> str:
        text = "\n".join(map(visible, text.split("\n"))) if self._far else harmless(text)
        # Loading pygments takes longer than anyone should wait for the first result: that one has no colours.
        if not self._depth or "pygments.lexers.python" not in sys.modules:
            return text
        from aiorepl.render.highlight import highlight

        if kind == "traceback":
            return highlight(text, "traceback", theme=self.theme, colors=self._depth)
        return highlight(text, "repr", theme=self.theme, colors=self._depth)
