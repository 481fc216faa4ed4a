"""Appending and overwriting through the system, with its failures."""

import errno
import os
import signal
import threading

import pytest

from elanus.kernels.file_writes import Appended, append_to, overwrite


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "log"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield path, fd
    os.close(fd)


@pytest.mark.parametrize("sync", [False, True])
def test_buffers_follow_each_other_however_many_and_however_empty(file, sync):
    path, fd = file
    buffers = [bytes([n % 251]) * (n % 7) for n in range(1000)]
    expected = b"".join(buffers)
    assert append_to(fd, buffers, sync=sync) == Appended(len(expected), 0, 0)
    assert append_to(fd, [], sync=sync) == Appended(0, 0, 0)
    assert append_to(fd, [b"", memoryview(b"end"), bytearray(b"")], sync=sync).written == 3
    assert path.read_bytes() == expected + b"end"


def test_a_part_of_a_write_goes_on_where_it_stopped():
    """A pipe takes only some bytes at once, here from the middle of a buffer."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    buffers = [bytes([n]) * 1009 for n in range(200)]
    done = append_to(writer, buffers, sync=False)
    assert done.write_error == errno.EAGAIN
    assert 0 < done.written < sum(map(len, buffers))
    assert os.read(reader, 1 << 20) == b"".join(buffers)[: done.written]
    os.close(reader)
    assert append_to(writer, [b"x"], sync=True) == Appended(0, errno.EPIPE, 0)
    os.close(writer)


def test_a_write_that_a_signal_cuts_goes_on_where_it_stopped():
    """The reader sends a signal before it takes some bytes; a write that waits ends with those."""
    reader, writer = os.pipe()
    buffers = [bytes([n % 251]) * 1009 for n in range(4000)]
    expected = b"".join(buffers)
    writing, signals = threading.main_thread().ident, []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: signals.append(number))
    parts = []

    def read():
        part = b"first"
        while part:
            signal.pthread_kill(writing, signal.SIGUSR1)
            part = os.read(reader, 5003)
            parts.append(part)

    thread = threading.Thread(target=read)
    try:
        thread.start()
        done = append_to(writer, buffers, sync=False)
    finally:
        os.close(writer)
        thread.join()
        signal.signal(signal.SIGUSR1, before)
        os.close(reader)
    assert done == Appended(len(expected), 0, 0)
    assert b"".join(parts) == expected
    assert signals


def test_a_failed_sync_is_told_from_a_failed_write():
    reader, writer = os.pipe()
    done = append_to(writer, [b"four"], sync=True)  # pipes cannot be synced
    assert (done.written, done.write_error) == (4, 0)
    assert done.sync_error in (errno.EINVAL, errno.EROFS)
    os.close(reader)
    os.close(writer)


def test_what_is_no_buffer_is_refused_before_anything_is_written(file):
    path, fd = file
    with pytest.raises(TypeError):
        append_to(fd, [b"first", "text"], sync=False)
    assert path.read_bytes() == b""


def test_overwriting_starts_at_the_front(tmp_path):
    path = tmp_path / "pub"
    path.write_bytes(b"0123456789")
    fd = os.open(path, os.O_RDWR)
    overwrite(fd, b"abc")
    overwrite(fd, b"AB")
    os.close(fd)
    assert path.read_bytes() == b"ABc3456789"
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        overwrite(fd, b"x")
    assert caught.value.errno == errno.EBADF
