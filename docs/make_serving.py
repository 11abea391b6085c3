"""Put the real answers of the shell into the page about programs that are served.

    python docs/make_serving.py

Each block of ``text`` in ``docs/serving.md`` that begins with ``$ aiorepl`` is run, from the page's top to its end,
while ``examples/served_shop.py`` runs, and what stands below each line there is replaced by what is printed now.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "serving.md"

PROGRAM = "examples/served_shop.py"
COMMAND = "$ "
BLOCK = re.compile(r"(?ms)^```text\n(?=\$ aiorepl)(.*?)^```$")


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(answered(PAGE.read_text()))


def answered(page: str) -> str:
    """Return the page with what is printed now."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "AIOREPL_RUNTIME_DIR": folder, "HOME": folder}
        # Named as a person in the checkout would.
        command = [sys.executable, PROGRAM]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as shop:
            try:
                assert shop.stdout is not None
                shop.stdout.readline()
                return "".join(_parts(page, environment))
            finally:
                shop.kill()


def _parts(page: str, environment: Mapping[str, str]) -> Iterator[str]:
    end = 0
    for block in BLOCK.finditer(page):
        yield page[end : block.start(1)]
        for line in block[1].splitlines():
            if line.startswith(COMMAND):
                yield line + "\n"
                yield _run(line.removeprefix(COMMAND), environment)
        end = block.end(1)
    yield page[end:]


def _run(line: str, environment: Mapping[str, str]) -> str:
    """What a person sees of a command; where Python is installed tells a reader nothing."""
    script = line.replace("aiorepl", f"{sys.executable} -m aiorepl", 1)
    bash = shutil.which("bash") or "sh"
    ended = subprocess.run(
        [bash, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    shown = ended.stdout.replace(sysconfig.get_path("stdlib"), "lib/python")
    return shown + (f"(exit status {ended.returncode})\n" if ended.returncode else "")


if __name__ == "__main__":
    main()
