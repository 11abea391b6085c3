"""A drawing without a medium: blocks of text with roles, and how they break into lines of a given width.

A role is a name of ``render.palette``, or "bold", or empty. Texts of the watched program are made visible here, so no
medium has to think of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aiorepl.render.text import cells, fit, pad, to_ascii, visible, wrap

__all__ = ["Block", "Code", "Column", "Line", "Lines", "Rule", "Segment", "Table", "lay_out"]

_GAP = 2
_INDENT = 4
# A last column that would be narrower than this goes below the others instead.
_NARROWEST = 24


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers stand to the right.

    One that ``folds`` goes below the others with the last one, which it stands before, where it would be cut.
    """

    title: str = ""
    role: str = ""
    right: bool = False
    folds: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts; the last column takes what width is left and is broken into lines."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Paragraphs that are broken to the width; an empty one is an empty line.

    All lines are indented by ``indent``, and those after a paragraph's first by ``hang`` besides.
    """

    lines: tuple[str, ...]
    role: str = ""
    indent: int = 0
    hang: int = 0


@dataclass(frozen=True, slots=True)
class Code:
    """Python code, which keeps its lines and is cut at the width."""

    text: str
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A title above what follows."""

    title: str


Block = Table | Lines | Code | Rule


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a line; ``code`` if it is to be highlighted as Python."""

    text: str
    role: str = ""
    code: bool = False


Line = tuple[Segment, ...]


def lay_out(blocks: tuple[Block, ...], width: int, *, ascii: bool = False) -> list[Line]:
    """Break blocks into lines of at most ``width`` columns, in ASCII alone where asked for."""
    layout = _Layout(max(width, 20), ascii)
    return [line for block in blocks for line in layout.block(block)]


@dataclass(frozen=True, slots=True)
class _Layout:
    width: int
    ascii: bool

    def block(self, block: Block) -> Iterator[Line]:
        if isinstance(block, Table):
            return self._table(block)
        if isinstance(block, Lines):
            return self._lines(block)
        if isinstance(block, Code):
            return self._code(block)
        return iter([(Segment(self._fit(self._clean(block.title), self.width), "bold"),)])

    def _clean(self, text: str) -> str:
        return to_ascii(visible(text)) if self.ascii else visible(text)

    def _fit(self, text: str, width: int) -> str:
        return fit(text, width, ellipsis="..." if self.ascii else "…")

    def _lines(self, block: Lines) -> Iterator[Line]:
        indent = " " * block.indent
        for text in block.lines:
            first, *more = self._hung(self._clean(text), self.width - block.indent, block.hang)
            for line in (first, *(" " * block.hang + line for line in more)):
                yield (Segment(indent + line if line else "", block.role),)

    def _hung(self, text: str, width: int, hang: int) -> list[str]:
        return wrap(text, width if cells(text) <= width else width - hang)

    def _code(self, block: Code) -> Iterator[Line]:
        for text in block.text.split("\n"):
            line = self._fit(" " * block.indent + self._clean(text), self.width)
            yield (Segment(line, code=True),)

    def _table(self, table: Table, *, folded: bool = False) -> Iterator[Line]:
        titles = tuple(column.title for column in table.columns)
        rows = [tuple(self._clean(text) for text in row) for row in table.rows]
        widths = self._widths([titles, *rows])
        left = self.width - sum(width + _GAP for width in widths[:-1])
        below = folded or (left < _NARROWEST and left < widths[-1] and len(widths) > 1)
        if below and not folded and table.columns[-2].folds and widths[-2] < _widest(rows, -2):
            yield from self._table(_folded(table), folded=True)
            return
        if any(titles):
            yield self._row(table, titles, widths, None if below else left, heading=True)[0]
        for row in rows:
            yield from self._row(table, row, widths, None if below else left)

    def _widths(self, rows: list[tuple[str, ...]]) -> list[int]:
        """How wide each column is; the widest of all but the last gives way until all have room."""
        widths = [max(cells(row[index]) for row in rows) for index in range(len(rows[0]))]
        while sum(widths[:-1]) + _GAP * (len(widths) - 1) > self.width and max(widths[:-1]) > 4:
            widths[widths.index(max(widths[:-1]))] -= 1
        return widths

    def _row(
        self, table: Table, row: tuple[str, ...], widths: list[int], left: int | None, *, heading: bool = False
    ) -> list[Line]:
        """One row; ``left`` is the width of the last column, or None if that stands below the others."""
        gap = Segment(" " * _GAP)
        *columns, last = table.columns
        start: list[Segment] = []
        for column, text, width in zip(columns, row, widths, strict=False):
            cell = pad(self._fit(text, width), width, right=column.right)
            start += [Segment(cell, "dim" if heading else column.role), gap]
        role = "dim" if heading else last.role
        if left is None:
            indented = [(Segment(" " * _INDENT + line, role),) for line in wrap(row[-1], self.width - _INDENT)]
            return [_stripped(start), *([] if heading or not row[-1] else indented)]
        margin = Segment(" " * (self.width - left))
        first, *more = wrap(row[-1], left)
        if last.right:
            first = pad(first, min(left, widths[-1]), right=True)
        return [_stripped([*start, Segment(first, role)]), *((margin, Segment(line, role)) for line in more)]


def _widest(rows: list[tuple[str, ...]], column: int) -> int:
    return max((cells(row[column]) for row in rows), default=0)


def _folded(table: Table) -> Table:
    """The table with its last two columns in one."""
    rows = tuple((*row[:-2], "  ".join(filter(None, row[-2:]))) for row in table.rows)
    return Table((*table.columns[:-2], table.columns[-1]), rows)


def _stripped(line: list[Segment]) -> Line:
    """A line without blanks at its end."""
    while line and not line[-1].text.strip():
        line = line[:-1]
    if not line:
        return ()
    last = line[-1]
    return (*line[:-1], Segment(last.text.rstrip(), last.role, last.code))
