"""The rooms and what each may import, read from the source and seen in running programs."""

import ast
import functools
import graphlib
import marshal
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from processes import Home, python, run

import aiorepl
from aiorepl.remote.attach.bundle import make_bundle

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "aiorepl"

# From left to right: a room imports only what stands to its left, so rooms of one line do not know each other.
ORDER = (
    ("__init__", "errors", "model"),
    ("settings",),
    ("introspect",),
    ("interpret", "alerts"),
    ("commands",),
    ("session",),
    ("remote",),
    ("render",),
    ("api", "serving"),
    ("attached",),
    ("terminal", "remote.client"),
    ("prompt_thread",),
    ("companion", "embedding", "interruptible", "options", "programs"),
    ("application", "main_program"),
    ("beside", "connected", "far_arguments", "far_hints", "far_output", "pytest_plugin"),
    ("far_command", "far_list"),
    ("attaching",),
    ("subcommands",),
    ("cli",),
    ("__main__",),
)
# A module that is a room of its own: it stands where a person is, and its folder in the app.
APART = {"remote.client"}
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}

# Where a package that is not Python's own may be imported.
THIRD_PARTY = {
    "prompt_toolkit": {"terminal"},
    "pygments": {"render", "terminal"},
    "jedi": {"interpret"},
    "platformdirs": {"terminal"},
}

# A package that has loaded what loads it: not a dependency.
HOSTS = {"pytest": {"pytest_plugin"}, "gdb": {"remote"}}

# Registered in a program, this tells at its very end what it has loaded.
TELL = f"import atexit, sys; _ = atexit.register(lambda: print(set({sorted(THIRD_PARTY)}) & sys.modules.keys()))"


class Import(NamedTuple):
    """``importer`` and ``imported`` are full module names; ``at_start`` if it happens when the importer is loaded."""

    importer: str
    imported: str
    at_start: bool

    @property
    def room(self) -> str:
        return room_of(self.importer)

    @property
    def package(self) -> str:
        return self.imported.partition(".")[0]


def modules() -> dict[str, Path]:
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


MODULES = modules()


def room_of(module: str) -> str:
    name = module.removeprefix("aiorepl.")
    if name in APART:
        return name
    return name.split(".")[0] if "." in module else "__init__"


@functools.cache
def imports() -> list[Import]:
    return [
        found
        for name, path in MODULES.items()
        for found in imports_below(ast.parse(path.read_text()), name, at_start=True)
    ]


def imports_below(node: ast.AST, importer: str, *, at_start: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(importer, alias.name, at_start) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{importer} has a relative import"
            yield from (Import(importer, imported_by(child, alias), at_start) for alias in child.names)
        else:
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or only_for_types(child)
            yield from imports_below(child, importer, at_start=at_start and not later)


def imported_by(statement: ast.ImportFrom, alias: ast.alias) -> str:
    """The module that ``from a import b`` loads: ``a.b`` if that is a module, else ``a``."""
    whole = f"{statement.module}.{alias.name}"
    return whole if whole in MODULES else str(statement.module)


def only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def own_imports() -> list[Import]:
    return [found for found in imports() if found.package == "aiorepl"]


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room_of(name) for name in MODULES} == LEVELS.keys()


def test_a_room_imports_only_what_stands_to_its_left() -> None:
    wrong = [
        f"{found.importer} imports {found.imported}"
        for found in own_imports()
        if found.room != room_of(found.imported)
        and LEVELS[room_of(found.imported)] >= LEVELS[found.room]
        # The package offers what rooms to its right can do, and loads them when they are asked for.
        and (found.importer, found.at_start) != ("aiorepl", False)
    ]
    assert wrong == []


def test_what_is_not_pythons_own_is_imported_in_its_rooms_only() -> None:
    wrong = [
        f"{found.importer} imports {found.imported}"
        for found in imports()
        if found.package not in ("aiorepl", *sys.stdlib_module_names)
        and found.room not in (THIRD_PARTY | HOSTS).get(found.package, ())
    ]
    assert wrong == []


def test_jedi_is_imported_in_functions_only() -> None:
    found = [found for found in imports() if found.package == "jedi"]
    assert found
    assert [one.importer for one in found if one.at_start] == []


def test_what_is_imported_is_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=~!; ]", dependency)[0] for dependency in project["dependencies"]}
    assert declared == THIRD_PARTY.keys()
    own = {"aiorepl", *sys.stdlib_module_names, *HOSTS}
    assert {found.package for found in imports()} - own == declared


def test_no_module_needs_itself_to_be_loaded() -> None:
    needs = {name: {f.imported for f in own_imports() if f.importer == name and f.at_start} for name in MODULES}
    for name, needed in needs.items():
        # The package that a module is in is loaded before it, but need not be complete for that.
        needed.discard(name.rpartition(".")[0])
    assert set(graphlib.TopologicalSorter(needs).static_order()) == MODULES.keys()


def test_what_is_sent_to_a_process_needs_nothing_that_is_not() -> None:
    sent = marshal.loads(make_bundle().data).keys()
    assert {"aiorepl", "aiorepl.attached", "aiorepl.render.every_kind"} <= sent
    # The package names what it loads only when it is asked for.
    importers = sent - {"aiorepl"}
    missing = {found.imported for found in own_imports() if found.importer in importers} - sent
    assert missing == set()


def test_the_public_names_are_these() -> None:
    assert aiorepl.__all__ == [
        *("__version__", "command", "dump", "embed", "install_attach_signal", "install_dump_signal", "post_mortem"),
        *("serve", "snapshot", "watch", "why"),
    ]


def test_code_loads_the_standard_library_only(home: Home) -> None:
    assert run("-c", TELL, home=home).out == "set()\n"


def test_a_file_loads_the_standard_library_only(home: Home) -> None:
    (home.path / "program.py").write_text(f"{TELL}\nawait asyncio.sleep(0)\n")
    assert run("program.py", home=home).out == "set()\n"


def test_a_pipe_loads_the_standard_library_only(home: Home) -> None:
    cells = f"{TELL}\nawait asyncio.sleep(0, 'slept')\nlen\n1/0\n"
    assert run(home=home, stdin=cells).out == "'slept'\n<built-in function len>\nset()\n"


def test_a_command_on_a_pipe_loads_the_standard_library_only(home: Home) -> None:
    ended = run(home=home, stdin=f"{TELL}\nx = 1\n%who\n%help\n%time x\n%nothing\nx?\n")
    assert ended.out.endswith("\nset()\n")


def test_serve_loads_the_standard_library_only(home: Home) -> None:
    """Neither when it is called, nor with a session, a command and a completion."""
    program = f"""{TELL}
import asyncio, sys
import aiorepl
with aiorepl.serve("app") as server:
    from aiorepl.remote.discovery import find
    from aiorepl.remote.client import RemoteSession
    from aiorepl.settings import Settings

    async def visit():
        session = RemoteSession(find("app"), settings=Settings())
        await session.open()
        for line in ("1 + 1", "%tasks", "asyncio?", "1/0"):
            print(*[type(event).__name__ async for event in session.submit(line)])
        print([len(batch) > 0 async for batch in session.complete("asyncio.get_running_loop().ca", 29)])
        await session.aclose()

    asyncio.run(visit())
"""
    (home.path / "program.py").write_text(program)
    ended = python("program.py", home=home)
    assert (ended.out, ended.err) == ("Result Done\nAnswer Done\nAnswer Done\nFailure Done\n[False]\nset()\n", "")


def test_serve_alone_loads_next_to_nothing(home: Home) -> None:
    program = "import asyncio, sys; before = set(sys.modules); import aiorepl; aiorepl.serve(); " + (
        "print(*sorted(name for name in set(sys.modules) - before if name.startswith('aiorepl')))"
    )
    (home.path / "program.py").write_text(program)
    assert python("program.py", home=home).out.split() == [
        "aiorepl",
        "aiorepl.errors",
        "aiorepl.introspect",
        "aiorepl.introspect.own_loops",
        "aiorepl.remote",
        "aiorepl.remote.loading",
        "aiorepl.remote.offer",
        "aiorepl.remote.server",
        "aiorepl.remote.sockets",
        "aiorepl.serving",
    ]
