"""``aiorepl connect`` and ``aiorepl follow`` as a person sees them, in a program that is running."""

import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from person import CONTROL_C, CONTROL_D, CONTROL_Z, ENTER, PATIENCE, TAB, UP, Person
from processes import Ended, Home, command
from processes import run as run_to_the_end
from served import SLEEPER, Process, program, runtime


@pytest.fixture
def app(home: Home) -> Iterator[Process]:
    with program(SLEEPER, home, "web") as app:
        yield app


def connects(home: Home, *arguments: str) -> Person:
    """A person at the prompt of ``aiorepl connect``."""
    person = Person(home.path, "connect", *arguments, AIOREPL_RUNTIME_DIR=runtime(home)["AIOREPL_RUNTIME_DIR"])
    try:
        person.waits_for_prompt()
    except BaseException:
        person.close()
        raise
    return person


def colours(person: Person, word: str) -> set[str]:
    """Those of a word that stands on the line of the prompt."""
    start = person.lines[person.row].index(word)
    return {person.screen.buffer[person.row][start + n].fg for n in range(len(word))}


def connect(home: Home, cells: str, *arguments: str) -> Ended:
    """What comes of cells that are piped in."""
    return run_to_the_end("connect", *arguments, home=home, stdin=cells, **runtime(home))


def test_a_prompt_in_a_program_is_a_prompt(home: Home, app: Process) -> None:
    """Editing, completion, results, interrupts, jobs, questions, a debugger, announcements, and leaving."""
    with connects(home, "web") as person:
        assert f"aiorepl is connected to web (process {app.number}, Python " in person.text
        assert person.runs("1 + 1") == ["2"]
        assert person.runs("for n in range(3): print(n); await asyncio.sleep(0)\n") == ["0", "1", "2"]
        assert person.runs("1 / 0")[-1] == "ZeroDivisionError: division by zero"
        # Completion and the signature come from the program's own names.
        person.types("stop = asyncio.Ev")
        person.sees(r"Event +Asynchronous equivalent")
        person.send(TAB)
        person.wait(lambda: person.typed == "stop = asyncio.Event", "the completion")
        person.enters("()")
        person.waits_for_prompt()
        person.types("asyncio.sleep(")
        person.sees(r"sleep\(delay, result=None\)")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        # What is typed is coloured, a keyword unlike a string.
        person.types("return 'text'")
        person.wait(lambda: "default" not in colours(person, "return") | colours(person, "'text'"), "the colours")
        assert colours(person, "return") != colours(person, "'text'")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.runs("%tasks")[0].startswith("1 task: ")
        # Ctrl-C ends the cell, Ctrl-Z makes a job of it.
        person.enters("await asyncio.sleep(1000)")
        person.sees(r"waits on asyncio\.sleep")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last[-1].startswith("KeyboardInterrupt")
        person.enters("await stop.wait(); 'woken'")
        person.sees(r"waits on Event")
        person.send(CONTROL_Z)
        person.waits_for_prompt()
        assert "[1] in the background" in person.last[-1]
        person.enters("stop.set()")
        person.sees(r"^'woken'$")
        person.waits_for_prompt()
        # What the program is asked, the person answers.
        person.enters("name = input('name? ')")
        person.is_asked("name? ")
        person.send("Guido" + ENTER)
        person.waits_for_prompt()
        # A cell that asks holds the program's loop, which may be told of just now.
        assert person.runs("name")[-1] == "'Guido'"
        person.enters("breakpoint()")
        person.is_asked("(Pdb) ")
        person.send("p name.upper()" + ENTER)
        person.sees(r"^'GUIDO'$")
        person.is_asked("(Pdb) ")
        person.send("c" + ENTER)
        person.waits_for_prompt()
        # What is printed later stands above the prompt, and what is being typed stays.
        person.enters("stop.clear(); await stop.wait(); print('by the job'); 'job' &")
        person.waits_for_prompt()
        assert person.last[-1].startswith("[1] in the background")
        person.runs("loop = asyncio.get_running_loop()")
        person.runs("_ = loop.call_later(0.5, print, 'later'), loop.call_later(0.5, stop.set)")
        person.types("typed")
        person.sees(r"(?s)^later$.*^by the job$.*^\[1\] done after .*^'job'$.*^>>> typed$")
        assert person.typed == "typed"
        person.send(CONTROL_C)
        person.waits_for_prompt()
        # So do alerts of the program's loop.
        person.runs("import time\nasync def block(): time.sleep(0.5)\n")
        person.enters("task = asyncio.create_task(block(), name='blocker')")
        person.sees(r"^! \d+ blocking-call: blocker \(block\) (holds|held) the loop in time\.sleep")
        person.waits_for_prompt()
        assert person.runs("!echo from the shell") == ["from the shell"]
        person.send(CONTROL_D)
        assert person.ends() == 0
    # What was typed is in the history of the next prompt, and the program goes on.
    with connects(home) as person:
        person.send(UP)
        person.wait(lambda: person.typed == "!echo from the shell", "the history")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        app.process.kill()
        person.sees(rf"^aiorepl: web \(process {app.number}\): the program has ended$")
        assert person.ends() == 2


def test_control_c_ends_what_was_typed_just_now_and_questions_of_its_tasks(home: Home, app: Process) -> None:
    with connects(home, "web") as person:
        for number in range(10):
            # At once: the two may come to the program in one piece.
            person.types(f"await asyncio.sleep(1000); print('number {number} has ended')")
            person.send(ENTER + CONTROL_C)
            person.sees("^KeyboardInterrupt")
            person.waits_for_prompt()
            person.send("\x0c")
            person.sees_no("KeyboardInterrupt")
        person.runs("async def ask(): return input('name? ')\n")
        for cell in (
            "await asyncio.create_task(ask())",
            "await asyncio.gather(asyncio.to_thread(input, 'name? '), ask())",
        ):
            person.enters(cell)
            person.is_asked("name? ")
            person.send(CONTROL_C)
            person.sees("KeyboardInterrupt in a task of a cell; the program goes on$")
            while not person.at_prompt:
                # The other task asks too.
                person.read(0.1)
                if person.before_cursor == "name? ":
                    person.send(CONTROL_C)
        assert person.runs("asyncio.all_tasks() and 'it goes on'")[-1] == "'it goes on'"
    assert app.process.poll() is None


def test_a_signal_that_ends_the_client_leaves_no_prompt_behind(home: Home, app: Process) -> None:
    with connects(home) as person:
        person.is_ended_by(signal.SIGTERM)
    assert app.process.poll() is None


def test_a_terminal_that_is_closed_in_the_middle_of_a_cell_ends_the_cell(home: Home, app: Process) -> None:
    ended = home.path / "ended"
    with connects(home) as person:
        person.enters("%debug on")
        person.sees("^debug mode is on for 600 s")
        person.waits_for_prompt()
        person.enters(f"try: print('begun'); await asyncio.sleep(1000)\nfinally: open({str(ended)!r}, 'w').close()\n")
        person.sees("^begun$")
        assert person.hangs_up() in (1, -signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE
    while not ended.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert connect(home, "asyncio.get_running_loop().get_debug()\nlen(asyncio.all_tasks())\n").out == "False\n2\n"


def test_a_terminal_that_can_do_nothing_is_used_as_wide_as_it_is(home: Home, app: Process) -> None:
    folder = runtime(home)["AIOREPL_RUNTIME_DIR"]
    with Person(home.path, "connect", columns=60, TERM="dumb", AIOREPL_RUNTIME_DIR=folder) as person:
        # Where it is broken depends on how long the numbers are.
        person.sees(r"^aiorepl is connected to web .*:\s+cells\s+run\s+there\.$")
        person.send("%help tasks\r")
        person.sees(r"^Who holds a lock is not looked for where there are more than\n5,000 tasks; %why and %locks do\.")


def test_what_a_program_shows_of_a_value_does_not_steer_the_terminal(home: Home, app: Process) -> None:
    clears = r"type('Clears', (), {'__repr__': lambda self: '\x1b[2J\x1b[31mred'})()"
    with Person(home.path, "exec", "web", clears, AIOREPL_RUNTIME_DIR=runtime(home)["AIOREPL_RUNTIME_DIR"]) as person:
        assert person.ends() == 0
        assert person.raw == b"\\x1b[2J\\x1b[31mred\r\n"
    # Who reads a pipe has it as it is.
    assert run_to_the_end("exec", "web", clears, home=home, **runtime(home)).out == "\x1b[2J\x1b[31mred\n"


def test_cells_come_from_a_pipe_too(home: Home, app: Process) -> None:
    told = connect(home, "x = 6\nasync def f():\n    return x * 7\n\nawait f()\n1 / 0\nprint(_)\n")
    assert (told.status, told.out) == (0, "42\n42\n")
    assert told.err.endswith("ZeroDivisionError: division by zero\n")
    assert connect(home, "exit(3)\n1\n") == (3, "", "")
    assert connect(home, "%loops --json\n", "-q", "web").out.startswith("{")


def test_what_cannot_be_connected_to(home: Home, app: Process) -> None:
    assert connect(home, "", "other") == (2, "", f"aiorepl: no process is called other; served: {app.number} web\n")


def test_a_session_is_followed_from_what_was_said_last_to_its_end(home: Home, app: Process) -> None:
    options = {"text": True, "env": home.environment | runtime(home), "cwd": home.path}
    with subprocess.Popen(
        command("connect"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    ) as session:
        session.stdin.write("print('before')\n6 * 7\n")
        session.stdin.flush()
        assert [session.stdout.readline(), session.stdout.readline()] == ["before\n", "42\n"]
        with subprocess.Popen(
            command("follow", "web"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,  # type: ignore[call-overload]
        ) as follower:
            expected = [
                f"following session 1 of web (process {app.number}); Ctrl-C ends it",
                ">>> print('before')",
                "before",
                ">>> 6 * 7",
                "42",
            ]
            assert [follower.stdout.readline().rstrip("\n") for _ in expected] == expected
            session.stdin.write("def f():\n    return 1\n\nf() / 0\n")
            session.stdin.close()
            rest = follower.stdout.read()
        assert rest.startswith(">>> def f():\n...     return 1\n>>> f() / 0\nTraceback (most recent call last):\n")
        assert rest.endswith(f"web (process {app.number}): session 1 has ended\n")
        assert follower.returncode == 0


def test_who_follows_at_a_terminal_only_looks(home: Home, app: Process) -> None:
    """Neither keys nor Ctrl-C reach the session, and what was said before is there."""
    with connects(home, "web") as person:
        person.runs("print('before')")
        folder = runtime(home)["AIOREPL_RUNTIME_DIR"]
        with Person(home.path, "follow", "web", AIOREPL_RUNTIME_DIR=folder) as follower:
            follower.sees(r"^>>> print\('before'\)\nbefore$")
            follower.send(f"typed = 1{ENTER}%quit{ENTER}")
            follower.sees("typed = 1")
            assert person.runs("'typed' in globals()") == ["False"]
            follower.sees(r"^>>> 'typed' in globals\(\)\nFalse$")
            person.enters("print('begun'); await asyncio.sleep(1000)")
            follower.sees("^begun$")
            follower.send(CONTROL_C)
            assert follower.ends() in (0, 130)
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert any(line.startswith("KeyboardInterrupt") for line in person.last)


def test_there_may_be_nothing_to_follow(home: Home, app: Process) -> None:
    told = run_to_the_end("follow", home=home, **runtime(home))
    assert told == (2, "", "aiorepl: no session to follow in web; there is none\n")
