"""Snapshots that are made up: what is thought about them is tested without any loop."""

from aiorepl.introspect.values import Frame, Held, LoopInfo, LoopSnapshot, State, TaskInfo, Timeout, Wait, WaitKind

__all__ = ["APP", "awaits", "holding", "parked", "snapshot", "task", "wants"]

APP = "/srv/shop/app.py"
_LIBRARY = Frame("Lock.acquire", "/usr/lib/python3.13/asyncio/locks.py", 113, library=True)


def task(number: int, wait: Wait | None = None, **more: object) -> TaskInfo:
    """A task that stands in line 10 times its number of app.py."""
    state: State = "waiting" if wait is not None else "ready"
    stack = (Frame(f"job{number}", APP, 10 * number), _LIBRARY)
    info = TaskInfo(number, f"Task-{number}", f"job{number}", state, stack, wait)
    return info._replace(**more)  # type: ignore[arg-type]


def awaits(*tasks: int, kind: WaitKind = "task", what: str = "", **more: object) -> Wait:
    """A wait for tasks."""
    wait = Wait(kind, what or (f"Task-{tasks[0]}" if kind == "task" else kind), tasks=tasks)
    return wait._replace(**more)  # type: ignore[arg-type]


def wants(key: int, *holders: int, kind: WaitKind = "lock", what: str = "Lock") -> Wait:
    """A wait for a sync object that tasks hold."""
    return Wait(kind, what, key, holders=holders, place=1, total=1)


def holding(key: int, line: int, kind: WaitKind = "lock", what: str = "Lock") -> dict[str, object]:
    """What makes a task hold a sync object, taken in that line of app.py."""
    return {"holds": (Held(key, kind, what, Frame("job", APP, line)),)}


def parked(left: float, line: int) -> dict[str, object]:
    """What puts a timeout around a task."""
    return {"timeouts": (Timeout(left, Frame("job", APP, line)),)}


def snapshot(*tasks: TaskInfo, **loop: object) -> LoopSnapshot:
    """The snapshot of a loop that has something to do."""
    info = LoopInfo(1, "asyncio.SelectorEventLoop", "MainThread", True, ready=1, timers=1, registered=1, asyncgens=0)
    return LoopSnapshot(info._replace(**loop), tasks)  # type: ignore[arg-type]
