"""A result as it is shown: pretty, and bounded whatever it is.

Not ``rich.pretty``: that looks at every element of nested containers, and probes the user's objects for attributes.
"""

from collections.abc import Iterator
from itertools import islice

from aiorepl.interpret.representation import Representation, failed_repr
from aiorepl.render.shapes import Shape, shape_of
from aiorepl.render.text import cells

__all__ = ["represent"]

_INDENT = "    "
# Deeper than this nobody looks, and Python's own repr gives up not much later.
_DEEPEST = 30
_IN_FULL = "the whole value is in _"


def represent(value: object, *, width: int, max_lines: int, max_items: int, max_string: int) -> Representation:
    """Show a value within ``max_lines`` lines, and containers within ``width`` columns.

    A container is shown on one line as by ``repr`` where it fits, else broken into lines. Of each only
    ``max_items`` are looked at, and of each text ``max_string`` characters. Runs the user's ``__repr__``, so call it
    where that may run; KeyboardInterrupt and its like pass through.
    """
    builder = _Builder(max_items, max_string)
    tree = builder.build(value)
    if isinstance(tree, str):
        whole = builder.problem or builder.failed
        return Representation(tree, builder.problem) if whole else _bounded(tree, max_lines, max_string)
    lines = _lines("", tree, "", "", width)
    shown = list(islice(lines, max_lines))
    more = sum(1 for _ in lines)
    note = f"{_count(more, 'line')}; {_IN_FULL}" if more else ""
    return Representation("\n".join(shown), builder.problem or note or builder.note)


class _Tree:
    """A container being written: brackets, and the items, each a text or a container, with what stands before it."""

    def __init__(self, shape: Shape) -> None:
        self.opening = shape.opening
        self.closing = shape.closing
        self.items: list[tuple[str, _Tree | str]] = []
        # Stands in place of the items that were left out.
        self.more = ""

    @property
    def flat(self) -> str:
        """All of it on one line."""
        texts = [before + (item if isinstance(item, str) else item.flat) for before, item in self.items]
        return f"{self.opening}{', '.join(filter(None, [*texts, self.more]))}{self.closing}"


class _Builder:
    """Makes trees of values; ``problem`` says in a line what is wrong with one of them."""

    def __init__(self, max_items: int, max_string: int) -> None:
        self._max_items = max_items
        self._max_string = max_string
        # Of all containers together: a list of lists of lists must not take longer than it is worth.
        self._left = 10 * max_items
        # The containers around the one being built.
        self._path: list[int] = []
        self._incomplete = False
        self.problem = ""
        # The value itself has no repr.
        self.failed = False

    @property
    def note(self) -> str:
        return self.problem or (_IN_FULL if self._incomplete else "")

    def build(self, value: object) -> _Tree | str:
        try:
            shape = shape_of(value, self._max_items)
        except Exception:
            # A missing field for instance: what repr makes of that is the value's own business.
            shape = None
        if shape is None:
            return self._text(value)
        if id(value) in self._path:
            return shape.again
        if shape.count and (self._left <= 0 or len(self._path) >= _DEEPEST):
            self._incomplete = True
            return f"{shape.opening}…{shape.closing}"
        self._path.append(id(value))
        try:
            return self._tree(shape)
        finally:
            self._path.pop()

    def _tree(self, shape: Shape) -> _Tree:
        tree = _Tree(shape)
        try:
            for key, item in islice(shape.items, max(1, min(self._max_items, self._left))):
                self._left -= 1
                tree.items.append((self._before(shape, key), self.build(item)))
        except RuntimeError:
            # Another thread has changed the container meanwhile.
            self.problem = self.problem or "it changed while it was being shown"
        if (more := shape.count - len(tree.items)) > 0:
            self._incomplete = True
            tree.more = f"… {more:,} more"
        return tree

    def _before(self, shape: Shape, key: object) -> str:
        if shape.keys == "none":
            return ""
        return f"{self._text(key)}: " if shape.keys == "mapping" else f"{key}="

    def _text(self, value: object) -> str:
        """The repr of what is no container; if it is in one, it is cut here."""
        most = self._max_string
        if isinstance(value, str | bytes) and type(value) in (str, bytes) and len(value) > most:
            return self._cut(repr(value[:most]), len(value) - most)
        try:
            text = repr(value)
        except Exception as error:
            failed = failed_repr(value, error)
            if not self._path:
                self.failed = True
                return f"{object.__repr__(value)} ({failed})"
            self.problem = self.problem or failed
            return object.__repr__(value)
        return text if len(text) <= most or not self._path else self._cut(text[:most], len(text) - most)

    def _cut(self, text: str, left_out: int) -> str:
        self.problem = self.problem or f"{_count(left_out, 'character')}; {_IN_FULL}"
        return text + "…"


def _count(number: int, what: str) -> str:
    return f"… {number:,} more {what if number == 1 else what + 's'}"


def _bounded(text: str, max_lines: int, max_string: int) -> Representation:
    """Cut a repr that is not ours, in its length and in that of its lines."""
    lines = text.split("\n", max_lines)
    rest = lines.pop() if len(lines) > max_lines else ""
    shown = "\n".join(line if len(line) <= max_string else line[:max_string] + "…" for line in lines)
    note = ""
    if rest:
        note = f"{_count(rest.count(chr(10)) + 1, 'line')}; {_IN_FULL}"
    elif cut := sum(max(0, len(line) - max_string) for line in lines):
        note = f"{_count(cut, 'character')}; {_IN_FULL}"
    return Representation(shown, note)


def _lines(before: str, item: _Tree | str, after: str, indent: str, width: int) -> Iterator[str]:
    """Write an item, on as many lines as it needs."""
    flat = item if isinstance(item, str) else item.flat
    if isinstance(item, str) or not item.items or _fits(indent + before + flat + after, width):
        first, *more = (before + flat + after).split("\n")
        yield indent + first
        # The further lines of an array stand below its first.
        yield from (indent + " " * cells(before) + line for line in more)
        return
    yield f"{indent}{before}{item.opening}"
    # The last has a comma only in a tuple of one, or if others were left out behind it.
    last = "," if item.more or item.closing.startswith(",") else ""
    if all(not key and isinstance(one, str) and len(one) <= width // 4 for key, one in item.items):
        texts = [f"{one}," for _, one in item.items[:-1]] + [f"{item.items[-1][1]}{last}", item.more]
        yield from _rows([text for text in texts if text], indent + _INDENT, width)
    else:
        for number, (key, one) in enumerate(item.items, 1):
            yield from _lines(key, one, "," if number < len(item.items) else last, indent + _INDENT, width)
        if item.more:
            yield indent + _INDENT + item.more
    yield f"{indent}{item.closing.removeprefix(',')}{after}"


def _fits(line: str, width: int) -> bool:
    return "\n" not in line and cells(line) <= width


def _rows(texts: list[str], indent: str, width: int) -> Iterator[str]:
    """Short items, as many on each line as fit."""
    row = indent
    for text in texts:
        if row != indent and cells(row) + 1 + cells(text) > width:
            yield row
            row = indent
        row += text if row == indent else f" {text}"
    yield row
