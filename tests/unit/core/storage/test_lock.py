import os
from pathlib import Path

import pytest

from elanus.errors import DatabaseLockedError, ReadOnlyError
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.lock import LOCK_FILE, WriterLock, read_holder
from elanus.storage.memory_directory import MemoryDirectory


@pytest.fixture
def directory(tmp_path: Path) -> LocalDirectory:
    return LocalDirectory(tmp_path)


def test_second_writer_in_this_process_is_told_so(directory: LocalDirectory) -> None:
    with WriterLock.acquire(directory) as lock:
        assert lock.owner_pid == os.getpid()
        with pytest.raises(DatabaseLockedError, match=r"this process .* read_only=True") as caught:
            WriterLock.acquire(directory)
        assert caught.value.pid == os.getpid()
    WriterLock.acquire(directory).release()


def test_lock_file_that_is_left_behind_means_nothing(directory: LocalDirectory) -> None:
    directory.write_new(LOCK_FILE, [b'{"pid": 1, "host": "h", "boot_id": "", "since": "?"}'])
    with WriterLock.acquire(directory):
        holder = read_holder(directory)
        assert holder is not None
        assert holder.pid == os.getpid()


def test_holder_on_another_machine_is_named() -> None:
    directory = MemoryDirectory()
    content = b'{"pid": 77, "host": "elsewhere", "boot_id": "b", "since": "2026-01-01"}'
    assert directory.try_lock(LOCK_FILE, content)
    with pytest.raises(DatabaseLockedError, match="process 77 on elsewhere has it open") as caught:
        WriterLock.acquire(directory)
    assert caught.value.pid == 77


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}'])
def test_unreadable_holder_is_another_process(content: bytes) -> None:
    directory = MemoryDirectory()
    assert directory.try_lock(LOCK_FILE, content)
    with pytest.raises(DatabaseLockedError, match="another process has it") as caught:
        WriterLock.acquire(directory)
    assert caught.value.pid is None


def test_forked_child_may_not_write(directory: LocalDirectory) -> None:
    lock = WriterLock.acquire(directory)
    lock.check_owner()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            lock.check_owner()
            message = b"no error"
        except ReadOnlyError as error:
            message = str(error).encode()
        lock.release()
        os.write(writing, message)
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reading, 10_000).decode()
    os.close(reading)
    os.close(writing)
    assert f"process {os.getpid()} opened this database for writing" in told
    assert f"this process ({child}) was forked from it" in told
    with pytest.raises(DatabaseLockedError):
        WriterLock.acquire(directory)
    lock.release()


def test_read_only_directory_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(ReadOnlyError):
        WriterLock.acquire(LocalDirectory(tmp_path, read_only=True))
