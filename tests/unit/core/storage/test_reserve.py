"""Rows are refused while a little room is left; the rest is for what gives space back."""

import errno

import pytest

from elanus.errors import DiskFullError
from elanus.storage import reserve
from elanus.storage.directory import Room
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.reserve import BALLAST_FILE, SpaceReserve, floor_of
from support.fault_directory import FaultDirectory

MIB = 1 << 20


class Medium(FaultDirectory):
    """Counts how often it is asked for its room."""

    def __init__(self, capacity):
        super().__init__(MemoryDirectory(capacity))
        self.questions = 0

    def room(self):
        self.questions += 1
        return super().room()

    def fill(self, name, size):
        self.allocate(name, size)


def test_floor_is_an_eighth_of_a_small_medium():
    assert floor_of(Room(0, 8 * MIB)) == MIB
    assert floor_of(Room(0, 512 * MIB)) == floor_of(Room(0, 10**12)) == 64 * MIB


def test_write_below_the_floor_is_refused_with_the_numbers():
    directory = Medium(8 * MIB)
    directory.fill("a", 6 * MIB)
    space = SpaceReserve(directory)
    # A row takes its place twice, in the log and in the segment that is flushed from it.
    with pytest.raises(DiskFullError, match="2,097,152 bytes are free") as caught:
        space.check_room(MIB // 2 + 1)
    error = caught.value
    assert (error.path, error.free, error.needed) == (":memory:", 2 * MIB, 2 * MIB + 2)
    with pytest.raises(DiskFullError):
        space.check_room(MIB // 2, unflushed=1)
    space.check_room(MIB // 2)


def test_ballast_is_small_until_as_much_was_written():
    directory = Medium(1024 * MIB)
    space = SpaceReserve(directory)
    space.check_room(1)
    assert directory.size(BALLAST_FILE) == 256 * 1024
    space.check_room(16 * MIB)
    assert directory.size(BALLAST_FILE) == space.ballast_bytes == 16 * MIB
    assert SpaceReserve(directory).ballast_bytes == 16 * MIB


def test_ballast_is_at_most_a_sixteenth_of_the_medium():
    directory = Medium(2 * MIB)
    SpaceReserve(directory).check_room(1)
    assert directory.size(BALLAST_FILE) == 128 * 1024
    tiny = Medium(128 * 1024)
    SpaceReserve(tiny).check_room(1)
    assert not tiny.exists(BALLAST_FILE)


def test_ballast_is_given_back_only_in_need_and_made_again():
    directory = Medium(64 * MIB)
    space = SpaceReserve(directory)
    space.check_room(5 * MIB)
    space.make_room(1000)
    assert space.ballast_bytes == 256 * 1024
    directory.fill("other", directory.room().free)
    space.make_room(1000)
    assert not directory.exists(BALLAST_FILE)
    assert directory.room().free == 256 * 1024
    assert not space.release()
    space.restore()
    assert not directory.exists(BALLAST_FILE), "no room above the floor"
    directory.delete("other")
    space.restore()
    assert directory.size(BALLAST_FILE) == 256 * 1024


def test_file_system_is_asked_once_per_megabyte(monkeypatch):
    monkeypatch.setattr(reserve, "RECHECK_S", 3600.0)
    directory = Medium(1024 * MIB)
    space = SpaceReserve(directory)
    space.check_room(1)
    directory.questions = 0
    for _ in range(1024):
        space.check_room(4096)
    assert 3 <= directory.questions <= 5


def test_every_write_is_checked_close_to_the_floor(monkeypatch):
    monkeypatch.setattr(reserve, "RECHECK_S", 3600.0)
    directory = Medium(8 * MIB)
    space = SpaceReserve(directory)
    # 8 MiB less the floor of 1 MiB and the ballast of 256 KiB: 108 pieces of 64 KiB, of which
    # the last would have to be flushed as well.
    for n in range(107):
        space.check_room(65536)
        directory.fill(f"f{n}", 65536)
    assert directory.room().free == MIB + 65536
    with pytest.raises(DiskFullError):
        space.check_room(65536)


def test_ballast_that_cannot_be_made_is_no_error(caplog):
    directory = Medium(1024 * MIB)
    space = SpaceReserve(directory)
    directory.fail_after(0, error=errno.EPERM, lasting=True)
    for _ in range(3):
        space.restore()
    space.check_room(1)
    assert space.ballast_bytes == 0
    assert len(caplog.records) == 1


def test_unknown_room_refuses_nothing():
    directory = MemoryDirectory()
    space = SpaceReserve(directory)
    space.check_room(1 << 50)
    space.make_room(1 << 50)
    space.restore()
    assert directory.list_names("") == []


def test_ballast_on_disk_takes_its_blocks(tmp_path):
    directory = LocalDirectory(tmp_path)
    SpaceReserve(directory).check_room(1)
    found = (tmp_path / BALLAST_FILE).stat()
    assert found.st_size == 256 * 1024
    assert found.st_blocks * 512 >= 256 * 1024


def test_read_only_directory_is_left_alone(tmp_path):
    SpaceReserve(LocalDirectory(tmp_path)).check_room(1)
    directory = LocalDirectory(tmp_path, read_only=True)
    space = SpaceReserve(directory)
    space.check_room(1 << 60)
    space.make_room(1 << 60)
    assert not space.release()
    space.restore()
    assert (tmp_path / BALLAST_FILE).stat().st_size == 256 * 1024
