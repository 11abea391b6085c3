"""aiorepl's own commands, typed into a real session."""

import gc
import sys
from pathlib import Path

import pytest
from command_session import Typed, type_and_interrupt, type_lines

from aiorepl.commands.values import JobList, Timeit, Timing
from aiorepl.model import Edit, Insert, Leave, Progress, SettingChanged


def type_line(line: str, **names: object) -> Typed:
    return type_lines(line, namespace=names)[0]


def test_help_lists_every_command_by_group() -> None:
    drawn = type_line("%help").drawn
    assert drawn.startswith("session\n%edit [WHAT] ")
    assert "\n\njobs\n%bg [N] " in drawn
    assert "\n%timeit CODE  Run code many times and tell how long it takes.\n" in drawn


def test_help_of_one_command_has_its_examples() -> None:
    asked, questioned = type_lines("%help fg", "%fg?")
    assert asked.drawn == questioned.drawn
    assert asked.drawn == (
        "%fg [N]\n"
        "Wait for a job as if it had been typed just now.\n"
        "\n"
        "N  The job's number in %jobs; left out, the newest.\n"
        "\n"
        "examples\n"
        "%fg    the job that was started last\n"
        "%fg 2  job 2\n"
    )


def test_a_wrong_command_is_one_line() -> None:
    assert type_line("%histoy").error == "no command %histoy; did you mean %history?"


def test_history_is_numbered_and_can_be_searched() -> None:
    *_, everything, some, one = type_lines(
        "x = 1", "for i in []:\n    x", "%history", "%history x*1", "%history --max 1"
    )
    assert everything.drawn == "1  x = 1\n2  for i in []:\n       x\n"
    assert some.drawn == "1  x = 1\n"
    assert one.drawn == "… 3 older; --max N shows more\n4  %history x*1\n"


def test_history_of_earlier_sessions_is_shown_when_asked_for() -> None:
    _, now, all_ = type_lines("x = 1", "%history", "%history x --all", past=["x = 0", "y"])
    assert now.drawn == "1  x = 1\n"
    assert all_.drawn == "   x = 0\n1  x = 1\n"


def test_run_executes_a_file_as_a_script_on_the_loop(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 40\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, sys\nimport beside\n"
        "answer = beside.value + await asyncio.sleep(0, 2)\n"
        "seen = (sys.argv, __file__, asyncio.get_running_loop().is_running())\n"
        "answer\n"
    )
    before = (list(sys.argv), list(sys.path))
    try:
        ran, answer, seen, after = type_lines(
            f"%run {script} --flag 'two words'", "answer", "seen", "'__file__' in globals()"
        )
    finally:
        sys.modules.pop("beside", None)
    assert ran.answer is None
    assert answer.result == "42"
    assert seen.result == repr(([str(script), "--flag", "two words"], str(script), True))
    assert after.result == "False"
    assert (sys.argv, sys.path) == before


def test_a_failing_file_is_named_in_the_traceback(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("x = 1\n1 / 0\n")
    ran, after = type_lines(f"%run {script}", "'__file__' in globals()")
    assert f'File "{script}", line 2, in <module>\n    1 / 0' in ran.failure
    assert (ran.outcome, after.result) == ("error", "False")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes("x = 'é'\n".encode("latin-1"))
    (tmp_path / "odd.py").write_bytes(b"# coding: klingon\n")
    missing, folder, latin, odd = type_lines(
        f"%run {tmp_path}/missing.py", f"%load {tmp_path}", f"%run {tmp_path}/latin.py", f"%edit {tmp_path}/odd.py"
    )
    assert missing.error == f"cannot read {tmp_path}/missing.py: No such file or directory"
    assert folder.error == f"cannot read {tmp_path}: Is a directory"
    assert latin.error.startswith(f"cannot read {tmp_path}/latin.py: ")
    assert "klingon" in odd.error


def test_load_puts_a_file_into_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "draft.py").write_bytes("# coding: latin-1\nx = 'é'\n\n".encode("latin-1"))
    assert type_line(f"%load {tmp_path}/draft.py").only(Insert) == Insert("# coding: latin-1\nx = 'é'")


def test_edit_opens_a_cell_a_file_or_the_last_thing_typed(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("tool = 1\n")
    nothing, _, _, last, first, file, wrong = type_lines(
        "%edit", "x = 1", "y = 2", "%edit", "%edit 2", f"%edit {tmp_path}/tool.py", "%edit 99"
    )
    assert [typed.only(Edit) for typed in (nothing, last, first, file)] == [
        Edit(""),
        Edit("y = 2"),
        Edit("x = 1"),
        Edit("tool = 1\n"),
    ]
    assert wrong.error == "no cell 99; %history lists them"


def test_who_shows_builtin_values_and_runs_no_repr() -> None:
    lines = type_lines(
        "class Loud:\n    def __repr__(self): raise SystemExit(9)\n    def __lt__(self, other): raise SystemExit(9)",
        "loud, many, text = Loud(), [Loud(), {1: Loud()}], 'x' * 100",
        "_hidden = 1",
        "%who",
        "%who _h*",
        "%who t?xt",
        "%who nothing",
    )
    assert lines[3].drawn == (
        "name  type  value\n"
        "Loud  type  Loud\n"
        "loud  Loud  <Loud>\n"
        "many  list  [<Loud>, {1: <Loud>}]\n"
        f"text  str   '{'x' * 58}…\n"
    )
    assert lines[4].drawn == "name     type  value\n_hidden  int   1\n"
    assert lines[5].drawn.count("\n") == 2
    assert lines[6].drawn == "no names\n"


def test_reset_forgets_names_and_keeps_tasks() -> None:
    *_, reset, who, initial, running = type_lines(
        "x = 1",
        "asyncio = None",
        "import asyncio as a; task = a.create_task(a.sleep(60)); len(a.all_tasks())",
        "%reset",
        "%who *",
        "asyncio.__name__",
        "len(asyncio.all_tasks())",
    )
    # x, asyncio, a, task; the value of the third line is in _ and in _3.
    assert reset.notices == ["6 names forgotten; tasks keep running"]
    assert who.drawn == "no names\n"
    assert (initial.result, running.result) == ("'asyncio'", "2")


def test_set_lists_shows_and_changes() -> None:
    everything, one, changed, quoted, wrong, unknown, shown = type_lines(
        "%set",
        "%set max_lines",
        "%set max_lines 5",
        '%set prompt "py> "',
        "%set max_lines 0",
        "%set maxlines 5",
        "%set prompt",
    )
    assert "\nedit_mode     emacs   the keys of the editor\n" in everything.drawn
    assert one.drawn == (
        "setting    value  what for\n"
        "max_lines  40     lines of a result that are shown\n"
        "takes a whole number of at least 1\n"
    )
    assert changed.only(SettingChanged) == SettingChanged("max_lines", 5)
    assert quoted.only(SettingChanged) == SettingChanged("prompt", "py> ")
    assert wrong.error == "max_lines takes a whole number of at least 1, not '0'"
    assert unknown.error == "no setting 'maxlines'; did you mean max_lines?"
    assert "prompt   'py> '  " in shown.drawn


def test_time_tells_what_the_cell_itself_held() -> None:
    (typed,) = type_lines("%time await asyncio.sleep(0.05, 'done')")
    assert typed.result == "'done'"
    timing = typed.answer
    assert isinstance(timing, Timing)
    assert timing.on_loop is not None
    assert timing.on_loop < 0.05 <= timing.wall
    assert timing.cpu < timing.wall


def test_time_of_what_fails_is_told_after_the_failure() -> None:
    fails, wrong, after = type_lines("%time import time; time.sleep(0.05); 1 / 0", "%time 1 +", "%time 1")
    assert fails.failure.endswith("ZeroDivisionError: division by zero\n")
    assert fails.outcome == "error"
    timing = fails.answer
    assert isinstance(timing, Timing)
    assert timing.on_loop is not None
    assert 0.05 <= timing.on_loop <= timing.wall
    # What cannot be compiled has not run.
    assert (wrong.answer, wrong.failure.splitlines()[-1]) == (None, "SyntaxError: invalid syntax")
    assert isinstance(after.answer, Timing)


@pytest.mark.parametrize("code", ["await asyncio.sleep(0.3)", "import time; time.sleep(0.3)"])
def test_timeit_counts_loops_and_repeats(code: str) -> None:
    (typed,) = type_lines(f"%timeit {code}")
    found = typed.answer
    assert isinstance(found, Timeit)
    assert (found.loops, len(found.times)) == (1, 5)
    assert all(time >= 0.3 for time in found.times)
    fractions = [progress.fraction for progress in typed.progress]
    assert fractions == sorted(fractions)
    assert typed.drawn.startswith("best of 5: 30")


def test_timeit_runs_quick_code_often_in_the_namespace_without_changing_it() -> None:
    collecting = gc.isenabled()
    timed, names, value = type_lines(
        "%timeit total = start + 1", "sorted(n for n in globals() if n[0] != '_')", "start", namespace={"start": 1}
    )
    found = timed.answer
    assert isinstance(found, Timeit)
    assert found.loops >= 1000
    # How long they took is the machine's matter: it may have been slower while the number of runs was found.
    assert len(found.times) == 5
    assert min(found.times) > 0
    assert names.result == "['asyncio', 'repl', 'start']"
    assert value.result == "1"
    assert gc.isenabled() is collecting


def test_timeit_of_what_fails() -> None:
    fails, wrong, returns, after = type_lines("%timeit 1 / 0", "%timeit 1 +", "%timeit return 1", "1 + 1")
    assert 'File "<timeit>", line 1' in fails.failure
    assert "\n    1 / 0\n" in fails.failure
    assert "aiorepl" not in fails.failure
    assert wrong.error == "this is not Python: invalid syntax"
    assert returns.error == "this is not Python: 'return' outside function"
    assert after.result == "2"


@pytest.mark.parametrize("code", ["await asyncio.sleep(0.001)", "sum(range(100))"])
def test_timeit_is_stopped_by_an_interrupt(code: str) -> None:
    enabled = gc.isenabled()
    typed = type_and_interrupt(f"%timeit {code}", lambda event: isinstance(event, Progress) and event.fraction > 0)
    assert typed.answer is None
    assert typed.outcome == "interrupted"
    assert typed.failure.startswith("KeyboardInterrupt")
    assert typed.failure.count("\n") == 1
    assert gc.isenabled() is enabled


def test_thread_runs_code_where_no_loop_is_running() -> None:
    ran, refused = type_lines("%thread asyncio._get_running_loop() is None", "%thread await asyncio.sleep(0)")
    assert ran.result == "True"
    assert refused.outcome == "error"


def test_jobs_are_listed_and_brought_back() -> None:
    open_when_in_front = (
        "async def open_when_in_front():\n"
        "    while repl._context.jobs:\n"
        "        await asyncio.sleep(0.001)\n"
        "    gate.set()\n"
        "opening = asyncio.create_task(open_when_in_front())"
    )
    none, _, started, listed, wrong, _, back, empty = type_lines(
        "%jobs",
        "gate = asyncio.Event()",
        "await gate.wait() and 'over' &",
        "%jobs",
        "%fg 7",
        open_when_in_front,
        "%fg",
        "%bg",
    )
    assert none.drawn == "no jobs in the background\n"
    assert started.outcome == "detached"
    assert isinstance(listed.answer, JobList)
    (job,) = listed.answer.jobs
    assert (job.number, job.text) == (1, "await gate.wait() and 'over'")
    assert listed.drawn.splitlines()[0].split() == ["job", "time", "waits", "on", "code"]
    assert wrong.error == "no job 7; there are 1"
    assert back.result == "'over'"
    assert empty.error == "no job in the background; end a cell with & to start one there"


def test_exit_leaves_with_a_status() -> None:
    plain, numbered, quit_, wrong = type_lines("%exit", "%exit 3", "%quit 4", "%exit now")
    assert [typed.only(Leave) for typed in (plain, numbered, quit_)] == [Leave(0), Leave(3), Leave(4)]
    assert wrong.error == "%exit: N takes a whole number, not 'now' (usage: %exit [N])"


def test_hints_are_renewed() -> None:
    first, again, renewed, third, _ = type_lines(
        "asyncio.sleep(0)", "asyncio.sleep(0)", "%hints", "asyncio.sleep(0)", "_1.close(); _2.close(); _4.close()"
    )
    assert len(first.notices) == len(third.notices) == 1
    assert again.notices == []
    assert renewed.notices == ["each hint will be shown once more"]


def test_input_for_a_program_needs_a_program() -> None:
    assert type_lines("%stdin yes")[0].error == "there is no program beside this prompt; aiorepl run FILE starts one"
