"""The colours of what is being typed."""

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import fragment_list_to_text

from aiorepl.terminal.lexer import SourceLexer


def styles(text: str) -> list[dict[str, str]]:
    """The style of each word, line by line."""
    line = SourceLexer.by_pygments().lex_document(Document(text))
    return [{part: style for style, part, *_ in line(number) if part.strip()} for number in range(text.count("\n") + 1)]


def test_python() -> None:
    first, second = styles("async def f():\n    return '''x")
    assert first["def"] == "class:pygments.keyword"
    assert first["f"] == "class:pygments.name.function"
    assert second["return"] == "class:pygments.keyword"


def test_commands() -> None:
    assert styles("%time def")[0] == {"%time": "class:command", " def": ""}
    assert styles("  !ls")[0] == {"  !": "class:command", "ls": ""}


def test_every_line_keeps_its_text() -> None:
    for text in ("", "  ", "%run x\n  def", "x = '''\n\ty", "a?"):
        line = SourceLexer.by_pygments().lex_document(Document(text))
        assert [fragment_list_to_text(line(number)) for number in range(text.count("\n") + 1)] == text.split("\n")


def test_text_has_no_colours_until_pygments_is_loaded() -> None:
    assert SourceLexer().lex_document(Document("while"))(0) == [("", "while")]
    assert SourceLexer.by_pygments().lex_document(Document("while"))(0)[0][:2] == ("class:pygments.keyword", "while")
