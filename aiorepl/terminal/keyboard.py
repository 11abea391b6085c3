"""The terminal's keys, with Ctrl-C and Ctrl-Z known at all times, be it as signals or as keys.

prompt_toolkit takes them as keys while it reads. One that is pressed between Enter and the first step of the cell would
then be neither: a character that waits for the next prompt.
"""

import contextlib
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from prompt_toolkit.input.typeahead import clear_typeahead, get_typeahead, store_typeahead
from prompt_toolkit.input.vt100 import Vt100Input, raw_mode
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

__all__ = ["GuestKeyboard", "Keyboard", "without_signals"]

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


class GuestKeyboard(Vt100Input):
    """Reads the terminal of a program whose own SIGINT and SIGTSTP are not to be touched: no key makes a signal."""

    def __init__(self, stdin: TextIO) -> None:
        """Read this terminal."""
        super().__init__(stdin)
        self.on_raw: Callable[[], None] = lambda: None
        self._told: dict[str, Callable[[], None]] = {}

    def raw_mode(self) -> contextlib.AbstractContextManager[None]:
        """Read key by key, without an echo."""
        return _Raw(self)

    @contextlib.contextmanager
    def watch(self, *, interrupt: Callable[[], None], suspend: Callable[[], None]) -> Iterator[None]:
        """While no application reads keys, tell of Ctrl-C and Ctrl-Z, and keep all others for the next application.

        Used on the frontend's own loop.
        """
        self._told = {Keys.ControlC: interrupt, Keys.ControlZ: suspend}
        with self.attach(lambda: self._sift(self.read_keys())):
            try:
                yield
            finally:
                clear_typeahead(self)

    def sift(self) -> None:
        """Tell of Ctrl-C and Ctrl-Z among the keys that an application has left unread when it ended."""
        self._sift(get_typeahead(self))

    def _sift(self, presses: Sequence[KeyPress]) -> None:
        kept = [press for press in presses if press.key not in (*self._told, Keys.CPRResponse)]
        store_typeahead(self, kept)
        for press in presses:
            if press.key in self._told:
                self._told[press.key]()


def without_signals(modes: list[Any]) -> list[Any]:
    """Return the modes of a terminal that gives each key at once, also Ctrl-C, and echoes none."""
    changed = list(modes)
    changed[tty.IFLAG] = raw_mode._patch_iflag(changed[tty.IFLAG])
    changed[tty.LFLAG] = raw_mode._patch_lflag(changed[tty.LFLAG])
    changed[tty.CC] = list(changed[tty.CC])
    changed[tty.CC][termios.VMIN], changed[tty.CC][termios.VTIME] = 1, 0
    return changed


class _Raw(raw_mode):
    def __init__(self, keyboard: GuestKeyboard) -> None:
        super().__init__(keyboard.fileno())
        self._keyboard = keyboard

    def __enter__(self) -> None:
        super().__enter__()
        self._keyboard.on_raw()


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
