"""Calls that are known to block the thread, and what to write instead. Nothing of the program is run to tell them."""

import dis
import functools
import itertools
import linecache
import sys
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import NamedTuple

from aiorepl.alerts.calls import Call, whole_call
from aiorepl.alerts.running import running_callback, runs_callback
from aiorepl.introspect.callbacks import callback_name, called_function
from aiorepl.introspect.chain import bounded

__all__ = ["BlockingCall", "blocking_call"]


class BlockingCall(NamedTuple):
    """A call that blocks: its name, the frame of the program's that made it, and what to write instead."""

    name: str
    frame: FrameType
    cure: str


# In a cure {call} stands for the function and its arguments as a call in a thread takes them, {arguments} for the
# arguments alone.
_THREAD = "await asyncio.to_thread({call})"

# Functions that are written in C have no frame: they are recognised in the line that calls them, by module and name.
_IN_C = {
    ("time", "sleep"): "await asyncio.sleep({arguments})",
    ("posix", "system"): "await asyncio.create_subprocess_shell({arguments})",
    ("posix", "waitpid"): "await asyncio.create_subprocess_exec(...) and await process.wait()",
    ("posix", "wait"): "await asyncio.create_subprocess_exec(...) and await process.wait()",
    ("_socket", "getaddrinfo"): "await loop.getaddrinfo({arguments})",
    ("_socket", "gethostbyname"): "await loop.getaddrinfo(...)",
    ("_socket", "gethostbyaddr"): "await loop.getnameinfo(...)",
    ("_socket", "getnameinfo"): "await loop.getnameinfo(...)",
    ("select", "select"): "loop.add_reader(...), or the streams of asyncio",
    ("_sqlite3", "connect"): "aiosqlite, or " + _THREAD,
    ("sqlite3", "connect"): "aiosqlite, or " + _THREAD,
    ("builtins", "input"): _THREAD,
    ("io", "open"): _THREAD + ", and to_thread for what is read and written",
    ("_io", "open"): _THREAD + ", and to_thread for what is read and written",
}

# Those that are written in Python are recognised by their frames: by the module that a frame is from, and a function's
# name, or "" for all of them. The first that fits from the outside counts, as that is the call the program made.
_IN_PYTHON = {
    ("requests.api", ""): ("requests.{name}", "httpx.AsyncClient or aiohttp, or " + _THREAD),
    ("requests.sessions", ""): ("requests.Session.{name}", "httpx.AsyncClient or aiohttp, or " + _THREAD),
    ("httpx._api", ""): ("httpx.{name}", "httpx.AsyncClient"),
    ("httpx._client", "request"): ("httpx.Client.{name}", "httpx.AsyncClient"),
    ("urllib.request", "urlopen"): ("urllib.request.urlopen", _THREAD),
    ("urllib.request", "urlretrieve"): ("urllib.request.urlretrieve", _THREAD),
    ("urllib3.poolmanager", ""): ("urllib3 {name}", "httpx.AsyncClient or aiohttp, or " + _THREAD),
    ("http.client", ""): ("http.client {name}", "httpx.AsyncClient or aiohttp, or " + _THREAD),
    ("subprocess", "run"): ("subprocess.run", "await asyncio.create_subprocess_exec(...)"),
    ("subprocess", "call"): ("subprocess.call", "await asyncio.create_subprocess_exec(...)"),
    ("subprocess", "check_call"): ("subprocess.check_call", "await asyncio.create_subprocess_exec(...)"),
    ("subprocess", "check_output"): ("subprocess.check_output", "await asyncio.create_subprocess_exec(...)"),
    ("subprocess", "wait"): ("Popen.wait", "await asyncio.create_subprocess_exec(...) and await process.wait()"),
    ("subprocess", "communicate"): ("Popen.communicate", "asyncio's subprocesses, and await process.communicate()"),
    ("socket", "create_connection"): ("socket.create_connection", "await asyncio.open_connection(...)"),
    ("socket", "getaddrinfo"): ("socket.getaddrinfo", "await loop.getaddrinfo({arguments})"),
    ("socket", "getfqdn"): ("socket.getfqdn", _THREAD),
    ("socket", "accept"): ("socket.accept", "await asyncio.start_server(...), or await loop.sock_accept(...)"),
    ("ssl", "read"): ("a socket's read", "await asyncio.open_connection(...)"),
    ("smtplib", ""): ("smtplib {name}", "aiosmtplib, or " + _THREAD),
    ("ftplib", ""): ("ftplib {name}", _THREAD),
    ("queue", "get"): ("queue.Queue.get", "asyncio.Queue"),
    ("queue", "put"): ("queue.Queue.put", "asyncio.Queue"),
    ("threading", "join"): ("Thread.join", _THREAD),
    ("threading", "wait"): ("{name} of a thread's lock or event", "the asyncio class of the same name"),
    ("concurrent.futures._base", "result"): ("Future.result", "await asyncio.wrap_future(...)"),
    ("concurrent.futures._base", "wait"): ("concurrent.futures.wait", "await asyncio.wrap_future(...) of each"),
    ("concurrent.futures._base", "as_completed"): ("as_completed", "asyncio.as_completed with asyncio.wrap_future"),
    ("psycopg2", ""): ("psycopg2 {name}", "psycopg's AsyncConnection or asyncpg, or " + _THREAD),
    ("psycopg.connection", ""): ("psycopg {name}", "psycopg.AsyncConnection"),
    ("pymysql.connections", ""): ("pymysql {name}", "asyncmy or aiomysql, or " + _THREAD),
    ("pymysql.cursors", ""): ("pymysql {name}", "asyncmy or aiomysql, or " + _THREAD),
    ("redis.client", ""): ("redis {name}", "redis.asyncio"),
    ("pymongo.collection", ""): ("pymongo {name}", "pymongo's AsyncMongoClient"),
    ("sqlalchemy.engine.base", ""): ("sqlalchemy {name}", "sqlalchemy.ext.asyncio, or " + _THREAD),
    ("django.db.models.query", ""): ("the ORM's {name}", "its asynchronous form (aget, acount, async for)"),
    ("pathlib", ""): ("Path.{name}", _THREAD),
    # Python 3.13's.
    ("pathlib._local", ""): ("Path.{name}", _THREAD),
    ("shutil", ""): ("shutil.{name}", _THREAD),
}
# Methods of C types by which files, sockets and locks block; their objects are seen only as what the source calls them.
_METHODS = {
    "recv": "await loop.sock_recv(...), or asyncio's streams",
    "sendall": "await loop.sock_sendall(...), or asyncio's streams",
    "accept": "await loop.sock_accept(...), or asyncio.start_server(...)",
    "read": _THREAD + ", or asyncio's streams",
    "readline": _THREAD + ", or asyncio's streams",
    "write": _THREAD + ", or asyncio's streams",
    "flush": _THREAD,
    "acquire": "asyncio.Lock, or " + _THREAD,
    "execute": "an asynchronous driver (aiosqlite, asyncpg), or " + _THREAD,
    "fetchall": "an asynchronous driver (aiosqlite, asyncpg), or " + _THREAD,
}


def blocking_call(frame: FrameType) -> BlockingCall | None:
    """Tell which known blocking call a stack is in, given its innermost frame; None if in none."""
    frames = [frame]
    while (outer := frames[-1].f_back) is not None:
        frames.append(outer)
    for caller, callee in zip(reversed(frames[1:]), list(reversed(frames))[1:], strict=True):
        found = _python_call(caller, callee)
        if found is not None:
            return found
    return _c_call(frame)


def _python_call(caller: FrameType, callee: FrameType) -> BlockingCall | None:
    module, name = callee.f_globals.get("__name__"), callee.f_code.co_name
    if type(module) is not str or caller.f_globals.get("__name__") == module:
        return None
    known = _IN_PYTHON.get((module, name)) or _IN_PYTHON.get((module, ""))
    if known is None or name.startswith(("<", "__")) or callee.f_code.co_flags & _COROUTINE:
        return None
    title, cure = known
    call = _call_at(caller)
    if call is not None and call.function.rpartition(".")[2] != name:
        # Called by something else that is called there, or under another name.
        call = None
    return BlockingCall(title.format(name=name), caller, _filled_in(cure, call, name))


# What is asynchronous itself does not block by being on the stack (inspect.CO_COROUTINE, CO_ASYNC_GENERATOR).
_COROUTINE = 0x80 | 0x200


def _c_call(frame: FrameType) -> BlockingCall | None:
    if runs_callback(frame):
        # The loop itself calls what was given to call_soon or call_later.
        called = called_function(running_callback(frame))
        if type(called) is not BuiltinFunctionType:
            return None
        # A function is one of its module, a method one of an object.
        is_method = type(called.__self__) is not ModuleType
        known = _METHODS.get(called.__name__) if is_method else _IN_C.get((_module_of(called), called.__name__))
        name = callback_name(called)
        return BlockingCall(name, frame, _filled_in(known, None, name)) if known is not None else None
    call = _call_at(frame)
    if call is None:
        return None
    function = _resolved(call.function, frame)
    if function is not None:
        known = _IN_C.get((_module_of(function), getattr(function, "__name__", "")))
    else:
        # A method of an object that is not looked at.
        _, dot, name = call.function.rpartition(".")
        known = _METHODS.get(name) if dot else None
    name = bounded(call.function)
    return BlockingCall(name, frame, _filled_in(known, call, name)) if known is not None else None


def _filled_in(cure: str, call: Call | None, name: str) -> str:
    """Put what the program calls, and what it passes, into what it could write instead; what is long is left out."""
    if call is None:
        return cure.format(call=f"{name}, ...", arguments="...")
    arguments = ", ".join(call.arguments)
    if len(arguments) >= _LONG:
        arguments = "..."
    function = bounded(call.function)
    return cure.format(call=f"{function}, {arguments}" if arguments else function, arguments=arguments or "...")


# Characters of arguments that are not repeated.
_LONG = 40


def _call_at(frame: FrameType) -> Call | None:
    """Return the call that a frame is in, from the source and the position of its instruction."""
    position = next(itertools.islice(frame.f_code.co_positions(), max(0, frame.f_lasti // 2), None), None)
    return _call_in(frame.f_code.co_filename, position) if position is not None else None


@functools.lru_cache(maxsize=256)
def _call_in(file: str, position: tuple[int | None, int | None, int | None, int | None]) -> Call | None:
    line, end_line, column, end_column = position
    if line is None or end_line is None or column is None or end_column is None:
        return None
    lines = [text.encode() for text in linecache.getlines(file)[line - 1 : end_line]]
    if not lines:
        return None
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    return whole_call(b"".join(lines).decode(errors="replace"))


def _resolved(name: str, frame: FrameType) -> object | None:
    """Return the function that a name or ``module.name`` stands for; None where an object would have to be asked."""
    first, *others = name.split(".")
    found = _named(first, frame) if first.isidentifier() else None
    for attribute in others:
        found = found.__dict__.get(attribute) if type(found) is ModuleType else None
    return found if isinstance(found, BuiltinFunctionType | FunctionType | type) else None


def _named(name: str, frame: FrameType) -> object | None:
    """What a name stands for in a frame, as far as that can be told without a look at its variables."""
    code = frame.f_code
    if name in code.co_freevars:
        # Imported by a function around this one, probably.
        return sys.modules.get(name)
    if name in code.co_varnames or name in code.co_cellvars:
        module, attribute = _imports(code).get(name, ("", ""))
        found = sys.modules.get(module)
        return found.__dict__.get(attribute, found) if found is not None and attribute else found
    return frame.f_globals.get(name, frame.f_builtins.get(name))


@functools.lru_cache(maxsize=256)
def _imports(code: CodeType) -> dict[str, tuple[str, str]]:
    """What a function imports for itself: for each variable a module, and what is taken from it, or nothing."""
    found: dict[str, tuple[str, str]] = {}
    module = attribute = ""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            module, attribute = instruction.argval, ""
        elif instruction.opname == "IMPORT_FROM":
            attribute = instruction.argval
        elif instruction.opname.startswith("STORE_") and module:
            # Some store one and load or store another one.
            names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
            # "import a.b" binds a.
            found[names[0]] = (module, attribute) if attribute else (module.partition(".")[0], "")
            attribute = ""
        elif instruction.opname not in ("SWAP", "POP_TOP", "ROT_TWO"):
            module = ""
    return found


def _module_of(function: object) -> str:
    module = getattr(function, "__module__", None)
    return module if type(module) is str else ""
