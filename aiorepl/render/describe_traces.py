"""What traced calls look like: a line each. Importing this registers it all."""

from collections.abc import Iterator

from aiorepl.alerts.traced import Argument, Rate, TracedCall, TraceInfo
from aiorepl.commands import trace_values as values
from aiorepl.render.blocks import Block, Column, Lines, Table
from aiorepl.render.describe import describe
from aiorepl.render.text import seconds

__all__: list[str] = []

# Where a line is broken, the rest stands so far to the right.
_HANG = 4


@describe.register
def _(value: values.TraceNews) -> tuple[Block, ...]:
    calls = tuple(Lines((call_line(call),), _ROLES.get(call.outcome, ""), hang=_HANG) for call in value.calls)
    more = (Lines((f"… {_counted(value.more, 'more call')}",), "dim"),) if value.more else ()
    return (*calls, *more, *(Lines((_ended(info),), "dim", hang=_HANG) for info in value.ended))


@describe.register
def _(value: TracedCall) -> tuple[Block, ...]:
    return (Lines((call_line(value),), _ROLES.get(value.outcome, ""), hang=_HANG),)


_ROLES = {"raised": "alert", "cancelled": "dim", "closed": "dim", "open": "dim"}


@describe.register
def _(value: values.TraceBegun) -> tuple[Block, ...]:
    info = value.trace
    limits = [f"for {_counted(info.maximum, 'call')}"] if info.maximum is not None else []
    limits += [f"until there are more than {_rate(info.rate)}"] if info.rate is not None else []
    return (Lines((f"{info.name} is traced {', or '.join(limits)}; %trace off ends it",), "dim", hang=_HANG),)


@describe.register
def _(value: values.TraceList) -> tuple[Block, ...]:
    if not value.traces:
        return (Lines(("nothing is traced; %trace FUNC --max 10 shows ten calls of a function",), "dim"),)
    columns = (
        Column("function", "function"),
        Column("calls", "number", right=True),
        Column("not ended", right=True),
        Column("raised", right=True),
        Column("average", right=True),
        Column("longest", right=True),
        Column("limit"),
    )
    rows = tuple(
        (
            info.name,
            f"{info.calls:,}",
            f"{info.open:,}",
            f"{info.failed:,}",
            seconds(info.mean),
            seconds(info.longest),
            info.reason or _limits(info),
        )
        for info in value.traces
    )
    return (Table(columns, rows),)


def call_line(call: TracedCall) -> str:
    """Write a call in one line."""
    parts = [f"{call.function}({', '.join(map(_argument, call.arguments))})", *_outcome(call)]
    preposition = "in" if call.outcome == "returned" else "after"
    text = f"{' '.join(parts)} {preposition} {seconds(call.duration)}{_suspended(call)}"
    return f"{text}  {call.task_name or call.thread}"


def _argument(argument: Argument) -> str:
    return f"{argument.name}={argument.text}" if argument.name else argument.text


def _outcome(call: TracedCall) -> Iterator[str]:
    if call.items is not None:
        yield f"gave {_counted(call.items, 'item')}"
    and_ = "and " if call.items is not None else ""
    if call.outcome == "raised":
        yield f"{and_}raised {call.result}"
    elif call.outcome == "returned":
        # A generator returns None where nothing else is said.
        if call.items is None or call.result != "None":
            yield f"-> {call.result}"
    else:
        yield and_ + {"cancelled": "was cancelled", "closed": "was closed", "open": "has not ended"}[call.outcome]


def _suspended(call: TracedCall) -> str:
    if not call.suspensions:
        return "" if call.kind == "function" else ", never suspended"
    return f", suspended {_counted(call.suspensions, 'time')} ({seconds(call.suspended)})"


def _limits(info: TraceInfo) -> str:
    limits = [_counted(info.maximum, "call")] if info.maximum is not None else []
    limits += [_rate(info.rate)] if info.rate is not None else []
    return ", ".join(limits)


def _rate(rate: Rate) -> str:
    return f"{_counted(rate.calls, 'call')} in {rate.seconds:g} s"


def _ended(info: TraceInfo) -> str:
    told = [_counted(info.calls, "call")]
    told += [f"{info.open:,} not ended"] if info.open else []
    told += [f"{info.failed:,} raised"] if info.failed else []
    told += [f"{info.missed:,} only counted"] if info.missed else []
    told += [f"{seconds(info.mean)} on average"] if info.mean is not None else []
    told += [f"{seconds(info.longest)} at most"] if info.longest != info.mean else []
    return f"{info.name} is no longer traced ({info.reason}): {', '.join(told)}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
