"""Plain text decisions: what may be shown, how wide it is, and how times are written."""

import re
import unicodedata

__all__ = ["cells", "fit", "harmless", "pad", "seconds", "to_ascii", "visible", "wrap"]

_ASCII = str.maketrans({"…": "...", "–": "-", "─": "-", "│": "|", "├": "|", "└": "`", "↵": "\\n", "µ": "u", "±": "+-"})


def visible(text: str) -> str:
    """Return a text that fits on one line and cannot steer a terminal: control characters are written as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


# What sets colours and the like (SGR), or a character that steers a terminal.
_STEERING = re.compile(r"(?P<style>\x1b\[[\d;:]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """Return a text of several lines that may set colours but not steer a terminal otherwise, and ends without any."""
    if text.isprintable():
        return text
    shown = _STEERING.sub(lambda found: found[0] if found["style"] else repr(found[0])[1:-1], text)
    return f"{shown}\x1b[0m" if "\x1b" in shown else shown


def _escaped(char: str) -> str:
    if char == "\n":
        return "↵"
    if char == "\t":
        return "    "
    return repr(char)[1:-1] if unicodedata.category(char) != "Zs" else " "


def to_ascii(text: str) -> str:
    """Write a text in ASCII, for where the output takes nothing else; what has no likeness becomes an escape."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, width: int, *, ellipsis: str = "…") -> str:
    """Return a text that takes at most ``width`` columns; one that is cut ends with the ellipsis."""
    if cells(text) <= width:
        return text
    room = max(0, width - len(ellipsis))
    kept = ""
    for char in text:
        room -= _cells(char)
        if room < 0:
            break
        kept += char
    return kept + ellipsis[:width]


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text up with blanks, on its left if it is to stand to the ``right``."""
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks


def wrap(text: str, width: int) -> list[str]:
    """Break a text at blanks into lines of at most ``width`` columns; a longer word is broken anywhere.

    All lines are indented as the text is.
    """
    indent = len(text) - len(text.lstrip(" "))
    if 0 < indent < width // 2:
        return [" " * indent + line for line in wrap(text.lstrip(" "), width - indent)]
    lines = [""]
    for word in text.split(" "):
        line = f"{lines[-1]} {word}" if lines[-1] else word
        if cells(line) <= width:
            lines[-1] = line
            continue
        if lines[-1]:
            lines.append("")
        while cells(word) > width:
            head = fit(word, width, ellipsis="") or word[0]
            lines[-1] = head
            lines.append("")
            word = word[len(head) :]
        lines[-1] = word
    return lines


def seconds(value: float | None) -> str:
    """Write a time in the unit that suits it; one that was not measured is ``–``, never 0."""
    if value is None:
        return "–"
    if value <= 0:
        return f"-{seconds(-value)}" if value else "0 s"
    for unit, size in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        # Rounded before it is compared, so that 999.9995 us is 1 ms and not 1e+03 us.
        number = float(f"{value / size:.3g}")
        if number < (60 if unit == "s" else 1000):
            return f"{number:.3g} {unit}"
    minutes, second = divmod(round(value), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    units = ((days, "d"), (hour, "h"), (minute, "min"), (second, "s"))
    first = next(index for index, (amount, _) in enumerate(units) if amount)
    return " ".join(f"{amount} {unit}" for amount, unit in units[first : first + 2] if amount)
