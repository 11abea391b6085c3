"""The styles of the prompt, made of the colours in ``aiorepl.render.palette``.

Classes of ours: ``prompt``, ``continuation``, ``command`` (a ``%`` or ``!`` line), ``status`` (while a cell runs),
``info``, ``hint``, ``alert``, ``error``, ``dim``, ``signature``, ``kind.*`` (in the menu of completions),
``bottom-toolbar.blocked`` and ``bottom-toolbar.alert``.
"""

from collections.abc import Mapping
from functools import cache
from typing import Literal

from prompt_toolkit.styles import Style

from aiorepl.render.palette import PALETTES

__all__ = ["detect", "style"]

# What is told by colour alone must be told in another way too: attributes come first, and colours are added.
_ATTRIBUTES = {
    "prompt": "bold",
    "command": "bold",
    "hint": "italic",
    "alert": "bold",
    "error": "bold",
    "signature.name": "bold",
    "signature.active": "bold underline",
    "bottom-toolbar": "noinherit",
    "bottom-toolbar.blocked": "bold",
    "bottom-toolbar.alert": "bold",
    "completion-menu": "noinherit",
    "completion-menu.completion": "noinherit",
    "completion-menu.completion.current": "noinherit bold",
    "completion-menu.meta.completion": "noinherit",
    "completion-menu.meta.completion.current": "noinherit bold",
    "kind.selected": "bold",
    "matching-bracket.cursor": "noinherit bold",
    "matching-bracket.other": "noinherit bold",
    "search": "noinherit underline",
    "auto-suggestion": "noinherit",
    "pygments.keyword": "bold",
    "pygments.literal.string.doc": "noitalic",
}

_COLOURS = {
    "prompt": "prompt",
    "continuation": "dim",
    "command": "decorator",
    "status": "dim",
    "dim": "dim",
    "info": "info",
    "hint": "hint",
    "alert": "alert",
    "error": "error",
    "signature": "dim",
    "signature.name": "function",
    "signature.active": "hint",
    "auto-suggestion": "dim",
    "aborting": "dim",
    "exiting": "dim",
    "bottom-toolbar": "bar",
    "completion-menu": "menu",
    "completion-menu.completion": "menu",
    "completion-menu.completion.current": "chosen",
    "completion-menu.meta.completion": "menu",
    "completion-menu.meta.completion.current": "chosen",
    "kind.selected": "chosen",
    "matching-bracket.cursor": "match",
    "matching-bracket.other": "match",
    "search": "match",
    "pygments.keyword": "keyword",
    "pygments.keyword.constant": "constant",
    "pygments.operator.word": "keyword",
    "pygments.name.builtin": "builtin",
    "pygments.name.function": "function",
    "pygments.name.class": "class",
    "pygments.name.exception": "class",
    "pygments.name.decorator": "decorator",
    "pygments.literal.string": "string",
    "pygments.literal.string.doc": "string",
    "pygments.literal.string.interpol": "escape",
    "pygments.literal.string.escape": "escape",
    "pygments.literal.number": "number",
    "pygments.comment": "comment",
}

# How to tell what stands out where there are no colours.
_WITHOUT_COLOURS = {
    "bottom-toolbar": "noinherit reverse",
    "completion-menu.completion.current": "noinherit reverse",
    "completion-menu.meta.completion.current": "noinherit reverse",
    "matching-bracket.cursor": "noinherit reverse",
    "matching-bracket.other": "noinherit reverse",
    "scrollbar.background": "noinherit",
    "scrollbar.button": "noinherit reverse",
    "aborting": "noinherit",
    "exiting": "noinherit",
}

_KINDS = {
    "keyword": "keyword",
    "module": "decorator",
    "class": "class",
    "function": "function",
    "parameter": "number",
    "key": "string",
    "path": "string",
    "command": "decorator",
    "value": "constant",
}


@cache
def style(theme: str, *, colors: bool) -> Style:
    """The style of a theme; for "none", or if ``colors`` is false, only attributes such as bold.

    One object for each, as the renderer forgets all that it has computed when the style is another one.

    To be used without prompt_toolkit's style for pygments (``include_default_pygments_style=False``).
    """
    palette = PALETTES.get(theme) if colors else None
    if palette is None:
        return Style.from_dict(_ATTRIBUTES | _WITHOUT_COLOURS)
    rules = dict(_ATTRIBUTES)
    for name, role in (_COLOURS | {f"kind.{kind}": role for kind, role in _KINDS.items()}).items():
        back = f" bg:{palette[role + '_back']}" if role + "_back" in palette else ""
        rules[name] = f"{rules.get(name, '')} {palette[role]}{back}".strip()
    if theme == "projector":
        rules = {"": "bold"} | {name: f"{rule} bold" for name, rule in rules.items()}
    return Style.from_dict(rules)


def detect(environ: Mapping[str, str]) -> Literal["dark", "light"]:
    """Tell the terminal's background from ``COLORFGBG``, by vim's rule; dark if it is not set.

    The variable ends with the number of the background's colour (``15;0``).
    """
    back = environ.get("COLORFGBG", "").rpartition(";")[2]
    return "light" if back.isdecimal() and int(back) in {7, *range(9, 16)} else "dark"
