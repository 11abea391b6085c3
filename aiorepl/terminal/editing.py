"""The keys of the editor. What a key does to a text is decided in ``source_text``, and here it is done.

Where prompt_toolkit has a key already (undo, Ctrl-R, the external editor, vi's movements), nothing is added.
"""

import re
from collections.abc import Callable

from prompt_toolkit.application.current import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Always, Condition, emacs_insert_mode, has_focus, vi_insert_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.processors import HighlightMatchingBracketProcessor, Processor, TabsProcessor

from aiorepl.interpret.source import completeness, is_block
from aiorepl.terminal.source_text import INDENT, indentation_after, pasted, without_tail

__all__ = ["bindings", "prefix_search", "processors"]


def bindings(*, check: Callable[[str], str] = completeness) -> KeyBindings:
    """The keys that differ from prompt_toolkit's own, for a buffer of several lines.

    ``check`` says whether a text (without blank lines at its end) is "complete", "incomplete" or "invalid".
    """
    keys = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER) & (emacs_insert_mode | vi_insert_mode)

    @keys.add("enter", filter=typing)
    def _(event: KeyPressEvent) -> None:
        enter(event, check)

    # Not for vi: its Escape would have to wait for what follows, and ``o`` opens a line.
    keys.add("escape", "enter", filter=typing & emacs_insert_mode)(newline)
    keys.add("backspace", filter=typing & _after_spaces, save_before=_first_press)(dedent_to_cursor)
    keys.add("tab", filter=typing & _in_indentation & ~_menu_open)(indent)
    keys.add("s-tab", filter=typing & ~_menu_open)(dedent)
    keys.add("up", filter=typing & _menu_open & ~_menu_entered)(up)
    keys.add("down", filter=typing & _menu_open & ~_menu_entered & ~_on_last_line)(down)
    keys.add("end", filter=typing & _suggested)(accept_suggestion)
    keys.add("c-right", filter=typing & _suggested)(accept_word)
    keys.add("escape", "f", filter=typing & emacs_insert_mode & _suggested)(accept_word)
    keys.add(Keys.BracketedPaste, filter=has_focus(DEFAULT_BUFFER))(paste)
    return keys


def processors() -> list[Processor]:
    """What is done to the text when it is drawn: brackets that match, and tabs as wide as they are."""
    return [HighlightMatchingBracketProcessor(chars="[](){}"), TabsProcessor(char1=" ", char2=" ")]


def prefix_search(buffer: Buffer) -> None:
    """Let Up and Down go through the entries that begin with what stands before the cursor.

    The option of PromptSession for this also turns completion while typing off.
    """
    buffer.enable_history_search = Always()


@Condition
def _menu_open() -> bool:
    return get_app().current_buffer.complete_state is not None


@Condition
def _menu_entered() -> bool:
    """A completion has been chosen, and already stands in the text."""
    state = get_app().current_buffer.complete_state
    return state is not None and state.complete_index is not None


@Condition
def _in_indentation() -> bool:
    return not get_app().current_buffer.document.current_line_before_cursor.strip()


@Condition
def _after_spaces() -> bool:
    before = get_app().current_buffer.document.current_line_before_cursor
    return before != "" and not before.strip(" ")


@Condition
def _on_last_line() -> bool:
    return get_app().current_buffer.document.on_last_line


@Condition
def _suggested() -> bool:
    buffer = get_app().current_buffer
    return buffer.suggestion is not None and buffer.suggestion.text != "" and buffer.document.is_cursor_at_the_end


def enter(event: KeyPressEvent, check: Callable[[str], str]) -> None:
    """Run the text if it is whole or wrong, else go on with a new line; in the menu, take what was chosen."""
    buffer = event.current_buffer
    if _menu_entered():
        buffer.complete_state = None
        return
    if buffer.document.line_count > 1 and buffer.document.text_after_cursor.strip():
        newline(event)
        return
    text = without_tail(buffer.text)
    state = check(text)
    if state == "incomplete":
        newline(event)
    elif state == "complete" and is_block(text) and not _ended(text, event):
        buffer.cursor_position = len(buffer.text)
        newline(event)
    else:
        buffer.document = Document(text, len(text))
        buffer.validate_and_handle()


def _ended(block: str, event: KeyPressEvent) -> bool:
    """Whether a blank line ends the block, as at Python's prompt; one does not if more of the block arrives."""
    return event.current_buffer.text != block and not _arriving(event).isspace()


def newline(event: KeyPressEvent) -> None:
    """Begin a new line, indented as it should be, unless it is arriving with an indentation of its own."""
    buffer = event.current_buffer
    margin = "" if _arriving(event) else indentation_after(buffer.document.text_before_cursor)
    buffer.insert_text("\n" + margin)


def _arriving(event: KeyPressEvent) -> str:
    """The character behind this key if it has arrived together with it, else nothing.

    A terminal without bracketed paste sends what is pasted as if it were typed, all at once.
    """
    for press in event.key_processor.input_queue:
        if press.key != Keys.CPRResponse:
            return press.data[:1]
    return ""


def paste(event: KeyPressEvent) -> None:
    """Insert a pasted text as a whole, without running it."""
    buffer = event.current_buffer
    document = buffer.document
    text = pasted(event.data, document.text_before_cursor)
    before = document.current_line_before_cursor
    if text[:1].isspace() and not before.strip():
        # The text brings its indentation: the line's own would be added to that of its first line alone.
        buffer.delete_before_cursor(len(before))
    buffer.insert_text(text)


def indent(event: KeyPressEvent) -> None:
    """Insert spaces up to the next multiple of four columns."""
    column = event.current_buffer.document.cursor_position_col
    event.current_buffer.insert_text(" " * (INDENT - column % INDENT))


def dedent_to_cursor(event: KeyPressEvent) -> None:
    """Delete spaces back to the multiple of four columns before the cursor."""
    buffer = event.current_buffer
    buffer.delete_before_cursor(_surplus(buffer.document.cursor_position_col))


def dedent(event: KeyPressEvent) -> None:
    """Take the line's indentation back to the multiple of four before it; the cursor keeps its character."""
    buffer = event.current_buffer
    document = buffer.document
    surplus = _surplus(len(document.leading_whitespace_in_current_line))
    start = document.cursor_position - document.cursor_position_col
    text = document.text[:start] + document.text[start + surplus :]
    buffer.document = Document(text, max(start, document.cursor_position - surplus))


def _surplus(width: int) -> int:
    """How many of so many columns stand behind the last multiple of four before their end."""
    return (width - 1) % INDENT + 1 if width else 0


def up(event: KeyPressEvent) -> None:
    """Go up in the text or the history, as nothing has been chosen in the menu that opened by itself."""
    event.current_buffer.cancel_completion()
    event.current_buffer.auto_up(count=event.arg)


def down(event: KeyPressEvent) -> None:
    """Go down in the text, as nothing has been chosen in the menu that opened by itself."""
    event.current_buffer.cancel_completion()
    event.current_buffer.auto_down(count=event.arg)


def accept_suggestion(event: KeyPressEvent) -> None:
    """Insert what is suggested."""
    suggestion = event.current_buffer.suggestion
    assert suggestion is not None
    event.current_buffer.insert_text(suggestion.text)


def accept_word(event: KeyPressEvent) -> None:
    """Insert the next word of what is suggested, or the punctuation before it."""
    suggestion = event.current_buffer.suggestion
    assert suggestion is not None
    word = re.match(r"\s*(?:\w+|[^\w\s]+)?", suggestion.text)
    assert word is not None
    event.current_buffer.insert_text(word[0])


def _first_press(event: KeyPressEvent) -> bool:
    """Whether the key is not held down: undo takes back all presses of one that is."""
    return not event.is_repeat
