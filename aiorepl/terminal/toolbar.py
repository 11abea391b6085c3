"""The lines that say how the loop is doing: below the prompt, and while a cell runs."""

from prompt_toolkit.formatted_text import StyleAndTextTuples

from aiorepl.model import Running, Status
from aiorepl.render.text import fit, seconds, visible

__all__ = ["toolbar", "waiting"]


def toolbar(status: Status, width: int) -> StyleAndTextTuples:
    """What stands below the prompt; on a narrow terminal the end is left out, and it is ordered by that."""
    blocked = status.loop in ("blocked", "closed")
    parts = [
        ("class:bottom-toolbar.blocked" if blocked else "", f"loop {status.loop}"),
        ("", f"lag {seconds(status.lag)}"),
        ("", _count(status.tasks, "task")),
    ]
    if status.jobs:
        parts.append(("", _count(status.jobs, "job")))
    parts.append(("", "debug on" if status.debug else "debug off"))
    if status.last_alert:
        parts.append(("class:bottom-toolbar.alert", f"! {status.last_alert}"))
    fragments: StyleAndTextTuples = []
    room = width
    for number, (style, text) in enumerate(parts):
        text = fit(f" {text}" if number == 0 else f"  {text}", room)
        room -= len(text)
        fragments.append((style, text))
        if room < 4:
            break
    return fragments


def waiting(running: Running, width: int) -> str:
    """What stands below the output while a cell waits."""
    text = f"{running.elapsed:.0f} s  waits on {visible(running.waits_on)}  (Ctrl-C interrupts, Ctrl-Z makes it a job)"
    return fit(text, width - 1)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
