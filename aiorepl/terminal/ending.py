"""A signal that ends the process while a prompt has the terminal: the terminal is given back before that.

Only where the signal would end the process, as nobody has a handler for it; and it still ends by that signal. A program
that installs a handler later has the signal for itself.
"""

import _thread
import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["EndingSignals"]

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
# Seconds that giving the terminal back may take; one that takes no output (Ctrl-S) does not keep the process alive.
_LIMIT = 1.0
# What Python has yet to call has to be there until then.
_pending: list[object] = []


class EndingSignals:
    """Those of one prompt; while there is none, they end the process as if nobody had touched them."""

    def __init__(self) -> None:
        """Touch nothing yet."""
        self._process = os.getpid()
        self._prompt: tuple[asyncio.AbstractEventLoop, Callable[[], None], Callable[[], bool]] | None = None

    def take(self) -> None:
        """Take the signals that have no handler; does nothing but in the main thread, where alone it can be done."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) == signal.SIG_DFL:
                    signal.signal(number, self._came)

    def give_back(self) -> None:
        """Undo ``take``, but for what somebody else has a handler for by now; in the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) == self._came:
                    signal.signal(number, signal.SIG_DFL)

    def give_back_soon(self) -> None:
        """Let the main thread undo ``take`` when it next executes Python code; any thread may call."""

        import ctypes

        def call(_: object) -> int:
            self.give_back()
            return 0

        pending = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(call)
        _pending.append(pending)
        ctypes.pythonapi.Py_AddPendingCall(pending, None)

    @contextlib.contextmanager
    def attended(self, leave: Callable[[], None], *, in_foreground: Callable[[], bool]) -> Iterator[None]:
        """Have ``leave`` give the terminal back, on the loop that is running now.

        It is not called while the process is not ``in_foreground``: to change the terminal then would stop it.
        """
        self._prompt = asyncio.get_running_loop(), leave, in_foreground
        try:
            yield
        finally:
            self._prompt = None

    def _came(self, number: int, frame: object) -> None:
        # From here on the same signal ends the process at once.
        signal.signal(number, signal.SIG_DFL)
        prompt = self._prompt
        # A child that was forked has no prompt.
        if prompt is None or os.getpid() != self._process or not prompt[2]():
            os.kill(os.getpid(), number)
            return
        # Not by threading, which takes locks: the main thread may hold them just now.
        _thread.start_new_thread(_insist, (number,))
        loop, leave, _ = prompt
        try:
            loop.call_soon_threadsafe(_depart, number, leave)
        except RuntimeError:
            os.kill(os.getpid(), number)


def _depart(number: int, leave: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        leave()
    os.kill(os.getpid(), number)


def _insist(number: int) -> None:
    time.sleep(_LIMIT)
    os.kill(os.getpid(), number)
