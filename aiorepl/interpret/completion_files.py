"""Completions that need the file system: paths, and the modules that could be imported.

Everything here may take as long as a disk does. Nothing is imported: a module that is not loaded is read as text.
"""

import ast
import importlib.machinery
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from aiorepl.interpret.quiet_parse import quiet_parse
from aiorepl.interpret.static_values import attribute_names, describe, get_attribute, module_dict
from aiorepl.model import Completion

__all__ = ["module_completions", "name_completions", "path_completions", "shell_completions"]

_LIMIT = 500


def path_completions(typed: str, cursor: int, *, avoid: str = "") -> tuple[Completion, ...]:
    """The files that the typed path can become; directories end with a slash.

    ``avoid`` are characters that cannot stand in it, as the quote of the string around it.
    """
    folder, slash, prefix = typed.rpartition("/")
    if typed == "~":
        return (Completion("~/", cursor - 1, "path"),)
    start = cursor - len(prefix)
    return tuple(Completion(name, start, "path") for name in _files(folder + slash, prefix, avoid))


def shell_completions(line: str, cursor: int) -> tuple[Completion, ...]:
    """The files that the last word of a shell command can become; what the shell would split is escaped."""
    word = re.search(r"""(?:[^\s"'=<>|;&()\\]|\\.)*\Z""", line, re.DOTALL)
    typed = re.sub(r"\\(.)", r"\1", word[0]) if word else ""
    shift = len(word[0].rpartition("/")[2]) if word else 0
    return tuple(
        Completion(re.sub(r"([^\w@%+=:,./~-])", r"\\\1", c.text), cursor - (1 if typed == "~" else shift), c.kind)
        for c in path_completions(typed, cursor)
    )


def _files(folder: str, prefix: str, avoid: str) -> list[str]:
    """The matching entries of a folder, sorted; hidden ones only if asked for."""
    names = []
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(prefix) and (prefix or not name.startswith(".")) and _can_be_typed(name, avoid):
                    names.append(f"{name}/" if _is_folder(entry) else name)
    except (OSError, ValueError):  # no such folder, not readable, or no path at all
        return []
    return sorted(names)[:_LIMIT]


def _can_be_typed(name: str, avoid: str) -> bool:
    return name.isprintable() and not any(character in avoid for character in name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def module_completions(typed: str, cursor: int) -> tuple[Completion, ...]:
    """The modules that a dotted name can become."""
    package, _, prefix = typed.rpartition(".")
    names = _submodules(package) if package else _top_level()
    start = cursor - len(prefix)
    return tuple(Completion(name, start, "module") for name in _chosen(names, prefix))


def name_completions(module: str, prefix: str, cursor: int) -> tuple[Completion, ...]:
    """What ``from module import`` can name: the module's names, and its submodules."""
    start = cursor - len(prefix)
    submodules = set(_submodules(module))
    loaded = sys.modules.get(module)
    names = set(attribute_names(loaded) if loaded is not None else _names_in_source(module))
    names -= {name for name in dir(object) if loaded is not None}
    found = []
    for name in _chosen(names | submodules, prefix):
        kind, summary = describe(get_attribute(loaded, name))
        found.append(Completion(name, start, kind or ("module" if name in submodules else "name"), summary))
    return tuple(found)


def _chosen(names: Iterable[str], prefix: str) -> list[str]:
    """The names that can follow in an import, sorted; private ones only if asked for."""
    fitting = (n for n in names if n.startswith(prefix) and n.isidentifier())
    return sorted(n for n in set(fitting) if not n.startswith("_") or prefix.startswith("_"))[:_LIMIT]


def _top_level() -> Iterator[str]:
    yield from sys.builtin_module_names
    yield from (name for name in list(sys.modules) if "." not in name)
    yield from _modules_in(sys.path)


def _submodules(package: str) -> list[str]:
    loaded = [n.rpartition(".")[2] for n in list(sys.modules) if n.rpartition(".")[0] == package]
    return [*loaded, *_modules_in(_search_path(package))]


# Folder -> when it was changed last, and its modules.
_listed: dict[str, tuple[int, list[str]]] = {}


def _modules_in(folders: Iterable[str]) -> Iterator[str]:
    for folder in list(folders):
        try:
            changed = os.stat(folder or ".").st_mtime_ns
        except (OSError, ValueError, TypeError):
            continue
        if folder not in _listed or _listed[folder][0] != changed:
            _listed[folder] = changed, [module.name for module in pkgutil.iter_modules([folder or "."])]
        yield from _listed[folder][1]


def _search_path(package: str) -> Sequence[str]:
    """Where the submodules of a package lie; nowhere, if there is no such package."""
    if package in sys.modules:
        path = module_dict(sys.modules[package]).get("__path__")
        return [folder for folder in path if isinstance(folder, str)] if isinstance(path, Iterable) else []
    spec = _find(package)
    return list(spec.submodule_search_locations or ()) if spec is not None else []


def _find(module: str) -> importlib.machinery.ModuleSpec | None:
    """Find a module's file as an import would, but without loading the packages around it."""
    package, _, name = module.rpartition(".")
    path = _search_path(package) if package else None
    if not name or (package and not path):
        return None
    try:
        # By its last name: with a dotted one, a namespace package looks for its parent among the loaded modules.
        return importlib.machinery.PathFinder.find_spec(name, path)
    except (ImportError, OSError, ValueError, AttributeError):
        return None


def _names_in_source(module: str) -> set[str]:
    spec = _find(module)
    if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader) or not spec.origin:
        return set()
    try:
        tree = quiet_parse(spec.loader.get_data(spec.origin), "exec")
        return set(_bound_in(tree.body)) if isinstance(tree, ast.Module) else set()
    except (OSError, RecursionError):
        return set()


def _bound_in(body: Iterable[ast.AST]) -> Iterator[str]:
    """The names that statements bind, also those inside ``if``, ``try`` and ``with``."""
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Import() | ast.ImportFrom():
                yield from (a.asname or a.name.partition(".")[0] for a in node.names if a.name != "*")
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case _:
                yield from _bound_in(ast.iter_child_nodes(node))
