"""The history file: whole entries, many sessions at once, killed sessions, damage and limits."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

from aiorepl.terminal.history import HistoryFile, SuggestFromHistory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history"


def write(path: Path, entries: Sequence[str], limit: int = 100) -> HistoryFile:
    history = HistoryFile(path, limit)
    for entry in entries:
        history.append_string(entry)
    return history


def read(path: Path, limit: int = 100) -> list[str]:
    return HistoryFile(path, limit).entries()


def test_entries_come_back_whole_and_in_order(path: Path) -> None:
    entries = ["x = 1", "def f():\n    return '\u2028é\\n'\n", "\ud800"]
    assert write(path, entries).entries() == entries
    assert read(path) == entries


def test_prompt_loads_the_latest_first(path: Path) -> None:
    write(path, ["a", "b"])

    async def load() -> list[str]:
        return [entry async for entry in HistoryFile(path, 100).load()]

    assert asyncio.run(load()) == ["b", "a"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(st.text(st.characters()), unique=True))
def test_any_text_comes_back(path: Path, entries: list[str]) -> None:
    path.unlink(missing_ok=True)
    history = write(path, entries, limit=1000)
    assert read(path, limit=1000) == history.entries() == [entry for entry in entries if entry.strip()]


def test_file_can_be_read_by_a_person(path: Path) -> None:
    write(path, ["x = 'é'", "if x:\n    y"])
    assert path.read_text(encoding="utf-8") == '"x = \'é\'"\n"if x:\\n    y"\n'


def test_only_the_user_can_read_it(path: Path) -> None:
    old = os.umask(0)
    try:
        write(path, ["a", "b", "c"], limit=2)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        read(path, limit=2)
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(old)


def test_no_entry_twice_in_a_row_and_no_blank_one(path: Path) -> None:
    write(path, ["a", "a", " ", "", "b", "a"])
    assert path.read_text() == '"a"\n"b"\n"a"\n'
    assert read(path) == ["b", "a"]


def test_file_is_cut_to_the_latest(path: Path) -> None:
    write(path, ["a", "b", "c", "b", "d"])
    assert read(path, limit=3) == ["c", "b", "d"]
    assert path.read_text() == '"c"\n"b"\n"d"\n'


def test_link_to_a_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    write(path, ["a", "b"])
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read(link, limit=1) == ["b"]
    assert link.is_symlink()
    assert path.read_text() == '"b"\n'


def test_session_keeps_what_another_one_wrote_meanwhile(path: Path) -> None:
    one = HistoryFile(path, 2)
    write(path, ["a", "b", "c"], limit=2)
    assert read(path, limit=2) == ["b", "c"]  # a new file by now
    one.append_string("d")
    assert path.read_text() == '"b"\n"c"\n"d"\n'


def test_entry_that_waited_for_a_session_to_replace_the_file_goes_into_the_new_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = write(path, ["a"])
    opened = threading.Event()

    def flock(descriptor: int, operation: int, original: Callable[[int, int], None] = fcntl.flock) -> None:
        opened.set()
        original(descriptor, operation)

    with path.open() as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        monkeypatch.setattr(fcntl, "flock", flock)
        appending = threading.Thread(target=history.append_string, args=["c"])
        appending.start()
        opened.wait()
        (new := path.with_name("new")).write_text('"a"\n"b"\n')
        new.replace(path)
    appending.join()
    assert read(path) == ["a", "b", "c"]


@pytest.mark.parametrize("damage", [b'"torn\n', b"\xff\xfe\n", b"1\n", b'"a","b"\n', b"\x00\x00\x00"])
def test_damaged_file_is_set_aside_and_its_good_lines_are_kept(path: Path, damage: bytes) -> None:
    write(path, ["a"])
    path.write_bytes(damaged := path.read_bytes() + damage)
    history = HistoryFile(path, 100)
    assert history.entries() == ["a"]
    assert history.problem == (f"history: 1 of 2 lines could not be read; the file is kept as {path}.corrupt-1")
    assert Path(f"{path}.corrupt-1").read_bytes() == damaged
    assert read(path) == ["a"]


def test_files_set_aside_do_not_replace_each_other(path: Path) -> None:
    for text in ("one", "two"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        assert read(path) == []
    assert Path(f"{path}.corrupt-1").read_text() == "one"
    assert Path(f"{path}.corrupt-2").read_text() == "two"


def test_last_line_without_its_end_is_not_damage(path: Path) -> None:
    write(path, ["a"])
    path.write_text('"a"\n"b"')
    assert write(path, ["c"]).problem == ""
    assert read(path) == ["a", "b", "c"]


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = write(tmp_path / "file" / "history", ["a"])
    assert history.entries() == ["a"]
    assert history.problem == f"history is not saved: {tmp_path}/file/history: File exists"


FULL = """
import resource, sys
from pathlib import Path
from aiorepl.terminal.history import HistoryFile
history = HistoryFile(Path(sys.argv[1]), 100)
history.append_string("first")
resource.setrlimit(resource.RLIMIT_FSIZE, (12, 12))
history.append_string("second")
history.append_string("third")
print(history.entries(), history.problem)
"""


def test_entry_for_which_there_is_no_room_leaves_nothing_behind(path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert output == f"['first', 'second', 'third'] history is not saved: {path}: No space left on device\n"
    assert path.read_text() == '"first"\n'


def test_no_file_without_a_limit(path: Path) -> None:
    assert write(path, ["a"], limit=0).entries() == ["a"]
    assert not path.parent.exists()


WRITER = """
import sys
from pathlib import Path
from aiorepl.terminal.history import HistoryFile
path, name, count, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for number in range(count):
    if number % 20 == 0:
        history = HistoryFile(path, limit)
    history.append_string(f"{name} {number}\\n" + "x" * 5000)
    print(number, flush=True)
sys.stdin.read()
"""


def start_writer(path: Path, name: str, count: int, limit: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count), str(limit)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("limit", [1000, 50])
def test_sessions_at_once_lose_nothing(path: Path, limit: int) -> None:
    """With the small limit each session replaces the file again and again while the others write."""
    writers = [start_writer(path, name, 100, limit) for name in "abc"]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    history = HistoryFile(path, limit)
    assert history.problem == ""
    assert not list(path.parent.glob("*.corrupt*"))
    found = [entry.split("\n")[0].split(" ") for entry in history.entries()]
    for name in "abc":
        numbers = [int(number) for who, number in found if who == name]
        # What the limit has cut is cut at the old end: nothing is missing between what is left and the last.
        assert numbers == list(range(100))[100 - len(numbers) :]
    assert len(found) == min(limit, 300)


def test_killed_session_loses_nothing(path: Path) -> None:
    writer = start_writer(path, "a", 10, 100)
    assert writer.stdout is not None
    for line in writer.stdout:
        if line == "9\n":
            break
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=60)
    assert [entry.split("\n")[0] for entry in read(path)] == [f"a {number}" for number in range(10)]


def suggested(history: HistoryFile, text: str) -> str | None:
    found = SuggestFromHistory().get_suggestion(Buffer(history=history), Document(text))
    return None if found is None else found.text


def test_suggestions(path: Path) -> None:
    history = write(path, ["for i in x:\n    first(i)", "for i in y:\n    second(i)", "first"])
    assert suggested(history, "for i in") == " y:"
    assert suggested(history, "for i in x") == ":"
    assert suggested(history, "while 1:\n    f") == "irst(i)"
    assert suggested(history, "for i in y:\n    s") == "econd(i)"
    assert suggested(history, "nothing") is None
    assert suggested(history, "for i in y:\n    ") is None
