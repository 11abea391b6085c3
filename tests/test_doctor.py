"""``%doctor``: a real program for each thing that may be wrong with a loop, and all that is said of it."""

import asyncio
import gc
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from app_session import converse_with, running_app
from command_session import Typed, new_session, type_and_interrupt, type_lines
from loop_factories import EACH_LOOP, LoopFactory
from loops_elsewhere import give_time_to_answer
from sessions import PATIENCE, Conversation, conversation, texts

from aiorepl.alerts.doctor import diagnose
from aiorepl.alerts.doctor_values import Diagnosis, Limits, Observations
from aiorepl.alerts.examination import Examination
from aiorepl.introspect.diagnose import LET_IT_END
from aiorepl.model import Progress
from aiorepl.render.plain import draw


@pytest.fixture(autouse=True)
def _small_heap() -> Iterator[None]:
    """Without what all the other tests have left: to go through that for garbage takes as long as a slow step."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


# Wide enough that no line is broken.
WIDTH = 300


@dataclass
class Program:
    """Cells that make a program, which ends when ``go`` is set, and what is said of it; numbers are written as N."""

    name: str
    cells: tuple[str, ...]
    said: list[str]
    executor: str = "–  none yet"
    look: str = "%doctor 0.3"
    counted: bool = False
    # The loop does not answer at all, and need not be given time for it.
    silent: bool = False


PROGRAMS = [
    Program(
        "a step that sleeps",
        (
            "import time\ndef wait():\n    while not go.is_set(): time.sleep(0.01)\nasync def step(): wait()",
            "task = asyncio.create_task(step(), name='worker')",
        ),
        [
            "blocked by code: worker (step) holds the loop in time.sleep, for at least N so far",
            "    <cell N>, line N: while not go.is_set(): time.sleep(N)",
            "    N of N looks meanwhile found it there, N apart",
            "  time.sleep blocks the loop's thread. Write instead: await asyncio.sleep(N)",
            "  next: %where N  (shows its stack now)",
        ],
        # What the machine does with others in that time is no fault of the loop's.
        look="%doctor 1",
        silent=True,
    ),
    Program(
        "a step that computes",
        (
            "def count():\n    while not go.is_set(): sum(range(1000))\nasync def step(): count()",
            "task = asyncio.create_task(step(), name='worker')",
        ),
        [
            "blocked by code: worker (step) holds the loop, for at least N so far",
            "    <cell N>, line N: while not go.is_set(): sum(range(N))",
            "    N of N looks meanwhile found it there, N apart",
            "  Divide the work with await asyncio.sleep(N) in between, or do it in await asyncio.to_thread(...).",
            "  next: %where N  (shows its stack now)",
        ],
        # What the machine does with others in that time is no fault of the loop's.
        look="%doctor 1",
        silent=True,
    ),
    Program(
        "steps that sleep again and again",
        (
            "%set slow 0.04",
            "import time\nasync def poll():\n    while not go.is_set():\n        time.sleep(0.06)\n"
            "        await asyncio.sleep(0.005)",
            "task = asyncio.create_task(poll(), name='worker')",
        ),
        [
            "blocked by code: worker (poll) held the loop in time.sleep N times, for N of N; the longest was N",
            "    <cell N>, line N: time.sleep(N)",
            "    N of N looks meanwhile found it there, N apart",
            "  time.sleep blocks the loop's thread. Write instead: await asyncio.sleep(N)",
            "  next: %alerts N  (shows its stack at that time)",
        ],
    ),
    Program(
        "many short steps",
        (
            "async def poll():\n    while not go.is_set(): await asyncio.sleep(0)",
            "tasks = [asyncio.create_task(poll()) for _ in range(20)]",
        ),
        [
            "too many steps: the loop is never done, though no step of it is slow",
            "    it had something to do in N of N looks",
            "    it was at work for N of the time, as measured",
            "    its thread had N of a processor",
            "    N passes a second, in each of which every task that is ready has a step",
            "    N of that: poll, <cell N>:N",
            "  One thread can do no more. Wait for what is to come instead of asking for it again and again, do more in"
            " one step, or move work to threads or processes.",
            "  next: %tasks --sort busy --window N  (counts for N who works most)",
        ],
        look="%doctor 0.8",
    ),
    Program(
        "many short steps that are counted",
        (
            "%stats on",
            "async def poll():\n    while not go.is_set(): await asyncio.sleep(0)",
            "task = asyncio.create_task(poll(), name='spinner')",
        ),
        [
            "too many steps: the loop is never done, though no step of it is slow",
            "    it had something to do in N of N looks",
            "    it was at work for N of the time, as measured",
            "    its thread had N of a processor",
            "    N steps a second",
            "    spinner poll had N steps, which took N of the time",
            "    N of that: poll, <cell N>:N",
            "  One thread can do no more. Wait for what is to come instead of asking for it again and again, do more in"
            " one step, or move work to threads or processes.",
            "  next: %tasks --sort busy  (shows who works most)",
        ],
        look="%doctor 0.8",
        counted=True,
    ),
    Program(
        "a lock that is held for long",
        (
            "lock = asyncio.Lock()\nasync def hold():\n    async with lock:\n        await asyncio.sleep(60)",
            "async def want():\n    async with lock:\n        pass",
            "tasks = [asyncio.create_task(hold(), name='holder')]",
            "tasks += [asyncio.create_task(want(), name=f'worker-{n}') for n in range(1, 6)]; await asyncio.sleep(0)",
        ),
        [
            "waiting in line: N tasks wait for a Lock, and none of them got it in N",
            "    worker-N want (<cell N>:N) has waited at least N for a Lock held by holder hold (<cell N>:N).",
            "    holder hold (<cell N>:N) sleeps N more.",
            "  Hold it for less: await only what has to be done under it.",
            "  next: %locks  (shows who holds it, and who is in line)",
        ],
    ),
    Program(
        "locks in opposite order",
        (
            "a, b = asyncio.Lock(), asyncio.Lock()\nasync def take(first, second):\n    async with first:\n"
            "        await asyncio.sleep(0)\n        async with second: pass",
            "x = asyncio.create_task(take(a, b), name='x'); y = asyncio.create_task(take(b, a), name='y')",
        ),
        [
            "waiting in line: x and y wait for each other",
            "    x take (<cell N>:N) waits for a Lock that y take holds at <cell N>:N",
            "    y take (<cell N>:N) waits for a Lock that x take holds at <cell N>:N",
            "  Take the locks in the same order everywhere, or put a timeout around the wait; %cancel frees one now.",
            "  next: %why N  (goes down to the cause)",
        ],
    ),
    Program(
        "a queue that nobody empties",
        (
            "queue = asyncio.Queue(maxsize=1)\nasync def produce():\n    while True:\n        await queue.put(1)",
            "tasks = [asyncio.create_task(produce(), name=f'producer-{n}') for n in (1, 2, 3)]; await asyncio.sleep(0)",
        ),
        [
            "waiting in line: N tasks wait to put into a Queue(maxsize=N), from which nothing was taken in N",
            "    producer-N produce (<cell N>:N) has waited at least N for Queue(maxsize=N).put, full (N of N in"
            " line).",
            "  Its consumers are too slow, too few, or gone: look at what they wait for.",
            "  next: %tasks --group  (shows where the others stand)",
        ],
    ),
    Program(
        "an executor that is taken",
        (
            "from concurrent.futures import ThreadPoolExecutor\nexecutor = ThreadPoolExecutor(2)\n"
            "asyncio.get_running_loop().set_default_executor(executor)\ndef fetch(): go.wait(20)",
            "tasks = [asyncio.create_task(asyncio.to_thread(fetch), name=f'caller-{n}') for n in range(6)]",
            "while executor._work_queue.qsize() < 4: await asyncio.sleep(0)",
        ),
        [
            "starved executor: all N threads work and N calls wait",
            "    so it was at each of N looks; N waited at the first",
            "    N in fetch",
            "    caller-N to_thread waits to call fetch",
            "  Give the loop an executor with more threads, or run fewer calls at a time: DNS lookups stand in the same"
            " line.",
            "  next: %loop  (shows its threads and what they run)",
        ],
        executor="N of N threads work  N calls queued",
    ),
    Program(
        "tasks that become more",
        (
            "async def one():\n    await gate.wait()\ngate = asyncio.Event()",
            "tasks = [asyncio.create_task(one()) for _ in range(150)]",
            "async def grow():\n    while not go.is_set():\n"
            "        tasks.extend([asyncio.create_task(one()) for _ in range(20)])\n        await asyncio.sleep(0.02)",
            "task = asyncio.create_task(grow(), name='growing')",
        ),
        [
            "growing tasks: N tasks of one at <cell N>:N, N more than N ago",
            "    N, N, N, N at N looks",
            "    Task-N one (<cell N>:N) has waited at least N for Event.wait.",
            "    the first of them was made at <cell N>:N",
            "  Make fewer at a time: a few workers that take what is to be done from a bounded queue need a task each,"
            " no more.",
            "  next: %tasks --group  (shows where they stand)",
        ],
        look="%doctor 0.6",
    ),
    Program(
        "a task that failed and was forgotten",
        (
            "async def crawl():\n    raise LookupError('gone')",
            "task = asyncio.create_task(crawl(), name='crawler'); await asyncio.sleep(0)",
            "from aiorepl.introspect.book import BOOK",
            "repl.stuck();",
            "BOOK.entry(task).since -= 10",
        ),
        [
            "failed, and nobody looked: crawler crawl failed with LookupError('gone')",
            "    raised at <cell N>:N",
            "    made at <cell N>:N",
            "  Await the task, or put it into a TaskGroup.",
            "  next: %task N  (shows all that is known of it)",
        ],
    ),
    Program(
        "a task that goes on after it was cancelled",
        (
            "async def poll():\n    while not go.is_set():\n        try: await asyncio.sleep(0.1)\n"
            "        except asyncio.CancelledError: pass",
            "task = asyncio.create_task(poll(), name='poller'); await asyncio.sleep(0)",
            "from aiorepl.introspect.book import BOOK",
            "task.cancel(); await asyncio.sleep(0); repl.stuck();",
            "BOOK.entry(task).asked -= 10",
        ),
        [
            "something else: poller poll was asked to end at least N ago, and has not",
            "    poller poll (<cell N>:N), made at <cell N>:N",
            f"  {LET_IT_END}",
            "  next: %task N  (shows all that is known of it)",
        ],
    ),
    Program(
        "nothing to do",
        ("1;",),
        [
            "no fault found: no step held the loop up, and no line for a lock stood still",
            "  next: %doctor N  (looks longer, for what comes now and then)",
        ],
    ),
    Program(
        "tasks that wait for work",
        (
            "queue = asyncio.Queue()\nasync def consume():\n    while True:\n        await queue.get()",
            "tasks = [asyncio.create_task(consume()) for n in range(300)]; await asyncio.sleep(0)",
        ),
        [
            "no fault found: no step held the loop up, and no line for a lock stood still",
            "    N tasks of consume at <cell N>:N waited all the time: Queue(maxsize=N).get, empty",
            "  next: %tasks --group  (shows what the tasks wait for)",
        ],
    ),
]

_NUMBER = re.compile(r"(?<![A-Za-z])(about )?(\d[\d,.]*\d|\d)(st|nd|rd|th)?( (?:us|ms|s|bytes|kB|MB)\b|%)?")


def settled(text: str) -> list[str]:
    """The lines without the numbers that depend on the moment, and without the room that these take."""
    return [re.sub(r"(?<=\S)  +", "  ", _NUMBER.sub("N", line)) for line in text.splitlines()]


def examined(program: Program, factory: LoopFactory) -> Diagnosis:
    """Run the program in a real session, and ask."""

    async def script() -> Diagnosis:
        go = threading.Event()
        session = new_session({"go": go}, factory=factory)
        async with conversation(session) as talk:
            for cell in program.cells:
                assert not any("Error" in text for text in texts(await talk.type(cell)))
            try:
                typed = Typed(await talk.type(program.look))
            finally:
                go.set()
        answer = typed.answer
        assert isinstance(answer, Diagnosis), typed.events
        assert [event.fraction for event in typed.progress] == sorted(event.fraction for event in typed.progress)
        return answer

    return asyncio.run(script())


@EACH_LOOP
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_it_is_said_what_is_wrong(program: Program, factory: LoopFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    if program.silent:
        give_time_to_answer(0.02, monkeypatch)
    lines = settled(draw(examined(program, factory), WIDTH))
    # What a task does again and again may have been told of already, or not yet.
    lines = [line.replace(*WITHOUT_AN_ALERT) for line in lines]
    # Between its steps the loop is found in code of its own, be it rarely.
    lines = [line for line in lines if not line.endswith(", asyncio's own code")]
    measured = factory is asyncio.new_event_loop
    expected = list(program.said)
    if not measured:
        # Nothing can be measured there.
        unknown = ("passes a second", "steps a second", "as measured", "steps, which took")
        expected = [line for line in expected if not any(part in line for part in unknown)]
        counting = "  next: %tasks --sort wakes --window N  (counts for N who is woken most)"
        expected = [counting if "--sort busy" in line else line for line in expected]
    assert lines[:1] == ["loop N in thread aiorepl-loop, looked at for N"]
    assert lines[1 : len(expected) + 3] == ["", *expected, ""]
    # What stands behind each label of the table below.
    table = dict(line.split("  ", 1) for line in lines[len(expected) + 3 :])
    assert list(table) == LABELS
    assert table["at work"] == f"N  {'measured' if measured else 'of N looks'}"
    assert table["passes a second"] == ("N" if measured else "–")
    steps = "N" if program.counted else "–  %stats on counts them"
    assert table["steps a second"] == (steps if measured else "–")
    assert table["executor"] == program.executor


WITHOUT_AN_ALERT = ("%where N  (shows where that task stands)", "%alerts N  (shows its stack at that time)")
LABELS = [
    "at work",
    "processor",
    "called back late by",
    "longest step seen",
    "passes a second",
    "steps a second",
    "tasks",
    "executor",
    "memory",
    "of pending tasks",
]


def test_a_call_into_c_that_holds_everything_up_is_told_though_nobody_could_look() -> None:
    program = Program(
        "a call into C",
        (
            "async def count():\n    while not go.is_set():\n        sum(range(15_000_000))\n"
            "        await asyncio.sleep(0.05)",
            "task = asyncio.create_task(count(), name='worker')",
        ),
        [],
        look="%doctor 1",
    )
    (cause,) = examined(program, asyncio.new_event_loop).causes
    # Right after the call it may still be seen in its line.
    assert settled(cause.title)[0] in (
        "a call into C held the loop and the GIL for N; nobody could look",
        "worker (count) held the loop for N",
        "worker (count) held the loop for at least N",
        "worker (count) held the loop N times, for N of N; the longest was N",
    )


def test_a_callback_that_is_written_in_c_is_named() -> None:
    program = Program(
        "a callback in C",
        (
            "import threading\nlock = threading.Lock()\n_ = lock.acquire()",
            "threading.Thread(target=lambda: (go.wait(), lock.release())).start()",
            "_ = asyncio.get_running_loop().call_soon(lock.acquire)",
        ),
        [],
        look="%doctor 1",
        silent=True,
    )
    (cause,) = examined(program, asyncio.new_event_loop).causes
    assert settled(cause.title)[0] == "the callback lock.acquire holds the loop, for at least N so far"
    assert cause.advice.endswith("Write instead: asyncio.Lock, or await asyncio.to_thread(lock.acquire, ...)")


# How it is asked.


@EACH_LOOP
def test_an_apps_loop_is_looked_at_and_nothing_of_it_is_changed(factory: LoopFactory) -> None:
    def state(loop: asyncio.AbstractEventLoop) -> list[object]:
        methods = [loop.create_task, loop.call_at, loop.get_exception_handler(), loop.get_task_factory()]
        return [
            *methods,
            dict(getattr(loop, "__dict__", {})).keys(),
            # The watcher's own, which comes with the first look at all tasks, is the session's.
            [thread for thread in threading.enumerate() if thread.name != "aiorepl-look"],
            gc.isenabled(),
            gc.callbacks,
        ]

    with running_app(factory) as app:

        async def script(talk: Conversation) -> None:
            before = app.call(lambda: state(app.loop))
            answer = Typed(await talk.type("%doctor 0.2")).answer
            assert isinstance(answer, Diagnosis)
            assert [cause.kind for cause in answer.causes] == ["healthy"]
            assert answer.loop.thread == "app"
            the_examination_ends()
            assert app.call(lambda: state(app.loop)) == before

        converse_with(app, script)


def the_examination_ends() -> None:
    for thread in threading.enumerate():
        if thread.name == "aiorepl-examine":
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_ctrl_c_ends_it() -> None:
    typed = type_and_interrupt("%doctor 60", lambda event: isinstance(event, Progress))
    assert typed.outcome == "interrupted"
    the_examination_ends()


def test_it_says_how_far_it_is() -> None:
    (typed,) = type_lines("%doctor 0.2")
    assert {event.text for event in typed.progress} <= {"looking, 1 s left", "looking at the tasks"}
    assert typed.progress[-1] == Progress(1.0, "looking at the tasks")


def test_in_a_cell_it_is_awaited() -> None:
    awaited, with_an_integer, not_awaited = type_lines(
        "[cause.kind for cause in (await repl.doctor(0.1)).causes]",
        "import asyncio; t = asyncio.create_task(repl.doctor(1)); await asyncio.sleep(0); t.cancel()",
        "type(repl.doctor())",
    )
    assert awaited.result == "['healthy']"
    assert with_an_integer.result == "True"
    assert not_awaited.result == "<class 'coroutine'>"


def test_a_command_in_a_cell_takes_a_number_as_a_number() -> None:
    (typed,) = type_lines("repl.loops(repl.loops().chosen).chosen == repl.loops().chosen")
    assert typed.result == "True"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("%doctor 0", "%doctor takes from 0 to 3,600 seconds, not 0"),
        ("%doctor -1", "%doctor takes from 0 to 3,600 seconds, not -1"),
        ("%doctor nan", "%doctor takes from 0 to 3,600 seconds, not nan"),
        ("%doctor 1e9", "%doctor takes from 0 to 3,600 seconds, not 1e+09"),
        ("%doctor soon", "%doctor: SECONDS takes a number, not 'soon' (usage: %doctor [SECONDS])"),
    ],
)
def test_a_wrong_time_is_an_error_that_says_what_to_type(line: str, error: str) -> None:
    (typed,) = type_lines(line)
    assert typed.error == error


@EACH_LOOP
def test_steps_that_follow_each_other_without_a_pause_are_all_counted(factory: LoopFactory) -> None:
    """From before the first look until after the last one the loop comes to itself only after each five of them."""
    thread = threading.Thread(target=lambda: found.append(Examination(loop, 0.9, limits=Limits(slow=0.05)).run()))
    found: list[Observations] = []

    async def step() -> None:
        time.sleep(0.1)  # noqa: ASYNC251

    async def main() -> None:
        thread.start()
        while thread.is_alive():
            await asyncio.gather(*(step() for _ in range(5)))

    loop = factory()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    (spell,) = found[0].sampled.spells
    assert (spell.call, spell.others) == ("time.sleep", True)
    assert spell.times >= 7
    assert spell.total > 0.8 * found[0].seconds
    assert [cause.kind for cause in diagnose(found[0]).causes] == ["blocked"]
