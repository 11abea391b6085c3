"""``%alerts``: what went wrong so far, one of it in full, and which kinds are told of."""

from typing import NewType

from aiorepl.alerts.values import KINDS, Kind
from aiorepl.commands import arguments
from aiorepl.commands.alert_values import AlertDetails, AlertKind, AlertKinds, AlertList
from aiorepl.commands.arguments import Choice, Query, add_kind
from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.errors import CommandError
from aiorepl.model import Notice

AlertArgument = NewType("AlertArgument", str)

_WORDS = {
    "clear": "forget all alerts",
    "off": "tell of a kind no more",
    "on": "tell of a kind again",
    "kinds": "every kind with its rule",
}


def _choices(query: Query) -> list[Choice]:
    kinds: list[Choice] = [(kind, info.rule) for kind, info in KINDS.items()]
    if query.before:
        return kinds if query.before[0] in ("on", "off") else []
    return [*_WORDS.items(), *kinds]


add_kind(AlertArgument, arguments.Kind(str, "a number, a kind, clear, on, off or kinds", _choices))


@command(
    group="debug",
    looks=lambda what=None, *_, **__: what not in ("clear", "on", "off"),
    examples=[
        ("%alerts", "what went wrong so far"),
        ("%alerts 3", "one of it, with the stack and what to do"),
        ("%alerts never-awaited", "those of a kind"),
        ("%alerts off slow-callback", "tell of that kind no more"),
    ],
)
def alerts(
    context: Context, what: AlertArgument | None = None, kind: AlertArgument | None = None, *, top: int = 20
) -> AlertList | AlertDetails | AlertKinds | None:
    """List what was noticed to go wrong, or show one of it in full.

    The same thing at the same line is one alert, which is counted. %alerts kinds tells by which rules alerts are
    raised; the values they go by are settings (%set), and %slow sets the one for slow steps.

    Args:
        what: An alert's number, a kind, or one of these: clear, on KIND, off KIND, kinds.
        kind: Which kind is switched on or off; all of them if it is left out.
        top: How many are listed at most.
    """
    ledger = context.alerts.ledger
    if what in ("on", "off"):
        _switch(context, what == "on", kind)
        return None
    if kind is not None:
        raise CommandError(f"{what} takes nothing more; %alerts on KIND and %alerts off KIND do")
    if what == "clear":
        count = ledger.clear()
        context.alerts.dropped = 0
        context.emit(Notice(f"forgot {count} {'alert' if count == 1 else 'alerts'}"))
        return None
    if what == "kinds":
        return AlertKinds(tuple(_kind(context, kind) for kind in KINDS))
    if what is not None and what.isdecimal():
        return _details(context, int(what))
    found = ledger.list(_known(what) if what is not None else None)
    shown = tuple(found[-top:]) if top > 0 else ()
    omitted = len(found) - len(shown) + (0 if what else ledger.forgotten)
    return AlertList(shown, omitted, _off(context), 0 if what else context.alerts.dropped, _zero(context))


def _details(context: Context, number: int) -> AlertDetails:
    alert = context.alerts.ledger.get(number)
    if alert is None:
        raise CommandError(f"no alert {number}; %alerts lists them")
    return AlertDetails(alert)


def _switch(context: Context, on: bool, name: str | None) -> None:
    kinds = [_known(name)] if name is not None else list(KINDS)
    off = context.alerts.rules.off
    context.alerts.set_rules(context.alerts.rules._replace(off=off.difference(kinds) if on else off.union(kinds)))
    context.emit(Notice(f"{name or 'every kind of alert'}: {'told of again' if on else 'not told of any more'}"))


def _known(name: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    import difflib

    close = difflib.get_close_matches(name, [*KINDS, *_WORDS], n=1)
    instead = f"did you mean {close[0]}?" if close else "%alerts kinds lists them"
    raise CommandError(f"no kind of alert is called {name!r}; {instead}")


def _off(context: Context) -> tuple[Kind, ...]:
    return tuple(kind for kind in KINDS if kind in context.alerts.rules.off)


def _zero(context: Context) -> tuple[str, ...]:
    settings = dict.fromkeys(info.setting for info in KINDS.values() if info.setting)
    return tuple(setting for setting in settings if not getattr(context.alerts.rules, setting))


def _kind(context: Context, kind: Kind) -> AlertKind:
    info = KINDS[kind]
    rules = context.alerts.rules
    value = float(getattr(rules, info.setting)) if info.setting else None
    count = sum(alert.times for alert in context.alerts.ledger.list(kind))
    return AlertKind(kind, info.rule, info.setting, value, kind not in rules.off, count)
