"""Programs of their own that serve: forks, ends of every kind, other loops, and clients that are processes too."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Home, command, pipes, python, run, start
from served import SLEEPER, Process, Raw, printed, program, read, runtime, value, visiting

from aiorepl.errors import ServeError
from aiorepl.remote.channel import QUEUED
from aiorepl.remote.discovery import Found, find, find_all, served
from aiorepl.remote.messages import Submit


@pytest.fixture
def home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """One with a folder for sockets, the only one where this process looks for any."""
    monkeypatch.setattr("aiorepl.remote.discovery.folders", lambda: [str(home.path / "run")])
    return home


def says(found: Found, *lines: str) -> list[str]:
    async def visit() -> list[str]:
        async with visiting(found) as guest:
            return [read(await guest.type(line)) for line in lines]

    return asyncio.run(visit())


def sockets(home: Home) -> list[str]:
    return sorted(os.listdir(home.path / "run"))


def test_a_program_serves_by_one_line_and_removes_its_socket_at_the_end(home: Home) -> None:
    with program(SLEEPER, home) as app:
        found = find("program")
        assert found == Found(app.number, "program", str(home.path / "run" / f"{app.number}-program.sock"))
        assert stat.S_IMODE(os.stat(found.path).st_mode) == 0o600
        assert says(found, "1 + 1", "main", "exit()", "quit", "raise SystemExit(3)")[0] == "2"
        assert says(found, "stop = 1; __name__") == ["'__main__'"]
        app.process.send_signal(signal.SIGTERM)
        assert app.ends() == (0, "")
    assert sockets(home) == []


@pytest.mark.parametrize("how", ["raise ValueError", "sys.exit(3)", "KeyboardInterrupt"])
def test_however_a_program_ends_its_socket_is_removed(home: Home, how: str) -> None:
    source = f"""
        import os, signal, sys, aiorepl
        aiorepl.serve()
        print("ready", flush=True)
        {how if how != "KeyboardInterrupt" else "os.kill(os.getpid(), signal.SIGINT)"}
    """
    with program(source, home) as app:
        assert app.ends()[0] != 0
    assert sockets(home) == []


def test_a_socket_that_a_killed_program_has_left_is_removed_by_who_looks(home: Home) -> None:
    with program(SLEEPER, home) as app:
        app.process.kill()
        app.ends()
        assert sockets(home) == [f"{app.number}-program.sock"]
        assert served() == []
        assert sockets(home) == []


# There is no other thread at a fork. On 3.12 and 3.13 threads are counted after it, when ours is there again.
UNWARNED = ("-W", "ignore") if (3, 12) <= sys.version_info < (3, 14) else ("-W", "error")

FORKS = """
import asyncio, os, sys
import aiorepl

aiorepl.serve("web")
for _ in range(2):
    if os.fork() == 0:
        break

async def main():
    print("ready", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def test_each_child_of_a_fork_serves_its_own_socket(home: Home) -> None:
    with program(FORKS, home, python=UNWARNED) as app:
        assert [app.line(), app.line()] == ["ready", "ready"]
        found = find_all("web")
        assert len(found) == 3
        assert app.number in [one.process for one in found]
        assert [says(one, "import os; os.getpid()") for one in found] == [[str(one.process)] for one in found]
        with pytest.raises(ServeError, match="several processes are called web"):
            find("web")


FORKS_LATER = """
import asyncio, os, signal, sys
import aiorepl

def fork():
    if os.fork() == 0:
        print("child", os.getpid(), flush=True)
        signal.pause()

async def main():
    aiorepl.serve("web")
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, fork)
    print("ready", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def test_a_fork_in_the_middle_of_a_session_leaves_the_session_to_the_parent(home: Home) -> None:
    async def script(app: Process) -> None:
        async with visiting(find("web")) as guest:
            running = await guest.begin("print('ready'); await asyncio.sleep(1000)")
            os.kill(app.number, signal.SIGUSR1)
            # What the child prints goes where the program prints.
            word, child = (await asyncio.to_thread(app.line)).split()
            assert word == "child"
            await guest.session.interrupt()
            assert printed(await running) == "ready\n"
            assert value(await guest.type("import os; os.getpid()")) == str(app.number)
            async with visiting(find(child)) as other:
                assert "blocked in fork (program.py:" in read(await other.type("%tasks"))
            # The child has none of the parent's sockets: the end of the parent is the end of the session.
            app.process.kill()
            assert await guest.announcement("the program has ended")

    with program(FORKS_LATER, home, python=("-W", "ignore")) as app:
        asyncio.run(script(app))


def test_a_client_that_is_killed_in_the_middle_of_a_cell(home: Home) -> None:
    cell = "import os\ntry:\n  os.write(1, b'started\\n'); await asyncio.sleep(1000)\nfinally: os.write(1, b'ended\\n')"
    with program(SLEEPER, home) as app:
        client = subprocess.Popen(command("exec", cell), env=home.environment | runtime(home), cwd=home.path)
        assert app.line() == "started"
        client.kill()
        assert app.line() == "ended"
        client.wait()


def test_a_client_says_that_the_program_was_killed_and_exits_with_2(home: Home) -> None:
    with program(SLEEPER, home) as app:
        arguments = command("connect")
        with subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=home.environment | runtime(home),
            cwd=home.path,
        ) as client:
            stdin, stdout, stderr = pipes(client)
            stdin.write("print('here')\nawait asyncio.sleep(1000)\n")
            stdin.flush()
            assert stdout.readline() == "here\n"
            app.process.kill()
            assert stderr.read() == f"aiorepl: program (process {app.number}): the program has ended\n"
            assert client.wait() == 2


def test_a_uvloop_program(home: Home) -> None:
    pytest.importorskip("uvloop")
    with program(SLEEPER.replace("asyncio.run(main())", "import uvloop; uvloop.run(main())"), home) as app:
        told = says(
            find(None), "await asyncio.sleep(0, type(asyncio.get_running_loop()).__module__)", "%tasks", "input()"
        )
        assert told[0] == "'uvloop'"
        assert "Task-1" in told[1]
        assert "EOFError" in told[2]
        app.process.send_signal(signal.SIGTERM)
        assert app.ends() == (0, "")


def test_a_program_in_development_mode_hears_nothing_of_it(home: Home) -> None:
    """No warning, no resource left open, no call from a wrong thread."""
    with program(SLEEPER, home, python=("-X", "dev", "-W", "error")) as app:
        says(find(None), "await asyncio.sleep(0)", "%tasks", "1/0", "print(1)", "!true", "x = 1 &")
        app.process.send_signal(signal.SIGTERM)
        assert app.ends() == (0, "")


TWO_LOOPS = """
import asyncio, threading, time
import aiorepl

aiorepl.serve("early")
started = threading.Event()

async def elsewhere():
    started.set()
    await asyncio.sleep(1000)

threading.Thread(target=lambda: asyncio.run(elsewhere()), name="elsewhere", daemon=True).start()
started.wait()
print("ready", flush=True)
input()

async def main():
    print("main", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def test_a_program_that_serves_before_it_has_a_loop(home: Home) -> None:
    """Cells run on the main thread's loop when there is one, else on any other."""
    (home.path / "program.py").write_text(TWO_LOOPS)
    where = "import threading; threading.current_thread().name"
    with subprocess.Popen(
        [command()[0], "program.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=home.environment | runtime(home),
        cwd=home.path,
    ) as app:
        assert app.stdout is not None
        assert app.stdin is not None
        assert app.stdout.readline() == "ready\n"
        assert says(find("early"), where) == ["'elsewhere'"]
        app.stdin.write("\n")
        app.stdin.flush()
        assert app.stdout.readline() == "main\n"
        app.kill()


def test_what_serve_refuses(home: Home) -> None:
    source = """
        import aiorepl
        for options in ({"name": "4711"}, {"path": "/proc/x/y.sock"}):
            try:
                aiorepl.serve(**options)
            except aiorepl.errors.ServeError as error:
                print(error)
        with aiorepl.serve("web") as server:
            print(server.name, server.path.rpartition("/")[2])
            try:
                aiorepl.serve("web")
            except aiorepl.errors.ServeError as error:
                print(str(error).partition(" at ")[0])
        with aiorepl.serve(path="here.sock") as server:
            print(server.name, server.path)
    """
    (home.path / "my app.py").write_text(textwrap.dedent(source))
    ended = python("my app.py", home=home, **runtime(home))
    number = ended.out.splitlines()[2].split()[1].split("-")[0]
    assert ended.out.splitlines() == [
        "a name takes letters, digits and _.+-, at most 40, and is no number: not '4711'",
        "cannot listen at /proc/x/y.sock: No such file or directory",
        f"web {number}-web.sock",
        "somebody listens",
        f"my-app {home.path}/here.sock",
    ]
    assert sockets(home) == []
    assert not (home.path / "here.sock").exists()


def test_a_served_program_that_forks_has_a_path_for_each(home: Home) -> None:
    source = FORKS.replace('aiorepl.serve("web")', 'aiorepl.serve("web", path="web.sock")')
    with program(source, home, python=UNWARNED) as app:
        assert [app.line(), app.line()] == ["ready", "ready"]
        paths = sorted(str(path) for path in home.path.glob("web.sock*"))
        assert len(paths) == 3
        for path in paths:
            (told,) = says(find(path), "import os; os.getpid()")
            assert path == f"{home.path}/web.sock" + ("" if int(told) == app.number else f".{told}")


def test_a_program_that_nothing_goes_on_with_is_told_of_where_it_is_served(home: Home) -> None:
    source = """
        import asyncio, aiorepl

        async def main(slots):
            with aiorepl.serve("program"):
                print("ready", flush=True)
                await slots.acquire()

        slots = asyncio.Semaphore(0)
        asyncio.run(main(slots))
    """
    stalled = "stalled: 1 task waits, and the loop has no timer, no socket and no thread to go"
    with program(source, home):
        found = find("program")
        assert says(found, "%stuck")[0].splitlines()[0] == stalled
        # A thread of the program's own may go on with it.
        event = "import threading; event = threading.Event(); threading.Thread(target=event.wait).start()"
        assert says(found, event, "%stuck")[1].startswith("nothing wrong was found in 1 task")


SHARED = """
    import asyncio, contextvars, threading
    import aiorepl

    request = contextvars.ContextVar("request", default="none")
    LIMIT = 1
    go_on = threading.Event()

    @aiorepl.command(looks=True)
    def limit(context):
        '''Tell the limit.'''
        return f"the limit is {LIMIT}"

    def speak():
        go_on.wait()
        print("from the program", flush=True)

    async def main():
        threading.Thread(target=speak).start()
        with aiorepl.serve("program"):
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(15, stop.set)
            print("ready", flush=True)
            await stop.wait()
        print("closed", flush=True)

    asyncio.run(main())
"""


def test_several_sessions_at_once_each_with_what_is_its_own(home: Home) -> None:
    with program(SHARED, home) as app:
        found = find("program")

        async def script() -> None:
            async with visiting(found) as one, visiting(found) as two:
                await one.type("request.set('one');")
                assert [value(await guest.type("request.get()")) for guest in (one, two)] == ["'one'", "'none'"]
                await one.type("1 + 1")
                await two.type("'two'")
                assert [value(await guest.type("_")) for guest in (one, two)] == ["2", "'two'"]
                # Names of the program's are bound there, and new ones are the session's.
                await one.type("LIMIT = 2; mine = 1")
                assert value(await two.type("LIMIT")) == "2"
                assert "NameError: name 'mine' is not defined" in read(await two.type("mine"))
                assert read(await two.type("%limit")) == "the limit is 2\n"
                # What a cell and its tasks print goes to its client, and what the program prints where it went.
                await one.type("async def say(): print('by a task')")
                told = await one.type("print('by the cell'); await asyncio.create_task(say())")
                assert printed(told) == "by the cell\nby a task\n"
                await two.type("go_on.set()")
                assert await asyncio.to_thread(app.line) == "from the program"
                assert printed(one.announced + two.announced) == ""
                # Ctrl-C is the own cell's.
                parked = await one.begin("print('ready'); await asyncio.sleep(1000)")
                other = await two.begin("print('ready'); await asyncio.sleep(0.3); 'not interrupted'")
                await one.session.interrupt()
                assert "KeyboardInterrupt" in read(await parked)
                assert "'not interrupted'" in read(await other)
                assert "[1] in the background" in read(await one.type("await asyncio.sleep(1000) &"))

        asyncio.run(script())
        # The job goes on, and so does the program.
        assert says(found, "len(asyncio.all_tasks())") == ["3"]
        app.process.send_signal(signal.SIGTERM)
        assert app.ends() == (0, "closed\n")
    assert sockets(home) == []


CHOSEN = """
    import asyncio
    import aiorepl

    async def main():
        with aiorepl.serve("named", namespace={"answer": 42}), aiorepl.serve("reader", read_only=True):
            print("ready", flush=True)
            await asyncio.sleep(1000)

    asyncio.run(main())
"""


def listens_at(pid: int) -> list[str]:
    """The addresses at which a process waits for connections by TCP, as the kernel writes them."""
    rows = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
    ]
    sockets = {f"socket:[{row[9]}]": row[1] for row in rows if row[3] == "0A"}
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    return [sockets[link] for link in links if link in sockets]


def test_the_app_chooses_the_names_and_whether_they_may_be_changed(home: Home) -> None:
    with program(CHOSEN, home) as app:
        named, reader = find("named"), find("reader")
        seen = says(named, "answer", "main", "answer = 43; mine = 1", "answer")
        assert "NameError: name 'main' is not defined" in seen[1]
        assert [seen[0], *seen[2:]] == ["42", "", "43"]
        assert says(named, "answer", "'mine' in globals()") == ["43", "False"]
        never = "this session is read-only; its program allows nothing else"
        refused = says(reader, "1 + 1", "%write on", "%cancel 1", "%tasks")
        assert refused[0] == refused[2] == never
        assert refused[1].startswith("this session is read-only")
        assert refused[3].startswith("1 task: ")
        rows = json.loads(run("list", "--json", home=home, **runtime(home)).out)["rows"]
        mine = {row["name"]: row["state"] for row in rows if row["process"] == app.number}
        assert mine == {"named": "connect", "reader": "connect (read-only)"}


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="/proc tells of the sockets")
def test_nothing_is_listened_at_that_another_machine_could_reach(home: Home) -> None:
    async def look(app: Process) -> list[str]:
        async with visiting(find(None)) as guest:
            await guest.type("%debug on")
            return listens_at(app.number)

    with program(SLEEPER, home) as app, socket.create_server(("127.0.0.1", 0)) as here:
        assert asyncio.run(look(app)) == []
        assert f"0100007F:{here.getsockname()[1]:04X}" in listens_at(os.getpid())


WATCHED = """
    import asyncio, logging, os, sys, time, weakref
    import aiorepl

    CODE = asyncio.sleep.__code__
    go_on = asyncio.Event()
    things = weakref.WeakSet()
    longest = 0.0

    class Thing:
        def __init__(self):
            things.add(self)

    def switches():
        loop = asyncio.get_running_loop()
        tools = map(sys.monitoring.get_tool, range(6)) if sys.version_info >= (3, 12) else ()
        traced = asyncio.sleep.__code__ is not CODE or any(tools)
        return loop.get_debug(), loop.slow_callback_duration, logging.getLogger("asyncio").level, traced

    async def measure():
        global longest
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - begun - 0.005)

    async def main():
        aiorepl.serve()
        measuring = asyncio.create_task(measure())
        print("ready", flush=True)
        await measuring

    asyncio.run(main())
"""
ASKED = ("switches()", "%stats")
# What it says to that when nothing is switched on.
OFF = ["(False, 0.1, 0, False)", "nothing is counted of the tasks of loop 1"]
SWITCHES = "%debug on\n%trace asyncio.sleep --max 100000\n%stats on\n%log debug\n%slow 0.5\n"
JOB = "os.write(1, b'job\\n'); await go_on.wait(); os.write(1, b'job went on\\n') &\n"
CELL = "try:\n  os.write(1, b'cell\\n'); await asyncio.sleep(1000)\nfinally:\n  os.write(1, b'cell ended\\n')\n\n"


@contextlib.contextmanager
def closing(client: "subprocess.Popen[str]") -> Iterator[None]:
    """Kill it at the end, however that comes."""
    try:
        yield
    finally:
        client.kill()


def test_what_a_client_that_is_killed_had_switched_on_is_off_at_once(home: Home) -> None:
    """A real process, with everything on and a cell running; what it had put into the background goes on."""
    with program(WATCHED, home) as app, start("connect", home=home, **runtime(home)) as client, closing(client):
        found = find(None)
        stdin, _, _ = pipes(client)
        stdin.write(SWITCHES + JOB + CELL)
        stdin.flush()
        assert [app.line(), app.line()] == ["job", "cell"]
        switched = says(found, *ASKED)
        assert switched[0] == "(True, 0.5, 10, True)"
        assert switched[1].startswith("steps and wakes are counted of ")
        client.kill()
        killed = time.monotonic()
        assert app.line() == "cell ended"
        assert time.monotonic() < killed + 2
        while (told := [text.splitlines()[0] for text in says(found, *ASKED)]) != OFF:
            assert time.monotonic() < killed + 2, told
        # Anybody else may ask, and the job is there.
        assert run("exec", "switches()", home=home, **runtime(home)) == (0, f"{OFF[0]}\n", "")
        says(found, "go_on.set()")
        assert app.line() == "job went on"


HELD = (
    "thing = Thing(); thing, [thing], Thing()",
    "import copy\ndef keep(thing=thing): return 1 / len([])",
    "keep()",
    "await asyncio.create_task(asyncio.sleep(0, Thing()))",
    "await asyncio.sleep(0, thing) &",
    "%trace asyncio.sleep --max 100",
    "await asyncio.sleep(0, thing)",
    "%where 1 --locals",
    "thing?",
)


def test_nothing_of_a_session_is_kept_when_it_is_over(home: Home) -> None:
    with program(WATCHED, home):
        found = find(None)
        assert says(found, *HELD, "len(things)")[-1] != "0"
        late = time.monotonic() + 20
        # It is put away when its client has gone.
        while (left := says(found, "import gc; _ = gc.collect(); len(things)")) != ["0"]:
            assert time.monotonic() < late, left


def memory(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells of the memory")
def test_a_flood_costs_the_app_little_memory_and_its_loop_little_time(home: Home) -> None:
    """60 MB are printed to a client that reads nothing of them; the loop's own timers tell how late they were."""
    with program(WATCHED, home) as app:
        found = find(None)
        with Raw(found.path) as client:
            assert says(found, "line = 'x' * 99_999; print(line); longest = 0.0; await asyncio.sleep(0.5); longest")
            before, peak = float(says(found, "longest")[0]), memory(app.number)
            says(found, "longest = 0.0")
            cell = "for _ in range(600):\n  print('x' * 99_999)\n  await asyncio.sleep(0)\nos.write(1, b'printed\\n')"
            client.say(Submit(1, cell))
            assert app.line() == "printed"
            assert memory(app.number) - peak < 4 * QUEUED
            during = float(says(found, "longest")[0])
        # What is printed by a step of the program's own is that step's; a busy machine is late by itself.
        print(
            f"the loop was late by {before * 1000:.1f} ms, and by {during * 1000:.1f} ms; {memory(app.number) - peak}"
        )
        assert during < before + 0.5
