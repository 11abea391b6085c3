"""What the commands about alerts return: frozen plain data, drawn by ``aiorepl.render``."""

from dataclasses import dataclass

from aiorepl.alerts.values import Alert, Kind

__all__ = ["AlertDetails", "AlertKind", "AlertKinds", "AlertList"]


@dataclass(frozen=True, slots=True)
class AlertList:
    """Alerts, those that came last at the end, without ``omitted`` older ones; ``off`` kinds are not raised.

    ``dropped`` came faster than they could be listed. The settings ``zero`` are 0: nothing is watched for by them.
    """

    alerts: tuple[Alert, ...]
    omitted: int = 0
    off: tuple[Kind, ...] = ()
    dropped: int = 0
    zero: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertDetails:
    """One alert in full."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class AlertKind:
    """A kind of alert: its rule, and the value by which it goes (a setting's; None where there is none)."""

    kind: Kind
    rule: str
    setting: str
    value: float | None
    on: bool
    count: int


@dataclass(frozen=True, slots=True)
class AlertKinds:
    """Every kind of alert."""

    kinds: tuple[AlertKind, ...]
