"""The functions that programs call."""

import asyncio
import contextlib
import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from processes import Home

import aiorepl
from aiorepl.commands import report
from aiorepl.errors import LoopError

# Seconds; what is waited for comes at once, unless it does not come.
PATIENCE = 20.0


@contextlib.contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    async def main() -> None:
        stop = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(main()), name="the-loop")
    thread.start()
    loop, stop = started.result(PATIENCE)
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def run_in(loop: asyncio.AbstractEventLoop, coroutine: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE)


async def start(*coroutines: Any) -> list["asyncio.Task[Any]"]:
    """Tasks that have begun to wait; called ``waiter-1`` and so on."""
    tasks = [asyncio.create_task(one, name=f"waiter-{number}") for number, one in enumerate(coroutines, 1)]
    await asyncio.sleep(0)
    return tasks


async def end(tasks: list["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def dumped(format: Any = "text") -> str:
    file = io.StringIO()
    aiorepl.dump(file, format)
    return file.getvalue()


def in_a_process(source: str, home: Home) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, cwd=home.path, env=home.environment, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_importing_the_package_loads_nothing_of_it(home: Home) -> None:
    source = "import sys, aiorepl; print([name for name in sys.modules if name.startswith(('aiorepl', 'asyncio'))])"
    assert in_a_process(source, home) == "['aiorepl']\n"


def test_the_public_functions_load_the_standard_library_only(home: Home) -> None:
    source = """
import asyncio, io, sys, aiorepl
async def main():
    aiorepl.snapshot(), str(aiorepl.why(asyncio.current_task())), aiorepl.dump(io.StringIO())
asyncio.run(main())
names = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(names & {"aiorepl", "prompt_toolkit", "pygments", "jedi", "platformdirs"})
"""
    assert in_a_process(source, home) == "{'aiorepl'}\n"


def test_the_public_names_are_listed_and_others_are_refused() -> None:
    assert set(aiorepl.__all__) <= set(dir(aiorepl))
    with pytest.raises(AttributeError, match=r"^module 'aiorepl' has no attribute 'snapshto'$"):
        aiorepl.snapshto  # noqa: B018


def test_snapshot_is_of_the_running_loop() -> None:
    async def main() -> list[tuple[str, str]]:
        tasks = await start(asyncio.sleep(1000), asyncio.Event().wait())
        found = aiorepl.snapshot()
        await end(tasks)
        return [(task.name, task.state) for task in found.tasks if task.name.startswith("waiter")]

    assert asyncio.run(main()) == [("waiter-1", "waiting"), ("waiter-2", "waiting")]


def test_snapshot_is_of_the_loop_that_is_named() -> None:
    async def main() -> list[str]:
        with loop_in_a_thread() as loop:
            run_in(loop, start(asyncio.sleep(1000)))
            return [task.name for task in aiorepl.snapshot(loop).tasks]

    assert "waiter-1" in asyncio.run(main())


def test_snapshot_outside_a_loop_is_of_the_only_one() -> None:
    with loop_in_a_thread() as loop:
        run_in(loop, start(asyncio.sleep(1000)))
        assert "waiter-1" in [task.name for task in aiorepl.snapshot().tasks]


def test_snapshot_without_a_loop_is_refused() -> None:
    with pytest.raises(LoopError, match=r"^no loops are running in this process; name one, as in snapshot\(loop\)$"):
        aiorepl.snapshot()


def test_snapshot_of_one_of_several_is_refused() -> None:
    with loop_in_a_thread(), loop_in_a_thread(), pytest.raises(LoopError, match=r"^2 loops are running in this pro"):
        aiorepl.snapshot()


def test_why_is_sentences_down_to_the_root_cause() -> None:
    async def hold() -> None:
        async with lock:
            await asyncio.Event().wait()

    async def want() -> None:
        async with lock:
            pass

    async def main() -> str:
        tasks = await start(hold(), want())
        text = str(aiorepl.why(tasks[1]))
        await end(tasks)
        return text

    lock = asyncio.Lock()
    assert re.search(r"waiter-2.*Lock.*waiter-1.*Event", asyncio.run(main()))


def test_why_of_a_task_of_another_loop_that_is_blocked_names_the_line(looks_at_once: None) -> None:
    def block() -> None:
        blocked.set()
        go_on.wait(PATIENCE)

    blocked, go_on = threading.Event(), threading.Event()
    with loop_in_a_thread() as loop:
        (task,) = run_in(loop, start(asyncio.sleep(1000)))
        loop.call_soon_threadsafe(block)
        assert blocked.wait(PATIENCE)
        text = str(aiorepl.why(task))
        go_on.set()
    assert f"test_api.py:{block.__code__.co_firstlineno + 2}" in text


def test_why_of_a_task_that_has_ended_says_so() -> None:
    async def main() -> str:
        (task,) = await start(asyncio.sleep(0, "slept"))
        await task
        return str(aiorepl.why(task))

    assert "waiter-1" in asyncio.run(main())


def test_dump_is_of_every_loop_and_merges_what_stands_in_one_place() -> None:
    async def wait() -> None:
        await event.wait()

    async def main() -> str:
        with loop_in_a_thread() as loop:
            run_in(loop, start(*(wait() for _ in range(100))))
            return dumped()

    event = asyncio.Event()
    text = asyncio.run(main())
    title, *lines = text.splitlines()
    assert re.fullmatch(r"aiorepl report of process \d+, Python 3\.\d+\.\S+, [-\d]+ [:\d]+ [+-]\d{4}: .+", title)
    titles = [line for line in lines if line.startswith("loop ")]
    assert sorted(line.partition(": ")[2].partition(" in ")[2] for line in titles) == [
        "thread MainThread",
        "thread the-loop",
    ]
    (row,) = [line for line in lines if f"test_api.py:{wait.__code__.co_firstlineno + 1}" in line]
    assert row.split()[0] == "100"
    assert " ".join(lines[-2:]) == (
        "no deadlock was found; waits that nothing can end are looked for by %stuck at a prompt, and where the program "
        "is served by aiorepl stuck NAME"
    )


def test_dump_tells_where_the_thread_of_a_blocked_loop_stands(looks_at_once: None) -> None:
    def block() -> None:
        blocked.set()
        go_on.wait(PATIENCE)

    blocked, go_on = threading.Event(), threading.Event()
    with loop_in_a_thread() as loop:
        loop.call_soon_threadsafe(block)
        assert blocked.wait(PATIENCE)
        lines = dumped().splitlines()
        go_on.set()
    below = lines[lines.index("its thread stands at") + 1 :]
    place = f"{__file__}:{block.__code__.co_firstlineno + 2} in {block.__qualname__}"
    assert f"  {place}" in below


def test_dump_on_a_loops_own_thread_tells_where_it_is_called() -> None:
    async def main() -> str:
        return dumped()

    line = main.__code__.co_firstlineno + 1
    assert f"  {__file__}:{line} in {main.__qualname__}\n" in asyncio.run(main())


def test_dump_of_a_process_without_loops_says_so() -> None:
    assert dumped().splitlines()[1] == "no event loop runs in this process"


def test_dump_is_bounded() -> None:
    async def main() -> tuple[str, str]:
        source = "async def wait_{0}(event):\n    await event.wait()"
        names: dict[str, Any] = {}
        for number in range(300):
            exec(source.format(number), names)
        event = asyncio.Event()
        tasks = await start(*(names[f"wait_{number}"](event) for number in range(300)))
        texts = dumped(), dumped("json")
        await end(tasks)
        return texts

    text, data = asyncio.run(main())
    assert "\n… 261 more places\n" in text
    assert len(text) < 10_000
    assert len(data) < 50_000


def test_dump_as_json_is_one_object_on_a_line() -> None:
    async def main() -> str:
        tasks = await start(asyncio.Event().wait(), asyncio.Event().wait())
        text = dumped("json")
        await end(tasks)
        return text

    text = asyncio.run(main())
    assert text.count("\n") == 1
    data = json.loads(text)
    assert data["python"] == sys.version.split()[0]
    (loop,) = data["loops"]
    assert loop["loop"]["thread"] == "MainThread"
    tasks = {(row["task"]["name"], row["task"]["coroutine"], row["task"]["state"]) for row in loop["tasks"]["rows"]}
    assert {("waiter-1", "Event.wait", "waiting"), ("waiter-2", "Event.wait", "waiting")} < tasks
    assert [coroutine for _, coroutine, state in tasks if state == "running"] == [main.__qualname__]


def test_dump_goes_to_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    aiorepl.dump()
    assert capsys.readouterr().err.startswith("aiorepl report of process ")


def test_dump_uses_characters_that_the_file_can_take() -> None:
    async def main(file: io.TextIOWrapper) -> None:
        tasks = await start(asyncio.sleep(1000))
        tasks[0].set_name("später\udc00\x1b[2J")
        aiorepl.dump(file)
        await end(tasks)

    for encoding in ("ascii", "cp1252", "utf-8"):
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        asyncio.run(main(file))
        file.seek(0)
        text = file.read()
        assert text.startswith("aiorepl report")
        assert "\x1b" not in text


def test_dump_does_not_raise_where_it_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    aiorepl.dump(closed)
    monkeypatch.setattr(sys, "stderr", None)
    aiorepl.dump()


def test_dump_refuses_a_format_that_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"^the format of a report is 'text' or 'json', not 'xml'$"):
        aiorepl.dump(io.StringIO(), "xml")  # type: ignore[arg-type]


@pytest.mark.parametrize("failing", ["loops", "look_now", "findings"])
def test_what_fails_is_in_the_report(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LookupError("no such thing")

    async def main() -> tuple[str, Any]:
        return dumped(), json.loads(dumped("json"))

    monkeypatch.setattr(report, failing, fail)
    text, data = asyncio.run(main())
    assert text.startswith("aiorepl report of process ")
    assert ": LookupError: no such thing\n" in text
    errors = [data["error"], *(loop["error"] for loop in data["loops"])]
    assert "LookupError: no such thing" in errors


def test_a_report_that_cannot_be_drawn_is_replaced_by_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiorepl import api

    def fail(*_: object) -> None:
        raise LookupError("no such thing")

    monkeypatch.setattr(api, "draw", fail)
    assert dumped() == "aiorepl could not make its report: LookupError: no such thing\n"
