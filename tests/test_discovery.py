"""Served processes are found, named, and told apart; what the dead have left is removed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiorepl.errors import ServeError
from aiorepl.remote.attach.process import HAS_PROC
from aiorepl.remote.discovery import Found, command_of, find, find_all, served, why_not_served
from aiorepl.remote.sockets import bind

HERE = os.getpid()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where there are sockets."""
    folder = tmp_path / "aiorepl"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr("aiorepl.remote.discovery.folders", lambda: [str(folder)])
    return folder


@pytest.fixture
def three(folder: Path) -> Iterator[list[Found]]:
    found = [Found(HERE, "web", ""), Found(HERE + 1, "web", ""), Found(HERE + 2, "worker", "")]
    found = [one._replace(path=str(folder / f"{one.process}-{one.name}.sock")) for one in found]
    listeners = [bind(one.path) for one in found]
    yield found
    for listener in listeners:
        listener.close()


def test_those_that_listen_are_listed_by_number(three: list[Found]) -> None:
    assert served() == three
    assert [str(one) for one in three[:1]] == [f"web (process {HERE})"]


def test_what_the_dead_have_left_is_removed_and_nothing_else_is(folder: Path, three: list[Found]) -> None:
    bind(str(folder / "4711-dead.sock")).close()
    (folder / "4711-file.sock").write_text("")
    (folder / "notes").write_text("")
    assert served() == three
    assert {path.name for path in folder.iterdir()} == {
        *(os.path.basename(one.path) for one in three),
        "4711-file.sock",
        "notes",
    }


def test_a_process_is_meant_by_number_name_or_path(three: list[Found]) -> None:
    assert find(str(HERE)) == three[0]
    assert find("worker") == three[2]
    assert find("/run/other.sock") == Found(0, "other.sock", "/run/other.sock")
    assert str(find("./x.sock")) == "./x.sock"
    assert find_all("web") == three[:2]
    assert find_all(None) == three


def test_the_only_one_need_not_be_named(folder: Path) -> None:
    with bind(str(folder / f"{HERE}-web.sock")):
        assert find(None).name == "web"


def test_what_cannot_be_meant_is_said_in_a_line(three: list[Found]) -> None:
    one, two, other = f"{HERE} web", f"{HERE + 1} web", f"{HERE + 2} worker"
    parent = str(os.getppid())
    problems = {
        None: f"several processes are served: {one}, {two}, {other}; say which by its number",
        "web": f"several processes are called web: {one}, {two}; say which by its number",
        "wob": f"no process is called wob; served: {one}, {two}, {other}",
        parent: f"process {parent} is not served; it is once it has called aiorepl.serve()",
        "99999999": "there is no process 99999999",
        "9" * 30: "there is no process " + "9" * 30,
    }
    for target, problem in problems.items():
        with pytest.raises(ServeError) as raised:
            find(target)
        assert str(raised.value).startswith(problem)
        assert "\n" not in str(raised.value)


@pytest.mark.skipif(not HAS_PROC, reason="what is known of a process comes from /proc")
def test_of_one_that_is_not_served_it_is_said_whether_it_can_be_attached_to(folder: Path) -> None:
    with subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE) as process:
        shell = os.readlink(f"/proc/{process.pid}/exe")
        said = f"process {process.pid} is not served; it is once it has called aiorepl.serve()"
        assert why_not_served(process.pid) == f"{said} (it is not Python but {shell})"
        process.communicate()


def test_many_are_counted(folder: Path) -> None:
    listeners = [bind(str(folder / f"{number}-w.sock")) for number in range(1, 13)]
    with pytest.raises(ServeError, match=r"1 w, 2 w, .*, 8 w, … 4 more; say which"):
        find("w")
    for listener in listeners:
        listener.close()


def test_where_none_is_served(folder: Path) -> None:
    with pytest.raises(ServeError, match=r"no process is served; a program is once it has called aiorepl.serve\(\)"):
        find(None)
    with pytest.raises(ServeError, match="no process is called web; no process is served"):
        find("web")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_elses_is_not_looked_into(folder: Path) -> None:
    with bind(str(folder / f"{HERE}-web.sock")):
        os.chown(folder, 65534, 65534)
        assert served() == []


def test_a_folder_that_is_not_there_is_empty(folder: Path) -> None:
    folder.rmdir()
    assert served() == []


def test_the_command_of_a_process() -> None:
    assert "python" in command_of(HERE) or "pytest" in command_of(HERE)
    assert command_of(99999999) == ""
