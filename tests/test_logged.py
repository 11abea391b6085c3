"""What asyncio's debug mode logs becomes an alert once, is not printed as well, and reaches an app's own handlers."""

import asyncio
import gc
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from alerting import drawn, watched
from app_session import App, running_app
from command_session import new_session
from sessions import PATIENCE

from aiorepl.alerts.logged import ALERTED, LogWatch, read_step
from aiorepl.alerts.steps import SlowStep
from aiorepl.alerts.values import Alert, Rules
from aiorepl.alerts.watcher import Watcher, shared
from aiorepl.interpret.host import loop_factory

LOGGER = logging.getLogger("asyncio")


@pytest.fixture(params=["asyncio", "uvloop"])
def factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return loop_factory(request.param)


class Records(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        """What was logged, each only as far as it is the same every time."""
        return [re.split(r" <| took| test_", record.getMessage())[0] for record in self.records]


@pytest.fixture
def records() -> Iterator[Records]:
    """Those that reach a handler of the program's own."""
    handler = Records()
    LOGGER.addHandler(handler)
    yield handler
    LOGGER.removeHandler(handler)


class Told:
    """The alerts of a watcher, which a test can wait for."""

    def __init__(self, watcher: Watcher) -> None:
        self.alerts: list[Alert] = []
        self._came = threading.Condition()
        self.end = watcher.listen(self._take)

    def _take(self, alert: Alert) -> None:
        with self._came:
            self.alerts.append(alert)
            self._came.notify_all()

    def last(self, kind: str, phase: str) -> Alert:
        """Wait for an alert."""

        def wanted() -> list[Alert]:
            return [alert for alert in self.alerts if (alert.kind, alert.phase) == (kind, phase)]

        with self._came:
            assert self._came.wait_for(wanted, PATIENCE), self.alerts
            return wanted()[-1]


SLOW = "import time\nasync def slow(): time.sleep(0.03)\ndef also(): time.sleep(0.03)"
# Only asyncio's own threshold is reached.
ITS_OWN = "asyncio.get_running_loop().slow_callback_duration = 0.02"


def test_each_slow_step_is_told_once_and_nothing_is_printed(
    factory: Callable[[], asyncio.AbstractEventLoop], capfd: pytest.CaptureFixture[str]
) -> None:
    """Be it told while it lasts, as some are, or when it was measured or logged."""

    async def script() -> None:
        async with watched(new_session(factory=factory), lag=0.0, look=0.0) as watch:
            watch.wanted = "slow-callback"
            await watch.type(SLOW, "%debug on", "%slow 0.02", "ran = []")
            await watch.type(
                "while len(ran) < 5 or not seen.is_set():\n"
                "    ran.append(0); await asyncio.create_task(slow(), name='sloth')\n"
                "    await asyncio.sleep(0.03)"
            )
            await watch.looked()
            told = [alert for alert in watch.session.alerts.ledger.list() if "sloth" in alert.what]
            ran = watch.session.namespace["ran"]
            assert isinstance(ran, list)
            assert sum(alert.times for alert in told) == len(ran), told

    asyncio.run(script())
    assert capfd.readouterr() == ("", "")


def test_a_threshold_of_asyncios_own_that_is_lower_counts_too(
    factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def script() -> None:
        async with watched(new_session(factory=factory), lag=0.0, look=0.0, slow=5.0) as watch:
            await watch.type(SLOW, "%debug on", ITS_OWN, "task = asyncio.create_task(slow(), name='sloth')")
            assert drawn(await watch.alert("slow-callback")) == [
                "! slow-callback: a step of sloth (slow) was slow; T",
                "  <cell 1>, line 2: async def slow(): time.sleep(0.03)",
                "  Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...).",
            ]
            await watch.type("asyncio.get_running_loop().call_soon(also);")
            found = await watch.several("slow-callback", lambda found: len(found) == 2)
            assert drawn(found[1]) == [
                "! slow-callback: the callback also was slow; T",
                "  Divide the work with await asyncio.sleep(0) in between, or do it in await asyncio.to_thread(...).",
            ]

    asyncio.run(script())


def test_handlers_that_do_not_print_still_get_it(records: Records, capfd: pytest.CaptureFixture[str]) -> None:
    printing = logging.StreamHandler()
    LOGGER.addHandler(printing)
    try:

        async def script() -> None:
            async with watched(lag=0.0, look=0.0, slow=5.0) as watch:
                await watch.type(SLOW, "%debug on", ITS_OWN, "task = asyncio.create_task(slow())")
                await watch.alert("slow-callback")
                LOGGER.warning("something else")

        asyncio.run(script())
    finally:
        LOGGER.removeHandler(printing)
    assert records.texts == ["Executing", "something else"]
    assert [getattr(record, ALERTED, False) for record in records.records] == [True, False]
    assert capfd.readouterr().err == "something else\n"
    assert LOGGER.filters == []


def test_what_was_left_open_is_one_alert_each_and_nothing_is_printed(
    factory: Callable[[], asyncio.AbstractEventLoop], capfd: pytest.CaptureFixture[str]
) -> None:
    async def script() -> None:
        async with watched(new_session(factory=factory), lag=0.0, look=0.0, slow=5.0) as watch:
            await watch.type("import gc, socket", "%debug on", "a, b = socket.socketpair()")
            await watch.type("other = asyncio.new_event_loop()\ndel other; gc.collect();")
            await watch.type(
                "async def talk():\n"
                "    t, p = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=a)\n"
                "    t.pause_reading()\n"
                "await talk(); gc.collect(); b.close()",
            )
            found = await watch.several("unclosed", lambda found: len(found) == 2)
            await watch.looked()
            loop, transport = [" ".join(drawn(alert)) for alert in found]
            assert re.fullmatch(
                r"! unclosed: unclosed event loop <.*> was collected before it was closed   Call loop.close\(\) .*",
                loop,
            )
            assert re.fullmatch(
                r"! unclosed: unclosed (transport|resource) <.*> was collected before it was closed .*"
                r"Close it: writer.close\(\) and await writer.wait_closed\(\), or transport.close\(\).",
                transport,
            )
            assert [alert.times for alert in watch.session.alerts.ledger.list()] == [1, 1]

    asyncio.run(script())
    gc.collect()
    # Python tells of the loop's own sockets by itself, and of no more.
    assert "transport" not in capfd.readouterr().err


def test_an_apps_handlers_get_what_they_got(records: Records) -> None:
    def fail() -> None:
        raise OSError("no")

    with running_app(debug=True) as app:
        told = Told(shared())
        shared().watch(app.loop)
        app.call(lambda: app.loop.call_soon(fail))
        told.last("exception-in-callback", "once")
        app.loop.slow_callback_duration = 0.0
        app.call(lambda: None)
        shared().unwatch(app.loop)
        told.end()
    assert set(records.texts) == {"Exception in callback", "Executing"}


def test_steps_that_nobody_measures_are_told_as_they_are_logged(app: App) -> None:
    watcher = Watcher(Rules(slow=5, lag=0, saturation=0, look=0, exact=False))
    told = Told(watcher)
    watcher.watch(app.loop)
    try:
        app.loop.set_debug(True)
        app.loop.slow_callback_duration = 0.02
        release = threading.Event()
        app.loop.call_soon_threadsafe(release.wait, 0.03)
        alert = told.last("slow-callback", "once")
        assert (alert.what, alert.sampled, alert.times) == ("the callback Event.wait was slow", False, 1)
        assert alert.duration is not None
        assert 0.03 <= alert.duration < 5
    finally:
        watcher.unwatch(app.loop)
        told.end()
    assert [alert.kind for alert in told.alerts] == ["slow-callback"], told.alerts


def beaten(watcher: Watcher, loop: asyncio.AbstractEventLoop) -> None:
    """Wait until the loop has answered the watching thread: before that, nobody knows its thread."""
    pulse = watcher.pulse(loop)
    assert pulse is not None
    end = time.monotonic() + PATIENCE
    while pulse.lag is None:
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def app() -> Iterator[App]:
    with running_app() as app:
        yield app


def test_a_long_block_is_told_while_it_lasts_and_ends_with_what_was_logged() -> None:
    """On uvloop, whose steps nobody else measures."""
    uvloop = pytest.importorskip("uvloop")
    with running_app(uvloop.new_event_loop, debug=True) as app:
        watcher = Watcher(Rules(lag=0, saturation=0, look=0))
        told = Told(watcher)
        watcher.watch(app.loop)
        release = threading.Event()
        beaten(watcher, app.loop)
        app.loop.call_soon_threadsafe(release.wait, PATIENCE)
        assert told.last("blocking-call", "lasts").sampled
        release.set()
        ended = told.last("blocking-call", "ended")
        app.call(lambda: None)
        watcher.unwatch(app.loop)
        told.end()
        assert not ended.sampled
        assert {alert.number for alert in told.alerts} == {ended.number}


def test_a_reader_that_fails_is_not_felt_by_the_loop(records: Records) -> None:
    def broken(loop: asyncio.AbstractEventLoop, step: SlowStep) -> bool:
        raise LookupError

    async def log() -> None:
        LOGGER.warning("Executing %s took %.3f seconds", "<Handle f>", 0.5)

    watch = LogWatch(broken, quiet=True)
    own = Records()
    logging.getLogger("aiorepl").addHandler(own)
    try:
        asyncio.run(log())
    finally:
        watch.undo()
        logging.getLogger("aiorepl").removeHandler(own)
    assert records.texts == ["Executing"]
    assert own.texts == ["a record of asyncio's logger could not be read"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<Task finished name='Task-1' coro=<co() done, defined at app.py:19> result=None created at tasks.py:680>",
            ("Task-1", "co", "", ("app.py", 19), True),
        ),
        (
            "<Task pending name='it\\'s' coro=<A.b.<locals>.c() running at /srv/a b.py:7> wait_for=<Future pending>>",
            ("it\\'s", "A.b.<locals>.c", "", ("/srv/a b.py", 7), False),
        ),
        ("<Handle slow created at <stdin>:20>", ("", "", "slow", None, False)),
        ("<Handle App.tick() at app.py:5 created at app.py:9>", ("", "", "App.tick", None, False)),
        ("<TimerHandle when=12.5 tick() at app.py:5>", ("", "", "tick", None, False)),
        ("<Handle A.b.<locals>.<lambda>(0.3)>", ("", "", "A.b.<locals>.<lambda>", None, False)),
        ("what is this", ("", "", "what is this", None, False)),
    ],
)
def test_the_repr_of_a_handle_is_read(text: str, expected: tuple[object, ...]) -> None:
    step = read_step(text, 0.25)
    place = step.stack[0] if step.stack else step.defined if step.coroutine else None
    found = (place.file, place.line) if place is not None else None
    callback = "" if step.coroutine else step.callback
    assert (step.name, step.coroutine, callback, found, step.ended) == expected
    assert step.duration == 0.25
