import dataclasses
import uuid

import numpy as np
import pytest

from elanus.errors import CorruptionError
from elanus.kernels.bitset import Bitset
from elanus.storage.deletes import read_alive, write_deletes
from elanus.storage.manifest import SegmentInfo
from elanus.storage.memory_directory import MemoryDirectory

PATH = "c/1"
SEGMENT = SegmentInfo(uuid.UUID(int=7), 1000, 1, 1, {}, {})


def folder() -> MemoryDirectory:
    directory = MemoryDirectory()
    directory.make_dir(f"{PATH}/del")
    return directory


def delete_rows(directory: MemoryDirectory, rows: list[int], version: int = 1) -> SegmentInfo:
    alive = ~Bitset.from_rows(np.array(rows, dtype=np.int64), SEGMENT.num_rows)
    entry = write_deletes(directory, PATH, segment=SEGMENT, alive=alive, version=version)
    return dataclasses.replace(SEGMENT, deletes=entry)


@pytest.mark.parametrize("rows", [[], [0], [999], [3, 4, 5, 64, 65, 998], list(range(1000))])
def test_alive_rows_come_back(rows: list[int]) -> None:
    directory = folder()
    segment = delete_rows(directory, rows)
    assert segment.deletes is not None
    assert segment.deletes.num_deleted == len(rows)
    assert segment.deletes.size == directory.size(f"{PATH}/{segment.deletes.file}")
    alive = read_alive(directory, PATH, segment)
    assert alive.to_rows().tolist() == sorted(set(range(1000)) - set(rows))


def test_without_tombstones_all_rows_are_alive() -> None:
    assert read_alive(MemoryDirectory(), PATH, SEGMENT) == Bitset.full(1000)


def test_each_version_is_a_file_of_its_own() -> None:
    directory = folder()
    first, second = delete_rows(directory, [1], 1), delete_rows(directory, [1, 2], 2)
    assert read_alive(directory, PATH, first).count() == 999
    assert read_alive(directory, PATH, second).count() == 998


def test_what_a_failed_commit_left_behind_is_replaced() -> None:
    directory = folder()
    delete_rows(directory, [1], 2)
    assert read_alive(directory, PATH, delete_rows(directory, [3, 4], 2)).count() == 998


def test_every_flipped_byte_is_found() -> None:
    directory = folder()
    segment = delete_rows(directory, [3, 4, 5, 900])
    assert segment.deletes is not None
    path = f"{PATH}/{segment.deletes.file}"
    whole = bytes(directory.read(path))
    for position in range(len(whole)):
        raw = bytearray(whole)
        raw[position] ^= 0x10
        directory.delete(path)
        directory.write_new(path, [bytes(raw)])
        with pytest.raises(CorruptionError) as caught:
            read_alive(directory, PATH, segment)
        assert caught.value.path == path


def test_tombstones_of_another_segment_are_refused() -> None:
    directory = folder()
    segment = delete_rows(directory, [3])
    other = dataclasses.replace(segment, uuid=uuid.UUID(int=8))
    with pytest.raises(CorruptionError, match="another segment"):
        read_alive(directory, PATH, other)
    smaller = dataclasses.replace(segment, num_rows=3)
    with pytest.raises(CorruptionError, match="of 3 rows"):
        read_alive(directory, PATH, smaller)
