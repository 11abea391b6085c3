"""A loop that is not the one that is looked at, and does not answer."""

import asyncio
import concurrent.futures

import pytest
from loop_factories import EACH_LOOP, LoopFactory
from loops_elsewhere import loop_elsewhere

from aiorepl.alerts.doctor import diagnose
from aiorepl.alerts.examination import Examination
from aiorepl.introspect.inspector import AtOnce, NearbyInspector
from aiorepl.introspect.silence import silent_finding
from aiorepl.introspect.values import Frame, LoopInfo


def info(*stack: Frame) -> LoopInfo:
    return LoopInfo(2, "uvloop.Loop", "index", True, stack=stack)


OWN = Frame("Index.add", "/srv/search.py", 39)
LOOP = Frame("Handle._run", "/lib/python3.11/asyncio/events.py", 80, library=True)
CALL = Frame("Future.result", "/lib/python3.11/concurrent/futures/_base.py", 451, library=True)


@pytest.mark.parametrize(
    ("stack", "title", "evidence"),
    [
        (
            (LOOP, OWN, CALL),
            "loop 2 in thread index does not answer: Index.add (search.py:39) holds it, in Future.result",
            ("Index.add (search.py:39) > Future.result (_base.py:451)",),
        ),
        (
            (LOOP, OWN),
            "loop 2 in thread index does not answer: Index.add (search.py:39) holds it",
            ("Index.add (search.py:39)",),
        ),
        ((), "loop 2 in thread index does not answer", ()),
    ],
)
def test_it_is_said_where_it_stands(stack: tuple[Frame, ...], title: str, evidence: tuple[str, ...]) -> None:
    finding = silent_finding(info(*stack))
    assert (finding.kind, finding.title, finding.evidence) == ("blocked-loop", title, evidence)


@EACH_LOOP
def test_it_is_found_from_another_loop_and_by_the_doctor(factory: LoopFactory, looks_at_once: None) -> None:
    with loop_elsewhere(factory) as other, loop_elsewhere() as watched, concurrent.futures.ThreadPoolExecutor() as pool:
        inspector = NearbyInspector(lambda: watched.loop)
        both = [watched.loop, other.loop]
        assert asyncio.run(inspector.silent([watched.loop])) == ()
        with other.blocked():
            (found,) = asyncio.run(inspector.silent(both))
            (again,) = watched.run(AtOnce(inspector).silent(both))
            assert found.number == again.number
            # uvloop keeps its thread to itself, where it executes no task.
            assert any(frame.function.endswith("block") for frame in found.stack) or "uvloop" in found.kind
            seen = pool.submit(Examination(watched.loop, 0.1).run).result()
        assert [cause.title for cause in diagnose(seen).causes] == [silent_finding(one).title for one in seen.silent]
        assert len(seen.silent) == 1
