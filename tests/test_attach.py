"""Getting into a process that was not prepared for it, whatever it does, and out of it without a trace."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from attach_targets import PATIENCE, TARGETS, converse, needs_remote_exec, skip_unless_permitted, target
from processes import Home

from aiorepl.errors import AttachError
from aiorepl.remote.attach.attaching import attach

pytestmark = [needs_remote_exec, pytest.mark.usefixtures("private_folder")]

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
NOBODY = 65534


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process does instead of answering is told soon."""
    monkeypatch.setattr("aiorepl.remote.attach.attaching._TELL_AFTER", 0.2)


@pytest.mark.parametrize("kind", [kind for kind in TARGETS if kind not in ("blocked", "no loop")])
def test_a_process_is_entered_and_left_without_a_trace(home: Home, kind: str) -> None:
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    with target(home, TARGETS[kind]) as program:
        skip_unless_permitted(program.pid)
        before = program.tell()
        talk = converse(program)
        assert talk.ask("'aiorepl-attach' in [thread.name for thread in threading.enumerate()]") == "True"
        assert talk.leave()
        program.comes_to_tell(before)
        assert program.process.poll() is None


def test_it_is_entered_again_and_by_several(home: Home) -> None:
    with target(home, TARGETS["idle"]) as program:
        skip_unless_permitted(program.pid)
        before = program.tell()
        first, second = converse(program), converse(program)
        assert first.leave()
        # The hook stays as long as somebody uses it.
        assert second.ask("[type(finder).__name__ for finder in sys.meta_path][0]") == "'_Sent'"
        assert second.leave()
        program.comes_to_tell(before)
        assert converse(program).leave()
        program.comes_to_tell(before)


def test_many_attach_one_after_another_while_it_works(home: Home) -> None:
    with target(home, TARGETS["busy"]) as program:
        skip_unless_permitted(program.pid)
        before = program.tell()
        for number in range(10):
            talk = converse(program)
            assert talk.ask(str(number)) == str(number)
            assert talk.leave()
        program.comes_to_tell(before)


def test_a_blocked_process_is_waited_for_and_given_up_without_harm(home: Home) -> None:
    with target(home, TARGETS["blocked"]) as program:
        skip_unless_permitted(program.pid)
        said: list[str] = []
        with pytest.raises(AttachError) as caught:
            attach(program.pid, entry="attach_payload", patience=0.7, tell=said.append)
        place = "match" if sys.version_info < (3, 15) else "prefixmatch"
        stands = f"its main thread stands in {place} (__init__.py:"
        assert said[0].startswith(f"waiting for process {program.pid}: {stands}")
        assert str(caught.value).startswith(f"process {program.pid} has not answered for 0.7 s: {stands}")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="what is known of a process comes from /proc")
def test_of_a_stopped_process_it_is_said_how_it_goes_on(home: Home) -> None:
    with target(home, TARGETS["idle"]) as program:
        skip_unless_permitted(program.pid)
        program.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT)
        with pytest.raises(AttachError) as caught:
            attach(program.pid, entry="attach_payload", patience=0.1)
        stands = f"it is stopped, and kill -CONT {program.pid} lets it go on"
        assert str(caught.value) == f"process {program.pid} has not answered for 0.1 s: {stands}"


def test_what_was_given_up_is_not_heard_later(home: Home) -> None:
    """The main thread waits where nothing gets it out; once it goes on, nothing has come of the request."""
    os.mkfifo(home.path / "gate")
    with target(home, "print('ready'); open('gate').close()\nprint(threading.enumerate(), flush=True)") as program:
        skip_unless_permitted(program.pid)
        with pytest.raises(AttachError, match="has not answered"):
            attach(program.pid, entry="attach_payload", patience=0.5)
        (home.path / "gate").open("w").close()
        out, err = program.process.communicate(timeout=PATIENCE)
    assert out.startswith("[<_MainThread(MainThread, started ")
    assert (out.count("Thread("), err) == (1, "")


def test_ctrl_c_gives_up(home: Home) -> None:
    with target(home, TARGETS["blocked"]) as program:
        skip_unless_permitted(program.pid)
        with pytest.raises(KeyboardInterrupt):
            attach(program.pid, entry="attach_payload", tell=lambda text: signal.raise_signal(signal.SIGINT))


def test_a_process_that_is_killed_meanwhile(home: Home) -> None:
    with target(home, TARGETS["blocked"]) as program:
        skip_unless_permitted(program.pid)
        with pytest.raises(AttachError, match=f"^process {program.pid} has ended before it answered$"):
            attach(program.pid, entry="attach_payload", tell=lambda text: program.process.kill())


def test_what_cannot_be_served_is_left_at_once(home: Home) -> None:
    with target(home, TARGETS["idle"]) as program:
        skip_unless_permitted(program.pid)
        before = program.tell()
        with pytest.raises(AttachError, match="cannot be served: RuntimeError: not today"):
            converse(program, options={"refuse": "not today"})
        program.comes_to_tell(before)


def test_one_attaches_at_a_time(home: Home) -> None:
    refused: list[str] = []

    def attach_too(text: str) -> None:
        with pytest.raises(AttachError) as caught:
            attach(program.pid, entry="attach_payload")
        refused.append(str(caught.value))
        program.process.kill()

    with target(home, TARGETS["blocked"]) as program:
        skip_unless_permitted(program.pid)
        with pytest.raises(AttachError):
            attach(program.pid, entry="attach_payload", tell=attach_too)
    assert refused == [f"somebody else is just attaching to process {program.pid}; try again"]


@ROOT_ONLY
def test_root_attaches_to_another_users_process() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        with target(Home(Path(name)), TARGETS["idle"], user=NOBODY, group=NOBODY) as program:
            skip_unless_permitted(program.pid)
            before = program.tell()
            talk = converse(program)
            assert talk.ask("__import__('os').geteuid()") == str(NOBODY)
            assert talk.leave()
            program.comes_to_tell(before)


def test_a_stranger_at_the_socket_is_not_taken_for_the_process(home: Home) -> None:
    """Another process of the same user connects first, with some token: it is sent away."""
    script = (
        "import glob, socket, sys\n"
        "while not (found := glob.glob(sys.argv[1] + '/aiorepl-*/socket')): pass\n"
        "stranger = socket.socket(socket.AF_UNIX); stranger.connect(found[0])\n"
        "try: stranger.sendall(b'{}\\n'); print(stranger.recv(1))\n"
        "except ConnectionError: print(b'')"
    )
    with target(home, TARGETS["blocked"]) as program:
        skip_unless_permitted(program.pid)
        with subprocess.Popen(
            [sys.executable, "-c", script, tempfile.gettempdir()], stdout=subprocess.PIPE, text=True
        ) as stranger:
            late = threading.Timer(PATIENCE, stranger.kill)
            late.start()
            with pytest.raises(AttachError, match="has not answered"):
                attach(program.pid, entry="attach_payload", patience=1.5)
            out, _ = stranger.communicate()
            late.cancel()
    assert out == "b''\n"


IN_A_CONTAINER = """
mount -t tmpfs none /tmp && mount --bind "$1" /mnt && exec "/mnt/bin/$2" -I -S -u -c "$3"
"""
CONTAINED = """
import asyncio, os
async def main():
    print("ready")
    await asyncio.Event().wait()
asyncio.run(main())
"""


@ROOT_ONLY
def test_a_process_that_sees_other_files(home: Home) -> None:
    """In a container its interpreter's file is not where it says, and its folder for temporary files is another."""
    interpreter = os.path.basename(os.path.realpath(sys.executable))
    arguments = [sys.base_prefix, interpreter, CONTAINED]
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", IN_A_CONTAINER, "sh", *arguments], stdout=subprocess.PIPE, text=True
    ) as program:
        late = threading.Timer(2 * PATIENCE, program.kill)
        late.start()
        try:
            assert program.stdout is not None
            if program.stdout.readline() != "ready\n":
                pytest.skip("this system does not let mount")
            skip_unless_permitted(program.pid)
            attached = attach(program.pid, patience=PATIENCE)
            attached.socket.close()
            assert attached.wait_until_left(PATIENCE)
            assert os.listdir(f"/proc/{program.pid}/root/tmp") == []
        finally:
            late.cancel()
            program.kill()
