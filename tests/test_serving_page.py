"""The page about programs that are served shows what the shell answers."""

import json
import re

from processes import Home, run
from served import SLEEPER, program

from docs import make_serving

# What differs from one run to the next: numbers, the room that they take, and how far a wait has come.
CHANGES = re.compile(r"[0-9.,]+| +|-{2,}")


def test_the_answers_on_the_page_are_those_of_today() -> None:
    page = make_serving.PAGE.read_text()
    commands = [line for block in make_serving.BLOCK.findall(page) for line in block.splitlines() if line[:2] == "$ "]
    assert len(commands) == 9
    assert masked(make_serving.answered(page)) == masked(page)


def test_the_line_for_ssh_names_the_path_that_the_list_tells(home: Home) -> None:
    line = re.search(r"^ssh -nNT -L (\S+):(\S+) server & aiorepl connect (\S+)$", make_serving.PAGE.read_text(), re.M)
    assert line is not None
    here, there, connected = line.groups()
    assert here == connected
    # Where a person has logged in, this folder is the system's.
    user = home.path / "user"
    user.mkdir(mode=0o700)
    own = f"import os; del os.environ['AIOREPL_RUNTIME_DIR']; os.environ['XDG_RUNTIME_DIR'] = {str(user)!r}\n"
    with program(own + SLEEPER, home, "shop") as app:
        rows = json.loads(run("list", "--json", home=home, XDG_RUNTIME_DIR=str(user)).out)["rows"]
    (path,) = [row["path"] for row in rows if row["process"] == app.number]
    assert there.replace("/run/user/1000/", f"{user}/").replace("4711", str(app.number)) == path


def masked(page: str) -> list[str]:
    return [CHANGES.sub("#", line) for line in page.splitlines()]
