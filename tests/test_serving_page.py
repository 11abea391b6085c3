"""The page about programs that are served shows what the shell answers."""

import re

from docs import make_serving

# What differs from one run to the next: numbers, the room that they take, and how far a wait has come.
CHANGES = re.compile(r"[0-9.,]+| +|-{2,}")


def test_the_answers_on_the_page_are_those_of_today() -> None:
    page = make_serving.PAGE.read_text()
    commands = [line for block in make_serving.BLOCK.findall(page) for line in block.splitlines() if line[:2] == "$ "]
    assert len(commands) == 9
    assert masked(make_serving.answered(page)) == masked(page)


def masked(page: str) -> list[str]:
    return [CHANGES.sub("#", line) for line in page.splitlines()]
