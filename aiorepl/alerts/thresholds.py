"""Who is told of what took too long: each has a threshold of its own, and none can do harm to what is measured."""

import logging
import math
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["Threshold", "Thresholds"]

_LOGGER = logging.getLogger("aiorepl")


class _Timed(Protocol):
    @property
    def duration(self) -> float:
        """Seconds."""


T = TypeVar("T", bound=_Timed)


class Threshold(Generic[T]):
    """One who is told; ``end()`` is to be called when that is no longer wanted, and may be called again."""

    def __init__(self, owner: "Thresholds[T]", slow: float | None, tell: Callable[[T], object]) -> None:
        """Made by ``Thresholds.add``."""
        self.tell = tell
        self._owner = owner
        self._slow = slow

    @property
    def slow(self) -> float | None:
        """Told is what took so many seconds, or more; None: nothing is. May be set at any time, from any thread."""
        return self._slow

    @slow.setter
    def slow(self, seconds: float | None) -> None:
        self._slow = seconds
        self._owner.renew()

    @property
    def limit(self) -> float:
        """The same as a number."""
        return math.inf if self._slow is None else self._slow

    def end(self) -> None:
        """Be told nothing more; what was installed for this one alone is gone then."""
        self._owner.remove(self)


class Thresholds(Generic[T]):
    """All who are told of one loop; ``changed`` is called with the least of their thresholds whenever that may change.

    It is called with None when the last of them has gone.
    """

    def __init__(self, changed: Callable[[float | None], object]) -> None:
        """Start with none."""
        self._changed = changed
        self._all: tuple[Threshold[T], ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anybody."""
        return bool(self._all)

    def add(self, slow: float | None, tell: Callable[[T], object]) -> Threshold[T]:
        """Tell somebody from now on: on the loop's thread, right after it happened."""
        threshold = Threshold(self, slow, tell)
        self._all += (threshold,)
        self.renew()
        return threshold

    def remove(self, threshold: Threshold[T]) -> None:
        """Tell one of them no more."""
        if threshold in self._all:
            self._all = tuple(other for other in self._all if other is not threshold)
            self.renew()

    def renew(self) -> None:
        """Take note of a threshold that has changed."""
        self._changed(min((one.limit for one in self._all), default=None))

    def tell(self, make: Callable[[], T], duration: float) -> None:
        """Tell those whose threshold was reached; one who fails is logged, and told nothing more."""
        try:
            reached = [one for one in self._all if duration >= one.limit]
            value = make() if reached else None
        except Exception:
            _LOGGER.exception("what took %.3f s could not be described", duration)
            return
        for one in reached:
            try:
                one.tell(value)  # type: ignore[arg-type]
            except KeyboardInterrupt:
                # The person's, who meant the program.
                raise
            except BaseException:
                _LOGGER.exception("a callback for what takes long failed and is not called any more")
                self.remove(one)
