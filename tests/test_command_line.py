"""``python -m aiorepl`` where there is no terminal: what it runs, what it prints where, and how it ends."""

import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cells import without_carets
from processes import Ended, Home, command, pipes, run, start

import aiorepl

# A file to run: its arguments, an await, a block, and an exit status of its own.
PROGRAM = """\
import sys

async def main():
    await asyncio.sleep(0)
    return sys.argv

print(await main(), __name__, __file__)
if len(sys.argv) > 2:

    sys.exit(int(sys.argv[2]))
"""

BANNER = (
    f"aiorepl {aiorepl.__version__} on Python {platform.python_version()} ({sys.platform}). "
    "asyncio is imported, await works here.\n"
    "%help lists the commands, obj? explains an object, Ctrl-D leaves.\n"
)


def error(text: str) -> str:
    """The last line of what went to stderr."""
    return text.splitlines()[-1]


# -- code, files and modules


def test_code_runs_and_its_value_is_printed(home: Home) -> None:
    assert run("-c", "x = 20\nawait asyncio.sleep(0, x + 1)", home=home) == Ended(0, "21\n", "")


def test_code_has_its_arguments(home: Home) -> None:
    ended = run("-c", "import sys; sys.argv, __name__, '__file__' in globals()", "-q", "--loop", "b", home=home)
    assert ended == Ended(0, "(['-c', '-q', '--loop', 'b'], '__main__', False)\n", "")


def test_code_that_fails_ends_with_one_and_its_traceback(home: Home) -> None:
    ended = run("-c", "def f():\n    raise ValueError('no')\nf()", home=home)
    assert ended._replace(err=without_carets(ended.err)) == Ended(
        1,
        "",
        "Traceback (most recent call last):\n"
        '  File "<cell 1>", line 3, in <module>\n'
        "    f()\n"
        '  File "<cell 1>", line 2, in f\n'
        "    raise ValueError('no')\n"
        "ValueError: no\n",
    )


def test_code_that_is_not_python_ends_with_one(home: Home) -> None:
    ended = run("-c", "x y", home=home)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == '  File "<cell 1>", line 1\n    x y\n      ^\nSyntaxError: invalid syntax\n'


def test_code_of_nothing_runs(home: Home) -> None:
    assert run("-c", "", home=home) == Ended(0, "", "")


def test_a_file_runs_with_its_arguments(home: Home) -> None:
    (home.path / "program.py").write_text(PROGRAM)
    assert run("program.py", "-q", home=home) == Ended(0, "['program.py', '-q'] __main__ program.py\n", "")
    assert run("program.py", "-q", "5", home=home).status == 5


def test_a_file_finds_what_is_beside_it_and_not_what_is_here(home: Home) -> None:
    (home.path / "sub").mkdir()
    (home.path / "sub" / "beside.py").write_text("where = 'beside'\n")
    (home.path / "here.py").write_text("")
    (home.path / "sub" / "program.py").write_text(
        "import beside\nbeside.where\nprint(beside.where)\nimport importlib.util\n"
        "print(importlib.util.find_spec('here'))\n"
    )
    assert run("sub/program.py", home=home) == Ended(0, "beside\nNone\n", "")


RUNS_A_LOOP = """\
async def main():
    pass
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [(("my file.py",), "'my file.py'"), (("-m", "module"), "-m module"), (("-m", "package"), "-m package")],
)
def test_a_file_that_runs_a_loop_of_its_own_is_told_how(home: Home, arguments: tuple[str, ...], instead: str) -> None:
    (home.path / "package").mkdir()
    for name in ("my file.py", "module.py", "package/__main__.py"):
        (home.path / name).write_text("import asyncio\n" + RUNS_A_LOOP)
    ended = run(*arguments, home=home)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.endswith(
        "RuntimeError: asyncio.run() cannot be called from a running event loop\n"
        f"hint: a loop is running here already: run it with python -m aiorepl run {instead}, "
        "or write await main() in line 4\n"
    )


def test_a_call_in_a_function_is_not_told_to_await(home: Home) -> None:
    (home.path / "program.py").write_text(RUNS_A_LOOP.replace("asyncio.run(main())", "(lambda: asyncio.run(main()))()"))
    ended = run("program.py", home=home)
    assert ended.err.endswith("\nhint: a loop is running here already: run it with python -m aiorepl run program.py\n")


def test_a_file_that_fails_is_named_with_its_lines(home: Home) -> None:
    (home.path / "program.py").write_text("import asyncio\n\n%who\nx = 1\nawait asyncio.sleep(0)\n1/0\n")
    ended = run("program.py", home=home)
    assert ended.status == 1
    assert ended.err.startswith(
        'Traceback (most recent call last):\n  File "program.py", line 6, in <module>\n    1/0\n'
    )
    assert ended.err.endswith("ZeroDivisionError: division by zero\n")


def test_a_file_stops_at_the_first_error(home: Home) -> None:
    (home.path / "program.py").write_text("print(1)\n%nothing\nprint(2)\n")
    assert run("program.py", home=home) == Ended(1, "1\n", "no command %nothing; %help lists them all\n")


def test_a_file_may_have_commands(home: Home) -> None:
    (home.path / "program.py").write_text("x = 1\n%who\nprint(x)\n!printf 'from the shell\\n'\nx\n")
    assert run("program.py", home=home) == Ended(0, "name  type  value\nx     int   1\n1\nfrom the shell\n", "")


def test_a_file_with_an_encoding_of_its_own_is_read_so(home: Home) -> None:
    (home.path / "program.py").write_bytes("# coding: latin-1\nprint('é')\n".encode("latin-1"))
    assert run("program.py", home=home) == Ended(0, "é\n", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "aiorepl: cannot open program.py: No such file or directory\n"),
        (b"x = '\xff'\n", "aiorepl: program.py is not Python source: "),
        (b"# coding: nothing\n", "aiorepl: program.py is not Python source: unknown encoding"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_two(home: Home, content: bytes | None, message: str) -> None:
    if content is not None:
        (home.path / "program.py").write_bytes(content)
    ended = run("program.py", home=home)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(message)
    assert ended.err.count("\n") == 1


def test_a_folder_is_not_a_file(home: Home) -> None:
    ended = run(".", home=home)
    assert (ended.status, ended.out, ended.err) == (2, "", "aiorepl: cannot open .: Is a directory\n")


def test_a_module_runs_with_its_arguments(home: Home) -> None:
    (home.path / "program.py").write_text(PROGRAM.replace("__file__", "__spec__.name, repr(__package__)"))
    ended = run("-m", "program", "-q", "4", home=home)
    path = home.path / "program.py"
    assert ended == Ended(4, f"['{path}', '-q', '4'] __main__ program ''\n", "")


def test_a_package_runs_its_main(home: Home) -> None:
    package = home.path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "other.py").write_text("value = 42\n")
    (package / "__main__.py").write_text("from . import other\nprint(other.value, __package__, __name__)\n")
    assert run("-m", "package", home=home) == Ended(0, "42 package __main__\n", "")


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "package_without_main", "sys", "."])
def test_a_module_that_cannot_be_run_is_one_line_and_two(home: Home, name: str) -> None:
    (home.path / "package_without_main").mkdir()
    (home.path / "package_without_main" / "__init__.py").write_text("")
    ended = run("-m", name, home=home)
    assert (ended.status, ended.out) == (2, "")
    assert re.fullmatch(r"aiorepl: no module .*\n", ended.err)


def test_values_of_a_file_are_not_printed(home: Home) -> None:
    (home.path / "program.py").write_text("42\nNone\n'x'\n")
    assert run("program.py", home=home) == Ended(0, "", "")
    assert run("-m", "program", home=home) == Ended(0, "", "")


# -- staying at a prompt


@pytest.mark.parametrize("arguments", [("-i", "-c", "x = 20"), ("-i", "program.py"), ("-i", "-m", "program")])
def test_the_prompt_follows_with_the_names(home: Home, arguments: tuple[str, ...]) -> None:
    (home.path / "program.py").write_text("x = 20\n")
    ended = run(*arguments, home=home, stdin="await asyncio.sleep(0, x + 1)\n")
    assert ended == Ended(0, "21\n", BANNER)


@pytest.mark.parametrize("arguments", [("-i", "-c", "x = 20; 1/0"), ("-i", "program.py"), ("-i", "-m", "program")])
def test_the_prompt_follows_after_a_failure(home: Home, arguments: tuple[str, ...]) -> None:
    (home.path / "program.py").write_text("x = 20\n1/0\n")
    ended = run(*arguments, "-q", home=home, stdin="x + 1, type(_exc).__name__\n")
    assert (ended.status, ended.out) == (0, "(21, 'ZeroDivisionError')\n")
    assert "ZeroDivisionError: division by zero\n" in ended.err


def test_a_program_that_leaves_leaves(home: Home) -> None:
    assert run("-i", "-c", "raise SystemExit(3)", home=home, stdin="1\n") == Ended(3, "", "")


# -- cells on standard input


def test_cells_come_from_a_pipe(home: Home) -> None:
    assert run(home=home, stdin="x = 20\nawait asyncio.sleep(0, x + 1)\n_\n") == Ended(0, "21\n21\n", BANNER)


def test_a_file_named_by_a_dash_is_the_standard_input(home: Home) -> None:
    ended = run("-q", "-", "a", "b", home=home, stdin="import sys; sys.argv, sys.path[0]\n")
    assert ended == Ended(0, "(['-', 'a', 'b'], '')\n", "")


def test_what_is_not_text_is_one_line(home: Home) -> None:
    ended = subprocess.run(
        command("-q"),
        input=b"\xff\xfe\nif True:\n    'x\xe9'\n\n2 + 2\n",
        capture_output=True,
        cwd=home.path,
        env=home.environment,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (0, b"4\n")
    assert ended.stderr.decode() == (
        "<cell 1>, line 1: this is not text: byte 0xff\n<cell 2>, line 2: this is not text: byte 0xe9\n"
    )


def test_there_is_no_banner_where_it_is_not_wanted(home: Home) -> None:
    assert run("-q", home=home, stdin="1\n") == Ended(0, "1\n", "")


def test_blocks_come_from_a_pipe_with_and_without_blank_lines(home: Home) -> None:
    cells = """\
def f(x):

    if x:

        return 'a'
    # nothing
    return 'b'
f(1)
async def g():
    await asyncio.sleep(0)

    return f(0)

await g()
for i in range(2):
    i
    print(i)
'''
x
'''
class A:
    x = 1

    def m(self): return 2
A().m()
if True:
    print('last')
"""
    assert run("-q", home=home, stdin=cells) == Ended(0, "'a'\n'b'\n0\n1\n'\\nx\\n'\n2\nlast\n", "")


def test_blocks_that_come_slowly_end_at_a_blank_line(home: Home) -> None:
    with start("-q", home=home) as process:
        stdin, stdout, _ = pipes(process)
        stdin.write("if True:\n    print('ran')\n\n")
        stdin.flush()
        # It runs while the pipe is still open.
        assert stdout.readline() == "ran\n"
        out, err = process.communicate("1\n", timeout=60)
    assert (out, err, process.returncode) == ("1\n", "", 0)


def test_the_end_in_the_middle_of_a_block_discards_it(home: Home) -> None:
    assert run("-q", home=home, stdin="1\nif True:\n") == Ended(0, "1\n", "")
    assert run("-q", home=home, stdin="1\nf(1,\n") == Ended(0, "1\n", "")


def test_cells_after_a_failure_run(home: Home) -> None:
    ended = run("-q", home=home, stdin="1/0\nx y\n%nothing\n2\n")
    assert (ended.status, ended.out) == (0, "2\n")
    assert ended.err.startswith('Traceback (most recent call last):\n  File "<cell 1>", line 1, in <module>\n')
    assert ended.err.endswith("SyntaxError: invalid syntax\nno command %nothing; %help lists them all\n")


def test_commands_come_from_a_pipe(home: Home) -> None:
    cells = "x = 1\n%who\n%time await asyncio.sleep(0)\nx?\n!printf 'from the shell\\n'\n%history\n"
    ended = run("-q", home=home, stdin=cells)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("name  type  value\nx     int   1\n")
    assert "\nfrom the shell\n1  x = 1\n2  %who\n" in ended.out


def test_input_in_a_cell_reads_the_next_line(home: Home) -> None:
    cells = (
        "name = input('name? ')\nAda\nname\nimport sys; sys.stdin.readline()\nand more\n"
        "sys.stdin.buffer.readline()\nbytes\n1\n"
    )
    assert run("-q", home=home, stdin=cells) == Ended(0, "name? 'Ada'\n'and more\\n'\nb'bytes\\n'\n1\n", "")


def test_input_at_the_end_is_an_end(home: Home) -> None:
    ended = run("-q", home=home, stdin="input()\n")
    assert (ended.status, error(ended.err)) == (0, "EOFError: EOF when reading a line")


def test_a_program_reads_its_standard_input(home: Home) -> None:
    ended = run("-c", "import sys; input(), sys.stdin.read()", home=home, stdin="one\ntwo\nthree\n")
    assert ended == Ended(0, "('one', 'two\\nthree\\n')\n", "")


def test_nothing_on_standard_input_is_nothing_to_do(home: Home) -> None:
    assert run("-q", home=home) == Ended(0, "", "")


def test_no_standard_input_at_all_is_an_end(home: Home) -> None:
    shell = " ".join([*command("-q"), "<&-"])
    ended = subprocess.run(
        shell, shell=True, capture_output=True, text=True, cwd=home.path, env=home.environment, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "Traceback" not in ended.stderr


# -- what goes where


def test_values_go_to_stdout_and_all_else_to_stderr(home: Home) -> None:
    cells = (
        "print('printed')\n42\nasync def f(): pass\n"
        "f()\n_.close()\n1/0\nimport sys; print('warned', file=sys.stderr)\nawait f() &\n"
    )
    ended = run(home=home, stdin=cells)
    assert ended.out == f"printed\n42\n{ended.out.splitlines()[2]}\n"
    assert ended.err.startswith(BANNER + "hint: that is a coroutine, and it runs only when awaited: await f()\n")
    assert "ZeroDivisionError: division by zero\nwarned\n[1] in the background; %fg brings it back\n" in ended.err


def test_there_is_no_escape_code(home: Home) -> None:
    cells = "{'a': [1, None]}\n1/0\n%help\nlen?\n%nothing\nasyncio.sleep(0)\n_.close()\n%set\n"
    ended = run(home=home, stdin=cells, FORCE_COLOR="1", PYTHON_COLORS="1")
    assert "\x1b" not in ended.out + ended.err


def test_what_stdout_cannot_encode_is_escaped(home: Home) -> None:
    ended = run("-c", "'né'", home=home, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert ended == Ended(0, "'n\\xe9'\n", "")


def test_a_closed_pipe_is_quiet(home: Home) -> None:
    with start("-c", "for i in range(100_000):\n    print(i)", home=home) as process:
        _, stdout, stderr = pipes(process)
        assert stdout.readline() == "0\n"
        stdout.close()
        assert stderr.read() == ""
    assert process.returncode != 0


def test_a_closed_pipe_is_quiet_for_values_too(home: Home) -> None:
    with start("-q", home=home) as process:
        stdin, stdout, stderr = pipes(process)
        stdout.close()
        stdin.write("1\n" * 3)
        stdin.close()
        assert stderr.read() == ""
    assert process.returncode == 1


# -- leaving


@pytest.mark.parametrize(
    ("cell", "status", "err"),
    [
        ("exit(3)", 3, ""),
        ("exit", 0, ""),
        ("quit()", 0, ""),
        ("raise SystemExit(7)", 7, ""),
        ("import sys; await asyncio.sleep(0); sys.exit(9)", 9, ""),
        ("async def f(): raise SystemExit(8)\nawait f()", 8, ""),
        ("raise SystemExit('the reason')", 1, "the reason\n"),
        ("import sys; sys.exit()", 0, ""),
        ("%exit 6", 6, ""),
    ],
)
def test_leaving_has_pythons_exit_status(home: Home, cell: str, status: int, err: str) -> None:
    assert run("-q", home=home, stdin=f"{cell}\nprint('not reached')\n") == Ended(status, "", err)
    if not cell.startswith("%"):
        assert run("-c", f"{cell}\nprint('not reached')", home=home) == Ended(
            status if cell != "exit" else 0, "not reached\n" if cell == "exit" else "", err
        )


def test_pending_tasks_are_ended_and_their_cleanup_runs(home: Home) -> None:
    code = (
        "async def work():\n    try:\n        await asyncio.sleep(1000)\n    finally:\n"
        "        await asyncio.sleep(0)\n        print('cleaned up')\n"
        "async def numbers():\n    try:\n        yield 1\n    finally:\n        print('generator ended')\n"
        "task = asyncio.create_task(work())\ng = numbers()\nawait anext(g);"
    )
    assert run("-c", code, home=home) == Ended(0, "cleaned up\ngenerator ended\n", "")


def test_tasks_that_refuse_to_end_are_named(home: Home) -> None:
    code = (
        "async def stubborn():\n    while True:\n        try:\n            await asyncio.sleep(1000)\n"
        "        except asyncio.CancelledError:\n            pass\n"
        "task = asyncio.create_task(stubborn(), name='mule')\nawait asyncio.sleep(0)"
    )
    ended = run("--exit-timeout", "0.1", "-c", code, home=home)
    assert ended == Ended(0, "", "alert: did not end in time: mule (stubborn)\n")


def test_a_thread_that_refuses_to_end_is_named_and_left(home: Home) -> None:
    code = "import time\nfuture = asyncio.get_running_loop().run_in_executor(None, time.sleep, 1000);"
    started = time.monotonic()
    ended = run("--exit-timeout", "0.1", "-c", code, home=home)
    assert ended == Ended(0, "", "alert: did not end in time: a thread of the executor\n")
    assert time.monotonic() - started < 60


def test_a_failed_task_is_told_before_the_end(home: Home) -> None:
    ended = run("-c", "async def f(): 1/0\nt = asyncio.create_task(f())\nawait asyncio.sleep(0)", home=home)
    assert ended.status == 0
    assert ended.err.startswith("! 1 never-retrieved: Task-1 (f) failed and nobody awaits it: ZeroDivisionError:\n")
    assert "it was made in <cell 1>, line 2.\nTraceback (most recent call last):\n" in ended.err


FORKING = """\
import os, sys
pid = os.fork()
if pid == 0:
    print("child")
    {0}
else:
    print("parent", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize(
    ("last", "status", "err"), [("sys.exit(3)", 3, ""), ("int('x')", 1, "ValueError"), ("", 0, "")]
)
def test_a_forked_child_ends_with_its_program(home: Home, last: str, status: int, err: str) -> None:
    ended = run("-W", "ignore", "-c", FORKING.format(last), home=home)
    assert (ended.status, ended.out) == (0, f"child\nparent {status}\n")
    assert err in ended.err


def test_a_forked_child_of_a_file_ends_with_it(home: Home) -> None:
    (home.path / "forks.py").write_text(FORKING.format("await asyncio.sleep(0)") + "await asyncio.sleep(0)\n")
    ended = run("-W", "ignore", "forks.py", home=home)
    assert (ended.status, ended.out) == (0, "child\nparent 1\n")
    assert ended.err.endswith("RuntimeError: a forked child cannot await: the loop is its parent's\n")


def test_a_forked_child_of_a_cell_from_a_pipe_ends_with_it(home: Home) -> None:
    ended = run("-W", "ignore", "-q", home=home, stdin="import os\nos.fork() and os.wait()[1]\n2 + 2\n")
    assert ended == (0, "0\n0\n4\n", "")


def test_what_atexit_has_runs(home: Home) -> None:
    assert run("-c", "import atexit; atexit.register(print, 'at exit');", home=home) == Ended(0, "at exit\n", "")


@pytest.mark.parametrize(
    "code", ["print('ready', flush=True)\nwhile True: pass", "print('ready', flush=True)\nawait asyncio.sleep(1000)"]
)
def test_an_interrupted_program_is_killed_by_the_interrupt(home: Home, code: str) -> None:
    with start("-c", code, home=home) as process:
        _, stdout, _ = pipes(process)
        assert stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    # It may come while what was printed is still being written.
    assert re.fullmatch(r"KeyboardInterrupt \(<cell 1>, line [12]\)\n", err)


def test_a_program_may_handle_signals_itself(home: Home) -> None:
    code = (
        "import signal\ngot = asyncio.Event()\n"
        "asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, got.set)\n"
        "print('ready', flush=True)\nawait got.wait()\nprint('got it')"
    )
    with start("-c", code, home=home) as process:
        _, stdout, _ = pipes(process)
        assert stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.communicate(timeout=60) == ("got it\n", "")
    assert process.returncode == 0


def test_a_sleep_in_a_program_is_interrupted(home: Home) -> None:
    with start("-c", "import time\nprint('ready', flush=True)\ntime.sleep(1000)", home=home) as process:
        _, stdout, _ = pipes(process)
        assert stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT


# -- the loop


def test_uvloop_is_taken_where_it_is_asked_for(home: Home) -> None:
    pytest.importorskip("uvloop")
    ended = run("--loop", "uvloop", "-c", "type(asyncio.get_running_loop()).__module__", home=home)
    assert ended == Ended(0, "'uvloop'\n", "")


def test_a_loop_of_ones_own_is_taken(home: Home) -> None:
    (home.path / "loops.py").write_text(
        "import asyncio\nclass Loop(asyncio.SelectorEventLoop): pass\ndef make(): return Loop()\n"
    )
    ended = run("--loop", "loops:make", "-c", "type(asyncio.get_running_loop()).__name__", home=home)
    assert ended == Ended(0, "'Loop'\n", "")


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        ("fast", "--loop takes asyncio, uvloop or module:function, not 'fast'"),
        ("no_such_module:make", "cannot import no_such_module: No module named 'no_such_module'"),
        ("asyncio:nothing", "asyncio has no nothing"),
        ("builtins:list", "<class 'list'> gave list, which is not an event loop"),
        ("builtins:len", "the loop could not be made: TypeError: len() takes exactly one argument (0 given)"),
    ],
)
def test_a_loop_that_is_not_to_be_had_is_one_line_and_two(home: Home, loop: str, message: str) -> None:
    assert run("--loop", loop, "-c", "1", home=home) == Ended(2, "", f"aiorepl: {message}\n")


# -- options


@pytest.mark.parametrize(
    ("arguments", "status", "err"),
    [
        (("--theme", "pink", "-c", "1"), 2, "aiorepl: theme takes auto or dark or light or projector or none"),
        (("--nothing",), 2, "unrecognized arguments: --nothing"),
        (("-c",), 2, "-c"),
        (("-m",), 2, "-m"),
    ],
)
def test_wrong_arguments_are_told(home: Home, arguments: tuple[str, ...], status: int, err: str) -> None:
    ended = run(*arguments, home=home)
    assert (ended.status, ended.out) == (status, "")
    assert err in ended.err
    assert "Traceback" not in ended.err


def test_the_version_is_told(home: Home) -> None:
    assert run("-V", home=home) == Ended(0, f"aiorepl {aiorepl.__version__}\n", "")


def test_help_tells_every_option(home: Home) -> None:
    ended = run("--help", home=home)
    assert ended.status == 0
    for option in ("-c CODE", "-m MODULE", "-i", "-q", "--main-loop", "--loop", "--theme", "--prompt", "-I, -E, -X"):
        assert option in ended.out


FLAGS = "import sys; sys.flags.isolated, sys.flags.ignore_environment, sys.flags.dev_mode, sys.flags.optimize"


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (("-E",), (0, 1, False, 0)),
        (("-X", "dev"), (0, 0, True, 0)),
        (("-Xdev", "-O"), (0, 0, True, 1)),
        (("-q", "-E"), (0, 1, False, 0)),
    ],
)
def test_pythons_own_options_mean_what_they_mean_there(
    home: Home, options: tuple[str, ...], flags: tuple[object, ...]
) -> None:
    # Python is started anew with them, and is not to find aiorepl by PYTHONPATH under -E.
    os.symlink(Path(aiorepl.__file__).parent, home.path / "aiorepl")
    ended = run(*options, "-c", FLAGS, home=home)
    # In debug mode asyncio may complain that a callback was slow.
    assert (ended.status, ended.out) == (0, f"{flags}\n")


@pytest.mark.parametrize(
    ("options", "environment", "debug"),
    [
        ((), {}, False),
        (("-X", "dev"), {}, True),
        ((), {"PYTHONASYNCIODEBUG": "1"}, True),
        (("-E",), {"PYTHONASYNCIODEBUG": "1"}, False),
    ],
)
def test_debug_mode_is_on_where_python_has_it_on(
    home: Home, options: tuple[str, ...], environment: dict[str, str], debug: bool
) -> None:
    os.symlink(Path(aiorepl.__file__).parent, home.path / "aiorepl")
    ended = run(*options, "-c", "asyncio.get_running_loop().get_debug()", home=home, **environment)
    assert (ended.status, ended.out) == (0, f"{debug}\n")


# -- startup


def test_a_startup_file_runs_before_the_first_cell(home: Home) -> None:
    (home.path / "startup.py").write_text("x = await asyncio.sleep(0, 20)\nx\n")
    ended = run("-q", home=home, stdin="x + 1\n", PYTHONSTARTUP="startup.py")
    assert ended == Ended(0, "21\n", "")


def test_a_startup_file_is_for_prompts_only(home: Home) -> None:
    (home.path / "startup.py").write_text("print('startup')\n")
    assert run("-c", "1", home=home, PYTHONSTARTUP="startup.py") == Ended(0, "1\n", "")


def test_a_startup_file_that_is_not_there_is_told(home: Home) -> None:
    ended = run("-q", home=home, stdin="1\n", PYTHONSTARTUP="nothing.py")
    assert ended == Ended(0, "1\n", "cannot read nothing.py: No such file or directory\n")


def test_a_startup_file_that_is_no_text_is_told(home: Home) -> None:
    (home.path / "startup.py").write_bytes(b"x = '\xff'\n")
    ended = run("-q", home=home, stdin="1\n", PYTHONSTARTUP="startup.py")
    assert (ended.status, ended.out) == (0, "1\n")
    assert ended.err.startswith("startup.py is not Python source: ")


@pytest.mark.parametrize(
    ("arguments", "stdin"), [(("-c", "import helper; helper.name"), ""), ((), "import helper\nhelper.name\n")]
)
def test_what_is_installed_as_a_script_finds_the_modules_of_the_current_folder(
    home: Home, arguments: tuple[str, ...], stdin: str
) -> None:
    installed = home.path / "bin"
    installed.mkdir()
    script = installed / "aiorepl"
    script.write_text("import sys\nfrom aiorepl.cli import main\nsys.exit(main())\n")
    (home.path / "helper.py").write_text("name = 'found'\n")
    ended = subprocess.run(
        [sys.executable, script, "-q", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=home.path,
        env=home.environment,
        timeout=60,
    )
    assert (ended.stdout, ended.stderr) == ("'found'\n", "")
