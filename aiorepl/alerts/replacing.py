"""A method of one object is replaced, and put back unless somebody has replaced it again."""

import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any

__all__ = ["has_own", "replace_method"]


def replace_method(owner: Any, name: str, function: Callable[..., Any]) -> Callable[[], None]:
    """Set a method of one object, whose class has it too; return what takes it away again, and keeps nothing alive.

    What another tool has set around ours in the meantime stays, and goes on to call ours.
    """
    before = getattr(owner, name) if has_own(owner, name) else None
    setattr(owner, name, function)
    owner_reference, reference = weakref.ref(owner), weakref.ref(function)

    def restore() -> None:
        owner = owner_reference()
        if owner is None or getattr(owner, name, None) is not reference():
            return
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)

    return restore


def has_own(owner: object, name: str) -> bool:
    """Tell whether an object has a method of its own, in place of its class's.

    Not by ``vars``: Python 3.11 and 3.12 find the attributes of an object more slowly for good once its ``__dict__``
    has been asked for, which adds a fifth to each step of a loop.
    """
    method = getattr(owner, name, None)
    return not (type(method) is MethodType and method.__func__ is getattr(type(owner), name, None))
