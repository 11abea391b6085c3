"""``aiorepl.watch`` in a program without any prompt."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import threading
import time
import warnings

import pytest
from loop_factories import EACH_LOOP, LoopFactory
from processes import Home

import aiorepl
from aiorepl.alerts.values import Alert
from aiorepl.alerts.watcher import shared
from aiorepl.errors import LoopError

PATIENCE = 20.0


class Heard:
    """Takes alerts; ``wait`` returns the first of a kind."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self._came = threading.Condition()

    def __call__(self, alert: Alert) -> None:
        with self._came:
            self.alerts.append(alert)
            self._came.notify_all()

    async def wait(self, kind: str) -> Alert:
        return await asyncio.to_thread(self._wait, kind)

    def _wait(self, kind: str) -> Alert:
        def of_kind() -> list[Alert]:
            return [alert for alert in self.alerts if alert.kind == kind]

        with self._came:
            assert self._came.wait_for(of_kind, PATIENCE), [alert.kind for alert in self.alerts]
            return of_kind()[0]


async def fails() -> None:
    raise LookupError("gone")


@EACH_LOOP
def test_alerts_come_to_the_callback(factory: LoopFactory) -> None:
    heard = Heard()

    async def main() -> None:
        with aiorepl.watch(on_alert=heard, unretrieved=0.1):
            # Waits for the alert, and blocks the loop meanwhile.
            asyncio.get_running_loop().call_soon(heard._wait, "blocking-call")
            blocked = await heard.wait("blocking-call")
            assert blocked.what.startswith("the callback Heard._wait holds the loop in ")
            task = asyncio.create_task(fails(), name="lonely")
            failed = await heard.wait("never-retrieved")
            assert failed.what == "lonely (fails) failed and nobody awaits it: LookupError: gone"
            assert failed.source == 'raise LookupError("gone")'
            del task

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@pytest.mark.parametrize("debug", [False, True])
def test_a_callback_that_is_written_in_c_is_named(debug: bool) -> None:
    heard = Heard()
    lock = threading.Lock()

    def release() -> None:
        heard._wait("blocking-call")
        lock.release()

    async def main() -> None:
        with aiorepl.watch(on_alert=heard), lock:
            loop = asyncio.get_running_loop()
            releasing = loop.run_in_executor(None, release)
            loop.call_soon(lock.acquire)  # Here it was asked for.
            await releasing

    asyncio.run(main(), debug=debug)
    first = heard.alerts[0]
    assert first.what.startswith("the callback lock.acquire holds the loop"), first.what
    assert first.cure.endswith("Write instead: asyncio.Lock, or await asyncio.to_thread(lock.acquire, ...)")
    assert first.source == ("loop.call_soon(lock.acquire)  # Here it was asked for." if debug else "")


def test_nothing_is_left_on_the_thread_of_a_loop_that_has_stopped_before() -> None:
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        with aiorepl.watch(loop):
            loop.run_until_complete(asyncio.sleep(0))
            assert sys.get_coroutine_origin_tracking_depth() == 1
        assert sys.get_coroutine_origin_tracking_depth() == 0


def test_alerts_go_to_the_log_with_the_alert_in_the_record(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with aiorepl.watch() as watching:
            loop.call_exception_handler({"message": "the cable is out"})
        (record,) = [record for record in caplog.records if record.name == "aiorepl"]
        assert (record.levelno, record.getMessage()) == (logging.ERROR, "unhandled: the cable is out")
        assert record.alert == watching.alerts[-1]  # type: ignore[attr-defined]

    asyncio.run(main())


def state(loop: asyncio.AbstractEventLoop) -> list[object]:
    return [
        {
            name: value
            for name, value in vars(loop).items()
            if name not in ("_current_handle", "_timer_cancelled_count")
        },
        loop.get_exception_handler(),
        asyncio.events.Handle._run,
        warnings.showwarning,
        list(warnings.filters),
        sys.get_coroutine_origin_tracking_depth(),
        sys.get_asyncgen_hooks(),
        {thread.name for thread in threading.enumerate()},
    ]


@pytest.mark.parametrize("exact", [False, True])
def test_everything_is_as_it_was_found(exact: bool) -> None:
    handled: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: handled.append(str(context["message"])))
        before = state(loop)
        first = aiorepl.watch(exact=exact, look=1.0, on_alert=lambda alert: None)
        second = aiorepl.watch(exact=exact, on_alert=lambda alert: None)
        # The handler that was there is called all the same.
        loop.call_exception_handler({"message": "the cable is out"})
        first.end()
        first.end()
        assert state(loop) != before
        second.end()
        # What belongs to the loop's thread is put back there.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert state(loop) == before
        assert handled == ["the cable is out"]

    asyncio.run(main())


def test_a_callback_that_fails_is_logged_once_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[Alert] = []

    def broken(alert: Alert) -> None:
        calls.append(alert)
        raise ZeroDivisionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with aiorepl.watch(on_alert=broken):
            for message in ("one", "two"):
                loop.call_exception_handler({"message": message})

    asyncio.run(main())
    assert len(calls) == 1
    failures = [record for record in caplog.records if record.name == "aiorepl"]
    assert len(failures) == 1
    assert failures[0].exc_info is not None


def test_what_cannot_be_watched_is_said() -> None:
    with pytest.raises(LoopError, match=r"no loop is running here; name one, as in aiorepl.watch\(loop\)"):
        aiorepl.watch()

    async def main() -> None:
        with pytest.raises(ValueError, match="no kind of alert is called 'slow'"):
            aiorepl.watch(off=["slow"])  # type: ignore[list-item]

    asyncio.run(main())


def test_kinds_that_are_not_wanted_are_not_told() -> None:
    heard = Heard()

    async def main() -> None:
        with aiorepl.watch(on_alert=heard, off=["unhandled"], slow=0):
            asyncio.get_running_loop().call_exception_handler({"message": "the cable is out"})
            time.sleep(0.2)  # noqa: ASYNC251

    asyncio.run(main())
    assert heard.alerts == []


def test_the_watcher_is_gone_with_the_last_loop() -> None:
    async def main() -> None:
        with aiorepl.watch(on_alert=lambda alert: None):
            assert "aiorepl-watch" in {thread.name for thread in threading.enumerate()}
        assert not {"aiorepl-watch", "aiorepl-look"} & {thread.name for thread in threading.enumerate()}

    asyncio.run(main())
    assert shared()._watches == {}


def test_a_loop_that_was_closed_meanwhile_is_let_go(home: Home) -> None:
    program = """\
import aiorepl, asyncio, threading
async def main():
    aiorepl.watch(on_alert=print)
asyncio.run(main())
for thread in threading.enumerate():
    if thread.name == "aiorepl-watch": thread.join(20)
print([thread.name for thread in threading.enumerate()])
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, env=home.environment, timeout=60)
    assert (ended.stdout, ended.stderr) == ("['MainThread']\n", "")
