"""Only this user and root get in: folders, modes, links, leftovers, and who the kernel says is there."""

import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served import serving

from aiorepl.errors import ServeError
from aiorepl.remote.discovery import served
from aiorepl.remote.sockets import (
    Peer,
    SocketName,
    bind,
    connect,
    folder,
    folders,
    is_stale,
    may_talk,
    peer_of,
    remove,
    usable_name,
)

# What pytest's plugins start threads for is over before a test begins.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name, and that others can enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.mark.parametrize("name", ["web", "a", "worker-1.2+x_Y", "0x", "a" * 40])
def test_names(name: str) -> None:
    assert usable_name(name) == name
    assert SocketName.read(SocketName(4711, name).file) == SocketName(4711, name)


@pytest.mark.parametrize("name", ["", "4711", "a/b", "a b", ".hidden", "-x", "a" * 41, "ü", "a\n"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ServeError, match="a name takes letters, digits"):
        usable_name(name)


@pytest.mark.parametrize(
    "file", ["web.sock", "4711-.sock", "4711-web", "x-web.sock", "4711-we b.sock", "1" * 11 + "-w.sock"]
)
def test_other_files_are_no_sockets_of_ours(file: str) -> None:
    assert SocketName.read(file) is None


@pytest.fixture(autouse=True)
def _no_other_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIOREPL_RUNTIME_DIR", raising=False)


def test_one_folder_can_be_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("AIOREPL_RUNTIME_DIR", str(tmp_path / "mine"))
    assert folders() == [str(tmp_path / "mine")]
    assert folder() == str(tmp_path / "mine")
    (tmp_path / "mine").chmod(0o755)
    with pytest.raises(ServeError, match="mine is open to others"):
        folder()


def test_the_folder_is_made_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = os.umask(0)
    try:
        assert folder() == str(tmp_path / "aiorepl")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "aiorepl").stat().st_mode) == 0o700
    assert folder() == folders()[0]


def test_without_a_runtime_folder_the_temporary_one_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "not-there"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    user = os.geteuid()
    assert f"{tmp_path}/aiorepl-{user}" in folders()
    assert folders()[-1] == f"/tmp/aiorepl-{user}"


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_could_enter_is_refused(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "aiorepl").mkdir()
    (tmp_path / "aiorepl").chmod(mode)
    with pytest.raises(ServeError, match=rf"aiorepl is open to others: mode {mode:o}, and it must be 700"):
        folder()


def test_a_link_or_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "aiorepl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServeError, match="is no folder"):
        folder()


@as_root
def test_a_folder_of_somebody_elses_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "aiorepl").mkdir(mode=0o700)
    os.chown(tmp_path / "aiorepl", NOBODY, NOBODY)
    with pytest.raises(ServeError, match=f"belongs to user {NOBODY}"):
        folder()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_socket_is_this_users_from_its_first_moment_on(mask: int, short: Path) -> None:
    before = os.umask(mask)
    try:
        with bind(str(short / "x.sock")):
            assert stat.S_IMODE((short / "x.sock").stat().st_mode) == 0o600
        assert os.umask(mask) == mask
    finally:
        os.umask(before)


def test_a_socket_that_was_left_behind_is_replaced(short: Path) -> None:
    path = str(short / "x.sock")
    bind(path).close()
    assert is_stale(path)
    with bind(path):
        assert not is_stale(path)


def test_a_socket_that_somebody_listens_at_is_not_replaced(short: Path) -> None:
    path = str(short / "x.sock")
    with bind(path), pytest.raises(ServeError, match=f"somebody listens at {path} already"):
        bind(path)


def test_a_listener_with_a_full_queue_is_not_taken_for_dead(short: Path) -> None:
    path = str(short / "x.sock")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(path)
        assert not is_stale(path)


def test_what_is_no_socket_is_left_alone(short: Path) -> None:
    (short / "file").write_text("mine")
    (short / "link").symlink_to(short / "file")
    for name in ("file", "link"):
        with pytest.raises(ServeError, match="is there, and no socket"):
            bind(str(short / name))
        with pytest.raises(ServeError, match="is no socket"):
            connect(str(short / name), 1)
        remove(str(short / name))
    assert (short / "file").read_text() == "mine"
    assert (short / "link").is_symlink()


def test_a_link_to_a_socket_is_not_followed(short: Path) -> None:
    with bind(str(short / "real.sock")):
        (short / "link.sock").symlink_to(short / "real.sock")
        with pytest.raises(ServeError, match="is no socket"):
            connect(str(short / "link.sock"), 1)
        with pytest.raises(ServeError, match="is there, and no socket"):
            bind(str(short / "link.sock"))


def test_a_path_that_is_too_long_or_not_there(short: Path) -> None:
    with pytest.raises(ServeError, match=r"cannot listen at .*: AF_UNIX path too long"):
        bind(str(short / ("x" * 200)))
    with pytest.raises(ServeError, match=r"cannot listen at .*: No such file or directory"):
        bind(str(short / "not" / "there.sock"))
    with pytest.raises(FileNotFoundError):
        connect(str(short / "not" / "there.sock"), 1)


def test_a_system_without_unix_sockets_is_told(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    for function in (folder, lambda: bind(str(short / "x.sock")), served):
        with pytest.raises(ServeError, match="this system has no Unix sockets"):
            function()


def test_the_kernel_says_who_is_there(short: Path) -> None:
    with bind(str(short / "x.sock")) as listener, connect(str(short / "x.sock"), 1) as connected:
        accepted, _ = listener.accept()
        with accepted:
            here = Peer(os.getpid() if os.uname().sysname == "Linux" else 0, os.geteuid())
            assert peer_of(connected) == peer_of(accepted) == here
            assert may_talk(here)
    assert may_talk(Peer(1, 0))
    assert not may_talk(Peer(1, os.geteuid() + 1))


@contextlib.contextmanager
def somebody_else(work: Callable[[str], None]) -> Iterator[Callable[[str], int]]:
    """A process that waits for a path, and then does something with it, which may make it another user's.

    Yields what gives it the path and returns its exit status.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 99
        try:
            work(os.read(read, 4096).decode())
            status = 0
        except BaseException as error:
            os.write(2, repr(error).encode())
        finally:
            os._exit(status)

    def tell(path: str) -> int:
        os.write(write, path.encode())
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    yield tell
    os.close(read)
    os.close(write)


@as_root
def test_another_user_is_sent_away_even_where_the_file_lets_everybody_in(
    short: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def be_nobody_and_connect(path: str) -> None:
        os.setuid(NOBODY)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(path)
            assert client.recv(1) == b""

    with somebody_else(be_nobody_and_connect) as tell, serving(short) as served:
        os.chmod(served.server.path, 0o666)
        assert tell(served.server.path) == 0
        assert served.says("1") == ["1"]
    assert f"a client was sent away: user {NOBODY}, process " in caplog.text


@as_root
def test_another_user_cannot_even_connect(short: Path) -> None:
    def be_nobody_and_fail(path: str) -> None:
        os.setuid(NOBODY)
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(PermissionError):
            client.connect(path)
            os._exit(1)

    with somebody_else(be_nobody_and_fail) as tell, serving(short) as served:
        assert tell(served.server.path) == 0


@as_root
def test_a_socket_of_another_user_is_not_connected_to(short: Path) -> None:
    with bind(str(short / "x.sock")):
        os.chown(short / "x.sock", NOBODY, NOBODY)
        with pytest.raises(ServeError, match=rf"x.sock belongs to user {NOBODY}, and that is neither you nor root"):
            connect(str(short / "x.sock"), 1)


@as_root
def test_a_server_of_another_user_is_not_talked_to(short: Path) -> None:
    """Its socket's file is root's, but the kernel knows who listens."""
    ready_read, ready_write = os.pipe()
    done_read, done_write = os.pipe()
    path = str(short / "x.sock")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            os.setuid(NOBODY)
            listener.listen()
            os.write(ready_write, b"x")
            os.read(done_read, 1)
        os._exit(0)
    os.read(ready_read, 1)
    with pytest.raises(ServeError, match=f"user {NOBODY} listens at {path}, and that is neither you nor root"):
        connect(path, 1)
    os.write(done_write, b"x")
    os.waitpid(child, 0)
    for descriptor in (ready_read, ready_write, done_read, done_write):
        os.close(descriptor)
