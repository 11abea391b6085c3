"""The benchmarks' own tools: the table is right, and the terminal is one that programs can ask."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("pty")

from benchmarks import attaching
from benchmarks.cost import COST, MODES
from benchmarks.environments import ROOT, Program
from benchmarks.inside import cost, listing, looking, serving, tracing
from benchmarks.measures import Bench
from benchmarks.report import COST_ROWS, LOOKING_ROWS, Row, Target, figure, table
from benchmarks.serving import ROWS as SERVING_ROWS
from benchmarks.terminal import ProgramEnded, Terminal, TimedOut, environment
from benchmarks.tracing import ROWS as TRACING_ROWS

ASK_FOR_CURSOR = r"""
import re, sys, termios, tty
tty.setraw(0)
print("abc", end="\x1b[6n", flush=True)
answer = ""
while not answer.endswith("R"):
    answer += sys.stdin.read(1)
print("\r\nthe cursor is at", *re.findall(r"\d+", answer), end="\r\n", flush=True)
sys.stdin.read(1)
"""


def program(code: str, home: Path) -> Terminal:
    return Terminal([sys.executable, "-c", code], environment(home))


def test_table_holds_us_against_the_best_peer_and_against_fixed_limits() -> None:
    rows = [
        Row("start", "start", targets=(Target(0.72, ("IPython", "ptpython")), Target(2.2, ("asyncio",)))),
        Row("echo", "echo, p95", statistic="p95", targets=(Target(60),)),
        Row("broken", "broken", "%", "mean", (Target(0),)),
        Row("memory", "memory", "MiB"),
        Row("unasked", "not measured in this run"),
    ]
    results = {
        ("start", "aiorepl"): [0.2, 0.9, 0.3],
        ("start", "asyncio"): [0.1],
        ("start", "IPython"): [0.5],
        ("start", "ptpython"): [0.6],
        ("echo", "aiorepl"): [0.01] * 19 + [0.9],
        ("broken", "aiorepl"): [0.0, 1.0],
        ("memory", "IPython"): [40.4],
    }
    assert table(results, ["aiorepl", "asyncio", "IPython", "ptpython"], rows) == "\n".join(
        [
            "|  | aiorepl | asyncio | IPython | ptpython | target | measured |  |",
            "| --- | ---: | ---: | ---: | ---: | --- | ---: | --- |",
            "| start | 300 ms | 100 ms | 500 ms | 600 ms | ≤ 0.72 × IPython or ptpython; ≤ 2.2 × asyncio "
            "| 0.60; 3.00 | met; missed |",
            "| echo, p95 | 10 ms | – | – | – | ≤ 60 ms | 10 ms | met |",
            "| broken | 50 % | – | – | – | ≤ 0 % | 50 % | missed |",
            "| memory | – | – | 40 MiB | – |  |  |  |",
        ]
    )


def test_p95_is_the_sample_that_95_of_100_do_not_exceed() -> None:
    row = Row("x", "x", "MiB", "p95")
    assert figure(row, list(range(100, 0, -1))) == 95
    assert figure(row, [7.0]) == 7


def test_terminal_answers_where_the_cursor_is(tmp_path: Path) -> None:
    with program(ASK_FOR_CURSOR, tmp_path) as terminal:
        terminal.wait(lambda: terminal.shows("^the cursor is at 1 4$"), "the position")


def test_waiting_ends_with_the_screen_when_the_program_ends(tmp_path: Path) -> None:
    with program("print('last words')", tmp_path) as terminal, pytest.raises(ProgramEnded, match="last words"):
        terminal.wait(lambda: False, "nothing")


def test_waiting_ends_with_the_screen_when_the_time_is_up(tmp_path: Path) -> None:
    with program("print('well?', flush=True); input()", tmp_path) as terminal:
        terminal.wait(lambda: terminal.shows("well"), "the question")
        with pytest.raises(TimedOut, match="waited for an answer"):
            terminal.wait(lambda: False, "an answer", timeout=0.05)


def test_end_of_a_burst_is_on_the_screen(tmp_path: Path) -> None:
    code = "print(*range(40_000), sep='\\n', flush=True); input()"
    with program(code, tmp_path) as terminal:
        terminal.wait(lambda: b"39999" in terminal.output[-1][1] if terminal.output else False, "the end")
        assert terminal.lines[-3:] == ["39998", "39999", ""]


def test_dim_text_is_bright_black_and_colours_by_number_stay(tmp_path: Path) -> None:
    code = r"print('\x1b[2mdim\x1b[0;38;5;2mgreen\x1b[48;2;2;2;2mdark', flush=True); input()"
    with program(code, tmp_path) as terminal:
        terminal.wait(lambda: terminal.shows("dark"), "the text")
        cells = terminal.screen.buffer[0]
        assert (cells[0].fg, cells[3].fg, cells[8].fg, cells[8].bg) == ("brightblack", "00cd00", "00cd00", "020202")


def test_programs_find_no_settings_of_the_person_who_measures(tmp_path: Path) -> None:
    variables = environment(tmp_path / "home", PYTHONPATH="here")
    assert variables["HOME"] == str(tmp_path / "home")
    assert set(variables) - {"PATH", "TMPDIR", "SYSTEMROOT"} == {
        "HOME",
        "TERM",
        "LANG",
        "PYTHONPATH",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "XDG_CACHE_HOME",
    }


def test_table_of_what_was_not_measured_is_empty() -> None:
    assert table({("start", "aiorepl"): [0.2]}, ["aiorepl"], [Row("unasked", "not measured in this run")]) == ""


@pytest.mark.parametrize("measure", looking.MEASURES)
def test_what_is_measured_of_a_look_has_its_row(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "CROWD", 20)
    monkeypatch.setattr(looking, "DEEP", 20)
    monkeypatch.setattr(looking, "QUIET", 0.01)
    samples = looking.MEASURES[measure]("aiorepl")
    assert samples
    assert samples.keys() <= {row.series for row in LOOKING_ROWS}
    assert all(isinstance(figure, float) for figures in samples.values() for figure in figures)


def test_what_is_measured_of_a_trace_has_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "CALLS", 5)
    monkeypatch.setattr(tracing, "ROUNDS", 2)
    samples = tracing.measure()
    assert list(samples) == [row.series for row in TRACING_ROWS]
    assert all(isinstance(figure, float) for figures in samples.values() for figure in figures)


OURS = ("plain", "pulse", "alerts", "stats", "debug")


@pytest.mark.parametrize("kind", ["", "uvloop"])
@pytest.mark.parametrize("work", cost.WORK)
def test_the_price_of_each_way_to_be_watched_has_its_row(work: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind:
        pytest.importorskip(kind)
    for name, value in (("PAIRS", 1), ("TASKS", 2), ("STEPS", 2), ("MADE", 4), ("CONNECTIONS", 1), ("REQUESTS", 2)):
        monkeypatch.setattr(cost, name, value)
    for mode in OURS:
        samples = cost.measure(mode, work, kind)
        assert samples.keys() <= {row.series for row in COST_ROWS}
        assert all(figure > 0 for figures in samples.values() for figure in figures)


def test_each_column_of_prices_is_a_mode_and_each_measure_a_work() -> None:
    assert {argument for program in MODES for argument in program.arguments} == cost.MODES.keys()
    works = {f"cost-{work}{suffix}" for work in cost.WORK for suffix in ("", "-uvloop")}
    assert {measure.name for measure in COST} == works


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_what_is_measured_of_being_served_has_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in (
        (serving, "TRIPS", 2),
        (serving, "PAIRS", 1),
        (serving, "TIMES", 1),
        (listing, "CROWD", 20),
        (listing, "ALONE", 0.01),
        (cost, "TASKS", 2),
        (cost, "STEPS", 2),
        (cost, "CONNECTIONS", 1),
        (cost, "REQUESTS", 2),
    ):
        monkeypatch.setattr(module, name, value)
    samples = listing.crowd("aiorepl")
    for measure in serving.MEASURES.values():
        samples |= measure("aiorepl")
    rows = {row.series for row in SERVING_ROWS}
    # What is measured of each list is not asked for of each.
    assert {series for series in samples if series not in rows} <= {
        f"list{which}-{what}" for which in ("", "-first", "-all") for what in ("step", "gap", "alone-held", "alone-gap")
    }
    assert rows & samples.keys() >= {"list-first", "list", "list-all", "list-held", "served-load", "trip-cell"}


@pytest.mark.skipif(sys.version_info < (3, 14), reason="attaching without preparation takes 3.14")
def test_what_is_measured_of_attaching_has_its_row() -> None:
    class Here(Bench):
        def python(self, program: Program) -> list[str]:
            return [sys.executable]

        def variables(self, program: Program, **more: str) -> dict[str, str]:
            return super().variables(program, PYTHONPATH=str(ROOT), **more)

    bench = Here({})
    try:
        samples = {**attaching.attach(bench, attaching.IDLE), **attaching.look(bench, attaching.IDLE)}
    finally:
        bench.close()
    assert list(samples) == [row.series for row in attaching.ROWS]


def test_a_target_may_be_one_columns_own() -> None:
    row = Row("x-times", "times", "×", targets=(Target(1.02, program="pulse"), Target(1.25, program="alerts")))
    results = {("x-times", "pulse"): [1.013], ("x-times", "alerts"): [1.3]}
    assert table(results, ["pulse", "alerts"], [row]).splitlines()[-1] == (
        "| times | 1.01 × | 1.30 × | pulse ≤ 1.02 ×; alerts ≤ 1.25 × | 1.01 ×; 1.30 × | met; missed |"
    )
