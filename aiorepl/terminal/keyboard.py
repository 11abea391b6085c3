"""The terminal's keys, with Ctrl-C and Ctrl-Z as signals at all times.

prompt_toolkit takes them as keys while it reads. One that is pressed between Enter and the first step of the cell would
then be neither: a character that waits for the next prompt.
"""

import contextlib
import termios
import tty
from collections.abc import Callable
from typing import TextIO

from prompt_toolkit.input.vt100 import Vt100Input, raw_mode

__all__ = ["Keyboard"]

# POSIX's _POSIX_VDISABLE, where termios does not name it.
_NO_KEY = b"\0"


class Keyboard(Vt100Input):
    """Reads a terminal; whoever makes one has to handle SIGINT and SIGTSTP."""

    def __init__(self, stdin: TextIO) -> None:
        """Read this terminal."""
        super().__init__(stdin)
        # Called when keys are no longer echoed, just before an application draws for the first time.
        self.on_raw: Callable[[], None] = lambda: None

    def raw_mode(self) -> contextlib.AbstractContextManager[None]:
        """Read key by key, without an echo."""
        return _RawWithSignals(self)


class _RawWithSignals(raw_mode):
    def __init__(self, keyboard: Keyboard) -> None:
        super().__init__(keyboard.fileno())
        self._keyboard = keyboard

    def __enter__(self) -> None:
        super().__enter__()
        self._keyboard.on_raw()
        with contextlib.suppress(termios.error):
            modes = termios.tcgetattr(self.fileno)
            # Ctrl-\ would end the process, core and all.
            modes[tty.CC][termios.VQUIT] = _NO_KEY
            termios.tcsetattr(self.fileno, termios.TCSANOW, modes)

    @classmethod
    def _patch_lflag(cls, attrs: int) -> int:
        # Not flushed at a signal: what was typed before it is the person's.
        return super()._patch_lflag(attrs) | termios.ISIG | termios.NOFLSH
