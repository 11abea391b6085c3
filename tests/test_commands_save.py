"""``%save`` writes a script that does with plain Python what the cells did in the session."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_session import type_lines

from aiorepl.commands.context import Entry
from aiorepl.commands.script import script
from aiorepl.errors import CommandError


def saved(*cells: str) -> str:
    return script([Entry(number, text, ok=True) for number, text in enumerate(cells, 1)])


def run_saved(tmp_path: Path, *cells: str) -> str:
    """Type the cells into a session, save it, and return what the script prints."""
    file = tmp_path / "saved.py"
    *typed, last = type_lines(*cells, f"%save {file}")
    assert [one.outcome for one in typed] == ["ok"] * len(typed)
    assert last.notices == [f"saved as {file}"]
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def test_the_script_reads_as_if_written_by_hand() -> None:
    text = saved(
        "import math",
        "from os import path",
        "async def double(x):\n    await asyncio.sleep(0)\n    return 2 * x",
        "y = await double(math.pi)",
        "%who",
        "print(y)  # shown",
    )
    assert text == (
        "import asyncio\n"
        "import math\n"
        "from os import path\n"
        "\n\n"
        "async def main():\n"
        "    global double, y\n"
        "\n"
        "    async def double(x):\n"
        "        await asyncio.sleep(0)\n"
        "        return 2 * x\n"
        "\n"
        "    y = await double(math.pi)\n"
        "\n"
        "    # %who\n"
        "\n"
        "    print(y)  # shown\n"
        "\n\n"
        'if __name__ == "__main__":\n'
        "    asyncio.run(main())\n"
    )


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param(
            ["def f():\n    return x + 1", "x = await asyncio.sleep(0, 1)", "print(f())", "x += 4; print(f())"],
            "2\n6\n",
            id="functions see names that awaited cells assign",
        ),
        pytest.param(
            ["n = 0", "def up():\n    global n\n    n += 1", "up(); up()", "print(n)"], "2\n", id="global in a function"
        ),
        pytest.param(
            [
                "async def count(n):\n    for i in range(n):\n        yield i",
                "print([i async for i in count(3)])",
                "async for last in count(4):\n    pass",
                "print(last, {i: [j async for j in count(i)] async for i in count(3)})",
                "import contextlib",
                "@contextlib.asynccontextmanager\nasync def open_(x):\n    yield x",
                "async with open_(5) as five, open_(6) as six:\n    print(five, six)",
                "print(five)",
            ],
            "[0, 1, 2]\n3 {0: [], 1: [0], 2: [0, 1]}\n5 6\n5\n",
            id="async for, async with, async comprehensions",
        ),
        pytest.param(
            [
                'text = """one\n  two\n\n    three"""',
                "print(text)",
                "who = 'you'",
                "print(f'''hello\n  {who}\n''' 'and'\n  \"\"\"\nfour\"\"\")",
                "def f():\n    '''Doc\n    string.'''\n    return 'a\\\nb'",
                "print(repr(f()), repr(f.__doc__))",
                "print(b'''1\n 2''')",
            ],
            None,
            id="strings over several lines",
        ),
        pytest.param(
            [
                "a, *b = 1, 2, 3",
                "del a",
                "print(b, 'a' in globals())",
                "(c := 5) + 1",
                "print(c, [d := i for i in b], d)",
            ],
            "[2, 3] False\n5 [2, 3] 3\n",
            id="unpacking, del and walrus",
        ),
        pytest.param(
            [
                "match {'k': [1, 2, 3], 'z': 0}:\n    case {'k': [first, *others], **rest} as whole:\n        pass",
                "print(first, others, rest, len(whole))",
                "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    caught = str(error)",
                "print(caught, 'error' in globals())",
                "for i, (j, k) in [(1, (2, 3))]: pass",
                "print(i, j, k)",
            ],
            "1 [2, 3] {'z': 0} 2\ndivision by zero False\n1 2 3\n",
            id="names bound by match, except and for",
        ),
        pytest.param(
            [
                "x: int = (1 +\n  2)",
                "y: 'later'",
                "global x\nx = x + 1",
                "if x:\n    z: list[int] = [x]",
                "print(x, z)",
            ],
            "4 [4]\n",
            id="annotations and global statements",
        ),
        pytest.param(
            ["x = 1", "from math import *", "def f():\n    return sqrt(16)", "print(f(), floor(2.5))"],
            "4.0 2\n",
            id="import * after the first imports",
        ),
        pytest.param(
            ["from math import *", "import os.path", "print(sqrt(4), os.path.sep)"], "2.0 /\n", id="import * first"
        ),
        pytest.param(
            [
                "x = 1",
                "from __future__ import annotations",
                "def f(a: undefined) -> 1: ...",
                "print(f.__annotations__)",
            ],
            "{'a': 'undefined', 'return': '1'}\n",
            id="from __future__",
        ),
        pytest.param(
            ["async def main():\n    return 'mine'", "print(await main())"], "mine\n", id="a main of the user's own"
        ),
        pytest.param(
            ["[1, 2]", "3", "print(_, _1)", "await asyncio.sleep(0, 'late')", "print(_ + '!', _4)"],
            "3 [1, 2]\nlate! late\n",
            id="results by their names",
        ),
        pytest.param(
            ["%time x = await asyncio.sleep(0, 7)", "%thread y = x + 1", "%help", "!true", "x?", "print(x, y)"],
            "7 8\n",
            id="commands",
        ),
        pytest.param(
            ["if True:\n\n    # a comment\n    x = [\n1,\n  2]\n\n    y = 1; z = \\\n2", "print(x, y, z) ;"],
            "[1, 2] 1 2\n",
            id="layout",
        ),
        pytest.param(["task = asyncio.create_task(asyncio.sleep(0, 'ran'))", "print(await task)"], "ran\n", id="tasks"),
        pytest.param(
            ["ä = 'ö'; print('é', end=''); ü: str = ä + 'ß'", "print(ü)"], "éöß\n", id="other letters than ASCII"
        ),
    ],
)
def test_the_script_does_what_the_cells_did(
    tmp_path: Path, cells: list[str], expected: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run_saved(tmp_path, *cells)
    assert printed == capsys.readouterr().out
    assert expected in (None, printed)


def test_classes_are_what_they_were_at_the_prompt(tmp_path: Path) -> None:
    file = tmp_path / "saved.py"
    text = saved(
        "import pickle",
        "from dataclasses import dataclass",
        "@dataclass\nclass Point:\n    x: int\n    y: int = 2\n    def moved(self):\n        return Point(self.x + 1)",
        "p = Point(1).moved()",
        "print(pickle.loads(pickle.dumps(p)), Point.__qualname__)",
    )
    file.write_text(text)
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("Point(x=2, y=2) Point\n", "")


def test_what_failed_is_left_out_and_a_job_becomes_a_comment(tmp_path: Path) -> None:
    *_, last = type_lines("x = 1", "1 / 0", "await asyncio.sleep(0) &", f"%save {tmp_path}/ok.py")
    assert last.outcome == "ok"
    text = (tmp_path / "ok.py").read_text()
    assert "1 / 0" not in text
    assert "\n    x = 1\n\n    # await asyncio.sleep(0) &\n" in text


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "kept.py"
    file.write_text("precious")
    _, refused, forced, nowhere = type_lines(
        "x = 1", f"%save {file}", f"%save {file} --force", f"%save {tmp_path}/no/where.py"
    )
    assert refused.error == f"{file} exists; %save {file} --force writes over it"
    assert forced.notices == [f"saved as {file}"]
    assert "x = 1" in file.read_text()
    assert nowhere.error == f"cannot write {tmp_path}/no/where.py: No such file or directory"


def test_nothing_is_not_saved() -> None:
    with pytest.raises(CommandError, match="nothing to save"):
        script([Entry(1, "%help", True)])
