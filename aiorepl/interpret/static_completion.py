"""The first tier of completion: what live values and the text tell at once, without running the user's code."""

import builtins
import heapq
import keyword
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from aiorepl.interpret import completion_files as files
from aiorepl.interpret import static_signature as signatures
from aiorepl.interpret.completion_place import OpenString, Place
from aiorepl.interpret.static_values import (
    UNKNOWN,
    attribute_names,
    describe,
    get_attribute,
    resolve,
)
from aiorepl.model import Completion, Signature

__all__ = ["LIMIT", "Answer", "fitting", "static_answer", "static_signature"]

# A longer menu helps nobody, and one more letter shortens it.
LIMIT = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What the static tier can say.

    ``unknown`` names what it cannot tell and jedi may: the attributes of what stands before the dot, or the
    parameters of the call. ``slow`` finds the completions where the file system has to be asked; it is to be
    called in another thread.
    """

    completions: tuple[Completion, ...] = ()
    unknown: Literal["", "attributes", "parameters"] = ""
    slow: Callable[[], tuple[Completion, ...]] | None = None


_NOTHING = Answer()
_LAZY: type | None = getattr(types, "LazyImportType", None)  # 3.15: a name whose import has not been made


def static_answer(text: str, cursor: int, namespace: Mapping[str, object]) -> Answer:
    """Complete Python code, ``!cmd`` or ``obj?`` at the cursor."""
    before = text[:cursor]
    if before.lstrip().startswith("!"):
        return Answer(slow=partial(files.shell_completions, before.lstrip()[1:], cursor))
    place = Place(text, cursor)
    if place.scan.comment or before.rstrip().endswith("?"):
        return _NOTHING
    if (string := place.string()) is not None:
        return _in_string(place, string, namespace)
    return _in_import(place) or _in_code(place, namespace)


def _in_code(place: Place, namespace: Mapping[str, object]) -> Answer:
    last = place.last
    if last is not None and last.text == ".":
        return _attributes(place, namespace)
    if last is not None and last.text in ("def", "class", "as"):  # a new name
        return _NOTHING
    keys = () if place.prefix else _keys(place, namespace)
    if place.number:
        return Answer(keys)
    parameters, unknown = _parameters(place, namespace)
    names = _names(place, namespace)
    return Answer((*keys, *parameters, *names)[:LIMIT], "parameters" if unknown else "")


def fitting(prefix: str, *groups: Iterable[object]) -> list[list[str]]:
    """The names of each group that begin with the prefix, in any case only if none of all does so exactly.

    Private names fit only after an underscore, ``__dunder__`` ones only after two.
    """
    if not prefix:
        return [[name for name in group if type(name) is str and name[:1] != "_"] for group in groups]
    found = [[name for name in group if type(name) is str and name.startswith(prefix)] for group in groups]
    if not any(found):
        folded, first = prefix.lower(), (prefix[0].lower(), prefix[0].upper())
        near = ([name for name in group if type(name) is str and name[:1] in first] for group in groups)
        found = [[name for name in group if name.lower().startswith(folded)] for group in near]
    return [[name for name in group if name[:2] != "__"] for group in found] if prefix == "_" else found


def _lookup(place: Place, namespace: Mapping[str, object]) -> Callable[[str], object]:
    """A function from a name at the cursor to its value, where that is known without running the cell."""

    def lookup(name: str) -> object:
        if name in place.bound.imports:
            module, item = place.bound.imports[name]
            loaded = sys.modules.get(module, UNKNOWN)
            return get_attribute(loaded, item) if item and loaded is not UNKNOWN else loaded
        if name in place.bound.names:
            return UNKNOWN
        value = namespace.get(name, UNKNOWN)
        if value is UNKNOWN:
            value = vars(builtins).get(name, UNKNOWN)
        return UNKNOWN if type(value) is _LAZY else value

    return lookup


def _attributes(place: Place, namespace: Mapping[str, object]) -> Answer:
    owner = place.attribute_owner()
    if owner is None:
        return _NOTHING
    value = resolve(owner, _lookup(place, namespace))
    if value is UNKNOWN:
        return Answer(unknown="attributes")
    [names] = fitting(place.prefix, attribute_names(value))
    return Answer(
        tuple(_completion(n, place.start, get_attribute(value, n), "attribute") for n in heapq.nsmallest(LIMIT, names))
    )


def _completion(name: str, start: int, value: object, default: str) -> Completion:
    kind, summary = describe(value)
    return Completion(name, start, kind or default, summary)


_AT_START = frozenset((*keyword.kwlist, *keyword.softkwlist)) - {"_"}
_IN_EXPRESSION = frozenset(
    ("None", "True", "False", "await", "lambda", "not", "yield", "async", "from", "for", "in", "if", "else")
)
_AFTER_OPERAND = frozenset(("and", "or", "if", "else", "in", "is", "not", "for", "async", "as", "from"))
_AFTER_ASYNC = frozenset(("def", "for", "with"))


def _names(place: Place, namespace: Mapping[str, object]) -> Iterator[Completion]:
    """The user's names, then builtins and keywords."""
    if place.last is not None and place.last.text == "async":
        yield from _words(place, _AFTER_ASYNC)
    elif place.follows_operand:
        yield from _words(place, _AFTER_OPERAND)
    else:
        bound = place.bound.names
        others = {*vars(builtins), *(_AT_START if place.begins_statement else _IN_EXPRESSION)}
        own, rest = fitting(
            place.prefix,
            [*list(namespace), *(name for name in bound if name not in namespace)],
            [name for name in others if name not in namespace and name not in bound],
        )
        for name in heapq.nsmallest(LIMIT, own):
            yield _own_name(name, place, namespace)
        for name in sorted(rest):
            yield _builtin_name(name, place)


def _words(place: Place, words: Iterable[str]) -> list[Completion]:
    return [Completion(word, place.start, "keyword") for word in sorted(*fitting(place.prefix, words))]


def _own_name(name: str, place: Place, namespace: Mapping[str, object]) -> Completion:
    if name in place.bound.names:
        return Completion(name, place.start, place.bound.names[name])
    return _completion(name, place.start, namespace.get(name), "name")


def _builtin_name(name: str, place: Place) -> Completion:
    if keyword.iskeyword(name) or name not in vars(builtins):
        return Completion(name, place.start, "keyword")
    return _completion(name, place.start, vars(builtins).get(name), "name")


def _parameters(place: Place, namespace: Mapping[str, object]) -> tuple[list[Completion], bool]:
    """The keyword arguments that can begin at the cursor, and whether the call is one that cannot be told."""
    call = place.call_at_argument()
    if call is None:
        return [], False
    value = resolve(call.callee, _lookup(place, namespace))
    if value is UNKNOWN:
        return [], True
    taken = call.arguments.keywords | place.keywords_after()
    parameters = signatures.keywords(signatures.parameters_of(value) or (), call.positional)
    names = sorted(*fitting(place.prefix, [p.name for p in parameters if p.name not in taken]))
    return [Completion(f"{name}=", place.start, "parameter") for name in names], False


def _keys(place: Place, namespace: Mapping[str, object]) -> tuple[Completion, ...]:
    """The keys of ``d`` after ``d[`` or ``d[1``, as they are written."""
    start = place.cursor - len(place.number)
    end = "" if place.after.startswith("]") else "]"
    keys = _keys_of(place, namespace)
    numbers = heapq.nsmallest(
        LIMIT, (key for key in keys if isinstance(key, int) and str(key).startswith(place.number))
    )
    words = [] if place.number else heapq.nsmallest(LIMIT, (key for key in keys if isinstance(key, str)))
    return tuple(Completion(f"{key!r}{end}", start, "key") for key in (*numbers, *words)[:LIMIT])


def _keys_of(place: Place, namespace: Mapping[str, object]) -> list[str | int]:
    subject = place.subscripted()
    if subject is None:
        return []
    value = resolve(subject, _lookup(place, namespace))
    if type(value) is not dict:
        return []
    return [key for key in list(value) if type(key) is str or type(key) is int]


def _in_string(place: Place, string: OpenString, namespace: Mapping[str, object]) -> Answer:
    """Keys of ``d["``, or files."""
    if "\\" in string.typed or "\n" in string.typed:
        return _NOTHING
    if not string.prefix.strip("ru") and (keys := tuple(_quoted_keys(place, string, namespace))):
        return Answer(keys)
    formatted = bool(set(string.prefix) & set("ft"))
    if (formatted and "{" in string.typed) or not _means_path(place, string.typed):
        return _NOTHING
    avoid = string.quote[0] + "\\" + ("{}" if formatted else "")
    return Answer(slow=partial(files.path_completions, string.typed, place.cursor, avoid=avoid))


def _means_path(place: Place, typed: str) -> bool:
    """Whether it looks like a path, or stands where a path is expected."""
    return typed.startswith("~") or "/" in typed or place.argument_of().rpartition(".")[2] in ("open", "Path")


def _quoted_keys(place: Place, string: OpenString, namespace: Mapping[str, object]) -> Iterator[Completion]:
    raw = "r" in string.prefix
    if place.after.startswith(string.quote):
        end = ""
    else:
        end = string.quote if place.after.startswith("]") else f"{string.quote}]"
    start = place.cursor - len(string.typed)
    keys = (k for k in _keys_of(place, namespace) if isinstance(k, str) and k.startswith(string.typed))
    for key in heapq.nsmallest(LIMIT, keys):
        written = key.replace("\\", "\\\\").replace(string.quote[0], f"\\{string.quote[0]}")
        if written.isprintable() and (not raw or written == key):
            yield Completion(f"{written}{end}", start, "key")


_MODULE = re.compile(r"(?:(?:lazy\s+)?import\s+(?:.*,\s*)?|(?:lazy\s+)?from\s+)([\w.]*)\Z", re.DOTALL)
_MEMBER = re.compile(r"(?:lazy\s+)?from\s+([\w.]+)\s+import(?:\s*\(\s*|\s+)(?:.*,\s*)?(\w*)\Z", re.DOTALL)
_RELATIVE = re.compile(r"(?:lazy\s+)?from\s+\.")  # to what, the namespace of a prompt does not say


def _in_import(place: Place) -> Answer | None:
    """Complete an import statement; None if the cursor is not in one."""
    words = place.statement.split(None, 2)
    if not {"import", "from"} & set(words[: 2 if words[:1] == ["lazy"] else 1]) or place.begins_statement:
        return None
    if _RELATIVE.match(place.statement):
        return _NOTHING
    if member := _MEMBER.match(place.statement):
        return Answer(slow=partial(files.name_completions, member[1], member[2], place.cursor))
    if module := _MODULE.match(place.statement):
        return Answer(slow=partial(files.module_completions, module[1], place.cursor))
    if place.last is not None and place.last.text in ("as", "(", ","):
        return _NOTHING
    whole_from = place.statement.startswith(("from", "lazy from")) and " import " not in place.statement
    word = "import" if whole_from else "as"
    return Answer(tuple(_words(place, [word])))


def static_signature(text: str, cursor: int, namespace: Mapping[str, object]) -> Signature | Literal["unknown"] | None:
    """The call around the cursor; None if there is none, "unknown" if what is called cannot be told statically."""
    place = Place(text, cursor)
    call = None if place.scan.comment else place.call()
    if call is None:
        return None
    value = resolve(call.callee, _lookup(place, namespace))
    if value is UNKNOWN:
        return "unknown"
    parameters = signatures.parameters_of(value)
    if parameters is None:
        return None
    active = signatures.active_parameter(parameters, call.positional, call.arguments.current)
    written = signatures.written(parameters)
    index = next((i for i, (name, _) in enumerate(written) if name == active), None)
    name = "".join(call.callee.split()) if re.fullmatch(r"[\w.\s]+", call.callee) else call.callee.rpartition(".")[2]
    return Signature(name, tuple(text for _, text in written), index, signatures.summary_of_call(value))
