"""The menu and the signature, driven by keys in a real prompt over a made-up session."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import HSplit
from prompt_toolkit.shortcuts import PromptSession
from prompt_toolkit.utils import get_cwidth
from test_editing import history
from typing_keys import (
    BACKSPACE,
    DOWN,
    END,
    ENTER,
    HOME,
    LEFT,
    META_ENTER,
    SHIFT_TAB,
    TAB,
    UP,
    Chunk,
    happens,
    type_keys,
    typed,
)

from aiorepl.model import Completion, Signature
from aiorepl.terminal.completer import SessionCompleter, SignatureHint, signature_fragments

WORDS = ["abc", "abd", "asyncio", "await"]


class Answers:
    """A session that completes words at once, and can be told to hang then, as a slow second tier does."""

    def __init__(self, *, hang: bool = False) -> None:
        self.hang = hang
        self.asked: list[str] = []
        self.closed: list[str] = []

    async def complete(self, text: str, cursor: int) -> AsyncIterator[tuple[Completion, ...]]:
        self.asked.append(text)
        start = len(text[:cursor].rstrip("abcdefghijklmnopqrstuvwxyz"))
        found = tuple(Completion(word, start) for word in WORDS if word.startswith(text[start:cursor]))
        try:
            yield found
            if self.hang:
                await asyncio.Event().wait()
            yield (*found, Completion("added", start, "function", "by jedi"))
        finally:
            self.closed.append(text)


def menu(*words: str) -> Chunk:
    """A chunk that waits until the menu shows exactly these."""

    async def wait(session: PromptSession[str]) -> None:
        buffer = session.default_buffer

        def shows() -> bool:
            state = buffer.complete_state
            return state is not None and [found.text for found in state.completions] == list(words)

        await happens(session.app.after_render, shows)

    return wait


def test_menu_shows_each_completion_once() -> None:
    completer = SessionCompleter(Answers().complete)
    assert typed("ab", menu("abc", "abd", "added"), ENTER, completer=completer) == "ab"


def test_first_answer_shows_while_the_second_is_awaited() -> None:
    completer = SessionCompleter(Answers(hang=True).complete)
    assert typed("ab", menu("abc", "abd"), ENTER, completer=completer) == "ab"


def test_answer_that_hangs_holds_up_no_key_and_is_closed() -> None:
    answers = Answers(hang=True)
    keys = ["a", menu(*WORDS), "s", menu("asyncio"), "y", menu("asyncio"), BACKSPACE, ENTER]
    assert typed(*keys, completer=SessionCompleter(answers.complete)) == "as"
    assert answers.asked == ["a", "as", "asy"]
    assert answers.closed == answers.asked


def test_text_that_changes_before_anything_was_answered_is_completed_anew() -> None:
    released = asyncio.Event()

    async def complete(text: str, cursor: int) -> AsyncIterator[tuple[Completion, ...]]:
        if text == "a":
            await released.wait()
        yield (Completion("asyncio", 0),)

    assert typed("a", "s", menu("asyncio"), ENTER, completer=SessionCompleter(complete)) == "as"


def test_session_that_fails_shows_its_error() -> None:
    async def complete(text: str, cursor: int) -> AsyncIterator[tuple[Completion, ...]]:
        yield (Completion("asyncio", 0),)
        raise RuntimeError("bug")

    async def wait(session: PromptSession[str]) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="bug"):
        typed("a", wait, completer=SessionCompleter(complete))


def test_tab_and_shift_tab_choose_and_enter_takes_what_was_chosen() -> None:
    completer = SessionCompleter(Answers().complete)
    shown = menu("abc", "abd", "added")
    assert typed("ab", shown, TAB, TAB, SHIFT_TAB, ENTER, "()", ENTER, completer=completer) == "abc()"


def test_tab_completes_what_all_have_in_common() -> None:
    completer = SessionCompleter(Answers(hang=False).complete)
    keys = ["a", TAB, menu(*WORDS, "added"), TAB, ENTER, ENTER]
    assert typed(*keys, completer=completer, complete_while_typing=False) == "abc"


def test_nothing_is_asked_where_a_line_begins() -> None:
    answers = Answers()
    assert typed("(", META_ENTER, "  ", ")", ENTER, completer=SessionCompleter(answers.complete)) == "(\n      )"
    assert all(text.strip().endswith(("(", ")")) and not text.endswith(" ") for text in answers.asked)


def test_up_goes_into_the_history_past_a_menu_that_opened_by_itself() -> None:
    completer = SessionCompleter(Answers().complete)
    keys = ["await", menu("await", "added"), UP, ENTER]
    assert typed(*keys, completer=completer, history=history()) == "await f(1)"


def test_down_enters_the_menu_on_the_last_line_and_else_moves() -> None:
    completer = SessionCompleter(Answers().complete)
    assert typed("ab", menu("abc", "abd", "added"), DOWN, ENTER, ENTER, completer=completer) == "abc"
    keys = ["(", META_ENTER, ")", UP, "ab", menu("abc", "abd", "added"), DOWN, END, "+1", ENTER]
    assert typed(*keys, completer=completer) == "(ab\n    )+1"


SLEEP = Signature("asyncio.sleep", ("delay", "result=None"), 0, "Coroutine that completes after a given time.")


class Calls:
    """A session that knows one call; ``gates`` are set by the test to let an answer to a text come."""

    def __init__(self, **gates: asyncio.Event) -> None:
        self.gates = gates
        self.asked: list[str] = []

    async def signature(self, text: str, cursor: int) -> Signature | None:
        self.asked.append(text)
        if text in self.gates:
            await self.gates[text].wait()
        return SLEEP._replace(active=text[:cursor].count(",")) if "sleep(" in text[:cursor] else None


def hinted(calls: Calls, *chunks: str | Callable[[SignatureHint], Chunk]) -> str:
    """Type into a prompt that has a hint; a chunk that is a function gets the hint and returns the chunk."""
    hint = SignatureHint(calls.signature)

    async def attach(session: PromptSession[str]) -> None:
        hint.attach(session.default_buffer)
        container = session.layout.container
        assert isinstance(container, HSplit)
        container.children.insert(-1, hint.container())

    return typed(attach, *(chunk if isinstance(chunk, str) else chunk(hint) for chunk in chunks))


def hint_is(text: str) -> Callable[[SignatureHint], Chunk]:
    """A chunk that waits until the hint is this, its active parameter in stars."""

    def chunk(hint: SignatureHint) -> Chunk:
        async def wait(session: PromptSession[str]) -> None:
            await happens(session.app.after_render, lambda: starred(hint.fragments()) == text)

        return wait

    return chunk


def starred(fragments: StyleAndTextTuples) -> str:
    return "".join(f"*{text}*" if "active" in style else text for style, text, *_ in fragments)


SUMMARY = "\nCoroutine that completes after a given time."


def test_hint_follows_the_cursor() -> None:
    calls = Calls()
    first, second = (
        f"asyncio.sleep(*delay*, result=None){SUMMARY}",
        f"asyncio.sleep(delay, *result=None*){SUMMARY}",
    )
    keys: list[str | Callable[[SignatureHint], Chunk]] = [
        "sleep",
        hint_is(""),
        "(",
        hint_is(first),
        "1,",
        hint_is(second),
        LEFT,
        hint_is(first),
        HOME,
        hint_is(""),
    ]
    assert hinted(calls, *keys, END, hint_is(second), "2)", ENTER) == "sleep(1,2)"
    assert "sleep" not in calls.asked


def test_late_answer_is_dropped_and_the_last_one_stays_until_the_next() -> None:
    """The answer for the second text never comes; what was shown stays through it, and the third replaces it."""
    first, third = (
        f"asyncio.sleep(*delay*, result=None){SUMMARY}",
        f"asyncio.sleep(delay, *result=None*){SUMMARY}",
    )

    def stays(hint: SignatureHint) -> Chunk:
        async def look(session: PromptSession[str]) -> None:
            assert starred(hint.fragments()) == first

        return look

    calls = Calls(**{"sleep(1": asyncio.Event()})
    assert hinted(calls, "sleep(", hint_is(first), "1", stays, ",", hint_is(third), "2)", ENTER) == "sleep(1,2)"
    assert "sleep(1" in calls.asked


def test_new_prompt_begins_without_the_hint_of_the_last() -> None:
    async def main() -> list[str]:
        hint = SignatureHint(Calls().signature)
        seen: list[str] = []

        async def attach(session: PromptSession[str]) -> None:
            hint.attach(session.default_buffer)

        async def look(session: PromptSession[str]) -> None:
            await happens(session.app.after_render, lambda: starred(hint.fragments()) != "")
            session.default_buffer.reset()
            seen.append(starred(hint.fragments()))

        await type_keys(attach, "sleep(", look, "x", ENTER)
        return seen

    assert asyncio.run(main()) == [""]


LONG = Signature(
    "open",
    ("file", "mode='r'", "buffering=-1", "encoding=None", "errors=None", "newline=None"),
    3,
    "日本" * 30,
)


@pytest.mark.parametrize("width", [1, 20, 40, 41, 80, 200])
@pytest.mark.parametrize("active", [None, *range(6)])
@pytest.mark.parametrize("name", ["open", "a.very.long.path.to.some.function", "日本語日本語日本語日本語日本語"])
def test_signature_fits_and_shows_the_active_parameter(width: int, active: int | None, name: str) -> None:
    signature = LONG._replace(name=name, active=active)
    fragments = signature_fragments(signature, width)
    lines = "".join(text for _, text, *_ in fragments).split("\n")
    assert len(lines) == 2
    assert all(get_cwidth(line) <= width for line in lines)
    if active is not None and width >= 40:
        assert ("class:signature.active", signature.parameters[active]) in fragments


def test_signature_at_forty_columns() -> None:
    assert starred(signature_fragments(LONG, 40)) == "open(…, buffering=-1, *encoding=None*, er…\n" + "日本" * 9 + "日…"
    assert starred(signature_fragments(LONG._replace(active=0, summary=""), 40)) == (
        "open(*file*, mode='r', buffering=-1, enco…"
    )


def test_nothing_in_a_signature_acts_on_the_terminal() -> None:
    fragments = signature_fragments(Signature("f\x1b[2J", ("a='\x07'",), 0, "one\x1b]0;\ntwo"), 80)
    assert starred(fragments) == "f?[2J(*a='?'*)\none?]0;"
