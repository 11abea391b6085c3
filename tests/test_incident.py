"""The page of the worked incident: every command that looks at tasks and loops is on it, and answers."""

import asyncio
import re

import pytest
from processes import ROOT

from aiorepl.commands.standard import COMMANDS
from docs import make_incident

PAGE = (ROOT / "docs" / "incident.md").read_text()


def lines_typed(page: str) -> list[str]:
    return re.findall(r"(?m)^>>> (.*)", page)


def test_each_command_is_on_the_page() -> None:
    typed = {line.split()[0] for line in lines_typed(PAGE)}
    assert {f"%{command.name}" for command in COMMANDS if command.group == "tasks"} <= typed


@pytest.mark.parametrize("line", ["%tasks --group", "%where --group", "%where delivery --locals"])
def test_the_ways_to_ask_are_on_the_page(line: str) -> None:
    assert line in lines_typed(PAGE)


def test_the_page_names_no_folder_of_whoever_made_it() -> None:
    assert re.findall(r"(?:/home|/root|/tmp|/Users|/work)/\S*", PAGE) == []


def test_the_page_is_asked_anew_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = asyncio.run(make_incident.answered(PAGE))
    assert lines_typed(page) == lines_typed(PAGE)
    assert prose(page) == prose(PAGE)
    # What holds no time, and no number of a task, which depends on the tests before.
    assert answer(page, "%stuck") == answer(PAGE, "%stuck")
    assert answer(page, "%cancel clerk --wait").partition(" ")[2] == "clerk has ended: cancelled"


def prose(page: str) -> str:
    return make_incident.BLOCK.sub("", page)


def answer(page: str, line: str) -> str:
    return page.partition(f">>> {line}\n")[2].partition("```")[0].partition("\n>>> ")[0]
