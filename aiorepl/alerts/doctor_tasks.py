"""What is wrong with the tasks of a loop: lines that stand still, threads that are taken, and too many of them."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from aiorepl.alerts.doctor_groups import stood
from aiorepl.alerts.doctor_loop import time_words
from aiorepl.alerts.doctor_values import Cause, CauseKind, Limits, Observations
from aiorepl.introspect.deadlock import dead_tasks
from aiorepl.introspect.diagnose import Place
from aiorepl.introspect.values import Finding, TaskInfo, WaitKind
from aiorepl.introspect.why import a_or_an, line_of, own_place, task_words, why

__all__ = ["found", "growing", "lines", "memory", "pending_memory", "starved"]

# As many of a kind as one reads.
_NAMED = 5
# Tasks in one line that are a crowd, if they are most tasks of the program; and where the loop has nothing else to do.
_LINE, _IDLE_LINE = 10, 4
# A crowd grows if it has so many tasks more, and such a part of what it had.
_MORE, _PART = 20, 0.1

_KINDS: dict[str, CauseKind] = {
    "deadlock": "waiting",
    "lost-wait": "waiting",
    "stalled": "waiting",
    "full-queue": "waiting",
    "busy-executor": "executor",
    "unretrieved": "failed",
}
_FEWER = (
    "Make fewer at a time: a few workers that take what is to be done from a bounded queue need a task each, no more."
)
_THREADS = (
    "Give the loop an executor with more threads, or run fewer calls at a time: DNS lookups stand in the same line."
)


def found(seen: Observations) -> Iterator[Cause]:
    """What a look at all tasks finds to be wrong, whatever they did meanwhile."""
    by_kind: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in seen.findings:
        by_kind[finding.kind].append(finding)
    for kind, findings in by_kind.items():
        more = len(findings) - _NAMED
        for index, finding in enumerate(findings[:_NAMED]):
            last = more > 0 and index == _NAMED - 1
            evidence = finding.evidence
            if last:
                evidence += (f"… and {more:,} more like it; %stuck lists them",)
            command, shows = _about(finding)
            cause = _KINDS.get(kind, "other")
            yield Cause(cause, finding.severity, finding.title, evidence, finding.advice, command, shows, finding.tasks)


def lines(seen: Observations, limits: Limits) -> Iterator[Cause]:
    """Locks and full queues at which tasks stood in line all the time."""
    dead = dead_tasks(seen.last)
    before = _in_line(seen.first.tasks)
    everybody = sum(not info.own for info in seen.last.tasks)
    for key, waiting in _in_line(seen.last.tasks).items():
        numbers = {info.number for info in before.get(key, ())}
        remained = [info for info in waiting if info.number in numbers and stood(info, seen)]
        passed = len(numbers) - len(remained)
        if len(remained) < 2 or not dead.isdisjoint(numbers):
            continue
        first, kind = remained[0], key[0]
        lasted = first.seen or 0.0
        crowded = kind == "lock" and len(remained) >= max(_LINE, everybody / 2)
        if kind == "lock" and lasted >= limits.line and _is_idle(seen):
            crowded = crowded or len(waiting) >= max(_IDLE_LINE, everybody / 2)
        patient = kind == "semaphore" and lasted < (limits.line if _is_unheld(first) else limits.patience)
        if (passed == 0 and not patient) or crowded:
            # A semaphore that nobody holds may be a signal that nobody has given yet.
            severity = 1 if kind == "semaphore" and lasted < limits.patience else 2
            yield _line_cause(seen, waiting, first, passed)._replace(severity=severity)


def starved(seen: Observations, limits: Limits) -> Iterator[Cause]:
    """An executor whose threads are all taken while calls wait for one, and no fewer of them at the end."""
    executors = [executor for executor in seen.executors if executor is not None]
    waiting = [info for info in seen.last.tasks if info.wait is not None and info.wait.started is False]
    full = all(one.queued and one.idle == 0 and one.workers >= one.limit for one in executors)
    if executors and len(executors) == len(seen.executors) and full:
        first, last = executors[0], executors[-1]
        if last.queued < first.queued:
            return
        title = f"all {last.workers:,} threads work and {last.queued:,} {_plural('call', last.queued)} wait"
        begin = f"so it was at each of {len(executors)} looks; {first.queued:,} waited at the first"
        work = [f"{count:,} in {name}" for name, count in Counter(last.running).most_common(_NAMED)]
        evidence = (begin, *work, *map(_call_words, waiting[:1]))
    else:
        waiting = [info for info in waiting if stood(info, seen)]
        if len(waiting) < 2:
            return
        title = f"{len(waiting):,} calls wait for a thread, and none of them began in {time_words(seen.seconds)}"
        evidence = tuple(map(_call_words, waiting[:_NAMED]))
    numbers = tuple(info.number for info in waiting)
    yield Cause("executor", 2, title, evidence, _THREADS, "%loop", "shows its threads and what they run", numbers)


def growing(seen: Observations, limits: Limits) -> Iterator[Cause]:
    """Tasks at one place that became more from look to look."""
    for place, size in seen.counts[-1].items() if seen.counts else ():
        history = [count.get(place, 0) for count in seen.counts]
        more = size - history[0]
        rises = len(history) > 2 and all(one < other for one, other in itertools.pairwise(history))
        if not rises or size < limits.crowd or more < max(_MORE, _PART * history[0]):
            continue
        coroutine, line = place
        first = _first_at(seen, place)
        evidence = [f"{', '.join(f'{count:,}' for count in history)} at {len(history)} looks"]
        if first is not None:
            evidence.append(_why(seen, first)[0])
            if first.born is not None:
                evidence.append(f"the first of them was made at {line_of(first.born)}")
        title = f"{size:,} tasks of {coroutine} at {line}, {more:,} more than {time_words(seen.seconds)} ago"
        yield Cause("growing", 1, title, tuple(evidence), _FEWER, "%tasks --group", "shows where they stand")


def memory(seen: Observations, limits: Limits) -> Iterator[Cause]:
    """Pending tasks that take much of the process's memory."""
    pending = pending_memory(seen)
    whole = seen.memory[1]
    if pending is None or pending < limits.memory or (whole is not None and pending < limits.share * whole):
        return
    tasks = _pending(seen)
    each = sum(seen.sizes) / len(seen.sizes)
    of_whole = f", of {bytes_words(whole)} that the process has" if whole is not None else ""
    title = f"{len(tasks):,} pending tasks take about {bytes_words(pending)}{of_whole}"
    estimate = f"about {bytes_words(each)} each, estimated from {len(seen.sizes)} of them and what only they refer to"
    places = Counter((info.coroutine, own_place(info)) for info in tasks).most_common(_NAMED)
    evidence = (estimate, *(f"{count:,} of {coroutine} at {line}" for (coroutine, line), count in places))
    yield Cause("memory", 1, title, evidence, _FEWER, "%tasks --group", "shows where they stand")


def pending_memory(seen: Observations) -> int | None:
    """Estimate how many bytes all pending tasks take, from some of them; None if none was looked at."""
    return round(sum(seen.sizes) / len(seen.sizes) * len(_pending(seen))) if seen.sizes else None


def bytes_words(size: float) -> str:
    """Write a size in the unit that suits it."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


_Line = tuple[WaitKind, int]


def _in_line(tasks: Iterable[TaskInfo]) -> dict[_Line, list[TaskInfo]]:
    """The tasks at each lock, semaphore and full queue, in the order in which they come to their turn."""
    found: defaultdict[_Line, list[TaskInfo]] = defaultdict(list)
    for info in tasks:
        if info.wait is not None and info.wait.key and info.wait.kind in ("lock", "semaphore", "queue.put"):
            found[info.wait.kind, info.wait.key].append(info)
    for waiting in found.values():
        waiting.sort(key=lambda info: info.wait.place or 0 if info.wait is not None else 0)
    return found


def _line_cause(seen: Observations, waiting: list[TaskInfo], first: TaskInfo, passed: int) -> Cause:
    assert first.wait is not None
    what, length = a_or_an(first.wait.what), time_words(seen.seconds)
    if first.wait.kind == "queue.put":
        title = f"{len(waiting):,} tasks wait to put into {what}, from which nothing was taken in {length}"
        advice = "Its consumers are too slow, too few, or gone: look at what they wait for."
        command, shows = "%tasks --group", "shows where the others stand"
    else:
        got = "none of them got it" if not passed else f"{passed:,} got it"
        title = f"{len(waiting):,} tasks wait for {what}, and {got} in {length}"
        advice = "Hold it for less: await only what has to be done under it."
        if _is_unheld(first):
            advice = "Take it with async with, which releases it whatever happens."
        command, shows = "%locks", "shows who holds it, and who is in line"
    sentences = _why(seen, first)
    return Cause("waiting", 2, title, sentences, advice, command, shows, tuple(info.number for info in waiting))


def _about(finding: Finding) -> tuple[str, str]:
    """The next command for a finding, and what it shows."""
    if finding.kind == "busy-executor":
        return "%loop", "shows its threads and what they run"
    if _KINDS.get(finding.kind) == "waiting" and finding.tasks:
        return f"%why {finding.tasks[0]}", "goes down to the cause"
    return (f"%task {finding.tasks[0]}", "shows all that is known of it") if finding.tasks else ("%stuck", "")


def _is_unheld(info: TaskInfo) -> bool:
    """Tell whether no holder was seen of what a task waits for; not where nobody looked for one."""
    return info.wait is not None and info.wait.holders == ()


def _is_idle(seen: Observations) -> bool:
    """Tell whether the loop had nothing to do for most of the time."""
    looked = seen.sampled.busy / seen.sampled.looks if seen.sampled.looks else 0.0
    return max(seen.utilisation or 0.0, looked) < 0.5


def _pending(seen: Observations) -> list[TaskInfo]:
    return [info for info in seen.last.tasks if info.state in ("waiting", "cancelling") and not info.own]


def _first_at(seen: Observations, place: Place) -> TaskInfo | None:
    return next((info for info in _pending(seen) if (info.coroutine, own_place(info)) == place), None)


def _why(seen: Observations, info: TaskInfo) -> tuple[str, ...]:
    """Why a task waits; that the loop does not answer is told by itself."""
    return why(seen.last._replace(outside=False), info.number).sentences


def _call_words(info: TaskInfo) -> str:
    """What a task has called that has not begun."""
    place = own_place(info)
    where = f" ({place})" if place else ""
    what = f" to call {info.wait.what}" if info.wait is not None and info.wait.what else ""
    return f"{task_words(info)}{where} waits{what}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"
