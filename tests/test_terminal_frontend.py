"""The terminal's frontend with a session that was made up: it cannot tell which kind it has."""

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path

from made_up import MadeUpSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from aiorepl.model import Event, Failure, Insert, Leave, Notice, Result
from aiorepl.settings import Settings
from aiorepl.terminal.frontend import TerminalFrontend
from aiorepl.terminal.history import HistoryFile


class Table:
    """A frontend on keys that come through a pipe, and all that it has drawn."""

    def __init__(self, session: MadeUpSession, folder: Path, keys: PipeInput) -> None:
        self.session = session
        self.keys = keys
        self.drawn = io.StringIO()
        output = Vt100_Output(self.drawn, lambda: Size(rows=24, columns=80), enable_cpr=False)
        history = HistoryFile(folder / "history", 100)
        self.frontend = TerminalFrontend(session, Settings(), history, input=keys, output=output)

    async def converse(self, *typed: str) -> None:
        """Type, and wait until the frontend has left."""
        self.keys.send_text("".join(typed))
        async with asyncio.timeout(20):
            await self.frontend.converse()


def at_table(
    folder: Path, answers: dict[str, list[Event]], *typed: str, announced: Sequence[Event] = ()
) -> tuple[Table, MadeUpSession]:
    async def sit() -> tuple[Table, MadeUpSession]:
        session = MadeUpSession(answers, announced)
        with create_pipe_input() as keys, create_app_session(input=keys):
            table = Table(session, folder, keys)
            if announced:
                await table.frontend.show_announcements()
            await table.converse(*typed)
            return table, session

    return asyncio.run(sit())


def test_events_of_a_submission_are_drawn_in_their_order(tmp_path: Path) -> None:
    answers: dict[str, list[Event]] = {
        "a": [Result("42", 1), Notice("a hint", "hint")],
        "b": [Failure("Traceback\nValueError: no\n", "ValueError: no")],
    }
    table, session = at_table(tmp_path, answers, "a\r", "b\r", "\x04")
    assert session.submitted == ["a", "b"]
    drawn = table.drawn.getvalue()
    assert drawn.index("42\n") < drawn.index("a hint\n") < drawn.index("ValueError: no\n")
    assert table.frontend.left == Leave(0)


def test_a_cell_that_leaves_ends_the_conversation_with_its_status(tmp_path: Path) -> None:
    table, _ = at_table(tmp_path, {"bye": [Leave(7, "so long")]}, "bye\r")
    assert table.frontend.left == Leave(7, "so long")
    assert "so long\n" in table.drawn.getvalue()


def test_text_that_a_session_inserts_is_in_the_next_prompt(tmp_path: Path) -> None:
    _, session = at_table(tmp_path, {"load": [Insert("x = 1")]}, "load\r", "2\r", "\x04")
    assert session.submitted == ["load", "x = 12"]


def test_announcements_are_drawn(tmp_path: Path) -> None:
    table, _ = at_table(tmp_path, {}, "\x04", announced=[Notice("a task failed", "alert", "ValueError\n")])
    assert "a task failed\nValueError\n" in table.drawn.getvalue()


def test_what_was_typed_is_remembered(tmp_path: Path) -> None:
    table, _ = at_table(tmp_path, {}, "one\r", "two\r", "\x04")
    assert table.frontend.past_entries() == ["one", "two"]
    assert HistoryFile(tmp_path / "history", 100).entries() == ["one", "two"]
