"""What each value looks like: the one place where a further type of value is added, with ``@describe.register``."""

from functools import singledispatch
from itertools import groupby

from aiorepl.commands import values
from aiorepl.model import Notice
from aiorepl.render.blocks import Block, Code, Column, Lines, Rule, Table
from aiorepl.render.text import seconds

__all__ = ["describe"]


@singledispatch
def describe(value: object) -> tuple[Block, ...]:
    """Return the blocks that show a value; None shows nothing, and what is not known its repr."""
    return () if value is None else (Lines((repr(value),)),)


@describe.register
def _(value: str) -> tuple[Block, ...]:
    return (Lines(tuple(value.splitlines())),)


@describe.register
def _(value: Notice) -> tuple[Block, ...]:
    detail = (Lines((value.detail,), "dim", indent=2),) if value.detail else ()
    return (Lines((value.text,), value.level), *detail)


@describe.register
def _(value: values.CommandList) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for group, commands in groupby(value.commands, key=lambda command: command.group):
        rows = tuple((command.usage, command.summary) for command in commands)
        blocks += [Rule(group), Table((Column(role="function"), Column()), rows), Lines(("",))]
    blocks += [Rule("beside commands"), Table((Column(role="function"), Column()), _BESIDE)]
    blocks += [Lines(("", "%help NAME explains a command; --json at the end of one gives its answer as JSON"), "dim")]
    return tuple(blocks)


_BESIDE = (
    ("object?", "what it is; object?? with its source"),
    ("!command", "the shell"),
    ("code &", "a job in the background"),
)


@describe.register
def _(value: values.CommandHelp) -> tuple[Block, ...]:
    blocks: list[Block] = [Rule(value.command.usage), Lines((value.command.summary,))]
    if value.text:
        blocks += [Lines(("",)), Lines(_paragraphs(value.text))]
    if value.parameters:
        blocks += [Lines(("",)), Table((Column(role="function"), Column()), value.parameters)]
    if value.examples:
        blocks += [Lines(("",)), Rule("examples"), Table((Column(role="function"), Column()), value.examples)]
    if value.command.aliases:
        also = ", ".join(f"%{alias}" for alias in value.command.aliases)
        blocks.append(Lines((f"also {also}",), "dim"))
    return tuple(blocks)


def _paragraphs(text: str) -> tuple[str, ...]:
    """Join the lines of each paragraph, as they were broken for the source file."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return tuple(line for paragraph in paragraphs for line in (paragraph, ""))[:-1]


@describe.register
def _(value: values.Foreign) -> tuple[Block, ...]:
    return (Lines(tuple(value.text.splitlines())),)


@describe.register
def _(value: values.History) -> tuple[Block, ...]:
    if not value.lines:
        return (Lines(("nothing found",), "dim"),)
    blocks: list[Block] = []
    if value.omitted:
        blocks.append(Lines((f"… {value.omitted:,} older; --max N shows more",), "dim"))
    width = len(str(max(line.number for line in value.lines)))
    for line in value.lines:
        first, *more = line.text.split("\n")
        number = str(line.number) if line.number else ""
        blocks.append(Code("\n".join([f"{number:>{width}}  {first}", *(" " * (width + 2) + m for m in more)])))
    return tuple(blocks)


@describe.register
def _(value: values.JobList) -> tuple[Block, ...]:
    if not value.jobs:
        return (Lines(("no jobs in the background",), "dim"),)
    columns = (Column("job", "number", right=True), Column("time", right=True), Column("waits on"), Column("code"))
    rows = tuple(
        (str(job.number), seconds(job.elapsed), job.waits_on or "–", _first_line(job.text)) for job in value.jobs
    )
    return (Table(columns, rows),)


def _first_line(text: str) -> str:
    first, newline, _ = text.strip().partition("\n")
    return first + (" …" if newline else "")


@describe.register
def _(value: values.NameList) -> tuple[Block, ...]:
    if not value.names:
        return (Lines(("no names",), "dim"),)
    columns = (Column("name", "function"), Column("type", "class"), Column("value"))
    return (Table(columns, tuple((name.name, name.type_name, name.summary) for name in value.names)),)


@describe.register
def _(value: values.ObjectHelp) -> tuple[Block, ...]:
    place = f"{value.file}:{value.line}" if value.file and value.line else value.file
    rows = (
        ("signature", f"{value.expression}{value.signature}" if value.signature else ""),
        ("type", value.type_name),
        ("value", value.summary),
        ("file", place),
    )
    table = Table((Column(role="dim"), Column()), tuple(row for row in rows if row[1]))
    blocks: list[Block] = [table]
    if value.source:
        return (table, Lines(("",)), Code(value.source.rstrip("\n")))
    if value.doc:
        blocks += [Lines(("",)), Lines(tuple(value.doc.split("\n")))]
    return tuple(blocks)


@describe.register
def _(value: values.SettingList) -> tuple[Block, ...]:
    columns = (Column("setting", "function"), Column("value", "string"), Column("what for"))
    table = Table(columns, tuple((item.name, _setting(item.value), item.summary) for item in value.settings))
    # What each takes would fill the screen where all are shown.
    takes = (Lines((f"takes {value.settings[0].takes}",), "dim"),) if len(value.settings) == 1 else ()
    return (table, *takes)


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return repr(value) if isinstance(value, str) and value != value.strip() else str(value)


@describe.register
def _(value: values.Timing) -> tuple[Block, ...]:
    measured = ((value.wall, "in all"), (value.cpu, "on the processor"), (value.on_loop, "holding the loop"))
    return (Lines((", ".join(f"{seconds(time)} {what}" for time, what in measured),)),)


@describe.register
def _(value: values.Timeit) -> tuple[Block, ...]:
    each = sorted(time / value.loops for time in value.times)
    loops = f"{value.loops:,} {'loop' if value.loops == 1 else 'loops'} each"
    best, worst = seconds(each[0]), seconds(each[-1])
    return (Lines((f"best of {len(each)}: {best} per loop ({best} … {worst}), {loops}",)),)
