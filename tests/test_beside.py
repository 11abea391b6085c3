"""A program at a real terminal with a prompt beside it: whose loop and names, whose Ctrl-C, whose input, whose end."""

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("pty")

from person import CONTROL_C, CONTROL_D, ENTER, Person, starts

SERVICE = """\
import asyncio, signal, sys, threading

LIMIT = 10
served = 0
stop = None

async def serve():
    global served
    while not stop.is_set():
        await asyncio.sleep(0.01)
        served += 1
    if LIMIT == 11:
        raise ValueError("a limit of 11")

async def main():
    global stop
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print, "signalled")
    await asyncio.create_task(serve(), name="server")

if __name__ == "__main__":
    print("begins", sys.argv[1:])
    try:
        RUN(main())
    except KeyboardInterrupt:
        print("stopped by Ctrl-C")
        sys.exit(4)
    print("ended well")
"""


def beside(folder: Path, source: str, *options: str, arguments: tuple[str, ...] = ()) -> Person:
    """Run a program with a prompt beside it, and wait for the prompt."""
    (folder / "program.py").write_text(source)
    return starts(folder, "run", "-q", *options, "program.py", *arguments, columns=140)


@pytest.mark.parametrize("run", ["asyncio.run", "__import__('uvloop').run"], ids=["asyncio", "uvloop"])
def test_cells_run_on_the_programs_loop_and_in_its_names(tmp_path: Path, run: str) -> None:
    if "uvloop" in run:
        pytest.importorskip("uvloop")
    with beside(tmp_path, SERVICE.replace("RUN", run), "-i", arguments=("-x", "y")) as person:
        person.sees(r"^begins \['-x', 'y'\]$")
        assert person.runs("__name__, threading.current_thread().name, LIMIT") == ["('__main__', 'MainThread', 10)"]
        assert person.runs("n = served; await asyncio.sleep(0.1); served > n") == ["True"]
        assert [line.split()[1] for line in person.runs("%tasks")[3:]] == ["Task-1", "server"]
        # The signals are the program's own, and so is its loop: Ctrl-C reaches the cell only.
        # What it prints stands above what is being typed.
        person.types("half = 'typ")
        os.kill(person.pid, signal.SIGUSR1)
        person.sees("^signalled\n>>> half = 'typ$")
        assert person.runs("ed'; half") == ["'typed'"]
        person.enters("print('begun'); await asyncio.sleep(1000)")
        person.sees("^begun$")
        person.send(CONTROL_C)
        person.waits_for_prompt()
        assert person.last[-1] == "KeyboardInterrupt (<cell 5>, line 1)"
        # What a cell binds is the program's, and its end is told.
        person.enters("LIMIT += 1; stop.set()")
        ended = person.sees(r"^program\.py ended by ValueError: a limit of 11 after \d+\.\d s; the prompt keeps its .*")
        assert ended[0].endswith("; the prompt keeps its names, exit or Ctrl-D leaves")
        assert person.shows(r'^Traceback \(most recent call last\):\n  File "\S+/program\.py", line \d+, in <module>$')
        person.waits_for_prompt()
        assert person.runs("served > n, threading.current_thread().name") == ["(True, 'aiorepl-loop')"]
        person.enters("%quit 5")
        assert person.ends() == 5


@pytest.mark.parametrize("how", ["quit", "keys"])
def test_what_stops_the_program_is_what_ctrl_c_sends(tmp_path: Path, how: str) -> None:
    with beside(tmp_path, SERVICE.replace("RUN", "asyncio.run")) as person:
        if how == "quit":
            person.enters("%quit")
        else:
            person.types("half a line")
            person.send(CONTROL_C)
            person.sees("^KeyboardInterrupt; Ctrl-C again at once goes to the program$")
            person.waits_for_prompt()
            person.send(CONTROL_C)
        assert person.ends() == 4
        assert person.shows("^Ctrl-C was sent to the program$")
        assert person.shows("^stopped by Ctrl-C$")
        assert person.shows(r"^program\.py ended with exit status 4 after \d+\.\d s$")
        assert person.has_usual_modes


def test_the_prompt_is_left_and_the_program_goes_on(tmp_path: Path) -> None:
    """As if there never had been a prompt: with the terminal, its keys and its signals."""
    source = SERVICE.replace("RUN", "asyncio.run").replace("import", "import builtins, aiorepl,", 1)
    with beside(tmp_path, source) as person:
        # Ctrl-C twice, but not at once.
        for _ in range(2):
            person.send(CONTROL_C)
            person.sees("goes to the program$")
            person.waits_for_prompt()
            person.runs("import time; time.sleep(1.01)")
        person.enters("exit()")
        person.sees("^aiorepl: the prompt has been left and program.py goes on; Ctrl-C stops it$")
        assert person.has_usual_modes
        person.send(CONTROL_C)
        assert person.ends() == 4
        assert person.shows(r"^\^Cstopped by Ctrl-C$")


def test_a_signal_that_ends_the_program_leaves_no_prompt_behind(tmp_path: Path) -> None:
    """And one that the program handles is its own; with no prompt there is nothing of ours left."""
    with beside(tmp_path, SERVICE.replace("RUN", "asyncio.run")) as person:
        person.runs("_ = signal.signal(signal.SIGTERM, lambda *_: print('handled'))")
        os.kill(person.pid, signal.SIGTERM)
        person.sees("^handled$")
        person.waits_for_prompt()
        person.is_ended_by(signal.SIGHUP)
    with beside(tmp_path, SERVICE.replace("RUN", "asyncio.run")) as person:
        person.runs("_ = asyncio.get_running_loop().call_later(1, lambda: print(signal.getsignal(signal.SIGTERM)))")
        person.enters("exit()")
        person.sees(r"^(Handlers\.SIG_DFL|0)$")
        os.kill(person.pid, signal.SIGTERM)
        assert person.ends() == -signal.SIGTERM


LOOPS = """\
import asyncio, threading, time

begin = threading.Event()
begin.wait()

def work(name):
    async def wait():
        await asyncio.Event().wait()
    asyncio.run(wait())

for name in ("first", "second"):
    threading.Thread(target=work, args=(name,), name=name, daemon=name == "first").start()
"""


def test_no_loop_and_several_loops(tmp_path: Path) -> None:
    """Cells find the program's loop when it comes, and a person chooses among several."""
    thread = "threading.current_thread().name"
    with beside(tmp_path, LOOPS) as person:
        assert person.runs(f"await asyncio.sleep(0, {thread})") == [
            "program.py runs no loop now; this runs on one of aiorepl's own",
            "'aiorepl-loop'",
        ]
        assert person.runs(thread) == ["'aiorepl-loop'"]
        person.runs("begin.set(); time.sleep(0.1)")
        # Both may have been seen at the same time.
        assert person.runs(thread) in (["'first'"], ["'second'"])
        rows = [line.split() for line in person.runs("%loops")[1:-1]]
        numbers = {words[1]: words[0].lstrip("*") for words in rows}
        assert numbers.keys() == {"first", "second", "aiorepl-loop"}
        for name, number in numbers.items():
            person.runs(f"%loops {number}")
            assert person.runs(thread) == [repr(name)]
        # Its main thread has come to its end; the program has not, before this thread does.
        person.runs(f"%loops {numbers['second']}")
        person.enters("asyncio.get_running_loop().stop()")
        assert person.ends() == 0
        assert person.shows("^RuntimeError: Event loop stopped before Future completed.$")
        assert person.shows(r"^program\.py ended by itself after \d+\.\d s$")


WITHOUT_LOOP = """\
import sys, threading

how, begin = "", threading.Event()
begin.wait()

def work():
    exec(how)

work()
"""


@pytest.mark.parametrize(
    ("how", "status", "shown", "told"),
    [
        ("raise ValueError('wrong')", 1, "^ValueError: wrong$", "ended by ValueError: wrong"),
        ("sys.exit(3)", 3, "", "ended with exit status 3"),
        ("sys.exit('some text')", 1, "^some text$", "ended with exit status 1: some text"),
        ("", 0, "", "ended by itself"),
    ],
)
def test_a_program_that_never_starts_a_loop_and_how_it_ends(
    tmp_path: Path, how: str, status: int, shown: str, told: str
) -> None:
    """As without a prompt beside it; with -i the prompt stays, and has the status."""
    options = [] if how else ["-i"]
    with beside(tmp_path, WITHOUT_LOOP, *options) as person:
        assert person.runs("await asyncio.sleep(0, 'awaits')") == [
            "program.py runs no loop now; this runs on one of aiorepl's own",
            "'awaits'",
        ]
        person.enters(f"how = {how!r}; begin.set()")
        person.sees(rf"^program\.py {told} after \d+\.\d s")
        if options:
            person.waits_for_prompt()
            assert person.runs("work.__name__, await asyncio.sleep(0, begin.is_set())") == ["('work', True)"]
            person.send(CONTROL_D)
        assert person.ends() == status
        assert person.shows(shown)
        assert person.shows("^Traceback ") == how.startswith("raise")
        assert person.has_usual_modes


STDIN = """\
import asyncio, os, sys, aiorepl

name = input("name? ")
print("hello", name)
print("line", repr(sys.stdin.readline()))
print("read", os.read(0, 100))
print("buffered", sys.stdin.buffer.readline())

async def main():
    await aiorepl.embed()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print("streamed", line)

asyncio.run(main())
print("ended")
"""


def test_a_program_that_reads_its_standard_input(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(STDIN)
    with Person(tmp_path, "run", "-q", "program.py", columns=140) as person:
        person.is_asked("name? ")
        person.types("Ada")
        person.send(ENTER)
        person.sees("^hello Ada$")
        for number, shown in enumerate([r"line 'text 0\\n'", r"read b'text 1\\n'", r"buffered b'text 2\\n'"]):
            # The prompt makes way, and comes back with what was typed.
            person.is_asked("")
            person.types(f"text {number}")
            person.send(ENTER)
            person.sees(f"^{shown}$")
        person.sees(r"^aiorepl: aiorepl\.embed\(\) in main .* was passed over: this program has a prompt beside it$")
        person.sees("^program.py reads standard input; %stdin TEXT gives it a line, Ctrl-D gives it the terminal$")
        person.waits_for_prompt()
        person.enters("%stdin two words")
        person.sees(r"^streamed b'two words\\n'$")
        person.waits_for_prompt()
        person.send(CONTROL_D)
        person.sees("goes on; Ctrl-C stops it$")
        person.types("typed at the terminal itself")
        person.send(ENTER)
        person.sees(r"^streamed b'typed at the terminal itself\\n'$")
        person.send(CONTROL_D)
        assert person.ends() == 0
        assert person.lines[person.row - 1] == "ended"
        assert person.text.count("typed at the terminal itself") == 2


SERVER = """\
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer})

answer = b"from the server"
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_server_that_is_a_module_of_a_package(tmp_path: Path, loop: str) -> None:
    """As ``aiorepl run -m uvicorn app:app`` starts it."""
    for package in ("uvicorn", loop):
        pytest.importorskip(package)
    (tmp_path / "server.py").write_text(SERVER)
    options = ("--port", "0", "--lifespan", "off", "--loop", loop)
    with starts(tmp_path, "run", "-q", "-m", "uvicorn", "server:app", *options, columns=140) as person:
        port = person.sees(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")[1]
        person.runs("import server, urllib.request")
        assert person.runs("type(asyncio.get_running_loop()).__module__.partition('.')[0]") == [repr(loop)]
        person.runs("server.answer = b'changed at the prompt'")
        fetch = f"(await asyncio.to_thread(urllib.request.urlopen, 'http://127.0.0.1:{port}/')).read()"
        assert "b'changed at the prompt'" in person.runs(fetch)
        person.sees(r'"GET / HTTP/1.1" 200')
        person.enters("%quit")
        assert person.ends() == 0
        assert person.shows("Application shutdown|Finished server process")
        assert person.shows(r"^uvicorn ended by itself|^uvicorn ended with exit status 0")
