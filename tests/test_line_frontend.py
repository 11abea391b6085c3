"""The Session protocol is enough for a frontend that knows nothing else."""

import re
import subprocess
import sys
from pathlib import Path

from processes import Home

LINES = r"""
x = 20
await asyncio.sleep(0, x + 1)
1/0
x y
%who
%nothing
event = asyncio.Event()
await event.wait(); 'the result' &
event.set()
complete event.is_
complete %bg
async def fail():\n    raise ValueError('no')
task = asyncio.create_task(fail(), name='crawler')
task.done()
!printf ''
await asyncio.sleep(0); exit(3)
never_reached
"""

PRINTED = """\
Done: ok
Result: 21
Done: ok
Failure: Traceback (most recent call last):
  File "<cell 3>", line 1, in <module>
    1/0
    ~^~
ZeroDivisionError: division by zero
Done: error
Failure:   File "<cell 4>", line 1
    x y
      ^
SyntaxError: invalid syntax
Done: error
Answer: name  type  value
x     int   20
Done: ok
Notice: no command %nothing; %help lists them all
Done: error
Done: ok
Notice: [1] in the background; %fg brings it back
Done: detached
Done: ok
Completions: is_set
Completions: bg
Done: ok
Done: ok
Result: True
Done: ok
Done: ok
Leave:
Done: error
"""

# These come when they come.
ANNOUNCED = """\
Notice: [1] done after 0.0 s: await event.wait(); 'the result'
Result: 'the result'
AlertRaised: crawler (fail) failed and nobody awaits it: ValueError: no
"""


def test_a_whole_session_line_by_line(home: Home) -> None:
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("line_frontend.py"))],
        input=LINES.lstrip("\n"),
        capture_output=True,
        text=True,
        cwd=home.path,
        env=home.environment,
        timeout=60,
    )
    assert ended.stderr == ""
    assert ended.returncode == 3
    *lines, loaded = re.sub(r"after [\d.]+ s", "after 0.0 s", ended.stdout).splitlines(keepends=True)
    announced = ANNOUNCED.splitlines(keepends=True)
    assert "".join(line for line in lines if line not in announced) == PRINTED
    assert "".join(line for line in lines if line in announced) == ANNOUNCED
    assert loaded == "False\n"
