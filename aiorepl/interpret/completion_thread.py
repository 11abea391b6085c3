"""A daemon thread for calls that may hang: one at a time, and left behind when one is stuck."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["AbandonableThread"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Request(Generic[T]):
    """A call, and the future of the loop that waits for its outcome; without one nobody does."""

    call: Callable[[], T]
    future: asyncio.Future[T | None] | None = None

    def run(self) -> None:
        """Make the call and hand its outcome over, unless the asker has gone."""
        if self.future is not None and self.future.done():
            return
        try:
            value = self.call()
        except BaseException as error:  # whatever it is, this thread goes on
            # A future refuses StopIteration, and a SystemExit would end the asker's loop.
            plain = isinstance(error, Exception) and not isinstance(error, StopIteration)
            failure = error if plain else RuntimeError(f"the call ended with {type(error).__name__}")
            self._settle(lambda future: future.set_exception(failure))
        else:
            self._settle(lambda future: future.set_result(value))

    def drop(self) -> None:
        """Tell the asker that there will be no answer."""
        self._settle(lambda future: future.set_result(None))

    def _settle(self, settle: Callable[[asyncio.Future[T | None]], None]) -> None:
        future = self.future
        if future is None:
            return
        try:
            future.get_loop().call_soon_threadsafe(lambda: None if future.done() else settle(future))
        except RuntimeError:  # the asker's loop is closed: a late answer
            return


class AbandonableThread:
    """Runs calls for an event loop without ever holding it up.

    A call that has not ended after ``patience`` seconds is taken to be stuck: its thread is left behind, and the next
    request starts another one, at most ``spares`` times; after that every request is refused.
    """

    def __init__(
        self, name: str, *, patience: float, spares: int = 3, on_abandon: Callable[[], None] | None = None
    ) -> None:
        """Start nothing yet; ``on_abandon`` is called on the new thread before its first request."""
        self._name = name
        self._patience = patience
        self._spares = spares
        self._on_abandon = on_abandon
        self._changed = threading.Condition()
        # All below are guarded by _changed.
        self._waiting: dict[str, _Request[Any]] = {}
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None
        self._abandoned = False

    def close(self) -> None:
        """Let the thread end when it has made the call that it makes now; for good."""
        with self._changed:
            self._thread, self._spares = None, -1
            waiting = list(self._waiting.values())
            self._waiting.clear()
            self._changed.notify()
        for request in waiting:
            request.drop()

    def submit(self, call: Callable[[], object]) -> None:
        """Make the call when the thread is free, and let nobody know how it ends."""
        self._put("", _Request(call))

    async def run(self, call: Callable[[], T], timeout: float, *, key: str = "") -> T | None:
        """Return what the call returns, or None if it did not within ``timeout`` seconds.

        It is None too when another request with the same key came before this one was begun.

        Raises:
            Exception: What the call raised.
        """
        future: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        if not self._put(key, _Request(call, future)):
            return None
        try:
            await asyncio.wait([future], timeout=timeout)
            return future.result() if future.done() else None
        finally:
            future.cancel()

    def _put(self, key: str, request: _Request[Any]) -> bool:
        with self._changed:
            if not self._ready():
                return False
            overtaken = self._waiting.pop(key, None)
            self._waiting[key] = request
            self._changed.notify()
        if overtaken is not None:
            overtaken.drop()
        return True

    def _ready(self) -> bool:
        """See to it that there is a thread; False if all of them are stuck."""
        if self._thread is not None and self._stuck():
            self._thread, self._busy_since, self._abandoned = None, None, True
            self._spares -= 1
        if self._thread is not None:
            return True
        if self._spares < 0:
            return False
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread = thread
        thread.start()
        return True

    def _stuck(self) -> bool:
        return self._busy_since is not None and time.monotonic() - self._busy_since > self._patience

    def _work(self) -> None:
        me = threading.current_thread()
        if self._abandoned and self._on_abandon is not None:
            self._on_abandon()
        while (request := self._next(me)) is not None:
            request.run()
            # Nothing that it knew of is kept until the next one comes.
            del request

    def _next(self, me: threading.Thread) -> _Request[Any] | None:
        """Wait for a request, the oldest first; None when this thread was left behind meanwhile."""
        with self._changed:
            if self._thread is not me:
                return None
            self._busy_since = None
            while not self._waiting:
                self._changed.wait()
                if self._thread is not me:
                    return None
            request = self._waiting.pop(next(iter(self._waiting)))
            self._busy_since = time.monotonic()
            return request
