"""Every few seconds a look at all tasks: for deadlocks, waits that nothing can end, crowds that grow, dropped tasks.

It is made by a thread of its own, as the one that watches must not wait; the loop does it in slices, as for ``%stuck``.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Mapping

from aiorepl.alerts.blocked import Report
from aiorepl.alerts.places import innermost_own, line_text
from aiorepl.alerts.values import Alert, Kind
from aiorepl.introspect.diagnose import Facts, Place, counts, findings
from aiorepl.introspect.facts import gathering
from aiorepl.introspect.look import GRACE, Slices, look_now
from aiorepl.introspect.loops import number_of
from aiorepl.introspect.values import Finding, LoopSnapshot

__all__ = ["Looks"]

# A look that took long is made again only after so many times as long.
_REST = 50
# With more than this in memory, the search for who refers to what would hold the program up noticeably.
_MANY_BLOCKS = 3_000_000
# What a finding of %stuck is called among the alerts; the others have kinds of their own, told by who sees them come.
_KINDS: Mapping[str, Kind] = {
    "deadlock": "deadlock",
    "lost-wait": "lost-wait",
    "growing": "growing",
    "dropped": "destroyed-pending",
}


class Looks:
    """The looks at one loop, until ``stop``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Report, every: Callable[[], float]) -> None:
        """Look ``every()`` seconds; 0 makes none."""
        self._loop = loop
        self._report = report
        self._every = every
        self._before: Mapping[Place, int] = {}
        # What has been told is not told again as long as it lasts.
        self._told: set[object] = set()
        self._woken = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="aiorepl-look", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Make no more of them; returns when the thread has ended, or holds on to a loop that does not answer."""
        self._stopped = True
        self._woken.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    def wake(self) -> None:
        """Ask anew how often to look."""
        self._woken.set()

    def _run(self) -> None:
        taken = 0.0
        while not self._stopped:
            every = self._every()
            if self._woken.wait(max(every, _REST * taken) if every else None):
                self._woken.clear()
            elif self._loop.is_running():
                taken = self._look()

    def _look(self) -> float:
        """Look once; return how long that took."""
        begun = time.perf_counter()
        snapshot = look_now(self._loop)
        facts = Facts(before=self._before)
        if not snapshot.outside and sys.getallocatedblocks() < _MANY_BLOCKS:
            facts = self._facts(snapshot)
        self._before = counts(snapshot)
        found = [finding for finding in findings(snapshot, facts) if finding.kind in _KINDS]
        keys = {_key(finding) for finding in found}
        for finding in found:
            if _key(finding) not in self._told:
                self._report(self._alert(finding, snapshot), _key(finding))
        self._told = keys
        return time.perf_counter() - begun

    def _facts(self, snapshot: LoopSnapshot) -> Facts:
        """Go through the objects of the process on the loop's own thread, where nothing moves meanwhile."""
        nothing = Facts(before=self._before)
        with Slices(lambda: gathering(self._loop, snapshot, self._before), self._loop) as slices:
            slices.start()
            while not slices.stalled() and not self._stopped:
                try:
                    return slices.done.result(GRACE)
                except TimeoutError:
                    continue
        return nothing

    def _alert(self, finding: Finding, snapshot: LoopSnapshot) -> Alert:
        first = next((info for info in snapshot.tasks if finding.tasks and info.number == finding.tasks[0]), None)
        where = innermost_own(first.stack) if first is not None else None
        return Alert(
            _KINDS[finding.kind],
            finding.title,
            where=where,
            source=line_text(where),
            task=finding.tasks[0] if finding.tasks else None,
            loop=number_of(self._loop),
            stack=first.stack if first is not None else (),
            cure=finding.advice,
            detail="\n".join(finding.evidence),
            sampled=True,
        )


def _key(finding: Finding) -> object:
    # A crowd is the same crowd when it has grown.
    return (finding.kind, finding.title if finding.kind == "growing" else frozenset(finding.tasks))
