"""``%trace``: the calls of a function as they happen, until a limit is reached."""

from collections.abc import Iterable
from typing import NewType

from aiorepl.alerts.trace import Limits, Trace
from aiorepl.alerts.traced import Rate
from aiorepl.commands.arguments import Choice, Kind, Query, add_kind
from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.trace_feed import traces_of
from aiorepl.commands.trace_targets import functions, target
from aiorepl.commands.trace_values import TraceBegun, TraceList, TraceNews
from aiorepl.errors import CommandError

FunctionName = NewType("FunctionName", str)
TracedName = NewType("TracedName", str)


_RATE = "calls in a number of seconds, as in 50/1"


def _rate(word: str) -> Rate:
    calls, _, seconds = word.partition("/")
    rate = Rate(int(calls), float(seconds or 1))
    if rate.calls < 1 or not 0 < rate.seconds < float("inf"):
        raise ValueError(word)
    return rate


def _to_trace(query: Query) -> Iterable[Choice]:
    yield "off", "end one or all"
    yield from functions(query)


def _to_end(query: Query) -> Iterable[Choice]:
    if query.context is None or query.before[:1] != ("off",):
        return ()
    return [(one.trace.name, "") for one in traces_of(query.context).active]


add_kind(FunctionName, Kind(str, "a function's name", _to_trace, "FUNC|off"))
add_kind(TracedName, Kind(str, "the name of a traced function", _to_end))
add_kind(Rate, Kind(_rate, _RATE, placeholder="N/SECONDS"))


@command(
    group="debug",
    looks=lambda function=None, *_, **__: function is None,
    examples=[
        ("%trace fetch --max 10", "the next ten calls of fetch"),
        ("%trace client.get --rate 50/1", "calls on this one object, until there are more than 50 in a second"),
        ("%trace", "what is traced, with the number of calls"),
        ("%trace off", "end all; %trace off fetch ends one"),
    ],
)
def trace(
    context: Context,
    function: FunctionName | None = None,
    which: TracedName | None = None,
    *,
    max: int | None = None,
    rate: Rate | None = None,
) -> TraceBegun | TraceList | TraceNews:
    """Show the calls of a function as they end.

    Each is told with its arguments, its result or exception, how long it took and how often it was suspended.

    A call of a coroutine function or a generator function goes from its first step to its last; it is suspended where
    it awaits something that is not there yet, and a generator also with each item. Of values whose repr would run the
    program's own code only the type is shown.

    A limit has to be given. A trace ends with the session too, and a call that has not ended 60 s after the limit was
    reached is shown as far as it has come.

    Only functions written in Python can be traced, and only calls that begin after the trace did. Given as
    object.method, calls on that object; as Class.method, on all. A traced call takes some microseconds more. On Python
    3.12 to 3.14 each exception anywhere takes a fraction of one more meanwhile. On 3.11 the function runs in a wrapper
    meanwhile: each call has two frames more, in tracebacks and in a deep recursion.

    Args:
        function: The function; "off" ends what is traced. Left out, what is traced is listed.
        which: After "off", the one to end; left out, all.
        max: End after so many calls.
        rate: End as soon as there are more calls than so many in so many seconds.
    """
    traces = traces_of(context)
    if function is None:
        return TraceList(tuple(one.trace.info for one in traces.active))
    if function == "off":
        return traces.end(traces.chosen(which))
    if which is not None:
        raise CommandError(f"too much: {which}; a trace is of one function")
    limits = _limits(function, max, rate)
    found, name, only = target(context, function)
    return TraceBegun(traces.begin(context, Trace(found, limits, name=name, only=only)))


def _limits(function: object, maximum: int | None, rate: Rate | str | None) -> Limits:
    if maximum is None and rate is None:
        name = function if type(function) is str else "FUNC"
        raise CommandError(f"a limit is needed: %trace {name} --max 10, or --rate 50/1 for at most 50 calls a second")
    if maximum is not None and maximum < 1:
        raise CommandError("--max takes a whole number of at least 1")
    try:
        # A cell gives what would be typed.
        return Limits(maximum, _rate(rate) if isinstance(rate, str) else rate)
    except ValueError:
        raise CommandError(f"--rate takes {_RATE}, not {rate!r}") from None
