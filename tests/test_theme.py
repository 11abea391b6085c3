"""Themes that can be read, and nothing told by colour alone."""

import pytest
from prompt_toolkit.styles import Attrs, default_ui_style, merge_styles

from aiorepl.render.palette import PALETTES
from aiorepl.terminal.theme import detect, style

BACKGROUNDS = {
    "dark": ["#000000", "#1e1e1e"],
    "light": ["#ffffff", "#fdf6e3"],
    "projector": ["#000000", "#ffffff"],
}
MENU_KINDS = [
    "keyword",
    "name",
    "module",
    "class",
    "function",
    "parameter",
    "key",
    "path",
    "command",
    "value",
]


def luminance(color: str) -> float:
    """The relative luminance of WCAG 2."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def drawn(theme: str, classes: str, *, colors: bool = True) -> Attrs:
    """What prompt_toolkit makes of some classes, over its own defaults."""
    return merge_styles([default_ui_style(), style(theme, colors=colors)]).get_attrs_for_style_str(classes)


@pytest.mark.parametrize("theme", PALETTES)
def test_every_colour_can_be_read_on_its_background(theme: str) -> None:
    palette = PALETTES[theme]
    for role, color in palette.items():
        if role.endswith("_back"):
            continue
        backgrounds = [palette[role + "_back"]] if role + "_back" in palette else BACKGROUNDS[theme]
        for background in backgrounds:
            assert contrast(color, background) >= 4.5, (role, background)


@pytest.mark.parametrize("theme", PALETTES)
@pytest.mark.parametrize("kind", MENU_KINDS)
def test_menu_can_be_read(theme: str, kind: str) -> None:
    item = drawn(theme, f"class:completion-menu class:completion-menu.completion class:kind.{kind}")
    assert contrast(f"#{item.color}", f"#{item.bgcolor}") >= 4.5
    chosen = drawn(theme, f"class:completion-menu.completion.current class:kind.{kind} class:kind.selected")
    assert contrast(f"#{chosen.color}", f"#{chosen.bgcolor}") >= 4.5
    assert not chosen.reverse


def test_themes_have_the_same_roles() -> None:
    assert len({frozenset(palette) for palette in PALETTES.values()}) == 1


CLASSES = [
    "prompt",
    "bottom-toolbar",
    "completion-menu.completion",
    "completion-menu.completion.current",
    "error",
    "completion-menu.meta.completion",
    "signature.active",
    "pygments.keyword",
    "auto-suggestion",
    "scrollbar.button",
    "matching-bracket.other",
    "search",
    "aborting",
]


@pytest.mark.parametrize(("theme", "colors"), [("none", True), ("dark", False), ("projector", False)])
def test_no_colour_where_none_is_wanted(theme: str, colors: bool) -> None:
    for name in CLASSES:
        attributes = drawn(theme, f"class:{name}", colors=colors)
        assert not attributes.color
        assert not attributes.bgcolor


def test_without_colours_what_is_chosen_stands_out() -> None:
    assert drawn("none", "class:completion-menu.completion.current").reverse
    assert drawn("none", "class:signature.active").underline
    assert drawn("none", "class:bottom-toolbar").reverse


def test_projector_is_bold() -> None:
    assert drawn("projector", "").bold
    assert drawn("projector", "class:pygments.name.function").bold
    assert drawn("projector", "class:bottom-toolbar").bold


@pytest.mark.parametrize(
    ("value", "background"),
    [
        ("15;0", "dark"),
        ("0;15", "light"),
        ("0;default;7", "light"),
        ("15;default;8", "dark"),
        ("0;default", "dark"),
        ("", "dark"),
    ],
)
def test_background_is_detected(value: str, background: str) -> None:
    assert detect({"COLORFGBG": value}) == background


def test_background_is_dark_if_nothing_is_known() -> None:
    assert detect({}) == "dark"
