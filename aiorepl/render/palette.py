"""The colours of each theme, by what they stand for; plain data, for whatever library draws.

Each colour can be read on the background that its theme is for: "dark" on black to dark grey, "light" on white to
cream, "projector" on black and on white, as nobody knows what a beamer makes of either. ``x_back`` is what
stands behind ``x``, where that is not the terminal's own background.
"""

from collections.abc import Mapping

__all__ = ["PALETTES"]

_DARK = {
    "keyword": "#ff8ac0",
    "constant": "#c9a4ff",
    "builtin": "#6fc3ff",
    "function": "#8fd3ff",
    "class": "#5fd7c4",
    "decorator": "#d7af5f",
    "string": "#a8d977",
    "escape": "#e0c46c",
    "number": "#f0a868",
    "comment": "#9a9a9a",
    "prompt": "#5fd787",
    "dim": "#949494",
    "info": "#6fc3ff",
    "hint": "#d7af5f",
    "alert": "#ffb454",
    "error": "#ff7b72",
    "bar": "#e4e4e4",
    "bar_back": "#303030",
    "menu": "#e4e4e4",
    "menu_back": "#303030",
    "chosen": "#000000",
    "chosen_back": "#8fd3ff",
    "match": "#000000",
    "match_back": "#d7af5f",
}

_LIGHT = {
    "keyword": "#a8005c",
    "constant": "#6a32b8",
    "builtin": "#005a9e",
    "function": "#00578a",
    "class": "#00695c",
    "decorator": "#7a5200",
    "string": "#2e6b00",
    "escape": "#7a5200",
    "number": "#9a4000",
    "comment": "#666666",
    "prompt": "#00702e",
    "dim": "#666666",
    "info": "#005a9e",
    "hint": "#7a5200",
    "alert": "#9a4000",
    "error": "#b3001b",
    "bar": "#1c1c1c",
    "bar_back": "#dedede",
    "menu": "#1c1c1c",
    "menu_back": "#e4e4e4",
    "chosen": "#ffffff",
    "chosen_back": "#005a9e",
    "match": "#000000",
    "match_back": "#ffd75f",
}

# Halfway between black and white: 4.5 to 1 against both, which is the most that one colour can have.
_PROJECTOR = {
    "keyword": "#da00aa",
    "constant": "#a636ff",
    "builtin": "#096bff",
    "function": "#096bff",
    "class": "#00819d",
    "decorator": "#8a7400",
    "string": "#00890e",
    "escape": "#8a7400",
    "number": "#bc5a00",
    "comment": "#757575",
    "prompt": "#00890e",
    "dim": "#757575",
    "info": "#096bff",
    "hint": "#8a7400",
    "alert": "#bc5a00",
    "error": "#ed0000",
    "bar": "#ffffff",
    "bar_back": "#000000",
    "menu": "#ffffff",
    "menu_back": "#000000",
    "chosen": "#000000",
    "chosen_back": "#ffff00",
    "match": "#000000",
    "match_back": "#ffff00",
}

PALETTES: Mapping[str, Mapping[str, str]] = {"dark": _DARK, "light": _LIGHT, "projector": _PROJECTOR}
