"""Does a place for files keep the promises of ``Directory``?

Derive a test class, return a fresh empty directory from ``make_directory``, and let pytest run
it::

    class TestMyDirectory(DirectoryContract):
        def make_directory(self, tmp_path):
            return MyDirectory(tmp_path)
"""

from __future__ import annotations

import gc
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from elanus.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError
from elanus.storage.directory import Directory


class DirectoryContract(ABC):
    """The tests. Each one gets an empty directory and an empty folder of the file system."""

    @abstractmethod
    def make_directory(self, tmp_path: Path) -> Directory:
        """Return an empty directory whose root exists."""

    def test_written_file_reads_back(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        assert directory.write_new("a", [b"one", bytearray(b"two"), memoryview(b"three")]) == 11
        assert bytes(directory.read("a")) == b"onetwothree"
        assert directory.size("a") == 11
        assert directory.exists("a")
        assert directory.list_names("") == ["a"]

    def test_empty_file_reads_back(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        assert directory.write_new("a", []) == 0
        assert bytes(directory.read("a")) == b""

    def test_write_new_leaves_an_existing_file_alone(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.write_new("a", [b"first"])
        _expect(AlreadyExistsError, lambda: directory.write_new("a", [b"second"]))
        assert bytes(directory.read("a")) == b"first"
        assert directory.list_names("") == ["a"]

    def test_copy_stays_when_its_source_goes(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.make_dir("f")
        directory.write_new("a", [b"one"])
        directory.copy("a", "f/b")
        assert bytes(directory.read("f/b")) == b"one"
        _expect(AlreadyExistsError, lambda: directory.copy("a", "f/b"))
        directory.delete("a")
        assert bytes(directory.read("f/b")) == b"one"
        _expect(NotFoundError, lambda: directory.copy("a", "c"))
        assert directory.list_names("") == ["f"]

    def test_file_has_no_names_in_it(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.write_new("a", [b"x"])
        assert directory.list_names("a") == directory.list_names("b") == []

    def test_allocated_file_has_its_size(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.allocate("a", 300_001)
        assert directory.size("a") == 300_001
        _expect(AlreadyExistsError, lambda: directory.allocate("a", 1))
        directory.delete("a")
        assert directory.list_names("") == []

    def test_room_is_a_part_of_the_medium(self, tmp_path: Path) -> None:
        room = self.make_directory(tmp_path).room()
        assert room is None or 0 <= room.free <= room.total

    def test_failing_chunks_leave_nothing(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)

        def chunks() -> Iterator[bytes]:
            yield b"start"
            raise KeyError("the producer failed")

        _expect(KeyError, lambda: directory.write_new("a", chunks()))
        assert directory.list_names("") == []

    def test_one_of_many_writers_wins(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        won: list[bytes] = []
        start = threading.Barrier(8)

        def write(text: bytes) -> None:
            start.wait()
            try:
                directory.write_new("a", [text])
            except AlreadyExistsError:
                return
            won.append(text)

        threads = [threading.Thread(target=write, args=(b"%d" % n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [bytes(directory.read("a"))]
        assert directory.list_names("") == ["a"]

    def test_arrays_are_read_only_views_that_outlive_the_file(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        expected = np.arange(50_000, dtype=np.int64)
        directory.write_new("a", [expected.tobytes()])
        found = np.frombuffer(directory.read("a"), dtype=np.int64)
        directory.delete("a")
        gc.collect()
        assert not found.flags.writeable
        assert found.ctypes.data % 64 == 0
        np.testing.assert_array_equal(found, expected)

    def test_append_and_reopen(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        file = directory.create_append("a")
        file.write([b"ab", b"", b"cd"])
        file.sync()
        assert file.size == 4
        file.close()
        file.close()
        file = directory.open_append("a")
        file.write([np.array([101], dtype=np.uint8).data])
        assert file.size == 5
        file.truncate(3)
        file.write([b"x"])
        file.close()
        assert bytes(directory.read("a")) == b"abcx"

    def test_many_buffers_in_one_write(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        buffers = [b"%d," % n for n in range(5_000)]
        file = directory.create_append("a")
        file.write(buffers)
        file.close()
        assert bytes(directory.read("a")) == b"".join(buffers)

    def test_a_read_does_not_see_what_is_appended_later(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        file = directory.create_append("a")
        file.write([b"old"])
        seen = directory.read("a")
        file.write([b"new"])
        file.close()
        assert bytes(seen) == b"old"
        assert bytes(directory.read("a")) == b"oldnew"

    def test_create_append_refuses_a_taken_name(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.write_new("a", [b"x"])
        _expect(AlreadyExistsError, lambda: directory.create_append("a"))
        _expect(AlreadyExistsError, lambda: directory.write_file("a", [b"y"]))
        assert bytes(directory.read("a")) == b"x"

    def test_missing_things(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        _expect(NotFoundError, lambda: directory.read("a"))
        _expect(NotFoundError, lambda: directory.size("a"))
        _expect(NotFoundError, lambda: directory.open_append("a"))
        _expect(NotFoundError, lambda: directory.write_new("no/a", [b"x"]))
        _expect(NotFoundError, lambda: directory.rename_dir("no", "other"))
        assert not directory.exists("a")
        assert not directory.is_dir("a")
        assert directory.list_names("no") == []
        directory.delete("a")
        directory.delete_dir("a")

    def test_folders(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.make_dir("a/b/c")
        directory.make_dir("a/b")
        directory.write_new("a/b/x", [b"1"])
        directory.sync_dir("a/b")
        assert directory.list_names("a/b") == ["c", "x"]
        assert directory.is_dir("a/b/c")
        assert not directory.is_dir("a/b/x")
        assert directory.exists("a/b")

    def test_rename_dir_moves_all_below_it(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.make_dir("s/a.tmp/sub")
        directory.write_file("s/a.tmp/sub/x", [b"1"])
        directory.rename_dir("s/a.tmp", "s/a")
        assert directory.list_names("s") == ["a"]
        assert bytes(directory.read("s/a/sub/x")) == b"1"

    def test_rename_dir_refuses_a_taken_name(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.make_dir("a")
        directory.make_dir("b")
        _expect(AlreadyExistsError, lambda: directory.rename_dir("a", "b"))
        _expect(InvalidArgumentError, lambda: directory.rename_dir("a", "b/a"))
        assert directory.list_names("") == ["a", "b"]

    def test_delete_dir_deletes_all_below_it(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        directory.make_dir("a/b")
        directory.write_new("a/b/x", [b"1"])
        directory.write_new("a/y", [b"2"])
        directory.delete_dir("a")
        assert directory.list_names("") == []

    def test_paths_stay_inside(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        for path in ("../a", "/a", "a//b", "a/./b", "a/../b"):
            _expect(InvalidArgumentError, partial(directory.exists, path))
            _expect(InvalidArgumentError, partial(directory.write_new, path, [b"x"]))

    def test_lock_is_exclusive_until_released(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        first = directory.try_lock("LOCK", b"me")
        assert first is not None
        assert directory.try_lock("LOCK", b"you") is None
        assert bytes(directory.read("LOCK")) == b"me"
        first.release()
        first.release()
        second = directory.try_lock("LOCK", b"you")
        assert second is not None
        assert bytes(directory.read("LOCK")) == b"you"
        first.release()
        assert directory.try_lock("LOCK", b"third") is None
        second.release()

    def test_looking_at_a_lock_takes_nothing(self, tmp_path: Path) -> None:
        directory = self.make_directory(tmp_path)
        assert not directory.is_locked("LOCK")
        assert not directory.exists("LOCK")
        lock = directory.try_lock("LOCK", b"me")
        assert lock is not None
        assert directory.is_locked("LOCK")
        assert directory.for_reading().is_locked("LOCK")
        lock.release()
        assert not directory.is_locked("LOCK")


def _expect(kind: type[Exception], call: Callable[[], object]) -> None:
    try:
        call()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")
