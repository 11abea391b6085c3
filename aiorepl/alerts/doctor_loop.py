"""What is wrong with the steps of a loop: single ones that hold it, or so many that it is never done."""

from collections.abc import Iterator

from aiorepl.alerts.doctor_values import Cause, Hot, Limits, Observations, Spell
from aiorepl.alerts.places import where_words
from aiorepl.alerts.values import Alert
from aiorepl.introspect.silence import silent_finding
from aiorepl.introspect.why import line_of, task_words

__all__ = ["blocked", "busy", "elsewhere", "time_words"]

# As many lines of a program as one reads.
_NAMED = 3
# Looks without which nothing is said of how busy a loop is.
_FEWEST = 10
# The part of the looks that makes a line worth telling.
_NOTABLE = 0.1

_DIVIDE = "Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...)."
_ELSEWHERE = "A thread does not help here: do it in pieces, or in another process (ProcessPoolExecutor)."
_FREEZE = "Keep fewer objects, or call gc.freeze() once those are there that stay: collections pass over them then."
_LESS = (
    "One thread can do no more. Wait for what is to come instead of asking for it again and again, do more in one step,"
    " or move work to threads or processes."
)


def blocked(seen: Observations, limits: Limits) -> Iterator[Cause]:
    """Steps that held the loop for long, one cause for each line."""
    sampled = seen.sampled
    for spell in sampled.spells[:_NAMED]:
        yield _blocked_by(spell, seen)
    if sampled.spells:
        return
    if sampled.hidden >= limits.slow:
        what, advice = ("a collection of garbage", _FREEZE) if sampled.collected else ("a call into C", _ELSEWHERE)
        title = f"{what} held the loop and the GIL for about {time_words(sampled.hidden)}; nobody could look"
        alert = _alert_of(seen, None)
        evidence = (f"{where_words(alert.where)}: {alert.source}",) if alert is not None and alert.where else ()
        yield Cause("blocked", 1 if sampled.collected else 2, title, evidence, advice, *_about(alert, None, seen))
    elif sampled.overdue >= limits.slow and not seen.last.loop.thread:
        title = f"the loop has not called back for {time_words(sampled.overdue)}, and its thread cannot be seen"
        yield Cause("blocked", 3, title, command="%loop", shows="shows what is known of it")


def elsewhere(seen: Observations, limits: Limits) -> Iterator[Cause]:
    """Other loops of the process that stand still."""
    for info in seen.silent:
        finding = silent_finding(info)
        command = f"%loops {info.number}"
        shows = "has the commands look at that loop"
        yield Cause("blocked", finding.severity, finding.title, finding.evidence, finding.advice, command, shows)


def busy(seen: Observations, limits: Limits) -> Iterator[Cause]:
    """A loop that works all the time, though no single step is to blame."""
    sampled = seen.sampled
    if sampled.looks < _FEWEST or 2 * sampled.held > seen.seconds:
        return
    # While it asks what else is ready, a loop that has something to do counts as idle where that is measured.
    share = max(seen.utilisation or 0.0, sampled.busy / sampled.looks)
    # What slow steps took is told of already.
    if share * seen.seconds - sampled.held < limits.busy * (seen.seconds - sampled.held):
        return
    evidence = [f"it had something to do in {sampled.busy:,} of {sampled.looks:,} looks"]
    if seen.utilisation is not None:
        evidence.append(f"it was at work for {seen.utilisation:.0%} of the time, as measured")
    if sampled.processor is not None:
        evidence.append(f"its thread had {sampled.processor:.0%} of a processor")
    if seen.steps is not None:
        evidence.append(f"{seen.steps:,.0f} steps a second")
    elif seen.passes is not None:
        evidence.append(f"{seen.passes:,.0f} passes a second, in each of which every task that is ready has a step")
    evidence += _busiest(seen)
    evidence += [_hot_words(hot, sampled.busy) for hot in sampled.hot if hot.looks >= _NOTABLE * sampled.busy]
    title = "the loop is never done, though no step of it is slow"
    command, shows = "%tasks --sort busy", "shows who works most"
    if not seen.countable:
        command, shows = "%tasks --sort wakes --window 2", "counts for 2 s who is woken most"
    elif seen.steps is None:
        command, shows = "%tasks --sort busy --window 2", "counts for 2 s who works most"
    yield Cause("busy", 2, title, tuple(evidence), _LESS, command, shows)


def time_words(seconds: float) -> str:
    """Write a time with as many digits as an observation is worth."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _blocked_by(spell: Spell, seen: Observations) -> Cause:
    who = f"{spell.who} and others" if spell.others else spell.who
    call = f" in {spell.call}" if spell.call and not spell.who.endswith(f" {spell.call}") else ""
    lasts = spell.lasts and spell.times == 1
    if lasts:
        title = f"{who} holds the loop{call}, for {'at least ' * spell.before}{time_words(spell.longest)} so far"
    elif spell.times == 1:
        title = f"{who} held the loop{call} for {'at least' if spell.before else 'about'} {time_words(spell.longest)}"
    else:
        often = f"{spell.times} times, for {time_words(spell.total)} of {time_words(seen.seconds)}"
        title = f"{who} held the loop{call} {often}; the longest was about {time_words(spell.longest)}"
    evidence = []
    if spell.where is not None:
        place = where_words(spell.where)
        evidence.append(f"{place}: {spell.source}" if spell.source else place)
    if spell.hidden:
        evidence.append(
            f"it held the GIL, so that no other thread could run; looks that were made all the same: {spell.looks:,}"
        )
    else:
        evidence.append(f"{spell.there:,} of {spell.looks:,} looks meanwhile found it there, 10 ms apart")
    if spell.behind:
        evidence.append(f"{spell.behind:,} {'callback' if spell.behind == 1 else 'callbacks'} waited behind it")
    advice = _ELSEWHERE if spell.hidden else _DIVIDE
    if spell.call:
        advice = f"{spell.call} blocks the loop's thread. Write instead: {spell.cure}"
    command, shows = _about(_alert_of(seen, spell), spell, seen)
    tasks = (spell.task,) if spell.task is not None else ()
    return Cause("blocked", 3 if lasts else 2, title, tuple(evidence), advice, command, shows, tasks)


def _alert_of(seen: Observations, spell: Spell | None) -> Alert | None:
    """The alert that tells of the same step, or of another one of that task; None if there is none."""
    slow = [alert for alert in seen.alerts if alert.kind in ("blocked-loop", "blocking-call", "slow-callback")]
    if spell is None:
        return slow[-1] if slow else None
    same_line = [alert for alert in slow if alert.where and spell.where and alert.where[1:3] == spell.where[1:3]]
    same_task = [alert for alert in slow if alert.task is not None and alert.task == spell.task]
    return next(iter([*same_line[::-1], *same_task[::-1]]), None)


def _about(alert: Alert | None, spell: Spell | None, seen: Observations) -> tuple[str, str]:
    """The next command for a step that held the loop, and what that shows."""
    there = {info.number for info in seen.last.tasks}
    if spell is not None and spell.lasts and spell.times == 1 and spell.task in there:
        return f"%where {spell.task}", "shows its stack now"
    if alert is not None:
        return f"%alerts {alert.number}", "shows its stack at that time"
    if spell is not None and spell.task in there:
        return f"%where {spell.task}", "shows where that task stands"
    return "%alerts", "lists what was noticed otherwise"


def _busiest(seen: Observations) -> Iterator[str]:
    """Say of the tasks that worked most how much that was."""
    tasks = {info.number: info for info in seen.last.tasks}
    for stats in seen.stats:
        if stats.task in tasks and stats.busy is not None and stats.busy >= _NOTABLE * seen.seconds:
            part = f"{stats.busy / seen.seconds:.0%} of the time"
            yield f"{task_words(tasks[stats.task])} had {stats.steps or 0:,} steps, which took {part}"


def _hot_words(hot: Hot, busy: int) -> str:
    place = line_of(hot.where) if hot.where is not None else "asyncio's own code"
    return f"{hot.looks / busy:.0%} of that: {hot.who}, {place}"
