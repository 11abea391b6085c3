"""What is wrong with a loop, from what was observed of it for some seconds; pure, over values.

A cause is told if it can be shown: each line of evidence says what it rests on. A healthy program has none, so what is
there to let tasks wait (a semaphore, an empty queue, an event) is no cause as long as it lets them pass. Where there is
none it is said what was looked for, and which tasks waited all the time: whether they should is not known here.
"""

from aiorepl.alerts.doctor_groups import standing_groups
from aiorepl.alerts.doctor_loop import blocked, busy, elsewhere
from aiorepl.alerts.doctor_tasks import found, growing, lines, memory, pending_memory, starved
from aiorepl.alerts.doctor_values import Cause, Diagnosis, Figures, Limits, Observations

__all__ = ["diagnose"]

# In the order in which they are told, where they are equally bad.
_RULES = (blocked, elsewhere, lines, starved, busy, growing, memory)


def diagnose(seen: Observations, limits: Limits | None = None) -> Diagnosis:
    """Return what is wrong, worst first, with the figures of the examination."""
    causes = [cause for rule in _RULES for cause in rule(seen, limits or Limits())]
    # A finding may be what has been told with more evidence.
    told = {(cause.kind, number) for cause in causes for number in cause.tasks}
    causes += [cause for cause in found(seen) if not any((cause.kind, number) in told for number in cause.tasks)]
    worst_first = tuple(sorted(causes, key=lambda cause: -cause.severity))
    return Diagnosis(seen.last.loop, seen.seconds, worst_first or (_healthy(seen),), _figures(seen))


def _healthy(seen: Observations) -> Cause:
    title = "no step held the loop up, and no line for a lock stood still"
    if any(not info.own for info in seen.last.tasks):
        groups, shows = tuple(standing_groups(seen)), "shows what the tasks wait for"
        return Cause("healthy", 0, title, groups, command="%tasks --group", shows=shows)
    longer = f"%doctor {max(30, round(10 * seen.seconds))}"
    return Cause("healthy", 0, title, command=longer, shows="looks longer, for what comes now and then")


def _figures(seen: Observations) -> Figures:
    sampled = seen.sampled
    lags = sampled.lags
    measured = seen.utilisation is not None
    by_looks = sampled.busy / sampled.looks if sampled.looks else None
    tasks = [sum(not info.own for info in snapshot.tasks) for snapshot in (seen.first, seen.last)]
    return Figures(
        looks=sampled.looks,
        busy=seen.utilisation if measured else by_looks,
        measured=measured,
        processor=sampled.processor,
        lag=lags[len(lags) // 2] if lags else None,
        worst=max((*lags, sampled.overdue), default=None) if lags or sampled.overdue else None,
        beats=len(lags),
        longest=sampled.longest,
        passes=seen.passes,
        steps=seen.steps,
        tasks=(tasks[0], tasks[1]),
        executor=seen.last.loop.executor,
        memory=seen.memory,
        pending=pending_memory(seen),
        estimated=len(seen.sizes),
        countable=seen.countable,
    )
