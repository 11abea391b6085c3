"""Child processes that a cell waits for get the real terminal, as they may fill its screen or read its keys.

All others write to where the screen can keep them above the prompt. It is told by who starts the child:
``subprocess.run``, ``subprocess.call`` and ``os.system`` return when it has ended, everything else returns at once.
"""

import sys
from collections.abc import Callable
from types import FrameType

__all__ = ["watch"]

_WAITING = ("run", "call")


# An audit hook cannot be removed, and costs a little at each event: one serves every frontend of the process.
_watching: list[Callable[[bool], None]] = []
_hooked: list[bool] = []


def watch(lend: Callable[[bool], None]) -> Callable[[], None]:
    """Call ``lend`` before any child is started, with whether its starter waits for it; return what ends that.

    It is called on the thread that starts the child.
    """
    _watching.append(lend)
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_hook)
    return lambda: _watching.remove(lend)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in ("subprocess.Popen", "os.system"):
        waited_for = event == "os.system" or _is_waited_for(sys._getframe(1))
        for lend in list(_watching):
            lend(waited_for)


def _is_waited_for(frame: FrameType | None) -> bool:
    """Tell whether the frame that makes a Popen object is one of those functions of the subprocess module."""
    while frame is not None and frame.f_globals.get("__name__") == "subprocess":
        if frame.f_code.co_name in _WAITING:
            return True
        frame = frame.f_back
    return False
