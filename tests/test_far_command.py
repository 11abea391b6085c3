"""One question to a served process from the shell: the answer, its forms, and the exit status."""

import asyncio
import contextlib
import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from loops_elsewhere import loop_elsewhere
from processes import Home, command, run, start
from served import SLEEPER, Served, printed, program, runtime, serving

from aiorepl import far_list
from aiorepl.errors import AioreplError, ServeError
from aiorepl.far_command import exec_main, main
from aiorepl.remote.attach.process import HAS_PROC
from aiorepl.remote.discovery import served as all_served
from aiorepl.remote.sockets import SocketName, bind
from aiorepl.session.access import Mode


class Told(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


class Shell:
    """Runs the commands in this process; sockets are in a folder of the test's."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self._folder = folder

    def __call__(self, word: str, *arguments: str) -> Told:
        function = {"exec": exec_main, "list": far_list.main}.get(word, main)
        status = function(word, arguments)
        return Told(status, *self._capsys.readouterr())

    def lists(self, served: Served, number: int, name: str = "app") -> str:
        """Let a server be found by another number."""
        os.link(served.server.path, self._folder / SocketName(number, name).file)
        return str(number)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "aiorepl").mkdir(mode=0o700)
    monkeypatch.setattr("aiorepl.remote.discovery.folders", lambda: [str(tmp_path / "aiorepl")])
    # This machine's.
    monkeypatch.setattr("aiorepl.far_list.other_rows", lambda served: [])
    return Shell(capsys, tmp_path / "aiorepl")


@pytest.fixture
def app(shell: Shell, tmp_path: Path) -> Iterator[Served]:
    """An app with a task called waiter, which waits for an event."""
    with serving(tmp_path) as served:
        served.app.call(lambda: served.app.names.update(task=served.app.loop.create_task(wait(), name="waiter")))
        shell.lists(served, 4711)
        yield served


async def wait() -> None:
    event = asyncio.Event()
    await event.wait()


def test_tasks(shell: Shell, app: Served) -> None:
    told = shell("tasks")
    assert (told.status, told.err) == (0, "")
    first, _, header, *rows = told.out.splitlines()
    assert first == "2 tasks: 2 waiting"
    assert header.split()[:3] == ["#", "task", "state"]
    assert [row.split()[1].rstrip("0123456789") for row in rows] == ["Task-", "waiter"]


def test_every_command_answers(shell: Shell, app: Served) -> None:
    words = ["ps", "tree", "pstree", "stuck", "locks", "timers", "io", "loop", "loops", "dump"]
    told = {word: shell(word, "4711") for word in words}
    told |= {word: shell(word, "waiter", "4711") for word in ("why", "where", "task")}
    assert {word: (one.status, one.err) for word, one in told.items()} == dict.fromkeys(told, (0, ""))
    assert told["why"].out.startswith("waiter wait (test_far_command.py:")
    assert "waiter" in told["dump"].out


def test_the_answer_as_json_is_that_of_the_prompt(shell: Shell, app: Served) -> None:
    asked = json.loads(shell("loops", "--json").out)
    (events,) = app.types("%loops --json")
    at_prompt = json.loads(printed(events))
    assert [list(loop) for loop in asked["loops"]] == [list(loop) for loop in at_prompt["loops"]]
    assert asked["loops"][0]["kind"] == at_prompt["loops"][0]["kind"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["waiter", "4711"],
        ["waiter", "app"],
        ["waiter"],
        ["--target", "4711", "waiter"],
        ["waiter", "-t", "app"],
        ["waiter", "--target=4711"],
    ],
)
def test_the_target_stands_last_or_is_left_out_or_is_an_option(shell: Shell, app: Served, arguments: list[str]) -> None:
    assert shell("why", *arguments).out.startswith("waiter wait (")


def test_options_of_the_command_stand_anywhere(shell: Shell, app: Served) -> None:
    told = shell("tasks", "wait*", "app", "--top", "1", "--sort", "name")
    assert [row.split()[1] for row in told.out.splitlines()[3:4]] == ["waiter"]
    assert shell("tasks", "--top", "1", "4711").out.splitlines()[0] == "2 tasks: 2 waiting"
    assert "app_session.py" in shell("where", "--group").out


def test_cancel_takes_any_number_of_tasks_and_a_target(shell: Shell, app: Served) -> None:
    assert shell("cancel", "nobody", "waiter").status == 2
    told = shell("cancel", "waiter", "4711", "--wait")
    assert (told.status, told.err) == (0, "")
    assert told.out.endswith(" waiter has ended: cancelled\n")
    assert app.app.names["task"].cancelled()  # type: ignore[attr-defined]


def test_exec_runs_a_cell(shell: Shell, app: Served) -> None:
    assert shell("exec", "await asyncio.sleep(0, 'slept')") == Told(0, "'slept'\n", "")
    assert shell("exec", "app", "print('out'); import sys; print('err', file=sys.stderr)") == Told(0, "out\n", "err\n")
    assert shell("exec", "4711", "x = 1") == Told(0, "", "")


def test_through_a_socket_that_is_forwarded(shell: Shell, app: Served, tmp_path: Path) -> None:
    """As by ssh: at each end it is this user's process that is talked to."""
    path = str(tmp_path / "forwarded.sock")

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def forward(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with accepted, socket.socket(socket.AF_UNIX) as onwards:
            onwards.connect(app.server.path)
            back = threading.Thread(target=pass_on, args=(onwards, accepted))
            back.start()
            pass_on(accepted, onwards)
            back.join()

    with bind(path) as listener:
        listener.setblocking(True)
        forwarding = threading.Thread(target=forward, args=(listener,))
        forwarding.start()
        assert shell("exec", path, "6 * 7") == Told(0, "42\n", "")
        forwarding.join()


def test_exec_reads_code_from_standard_input(shell: Shell, app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("for n in range(2):\n    print(n)\n"))
    assert shell("exec", "app", "-") == Told(0, "0\n1\n", "")


def test_exec_of_a_cell_that_asks_and_leaves(shell: Shell, app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Guido\n"))
    told = shell("exec", "name = input('name? ')\nprint(name)\nraise SystemExit(3)")
    assert told == Told(3, "name? Guido\n", "")


def test_exec_of_a_command_of_the_prompt(shell: Shell, app: Served) -> None:
    assert shell("exec", "%write") == Told(0, "", "this session may change the program\n")
    assert json.loads(shell("exec", "%loops", "--json").out)["chosen"] > 0


def test_what_fails_is_1_and_what_cannot_be_asked_is_2(shell: Shell, app: Served) -> None:
    failed = shell("exec", "1 / 0")
    assert (failed.status, failed.out) == (1, "")
    assert failed.err.endswith("ZeroDivisionError: division by zero\n")
    assert shell("why", "nobody") == Told(2, "", "no task 'nobody'; %tasks lists them\n")
    assert shell("tasks", "--nonsense").status == 2
    with pytest.raises(ServeError, match="no process is called other; served: 4711 app"):
        shell("tasks", "other")


@pytest.mark.parametrize("mode", ["read-only", "locked"])
def test_what_is_refused_is_2(shell: Shell, tmp_path: Path, mode: Mode) -> None:
    with serving(tmp_path, mode) as served:
        shell.lists(served, 4711)
        refused = shell("exec", "1")
        assert (refused.status, refused.err[:26]) == (2, "this session is read-only;")
        assert shell("cancel", "1").status == 2
        assert shell("tasks").status == 0


def test_all_asks_each_and_groups_the_answers(shell: Shell, app: Served, tmp_path: Path) -> None:
    with serving(tmp_path) as other:
        shell.lists(other, 4712)
        shell.lists(other, 4713, "worker")
        told = shell("exec", "app", "1 + 1", "--all")
        assert told == Told(0, "== app (process 4711)\n2\n== app (process 4712)\n2\n", "")
        assert [one["process"] for one in json.loads(shell("loops", "--all", "--json").out)] == [4711, 4712, 4713]
        failed = shell("exec", "app", "'task' in globals() or 1 / 0", "--all")
        assert (failed.status, failed.out) == (1, "== app (process 4711)\nTrue\n== app (process 4712)\n")
        with pytest.raises(ServeError, match="several processes are called app: 4711 app, 4712 app; say which"):
            shell("tasks", "app")


def test_all_goes_on_when_one_does_not_answer(shell: Shell, app: Served, tmp_path: Path) -> None:
    with serving(tmp_path) as other:
        shell.lists(other, 4712)
        other.server._offer = other.server._offer._replace(loop=lambda: None)
        told = shell("exec", "app", "7", "--all")
        assert (told.status, told.out) == (2, "== app (process 4711)\n7\n== app (process 4712)\n")
        assert told.err.startswith("aiorepl: no event loop is running in app")


def test_list(shell: Shell, app: Served, tmp_path: Path) -> None:
    with serving(tmp_path, "read-only") as other:
        number = shell.lists(other, os.getpid(), "reader")
        header, *rows = shell("list").out.splitlines()
        assert header.split() == ["process", "name", "python", "loops", "tasks", "reached", "by", "command"]
        assert sorted(row.split()[:2] for row in rows) == sorted([["4711", "app"], [number, "reader"]])
        (mine,) = [row for row in rows if "reader" in row]
        assert "connect (read-only)" in mine
        listed = {row["name"]: row for row in json.loads(shell("list", "--json").out)["rows"]}
        # Of this process there are the other app's and the client's, too.
        assert listed["app"]["loops"] == 3
        assert listed["app"]["tasks"] > 3
        assert "python" in listed["reader"]["command"]
        assert listed["app"]["path"].endswith("/4711-app.sock")


def test_list_where_there_is_none_and_where_one_does_not_answer(
    shell: Shell, app: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiorepl.far_list._LOOK", 0.0001)
    monkeypatch.setattr("aiorepl.remote.visit.Visit._seen", lambda self: __import__("time").sleep(0.2))
    told = shell("list")
    assert "app (process 4711) has not answered within" in " ".join(told.out.split())
    app.server.close()
    assert shell("list").out == "no process is served; a program is once it has called aiorepl.serve()\n"
    assert all_served() == []
    assert shell("list", "what").status == 2


def test_a_number_that_is_no_process_is_the_commands_own(shell: Shell, app: Served) -> None:
    assert shell("doctor", "0.1").status == 0
    assert shell("loops", "77").err.startswith("no loop 77; running: ")
    assert json.loads(shell("loops", "4711", "--json").out)["chosen"]


@pytest.mark.skipif(not HAS_PROC, reason="what is known of a process comes from /proc")
def test_a_number_of_a_python_that_is_not_served_is_not_taken_for_the_commands_own(shell: Shell, app: Served) -> None:
    with subprocess.Popen([sys.executable, "-c", "print(); input()"], stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pid = process.pid
        for word in ("alerts", "doctor", "loops"):
            with pytest.raises(AioreplError) as caught:
                shell(word, str(pid), "--json")
            said = str(caught.value)
            assert said.startswith(f"process {pid} is not served; it is once it has called aiorepl.serve()")
            assert said.endswith(f"; aiorepl {word} {pid} --target NAME means the number")
        assert shell("loops", str(pid), "--target", "app").err.startswith(f"no loop {pid}; running: ")
        process.communicate()
    assert shell("loops", str(pid)).err.startswith(f"no loop {pid}; running: ")


def test_another_loop_is_asked_about(shell: Shell, app: Served) -> None:
    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(wait(), name="elsewhere")

    with loop_elsewhere() as other:
        task = other.run(begin())
        numbers = [row["number"] for row in json.loads(shell("loops", "--json").out)["loops"]]
        told = [shell("tasks", "--loop", str(number)).out for number in numbers]
        assert [sum(name in text for text in told) for name in ("waiter", "elsewhere")] == [1, 1]
        assert not any("waiter" in text and "elsewhere" in text for text in told)
        other.loop.call_soon_threadsafe(task.cancel)
    assert shell("tasks", "--loop", "999").status == 2
    with pytest.raises(AioreplError, match="--loop takes the number of a loop, as aiorepl loops lists them, not 'x'"):
        shell("tasks", "--loop", "x")


def test_usage(shell: Shell, app: Served) -> None:
    told = shell("why", "--help")
    assert told.out.startswith("usage: aiorepl why TASK [TARGET] [--loop N] [--json] [--follow SECONDS] [--all]\n")
    assert "Explain in a few sentences why a task is not finished." in told.out
    assert shell("exec", "--help").out.startswith("usage: aiorepl exec [TARGET] CODE [--loop N] [--json]")
    assert shell("exec").status == 2
    with pytest.raises(AioreplError, match="--follow takes a number of seconds, not 'x'"):
        shell("tasks", "--follow", "x")


def test_as_a_command_of_the_shell(home: Home) -> None:
    """The whole way: arguments, exit status, and what is followed until Ctrl-C."""
    with program(SLEEPER, home) as app:
        told = run("tasks", str(app.number), home=home, **runtime(home))
        assert (told.status, told.err) == (0, "")
        assert told.out.startswith("1 task: 1 waiting\n")
        failed = run("exec", "1/0", home=home, **runtime(home))
        assert (failed.status, failed.out) == (1, "")
        endless = f"{shlex.join(command('exec', 'for n in range(10**6): print(n)'))} | head -n 2"
        cut = subprocess.run(endless, shell=True, capture_output=True, env=home.environment | runtime(home), timeout=60)
        assert (cut.stdout, cut.stderr) == (b"0\n1\n", b"")
        nobody = run("why", "1", "other", home=home, **runtime(home))
        assert nobody == (2, "", f"aiorepl: no process is called other; served: {app.number} program\n")
        with subprocess.Popen(
            command("loop", "--follow", "0.1", "--json"),
            stdout=subprocess.PIPE,
            text=True,
            env=home.environment | runtime(home),
            cwd=home.path,
        ) as following:
            assert following.stdout is not None
            numbers = [json.loads(following.stdout.readline())["loop"]["number"] for _ in range(3)]
            assert numbers == [1, 1, 1]
            following.send_signal(signal.SIGINT)
            assert following.wait() == 0


WORKING = """
    import asyncio, os
    import aiorepl

    async def work(lock):
        async with lock:
            await asyncio.sleep(1000)

    async def main():
        aiorepl.serve()
        lock = asyncio.Lock()
        worker = asyncio.create_task(work(lock), name="worker")
        asyncio.get_running_loop().add_reader(os.pipe()[0], print)
        asyncio.get_running_loop().call_soon(print, "ready")
        await asyncio.wait([worker])
        await asyncio.sleep(1000)

    asyncio.run(main())
"""
# A question in each word, and what stands in the answer.
QUESTIONS = {
    ("tree",): "worker",
    ("why", "worker"): "worker work (program.py:",
    ("where", "worker"): "await asyncio.sleep(1000)",
    ("task", "worker"): "work program.py:",
    ("locks",): "worker",
    ("timers",): "worker",
    ("io",): "pipe",
    ("dump",): "worker",
}


def test_each_question_as_a_command_of_the_shell(home: Home) -> None:
    with program(WORKING, home, python=("-u",)), contextlib.ExitStack() as stack:
        asked = {words: stack.enter_context(start(*words, home=home, **runtime(home))) for words in QUESTIONS}
        for words, process in asked.items():
            out, err = process.communicate()
            assert (process.returncode, err) == (0, ""), words
            assert QUESTIONS[words] in out
        nobody = run("where", "nobody", home=home, **runtime(home))
        assert nobody == (2, "", "no task 'nobody'; %tasks lists them\n")
        cancelled = run("cancel", "worker", "program", "--wait", home=home, **runtime(home))
        assert (cancelled.status, cancelled.err) == (0, "")
        assert cancelled.out.endswith(" worker has ended: cancelled\n")
