"""Why a task is not finished, in plain sentences down to the root cause; pure, over the values of a snapshot."""

from collections.abc import Container

from aiorepl.introspect.chain import innermost_own
from aiorepl.introspect.deadlock import dead_tasks, time_limits
from aiorepl.introspect.graph import edges
from aiorepl.introspect.values import Explanation, Frame, LoopSnapshot, TaskInfo, Wait, WaitKind
from aiorepl.introspect.words import OVERDUE, wait_words

__all__ = ["a_or_an", "line_of", "own_place", "task_words", "why"]

# Tasks that a sentence is said about; deeper causes are counted.
_STEPS = 8
# A wait that was seen for less than this is not said to have lasted.
_BRIEF = 0.1
# Of so many that a task waits for each is named.
_NAMED = 3
# What nothing ends by itself.
_LASTING: frozenset[WaitKind] = frozenset(("event", "condition", "barrier"))
_ENDED = frozenset(("done", "cancelled", "failed"))


def why(snapshot: LoopSnapshot, number: int, *, nobody_ends: Container[int] = ()) -> Explanation:
    """Explain why a task of the snapshot is not finished; one that is not in it is said to be gone.

    What the tasks in ``nobody_ends`` wait for is at hand for nobody else: see ``facts.only_cancelling_ends``.
    """
    return _Inquiry(snapshot, nobody_ends).explained(number)


def task_words(info: TaskInfo) -> str:
    """What a task is called in a sentence: its name, and its coroutine's where that is another."""
    return info.name if info.coroutine in ("", info.name) else f"{info.name} {info.coroutine}"


def own_place(info: TaskInfo) -> str:
    """Where a task stands, as ``file.py:12``: its innermost line that is the program's or a package's, or empty."""
    frame = innermost_own(info.stack)
    return "" if frame is None else line_of(frame)


def line_of(frame: Frame) -> str:
    """A frame's file, without the folder, and line."""
    return f"{frame.file.rpartition('/')[2]}:{frame.line}"


class _Inquiry:
    """Follows waits from task to task."""

    def __init__(self, snapshot: LoopSnapshot, nobody_ends: Container[int]) -> None:
        self.snapshot = snapshot
        self.nobody_ends = nobody_ends
        self.tasks = {info.number: info for info in snapshot.tasks}
        self.targets: dict[int, list[int]] = {}
        waiters: dict[int, list[int]] = {}
        for edge in edges(snapshot):
            self.targets.setdefault(edge.waiter, []).append(edge.target)
            waiters.setdefault(edge.target, []).append(edge.waiter)
        self.dead = dead_tasks(snapshot)
        self.lasting = _lasting(snapshot, waiters)

    def explained(self, number: int) -> Explanation:
        if number not in self.tasks:
            return Explanation(number, (f"Task {number} is not there any more: it has ended.",))
        path = self._path(number)
        # In a circle the last one has been told of already.
        told = path[:-1] if path[-1] in path[:-1] else path
        sentences = [self._sentence(path, index) for index in range(min(len(told), _STEPS))]
        if len(told) > _STEPS:
            sentences.append(f"And so on, through {len(told) - _STEPS} more tasks.")
        sentences += self._circle(path)
        if path[-1] in self.nobody_ends:
            name = task_words(self.tasks[path[-1]])
            sentences.append(f"Nobody else has what {name} waits for: nothing but cancelling it ends that.")
        if blocked := self._blocked(path):
            sentences.append(blocked)
        return Explanation(number, tuple(sentences), tuple(path))

    def _path(self, number: int) -> list[int]:
        """The tasks from this one down to the root cause; the last one may be one of those before it."""
        path = [number]
        while (following := self._next(path[-1])) is not None:
            path.append(following)
            if following in path[:-1]:
                break
        return path

    def _next(self, number: int) -> int | None:
        """Of several, the one that never ends, or else one that waits for more than what goes on by itself."""
        targets = self.targets.get(number, [])
        for kind in (self.dead, self.lasting, self.targets):
            if (found := next((target for target in targets if target in kind), None)) is not None:
                return found
        return next(iter(targets), None)

    def _sentence(self, path: list[int], index: int) -> str:
        info = self.tasks[path[index]]
        where = f" ({place})" if (place := own_place(info)) else ""
        return f"{task_words(info)}{where} {self._doing(info, self._following(path, index))}."

    def _following(self, path: list[int], index: int) -> TaskInfo | None:
        return self.tasks[path[index + 1]] if index + 1 < len(path) else None

    def _doing(self, info: TaskInfo, following: TaskInfo | None) -> str:
        if info.state in _ENDED:
            return f"has ended ({info.state}{': ' if info.outcome else ''}{info.outcome})"
        if info.state == "running":
            return "executes now"
        asked = "was asked to end, but " if info.state == "cancelling" else ""
        if info.wait is None:
            return f"{asked}is ready, and runs at the loop's next pass"
        return asked + self._waiting(info, info.wait, following) + self._limit(info)

    def _waiting(self, info: TaskInfo, wait: Wait, following: TaskInfo | None) -> str:
        if wait.kind == "sleep":
            return _sleeping(wait.left)
        lasted = info.seen is not None and info.seen >= _BRIEF
        waits = f"has waited at least {info.seen:.1f} s for" if lasted else "waits for"
        if following is not None and following.number in (wait.holders or ()):
            others = len(wait.holders or ()) - 1
            also = f" and {others} more" if others else ""
            return f"{waits} {a_or_an(wait.what)} held by {self._holder(following, wait)}{also}"
        if following is not None:
            return f"{waits} {self._awaited(wait, following)}"
        return f"{waits} {self._thing(wait)}"

    def _holder(self, holder: TaskInfo, wait: Wait) -> str:
        """Who holds a thing, and the line from which it has it."""
        held = next((held for held in holder.holds or () if held.key == wait.key), None)
        return task_words(holder) + (f" ({line_of(held.frame)})" if held is not None else "")

    def _awaited(self, wait: Wait, following: TaskInfo) -> str:
        if wait.kind == "task":
            return task_words(following)
        words = wait_words(wait, self._name)
        others = [number for number in wait.tasks if number != following.number]
        named = [task_words(following), *map(self._name, others[: _NAMED - 1])]
        if len(others) >= _NAMED:
            named.append(f"{len(others) - _NAMED + 1} more")
        listed = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
        any_of = ", one of which may do" if wait.first and others else ""
        return f"{words}: {listed}{any_of}"

    def _thing(self, wait: Wait) -> str:
        words = wait_words(wait, self._name)
        if wait.kind in ("lock", "semaphore") and wait.holders == ():
            return f"{a_or_an(words)}, whose holder is not seen: it was taken without async with, or its task has ended"
        if wait.kind == "thread" and wait.started is False:
            executor = self.snapshot.loop.executor
            busy = executor is not None and executor.idle == 0 and executor.workers >= executor.limit
            return words + (f", as all {executor.workers} workers are busy" if busy and executor is not None else "")
        return words

    def _limit(self, info: TaskInfo) -> str:
        if not info.timeouts:
            return ""
        left = min(timeout.left for timeout in info.timeouts)
        if left <= -OVERDUE:
            return f", though its timeout was due {-left:.1f} s ago"
        return f", at most until its timeout in {max(0.0, left):.1f} s"

    def _circle(self, path: list[int]) -> list[str]:
        if len(path) < 2 or path[-1] not in path[:-1]:
            return []
        members = path[path.index(path[-1]) : -1]
        infos = [self.tasks[number] for number in members]
        names = ", ".join(info.name for info in infos[:_STEPS])
        if self.dead.issuperset(members):
            alone = len(infos) == 1
            return [f"That is a deadlock: {names} {'waits for itself' if alone else 'wait for each other for ever'}."]
        limits = time_limits(self.snapshot)
        if left := [limits[number] for number in members if number in limits]:
            return [f"They wait for each other until a timeout ends it in {max(0.0, min(left)):.1f} s: {names}."]
        return [f"They wait for each other, but something else may end that: {names}."]

    def _blocked(self, path: list[int]) -> str:
        """Who keeps the loop from doing anything at all."""
        if not self.snapshot.outside:
            return ""
        stack = self.snapshot.loop.stack
        current = self.tasks.get(self.snapshot.loop.current or 0)
        stack = current.stack if current is not None else stack
        place = next((frame for frame in reversed(stack) if not frame.library), None)
        where = f" at {line_of(place)}" if place is not None else ""
        who = f"{task_words(current)} executes" if current is not None else "a callback executes"
        return f"The loop does not answer: {who}{where}, and nothing else runs until that ends."

    def _name(self, number: int) -> str:
        info = self.tasks.get(number)
        return task_words(info) if info is not None else f"task {number}"


def _lasting(snapshot: LoopSnapshot, waiters: dict[int, list[int]]) -> set[int]:
    """The tasks that wait for what nothing ends by itself, nor a timeout, and those that wait for them."""
    limits = time_limits(snapshot)
    found = {
        info.number
        for info in snapshot.tasks
        if info.wait is not None and info.wait.kind in _LASTING and info.number not in limits
    }
    remaining = list(found)
    while remaining:
        for waiter in waiters.get(remaining.pop(), ()):
            if waiter not in found:
                found.add(waiter)
                remaining.append(waiter)
    return found


def _sleeping(left: float | None) -> str:
    if left is None:
        return "sleeps"
    if left <= -OVERDUE:
        return f"has slept {-left:.1f} s longer than it should"
    return f"sleeps {max(0.0, left):.1f} s more"


def a_or_an(what: str) -> str:
    """Put the article before a name that has none."""
    if what.startswith(("a ", "an ")):
        return what
    return f"{'an' if what[:1] in 'AEIOUaeiou' else 'a'} {what}"
