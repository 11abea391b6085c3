"""Debug mode and log records on a person's screen."""

from pathlib import Path

from person import starts


def test_the_toolbar_tells_of_debug_mode_and_records_come_above_the_prompt(tmp_path: Path) -> None:
    with starts(tmp_path, "--debug") as person:
        person.sees(r"^ loop idle .* debug on")
        assert person.runs("%debug off") == ["debug mode is off"]
        person.sees(r"^ loop idle .* debug off")
        assert person.runs("%log info app") == [
            "app: INFO and above is shown here, a logger that nobody has used so far; %log off app ends that"
        ]
        person.runs("import logging, threading")
        person.enters("threading.Timer(0.3, logging.getLogger('app').warning, ['low on %s', 'tea']).start()")
        person.types("x = 1 +")
        person.sees(r"^WARNING app: low on tea\n(.*\n)*>>> x = 1 \+")
        # In the colour of warnings, which the prompt does not use.
        assert b"mWARNING app: low on tea" in person.raw
