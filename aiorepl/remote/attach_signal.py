"""A signal that lets ``aiorepl attach`` in, for the versions of Python without ``sys.remote_exec``."""

import _thread
import contextlib
import os
import signal
import threading
from types import FrameType

from aiorepl.errors import AioreplError
from aiorepl.remote.attach.request import offer, take

__all__ = ["AttachSignal", "default_signal"]


def default_signal() -> int:
    """Return the signal that is used unless another is named: one that programs have no use of their own for.

    Raises:
        AioreplError: If the system has no such signal, or nowhere to write a request.
    """
    if not hasattr(signal, "SIGRTMIN") or not hasattr(os, "memfd_create"):
        raise AioreplError("install_attach_signal needs Linux; with Python 3.14 aiorepl attach does without")
    return int(signal.SIGRTMIN) + 7


class AttachSignal:
    """A signal's handler that connects to whoever sent the signal and wrote a request before.

    Until then it holds one descriptor open, and does nothing.
    """

    def __init__(self, signum: int) -> None:
        """Install it; what handled the signal before no longer does."""
        if threading.current_thread() is not threading.main_thread():
            raise AioreplError("install_attach_signal can be called in the main thread only, as signal.signal")
        self._signum = signum
        self._request = offer(signum)
        self._previous = signal.signal(signum, self._handle)

    def __enter__(self) -> "AttachSignal":
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Uninstall it."""
        self.uninstall()

    def uninstall(self) -> None:
        """Restore what handled the signal before, unless another handler has been installed since."""
        if self._request < 0:
            return
        if signal.getsignal(self._signum) == self._handle:
            # None stands for a handler that was not installed from Python, which cannot be restored.
            signal.signal(self._signum, signal.SIG_DFL if self._previous is None else self._previous)
        os.close(self._request)
        self._request = -1

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        # Not here: what is imported may be locked by the interrupted code.
        with contextlib.suppress(RuntimeError):
            _thread.start_new_thread(self._answer, ())

    def _answer(self) -> None:
        # The descriptor may have been closed by a program that closes all it does not know.
        with contextlib.suppress(OSError):
            request = take(self._request)
            if request is not None:
                from aiorepl.remote import bootstrap

                bootstrap.start(*request)
