"""Tasks that fail with nobody awaiting them are told, and those that somebody looks at in time are not."""

import asyncio
import contextlib
import gc
import sys
import textwrap
from collections.abc import Callable, Coroutine

import pytest
from sessions import Conversation, converse, texts

from aiorepl.alerts.births import Births
from aiorepl.alerts.endings import TaskWatch
from aiorepl.alerts.handler import HandlerWatch
from aiorepl.alerts.values import Alert, Rules
from aiorepl.model import AlertRaised, Event

FAIL = """\
async def fail(x=0):
    await asyncio.sleep(0)
    raise ValueError(x)

async def other():
    raise KeyError
"""


def test_a_failed_task_is_told_once() -> None:
    async def script(talk: Conversation) -> None:
        look_at_endings_alone(talk)
        await talk.type(FAIL)
        await talk.type("task = asyncio.create_task(fail('one'), name='crawler')")
        told = alert_of(await talk.announcement("crawler"))
        assert told.what == "crawler (fail) failed and nobody awaits it: ValueError: one"
        assert told.detail == (
            'Traceback (most recent call last):\n  File "<cell 1>", line 3, in fail\n'
            "    raise ValueError(x)\nValueError: one\n"
        )
        assert talk.session.status().last_alert == f"never-retrieved: {told.what}"
        # Neither when it is collected nor when another one fails is it told again.
        await talk.type("del task\nimport gc\ngc.collect();")
        await talk.type("task = asyncio.create_task(fail('two'))\ntask = asyncio.create_task(other())")
        await talk.announcement("other")
        assert sum(alert.times for alert in talk.session.alerts.ledger.list("never-retrieved")) == 3

    converse(script)


def look_at_endings_alone(talk: Conversation) -> None:
    """Only a few alerts are shown in a second: a busy machine's slow steps are not to be among them."""
    talk.session.settings.set("slow", 0)
    talk.session.settings.set("lag", 0)
    talk.session.settings.set("unretrieved", 0.05)


def alert_of(event: Event) -> Alert:
    assert isinstance(event, AlertRaised)
    assert isinstance(event.alert, Alert)
    return event.alert


# Each awaits what fails, in a way that may leave it unretrieved for a moment.
AWAITED = [
    "try: await asyncio.create_task(fail())\nexcept ValueError: pass",
    "t = asyncio.create_task(fail())\nawait asyncio.wait([t])\ntry: t.result()\nexcept ValueError: pass",
    "await asyncio.gather(fail(), fail(), return_exceptions=True);",
    "try: await asyncio.gather(fail(), fail())\nexcept ValueError: pass",
    "try:\n    async with asyncio.TaskGroup() as tg: tg.create_task(fail()); tg.create_task(fail())\n"
    "except* ValueError: pass",
    "for c in asyncio.as_completed([fail(), fail()]):\n    try: await c\n    except ValueError: pass",
    "try: await asyncio.shield(fail())\nexcept ValueError: pass",
    "try: await asyncio.wait_for(fail(), 5)\nexcept ValueError: pass",
    "t = asyncio.create_task(asyncio.sleep(9)); t.cancel()\nawait asyncio.wait([t]);",
]


@pytest.mark.parametrize("text", AWAITED)
def test_a_failed_task_that_was_awaited_is_not_told(text: str) -> None:
    async def script(talk: Conversation) -> None:
        await talk.type(FAIL)
        for _ in range(3):
            await talk.type(text)
        look_at_endings_alone(talk)
        await talk.type("asyncio.create_task(fail(), name='the only one');")
        await talk.announcement("the only one")
        assert len(talk.announced) == 1, talk.announced

    converse(script)


class Watch:
    """Watches the tasks of a loop; its time passes when a test says so, and it keeps what it tells."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, replaces: bool = True) -> None:
        self.now = 0.0
        # Beats that the loop has answered: many, unless a test is about that.
        self.answers = 0
        self.blocked = False
        self.told: list[Alert] = []
        self._tasks = TaskWatch(loop, self._take, lambda: self.answers, replaces=replaces, clock=lambda: self.now)
        self._births = Births(loop, self._tasks.add, lambda entry, place: None)
        self._handler = HandlerWatch(loop, self._take, quiet=True)

    def scan(self, *, last: bool = False) -> None:
        if not self.blocked:
            self.answers += 2
        self._tasks.tick(RULES, last=last)

    @property
    def names(self) -> list[str]:
        return [alert.what.partition(" (")[0] for alert in self.told]

    def _take(self, alert: Alert, key: object) -> Alert:
        self.told.append(alert)
        return alert


RULES = Rules(unretrieved=0.05)


def watched(script: Callable[[Watch], Coroutine[None, None, None]]) -> None:
    """Run a coroutine function on a loop whose tasks are watched."""

    async def run() -> None:
        await script(Watch(asyncio.get_running_loop()))

    asyncio.run(run())


async def fail() -> None:
    raise ValueError("unretrieved")


async def ended(task: "asyncio.Task[None]") -> None:
    """Wait for the end of a task without looking at how it ended."""
    end = asyncio.Event()
    task.add_done_callback(lambda _: end.set())
    await end.wait()


def test_a_loop_that_has_had_no_turn_since_is_waited_for() -> None:
    async def script(watch: Watch) -> None:
        task = asyncio.create_task(fail(), name="late")
        await ended(task)
        watch.scan()
        watch.blocked = True
        watch.now = 60.0
        watch.answers += 1
        watch.scan()
        assert watch.names == []
        watch.answers += 1
        watch.scan()
        assert watch.names == ["late"]

    watched(script)


def test_who_fetches_the_exception_within_a_moment_is_in_time() -> None:
    async def script(watch: Watch) -> None:
        tasks = [asyncio.create_task(fail()) for _ in range(2)]
        for task in tasks:
            await ended(task)
        watch.scan()
        watch.now = 0.04
        watch.scan()
        assert watch.told == []
        assert isinstance(tasks[0].exception(), ValueError)
        watch.now = 0.06
        watch.scan()
        assert watch.names == [tasks[1].get_name()]

    watched(script)


@pytest.mark.parametrize("ends", ["fails", "swallows"])
def test_tasks_that_were_there_before_are_watched(ends: str) -> None:
    async def script() -> None:
        go = asyncio.Event()

        async def fails() -> None:
            await go.wait()
            await fail()

        async def swallows() -> None:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await go.wait()
                    await asyncio.sleep(3600)

        elder = asyncio.create_task(fails() if ends == "fails" else swallows(), name="elder")
        await asyncio.sleep(0)
        watch = Watch(asyncio.get_running_loop())
        watch.scan()
        go.set()
        if ends == "fails":
            await ended(elder)
        else:
            await asyncio.sleep(0)
            elder.cancel()
            await asyncio.sleep(0)
        for now in (0.0, 60.0, 120.0):
            watch.now = now
            watch.scan()
        assert [(alert.kind, alert.what.partition(" (")[0]) for alert in watch.told] == [
            ("never-retrieved" if ends == "fails" else "swallowed-cancel", "elder")
        ]
        # Its end is not waited for.
        elder.get_coro().close()

    asyncio.run(script())


@pytest.mark.parametrize("replaces", [False, True])
def test_what_a_program_logs_of_its_failed_tasks_is_left_to_it(replaces: bool) -> None:
    async def script() -> None:
        logged: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: logged.append(context["message"]))
        watch = Watch(loop, replaces=replaces)
        task = asyncio.create_task(fail(), name="kept")
        await ended(task)
        watch.scan()
        watch.now = 60.0
        watch.scan()
        assert watch.names == ["kept"]
        del task
        gc.collect()
        assert logged == ([] if replaces else ["Task exception was never retrieved"])
        # Which is no other alert.
        assert watch.names == ["kept"]

    asyncio.run(script())


def test_a_callback_of_the_library_is_not_to_be_changed_by_who_reads_of_it() -> None:
    async def script(watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(textwrap.dedent, 0)  # type: ignore[arg-type]
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
        assert [(alert.kind, alert.cure) for alert in watch.told] == [
            (
                "exception-in-callback",
                "The callback is not the program's: look for what failed or was cancelled just before.",
            ),
            ("exception-in-callback", "Catch it in the callback: nobody else can."),
        ]

    watched(script)


def test_at_the_end_nothing_is_waited_for() -> None:
    async def script(watch: Watch) -> None:
        task = asyncio.create_task(fail())
        await ended(task)
        watch.scan(last=True)
        assert watch.names == [task.get_name()]

    watched(script)


def test_looking_fetches_no_exception() -> None:
    async def script(watch: Watch) -> None:
        task = asyncio.create_task(fail())
        await ended(task)
        watch.scan()
        assert watch.told == []
        del task
        gc.collect()
        # asyncio tells of it in its own way.
        assert [alert.kind for alert in watch.told] == ["never-retrieved"]
        watch.scan(last=True)
        assert len(watch.told) == 1

    watched(script)


def test_tasks_are_not_kept_alive() -> None:
    async def script(watch: Watch) -> None:
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(100)))
        gc.collect()
        assert len(asyncio.all_tasks()) == 1
        watch.scan()
        assert watch.told == []

    watched(script)


def test_ten_thousand_tasks_are_looked_at_in_slices() -> None:
    async def script(watch: Watch) -> None:
        go = asyncio.Event()
        tasks = [asyncio.create_task(go.wait()) for _ in range(10_000)]
        bad = asyncio.create_task(fail(), name="the bad one")
        await ended(bad)
        for _ in range(3):
            watch.scan(last=True)
        assert watch.names == ["the bad one"]
        go.set()
        await asyncio.gather(*tasks)

    watched(script)


def test_coroutines_that_are_never_awaited_are_told_line_by_line() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type(FAIL)
        await talk.type("x = 1\nfail();\nx = fail()\nx = 2")
        told = alert_of(await talk.announcement("never awaited"))
        assert (told.what, told.where and told.where.line) == ("coroutine 'fail' was never awaited", 2)
        await talk.type("await asyncio.sleep(0.1)")
        assert [alert.source for alert in talk.session.alerts.ledger.list("never-awaited")] == ["fail();", "x = fail()"]

    converse(script)


def test_any_other_warning_is_shown_as_ever() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("import warnings\nwarnings.warn('a warning of the user', UserWarning)")

    with pytest.warns(UserWarning, match="a warning of the user"):
        converse(script)


def test_a_task_factory_underneath_still_makes_the_tasks() -> None:
    made: list[object] = []

    class Task(asyncio.Task[object]):
        pass

    def factory(loop: asyncio.AbstractEventLoop, coro: object, **options: object) -> Task:
        made.append(options)
        return Task(coro, loop=loop, **options)  # type: ignore[arg-type]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)  # type: ignore[arg-type]
        watch = Watch(loop)
        task = asyncio.create_task(fail(), name="named")
        await ended(task)
        watch.scan(last=True)
        assert isinstance(task, Task)
        assert task.get_name() == "named"
        assert len(watch.told) == 1

    asyncio.run(run())
    assert made


def test_a_task_factory_that_is_set_later_makes_no_difference() -> None:
    async def script(talk: Conversation) -> None:
        look_at_endings_alone(talk)
        await talk.type(FAIL)
        await talk.type("loop = asyncio.get_running_loop()\nloop.get_task_factory()")
        await talk.type("loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))")
        await talk.type("task = asyncio.create_task(fail(), name='crawler')")
        await talk.announcement("crawler")

    converse(script)


def test_in_debug_mode_a_task_says_where_the_user_made_it() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("loop = asyncio.get_running_loop()\nloop.set_debug(True)")
        await talk.type("task = loop.create_task(asyncio.sleep(0))")
        assert "created at <cell 2>:1>" in texts(await talk.type("await task\ntask"))[0]

    converse(script)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_an_eager_task_is_told_too() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type(FAIL)
        await talk.type("asyncio.Task(fail(), loop=asyncio.get_running_loop(), eager_start=True, name='not ours');")
        await talk.type(
            "t = asyncio.get_running_loop().create_task(fail(), name='eager', **({'eager_start': True} "
            "if __import__('sys').version_info >= (3, 14) else {}))"
        )
        await talk.announcement("eager")

    converse(script)
