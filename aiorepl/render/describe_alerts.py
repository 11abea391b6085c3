"""What alerts look like, above the prompt, in a list and in full. Importing this registers it all."""

import time

from aiorepl.alerts.values import Alert
from aiorepl.commands import alert_values as values
from aiorepl.render.blocks import Block, Column, Lines, Rule, Table
from aiorepl.render.describe import describe
from aiorepl.render.describe_tasks import spot, stack_lines
from aiorepl.render.text import seconds

__all__: list[str] = []

_ROLES = {"error": "error", "warning": "alert", "info": "hint"}
_LABELLED = (Column(role="dim"), Column())


@describe.register
def _(value: Alert) -> tuple[Block, ...]:
    """Draw what is shown above the prompt: one to three lines."""
    times = f" (×{value.times:,})" if value.times > 1 else ""
    blocks: list[Block] = [
        Lines((f"! {value.number} {value.kind}{times}: {_headline(value)}",), _ROLES[value.severity])
    ]
    if value.where is not None:
        place = f"{value.where.file}, line {value.where.line}"
        blocks.append(Lines((f"{place}: {value.source}" if value.source else place,), "", indent=2))
    # The second word on what was told while it lasted: the cure has been said.
    more = value.detail if value.phase == "ended" else value.cure
    if more:
        blocks.append(Lines((more,), "dim", indent=2))
    if value.detail.startswith("Traceback"):
        blocks.append(Lines((f"%alerts {value.number} shows the traceback.",), "dim", indent=2))
    return tuple(blocks)


def _headline(value: Alert) -> str:
    if value.duration is None:
        return value.what
    length = seconds(value.duration)
    if value.phase == "lasts":
        return f"{value.what}; {length} so far"
    return f"{value.what}; {'about ' if value.sampled else ''}{length}"


@describe.register
def _(value: values.AlertList) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if value.omitted:
        blocks.append(Lines((f"… {value.omitted:,} older; --top N shows more",), "dim"))
    if not value.alerts:
        blocks.append(Lines(("no alerts",), "dim"))
    else:
        columns = (
            Column("#", "number", right=True),
            Column("last", right=True),
            Column("times", right=True),
            Column("kind", "keyword"),
            Column("place"),
            Column("what"),
        )
        blocks.append(Table(columns, tuple(map(_row, value.alerts))))
    if value.dropped:
        blocks.append(Lines((f"{value.dropped:,} more came faster than they could be listed",), "dim"))
    if value.off:
        blocks.append(Lines((f"not told of: {', '.join(value.off)}; %alerts on KIND",), "dim"))
    if value.zero:
        which = f"{', '.join(value.zero)} {'are' if len(value.zero) > 1 else 'is'} 0"
        blocks.append(Lines((f"{which}: nothing is watched for by that; %alerts kinds lists the rules",), "dim"))
    return tuple(blocks)


def _row(alert: Alert) -> tuple[str, ...]:
    last = time.strftime("%H:%M:%S", time.localtime(alert.last))
    return (str(alert.number), last, f"{alert.times:,}", alert.kind, spot(alert.where), _headline(alert))


@describe.register
def _(value: values.AlertDetails) -> tuple[Block, ...]:
    alert = value.alert
    blocks: list[Block] = [Rule(f"{alert.number} {alert.kind}"), Lines((_headline(alert),), _ROLES[alert.severity])]
    blocks += [Lines(("",)), Table(_LABELLED, tuple(row for row in _rows(alert) if row[1]))]
    if alert.detail:
        blocks += [Lines(("",)), Lines(tuple(alert.detail.rstrip("\n").split("\n")))]
    if alert.stack:
        blocks += [Lines(("",)), Rule("stack"), *stack_lines(alert.stack)]
    return tuple(blocks)


def _rows(alert: Alert) -> tuple[tuple[str, str], ...]:
    first, last = (time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when)) for when in (alert.first, alert.last))
    where = f"{alert.where.file}, line {alert.where.line}" if alert.where is not None else ""
    return (
        ("where", where),
        ("line", alert.source),
        ("task", str(alert.task) if alert.task is not None else ""),
        ("came", first if alert.times == 1 else f"{alert.times:,} times, from {first} to {last}"),
        ("known by", "looks, 25 ms apart" if alert.sampled else "measurement"),
        ("cure", alert.cure),
    )


@describe.register
def _(value: values.AlertKinds) -> tuple[Block, ...]:
    columns = (
        Column("kind", "keyword"),
        Column("", "dim"),
        Column("came", "number", right=True),
        Column("setting", "function"),
        Column("value", "string", right=True),
        Column("rule"),
    )
    rows = tuple(
        (
            kind.kind,
            "" if kind.on else "off",
            f"{kind.count:,}",
            kind.setting,
            "" if kind.value is None else f"{kind.value:g}",
            kind.rule,
        )
        for kind in value.kinds
    )
    return (Table(columns, rows),)
