"""``sys.ps1`` and ``sys.ps2``: the prompts of Python itself, which a person may set for every one of them."""

import sys

__all__ = ["own_prompt"]


def own_prompt(name: str) -> str | None:
    """Return ``sys.ps1`` or ``sys.ps2`` if somebody has set it to a text; Python sets them at its own prompt only.

    An object of another type, whose ``__str__`` Python would call for each prompt, is left alone: it would run on the
    frontend's thread.
    """
    prompt = getattr(sys, name, None)
    return prompt if type(prompt) is str else None
