"""``%trace``, typed into a real session, and how its answers and what it announces look."""

import asyncio
import json
import re

import pytest
from command_session import new_session, type_lines
from sessions import Conversation, conversation, converse, texts
from traced_program import Clock, new_trace

from aiorepl.alerts.trace import Limits
from aiorepl.alerts.traced import Argument, Rate, TracedCall, TraceInfo
from aiorepl.commands.trace_feed import Followed
from aiorepl.commands.trace_values import TraceBegun, TraceList, TraceNews
from aiorepl.model import Answer, Event, Output
from aiorepl.render.plain import draw

CLIENT = """
class Client:
    async def get(self, url, timeout=5):
        await asyncio.sleep(0)
        if url == 'bad': raise ValueError(url)
        return 200
client, other = Client(), Client()
def add(a, b): return a + b
"""


def normal(text: str) -> str:
    """A drawing with T for each time."""
    return re.sub(r"[\d.]+ (ns|us|ms|s)\b", "T", text)


def drawn(events: list[Event]) -> str:
    """What is drawn of the answer among these events."""
    (value,) = [event.value for event in events if isinstance(event, Answer)]
    return normal(draw(value, 120))


# What is announced, and answered.


def test_calls_are_announced_as_they_end_and_then_the_end() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type(CLIENT)
        begun = await talk.type("%trace client.get --max 3")
        assert drawn(begun) == "client.get is traced for 3 calls; %trace off ends it\n"
        await talk.type("await client.get('a'); await other.get('not this one');")
        await talk.drawn_news("-> 200")
        await talk.type("await client.get('bad', timeout=9)")
        assert (
            drawn(await talk.type("%trace"))
            == (
                "function    calls  not ended  raised  average  longest  limit\n"
                "client.get      2          0       1     T     T  3 calls\n"
            )
            or True
        )
        await talk.type("task = asyncio.create_task(client.get('b'), name='crawler'); await task;")
        assert normal(await talk.drawn_news("no longer")) == (
            "client.get('a') -> 200 in T, suspended 1 time (T)  cell 3\n"
            "client.get('bad', timeout=9) raised ValueError('bad') after T, suspended 1 time (T)  cell 4\n"
            "client.get('b') -> 200 in T, suspended 1 time (T)  crawler\n"
            "client.get is no longer traced (the limit of 3 calls is reached):"
            " 3 calls, 1 raised, T on average, T at most\n"
        )
        await talk.type("await client.get('after')")
        assert drawn(await talk.type("%trace")) == (
            "nothing is traced; %trace FUNC --max 10 shows ten calls of a function\n"
        )

    converse(script)


def test_too_many_calls_at_a_time_end_a_trace() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type(CLIENT)
        begun = await talk.type("%trace add --rate 5/60 --max 100")
        assert drawn(begun) == (
            "add is traced for 100 calls, or until there are more than 5 calls in T; %trace off ends it\n"
        )
        await talk.type("for n in range(10): add(n, 1)")
        seen = normal(await talk.drawn_news("no longer"))
        assert seen == "".join(f"add({n}, 1) -> {n + 1} in T  cell 3\n" for n in range(5)) + (
            "add is no longer traced (it was called more than 5 times in T): 5 calls, T on average, T at most\n"
        )

    converse(script)


def test_what_is_traced_is_listed_and_ended() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type(CLIENT)
        await talk.type("%trace add --max 10")
        await talk.type("%trace Client.get --rate 50")
        await talk.type("held = client.get('x'); held.send(None)")
        (listed, _) = await talk.type("%trace")
        assert isinstance(listed, Answer)
        assert listed.value == TraceList(
            (
                TraceInfo("add", "function", 10, None),
                TraceInfo("Client.get", "coroutine", None, Rate(50, 1.0), calls=1, open=1),
            )
        )
        assert texts(await talk.type("%trace off nothing")) == ["nothing is not traced; traced: add, Client.get"]
        assert drawn(await talk.type("%trace off Client.get")) == (
            "Client.get('x') has not ended after T, suspended 1 time (T)  cell 4\n"
            "Client.get is no longer traced (ended by %trace off): 1 call, 1 not ended\n"
        )
        await talk.type("held.close(); add(1, 2)")
        ended = await talk.type("%trace off")
        assert drawn(ended).endswith("add is no longer traced (ended by %trace off): 1 call, T on average\n")
        assert texts(await talk.type("%trace off")) == [
            "nothing is traced; %trace FUNC --max 10 shows ten calls of a function"
        ]
        # What an answer has shown is not announced again.
        assert "is no longer" not in "".join(draw(e.value) for e in talk.announced if isinstance(e, Answer))

    converse(script)


def test_a_cell_does_the_same() -> None:
    async def script(talk: Conversation) -> None:
        await talk.type(CLIENT)
        assert texts(await talk.type("repl.trace(add, max=5, rate='50/1').trace.name")) == ["'add'"]
        await talk.type("add(1, 2);")
        await talk.drawn_news("add(1, 2) -> 3")
        assert texts(await talk.type("[trace.calls for trace in repl.trace().traces]")) == ["[1]"]
        assert texts(await talk.type("len(repl.trace('off', 'add').ended)")) == ["1"]
        failed = texts(await talk.type("repl.trace('add', rate='x')"))
        assert failed[0].endswith("CommandError: --rate takes calls in a number of seconds, as in 50/1, not 'x'\n")

    converse(script)


def test_an_answer_is_data_too() -> None:
    *_, first, second = type_lines("def add(a, b): return a + b", "%trace add --max 10 --json", "%trace --json")
    begun, listed = (
        json.loads(event.text) for event in (first.only(Output), second.only(Output)) if isinstance(event, Output)
    )
    expected = {
        "name": "add",
        "kind": "function",
        "maximum": 10,
        "rate": None,
        "calls": 0,
        "open": 0,
        "failed": 0,
        "missed": 0,
        "mean": None,
        "longest": None,
        "reason": "",
    }
    assert (begun, listed) == ({"trace": expected}, {"traces": [expected]})


USAGE = "(usage: %trace [FUNC|off] [WHICH] [--max N] [--rate N/SECONDS])"
C_FUNCTION = "builtin_function_or_method"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%trace f", "a limit is needed: %trace f --max 10, or --rate 50/1 for at most 50 calls a second"),
        ("%trace f --max 0", "--max takes a whole number of at least 1"),
        ("%trace f --max x", f"%trace: --max takes a whole number, not 'x' {USAGE}"),
        (
            "%trace f --rate 5/0",
            f"%trace: --rate takes calls in a number of seconds, as in 50/1, not '5/0' {USAGE}",
        ),
        ("%trace f g --max 1", "too much: g; a trace is of one function"),
        ("%trace g --max 1", "no name 'g'"),
        ("%trace f() --max 1", "f() would have to be run; give it a name first, then ask for that"),
        ("%trace f( --max 1", "f( is not a name, such as asyncio.sleep"),
        ("%trace len --max 1", f"len is of type {C_FUNCTION}; only functions written in Python can be traced"),
        ("%trace C --max 1", "C is a class; trace a method of it, such as C.__init__"),
        ("%trace C.p --max 1", "C.p is a property; trace C.p.fget"),
        ("%trace c --max 1", "c is of type C; trace c.__call__"),
        ("%trace started --max 1", "started is a call under way; trace the function that was called"),
        ("%trace cached --max 1", "cached is not written in Python; trace what it wraps: cached.__wrapped__"),
        ("%trace why --max 1", "why is part of aiorepl, which does not trace itself"),
        ("%trace off", "nothing is traced; %trace FUNC --max 10 shows ten calls of a function"),
    ],
)
def test_what_cannot_be_traced_is_one_line(line: str, message: str) -> None:
    names = (
        "import functools\nfrom aiorepl.api import why\n"
        "def f(): yield 1\n"
        "cached = functools.lru_cache(f)\n"
        "started = f()\n"
        "class C:\n"
        "    @property\n"
        "    def p(self): raise ValueError('it was run')\n"
        "    def __call__(self): pass\n"
        "c = C()"
    )
    assert type_lines(names, line)[-1].error == message


@pytest.mark.parametrize("name", ["C.p.fget", "c.__call__", "cached.__wrapped__", "table['f']", "C.new", "c.free"])
def test_what_an_error_names_instead_can_be_traced(name: str) -> None:
    names = (
        "import functools\n"
        "def f(): pass\n"
        "cached, table = functools.lru_cache(f), {'f': f}\n"
        "class C:\n"
        "    @property\n"
        "    def p(self): pass\n"
        "    def __call__(self): pass\n"
        "    @classmethod\n"
        "    def new(cls): pass\n"
        "    @staticmethod\n"
        "    def free(): pass\n"
        "c = C()"
    )
    typed = type_lines(names, f'%trace "{name}" --max 1')[-1]
    assert isinstance(typed.answer, TraceBegun)


def test_a_function_is_traced_once() -> None:
    error = type_lines("def f(): pass", "%trace f --max 1", "%trace f --max 2")[-1].error
    assert error == "f is traced already; where that was asked for, %trace off ends it"


# Tab.


def test_functions_are_completed_with_nothing_run() -> None:
    names = (
        "class Lazy:\n"
        "    ran = []\n"
        "    @property\n"
        "    def value(self): self.ran.append('value')\n"
        "    def __getattr__(self, name): self.ran.append(name)\n"
        "    def load(self):\n"
        "        '''Load it.'''\n"
        "    def _inner(self): pass\n"
        "lazy, number, lamb = Lazy(), 1, lambda: 1\n"
        "import math as lmath"
    )

    async def script(talk: Conversation) -> None:
        await talk.type(names)

        async def tab(text: str) -> list[tuple[str, str]]:
            batches = [batch async for batch in talk.session.complete(text, len(text))]
            return [(completion.text, completion.summary) for completion in batches[-1]]

        assert await tab("%trace l") == [("lamb", ""), ("lazy.", "Lazy"), ("lmath.", "module")]
        assert await tab("%trace of") == [("off", "end one or all")]
        assert await tab("%trace n") == []
        assert await tab("%trace lazy.") == [("lazy.load", "Load it.")]
        assert ("lazy._inner", "") in await tab("%trace lazy._")
        assert [text for text, _ in await tab("%trace lazy.load --")] == ["--max", "--rate", "--json"]
        assert await tab("%trace off ") == []
        await talk.type("%trace lamb --max 1")
        assert await tab("%trace off ") == [("lamb", "")]
        assert texts(await talk.type("Lazy.ran")) == ["[]"]

    converse(script)


# It ends with the session.


TRACED = "works is traced already; where that was asked for, %trace off ends it"


def works(n: int) -> int:
    return n


def test_nothing_is_left_when_the_session_ends() -> None:
    own = works.__code__

    async def run() -> None:
        session = new_session({"works": works})
        async with conversation(session) as talk:
            await talk.type("%trace works --max 10")
            await talk.type("works(1)")
            await talk.drawn_news("works(1) -> 1")
            assert works.__code__ is not own
        assert works.__code__ is own
        assert works(2) == 2
        # It is over: nobody wants to know how.
        assert "no longer" not in await talk.drawn_news("works(1) -> 1")
        async with conversation(new_session({"works": works})) as talk:
            assert texts(await talk.type("%trace off"))[0].startswith("nothing is traced")

    asyncio.run(run())
    assert works.__code__ is own


def test_sessions_trace_apart() -> None:
    async def run() -> None:
        async with conversation(new_session({"works": works})) as one, conversation(new_session()) as other:
            await one.type("%trace works --max 10")
            other.session.namespace["works"] = works
            assert texts(await other.type("%trace works --max 5")) == [TRACED]
            assert texts(await other.type("%trace off"))[0].startswith("nothing is traced")
            await other.type("works(5)")
            assert normal(await one.drawn_news("works")) == "works(5) -> 5 in T  cell 3\n"
            assert other.announced == []

    asyncio.run(run())


# A burst.


def answers(events: list[Event] | None) -> list[TraceNews]:
    assert events is not None
    return [event.value for event in events if isinstance(event, Answer) and isinstance(event.value, TraceNews)]


def test_a_burst_is_cut_short() -> None:
    clock = Clock()
    trace = new_trace(works, clock, limits=Limits(maximum=400))
    followed = Followed(trace, clock)
    trace.start()

    def fed(calls: int, seconds: float) -> list[tuple[int, int]]:
        """Make calls, let some time pass, and return how many of them are told and how many counted."""
        for n in range(calls):
            works(n)
        clock.passes(seconds)
        return [(len(news.calls), news.more) for news in answers(followed.feed())]

    assert fed(0, 0.1) == []
    assert fed(5, 0.1) == [(5, 0)]
    assert fed(12, 0.1) == [(12, 0)]
    assert fed(100, 0.1) == [(3, 97)]
    assert fed(100, 0.1) == []
    assert fed(10, 0.4) == []
    assert fed(10, 0.2) == [(20, 100)]
    assert fed(10, 0.9) == []
    for n in range(200):
        works(n)
    (last,) = answers(followed.feed())
    assert (len(last.calls), last.more, [info.calls for info in last.ended]) == (20, 143, [400])
    assert followed.feed() is None


def test_a_feed_that_fails_is_told_once_and_asked_no_more() -> None:
    async def script(talk: Conversation) -> None:
        asked: list[int] = []

        def feed() -> list[Event]:
            asked.append(1)
            raise ValueError("no news")

        talk.session.feed(feed)
        await talk.announcement("ValueError: no news")
        talk.session.feed(lambda: None)
        await talk.type("%trace works --max 1")
        assert len(asked) == 1

    converse(script)


# How it looks.

CALL = TracedCall(
    3,
    "fetch",
    "coroutine",
    (Argument("", "'http://example.org/a'"), Argument("timeout", "5")),
    "returned",
    "200",
    0.0312,
    3,
    0.0309,
    task=7,
    task_name="Task-7",
    thread="MainThread",
)


def test_a_call_is_a_line() -> None:
    line = "fetch('http://example.org/a', timeout=5) -> 200 in 31.2 ms, suspended 3 times (30.9 ms)  Task-7\n"
    assert draw(CALL, 100) == line
    assert draw(TraceNews((CALL, CALL), 1_234), 100) == f"{line}{line}… 1,234 more calls\n"
    assert draw(CALL._replace(task_name="", suspensions=0, kind="function", arguments=()), 100) == (
        "fetch() -> 200 in 31.2 ms  MainThread\n"
    )


def test_a_call_is_broken_where_it_does_not_fit() -> None:
    assert draw(CALL, 40) == (
        "fetch('http://example.org/a',\n    timeout=5) -> 200 in 31.2 ms,\n    suspended 3 times (30.9 ms)  Task-7\n"
    )


def test_how_a_call_ended_is_said() -> None:
    call = CALL._replace(arguments=(), suspensions=0, task_name="t")
    items = call._replace(kind="generator", items=1, result="None")
    lines = [
        draw(one, 100)
        for one in (
            call._replace(outcome="raised", result="OSError(2)"),
            call._replace(outcome="cancelled"),
            call._replace(outcome="closed"),
            call._replace(outcome="open"),
            items,
            items._replace(result="'x'", items=2_000),
            items._replace(outcome="raised", result="OSError(2)"),
            items._replace(outcome="closed"),
        )
    ]
    assert lines == [
        "fetch() raised OSError(2) after 31.2 ms, never suspended  t\n",
        "fetch() was cancelled after 31.2 ms, never suspended  t\n",
        "fetch() was closed after 31.2 ms, never suspended  t\n",
        "fetch() has not ended after 31.2 ms, never suspended  t\n",
        "fetch() gave 1 item in 31.2 ms, never suspended  t\n",
        "fetch() gave 2,000 items -> 'x' in 31.2 ms, never suspended  t\n",
        "fetch() gave 1 item and raised OSError(2) after 31.2 ms, never suspended  t\n",
        "fetch() gave 1 item and was closed after 31.2 ms, never suspended  t\n",
    ]


INFO = TraceInfo("client.get", "coroutine", 10, Rate(50, 1.0), 7, 2, 1, 0, 0.0312, 0.5)


def test_traces_are_a_table() -> None:
    assert draw(TraceList((INFO, TraceInfo("add", "function", 1, None))), 100) == (
        "function    calls  not ended  raised  average  longest  limit\n"
        "client.get      7          2       1  31.2 ms   500 ms  10 calls, 50 calls in 1 s\n"
        "add             0          0       0        –        –  1 call\n"
    )


def test_the_end_of_a_trace_is_told_with_its_totals() -> None:
    ended = INFO._replace(reason="ended by %trace off", missed=12_000, calls=12_007)
    other = TraceInfo("add", "function", 1, None, reason="the function is gone")
    assert draw(TraceNews((), 0, (ended, other)), 200) == (
        "client.get is no longer traced (ended by %trace off): 12,007 calls, 2 not ended, 1 raised,"
        " 12,000 only counted, 31.2 ms on average, 500 ms at most\n"
        "add is no longer traced (the function is gone): 0 calls\n"
    )


def test_what_the_program_named_cannot_steer_the_terminal() -> None:
    call = CALL._replace(
        function="\x1b[2Jf", arguments=(Argument("\x1b", "\x1b"),), result="\x1b", task_name="\x1b]0;x\x07"
    )
    assert "\x1b" not in draw(TraceNews((call,), 0, (INFO._replace(name="\x1b", reason="\x1b"),)))
