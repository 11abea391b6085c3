"""``aiorepl run`` without a terminal: the program cannot tell that it was not started by Python itself."""

import subprocess
import sys
import zipfile
from collections.abc import Sequence

import pytest
from processes import Ended, Home, run

PROGRAM = """\
import asyncio, os, pickle, signal, sys

class Kept:
    pass

async def main():
    await asyncio.sleep(0)
    match sys.argv[1:]:
        case ["interrupt"]:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        case ["status"]:
            sys.exit(3)
        case ["message"]:
            sys.exit("not today")
        case ["missing"]:
            open("/nowhere/at/all")
        case ["hook"]:
            sys.excepthook = lambda kind, error, traceback: print("hooked", error, traceback.tb_frame.f_code.co_name)
            1 / 0
        case ["stdin"]:
            print(sys.stdin.read().upper())

known = ("__name__", "__file__", "__package__", "__doc__", "__cached__", "__annotations__")
print(sys.argv, sys.path[0], [(name, globals()[name]) for name in known if name in globals()])
print(sys.modules["__main__"].__dict__ is globals(), type(__loader__).__name__, __spec__ and __spec__.name)
assert type(pickle.loads(pickle.dumps(Kept()))) is Kept
asyncio.run(main())
"""


def by_python(*arguments: str, home: Home, stdin: str = "") -> Ended:
    ended = subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=home.path,
        env=home.environment,
        timeout=60,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def both(arguments: Sequence[str], home: Home) -> Ended:
    ended = run("run", *arguments, home=home, stdin="lines\nof text\n")
    assert ended == by_python(*arguments, home=home, stdin="lines\nof text\n")
    return ended


@pytest.mark.parametrize(
    ("argument", "status"),
    [("nothing", 0), ("interrupt", -2), ("status", 3), ("message", 1), ("missing", 1), ("hook", 1), ("stdin", 0)],
)
def test_a_file_runs_and_ends_as_with_python(home: Home, argument: str, status: int) -> None:
    (home.path / "program.py").write_text(PROGRAM)
    assert both(["program.py", argument], home).status == status


def test_a_program_that_cannot_be_compiled(home: Home) -> None:
    (home.path / "program.py").write_text("def f(:\n")
    assert both(["program.py"], home).status == 1


def test_modules_packages_folders_and_archives(home: Home) -> None:
    (home.path / "alone.py").write_text(PROGRAM)
    package = home.path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("print('package imported')")
    (package / "helper.py").write_text("def help(): print('helped')")
    (package / "__main__.py").write_text(f"from .helper import help; help()\n{PROGRAM}")
    folder = home.path / "folder"
    folder.mkdir()
    (folder / "__main__.py").write_text(PROGRAM)
    with zipfile.ZipFile(home.path / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", PROGRAM)
    for arguments in (["-m", "alone", "x"], ["-m", "package"], ["folder", "x"], ["archive.zip"]):
        assert both(arguments, home).status == 0


def test_what_is_not_there_is_said_in_a_line(home: Home) -> None:
    for arguments, message in (
        (["nowhere.py"], "aiorepl: cannot open nowhere.py: No such file or directory\n"),
        (["-m", "nowhere"], "aiorepl: no module nowhere\n"),
        (["."], "aiorepl: no __main__ in .\n"),
    ):
        assert run("run", *arguments, home=home) == Ended(2, "", message)


def test_a_file_named_run_is_run_as_such(home: Home) -> None:
    (home.path / "run").write_text("print('the file')")
    assert run("./run", home=home).out == "the file\n"
    ended = run("run", home=home)
    assert ended.status == 2
    assert ended.err.endswith("aiorepl run: error: which program? a FILE, or -m and a MODULE\n")


def test_options_before_the_word_are_taken_as_well(home: Home) -> None:
    (home.path / "program.py").write_text("import sys; print(sys.argv, sys.flags.dev_mode)")
    for options in (["-q", "run", "--theme", "none"], ["-X", "dev", "--theme", "none", "-i", "run"]):
        dev = "-X" in options
        assert run(*options, "program.py", "-i", home=home).out == f"['program.py', '-i'] {dev}\n"
