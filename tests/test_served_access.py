"""What a session may do to the app, who is told of it, and what the app may offer."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from served import Guest, read, serving

from aiorepl.commands.context import Context
from aiorepl.commands.json_data import to_data
from aiorepl.commands.registry import COMMANDS, command
from aiorepl.errors import CommandError, ServeError
from aiorepl.interpret.source import classify
from aiorepl.model import Answer
from aiorepl.session.access import Everything, Guarded

# What a session that only looks refuses, and what it does.
CHANGES = (
    "1 + 1",
    "x = 1 &",
    "!true",
    "!sleep 1 &",
    "%cancel 1",
    "%time 1",
    "%timeit 1",
    "%run program.py",
    "%thread 1",
    "%save program.py",
    "%reset",
    "%debug on",
    "%debug --price",
    "%slow 1",
    "%log debug",
    "%trace asyncio.sleep --max 1",
    "%alerts off",
    "%alerts clear",
)
LOOKS = (
    "%tasks",
    "%why 1",
    "%where 1 --locals",
    "%loops",
    "asyncio?",
    "%cancel?",
    "%help cancel",
    "%who",
    "%set",
    "%jobs",
)

READ_ONLY = "this session is read-only; its program allows nothing else"
LOCKED = "this session is read-only; %write on allows it"


@pytest.mark.parametrize(("mode", "refusal"), [("read-only", READ_ONLY), ("locked", LOCKED)])
def test_a_session_that_only_looks_refuses_what_changes_the_app(mode: Any, refusal: str, tmp_path: Path) -> None:
    with serving(tmp_path, mode) as served:
        assert served.says(*CHANGES) == [refusal] * len(CHANGES)
        told = served.says(*LOOKS)
        assert [line for line, text in zip(LOOKS, told, strict=True) if "read-only" in text] == []


def test_every_command_says_whether_it_only_looks() -> None:
    """A command that is not named here is refused in a read-only session: whoever adds one decides."""
    assert [one.name for one in COMMANDS if not one.looks and one.group in ("session", "jobs", "time", "tasks")] == [
        "reset", "run", "save", "stdin", "bg", "fg", "thread", "time", "timeit", "cancel",
    ]  # fmt: skip


def test_what_is_served_as_read_only_is_never_unlocked(tmp_path: Path) -> None:
    with serving(tmp_path, "read-only") as served:
        told = served.says("%write on", "%write off", "%write on", "%write", "1")
        assert told == [READ_ONLY, "this session only looks", READ_ONLY, "this session only looks", READ_ONLY]


def test_a_locked_session_is_unlocked_and_locked_again(tmp_path: Path) -> None:
    with serving(tmp_path, "locked") as served:
        told = served.says("1", "%write on", "1", "%write off", "1", "%write on", "2")
        may, looks = "this session may change the program", "this session only looks"
        assert told == [LOCKED, may, "1", looks, LOCKED, may, "2"]
        assert served.says("1") == [LOCKED]


def test_a_session_that_may_write_can_be_locked(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.says("%write off", "1") == ["this session only looks", LOCKED]


def test_a_local_session_may_always_write() -> None:
    access = Everything()
    access.check(classify("1"))
    access.unlock()
    with pytest.raises(CommandError, match="which it may always change"):
        access.lock()


def test_what_the_audit_refuses_is_not_unlocked() -> None:
    def refuse(what: str, text: str) -> None:
        raise RuntimeError(what)

    guarded = Guarded("locked", refuse)
    with pytest.raises(RuntimeError, match="unlock"):
        guarded.unlock()
    assert not guarded.writes


class Heard(NamedTuple):
    event: str
    text: str


_heard: list[tuple[object, ...]] | None = None
_refused = ""


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    """Hooks cannot be removed: this one is deaf until somebody listens."""
    if _heard is not None and event.startswith("aiorepl."):
        _heard.append((event, *arguments))
        if event == _refused:
            raise PermissionError("not here")


@pytest.fixture
def hooked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    if not getattr(sys, "_aiorepl_tests_hooked", False):
        sys.addaudithook(_hook)
        sys._aiorepl_tests_hooked = True  # type: ignore[attr-defined]
    heard: list[tuple[object, ...]] = []
    monkeypatch.setattr(sys.modules[__name__], "_heard", heard)
    return heard


def test_connections_unlocks_cells_and_changes_leave_a_trail(
    tmp_path: Path, hooked: list[tuple[object, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiorepl")
    with serving(tmp_path, "locked") as served:
        served.types("1", "%tasks", "%write on", "x = 1", "!true", "%cancel 99", "%write off")
    events = [(event, *arguments[4:]) for event, *arguments in hooked]
    assert events == [
        ("aiorepl.connect", "session"),
        ("aiorepl.unlock", ""),
        ("aiorepl.cell", "x = 1"),
        ("aiorepl.shell", "true"),
        ("aiorepl.command", "%cancel 99"),
        ("aiorepl.lock", ""),
        ("aiorepl.disconnect", ""),
    ]
    assert {tuple(arguments[:4]) for _, *arguments in hooked} == {("app", 1, os.geteuid(), os.getpid())}
    records = [record for record in caplog.records if record.name == "aiorepl"]
    who = f"by user {os.geteuid()} from process {os.getpid()} in session 1 of app"
    assert [record.getMessage() for record in records] == [
        f"connect {who}: 'session'",
        f"unlock {who}",
        f"cell {who}: 'x = 1'",
        f"shell {who}: 'true'",
        f"command {who}: '%cancel 99'",
        f"lock {who}",
        f"disconnect {who}",
    ]
    assert records[2].__dict__["aiorepl"] == {
        "event": "cell", "server": "app", "session": 1, "user": os.geteuid(), "process": os.getpid(), "text": "x = 1",
    }  # fmt: skip


def test_a_hook_can_refuse_a_cell(
    tmp_path: Path, hooked: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_refused", "aiorepl.cell")
    with serving(tmp_path) as served:
        refused, looked = served.says("x = 1", "%write")
        assert refused.endswith("PermissionError: not here\n")
        assert looked == "this session may change the program"
        assert hooked


def test_a_hook_can_refuse_a_connection(
    tmp_path: Path, hooked: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_refused", "aiorepl.connect")
    with (
        serving(tmp_path) as served,
        pytest.raises(ServeError, match="the program does not allow it: not here"),
    ):
        served.says("1")


def test_what_is_logged_of_a_cell_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aiorepl")
    with serving(tmp_path) as served:
        served.types(f"'{'x' * 10_000}';")
    assert max(len(record.getMessage()) for record in caplog.records) < 700


class Point(NamedTuple):
    x: int
    y: int


@pytest.fixture
def commands() -> Iterator[None]:
    """Commands of an app, which are gone afterwards."""
    before = dict(COMMANDS._commands), dict(COMMANDS._by_name)

    @command
    def orders(context: Context, status: str = "open") -> Point:
        """Show the orders."""
        print("from the command")
        return Point(1, len(status))

    @command(looks=True)
    def health(context: Context) -> str:
        """Tell how it is."""
        return "fine"

    yield
    COMMANDS._commands, COMMANDS._by_name = before


def test_an_app_adds_commands(tmp_path: Path, commands: None) -> None:
    with serving(tmp_path) as served:
        orders, help_ = served.says("%orders late", "%help orders")
        assert orders == "from the command\n\nPoint(x=1, y=4)\n"
        assert "Show the orders." in help_


def test_a_command_of_the_apps_is_refused_where_only_looking_is_allowed_unless_it_looks(
    tmp_path: Path, commands: None
) -> None:
    with serving(tmp_path, "read-only") as served:
        assert served.says("%orders", "%health") == [READ_ONLY, "fine\n"]


def test_the_value_of_a_command_of_the_apps_is_data_too(tmp_path: Path, commands: None) -> None:
    with serving(tmp_path) as served:

        async def script(guest: Guest) -> None:
            (answer,) = [event for event in await guest.type("%orders") if isinstance(event, Answer)]
            assert to_data(answer.value) == {"x": 1, "y": 4}
            assert '"y": 4' in read(await guest.type("%orders --json"))

        served.visit(script)
