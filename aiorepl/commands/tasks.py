"""``%tasks``, ``%tree``, ``%task``, ``%where``, ``%why``, ``%stuck`` and ``%locks``: what every task is doing, and why.

Nothing is awaited here but the look itself, so that a cell can call each of these without awaiting it.
"""

from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.task_graphs import lock_list, task_details, task_tree
from aiorepl.commands.task_lists import ENDED, SortKey, Tasks, group_tasks, list_tasks
from aiorepl.commands.task_names import TaskName, find_one
from aiorepl.commands.task_stacks import group_stacks, locals_of, task_stack
from aiorepl.commands.task_stats import COUNTS, count_for, counts_of
from aiorepl.commands.task_values import (
    LockList,
    Reason,
    StackGroups,
    StuckReport,
    TaskDetails,
    TaskGroups,
    TaskStack,
    TaskTable,
    TaskTree,
)
from aiorepl.errors import CommandError
from aiorepl.introspect.facts import only_cancelling_ends
from aiorepl.introspect.look import Pause
from aiorepl.introspect.loops import loops
from aiorepl.introspect.silence import silent_finding
from aiorepl.introspect.values import State
from aiorepl.introspect.why import why as explain

# Who holds what is looked for if there are no more tasks than this: 0.1 s of work.
_FEW = 5_000
# Tasks that are forgotten at one go.
_AT_ONCE = 1_000


@command(
    group="tasks",
    looks=True,
    aliases=["ps"],
    examples=[
        ("%tasks", "every task"),
        ("%tasks worker* --sort left", "those called so, what ends first at the top"),
        ("%tasks --group", "10,000 tasks by where they stand"),
        ("%tasks --sort busy --window 2", "who holds the loop during the next two seconds"),
    ],
)
async def tasks(
    context: Context,
    pattern: str = "",
    *,
    state: State | None = None,
    sort: SortKey = "number",
    group: bool = False,
    window: float | None = None,
    top: int = 50,
    all_: bool = False,
) -> TaskTable | TaskGroups:
    """List the tasks of the loop with what each waits on.

    An age is known of tasks that were made since aiorepl looks. Who holds a lock is not looked for where there are
    more than 5,000 tasks; %why and %locks do. While %stats is on, there are also the steps of each task, how long it
    was busy, its longest step, how long it waited to run, its wakes, and who woke it.

    Args:
        pattern: A number, a name, or a glob for names and coroutines.
        state: Only those in this state; the last three have ended and are still referred to.
        sort: By what; "age" has the oldest first, "left" what ends first. The last five take %stats, or a window, and
            have the largest first.
        group: Merge tasks that stand in the same place, the largest group first.
        window: Count for so many seconds first, and show what happened in them.
        top: How many rows at most.
        all_: Those of aiorepl, the cell that asks, and those that have ended too.
    """
    ended = all_ or state in ENDED
    loop = context.inspector.loop
    if group and (window is not None or sort in COUNTS):
        raise CommandError("--group merges tasks, and what is counted is of each: leave one of them out")
    counts = await count_for(loop, window) if window is not None else counts_of(loop)
    if counts is None and sort in COUNTS:
        raise CommandError(f"nothing is counted: %stats on, or %tasks --sort {sort} --window 2")
    with Pause():
        snapshot = await context.inspector.snapshot(holders=False, ended=ended)
        if len(snapshot.tasks) <= _FEW:
            snapshot = await context.inspector.snapshot(ended=ended)
        try:
            if group:
                return group_tasks(snapshot, pattern, state=state, top=top, own=all_)
            return list_tasks(snapshot, pattern, state=state, sort=sort, top=top, own=all_, counts=counts)
        finally:
            # Gone before the collector goes on, which would otherwise begin with it; and not at one go, for which the
            # loop's thread would have to wait.
            remaining = list(snapshot.tasks)
            del snapshot
            while remaining:
                del remaining[-_AT_ONCE:]


@command(group="tasks", looks=True, aliases=["pstree"])
async def tree(context: Context, task: TaskName | None = None) -> TaskTree:
    """Draw who awaits whom, and whose TaskGroup each is in.

    A task that is awaited by several is drawn once and referred to after that; so is one that awaits itself
    through others.

    Args:
        task: Only this one and what it awaits.
    """
    seen = Tasks(await context.inspector.snapshot())
    return task_tree(seen, None if task is None else find_one(seen.snapshot, task).number)


@command(group="tasks", looks=True)
async def task(context: Context, task: TaskName) -> TaskDetails:
    """Tell everything about one task.

    Args:
        task: Its number or name; one that has ended will do, as long as something refers to it.
    """
    counts = counts_of(context.inspector.loop)
    seen = Tasks(await context.inspector.snapshot(ended=True, context=True), counts)
    return task_details(seen, find_one(seen.snapshot, task))


@command(
    group="tasks",
    looks=True,
    examples=[
        ("%where 7", "the await chain of task 7, with source"),
        ("%where 7 --locals", "and the variables of each frame"),
        ("%where --group", "the stacks of all tasks, equal ones merged"),
    ],
)
async def where(
    context: Context, task: TaskName | None = None, *, locals_: bool = False, group: bool = False
) -> TaskStack | StackGroups:
    """Show where a task stands, from its coroutine to the innermost await.

    Args:
        task: Its number or name.
        locals_: The variables of each frame too. Only builtin values are shown, as any other repr could run code. Up to
            Python 3.12, what they hold now may live as long as their frame.
        group: The stacks of all tasks instead, equal ones merged, the most frequent first.
    """
    if group:
        return group_stacks(await context.inspector.snapshot(holders=False))
    if task is None:
        raise CommandError("which task? %where takes a number or a name; %where --group shows all stacks")
    seen = Tasks(await context.inspector.snapshot(ended=True))
    info = find_one(seen.snapshot, task)
    if not locals_:
        return task_stack(seen, info)
    found, _ = await context.inspector.call(lambda: locals_of(info.number))
    return task_stack(seen, info, found)


@command(group="tasks", looks=True)
async def why(context: Context, task: TaskName) -> Reason:
    """Explain in a few sentences why a task is not finished.

    Where somebody has to end the wait that it comes to, all objects of the process are gone through for who could: that
    holds everything, for about 16 ms for each million of them, a few times.

    Args:
        task: Its number or name.
    """
    seen = Tasks(await context.inspector.snapshot(ended=True))
    info = find_one(seen.snapshot, task)
    found = explain(seen.snapshot, info.number)
    if found.path and not seen.snapshot.outside:
        root = found.path[-1]
        # Only on the loop's own thread, where nothing moves meanwhile, it is certain.
        lost, outside = await context.inspector.call(lambda: only_cancelling_ends(seen.snapshot, root))
        if lost and not outside:
            found = explain(seen.snapshot, info.number, nobody_ends=(root,))
    return Reason(seen.view([info]), seen.row(info), found)


@command(group="tasks", looks=True)
async def stuck(context: Context) -> StuckReport:
    """Look for what is wrong, worst first, with what to do about it.

    Deadlocks, waits that nothing can end, tasks that nobody holds, that did not end when they were cancelled, or whose
    exception nobody has seen, full queues, a busy executor, coroutines that pile up, and loops of the process that do
    not answer. Where a wait might be one that nothing can end, all objects of the process are gone through, which holds
    everything: about 16 ms for each million of them, some times for each of at most twenty such waits.

    What is no fault before it lasts is found by a second look, 5 s later; tasks that failed or were asked to end just
    now are named by the first one, too.
    """
    seen = Tasks(await context.inspector.snapshot())
    found = await context.inspector.examine()
    chosen = context.inspector.loop
    # One that has answered just now need not be asked again.
    asked = [loop for loop in loops(chosen) if loop is not chosen or seen.snapshot.outside]
    silent = tuple(silent_finding(info) for info in await context.inspector.silent(asked))
    view = seen.view([info for info in seen.snapshot.tasks if not info.own])
    return StuckReport(view, silent + found.findings, found.early)


@command(group="tasks", looks=True)
async def locks(context: Context) -> LockList:
    """List what tasks hold and wait on: locks, queues and the like.

    Those with the most waiters come first.
    """
    return lock_list(Tasks(await context.inspector.snapshot()))
