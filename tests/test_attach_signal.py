"""The ways in for a Python before 3.14: a signal that the program waits for, or gdb."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from attach_targets import PATIENCE, TARGETS, Conversation, converse, skip_unless_permitted, target
from processes import ROOT, Home, run

import aiorepl
from aiorepl.errors import AioreplError, AttachError
from aiorepl.remote.attach import gdb
from aiorepl.remote.attach.attaching import attach
from aiorepl.remote.attach.refusals import attachable
from aiorepl.remote.attach.request import find_request, take, write

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux"),
    pytest.mark.usefixtures("private_folder"),
]

before_3_14 = pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on there is sys.remote_exec")

INSTALL = "import aiorepl; installed = aiorepl.install_attach_signal()\n"
ENVIRONMENT = {"PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{ROOT}"}
BOTH = [kind for kind in TARGETS if kind not in ("blocked", "no loop")]


@before_3_14
@pytest.mark.parametrize("kind", BOTH)
def test_a_program_that_waits_for_the_signal_is_entered(home: Home, kind: str) -> None:
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    with target(home, INSTALL + TARGETS[kind], environment=ENVIRONMENT) as program:
        assert attachable(program.pid) == ("signal", "")
        for _ in range(2):
            talk = converse(program)
            assert talk.ask("threading.current_thread().name") == "'aiorepl-attach'"
            assert talk.leave()


@before_3_14
def test_a_whole_session_that_the_signal_has_let_in(home: Home) -> None:
    """As a person pipes it in: it only looks until it is told otherwise; then it may come again."""
    with target(home, f"{INSTALL}counter = 1\n{TARGETS['idle']}", environment=ENVIRONMENT) as program:
        pid = str(program.pid)
        first = run("attach", pid, home=home, stdin="counter\n%tasks\n%write on\ncounter += 1; counter\n")
        assert (first.status, first.err.splitlines()) == (
            0,
            ["this session is read-only; %write on allows it", "this session may change the program"],
        )
        drawn = first.out.splitlines()
        assert (drawn[0], drawn[-1]) == ("1 task: 1 waiting", "2")
        assert "the-waiter" in first.out
        # What was loaded for the first session is the program's own aiorepl, and stays.
        before = program.tell()
        cells = "%debug on\nawait asyncio.sleep(0, 'slept')\n1 / 0\nx = counter\nx\n"
        second = run("attach", "-q", "--write", pid, home=home, stdin=cells)
        assert (second.status, second.out) == (0, "'slept'\n2\n")
        assert second.err.endswith("ZeroDivisionError: division by zero\n")
        program.comes_to_tell(before)
        looked = run("attach", "--look", pid, home=home)
        version = "{}.{}".format(*sys.version_info[:2])
        reason = f"runs Python {version}, which cannot be read from outside before 3.14"
        assert looked == (2, "", f"aiorepl: process {pid} {reason}: it waits for the signal of aiorepl attach {pid}\n")


@before_3_14
def test_a_program_that_does_not_come_to_it_is_given_up(home: Home) -> None:
    with target(home, INSTALL + TARGETS["blocked"], environment=ENVIRONMENT) as program:
        with pytest.raises(AttachError, match=f"process {program.pid} has not answered for 0.3 s: its main thread"):
            attach(program.pid, entry="attach_payload", patience=0.3)
        request = find_request(program.pid)
        assert request is not None
        assert Path(request.file).read_bytes() == b""


@before_3_14
def test_a_forked_child_lets_in_too(home: Home) -> None:
    end = f"{INSTALL}child = os.fork()\nif child: os.waitpid(child, 0)\nelse: {TARGETS['idle']}"
    with target(home, end, environment=ENVIRONMENT) as program:
        child = int(Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text())
        try:
            talk = Conversation(attach(child, entry="attach_payload", patience=PATIENCE))
            assert talk.ask("__import__('os').getpid()") == str(child)
            assert talk.leave()
        finally:
            os.kill(child, signal.SIGKILL)


def test_it_does_nothing_until_then() -> None:
    with aiorepl.install_attach_signal():
        request = find_request(os.getpid())
        assert request is not None
        # Nobody has written a request.
        signal.raise_signal(request.signum)
    assert find_request(os.getpid()) is None
    assert signal.getsignal(request.signum) is signal.SIG_DFL


def test_only_one_writes_a_request_at_a_time() -> None:
    with aiorepl.install_attach_signal(signal.SIGUSR1):
        request = find_request(os.getpid())
        assert request is not None
        assert request.signum == signal.SIGUSR1
        descriptor = write(request, "/somewhere", "token")
        with pytest.raises(AttachError, match=r"^somebody else is about to attach"):
            write(request, "/elsewhere", "other")
        assert take(descriptor) == ("/somewhere", "token")
        assert take(descriptor) is None
        os.close(descriptor)


def test_a_signal_that_is_not_caught_any_more_is_not_sent() -> None:
    with aiorepl.install_attach_signal(signal.SIGUSR1):
        handler = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        assert find_request(os.getpid()) is None
        signal.signal(signal.SIGUSR1, handler)


def test_a_system_without_it_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(AioreplError) as caught:
        aiorepl.install_attach_signal()
    assert str(caught.value) == "install_attach_signal needs Linux; with Python 3.14 aiorepl attach does without"


@pytest.fixture(scope="module")
def working_gdb() -> str:
    """gdb, tried on a process of our own as it is tried before each use."""
    found = shutil.which("gdb")
    if found is None:
        pytest.skip("gdb is not installed")
    try:
        gdb.try_out(found)
    except AttachError as error:
        pytest.skip(str(error))
    return found


@before_3_14
@pytest.mark.parametrize("kind", ["idle", "uvloop", "loop in another thread"])
def test_gdb_lets_in(home: Home, working_gdb: str, kind: str) -> None:
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    said: list[str] = []
    with target(home, TARGETS[kind]) as program:
        skip_unless_permitted(program.pid)
        before = program.tell()
        talk = converse(program, gdb=True, tell=said.append)
        assert talk.ask("threading.current_thread().name") == "'aiorepl-attach'"
        assert talk.leave()
        program.comes_to_tell(before)
    assert said[0] == gdb.ANNOUNCEMENT.format(gdb=working_gdb, pid=program.pid)


@before_3_14
def test_a_gdb_that_does_not_work_touches_no_other_process(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = home.path / "gdb"
    fake.write_text('#!/bin/sh\necho "$@" >> "$0.log"; echo "Couldn\'t write registers" >&2\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(home.path), prepend=os.pathsep)
    with target(home, TARGETS["idle"]) as program:
        skip_unless_permitted(program.pid)
        with pytest.raises(AttachError) as caught:
            converse(program, gdb=True)
        assert str(program.pid) not in (home.path / "gdb.log").read_text().split()
    assert str(caught.value).endswith(
        ": Couldn't write registers; that was a process of our own, and no other was touched"
    )


@before_3_14
def test_without_gdb_that_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with target(home, TARGETS["idle"]) as program:
        skip_unless_permitted(program.pid)
        with pytest.raises(AttachError, match=r"^--gdb takes gdb, which is not installed$"):
            converse(program, gdb=True)
