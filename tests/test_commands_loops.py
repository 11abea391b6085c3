"""``%loop``, ``%loops``, ``%timers`` and ``%io``, typed into a real session, and how their answers look."""

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from command_session import Typed, new_session, type_lines

from aiorepl.commands.loop_values import IoList, IoRow, LoopDetails, LoopList, TimerList, TimerRow
from aiorepl.commands.registry import COMMANDS
from aiorepl.commands.task_values import Blocked, TaskRef
from aiorepl.introspect.own_loops import mark_own
from aiorepl.introspect.values import ExecutorInfo, Frame, LoopInfo, Registration, Timer
from aiorepl.render.plain import draw
from aiorepl.session.local import LocalSession


@asynccontextmanager
async def opened(**names: object) -> AsyncIterator[LocalSession]:
    """A session in which lines are typed one by one, on a loop of aiorepl's own."""
    mark_own(asyncio.get_running_loop())
    session = new_session(names)
    await session.open()
    try:
        yield session
    finally:
        await session.aclose()


async def type_into(session: LocalSession, line: str) -> Typed:
    return Typed([event async for event in session.submit(line)])


# What they find.


def test_loop_tells_what_the_loop_has_to_do() -> None:
    *_, typed = type_lines(
        "task = asyncio.create_task(asyncio.sleep(100))", "await asyncio.to_thread(len, ())", "%loop"
    )
    answer = typed.answer
    assert isinstance(answer, LoopDetails)
    info = answer.loop
    assert (info.kind, info.thread, info.running, info.debug) == (
        "asyncio.SelectorEventLoop",
        "aiorepl-loop",
        True,
        False,
    )
    assert (info.tasks, info.ready, info.timers, info.registered, info.error) == (1, 0, 1, 0, "")
    assert info.executor is not None
    assert (info.executor.workers, info.executor.idle, info.executor.queued, info.executor.running) == (1, 1, 0, ())
    assert (answer.current, answer.blocked, info.stack) == (None, None, ())


GO, BEGUN = threading.Event(), threading.Event()


async def blocks() -> None:
    BEGUN.set()
    GO.wait(20)


def test_a_blocked_loop_is_looked_at_from_outside_and_the_line_is_named(looks_at_once: None) -> None:
    async def converse() -> list[Typed]:
        async with opened(blocks=blocks) as session:
            await type_into(session, "timer = asyncio.get_running_loop().call_later(100, len)")
            await type_into(session, "task = asyncio.create_task(blocks(), name='culprit')")
            await asyncio.to_thread(BEGUN.wait)
            try:
                return [await type_into(session, line) for line in ("%loop", "%timers", "%io", "%loops")]
            finally:
                GO.set()

    loop, timers, io, loops = asyncio.run(converse())
    assert isinstance(loop.answer, LoopDetails)
    assert isinstance(timers.answer, TimerList)
    assert isinstance(io.answer, IoList)
    assert isinstance(loops.answer, LoopList)
    assert f": {loop.answer.loop.kind}, blocked\n" in loop.drawn
    culprit = loop.answer.current
    assert culprit is not None
    assert culprit.name == "culprit"
    line = blocks.__code__.co_firstlineno + 2
    blocked = Blocked(Frame("blocks", __file__, line), culprit)
    assert (loop.answer.blocked, timers.answer.blocked, io.answer.blocked) == (blocked, blocked, blocked)
    assert (loop.answer.loop.tasks, loop.answer.loop.ready) == (1, 0)
    assert [row.timer.callback for row in timers.answer.rows] == ["len"]
    assert io.answer.total == 0
    assert [info.tasks for info in loops.answer.loops if info.thread == "aiorepl-loop"] == [1]
    assert " ".join(io.drawn.split()) == (
        f"the loop does not answer: blocked in blocks (test_commands_loops.py:{line}) by {culprit.number} culprit;"
        " this was seen from outside no descriptors"
    )


def test_loops_lists_the_loops_and_chooses_one_for_the_commands_to_look_at() -> None:
    other = asyncio.new_event_loop()
    thread = threading.Thread(target=other.run_forever, name="other-thread")
    other.call_later(100, lambda: None)
    started = threading.Event()
    other.call_soon(started.set)
    thread.start()
    started.wait()

    async def converse() -> None:
        async with opened(other=other) as session:
            # When a cell has run, the loop does.
            await type_into(session, "1")
            listed = (await type_into(session, "%loops")).answer
            assert isinstance(listed, LoopList)
            by_thread = {info.thread: info for info in listed.loops}
            assert {"aiorepl-loop", "other-thread"} <= by_thread.keys()
            assert "MainThread" not in by_thread
            assert listed.chosen == by_thread["aiorepl-loop"].number
            number = by_thread["other-thread"].number
            chosen = (await type_into(session, f"%loops {number}")).answer
            assert isinstance(chosen, LoopList)
            assert chosen.chosen == number
            timers = (await type_into(session, "%timers")).answer
            assert isinstance(timers, TimerList)
            assert len(timers.rows) == 1
            details = (await type_into(session, "%loop")).answer
            assert isinstance(details, LoopDetails)
            assert details.loop.thread == "other-thread"
            # Cells still run where they did.
            cell = await type_into(session, "asyncio.get_running_loop() is other")
            assert cell.result.endswith("False")
            completed = COMMANDS.complete("%loops ")
            assert completed is not None
            assert (str(number), "asyncio.SelectorEventLoop in other-thread") in [
                (c.text, c.summary) for c in completed
            ]
            running = sorted(info.number for info in listed.loops)
            error = (await type_into(session, "%loops 99999")).error
            assert error == f"no loop 99999; running: {', '.join(map(str, running))}"

    try:
        asyncio.run(converse())
    finally:
        other.call_soon_threadsafe(other.stop)
        thread.join()
        other.close()


def test_timers_tells_the_task_and_its_line_and_is_bounded() -> None:
    cells = (
        "async def nap(seconds):\n    await asyncio.sleep(seconds)",
        "tasks = [asyncio.create_task(nap(100 + n), name=f'nap-{n}') for n in range(30)]; await asyncio.sleep(0)",
    )
    *_, all_, two = type_lines(*cells, "%timers", "%timers --top 2")
    assert isinstance(all_.answer, TimerList)
    assert (len(all_.answer.rows), all_.answer.total) == (20, 30)
    assert isinstance(two.answer, TimerList)
    assert [row.task and row.task.name for row in two.answer.rows] == ["nap-0", "nap-1"]
    assert [row.timer.frame and (row.timer.frame.function, row.timer.frame.line) for row in two.answer.rows] == [
        ("nap", 2)
    ] * 2
    assert two.drawn.endswith("… 28 more; --top N shows more\n")
    assert re.search(r"^1 min 4\d s  \d+ nap-0 +<cell 1>:2  end of a sleep$", two.drawn, re.MULTILINE)


def test_io_tells_what_is_watched() -> None:
    a, b = socket.socketpair()
    with a, b:
        a.setblocking(False)
        cell = "task = asyncio.create_task(asyncio.get_running_loop().sock_recv(a, 1), name='receives')"
        *_, typed = type_lines(cell, "await asyncio.sleep(0)", "%io", namespace={"a": a})
        assert isinstance(typed.answer, IoList)
        (row,) = typed.answer.rows
        assert row.registration[:5] == (a.fileno(), "unix", "read", "", "BaseSelectorEventLoop._sock_recv")
        assert row.task is not None
        assert row.task.name == "receives"
        assert typed.answer.total == 1
        number = row.task.number
        assert typed.drawn.splitlines()[1].split() == [
            str(a.fileno()),
            "unix",
            "read",
            str(number),
            "receives",
            "BaseSelectorEventLoop._sock_recv",
            "–",
        ]


# How it looks.

FRAME = Frame("serve", "/srv/app.py", 41)
INFO = LoopInfo(1, "asyncio.SelectorEventLoop", "MainThread", True, slow_callback_duration=0.1)


def test_what_was_not_measured_is_a_dash() -> None:
    assert draw(LoopDetails(INFO._replace(thread="", slow_callback_duration=None))) == (
        "loop 1: asyncio.SelectorEventLoop, running\n"
        "thread            –\n"
        "tasks             –\n"
        "ready             –\n"
        "timers            –\n"
        "watches           –\n"
        "executor          –\n"
        "async generators  –\n"
        "debug mode        off\n"
    )


def test_all_about_a_loop_is_a_list() -> None:
    executor = ExecutorInfo(4, 32, 2, 1, ("requests.get", "time.sleep"))
    info = INFO._replace(
        tasks=1234, ready=1, timers=3, registered=12, executor=executor, asyncgens=0, debug=True, error="OSError: no"
    )
    assert draw(LoopDetails(info, TaskRef(7, "writer"), Blocked(FRAME, TaskRef(7, "writer"))), 100) == (
        "the loop does not answer: blocked in serve (app.py:41) by 7 writer; this was seen from outside\n"
        "not everything could be read: OSError: no\n"
        "loop 1: asyncio.SelectorEventLoop, blocked\n"
        "thread            MainThread\n"
        "tasks             1,234\n"
        "runs now          7 writer\n"
        "ready             1 callback\n"
        "timers            3\n"
        "watches           12 descriptors\n"
        "executor          2 of 4 threads busy (requests.get, time.sleep), 1 call queued, at most 32 threads\n"
        "async generators  0\n"
        "debug mode        on, reports callbacks of 100 ms and more\n"
    )


def test_the_chosen_loop_is_marked() -> None:
    others = (INFO, INFO._replace(number=2, kind="uvloop.Loop", thread="", running=False, tasks=3, ready=0, timers=12))
    assert draw(LoopList(others, 2)) == (
        "loop  thread      state    tasks  ready  timers  kind\n"
        "   1  MainThread  running      –      –       –  asyncio.SelectorEventLoop\n"
        "  *2  –           stopped      3      0      12  uvloop.Loop\n"
        "* is looked at; %loops N chooses another\n"
    )
    assert draw(LoopList(others[:1], 1)).splitlines()[1:] == [
        "  *1  MainThread  running      –      –       –  asyncio.SelectorEventLoop"
    ]


def test_timers_are_drawn_with_what_they_are_for() -> None:
    rows = (
        TimerRow(Timer(-0.25, "_set_result_unless_cancelled", FRAME, 7), TaskRef(7, "writer")),
        TimerRow(Timer(3.5, "Service.tick", Frame("Service.tick", "/srv/service.py", 12))),
        TimerRow(Timer(90, "time.sleep")),
    )
    assert draw(TimerList(rows, 1503)) == (
        "        in  task      place          calls\n"
        "   -250 ms  7 writer  app.py:41      end of a sleep\n"
        "     3.5 s  –         service.py:12  Service.tick\n"
        "1 min 30 s  –         –              time.sleep\n"
        "… 1,500 more; --top N shows more\n"
    )
    assert draw(TimerList((), 0)) == "no timers\n"
    assert draw(TimerList((), None)) == "a loop of this kind does not tell its timers\n"


def test_descriptors_are_drawn_with_their_addresses() -> None:
    rows = (
        IoRow(Registration(7, "tcp", "read", "listens on 0.0.0.0:80", "app.Http")),
        IoRow(Registration(12, "unix", "read+write", "", "Loop._sock_recv", 3), TaskRef(3, "reader")),
    )
    assert draw(IoList(rows, 2), 100) == (
        "fd  kind  for         task      protocol or callback  what\n"
        " 7  tcp   read        –         app.Http              listens on 0.0.0.0:80\n"
        "12  unix  read+write  3 reader  Loop._sock_recv       –\n"
    )
    assert draw(IoList((), None, error="OSError: no")) == (
        "not everything could be read: OSError: no\na loop of this kind does not tell its descriptors\n"
    )


def test_what_the_program_named_cannot_steer_the_terminal() -> None:
    row = TimerRow(Timer(1, "\x1b[2J", Frame("f", "\x1b.py", 1), 1), TaskRef(1, "\x1b]0;x\x07"))
    assert "\x1b" not in draw(TimerList((row,), 1))


def test_a_loop_that_does_not_answer_is_told_with_where_it_stands() -> None:
    value = LoopList((INFO, INFO._replace(number=2, thread="index")), 1, ((2, Blocked(FRAME, TaskRef(7, "writer"))),))
    _, first, second, stands, _ = draw(value).splitlines()
    assert ("running" in first, "blocked" in second) == (True, True)
    assert stands == f"loop 2 does not answer: blocked in {FRAME.function} (app.py:{FRAME.line}) by 7 writer"
