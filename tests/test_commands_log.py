"""``%log``: levels of loggers, and their records above the prompt; a real session, and what is drawn."""

import asyncio
import logging
import re
import sys
import threading
from collections.abc import Iterator

import pytest
from app_session import converse_with, running_app
from command_session import type_lines
from sessions import Conversation, converse, texts

from aiorepl.commands.debug_values import LoggerList, LoggerRow
from aiorepl.commands.log_feed import LogFeed
from aiorepl.commands.registry import COMMANDS
from aiorepl.interpret.jedi_completion import JediTier
from aiorepl.model import Answer, Logged, Notice
from aiorepl.render.colored import draw as draw_in_color
from aiorepl.render.plain import draw

APP = logging.getLogger("app.db")


@pytest.fixture(autouse=True)
def _found() -> Iterator[None]:
    """Every logger is as it was when a test has ended."""

    def state() -> list[object]:
        loggers = [logging.getLogger(name) for name in (None, "asyncio", "app", "app.db")]
        return [
            [(logger.level, list(logger.handlers), list(logger.filters)) for logger in loggers],
            [list(handler.filters) for logger in loggers for handler in logger.handlers],
        ]

    before = state()
    yield
    assert state() == before


async def logged(talk: Conversation, count: int = 1) -> list[Logged]:
    """Wait for so many records."""
    async with asyncio.timeout(20):
        while len(found := [event for event in talk.announced if isinstance(event, Logged)]) < count:
            await talk.news()
    return found


def test_records_of_a_logger_are_shown() -> None:
    async def script(talk: Conversation) -> None:
        assert texts(await talk.type("%log info app.db")) == [
            "app.db: INFO and above is shown here; %log off app.db ends that"
        ]
        await talk.type("import logging; log = logging.getLogger('app.db')")
        await talk.type("log.debug('not this'); log.info('%d rows', 3)")
        assert await logged(talk) == [Logged("app.db", logging.INFO, "INFO", "3 rows")]
        await talk.type("try: 1 / 0\nexcept ZeroDivisionError: log.exception('failed')")
        assert (await logged(talk, 2))[1] == Logged(
            "app.db",
            logging.ERROR,
            "ERROR",
            "failed\nTraceback (most recent call last):\n"
            '  File "<cell 4>", line 1, in <module>\n    try: 1 / 0\n         ~~^~~\n'
            "ZeroDivisionError: division by zero",
        )
        # From another thread, and by a logger below.
        threading.Thread(target=logging.getLogger("app.db.pool").warning, args=("full",)).start()
        assert (await logged(talk, 3))[2] == Logged("app.db.pool", logging.WARNING, "WARNING", "full")
        assert texts(await talk.type("%log off app.db")) == ["app.db: WARNING, as it was"]

    converse(script)


def test_asyncios_logger_is_meant_unless_another_one_is_named() -> None:
    async def script(talk: Conversation) -> None:
        assert texts(await talk.type("%log DEBUG")) == ["asyncio: DEBUG and above is shown here; %log off ends that"]
        await talk.type("loop = asyncio.new_event_loop(); loop.close()")
        (record,) = await logged(talk)
        assert record == Logged("asyncio", logging.DEBUG, "DEBUG", "Using selector: EpollSelector")

    converse(script)


def test_a_record_is_shown_once_by_however_many_loggers_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    printing = logging.StreamHandler()
    logging.root.addHandler(printing)
    kept: list[str] = []
    keeping = logging.Handler()
    keeping.emit = lambda record: kept.append(record.getMessage())  # type: ignore[method-assign]
    logging.root.addHandler(keeping)

    async def script(talk: Conversation) -> None:
        for line in ("%log info root", "%log info app.db", "%log info app"):
            await talk.type(line)
        APP.info("one")
        APP.info("two")
        assert [record.text for record in await logged(talk, 2)] == ["one", "two"]
        # What nobody has asked for is printed as it was.
        await talk.type("%log off root\n")
        logging.getLogger("elsewhere").warning("three")

    try:
        converse(script)
    finally:
        logging.root.removeHandler(printing)
        logging.root.removeHandler(keeping)
    assert kept == ["one", "two", "three"]
    assert capsys.readouterr().err == "three\n"


def test_what_an_alert_tells_is_not_shown_as_well() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("%debug on")
        await talk.type("%slow 0.02")
        await talk.type("%log debug")
        await talk.type("import time\nasync def slow(): time.sleep(0.03)\ndef fail(): raise OSError('no')")
        await talk.type("await asyncio.create_task(slow())\nasyncio.get_running_loop().call_soon(fail);")
        logging.getLogger("asyncio").warning("the end")
        assert [record.text for record in await logged(talk)] == ["the end"]

    converse(script)


def test_a_flood_is_cut_short_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    feed = LogFeed(alone=False, far=True, clock=lambda: now)
    feed.show(APP, logging.INFO)
    try:
        for number in range(2_000):
            APP.info("%d", number)
        shown = feed.feed()
        assert shown is not None
        assert [getattr(event, "text", "") for event in shown] == [str(number) for number in range(20)]
        now = 1.5
        assert feed.feed() == [
            Notice("… 1,980 more log records; %log with a higher level shows fewer"),
        ]
        APP.info("again")
        assert feed.feed() == [Logged("app.db", logging.INFO, "INFO", "again")]
    finally:
        feed.close()
    APP.setLevel(logging.INFO)
    APP.info("not any more")
    APP.setLevel(logging.NOTSET)
    assert feed.feed() is None


@pytest.mark.parametrize(("far", "level", "shown"), [(False, 0, 0), (True, 0, 1), (False, logging.ERROR, 1)])
def test_what_the_program_prints_on_the_same_screen_is_not_shown_twice(
    far: bool, level: int, shown: int, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    APP.addHandler(handler)
    feed = LogFeed(alone=False, far=far)
    feed.show(APP, logging.INFO)
    try:
        APP.info("once")
        assert len(feed.feed() or ()) == shown
        assert capsys.readouterr().err == ("once\n" if not level else "")
    finally:
        feed.close()
        APP.removeHandler(handler)


def test_a_long_record_is_cut_and_one_that_cannot_be_made_is_told() -> None:
    feed = LogFeed(alone=False, far=True)
    for message, arguments in (("x" * 5000, ()), ("\n".join(map(str, range(100))), ()), ("%d items", ("many",))):
        feed.handle(logging.LogRecord("app", logging.INFO, "", 1, message, arguments, None))
    long, many, broken = [event.text for event in feed.feed() or () if isinstance(event, Logged)]
    feed.close()
    assert long == "x" * 2000 + "…"
    assert many.splitlines()[-2:] == ["19", "… 80 more lines"]
    # What Python says of it differs by version.
    assert re.fullmatch(r"%d items \(its message could not be made: TypeError: .*%d.* a real number.*\)", broken)


def test_levels_are_given_by_name_or_number_and_put_back() -> None:
    APP.setLevel(logging.ERROR)

    async def script(talk: Conversation) -> None:
        await talk.type("%log 15 app.db")
        assert APP.level == 15
        APP.log(17, "between")
        assert await logged(talk) == [Logged("app.db", 17, "Level 17", "between")]
        await talk.type("%log off app.db")
        assert APP.level == logging.ERROR
        await talk.type("%log debug app.db")

    converse(script)
    assert APP.level == logging.ERROR
    APP.setLevel(logging.NOTSET)


def test_an_app_keeps_its_handlers_and_gets_its_levels_back(capsys: pytest.CaptureFixture[str]) -> None:
    printing = logging.StreamHandler()
    APP.addHandler(printing)
    try:
        with running_app() as app:

            async def script(talk: Conversation) -> None:
                # Somebody looks from elsewhere.
                talk.session.far = True
                await talk.type("%log info app.db")
                APP.info("seen twice")
                assert [record.text for record in await logged(talk)] == ["seen twice"]

            converse_with(app, script)
    finally:
        APP.removeHandler(printing)
    assert APP.level == logging.NOTSET
    assert capsys.readouterr().err == "seen twice\n"


def test_what_is_set_is_listed() -> None:
    APP.setLevel(logging.INFO)
    APP.propagate = False
    try:
        *_, typed = type_lines("%log debug", "%log")
        (answer,) = [event.value for event in typed.events if isinstance(event, Answer)]
        assert isinstance(answer, LoggerList)
        rows = {row.name: row for row in answer.loggers}
        assert rows["asyncio"] == LoggerRow("asyncio", "DEBUG", "DEBUG", (), True, True)
        assert rows["app.db"] == LoggerRow("app.db", "INFO", "INFO", (), False, False)
        assert not rows["root"].passes_on
    finally:
        APP.setLevel(logging.NOTSET)
        APP.propagate = True


def test_a_logger_that_only_the_completions_have_quieted_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = logging.getLogger("parso")
    monkeypatch.setattr(parser, "level", logging.NOTSET)
    tier = JediTier({"name": "text"}, deadline=60)
    (found,) = asyncio.run(tier.complete("name.isidenti", len("name.isidenti")))
    tier.close()
    assert found.text == "isidentifier"
    assert parser.level == logging.INFO
    assert "parso" not in type_lines("%log")[0].drawn
    parser.setLevel(logging.DEBUG)
    assert "parso" in type_lines("%log")[0].drawn


def test_wrong_words_say_what_to_type() -> None:
    level, unknown = type_lines("%log loud", "%log info nobody.knows.this")
    assert level.error == "%log takes debug, info, warning, error, critical, a number, or off, not 'loud'"
    assert unknown.notices == [
        "nobody.knows.this: INFO and above is shown here, a logger that nobody has used so far; "
        "%log off nobody.knows.this ends that"
    ]


def test_levels_and_loggers_are_completed() -> None:
    for line, expected in (
        ("%log in", ["info"]),
        ("%log o", ["off"]),
        ("%log info asynci", ["asyncio"]),
        ("%log info roo", ["root"]),
    ):
        found = COMMANDS.complete(line)
        assert found is not None
        assert [completion.text for completion in found] == expected


# How it looks.


def test_loggers_are_drawn() -> None:
    rows = (
        LoggerRow("root", "WARNING", "WARNING", ("StreamHandler",), False, False),
        LoggerRow("asyncio", "", "WARNING", (), True),
        LoggerRow("x.audit", "INFO", "INFO", (), False, False),
    )
    assert draw(LoggerList(rows, 2)) == (
        "logger   level    in force  handlers\n"
        "root     WARNING  WARNING   StreamHandler\n"
        "asyncio  –        WARNING   shown here, those above\n"
        "x.audit  INFO     INFO      none\n"
        "… 2 more\n"
    )


def test_a_record_is_drawn_in_the_colour_of_its_level_and_cannot_steer_the_terminal() -> None:
    def color(level: int) -> str:
        drawn = draw_in_color(Logged("app", level, "L", "x"), 80, theme="dark", colors=256)
        return drawn.removeprefix("\x1b[").partition("m")[0]

    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
    colors = [color(level) for level in levels]
    assert len(set(colors)) == 4
    assert colors[3] == colors[4]
    assert draw(Logged("app", 10, "DEBUG", "a\x1b[2Jb\r\n\tc\n")) == "DEBUG app: a\\x1b[2Jb\\r\n      c\n\n"
