"""``%jobs``, ``%fg``, ``%bg`` and ``%thread``: cells in the background and off the loop."""

from aiorepl.commands.arguments import Code
from aiorepl.commands.context import Context
from aiorepl.commands.registry import command
from aiorepl.commands.values import JobList
from aiorepl.errors import CommandError


@command(group="jobs", looks=True)
def jobs(context: Context) -> JobList:
    """List the cells that run in the background.

    A cell that ends with & starts there; Ctrl-Z sends the running one there.
    """
    return JobList(tuple(context.jobs.list()))


@command(group="jobs", examples=[("%fg", "the job that was started last"), ("%fg 2", "job 2")])
async def fg(context: Context, number: int | None = None) -> None:
    """Wait for a job as if it had been typed just now.

    Args:
        number: The job's number in %jobs; left out, the newest.
    """
    await context.jobs.foreground(_newest(context) if number is None else number)


@command(group="jobs")
def bg(context: Context, number: int | None = None) -> None:
    """Let a stopped job go on in the background.

    Args:
        number: The job's number in %jobs; left out, the newest.
    """
    context.jobs.resume(_newest(context) if number is None else number)


@command(
    group="jobs",
    examples=[
        ("%thread requests.get(url)", "a call that would block the loop"),
        ("%thread User.objects.get()", "Django's ORM, which refuses to run on a loop"),
    ],
)
async def thread(context: Context, code: Code) -> None:
    """Run code without await in a thread that has no loop.

    Args:
        code: What to run; its value is shown and kept in _.
    """
    await context.execute_off_loop(code)


def _newest(context: Context) -> int:
    running = context.jobs.list()
    if not running:
        raise CommandError("no job in the background; end a cell with & to start one there")
    return running[-1].number
