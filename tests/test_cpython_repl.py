"""CPython's own tests of its asyncio REPL (``TestAsyncioREPL`` in Lib/test/test_repl.py), for this one."""

import os
import select
import subprocess
from textwrap import dedent

import pytest
from processes import Home, command, run


def test_multiple_statements_fail_early(home: Home) -> None:
    ended = run(home=home, stdin="1 / 0; print(f'afterwards: {1+1}')\n")
    assert "ZeroDivisionError: division by zero" in ended.err
    assert "afterwards: 2" not in ended.out
    assert ended.status == 0


def test_toplevel_contextvars_sync(home: Home) -> None:
    cells = """\
        from contextvars import ContextVar
        var = ContextVar("var", default="failed")
        var.set("ok")
        print(f"toplevel contextvar test: {var.get()}")
    """
    ended = run(home=home, stdin=dedent(cells))
    assert "toplevel contextvar test: ok" in ended.out
    assert ended.status == 0


def test_toplevel_contextvars_async(home: Home) -> None:
    cells = """\
        from contextvars import ContextVar
        var = ContextVar("var", default="failed")
        async def set_var(): var.set("ok")
        await set_var()
        print(f"toplevel contextvar test: {var.get()}")
    """
    ended = run(home=home, stdin=dedent(cells))
    assert "toplevel contextvar test: ok" in ended.out
    assert ended.status == 0


def test_quiet_mode(home: Home) -> None:
    loud, quiet = run(home=home), run("-q", home=home)
    assert "asyncio" in loud.err
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


@pytest.mark.parametrize(
    ("startup", "summary"),
    [("invalid syntax", "SyntaxError: invalid syntax"), ("1/0", "ZeroDivisionError: division by zero")],
)
def test_pythonstartup_failure(home: Home, startup: str, summary: str) -> None:
    path = home.path / "startup.py"
    path.write_text(startup)
    ended = run("-q", home=home, stdin="print('it goes on')\n", PYTHONSTARTUP=str(path))
    assert summary in ended.err
    assert f'File "{path}", line 1' in ended.err
    assert (ended.status, ended.out) == (0, "it goes on\n")


def test_pythonstartup_success(home: Home) -> None:
    (home.path / "startup.py").write_text("import sys\nprint('notice from pythonstartup', file=sys.stderr)")
    ended = run("-q", home=home, stdin="1\n", PYTHONSTARTUP="startup.py")
    assert (ended.status, ended.out, ended.err) == (0, "1\n", "notice from pythonstartup\n")


def test_pythonstartup_is_ignored_in_isolated_mode(home: Home) -> None:
    (home.path / "startup.py").write_text("print('notice from pythonstartup')")
    # -I ignores PYTHONPATH as well: what is started has to find this package by itself.
    program = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('aiorepl', run_name='__main__')"
    python, _, _, *rest = command("-q")
    ended = subprocess.run(
        [python, "-I", "-c", program, home.environment["PYTHONPATH"], *rest],
        input="1\n",
        capture_output=True,
        text=True,
        cwd=home.path,
        env=home.environment | {"PYTHONSTARTUP": "startup.py"},
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


def test_asyncio_repl_is_ok(home: Home) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("-q"), stdin=theirs, stdout=theirs, stderr=theirs, cwd=home.path, env=home.environment, close_fds=True
    )
    os.close(theirs)
    for line in ("await asyncio.sleep(0)\n", "import sys\n", "sys.exit()\n"):
        os.write(ours, line.encode())
    printed = []
    while select.select([ours], [], [], 60)[0]:
        try:
            data = os.read(ours, 1024).decode("utf-8", "replace")
        except OSError:
            break
        if not data:
            break
        printed.append(data)
    os.close(ours)
    assert process.wait(60) == 0, "".join(printed)
