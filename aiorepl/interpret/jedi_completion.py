"""The second tier of completion: jedi, which reads what code would return instead of running it.

jedi is not thread-safe and can take seconds, so all of it happens in one thread that can be left behind. It
looks at live objects with ``getattr`` and ``dir``, so it is given only those that have no hook of the user's.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from aiorepl.interpret.completion_thread import AbandonableThread
from aiorepl.interpret.static_completion import LIMIT, fitting
from aiorepl.interpret.static_signature import with_separators
from aiorepl.interpret.static_values import UNKNOWN, get_attribute, is_inert
from aiorepl.model import Completion, Signature

if TYPE_CHECKING:
    import jedi

__all__ = ["JediTier"]

T = TypeVar("T")
_log = logging.getLogger("aiorepl.completion")


class JediTier:
    """Asks jedi, if it is installed; an answer that takes longer than ``deadline`` seconds is given up."""

    def __init__(self, namespace: Mapping[str, object], *, deadline: float = 1.5, patience: float = 5.0) -> None:
        """Import nothing yet; a request that is not done after ``patience`` seconds costs its thread."""
        self._namespace = namespace
        self._deadline = deadline
        self._missing = False
        self._thread = AbandonableThread("aiorepl-jedi", patience=patience, on_abandon=_clear_caches)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.close()

    def warm(self) -> None:
        """Import jedi and let it read what most sessions need, while nobody waits."""
        import asyncio

        def complete() -> None:
            _complete("asyncio.", len("asyncio."), {"asyncio": asyncio})

        self._thread.submit(lambda: self._guarded(complete))

    async def complete(self, text: str, cursor: int) -> tuple[Completion, ...]:
        """What can stand at the cursor, sorted; nothing if jedi is missing, too slow or fails."""
        return await self._ask("complete", lambda: _complete(text, cursor, self._namespace)) or ()

    async def signature(self, text: str, cursor: int) -> Signature | None:
        """The call around the cursor."""
        return await self._ask("signature", lambda: _signature(text, cursor, self._namespace))

    async def _ask(self, key: str, call: Callable[[], T]) -> T | None:
        if self._missing:
            return None
        return await self._thread.run(lambda: self._guarded(call), self._deadline, key=key)

    def _guarded(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except ImportError as error:
            self._missing = error.name == "jedi"
            _log.debug("jedi cannot be imported", exc_info=True)
        except BaseException:  # jedi's own, which leaves half an answer in its caches, or a user's __dir__'s SystemExit
            _log.debug("jedi failed", exc_info=True)
            _clear_caches()
        return None


def _clear_caches() -> None:
    from jedi import cache

    cache.clear_time_caches(delete_all=True)


# The loggers that have their level from us.
_quieted: set[str] = set()
_QUIET = logging.INFO


def has_quieted(logger: logging.Logger) -> bool:
    """Tell whether nobody but us has given this logger its level, or anything else."""
    return logger.name in _quieted and logger.level == _QUIET and not logger.handlers


def _interpreter(text: str, namespace: Mapping[str, object]) -> "jedi.Interpreter":
    import jedi

    jedi.settings.allow_unsafe_interpreter_executions = False  # or it runs properties
    parso_log = logging.getLogger("parso")
    if parso_log.level == logging.NOTSET:  # it logs each thing that it reads, also to a user's root logger
        parso_log.setLevel(_QUIET)
        _quieted.add(parso_log.name)
    # Its cost grows with the namespace: 476 ms for 20,000 names.
    return jedi.Interpreter(text.replace("\r", " "), [_inert_part(text, namespace)])


_CHAIN = re.compile(r"(?<![\w.])[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def _inert_part(text: str, namespace: Mapping[str, object]) -> dict[str, object]:
    """The names that the text uses, without those where a dotted chain in it leads to an object with hooks."""
    found: dict[str, object] = {}
    unsafe = set()
    for chain in set(_CHAIN.findall(text)):
        name, *attributes = chain.split(".")
        for value in _values_along(name, attributes, namespace):
            found.setdefault(name, value)
            if not is_inert(value):
                unsafe.add(name)
    return {name: value for name, value in found.items() if name not in unsafe}


def _values_along(name: str, attributes: Iterable[str], namespace: Mapping[str, object]) -> Iterator[object]:
    value = namespace.get(name, UNKNOWN)
    for attribute in attributes:
        if value is not UNKNOWN:
            yield value
            value = get_attribute(value, attribute)
    if value is not UNKNOWN:
        yield value


def _line_and_column(text: str, cursor: int) -> tuple[int, int]:
    before = text[:cursor]
    return before.count("\n") + 1, cursor - (before.rfind("\n") + 1)


def _complete(text: str, cursor: int, namespace: Mapping[str, object]) -> tuple[Completion, ...]:
    names = _interpreter(text, namespace).complete(*_line_and_column(text, cursor))
    found: dict[str, Any] = {name.name_with_symbols: name for name in names}
    length = names[0].get_completion_prefix_length() if names else 0
    start = cursor - length
    return tuple(
        Completion(name, start, _kind(found[name])) for name in sorted(*fitting(text[start:cursor], found))[:LIMIT]
    )


def _kind(name: Any) -> str:
    if name.name_with_symbols.endswith("="):
        return "parameter"
    kind = str(name.type)
    return kind if kind in ("module", "class", "function", "keyword") else "attribute"


def _signature(text: str, cursor: int, namespace: Mapping[str, object]) -> Signature | None:
    found = _interpreter(text, namespace).get_signatures(*_line_and_column(text, cursor))
    if not found:
        return None
    first = found[0]
    # By their places in jedi's list, as two may have one name.
    numbered = [(one.kind, str(number), str(one.to_string())) for number, one in enumerate(first.params)]
    written = with_separators(numbered)
    active = next((place for place, (number, _) in enumerate(written) if number == str(first.index)), None)
    summary = first.docstring(raw=True).strip().partition("\n")[0]
    return Signature(str(first.name), tuple(text for _, text in written), active, summary)
