"""Text in a colour of the theme, as escape codes."""

from functools import cache

from aiorepl.render.palette import PALETTES

__all__ = ["color_depth", "paint"]

# Beside the colour, for who cannot tell it from another.
_BOLD = {"bold", "keyword", "alert", "error"}
_ITALIC = {"hint"}
# With 16 colours, which the terminal's own theme defines; the nearest to a pale colour would always be white.
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_SIXTEEN = {
    "keyword": "magenta",
    "constant": "blue",
    "builtin": "cyan",
    "function": "blue",
    "class": "cyan",
    "decorator": "yellow",
    "string": "green",
    "escape": "yellow",
    "number": "cyan",
    "comment": "bright_black",
    "prompt": "green",
    "dim": "bright_black",
    "info": "blue",
    "hint": "yellow",
    "alert": "yellow",
    "error": "red",
}


def color_depth(colors: int, theme: str) -> int:
    """Return how many colours to use: none with a theme that has none, and 256 where just True is asked for."""
    if theme not in PALETTES:
        return 0
    return 256 if colors is True else colors


def paint(text: str, role: str, theme: str, colors: int) -> str:
    """Colour a text; each of its lines is coloured by itself, and no other character is changed."""
    if not colors or not role or not text.strip():
        return text
    before, after = _codes(role, theme, colors)
    return "\n".join(f"{before}{line}{after}" if line else line for line in text.split("\n"))


@cache
def _codes(role: str, theme: str, colors: int) -> tuple[str, str]:
    # Not by rich, which takes longer to load than the prompt takes to appear.
    codes = [code for code, roles in (("1", _BOLD), ("3", _ITALIC)) if role in roles]
    if colors == 16 and role in _SIXTEEN:
        codes.append(_sixteen(_SIXTEEN[role]))
    elif colors != 16 and role in PALETTES[theme]:
        red, green, blue = bytes.fromhex(PALETTES[theme][role][1:])
        codes.append(f"38;5;{_of_256(red, green, blue)}" if colors == 256 else f"38;2;{red};{green};{blue}")
    return (f"\x1b[{';'.join(codes)}m", "\x1b[0m") if codes else ("", "")


def _sixteen(name: str) -> str:
    bright = name.startswith("bright_")
    return str((90 if bright else 30) + _NAMES.index(name.removeprefix("bright_")))


def _of_256(red: int, green: int, blue: int) -> int:
    """The nearest of xterm's 6 × 6 × 6 colours and 24 greys, by the sum of the squares of the differences."""
    levels = (0, 95, 135, 175, 215, 255)
    cube = [min(range(6), key=lambda step: abs(levels[step] - part)) for part in (red, green, blue)]
    step = max(0, min(23, round(((red + green + blue) / 3 - 8) / 10)))
    grey = 8 + 10 * step

    def distance(*color: int) -> int:
        return sum((one - other) ** 2 for one, other in zip(color, (red, green, blue), strict=True))

    if distance(grey, grey, grey) < distance(*(levels[part] for part in cube)):
        return 232 + step
    return 16 + 36 * cube[0] + 6 * cube[1] + cube[2]
