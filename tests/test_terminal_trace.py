"""``%trace`` as a person sees it: calls come above the line that is being typed."""

import re
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import CONTROL_D, CONTROL_U, starts

PROGRAM = """\
import asyncio

async def tick(number):
    await asyncio.sleep(0.05)
    return number

async def clock():
    number = 0
    while True:
        number = await tick(number) + 1
"""


def test_calls_stand_above_what_is_being_typed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with starts(tmp_path, "-q", columns=140) as person:
        person.enters("%run program.py")
        person.waits_for_prompt()
        person.enters("ticks = asyncio.create_task(clock(), name='ticks')")
        person.waits_for_prompt()
        person.enters("%trace tick --max 5")
        person.sees(r"^tick is traced for 5 calls; %trace off ends it$")
        person.types("half a line")
        person.sees(
            r"^tick is no longer traced \(the limit of 5 calls is reached\): 5 calls, .* on average, .* at most$"
        )
        person.types(" more")
        assert person.typed == "half a line more"
        lines = [line for line in person.lines if line.startswith("tick(")]
        numbers = [
            re.fullmatch(r"tick\((\d+)\) -> \1 in .* ms, suspended 1 time \(.* ms\)  ticks", line) for line in lines
        ]
        first = int(numbers[0][1]) if numbers[0] else -1
        assert [found and int(found[1]) for found in numbers] == list(range(first, first + 5))
        person.send(CONTROL_U)
        person.waits_for_prompt()
        person.enters("%trace tick --max 1000")
        person.waits_for_prompt()
        person.send(CONTROL_D)
        assert person.ends() == 0
        assert "Traceback" not in person.text
