import dataclasses
import uuid

import pytest

from elanus.errors import CorruptionError, NotFoundError, StorageFailedError
from elanus.storage import manifest as manifests
from elanus.storage.json_file import encode_json_file
from elanus.storage.manifest import (
    DeletesEntry,
    FileEntry,
    IndexEntry,
    Manifest,
    SegmentInfo,
    manifest_from_json,
    manifest_to_json,
    next_version,
)
from elanus.storage.memory_directory import MemoryDirectory

PATH = "c/1"


def segment(**changes: object) -> SegmentInfo:
    plain = SegmentInfo(
        uuid=uuid.UUID(int=7),
        num_rows=10,
        min_seq=3,
        max_seq=12,
        files={"000-id.col": FileEntry(100, 1), "pk.idx": FileEntry(50, 2**32 - 1)},
        columns={"id": "000-id.col"},
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def first() -> Manifest:
    return Manifest(
        version=1,
        db_uuid=uuid.UUID(int=1),
        collection_uuid=uuid.UUID(int=2),
        name="bücher",
        schema={"version": 1, "fields": []},
        wal_start=1,
        next_seq=1,
        next_auto_id=2**62,
        created="2026-01-02T03:04:05+00:00",
        properties={"durability": "commit"},
    )


def folder() -> MemoryDirectory:
    directory = MemoryDirectory()
    directory.make_dir(f"{PATH}/manifest")
    return directory


def file_of(version: int) -> str:
    return f"{PATH}/manifest/{version:020d}.man"


def damage(directory: MemoryDirectory, path: str) -> None:
    raw = bytearray(directory.read(path))
    raw[-5] ^= 1
    directory.delete(path)
    directory.write_new(path, [bytes(raw)])


def test_newest_manifest_is_current() -> None:
    directory = folder()
    old = first()
    manifests.commit(directory, PATH, old)
    deletes = DeletesEntry("del/x", 10, 3, 4)
    index = IndexEntry("idx/a", 20, 4, "HNSW", {"M": 16})
    new = next_version(
        old,
        segments=(segment(), segment(deletes=deletes, indexes={"v": index})),
        wal_start=2,
    )
    manifests.commit(directory, PATH, new)
    assert manifests.load_newest(directory, PATH) == new
    assert manifests.load_version(directory, PATH, 1) == old
    assert manifests.list_versions(directory, PATH) == [1, 2]


def test_json_round_trip_keeps_everything() -> None:
    whole = dataclasses.replace(
        first(),
        segments=(segment(deletes=DeletesEntry("d", 1, 2, 3), indexes={}),),
    )
    assert manifest_from_json(manifest_to_json(whole)) == whole


def test_size_of_a_segment_counts_tombstones_and_indexes() -> None:
    assert segment().size_bytes == 150
    index = IndexEntry("i", 20, 0, "FLAT")
    whole = segment(deletes=DeletesEntry("d", 7, 0, 1), indexes={"v": index})
    assert whole.size_bytes == 177


def test_versions_stay_until_they_are_deleted() -> None:
    directory = folder()
    current = first()
    manifests.commit(directory, PATH, current)
    for _ in range(4):
        current = next_version(current)
        manifests.commit(directory, PATH, current)
    assert manifests.list_versions(directory, PATH) == [1, 2, 3, 4, 5]
    manifests.delete_versions(directory, PATH, lambda version: version in (1, 2, 4))
    assert manifests.list_versions(directory, PATH) == [3, 5]


def test_second_writer_of_a_version_fails_and_changes_nothing() -> None:
    directory = folder()
    manifests.commit(directory, PATH, first())
    other = dataclasses.replace(first(), name="other")
    with pytest.raises(StorageFailedError, match="another writer"):
        manifests.commit(directory, PATH, other)
    assert manifests.load_newest(directory, PATH) == first()


def test_damaged_newest_manifest_is_refused_and_the_one_before_is_named() -> None:
    directory = folder()
    manifests.commit(directory, PATH, first())
    manifests.commit(directory, PATH, next_version(first()))
    damage(directory, file_of(2))
    with pytest.raises(
        CorruptionError, match=r"starting from version 1, with .elanus repair"
    ) as caught:
        manifests.load_newest(directory, PATH)
    assert caught.value.path == file_of(2)
    assert manifests.load_version(directory, PATH, 1) == first()


def test_damaged_only_manifest_is_refused() -> None:
    directory = folder()
    manifests.commit(directory, PATH, first())
    damage(directory, file_of(1))
    with pytest.raises(CorruptionError, match="restore a backup"):
        manifests.load_newest(directory, PATH)


def test_renamed_manifest_is_refused() -> None:
    directory = folder()
    manifests.commit(directory, PATH, first())
    directory.write_new(file_of(9), [bytes(directory.read(file_of(1)))])
    with pytest.raises(CorruptionError, match="holds version 1"):
        manifests.load_newest(directory, PATH)


def test_manifest_of_another_shape_is_refused() -> None:
    directory = folder()
    raw = encode_json_file("manifest", 1, {"version": 1, "segments": 3})
    directory.write_new(file_of(1), [raw])
    with pytest.raises(CorruptionError, match="not understood"):
        manifests.load_newest(directory, PATH)


def test_unknown_files_are_ignored() -> None:
    directory = folder()
    manifests.commit(directory, PATH, first())
    for name in ("notes.txt", "2.man", f"{2:020d}.man.1a2b.tmp"):
        directory.write_new(f"{PATH}/manifest/{name}", [b"?"])
    assert manifests.load_newest(directory, PATH) == first()


def test_no_manifest() -> None:
    with pytest.raises(NotFoundError):
        manifests.load_newest(folder(), PATH)
    with pytest.raises(NotFoundError):
        manifests.load_version(folder(), PATH, 1)
