"""The names of a program: read and bound where they are, the session's own kept apart."""

import asyncio
import pickle
import sys
from types import FrameType, ModuleType

import pytest

from aiorepl.interpret.interpreter import keep
from aiorepl.interpret.program_namespace import FrameLocals, ProgramNamespace


def module(**names: object) -> dict[str, object]:
    return {"__name__": "program", "__builtins__": __builtins__, **names}


def run(text: str, namespace: ProgramNamespace) -> None:
    exec(compile(text, "<cell>", "exec"), namespace)


def test_globals_are_read_and_bound_in_place() -> None:
    names = module(x=1)
    namespace = ProgramNamespace(names)
    run("x += 1\ny = [x for _ in range(2)], (lambda: x)()", namespace)
    assert names["x"] == 2
    assert namespace["y"] == ([2, 2], 2)
    assert "y" not in names
    assert namespace.bound() == {"y": ([2, 2], 2)}
    names["x"] = 3
    assert eval("(lambda: x)()", namespace) == 3


def test_new_names_become_globals_where_the_program_adopts_them() -> None:
    names = module()
    namespace = ProgramNamespace(names, adopts=True)
    run("y = 1\ndef f(): return y\nclass C: pass", namespace)
    assert names["y"] == 1
    assert {"y", "f", "C"} == namespace.bound().keys()
    run("del y", namespace)
    assert "y" not in names


@pytest.mark.parametrize("name", ["_", "__", "___", "_1", "_exc"])
def test_results_never_hide_a_name_of_the_program(name: str) -> None:
    names = module(**{name: "the program's"})
    namespace = ProgramNamespace(names, adopts=True)
    assert namespace[name] == "the program's"
    namespace[name] = "the session's"
    assert namespace[name] == eval(f"(lambda: {name})()", namespace) == "the session's"
    assert names[name] == "the program's"


def test_a_global_statement_in_a_cells_function_reaches_the_program() -> None:
    names = module(count=1)
    namespace = ProgramNamespace(names)
    run("def f():\n    global count, fresh\n    count += 1\n    fresh = count\nf()", namespace)
    assert namespace["count"] == names["count"] == 2
    assert namespace["fresh"] == 2
    assert "fresh" not in names


def test_it_is_a_mapping_of_everything_in_sight() -> None:
    names = module(x=1)
    namespace = ProgramNamespace(names)
    namespace["y"] = 2
    everything = {**names, "y": 2}
    assert dict(namespace) == {**namespace} == everything
    assert list(namespace.items()) == list(everything.items())
    assert len(namespace) == 4
    assert namespace.get("x") == 1
    assert namespace.get("z") is None
    assert namespace.setdefault("x", 5) == 1
    assert namespace.pop("y") == 2
    with pytest.raises(KeyError):
        namespace["y"]
    with pytest.raises(NameError):
        run("y", namespace)
    assert ProgramNamespace({})


def test_what_a_cell_defines_belongs_to_the_programs_module(monkeypatch: pytest.MonkeyPatch) -> None:
    program = ModuleType("program")
    monkeypatch.setitem(sys.modules, "program", program)
    namespace = ProgramNamespace(program.__dict__, adopts=True)
    run("class Kept:\n    pass\ndef f():\n    pass", namespace)
    kept: type = program.Kept
    assert type(pickle.loads(pickle.dumps(kept()))) is kept
    assert program.f.__module__ == "program"


X = "global"


async def suspended(run: asyncio.Event, frames: list[FrameType]) -> list[object]:
    number, unbound = 1, None
    del unbound
    values = [1, 2]

    def add(more: int) -> int:
        return number + more

    frames.append(sys._getframe())
    await run.wait()
    unbound = locals().get("unbound", "still unbound")
    return [number, unbound, values, add(1), X]


def test_the_variables_of_a_suspended_coroutine_are_read_and_bound() -> None:
    async def main() -> None:
        event, frames = asyncio.Event(), list[FrameType]()
        task = asyncio.create_task(suspended(event, frames))
        await asyncio.sleep(0)
        namespace = ProgramNamespace.of_frame(frames[0])
        assert eval("[n + number for n in values], (lambda: number)()", namespace) == ([2, 3], 1)
        assert "unbound" not in namespace
        run("number = 10; unbound = 'bound'; values.append(3); X = 'changed'; new = add(0)", namespace)
        assert namespace["new"] == namespace["number"] == 10
        assert namespace.bound() == {"new": 10}
        with pytest.raises(NameError):
            run("del number", namespace)
        event.set()
        assert await task == [10, "bound", [1, 2, 3], 11, "changed"]

    try:
        asyncio.run(main())
    finally:
        globals()["X"] = "global"


def test_at_the_top_of_a_module_locals_are_globals() -> None:
    frames: list[FrameType] = []
    names = module(frames=frames, sys=sys)
    exec("frames.append(sys._getframe())", names)
    run("new = 1", ProgramNamespace.of_frame(frames[0]))
    assert names["new"] == 1


def test_the_body_of_a_class_takes_new_names() -> None:
    class Body:
        frame = FrameLocals(sys._getframe())
        frame["added"] = 1
        assert frame["added"] == 1
        assert "frame" in frame
        assert len(frame) >= 3

    assert Body.added == 1  # type: ignore[attr-defined]


def test_a_result_leaves_a_programs_underscore_alone() -> None:
    namespace = ProgramNamespace({"_": "the program's"})
    keep(namespace, 1, "a result", {})
    assert (namespace["_"], namespace["_1"], "__" in namespace) == ("the program's", "a result", False)
