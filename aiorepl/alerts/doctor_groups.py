"""Tasks of one coroutine that stood at one line all the time: no fault by itself, but what was seen of the waits."""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence

from aiorepl.alerts.doctor_values import Observations
from aiorepl.introspect.diagnose import Place
from aiorepl.introspect.values import TaskInfo, Wait
from aiorepl.introspect.why import own_place
from aiorepl.introspect.words import wait_words

__all__ = ["standing_groups", "stood"]

# A wait that was there at both ends of the examination may seem to have lasted a little less.
_ALMOST = 0.9
# As many groups as one reads, and how many tasks make one: fewer are there in every program.
_NAMED = 3
_GROUP = 5


def stood(info: TaskInfo, seen: Observations) -> bool:
    """Tell whether a task was in the very same wait all the time."""
    return info.seen is not None and info.seen >= _ALMOST * seen.seconds


def standing_groups(seen: Observations) -> Iterator[str]:
    """Say of the largest groups of tasks whose wait did not end what they waited for."""
    groups: defaultdict[tuple[Place, str], list[TaskInfo]] = defaultdict(list)
    for info in seen.last.tasks:
        if info.wait is not None and not info.own and stood(info, seen):
            groups[(info.coroutine, own_place(info)), info.wait.kind].append(info)
    large = [group for group in groups.values() if len(group) >= _GROUP]
    for group in heapq.nsmallest(_NAMED, large, key=lambda group: (-len(group), group[0].number)):
        place = own_place(group[0])
        where = f" at {place}" if place else ""
        yield f"{len(group):,} tasks of {group[0].coroutine}{where} waited all the time: {_waits(group)}"
    if len(large) > _NAMED:
        rest = len(large) - _NAMED
        yield f"… and {rest:,} {'smaller group' if rest == 1 else 'smaller groups'} of tasks that did"


def _waits(group: Sequence[TaskInfo]) -> str:
    """What all of a group waited for, as far as that is the same."""
    waits = [Wait(info.wait.kind, info.wait.what) for info in group if info.wait is not None]
    wait = waits[0]
    if wait.kind == "task" or any(other.what != wait.what for other in waits):
        wait = Wait(wait.kind)
    return wait_words(wait, str)
