"""What debug mode, the loggers and their records look like. Importing this registers it all."""

import math
from collections.abc import Iterator, Mapping

from aiorepl.alerts.debugmode import Way
from aiorepl.commands import debug_values as values
from aiorepl.model import Logged
from aiorepl.render.blocks import Block, Column, Lines, Rule, Table
from aiorepl.render.describe import describe
from aiorepl.render.text import seconds

__all__: list[str] = []

_LABELLED = (Column(role="dim"), Column())
_WAYS: Mapping[Way, str] = {
    "environment": "PYTHONASYNCIODEBUG",
    "development": "python -X dev",
    "option": "aiorepl --debug",
    "command": "%debug",
    "program": "the program itself",
}
_UNPRICED: Mapping[str, str] = {
    "app": "not measured, as the loop is an app's; %debug --price does so, and has debug mode on and off for 0.2 s",
    "blocked": "not measured, as the loop does not answer",
    "cell": "not measured, as a cell holds the loop; %debug at the prompt does so",
    "elsewhere": "not measured, as cells run on another loop",
    "interrupted": "the measurement was interrupted",
}
_CHANGES = (
    ("coroutines", "one that was never awaited is told of with the calls that made it"),
    ("tasks, futures", "remember where they were made; it stands in what is told of them"),
    ("other threads", "call_soon, call_at and call_later refuse them with a RuntimeError"),
    ("callbacks", "that take long are logged; one that is a coroutine is refused"),
    ("sockets", "that would block the loop are refused"),
    ("logger", "asyncio says more at levels DEBUG and INFO; %log debug shows it"),
)


@describe.register
def _(value: values.DebugInfo) -> tuple[Block, ...]:
    asked = value.ways
    environment = "not set" if asked.environment is None else repr(asked.environment)
    if asked.environment is not None and asked.ignored:
        environment += ", but Python ignores the environment (-E or -I)"
    elif asked.environment == "":
        environment += ", which is as if it were not set"
    ways = (
        (_WAYS["environment"], environment),
        (_WAYS["development"], _yes(asked.development)),
        (_WAYS["option"], _yes(asked.option)),
        (_WAYS["command"], _switched(value)),
    )
    return (
        Lines((f"loop {value.loop}: debug mode is {_state(value)}",), "bold"),
        Table(_LABELLED, tuple(_rows(value))),
        Lines(("",)),
        Rule("who asks for it"),
        Table(_LABELLED, ways),
        Lines(("",)),
        Rule("what it changes"),
        Table(_LABELLED, _CHANGES),
    )


def _state(value: values.DebugInfo) -> str:
    state = "on" if value.on else "off"
    return f"{state}, by {' and '.join(_WAYS[way] for way in value.by)}" if value.by else state


def _yes(asked: bool) -> str:
    return "yes" if asked else "no"


def _switched(value: values.DebugInfo) -> str:
    if value.switched is None:
        return "not used"
    state = "on" if value.switched else "off"
    return state if value.left is None else f"{state} for {seconds(value.left)} more"


def _rows(value: values.DebugInfo) -> Iterator[tuple[str, str]]:
    yield "price", _price(value)
    yield "slow callbacks", f"{_threshold(value.slow)}; %slow changes it"
    yield "origin tracking", "–" if value.origins is None else _frames(value.origins)


def _price(value: values.DebugInfo) -> str:
    if value.price is None:
        return f"–, {_UNPRICED[value.unpriced]}" if value.unpriced else "–"
    plain, debug = value.price
    return f"a step of this loop takes {debug / plain:.3g} times as long: {seconds(debug)} instead of {seconds(plain)}"


def _threshold(slow: float | None) -> str:
    if slow is None:
        return "–"
    return "none" if math.isinf(slow) else f"{seconds(slow)} and more"


def _frames(depth: int) -> str:
    return f"{depth} {'frame' if depth == 1 else 'frames'} of where a coroutine was made" if depth else "off"


@describe.register
def _(value: values.SlowInfo) -> tuple[Block, ...]:
    logged = _threshold(value.logged)
    if value.logged is not None and not value.debug:
        logged += ", in debug mode, which is off"
    rows = (
        ("alerts", f"{seconds(value.alerts)} and more" if value.alerts else "none"),
        ("asyncio's log", logged),
    )
    return (Rule(f"loop {value.loop}: slow steps"), Table(_LABELLED, rows))


@describe.register
def _(value: values.LoggerList) -> tuple[Block, ...]:
    columns = (Column("logger", "function"), Column("level", "keyword"), Column("in force"), Column("handlers"))
    rows = tuple((row.name, row.level or "–", row.effective, _handlers(row)) for row in value.loggers)
    more = (Lines((f"… {value.omitted:,} more",), "dim"),) if value.omitted else ()
    return (Table(columns, rows), *more)


def _handlers(row: values.LoggerRow) -> str:
    found = [*(["shown here"] if row.here else ()), *row.handlers]
    if row.passes_on:
        found.append("those above")
    return ", ".join(found) or "none"


@describe.register
def _(value: Logged) -> tuple[Block, ...]:
    role = "error" if value.level >= 40 else "alert" if value.level >= 30 else "info" if value.level >= 20 else "dim"
    first, *more = value.text.split("\n")
    head = Lines((f"{value.name} {value.logger}: {first}",), role)
    return (head, Lines(tuple(more), "", indent=2)) if more else (head,)
