"""The history file: one entry a line, each a JSON string, so that a person can read it and grep it.

Every write is made in one piece under a lock on the file: sessions that run at the same time share it, and a
killed process leaves nothing half written.
"""

import errno
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from prompt_toolkit.auto_suggest import AutoSuggest, Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import History

if sys.platform != "win32":
    import fcntl

__all__ = ["HistoryFile", "SuggestFromHistory"]


class HistoryFile(History):
    """What was typed, in this session and in earlier ones.

    ``problem`` is empty, or says in one line what was wrong with the file or why nothing is saved; it can come
    up at any entry. What is typed in this session is kept in memory in any case.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """Read the file, made if there is none, and cut it to ``limit`` entries; with 0 there is no file."""
        super().__init__()
        self.problem = ""
        # Compaction replaces the file: it must not replace a symbolic link instead.
        self._path = Path(os.path.realpath(path))
        self._limit = limit
        self._saves = limit > 0
        # The base class keeps the latest entry first.
        self._loaded_strings = self._open()[::-1] if self._saves else []
        self._loaded = True

    def entries(self) -> list[str]:
        """All entries, oldest first."""
        return self.get_strings()

    def load_history_strings(self) -> Iterable[str]:
        """All entries, latest first."""
        return list(self._loaded_strings)

    def append_string(self, string: str) -> None:
        """Add an entry, unless it is blank or the same as the one before."""
        if string.strip() and self._loaded_strings[:1] != [string]:
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write an entry to the file."""
        if not self._saves:
            return
        try:
            with _locked(self._path) as descriptor:
                _append(descriptor, _encode(string))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._saves = False
        self.problem = f"history is not saved: {self._path}: {error.strerror}"

    def _open(self) -> list[str]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._path) as descriptor:
                self._path.chmod(0o600)
                return self._tidy(_read(descriptor).splitlines())
        except OSError as error:
            self._give_up(error)
        # It may still be readable, on a file system mounted read-only.
        with suppress(OSError):
            return _decode(_latest(self._path.read_bytes().splitlines(), self._limit))[0]
        return []

    def _tidy(self, lines: Sequence[bytes]) -> list[str]:
        """Return the entries that count; put them into a new file if this one is damaged or too long."""
        kept = _latest(lines, self._limit)
        entries, damaged = _decode(kept)
        if damaged:
            aside = _set_aside(self._path)
            self.problem = f"history: {damaged} of {len(kept)} lines could not be read; the file is kept as {aside}"
            _replace(self._path, b"".join(map(_encode, entries)))
        elif len(lines) > self._limit:
            _replace(self._path, b"".join(line + b"\n" for line in kept))
        return entries


class SuggestFromHistory(AutoSuggest):
    """Suggest the rest of a line from the latest entry that begins with what stands there.

    prompt_toolkit's own splits every entry into lines at every key, which a long history makes slow.
    """

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        """Suggest how the whole text goes on, up to the line's end, or else how its last line does."""
        text = document.text
        line = text.rpartition("\n")[2]
        if not line.strip():
            return None
        entries = buffer.history.get_strings()
        for entry in reversed(entries):
            if entry.startswith(text) and len(entry) > len(text):
                return Suggestion(_line_from(entry, len(text)))
        if line == text:
            return None
        for entry in reversed(entries):
            at = entry.find("\n" + line)
            if at >= 0:
                return Suggestion(_line_from(entry, at + 1 + len(line)))
        return None


def _line_from(text: str, start: int) -> str:
    return text[start:].partition("\n")[0]


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open a file for reading and appending, and keep other sessions out meanwhile."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another session may have put a new file in its place between the opening and the lock.
            if _is_at(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _append(descriptor: int, line: bytes) -> None:
    """Add a line; leave the file as it was if there is no room for it."""
    size = os.fstat(descriptor).st_size
    if size and _read(descriptor, size - 1) != b"\n":
        line = b"\n" + line
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _read(descriptor: int, start: int = 0) -> bytes:
    os.lseek(descriptor, start, os.SEEK_SET)
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


def _replace(path: Path, content: bytes) -> None:
    """Put a new file in the place of the locked one."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)


def _set_aside(path: Path) -> Path:
    """Copy a damaged file to a name that is free, and return the name."""
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}.corrupt-{number}")
        with suppress(FileExistsError):
            aside.touch(mode=0o600, exist_ok=False)
            aside.write_bytes(path.read_bytes())
            return aside
    raise AssertionError("unreachable")


def _encode(entry: str) -> bytes:
    line = json.dumps(entry, ensure_ascii=False)
    try:
        return line.encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which UTF-8 does not have
        return json.dumps(entry).encode() + b"\n"


def _decode(lines: Sequence[bytes]) -> tuple[list[str], int]:
    """Return the entries and how many lines are none."""
    try:
        # Ten times faster than line by line.
        entries = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        entries = []
    if len(entries) == len(lines) and all(isinstance(entry, str) for entry in entries):
        return entries, 0
    found = [entry for line in lines if (entry := _decode_line(line)) is not None]
    return found, len(lines) - len(found)


def _decode_line(line: bytes) -> str | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, str) else None


def _latest(lines: Sequence[bytes], limit: int) -> list[bytes]:
    """The last lines, each only where it stands last."""
    # A dict keeps its keys in the order of their first appearance.
    latest = list(dict.fromkeys(reversed(lines)))[:limit]
    return latest[::-1]
