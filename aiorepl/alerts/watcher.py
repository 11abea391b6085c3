"""The thread that watches: it looks at each loop 40 times a second, and takes what the hooks have found.

What is found on a loop's thread, or by the collector, is only put down there; everything else is done here, so that a
program is held up by no more than that.
"""

import asyncio
import collections
import functools
import logging
import threading
from collections.abc import Callable

from aiorepl.alerts.ledger import Ledger, bounded_alert
from aiorepl.alerts.logged import LogWatch
from aiorepl.alerts.loop_watch import LoopWatch
from aiorepl.alerts.pulse import PERIOD, Pulse
from aiorepl.alerts.steps import SlowStep
from aiorepl.alerts.values import Alert, Rules
from aiorepl.alerts.warned import WarningWatch
from aiorepl.introspect.book import BOOK

__all__ = ["Listener", "Watcher", "shared"]

# Called by the thread that watches with every alert that is new, has come again, or has ended.
Listener = Callable[[Alert], object]

# Found and not yet taken: more are dropped, and counted.
_WAITING = 1_000
# Seconds that the thread gets to end.
_ENDING = 2.0


class Watcher:
    """Watches loops of this process and tells its listeners; all of it may be used from any thread.

    The thread and all hooks are there as long as a loop is watched; after that everything is as it was found.
    """

    def __init__(self, rules: Rules | None = None, *, quiet: bool = False) -> None:
        """Watch nothing yet; see ``HandlerWatch`` for ``quiet``."""
        self.ledger = Ledger()
        self.rules = rules or Rules()
        self.dropped = 0
        self._quiet = quiet
        self._listeners: list[Listener] = []
        # How often each loop was asked to be watched, and what does it.
        self._watches: dict[int, tuple[LoopWatch, int]] = {}
        self._found: collections.deque[tuple[Alert, object]] = collections.deque()
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._warnings: WarningWatch | None = None
        self._logs: LogWatch | None = None

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop until it is unwatched as often."""
        with self._lock:
            if id(loop) in self._watches:
                watch, count = self._watches[id(loop)]
                self._watches[id(loop)] = watch, count + 1
                return
            if self._warnings is None:
                self._warnings = WarningWatch(self.report)
                self._logs = LogWatch(self._slow_logged, quiet=self._quiet)
            watch = LoopWatch(
                loop,
                found=self.report,
                enter=self._enter,
                revise=self._revise,
                rules=lambda: self.rules,
                quiet=self._quiet,
            )
            self._watches[id(loop)] = watch, 1
            if self._thread is None:
                self._start()

    def unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop no more, if nobody else asked for it: it is left as it was found."""
        with self._lock:
            watch, count = self._watches.get(id(loop), (None, 0))
            if watch is None:
                return
            if count > 1:
                self._watches[id(loop)] = watch, count - 1
                return
        self._drop(watch)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell a listener of every alert from now on; if it raises, that is logged once, and it is told no more.

        Returns what ends that.
        """
        self._listeners.append(listener)
        return functools.partial(self._forget, listener)

    def report(self, alert: Alert, key: object = None) -> None:
        """Take what somebody has found; see ``Ledger.add`` for the key."""
        # Nothing more: the collector may have called, in the middle of anything.
        if len(self._found) < _WAITING:
            self._found.append((bounded_alert(alert), key))
        else:
            self.dropped += 1

    def set_rules(self, rules: Rules) -> None:
        """Go by these rules from now on."""
        self.rules = rules
        for watch in self._all():
            watch.apply()

    def pulse(self, loop: asyncio.AbstractEventLoop) -> Pulse | None:
        """Return the pulse of a loop that is watched."""
        watch, _ = self._watches.get(id(loop), (None, 0))
        return watch.pulse if watch is not None else None

    def holds(self, error: BaseException) -> bool:
        """Tell whether a watched task ended with this exception, so that the task's own alert tells of it."""
        return any(watch.tasks.holds(error) for watch in self._all())

    def _slow_logged(self, loop: asyncio.AbstractEventLoop, step: SlowStep) -> bool:
        watch, _ = self._watches.get(id(loop), (None, 0))
        return watch is not None and watch.slow_logged(step)

    def _all(self) -> list[LoopWatch]:
        return [watch for watch, _ in list(self._watches.values())]

    def _start(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stopped,), name="aiorepl-watch", daemon=True)
        self._thread.start()

    def _undo_hooks(self) -> None:
        warned, self._warnings = self._warnings, None
        logs, self._logs = self._logs, None
        if warned is not None:
            warned.undo()
        if logs is not None:
            logs.undo()

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(PERIOD):
            # Where there is no session, nobody else does.
            BOOK.tidy()
            for watch in self._all():
                if watch.loop.is_closed():
                    self._drop(watch)
                else:
                    self._look(watch)
            self._take()

    def _look(self, watch: LoopWatch) -> None:
        try:
            watch.tick()
        except Exception:
            # A bug of ours must not end the watch, nor come 40 times a second.
            logging.getLogger("aiorepl").exception("a loop is not watched any more")
            self._drop(watch)

    def _drop(self, watch: LoopWatch) -> None:
        """Watch a loop no more, however often that was asked for; who comes second waits until that is done."""
        with self._lock:
            if self._watches.pop(id(watch.loop), None) is None:
                return
            watch.close()
            if self._watches:
                return
            self._undo_hooks()
            thread, self._thread = self._thread, None
            self._stopped.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_ENDING)
        self._take()

    def _take(self) -> None:
        # Not for ever, where they come faster than they are taken.
        for _ in range(len(self._found)):
            self._enter(*self._found.popleft())

    def _enter(self, alert: Alert, key: object = None) -> Alert | None:
        if alert.kind in self.rules.off:
            return None
        entered = self.ledger.add(alert, key)
        self._tell(entered)
        return entered

    def _revise(self, number: int, **changes: object) -> None:
        if (alert := self.ledger.update(number, **changes)) is not None:
            self._tell(alert)

    def _tell(self, alert: Alert) -> None:
        for listener in list(self._listeners):
            try:
                listener(alert)
            except Exception:
                self._forget(listener)
                logging.getLogger("aiorepl").exception("%r failed on an alert, and is told no more", listener)

    def _forget(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)


@functools.cache
def shared() -> Watcher:
    """Return the one watcher for the loops of an app, whoever asks: the hooks of two would get in each other's way."""
    return Watcher()
