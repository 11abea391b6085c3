"""Commands are read from functions: their arguments, help, errors and completion."""

import asyncio
from pathlib import Path
from typing import Literal, NewType, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiorepl.commands.arguments import Code, Kind, add_kind
from aiorepl.commands.context import Context
from aiorepl.commands.registry import Registry
from aiorepl.commands.standard import COMMANDS
from aiorepl.commands.values import CommandHelp
from aiorepl.errors import CommandError

# Commands that use no context are called without one.
NO_CONTEXT = cast(Context, None)


def run(registry: Registry, line: str) -> object:
    return asyncio.run(registry.run(NO_CONTEXT, line))


@pytest.fixture
def registry() -> Registry:
    registry = Registry()

    @registry.command(group="tasks", aliases=["ps"], examples=[("%tasks --max 5", "five of them")])
    async def tasks(
        context: Context, pattern: str = "*", *, max: int = 10, by: Literal["age", "name"] = "age", all: bool = False
    ) -> object:
        """List tasks.

        Also those that
        have ended.

        Args:
            pattern: Which
                ones.
            max: How many.
        """
        return (pattern, max, by, all)

    @registry.command
    def wait(context: Context, seconds: float, on: bool = True, *files: Path) -> object:
        """Wait."""
        return (seconds, on, files)

    @registry.command(name="do")
    def do_it(context: Context, times: int, code: Code) -> object:
        """Do it."""
        return (times, code)

    @registry.command
    def unannotated(context, word, others=None):  # type: ignore[no-untyped-def]
        """Take words."""
        return (word, others)

    return registry


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%tasks", ("*", 10, "age", False)),
        ("tasks web*", ("web*", 10, "age", False)),
        ("%ps 'two words' --max 3 --by=name --all", ("two words", 3, "name", True)),
        ("%tasks --all=off --max=-1", ("*", -1, "age", False)),
        ("%tasks -- --max", ("--max", 10, "age", False)),
        ("%wait 1.5", (1.5, True, ())),
        ("%wait 2 off a.py ~/b.py", (2.0, False, (Path("a.py"), Path("~/b.py").expanduser()))),
        ("%wait 2 on --fast", (2.0, True, (Path("--fast"),))),
        ("%unannotated one", ("one", None)),
        ('%do 3 f("a  b")  # "', (3, 'f("a  b")  # "')),
        ("%do 3 if x:\n    y = '''\n  z'''", (3, "if x:\n    y = '''\n  z'''")),
        ("%do 3\n    a\n      b\n", (3, "a\n  b")),
    ],
)
def test_a_line_becomes_arguments(registry: Registry, line: str, expected: object) -> None:
    assert run(registry, line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%taks", "no command %taks; did you mean %tasks?"),
        ("%zzz", "no command %zzz; %help lists them all"),
        ("%tasks --max", "%tasks: --max takes a whole number, not ''"),
        ("%tasks --max x", "%tasks: --max takes a whole number, not 'x'"),
        ("%tasks --mx 3", "%tasks: no option --mx; did you mean --max?"),
        ("%tasks --by size", "%tasks: --by takes age or name, not 'size'"),
        ("%tasks a b c", "%tasks: too much: b c"),
        ("%tasks 'a", "%tasks: no closing quotation: quotes come in pairs"),
        ("%wait", "%wait: SECONDS is missing: a number"),
        ("%wait 1 maybe", "%wait: on|off takes on or off, not 'maybe'"),
        ("%do 1", "%do: CODE is missing: code"),
        ("%do x y", "%do: N takes a whole number, not 'x'"),
        ("%unannotated a b --c", "%unannotated: no option --c: it takes none"),
        ("%unannotated -c", "%unannotated: no option -c: it takes none"),
        ("%tasks -n 3", "%tasks: no option -n; did you mean --max?"),
        ("%tasks -a", "%tasks: no option -a; did you mean --all?"),
        ("%tasks -x", "%tasks: no option -x; there are --max, --by, --all"),
    ],
)
def test_a_wrong_line_says_what_is_expected(registry: Registry, line: str, message: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(registry, line)
    name = line[1:].split()[0]
    usage = f" (usage: {registry.get(name).usage})" if name in registry.names() else ""
    assert str(caught.value) == message + usage


def test_usage_shows_what_may_be_left_out(registry: Registry) -> None:
    assert [command.usage for command in registry] == [
        "%tasks [PATTERN] [--max N] [--by age|name] [--all]",
        "%do N CODE",
        "%unannotated WORD [OTHERS]",
        "%wait SECONDS [on|off] [FILES...]",
    ]


def test_help_comes_from_the_docstring(registry: Registry) -> None:
    help = run(registry, "%ps?")
    assert isinstance(help, CommandHelp)
    assert (help.command.name, help.command.summary, help.command.aliases) == ("tasks", "List tasks.", ("ps",))
    assert help.text == "Also those that\nhave ended."
    assert help.parameters == (
        ("PATTERN", "Which ones."),
        ("--max N", "How many."),
        ("--by age|name", ""),
        ("--all", ""),
    )
    assert help.examples == (("%tasks --max 5", "five of them"),)


def test_a_newer_command_takes_the_name(registry: Registry) -> None:
    @registry.command
    def wait(context: Context) -> str:
        """Wait for nothing."""
        return "new"

    assert run(registry, "%wait") == "new"
    assert [command.name for command in registry].count("wait") == 1


def test_what_cannot_be_typed_is_refused(registry: Registry) -> None:
    def wrong(context: Context, table: dict[str, int]) -> None:
        """Take a table."""

    with pytest.raises(TypeError, match="add_kind"):
        registry.command(wrong)


def completed(registry: Registry, text: str) -> list[str] | None:
    found = registry.complete(text)
    if found is None:
        return None
    return [text[: completion.start] + completion.text for completion in found]


def test_names_are_completed(registry: Registry) -> None:
    assert completed(registry, "%") == ["%do", "%ps", "%tasks", "%unannotated", "%wait"]
    assert completed(registry, "%ta") == ["%tasks"]
    assert completed(registry, "%zz") == []
    assert completed(registry, "no command") == []
    found = registry.complete("%ta")
    assert found
    assert (found[0].kind, found[0].summary) == ("command", "List tasks.")


def test_options_and_their_values_are_completed(registry: Registry) -> None:
    assert completed(registry, "%tasks -") == ["%tasks --max", "%tasks --by", "%tasks --all", "%tasks --json"]
    assert completed(registry, "%tasks x --by ") == ["%tasks x --by age", "%tasks x --by name"]
    assert completed(registry, "%tasks --by n") == ["%tasks --by name"]
    assert completed(registry, "%wait 1 o") == ["%wait 1 on", "%wait 1 off"]


def test_code_is_left_to_others(registry: Registry) -> None:
    assert completed(registry, "%do ") == []
    assert completed(registry, "%do 3 ") is None
    assert completed(registry, "%do 3 asyncio.sl") is None


def test_paths_are_completed_with_their_quotes(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two words").mkdir()
    (tmp_path / "two words" / "a.py").touch()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    assert completed(registry, "%wait 1 on ") == ["%wait 1 on 'two words/'"]
    assert completed(registry, '%wait 1 on "two w') == ['%wait 1 on "two words/']
    assert completed(registry, '%wait 1 on "two words/') == ['%wait 1 on "two words/a.py"']
    assert completed(registry, "%wait 1 on two\\ words/a") == ["%wait 1 on 'two words/a.py'"]
    assert completed(registry, "%wait 1 on .h") == ["%wait 1 on .hidden"]
    assert completed(registry, "%wait 1 on missing/") == []


def test_a_new_kind_of_argument_brings_its_completion(registry: Registry) -> None:
    color = NewType("color", str)
    add_kind(color, Kind(str.upper, "a colour", lambda query: [("red", query.before[0]), ("rose", "")]))

    @registry.command
    def paint(context: Context, what: str, with_: color | None = None) -> object:
        """Paint."""
        return (what, with_)

    assert run(registry, "%paint it red") == ("it", "RED")
    found = registry.complete("%paint it re")
    assert found
    assert (found[0].text, found[0].summary) == ("red", "it")


@given(st.text(alphabet="%abdot sk'\"\\-=\n1?", max_size=30))
def test_any_text_can_be_completed_and_parsed(text: str) -> None:
    for completion in COMMANDS.complete("%" + text) or []:
        assert 0 <= completion.start <= len(text) + 1
    message = ""
    try:
        COMMANDS.parse("%" + text)
    except CommandError as error:
        message = str(error)
    assert "\n" not in message


def test_every_command_is_documented() -> None:
    for command in COMMANDS:
        assert command.documentation.summary.endswith("."), command.name
        assert len(command.documentation.summary) < 70, command.name
        texts = command.documentation.arguments
        assert list(texts) == [parameter.name for parameter in command.parameters], command.name
        assert all(texts.values()), command.name


def test_every_example_can_be_typed() -> None:
    for command in COMMANDS:
        for line, _ in command.examples:
            if line.endswith("?"):
                assert COMMANDS.get(line.rstrip("?"))
            else:
                assert COMMANDS.parse(line).command is command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%help timei", ["%help timeit"]),
        ("%help %timei", ["%help %timeit"]),
        ("%set the", ["%set theme"]),
        ("%set theme l", ["%set theme light"]),
        ("%set mouse o", ["%set mouse on", "%set mouse off"]),
        ("%set prompt x", []),
        ("%save --", ["%save --force"]),
    ],
)
def test_own_commands_complete_their_arguments(text: str, expected: list[str]) -> None:
    assert completed(COMMANDS, text) == expected
