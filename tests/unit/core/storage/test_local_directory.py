import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elanus.errors import AlreadyExistsError, ReadOnlyError, StorageError
from elanus.storage import local_directory
from elanus.storage.local_directory import LocalDirectory


@pytest.fixture
def directory(tmp_path: Path) -> LocalDirectory:
    made = LocalDirectory(tmp_path / "db")
    made.make_dir("")
    return made


def test_root_is_created_with_its_parents(tmp_path: Path) -> None:
    directory = LocalDirectory(tmp_path / "a" / "b")
    assert not directory.exists("")
    directory.make_dir("c/d")
    assert (tmp_path / "a" / "b" / "c" / "d").is_dir()
    assert directory.location == str(tmp_path / "a" / "b")


def test_files_are_plain_files(directory: LocalDirectory) -> None:
    directory.make_dir("c")
    directory.write_new("c/x", [b"content"])
    assert (Path(directory.location) / "c" / "x").read_bytes() == b"content"


def test_map_survives_replacing_the_file(directory: LocalDirectory) -> None:
    directory.write_new("x", [np.arange(10_000).tobytes()])
    seen = np.frombuffer(directory.read("x"), dtype=np.int64)
    directory.delete("x")
    directory.write_new("x", [b"other"])
    np.testing.assert_array_equal(seen, np.arange(10_000))


def test_read_only_directory_changes_nothing(directory: LocalDirectory) -> None:
    directory.write_new("x", [b"1"])
    reader = LocalDirectory(directory.location, read_only=True)
    assert bytes(reader.read("x")) == b"1"
    assert reader.list_names("") == ["x"]
    calls: list[Callable[[], object]] = [
        lambda: reader.write_new("y", [b"1"]),
        lambda: reader.create_append("y"),
        lambda: reader.open_append("x"),
        lambda: reader.make_dir("d"),
        lambda: reader.rename("x", "y"),
        lambda: reader.delete("x"),
        lambda: reader.sync_dir(""),
        lambda: reader.try_lock("LOCK", b""),
    ]
    for call in calls:
        with pytest.raises(ReadOnlyError, match="reading only"):
            call()
    assert directory.list_names("") == ["x"]


def test_without_hard_links_a_file_still_gets_its_name_once(
    directory: LocalDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # exFAT and some network file systems refuse link(2) with EPERM.
    def refuse(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    directory.write_new("x", [b"first"])
    with pytest.raises(AlreadyExistsError):
        directory.write_new("x", [b"second"])
    assert bytes(directory.read("x")) == b"first"
    assert directory.list_names("") == ["x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_missing_permission_says_what_to_do(directory: LocalDirectory) -> None:
    Path(directory.location).chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(StorageError, match="read_only=True") as caught:
        directory.write_new("x", [b"1"])
    assert isinstance(caught.value.__cause__, PermissionError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_device_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("/dev/full")
    file = LocalDirectory(tmp_path).open_append("x")
    with pytest.raises(StorageError, match="No space left on device; free some space") as caught:
        file.write([b"1"])
    file.close()
    cause = caught.value.__cause__
    assert isinstance(cause, OSError)
    assert cause.errno == errno.ENOSPC


def test_lock_ends_with_the_process_that_took_it(directory: LocalDirectory) -> None:
    program = (
        "import sys\n"
        "from elanus.storage.local_directory import LocalDirectory\n"
        "lock = LocalDirectory(sys.argv[1]).try_lock('LOCK', b'child')\n"
        "print(lock is not None, flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, directory.location],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        assert directory.try_lock("LOCK", b"me") is None
        assert bytes(directory.read("LOCK")) == b"child"
        child.kill()
    lock = directory.try_lock("LOCK", b"me")
    assert lock is not None
    lock.release()


def test_forked_child_neither_holds_nor_ends_the_lock(directory: LocalDirectory) -> None:
    lock = directory.try_lock("LOCK", b"parent")
    assert lock is not None
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        lock.release()
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        assert directory.try_lock("LOCK", b"second") is None
        lock.release()
        # The child still runs, and its copy of the descriptor is closed.
        again = directory.try_lock("LOCK", b"second")
        assert again is not None
        again.release()
    finally:
        os.write(done[1], b"x")
        os.waitpid(child, 0)
        for fd in (*ready, *done):
            os.close(fd)


def test_released_lock_is_free_whoever_shares_the_open_file(directory: LocalDirectory) -> None:
    lock: Any = directory.try_lock("LOCK", b"first")
    shared = os.dup(lock._fd)  # as a child has it between fork and exec
    try:
        lock.release()
        again = directory.try_lock("LOCK", b"second")
        assert again is not None
        again.release()
    finally:
        os.close(shared)


@pytest.mark.skipif(sys.platform != "linux", reason="reads names of open files")
def test_what_is_said_to_be_durable_was_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test can cut the power, so that the calls of the operating system are what is seen."""
    synced: list[str] = []
    appended: list[bool] = []

    def noted(call: Callable[[int], None]) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
            call(fd)

        return sync

    def append_to(fd: int, buffers: Any, *, sync: bool) -> Any:
        appended.append(sync)
        return append(fd, buffers, sync=sync)

    append = local_directory.append_to
    monkeypatch.setattr(local_directory, "append_to", append_to)
    monkeypatch.setattr(os, "fdatasync", noted(os.fdatasync))
    monkeypatch.setattr(os, "fsync", noted(os.fsync))
    directory = LocalDirectory(tmp_path / "new" / "db")
    directory.make_dir("")
    # Each folder that got an entry, the outermost first.
    assert synced == [tmp_path.name, "new"]
    directory.make_dir("sub")
    synced.clear()
    file = directory.create_append("log")
    file.write([b"abc"])
    file.write_synced([b"def"])
    assert appended == [False, True]
    file.truncate(4)
    assert synced == ["log"]
    file.sync()
    assert synced == ["log", "log"]
    file.close()
    synced.clear()
    directory.copy("log", "sub/copy")
    assert synced[-1] == "sub"
