"""Text in a colour of the theme, as escape codes."""

from functools import cache

from aiorepl.render.palette import PALETTES

__all__ = ["color_depth", "paint"]

# Beside the colour, for who cannot tell it from another.
_BOLD = {"bold", "keyword", "alert", "error"}
_ITALIC = {"hint"}


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
    from rich.color import ColorSystem
    from rich.style import Style

    system = {16: ColorSystem.STANDARD, 256: ColorSystem.EIGHT_BIT}.get(colors, ColorSystem.TRUECOLOR)
    style = Style(color=PALETTES[theme].get(role), bold=role in _BOLD or None, italic=role in _ITALIC or None)
    before, _, after = style.render("\0", color_system=system).partition("\0")
    return before, after
