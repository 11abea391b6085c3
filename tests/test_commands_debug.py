"""``%debug`` and ``%slow``, typed into a real session, on a loop of aiorepl's own and on an app's."""

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from alerting import watched
from app_session import App, converse_with, running_app
from command_session import Typed, new_session, type_lines
from processes import ROOT, Home, run
from sessions import Conversation, converse, texts

from aiorepl.alerts.debugmode import DEBUG, Price, Ways
from aiorepl.commands.debug_values import DebugInfo, SlowInfo
from aiorepl.commands.registry import COMMANDS
from aiorepl.interpret.host import loop_factory
from aiorepl.model import Answer, Event, Progress, SettingChanged
from aiorepl.render.plain import draw

DEPTH = "import sys; sys.get_coroutine_origin_tracking_depth()"
# Without debug mode: one line is remembered for the alerts, from the first beat of the watching thread on.
SHALLOW = ("0", "1")


def info(events: list[Event]) -> DebugInfo:
    (answer,) = [event.value for event in events if isinstance(event, Answer)]
    assert isinstance(answer, DebugInfo)
    return answer


# In a session of its own.


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_it_is_switched_while_the_loop_runs_in_another_thread(kind: str) -> None:
    if kind == "uvloop":
        pytest.importorskip("uvloop")

    async def converse() -> list[Typed]:
        session = new_session(factory=loop_factory(kind))
        await session.open()
        try:
            lines = ("%debug on", DEPTH, "%debug", "%debug off", DEPTH, "%debug")
            return [Typed([event async for event in session.submit(line)]) for line in lines]
        finally:
            await session.aclose()

    on, deep, first, off, shallow, second = asyncio.run(converse())
    assert on.notices == ["debug mode is on; %debug tells what that changes and costs, %debug off ends it"]
    assert deep.result == "10"
    assert shallow.result in SHALLOW
    assert off.notices == ["debug mode is off"]
    found = info(first.events)
    assert (found.on, found.by, found.switched, found.left, found.slow, found.origins) == (
        True,
        ("command",),
        True,
        None,
        0.1,
        10,
    )
    assert found.price is not None
    assert found.price.plain < found.price.debug
    assert first.progress == [Progress(0.0, "measuring what debug mode costs on this loop")]
    assert info(second.events)._replace(price=None, loop=0, origins=1) == DebugInfo(
        0, False, ("command",), Ways(), False, None, 0.1, 1
    )


def test_it_is_off_again_after_the_time_that_was_given() -> None:
    async def script(talk: Conversation) -> None:
        loop = talk.session.host.loop
        assert texts(await talk.type("%debug 0.2")) == [
            "debug mode is on for 0.2 s; %debug tells what that changes, %debug off ends it"
        ]
        assert loop.get_debug()
        await talk.announcement("the 0.2 s are over: debug mode is off")
        assert not loop.get_debug()
        assert texts(await talk.type(DEPTH))[0] in SHALLOW
        # Before that it was on.
        await talk.type("%debug on")
        await talk.type("%debug 0.1")
        await talk.announcement("the 0.1 s are over: debug mode is on")
        assert loop.get_debug()

    converse(script)


def test_another_switch_ends_the_time() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type("%debug 0.2")
        await talk.type("%debug 600")
        found = info(await talk.type("%debug"))
        assert found.left is not None
        assert 500 < found.left < 600
        await talk.type("%debug on")
        assert info(await talk.type("%debug")).left is None
        # Long enough for the first of them to be over.
        await talk.type("await asyncio.sleep(0.3)")
        assert talk.session.host.loop.get_debug()
        assert talk.announced == []

    converse(script)


def test_a_thousand_switches_at_the_prompt() -> None:
    async def script() -> None:
        # However slow the machine is.
        async with watched(lag=0.0, saturation=0.0, look=0.0, spinning=0.0) as watch:
            await watch.type(
                "%slow 20",
                "got = []\nasync def tick():\n    while True:\n        got.append(len(got)); await asyncio.sleep(0)",
                "ticking = asyncio.create_task(tick())",
            )
            for _ in range(500):
                await watch.type("%debug on", "%debug off")
            whole = await watch.type("ticking.cancel()\ngot == list(range(len(got))), len(got) > 1")
            assert texts(whole) == ["(True, True)"]
            assert texts(await watch.type(DEPTH))[0] in SHALLOW
            assert not watch.session.host.loop.get_debug()
            assert watch.talk.announced == []

    asyncio.run(script())


def test_a_cell_may_ask_and_switch() -> None:
    *_, asked, drawn = type_lines("repl.debug('on')", "repl.debug(30)", "i = repl.debug(); i.on, i.unpriced", "i")
    assert asked.result == "(True, 'cell')"
    assert "DebugInfo(loop=" in drawn.result


GO, BEGUN = threading.Event(), threading.Event()


def test_a_loop_that_does_not_answer_is_told_of_and_switched_all_the_same(looks_at_once: None) -> None:
    def block() -> None:
        BEGUN.set()
        GO.wait(20)

    async def converse() -> tuple[DebugInfo, bool]:
        session = new_session({"block": block})
        await session.open()
        try:
            async for _ in session.submit("asyncio.get_running_loop().call_soon(block);"):
                pass
            await asyncio.to_thread(BEGUN.wait)
            async for _ in session.submit("%debug on"):
                pass
            on = session.host.loop.get_debug()
            found = info([event async for event in session.submit("%debug")])
            GO.set()
            return found, on
        finally:
            GO.set()
            await session.aclose()

    found, on = asyncio.run(converse())
    assert on
    assert (found.on, found.origins, found.price, found.unpriced) == (True, None, None, "blocked")


@pytest.mark.parametrize("word", ["maybe", "0", "-1", "inf", "nan"])
def test_other_words_are_refused(word: str) -> None:
    debug, slow = type_lines(f"%debug {word}", f"%slow {word}")
    assert debug.error == f"%debug takes on, off or a number of seconds, not {word!r}"
    assert slow.error == f"%slow takes a number of seconds, or off, not {word!r}"


def test_words_are_completed() -> None:
    for line, words in (("%debug ", ["on", "off", "60"]), ("%slow ", ["0.1", "off"]), ("%debug --", ["--price"])):
        found = COMMANDS.complete(line)
        assert found is not None
        assert [completion.text for completion in found if completion.text != "--json"] == words


def test_slow_sets_both_thresholds() -> None:
    async def script(talk: Conversation) -> None:
        session = talk.session
        events = await talk.type("%slow 0.02")
        assert SettingChanged("slow", 0.02) in events
        assert texts(events) == ["a step of 0.02 s is slow"]
        assert (session.alerts.rules.slow, session.host.loop.slow_callback_duration) == (0.02, 0.02)
        (shown,) = [event.value for event in await talk.type("%slow") if isinstance(event, Answer)]
        assert isinstance(shown, SlowInfo)
        assert shown[1:] == (0.02, 0.02, False)
        assert texts(await talk.type("%slow off")) == ["no step is slow"]
        assert (session.alerts.rules.slow, session.host.loop.slow_callback_duration) == (0.0, float("inf"))

    converse(script)


# In an app.


@pytest.fixture(params=["asyncio", "uvloop"])
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    with running_app(loop_factory(request.param)) as app:
        yield app


def state(app: App) -> list[object]:
    loop = app.loop
    return [loop.get_debug(), loop.slow_callback_duration, app.call(sys.get_coroutine_origin_tracking_depth)]


def test_an_app_is_left_as_it_was_found(app: App) -> None:
    before = state(app)
    during: list[list[object]] = []

    async def script(talk: Conversation) -> None:
        assert texts(await talk.type("%debug on")) == [
            "debug mode is on for 600 s; %debug tells what that changes, %debug off ends it"
        ]
        await talk.type("%slow 0.5")
        during.append(state(app))

    converse_with(app, script)
    assert (before, during, state(app)) == ([False, 0.1, 0], [[True, 0.5, 10]], [False, 0.1, 0])
    assert DEBUG.in_force(app.loop) is None


def test_two_sessions_leave_in_any_order(app: App) -> None:
    async def script(first: Conversation) -> None:
        async def other(second: Conversation) -> None:
            await first.type("%debug on")
            await second.type("%debug on")
            await first.session.aclose()
            assert app.loop.get_debug()

        from sessions import conversation

        async with conversation(app.session()) as second:
            await other(second)
        assert not app.loop.get_debug()

    converse_with(app, script)
    assert state(app) == [False, 0.1, 0]


def test_the_price_is_measured_in_an_app_only_where_that_is_asked_for(app: App) -> None:
    async def script(talk: Conversation) -> None:
        switched: list[bool] = []
        inner = app.loop.set_debug

        def set_debug(enabled: bool) -> None:
            switched.append(enabled)
            inner(enabled)

        app.loop.set_debug = set_debug  # type: ignore[method-assign]
        found = info(await talk.type("%debug"))
        assert (found.price, found.unpriced, switched) == (None, "app", [])
        found = info(await talk.type("%debug --price"))
        assert found.price is not None
        assert found.unpriced == ""
        assert switched[-1] is False
        del app.loop.set_debug

    converse_with(app, script)


def test_debug_mode_of_the_apps_own_stays_on() -> None:
    with running_app(debug=True) as app:

        async def script(talk: Conversation) -> None:
            found = info(await talk.type("%debug"))
            assert (found.on, found.by, found.switched) == (True, ("program",), None)
            await talk.type("%debug off")
            assert not app.loop.get_debug()

        converse_with(app, script)
        assert state(app) == [True, 0.1, 10]


# The ways to start.

WAYS = [
    (("--loop", "uvloop", "--debug"), {}, "on, by aiorepl --debug"),
    ((), {"PYTHONASYNCIODEBUG": "0"}, "on, by PYTHONASYNCIODEBUG"),
    (("-q", "--debug", "-X", "dev"), {"PYTHONASYNCIODEBUG": ""}, "on, by python -X dev and aiorepl --debug"),
]


@pytest.mark.parametrize(("arguments", "variables", "expected"), WAYS, ids=[way[2] for way in WAYS])
def test_every_way_to_have_it_on_is_named(
    arguments: tuple[str, ...], variables: dict[str, str], expected: str, home: Home
) -> None:
    if "uvloop" in arguments:
        pytest.importorskip("uvloop")
    ended = run(*arguments, home=home, stdin="%debug\nasyncio.get_running_loop().get_debug()\n", **variables)
    words = " ".join(ended.out.split())
    assert words.startswith(f"loop 1: debug mode is {expected} price ")
    assert words.endswith(str(expected.startswith("on")))


def test_python_may_ignore_the_environment(home: Home) -> None:
    code = (
        f"import asyncio, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from aiorepl.alerts.debugmode import ways_of\n"
        "async def main(): return ways_of(asyncio.get_running_loop()), asyncio.get_running_loop().get_debug()\n"
        "ways, debug = asyncio.run(main())\n"
        "print(ways.environment, ways.ignored, ways.asked, debug)"
    )
    environment = home.environment | {"PYTHONASYNCIODEBUG": "1"}
    ended = subprocess.run([sys.executable, "-E", "-c", code], capture_output=True, text=True, env=environment)
    assert ended.stdout == "1 True () False\n", ended.stderr


# How it looks.


def test_all_about_debug_mode_is_drawn() -> None:
    value = DebugInfo(
        1,
        True,
        ("command",),
        Ways("1", ignored=True),
        True,
        42.25,
        0.1,
        10,
        Price(1.5e-06, 3.3e-05),
    )
    assert draw(value, 100) == (
        "loop 1: debug mode is on, by %debug\n"
        "price            a step of this loop takes 22 times as long: 33 us instead of 1.5 us\n"
        "slow callbacks   100 ms and more; %slow changes it\n"
        "origin tracking  10 frames of where a coroutine was made\n"
        "\n"
        "who asks for it\n"
        "PYTHONASYNCIODEBUG  '1', but Python ignores the environment (-E or -I)\n"
        "python -X dev       no\n"
        "aiorepl --debug     no\n"
        "%debug              on for 42.2 s more\n"
        "\n"
        "what it changes\n"
        "coroutines      one that was never awaited is told of with the calls that made it\n"
        "tasks, futures  remember where they were made; it stands in what is told of them\n"
        "other threads   call_soon, call_at and call_later refuse them with a RuntimeError\n"
        "callbacks       that take long are logged; one that is a coroutine is refused\n"
        "sockets         that would block the loop are refused\n"
        "logger          asyncio says more at levels DEBUG and INFO; %log debug shows it\n"
    )


def test_what_is_not_known_of_it_is_a_dash() -> None:
    def rows(value: DebugInfo) -> list[str]:
        return re.findall(r"(?m)^(?:price|slow callbacks|origin tracking|PYTHON\w+)  +(.*)", draw(value, 130))

    assert rows(DebugInfo(1, False, unpriced="app", slow=None, origins=None)) == [
        "–, not measured, as the loop is an app's; %debug --price does so, and has debug mode on and off for 0.2 s",
        "–; %slow changes it",
        "–",
        "not set",
    ]
    assert rows(DebugInfo(1, False, (), Ways(""), unpriced="blocked", slow=float("inf"), origins=0)) == [
        "–, not measured, as the loop does not answer",
        "none; %slow changes it",
        "off",
        "'', which is as if it were not set",
    ]


def test_the_thresholds_are_drawn() -> None:
    assert draw(SlowInfo(1, 0.02, 0.02, True)) == (
        "loop 1: slow steps\nalerts         20 ms and more\nasyncio's log  20 ms and more\n"
    )
    assert draw(SlowInfo(2, 0.0, float("inf"))) == (
        "loop 2: slow steps\nalerts         none\nasyncio's log  none, in debug mode, which is off\n"
    )
