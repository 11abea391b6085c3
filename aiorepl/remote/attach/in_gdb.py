"""What gdb runs, in its own Python: it makes the process that it stopped queue the running of a script.

The script's path is in the environment, as ``AIOREPL_SCRIPT``. Of gdb's types no debug symbols are needed.
"""

import os

import gdb

_PAGE = 4096
_READ_WRITE, _PRIVATE_ANONYMOUS = 3, 0x22

_CODE = """\
try:
 exec(compile(open({path!r}).read(), '<aiorepl>', 'exec'), {{}})
except BaseException:
 pass
"""


def call(name: str, returns: str, *arguments: tuple[str, int | str]) -> int:
    """Call a C function of the process; each argument with its type."""
    types = ", ".join(kind for kind, _ in arguments)
    values = ", ".join(str(value) for _, value in arguments)
    return int(gdb.parse_and_eval(f"(({returns} (*)({types})){name})({values})"))


def selects() -> bool:
    """Tell whether the thread waits in a selector of Python's own, as far as the names of functions and files tell."""
    frame = gdb.newest_frame()
    caller = frame.older()
    if caller is None or "epoll_wait" not in (frame.name() or ""):
        return False
    library = gdb.solib_name(caller.pc()) or ""
    return "select_epoll_poll" in (caller.name() or "") or os.path.basename(library).startswith("select.cpython-")


def queue() -> int:
    """Queue the call, and see that the main thread comes to it; returns what ``Py_AddPendingCall`` did."""
    inferior = gdb.selected_inferior()
    min(inferior.threads(), key=lambda thread: thread.num).switch()
    waits = selects()
    size, number = "unsigned long", "int"
    mapping = (size, 0), (size, _PAGE), (number, _READ_WRITE), (number, _PRIVATE_ANONYMOUS), (number, -1), (size, 0)
    page = call("mmap", size, *mapping)
    # The last byte of the page stays zero.
    inferior.write_memory(page, _CODE.format(path=os.environ["AIOREPL_SCRIPT"]).encode())
    queued = call("Py_AddPendingCall", number, ("void*", "(void*)PyRun_SimpleString"), (size, page))
    # uvloop is woken by what wakes it for signals. Setting it is the only way to get it.
    wakeup = call("PySignal_SetWakeupFd", number, (number, -1))
    call("PySignal_SetWakeupFd", number, (number, wakeup))
    if wakeup >= 0:
        call("write", "long", (number, wakeup), (size, page + _PAGE - 1), (size, 1))
    if waits and inferior.architecture().name() == "i386:x86-64":
        # The selector returns no events. If it were only interrupted, Python would go on waiting.
        gdb.execute("set $rax = 0")
    return queued


print("aiorepl queued:", queue())
gdb.execute("detach")
