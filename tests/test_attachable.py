"""Why a process cannot be attached to is said before anything is done, and what to do instead."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from attach_targets import TARGETS, needs_remote_exec, skip_unless_permitted, target
from processes import Home, command, run

from aiorepl.errors import AttachError
from aiorepl.remote.attach.attaching import attach
from aiorepl.remote.attach.process import HAS_PROC, Process, find_process
from aiorepl.remote.attach.refusals import Attachable, attachable, check
from aiorepl.remote.discovery import why_not_served

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="what is known of a process comes from /proc")

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
NOBODY = 65534
VERSION = "{}.{}".format(*sys.version_info[:2])


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_there_is_no_such_process() -> None:
    pid = ended_process()
    assert attachable(pid) == Attachable(None, f"there is no process {pid}")


def test_a_process_that_has_ended_and_is_not_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert attachable(process.pid) == Attachable(None, f"process {process.pid} has ended")


def test_a_process_cannot_attach_to_itself() -> None:
    assert attachable(os.getpid()) == Attachable(None, "that is this very process")


def test_a_program_that_is_not_python() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE) as process:
        shell = os.readlink(f"/proc/{process.pid}/exe")
        assert attachable(process.pid) == Attachable(None, f"process {process.pid} is not Python but {shell}")
        process.communicate()


@pytest.mark.skipif(not Path("/proc/2/comm").exists(), reason="a process of the kernel is to be seen")
@ROOT_ONLY
def test_a_process_of_the_kernel() -> None:
    assert attachable(2) == Attachable(None, "process 2 is not Python but a part of the system")


@needs_remote_exec
def test_one_that_can_be() -> None:
    with tempfile.TemporaryDirectory() as name, target(Home(Path(name)), TARGETS["no loop"]) as program:
        skip_unless_permitted(program.pid)
        assert attachable(program.pid) == Attachable("remote_exec", "")
        said = f"process {program.pid} is not served; it is once it has called aiorepl.serve()"
        assert why_not_served(program.pid) == f"{said}, and aiorepl attach {program.pid} looks into it as it is"


@needs_remote_exec
@pytest.mark.parametrize(
    ("options", "environment", "told"),
    [
        ((), {"PYTHON_DISABLE_REMOTE_DEBUG": "1"}, "PYTHON_DISABLE_REMOTE_DEBUG"),
        (("-X", "disable-remote-debug"), {}, "-X disable-remote-debug"),
    ],
)
def test_remote_debugging_is_disabled(
    home: Home, options: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    with target(home, TARGETS["idle"], python=(sys.executable, *options), environment=environment) as program:
        skip_unless_permitted(program.pid)
        reason = (
            f"process {program.pid} was started with {told}: its Python takes no requests from outside; "
            f"aiorepl attach --look {program.pid} reads it without any"
        )
        assert attachable(program.pid) == Attachable(None, reason)


@needs_remote_exec
def test_a_variable_that_python_was_told_to_ignore_disables_nothing(home: Home) -> None:
    environment = {"PYTHON_DISABLE_REMOTE_DEBUG": "1"}
    with target(home, TARGETS["idle"], python=(sys.executable, "-E"), environment=environment) as program:
        skip_unless_permitted(program.pid)
        assert attachable(program.pid).way == "remote_exec"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python before 3.14")
def test_before_3_14_there_is_no_way_but_those_that_are_named(home: Home) -> None:
    with target(home, TARGETS["idle"]) as program:
        reason = (
            f"process {program.pid} runs Python {VERSION}, into which there is no way from outside before 3.14: "
            "let it call aiorepl.install_attach_signal() when it starts, or try --gdb"
        )
        assert attachable(program.pid) == Attachable(None, reason)


def test_another_version(home: Home) -> None:
    """Any other one that is installed beside this: the client's version is told, and what to type."""
    with target(home, TARGETS["idle"]) as program:
        process = find_process(program.pid)._replace(python=(3, 19), executable="/usr/bin/python3.19")
        with pytest.raises(AttachError) as caught:
            check(process)
    assert str(caught.value) == (
        f"process {program.pid} runs Python 3.19, and this is {VERSION}: attach with the same version, "
        f"as in /usr/bin/python3.19 -m aiorepl attach {program.pid}"
    )


def other_pythons() -> dict[tuple[int, int], str]:
    """The oldest and the newest Python that is installed beside this one, as far as these are others."""
    found = {}
    for minor in range(11, 20):
        name = f"python3.{minor}"
        prefix = Path(sys.base_prefix)
        candidates = [shutil.which(name) or "", prefix / "bin" / name, *prefix.parent.glob(f"*/bin/{name}")]
        for candidate in map(str, candidates):
            # A version manager has commands that run nothing.
            with contextlib.suppress(OSError):
                told = subprocess.run([candidate, "-c", "import sys; print(sys.executable)"], capture_output=True)
                if not told.returncode:
                    found[3, minor] = told.stdout.decode().strip()
                    break
    found.pop(sys.version_info[:2], None)
    return {version: found[version] for version in {min(found), max(found)}} if found else {}


def test_other_versions_that_are_installed(home: Home) -> None:
    """They are listed, one that has asyncio built in as well; what is advised can work, and nothing is left there."""
    with contextlib.ExitStack() as stack:
        programs = {
            version: stack.enter_context(target(home, TARGETS["idle"], python=(python,)))
            for version, python in other_pythons().items()
        }
        if not programs:
            pytest.skip("no other Python was found")
        listed = {row["process"]: row for row in json.loads(run("list", "--json", home=home).out)["rows"]}
        for (major, minor), program in programs.items():
            skip_unless_permitted(program.pid)
            before = program.tell()
            told = [run("attach", *options, str(program.pid), home=home) for options in ((), ("--look",))]
            runs = f"runs Python {major}.{minor}"
            other = find_process(program.pid).executable
            if minor < 14:
                states = ["into which there is no way from outside before 3.14"]
                states.append("which cannot be read from outside before 3.14")
                reasons = [
                    f"{runs}, {state}: let it call aiorepl.install_attach_signal() when it starts, "
                    f"or try {other} -m aiorepl attach --gdb {program.pid}"
                    for state in states
                ]
            else:
                states = [f"and this is {VERSION}"]
                reasons = [
                    f"{runs}, {states[0]}: attach with the same version, "
                    f"as in {other} -m aiorepl attach {option}{program.pid}"
                    for option in ("", "--look ")
                ]
            assert told == [(2, "", f"aiorepl: process {program.pid} {reason}\n") for reason in reasons]
            assert (listed[program.pid]["state"], listed[program.pid]["tasks"]) == (f"{runs}, {states[0]}", None)
            program.comes_to_tell(before)


@pytest.mark.parametrize("kind", ["idle", "uvloop", "loop in another thread", "no loop"])
def test_a_loop_shows_by_its_selector(home: Home, kind: str) -> None:
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    with target(home, TARGETS[kind]) as program:
        assert find_process(program.pid).holds_selector() == (kind != "no loop")


@needs_remote_exec
def test_another_kind_of_build(home: Home) -> None:
    with target(home, TARGETS["idle"]) as program:
        process = find_process(program.pid)
        with pytest.raises(AttachError) as caught:
            check(process._replace(threaded_freely=not process.threaded_freely))
    kinds = ["a Python with the GIL", "a free-threaded Python"]
    theirs, ours = kinds[::-1] if not process.threaded_freely else kinds
    assert str(caught.value) == (
        f"process {program.pid} runs {theirs}, and this is {ours}: attach with a Python of the same kind"
    )


def as_nobody(code: str, *arguments: str) -> str:
    """Run code as another user; return what it prints."""
    if subprocess.run(["test", "-x", sys.executable], user=NOBODY, group=NOBODY, extra_groups=()).returncode:
        pytest.skip("another user cannot run this Python")
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        capture_output=True,
        text=True,
        cwd="/",
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if "Permission denied" in ended.stderr or "No module named" in ended.stderr:
        pytest.skip("another user cannot read this copy")
    return ended.stdout + ended.stderr


ASK = "import sys; from aiorepl.remote.attach.refusals import attachable; print(attachable(int(sys.argv[1])).reason)"


@ROOT_ONLY
def test_a_process_of_another_user(home: Home) -> None:
    with target(home, TARGETS["idle"]) as program:
        assert as_nobody(ASK, str(program.pid)) == (
            f"process {program.pid} belongs to root; attach as root, as in sudo aiorepl attach {program.pid}\n"
        )


@ROOT_ONLY
@needs_remote_exec
def test_a_process_that_protects_itself() -> None:
    protect = "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n"
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        end = protect + TARGETS["idle"]
        as_nobody("")
        with target(Home(Path(name)), end, user=NOBODY, group=NOBODY) as program:
            told = as_nobody(ASK, str(program.pid))
    if "ptrace_scope" not in told:
        assert told == (
            f"process {program.pid} may not be attached to: it protects itself (it is not dumpable, or has more rights "
            f"than this one); attach as root: sudo aiorepl attach {program.pid}\n"
        )


@ROOT_ONLY
@pytest.mark.parametrize("options", [(), ("--look",)], ids=["attach", "look"])
def test_root_without_the_right_to_trace(home: Home, options: tuple[str, ...]) -> None:
    without = ("setpriv", "--bounding-set", "-sys_ptrace")
    if shutil.which("setpriv") is None or subprocess.run([*without, "true"]).returncode:
        pytest.skip("setpriv cannot take a right away")
    with target(home, TARGETS["idle"]) as program:
        arguments = [*without, *command("attach", *options, str(program.pid))]
        ended = subprocess.run(arguments, env=home.environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    # Which setting it is differs from machine to machine.
    assert ended.stderr.startswith(f"aiorepl: process {program.pid} may not be attached to: ")
    assert any(word in ended.stderr for word in ("CAP_SYS_PTRACE", "--cap-add=SYS_PTRACE", "ptrace_scope is 3"))


@pytest.mark.parametrize(
    ("scope", "container", "user", "reason"),
    [
        ("0", False, 0, "CAP_SYS_PTRACE is missing"),
        ("1", True, 0, "this container may not: start it with --cap-add=SYS_PTRACE"),
        ("1", True, 1000, "kernel.yama.ptrace_scope is 1; attach as root: {sudo}, or {sysctl} first"),
        ("2", False, 1000, "kernel.yama.ptrace_scope is 2; attach as root: {sudo}"),
        ("3", True, 0, "kernel.yama.ptrace_scope is 3, which forbids it to everyone until {again}"),
        (
            "",
            False,
            1000,
            "it protects itself (it is not dumpable, or has {more} than this one); attach as root: {sudo}",
        ),
    ],
)
def test_which_setting_forbids_it(
    monkeypatch: pytest.MonkeyPatch, scope: str, container: bool, user: int, reason: str
) -> None:
    """What the machine is set to is made up: most of it cannot be set for a test."""
    monkeypatch.setattr("aiorepl.remote.attach.refusals._yama", lambda: scope)
    monkeypatch.setattr("aiorepl.remote.attach.refusals._in_container", lambda: container)
    monkeypatch.setattr("os.geteuid", lambda: user)
    pid = ended_process()
    with pytest.raises(AttachError) as caught:
        check(Process(pid, frozenset({user}), readable=False))
    words = reason.format(
        sudo=f"sudo aiorepl attach {pid}",
        sysctl="sudo sysctl kernel.yama.ptrace_scope=0",
        again="the machine is started anew",
        more="more rights",
    )
    assert str(caught.value) == f"process {pid} may not be attached to: {words}"


def test_what_the_shell_is_told(home: Home) -> None:
    pid = ended_process()
    ended = run("attach", str(pid), home=home)
    assert (ended.status, ended.out, ended.err) == (2, "", f"aiorepl: there is no process {pid}\n")


def test_the_list_of_all_processes_tells_which(home: Home) -> None:
    with target(home, TARGETS["idle"]) as program:
        skip_unless_permitted(program.pid)
        listed = json.loads(run("list", "--json", home=home).out)["rows"]
    (row,) = [row for row in listed if row["process"] == program.pid]
    new = sys.version_info >= (3, 14)
    expected = {
        "process": program.pid,
        "name": "",
        "command": f"{sys.executable} -u program.py",
        "python": VERSION,
        "loops": None,
        "tasks": 1 if new else None,
        "state": "attach" if new else f"runs Python {VERSION}, into which there is no way from outside before 3.14",
    }
    assert row == row | expected


@needs_remote_exec
def test_a_process_without_a_loop_is_left_at_once(home: Home) -> None:
    with target(home, TARGETS["no loop"]) as program:
        skip_unless_permitted(program.pid)
        before = program.tell()
        with pytest.raises(AttachError) as caught:
            attach(program.pid)
        assert str(caught.value) == f"process {program.pid} cannot be served: no event loop is running in it"
        program.comes_to_tell(before)
