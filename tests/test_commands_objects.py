"""``object?`` tells what an object is, and runs nothing of the user's to find out."""

import asyncio
import inspect

import pytest
from command_session import Typed, type_lines

from aiorepl.commands.values import ObjectHelp
from aiorepl.render.plain import draw

TRAP = '''
class Trap:
    """A class whose every hook ends the test."""
    __slots__ = ("slot",)
    def __getattr__(self, name): raise SystemExit(name)
    def __repr__(self): raise SystemExit("repr")
    @property
    def __class__(self): raise SystemExit("class")
    @property
    def size(self) -> int:
        """How big it is."""
        raise SystemExit("size")
    def method(self, x, *, y=1):
        """Do it."""
    @classmethod
    def make(cls, z): "Make one."
    @staticmethod
    def helper(): "Help."
    def __call__(self, a): "Call."
'''


def ask(*lines: str) -> list[ObjectHelp]:
    typed = type_lines(*lines)
    return [one.answer for one in typed if isinstance(one.answer, ObjectHelp)]


def refused(*lines: str) -> str:
    typed: Typed = type_lines(*lines)[-1]
    return typed.error


def test_a_function_of_the_library() -> None:
    (found,) = ask("asyncio.sleep?")
    assert (found.type_name, found.signature) == ("function", "(delay, result=None)")
    assert found.doc == inspect.getdoc(asyncio.sleep)
    assert (found.file, found.line) == (asyncio.sleep.__code__.co_filename, asyncio.sleep.__code__.co_firstlineno)
    assert found.source == ""


def test_nothing_of_the_users_is_run() -> None:
    trap, size, method, make, helper, slot = ask(
        TRAP, "t = Trap(); t.slot = [1]", "t?", "t.size??", "t.method?", "t.make?", "Trap.helper?", "t.slot?"
    )
    assert (trap.type_name, trap.signature, trap.summary) == ("Trap", "(a)", "")
    assert trap.doc == "A class whose every hook ends the test."
    assert (size.type_name, size.doc) == ("property", "How big it is.")
    assert size.source.startswith("    @property\n    def size(self) -> int:\n")
    assert (method.signature, method.doc, method.line) == ("(x, *, y=1)", "Do it.", 13)
    assert (make.signature, helper.signature) == ("(z)", "()")
    assert (slot.type_name, slot.summary) == ("list", "[1]")


def test_source_of_what_cells_define() -> None:
    function = "def f(x):\n    return x\n"
    method = "class B:\n    class C:\n        def m(self): ...\n    z = 2"
    f, b, c, again, m = ask(
        function, "class B: old = 1", method, "f??", "B??", "B.C??", "class D:\n    '''New.'''", "D??", "B.C.m??"
    )
    assert f.source == function
    assert (b.source, b.file, b.line) == (method + "\n", "<cell 3>", 1)
    assert (c.source, c.line) == ("    class C:\n        def m(self): ...\n", 2)
    assert again.source == "class D:\n    '''New.'''\n"
    assert m.source == "        def m(self): ...\n"


def test_a_class_without_methods_is_found_with_its_decorators() -> None:
    (found,) = ask("def keep(cls): return cls", "if True:\n    @keep\n    class A:\n        y = 1", "A??")
    assert found.source == "    @keep\n    class A:\n        y = 1\n"


def test_a_class_that_replaced_another_is_the_newer_one() -> None:
    (found,) = ask("class A: y = 1", "class A: y = 2", "A??")
    assert found.source == "class A: y = 2\n"


@pytest.mark.filterwarnings("ignore:coroutine")
def test_what_runs_tells_how_far_it_is() -> None:
    task, coroutine, generator, started, done = ask(
        "async def wait():\n    await asyncio.sleep(60)",
        "task = asyncio.create_task(wait(), name='waiter'); await asyncio.sleep(0)",
        "c = wait()",
        "g = (i for i in [1, 2])",
        "task?",
        "c??",
        "g?",
        "next(g); g.close.__self__ is g",
        "g?",
        "c.close(); list(g); task.cancel()",
        "g?",
    )
    assert task.summary == "waiter, pending"
    assert coroutine.summary == "wait, not started"
    assert coroutine.source.startswith("async def wait():\n")
    assert generator.summary == "<genexpr>, not started"
    assert started.summary == "<genexpr>, suspended at line 1"
    assert done.summary == "<genexpr>, finished"


def test_builtins_literals_and_items() -> None:
    length, upper, item, module = ask("d = {'k': [1, (2, 3)]}", "len?", "''.upper?", "d['k'][1]?", "asyncio?")
    assert length.signature == "(obj, /)"
    assert (upper.signature, upper.type_name) == ("()", "builtin_function_or_method")
    assert item.summary == "(2, 3)"
    assert module.file == asyncio.__file__


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing?", "no name 'nothing'"),
        ("asyncio.slep?", "asyncio has no attribute 'slep'"),
        ("asyncio['x']?", "asyncio['x'] would have to be run; give it a name first, then ask for that"),
        ("d[1]?", "d has no [1]"),
        ("d[d]?", "d[d] would have to be run; give it a name first, then ask for that"),
        ("for?", "for is not a name, such as asyncio.sleep"),
    ],
)
def test_what_cannot_be_told_is_one_line(line: str, message: str) -> None:
    assert refused("d = {}", line) == message


def test_it_is_drawn_in_forty_columns() -> None:
    *_, typed = type_lines("def f(first: int, second: str = 'two') -> None:\n    '''Do.'''", "f?")
    assert draw(typed.answer, 40) == (
        "signature  f(first: int, second: str =\n"
        "           'two') -> None\n"
        "type       function\n"
        "file       <cell 1>:1\n"
        "\n"
        "Do.\n"
    )
