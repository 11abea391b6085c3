"""The programs of ``examples/``: from outside, one command finds what is wrong; and nothing while all is well."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from attach_targets import needs_remote_exec, skip_unless_permitted
from processes import Ended, Home
from real_programs import (
    EXAMPLES,
    PATIENCE,
    Place,
    aiohttp_server,
    asks_for_what_is_not_there,
    dev_mode,
    falls_silent,
    fastapi_workers,
    give_jobs,
    gives_bad_jobs,
    jupyter,
    load,
    queue_worker,
    says_a_word_with_a_mark,
    says_words,
    signs_mails,
    starlette_load,
    two_loops,
    wait_until,
    waiting,
)

from docs import make_programs

HEALTHY = "no fault found: no step held the loop up, and no line for a lock stood still"


@pytest.fixture
def place(home: Home) -> Place:
    return Place(home)


def said(told: Ended) -> str:
    """An answer on one line, however it was broken; nothing was wrong with the question."""
    assert (told.status, told.err) == (0, "")
    return " ".join(told.out.split())


def line(file: str, part: str) -> str:
    """Where a line stands in the examples, as it is told."""
    lines = (EXAMPLES / file).read_text().splitlines()
    (number,) = [number for number, text in enumerate(lines, 1) if part in text]
    return f"{file.rpartition('/')[2]}:{number}"


def is_well(place: Place, *targets: str) -> None:
    """Neither of the two finds anything."""
    assert said(place.asks("stuck", *targets)).count("nothing wrong was found") == max(1, len(targets))
    assert HEALTHY in said(place.asks("doctor", "0.5", *targets))


def test_aiohttp_server_waits_for_a_supplier(place: Place) -> None:
    pytest.importorskip("aiohttp")
    with aiohttp_server(place) as (server, supplier):
        is_well(place, "prices")
        falls_silent(server, supplier)
        told = said(place.asks("doctor", "1", "prices"))
        assert "tasks wait for a Lock, and none of them got it" in told
        # Through the task that holds the lock to who does not answer.
        asks = line("aiohttp_server/server.py", "self.session.get")
        assert re.search(
            rf"{re.escape(asks)}\) has waited at least .* for DataQueue.read from 127.0.0.1:{supplier.port}", told
        )
        server.process.terminate()
        supplier.process.kill()
        server.process.wait()
    assert place.sockets() == []


def test_fastapi_workers_on_uvloop(place: Place) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    uvloop = importlib.util.find_spec("uvloop") is not None
    with fastapi_workers(place, "uvloop" if uvloop else "asyncio") as server:
        rows = json.loads(place.asks("list", "--json").out)["rows"]
        workers = [row for row in rows if row["name"] == "invoices"]
        assert len({row["process"] for row in workers}) == 2
        assert {row["state"] for row in workers} == {"connect"}
        assert all(row["command"].startswith(f"child of {server.number}: ") for row in workers)
        assert place.asks("list").out.count(f"child of {server.number}: python") >= 2
        with load(server, "/invoice/1", "/invoice/2"):
            told = said(place.asks("doctor", "0.5", "--all", "invoices"))
            assert (told.count("== invoices (process"), told.count(HEALTHY)) == (2, 2)
            kinds = json.loads(place.asks("loops", "--all", "--json", "invoices").out)
            assert {one["answer"]["loops"][0]["kind"].partition(".")[0] for one in kinds} == {
                "uvloop" if uvloop else "asyncio"
            }
            sick = asks_for_what_is_not_there(server)
            told = said(place.asks("doctor", "0.5", "--all", "invoices"))
        by_worker = dict(re.findall(r"== invoices \(process (\d+)\) (.*?)(?=== invoices|\Z)", told))
        assert "tasks wait for a Lock, and none of them got it" in by_worker.pop(sick)
        assert line("fastapi_workers/invoices.py", "printer.acquire") in told
        assert "whose holder is not seen: it was taken without async with, or its task has ended" in told
        assert HEALTHY in by_worker.popitem()[1]
        assert server.ends() == 0
    assert place.sockets() == []


def test_starlette_under_load(place: Place) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    with starlette_load(place) as server:
        with load(server, "/balance/ann", "/balance/bob", "/transfer/ann/bob"):
            is_well(place, "bank")
        with load(server, "/balance/ann", "/statement/bob"):
            told = said(place.asks("doctor", "1.2", "bank"))
            assert ("blocked by code:" in told, "too many steps:" in told) == (True, False)
            assert re.search(r"held the loop in subprocess.run .*; the longest was about \d+ ms", told)
            where = line("starlette_load/bank.py", "subprocess.run").rpartition(":")[2]
            assert f"bank.py, line {where}: subprocess.run(" in told
            assert "Write instead: await asyncio.create_subprocess_exec(...)" in told
        with load(server, "/watch/bob"):
            wait_until(lambda: waiting(place, "bank", "event") > 200, "nobody watches")
            told = said(place.asks("doctor", "1", "bank"))
            assert f"tasks of notify at {line('starlette_load/bank.py', 'account.changed.wait')}" in told
        with load(server, "/transfer/ann/bob", "/transfer/bob/ann"):
            wait_until(lambda: waiting(place, "bank", "lock") > 5, "no deadlock")
            told = said(place.asks("stuck", "bank"))
            assert re.search(r"deadlock: Task-\d+ and Task-\d+ wait for each other", told)
            assert told.count(line("starlette_load/bank.py", "async with taker.lock")) >= 2
        server.ends()
    assert place.sockets() == []


def test_a_worker_with_a_queue(place: Place) -> None:
    with queue_worker(place) as program:
        is_well(place, "thumbnails")
        gives_bad_jobs(program)
        told = said(place.asks("doctor", "thumbnails"))
        assert "worker-0 work and 2 more like it failed with ValueError(" in told
        assert f"raised at {line('queue_worker/thumbnails.py', 'int(size)')}" in told
        program.stdin.close()


def test_two_loops(place: Place) -> None:
    with two_loops(place) as program:
        assert says_words(program, "apple", "april") == "apple april"
        is_well(place, "search")
        assert "index       running" in place.asks("loops", "search").out
        assert "compact" in place.asks("tasks", "--loop", "2", "search").out
        with says_a_word_with_a_mark(program):
            stands = line("two_loops/search.py", "self.main_loop).result()")
            title = f"loop 2 in thread index does not answer: Index.add ({stands}) holds it, in Future.result"
            assert f"blocked-loop: {title}" in said(place.asks("stuck", "search"))
            assert f"blocked by code: {title}" in said(place.asks("doctor", "0.3", "search"))
            told = said(place.asks("loops", "search"))
            assert f"loop 2 does not answer: blocked in Index.add ({stands})" in told
            assert "2 index blocked" in told


def test_development_mode(place: Place) -> None:
    with dev_mode(place) as program:
        give_jobs(program, "letter")
        assert HEALTHY in said(place.asks("doctor", "0.5", "mailer"))
        told = said(place.asks("exec", "mailer", "%debug"))
        assert "loop 1: debug mode is on, by python -X dev" in told
        with signs_mails(program):
            told = said(place.asks("doctor", "1.5", "mailer"))
            signs = line("dev_mode/mailer.py", "pbkdf2_hmac").rpartition(":")[2]
            assert f"mailer.py, line {signs}: hashlib.pbkdf2_hmac(" in told
            noticed = {("blocked-loop", "sign"), ("never-awaited", "send")}
            wait_for_alerts(place, "mailer", noticed)


def wait_for_alerts(place: Place, target: str, expected: set[tuple[str, str]]) -> None:
    """Look on until these have been noticed: each is a kind, and the function of its place."""
    command = [sys.executable, "-m", "aiorepl", "alerts", "--follow", "0.3", "--json", target]
    with subprocess.Popen(command, env=place.environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        late = time.monotonic() + PATIENCE
        noticed: set[tuple[str, str]] = set()
        while not noticed >= expected:
            told = following.stdout.readline()
            assert told, noticed
            alerts = [alert for alert in json.loads(told)["alerts"] if alert["where"]]
            noticed = {(alert["kind"], alert["where"]["function"]) for alert in alerts}
            assert time.monotonic() < late, noticed
        following.send_signal(signal.SIGINT)
        assert following.wait() == 0


def test_the_page_of_all_programs_is_made_of_theirs() -> None:
    page = make_programs.PAGE.read_text()
    assert make_programs.listed(page) == page
    blocks = [
        block for readme in EXAMPLES.glob("*/README.md") for block in make_programs.BLOCK.findall(readme.read_text())
    ]
    assert sorted(incident for incident, _, _ in blocks) == sorted(make_programs.INCIDENTS)
    # Each has been answered.
    assert all(text.count("\n") > 4 for _, _, text in blocks)
    rows = [line for line in page.splitlines() if line.startswith("|") and "`aiorepl" in line]
    assert [row for row in rows if row.split("`")[-2].replace("PID", "4711") not in page] == []


@needs_remote_exec
def test_jupyters_server_is_attached_to_without_touching_it(place: Place) -> None:
    pytest.importorskip("jupyter_server")
    with jupyter(place) as server:
        skip_unless_permitted(server.process.pid)
        threads = os.listdir(f"/proc/{server.number}/task")
        told = said(place.asks("attach", "--look", server.number))
        assert "nothing was run in it" in told
        assert re.search(r"main thread \d+, runs an event loop", told)
        assert "jupyter_server/serverapp.py" in told
        read = place.asks("attach", server.number, stdin="%io\n%doctor 0.5\n1 + 1\n")
        assert f"listens on 127.0.0.1:{server.port}" in read.out
        assert HEALTHY in read.out
        assert "this session is read-only; %write on allows it" in read.err
        assert server.fetch("/api") == [200]
        written = place.asks("attach", "--write", server.number, stdin=_TASTE)
        assert written.out.endswith("'ServerApp'\n")
        assert server.fetch("/api") == [200]
        wait_until(lambda: os.listdir(f"/proc/{server.number}/task") == threads, "a thread was left behind")
        assert place.sockets() == []


_TASTE = "from jupyter_server.serverapp import ServerApp; type(ServerApp.instance()).__name__\n"
