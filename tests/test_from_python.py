"""``repl`` in a cell: the commands as functions."""

import json

from cells import without_carets
from command_session import type_lines

from aiorepl.model import Output


def test_what_a_command_finds_is_a_value_in_python() -> None:
    *_, names, drawn = type_lines(
        "t = asyncio.create_task(asyncio.sleep(60), name='sleeper')",
        "await asyncio.sleep(0)",
        "[row.task.name for row in repl.tasks().rows]",
        "repl.tasks('sleeper').rows[0].task.state",
    )
    assert names.result == "['sleeper']"
    assert drawn.result == "'waiting'"


def test_a_task_is_named_by_itself_its_number_or_its_name() -> None:
    *_, same = type_lines(
        "t = asyncio.create_task(asyncio.sleep(60), name='sleeper')",
        "await asyncio.sleep(0)",
        "n = repl.task(t).row.task.number",
        "[repl.task(one).row.task.name for one in (t, n, str(n), 'sleep*')]",
    )
    assert same.result == "['sleeper', 'sleeper', 'sleeper', 'sleeper']"


def test_an_error_is_a_command_error_and_says_what_to_do() -> None:
    wrong, missing = type_lines("repl.task('nobody')", "repl.jobs")
    assert "CommandError: no task 'nobody'" in wrong.failure
    assert "AttributeError: repl has no jobs; it has " in missing.failure


def test_an_error_has_the_users_frames_only() -> None:
    nobody, unknown, _, within = type_lines(
        "repl.why('nobody')", "repl.tasks('*', sorted=1)", "def ask():\n    repl.task('nobody')", "ask()"
    )
    assert without_carets(nobody.failure) == (
        "Traceback (most recent call last):\n"
        '  File "<cell 1>", line 1, in <module>\n'
        "    repl.why('nobody')\n"
        "aiorepl.errors.CommandError: no task 'nobody'; %tasks lists them\n"
    )
    assert without_carets(unknown.failure) == (
        "Traceback (most recent call last):\n"
        '  File "<cell 2>", line 1, in <module>\n'
        "    repl.tasks('*', sorted=1)\n"
        "aiorepl.errors.CommandError: repl.tasks: got an unexpected keyword argument 'sorted'; "
        "help(repl.tasks) says what it takes\n"
    )
    assert without_carets(within.failure) == (
        "Traceback (most recent call last):\n"
        '  File "<cell 4>", line 1, in <module>\n'
        "    ask()\n"
        '  File "<cell 3>", line 2, in ask\n'
        "    repl.task('nobody')\n"
        "aiorepl.errors.CommandError: no task 'nobody'; %tasks lists them\n"
    )


def test_a_command_knows_what_it_takes() -> None:
    (signature,) = type_lines("import inspect; str(inspect.signature(repl.why))")
    assert "task" in signature.result
    assert "context" not in signature.result


def test_any_commands_answer_can_be_had_as_json() -> None:
    _, who, tasks = type_lines("answer = 42", "%who --json", "%tasks --json")
    (output,) = [event for event in who.events if isinstance(event, Output)]
    assert json.loads(output.text) == {"names": [{"name": "answer", "type_name": "int", "summary": "42"}]}
    (output,) = [event for event in tasks.events if isinstance(event, Output)]
    assert json.loads(output.text)["rows"] == []


def test_code_may_end_with_what_looks_like_an_option() -> None:
    _, _, timed = type_lines("x = 3", "json = 1", "%time x --json")
    assert timed.result == "4"
