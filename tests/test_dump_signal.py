"""A signal gets a report written, whatever the loop and its thread are doing."""

import asyncio
import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from processes import Home

import aiorepl
from aiorepl.errors import AioreplError

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="POSIX has SIGUSR2")

# Seconds; what is waited for comes at once, unless it does not come.
PATIENCE = 20.0


class Sheet(io.StringIO):
    """A file that tells when a report has been written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def flush(self) -> None:
        self.written.set()


@contextlib.contextmanager
def program(home: Home, source: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a program that prints a line once it is where the signal shall find it."""
    (home.path / "program.py").write_text(source)
    with subprocess.Popen(
        [sys.executable, "-u", "program.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home.path,
        env=home.environment,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def line_with(process: "subprocess.Popen[str]", text: str) -> str:
    """Send the signal; return the line with this text that is written then."""
    assert process.stderr is not None
    late = threading.Timer(PATIENCE, process.kill)
    late.start()
    process.send_signal(signal.SIGUSR2)
    lines = [""]
    while text not in lines[-1]:
        lines.append(process.stderr.readline())
        assert lines[-1], "".join(lines)
    late.cancel()
    return lines[-1]


BLOCKED_IN_PYTHON = """
import asyncio, signal, aiorepl
aiorepl.install_dump_signal()
async def spin():
    print("ready", flush=True)
    while True: pass
async def main():
    waiter = asyncio.create_task(asyncio.Event().wait(), name="the-waiter")
    await asyncio.create_task(spin(), name="the-culprit")
asyncio.run(main())
"""

BLOCKED_IN_SLEEP = BLOCKED_IN_PYTHON.replace("    while True: pass", "    __import__('time').sleep(1000)")

IDLE = """
import asyncio, sys, aiorepl
aiorepl.install_dump_signal()
async def main():
    asyncio.get_running_loop().call_soon(print, "ready")
    asyncio.current_task().set_name("the-waiter")
    await asyncio.Event().wait()
"""

IN_A_THREAD = """
import threading
thread = threading.Thread(target=asyncio.run, args=[main()], name="the-loop")
thread.start()
thread.join()
"""

WITH_SIGNAL_HANDLERS_OF_THE_LOOP = IDLE.replace(
    "    asyncio.current", "    asyncio.get_running_loop().add_signal_handler(10, print)\n    asyncio.current"
)


@pytest.mark.parametrize(
    "source", [pytest.param(BLOCKED_IN_PYTHON, id="Python code"), pytest.param(BLOCKED_IN_SLEEP, id="time.sleep")]
)
def test_a_blocked_loop_is_reported_with_the_line_that_blocks_it(home: Home, source: str) -> None:
    with program(home, source) as process:
        line = line_with(process, "the loop does not answer")
    assert re.fullmatch(
        r"the loop does not answer: blocked in spin \(program.py:6\) by \d the-culprit; "
        r"this was seen from outside\n",
        line,
    )


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(IDLE + "asyncio.run(main())", id="main thread"),
        pytest.param(WITH_SIGNAL_HANDLERS_OF_THE_LOOP + "asyncio.run(main())", id="loop with signal handlers"),
        pytest.param(IDLE + IN_A_THREAD, id="another thread"),
    ],
)
def test_an_idle_loop_is_reported(home: Home, source: str) -> None:
    with program(home, source) as process:
        assert "Event" in line_with(process, "the-waiter")


def test_an_idle_uvloop_is_reported(home: Home) -> None:
    pytest.importorskip("uvloop")
    with program(home, f"{IDLE}\nimport uvloop\nuvloop.install()\nasyncio.run(main())") as process:
        assert "Event" in line_with(process, "the-waiter")


def test_each_signal_gets_its_report_and_the_program_goes_on() -> None:
    async def main() -> list[str]:
        texts = []
        for _ in range(3):
            sheet = Sheet()
            with aiorepl.install_dump_signal(signal.SIGUSR2, sheet):
                signal.raise_signal(signal.SIGUSR2)
                assert await asyncio.to_thread(sheet.written.wait, PATIENCE)
            texts.append(sheet.getvalue())
        return texts

    for text in asyncio.run(main()):
        assert "test_dump_signal.py" in text


def test_a_signal_that_comes_while_a_report_is_written_asks_for_that_one() -> None:
    class Slow(Sheet):
        def write(self, text: str) -> int:
            writing.set()
            go_on.wait(PATIENCE)
            return super().write(text)

    writing, go_on = threading.Event(), threading.Event()
    sheet = Slow()
    with aiorepl.install_dump_signal(signal.SIGUSR2, sheet):
        signal.raise_signal(signal.SIGUSR2)
        assert writing.wait(PATIENCE)
        signal.raise_signal(signal.SIGUSR2)
        go_on.set()
        assert sheet.written.wait(PATIENCE)
    assert sheet.getvalue().count("aiorepl report") == 1


def test_the_reporting_thread_waits_for_a_lock_that_the_interrupted_code_holds() -> None:
    class Locked(Sheet):
        def write(self, text: str) -> int:
            with lock:
                return super().write(text)

    lock = threading.Lock()
    sheet = Locked()
    with aiorepl.install_dump_signal(signal.SIGUSR2, sheet):
        with lock:
            signal.raise_signal(signal.SIGUSR2)
        assert sheet.written.wait(PATIENCE)
    assert "aiorepl report" in sheet.getvalue()


def test_a_file_that_cannot_be_written_does_not_end_the_reports() -> None:
    class Broken(Sheet):
        broken = True

        def write(self, text: str) -> int:
            if self.broken:
                tried.set()
                raise OSError("no space left on device")
            return super().write(text)

    tried = threading.Event()
    sheet = Broken()
    with aiorepl.install_dump_signal(signal.SIGUSR2, sheet) as installed:
        signal.raise_signal(signal.SIGUSR2)
        assert tried.wait(PATIENCE)
        sheet.broken = False
        while not sheet.written.wait(0.01):
            signal.raise_signal(signal.SIGUSR2)
        assert installed is not None
    assert "aiorepl report" in sheet.getvalue()


def test_the_handler_before_is_restored() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda signum, frame: came.append(signum))
    try:
        sheet = Sheet()
        aiorepl.install_dump_signal(signal.SIGUSR2, sheet).uninstall()
        signal.raise_signal(signal.SIGUSR2)
        assert (came, sheet.getvalue()) == ([signal.SIGUSR2], "")
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_handler_that_was_installed_since_stays() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    try:
        installed = aiorepl.install_dump_signal()
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        installed.uninstall()
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_it_is_refused_outside_the_main_thread() -> None:
    async def main() -> str:
        with pytest.raises(AioreplError) as caught:
            await asyncio.to_thread(aiorepl.install_dump_signal)
        return str(caught.value)

    assert asyncio.run(main()) == "install_dump_signal can be called in the main thread only, as signal.signal"


def test_a_system_without_the_signal_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGUSR2")
    with pytest.raises(AioreplError, match=r"^this system has no SIGUSR2; name another signal$"):
        aiorepl.install_dump_signal()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
def test_a_forked_child_reports_of_itself(home: Home) -> None:
    source = (
        f"import os, sys\nif os.fork():\n    os.wait()\n    sys.exit()\n{IDLE}print(os.getpid())\nasyncio.run(main())"
    )
    # The handler is installed before the fork.
    source = f"import aiorepl\naiorepl.install_dump_signal()\n{source.replace('aiorepl.install_dump_signal()', '')}"
    (home.path / "program.py").write_text(source)
    with subprocess.Popen(
        [sys.executable, "-u", "program.py"], stdout=-1, stderr=-1, text=True, cwd=home.path, env=home.environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        child = int(process.stdout.readline())
        try:
            assert process.stdout.readline() == "ready\n"
            os.kill(child, signal.SIGUSR2)
            assert f"process {child}" in process.stderr.readline()
        finally:
            os.kill(child, signal.SIGKILL)


def test_where_no_thread_can_be_started_the_report_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    sheet = Sheet()
    with aiorepl.install_dump_signal(signal.SIGUSR2, sheet):
        signal.raise_signal(signal.SIGUSR2)
    assert sheet.getvalue().startswith("aiorepl report")
