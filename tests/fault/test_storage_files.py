"""A flipped bit in any file is found and named, or the file is built again."""

import dataclasses
import random
import uuid
from collections.abc import Callable

import numpy as np
import pytest

from elanus.errors import CorruptionError
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import FixedColumn
from elanus.storage import manifest as manifests
from elanus.storage.batch_codec import decode_batch, encode_batch
from elanus.storage.catalog import (
    Catalog,
    collection_path,
    commit_catalog,
    create_database,
    load_catalog,
    read_format,
)
from elanus.storage.deletes import read_alive, write_deletes
from elanus.storage.manifest import Manifest
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.segment_writer import segment_path, write_segment
from elanus.storage.wal import WalWriter
from elanus.storage.wal_format import Frame, wal_path
from elanus.storage.wal_reader import read_wal
from support.storage_batches import SCHEMA, all_kinds_batch, rows_of

BATCH = all_kinds_batch(60)
COLLECTION = uuid.UUID(int=3)
PATH = collection_path(COLLECTION)

Checker = Callable[[MemoryDirectory], None]


def build() -> tuple[MemoryDirectory, dict[str, Checker]]:
    """Return a database and, for each of its files, a function that reads all of it."""
    directory = MemoryDirectory()
    db_uuid = create_database(directory)
    commit_catalog(directory, Catalog(1, db_uuid, {"n": COLLECTION}))
    for folder in ("manifest", "wal", "del"):
        directory.make_dir(f"{PATH}/{folder}")
    segment = write_segment(directory, PATH, schema=SCHEMA, batch=BATCH, seqs=np.arange(60))
    alive = ~Bitset.from_rows(np.array([5, 57]), 60)
    deletes = write_deletes(directory, PATH, segment=segment, alive=alive, version=1)
    segment = dataclasses.replace(segment, deletes=deletes)
    manifest = Manifest(1, db_uuid, COLLECTION, "n", {}, 1, 61, 1, "", segments=(segment,))
    manifests.commit(directory, PATH, manifest)
    writer = WalWriter.create(directory, wal_path(PATH, 1), db_uuid=db_uuid, number=1)
    for seq in (61, 62, 63):
        writer.append([Frame(1, seq, encode_batch(BATCH))])
        writer.sync()

    def read_segment(found: MemoryDirectory) -> None:
        reader = SegmentReader.open(found, PATH, schema=SCHEMA, info=segment, verify="full")
        assert rows_of(reader.batch()) == rows_of(BATCH)
        assert reader.find_pks(FixedColumn(np.arange(61))).tolist() == [*range(60), -1]

    def read_log(found: MemoryDirectory) -> None:
        frames = read_wal(found, wal_path(PATH, 1), db_uuid=db_uuid).frames
        # The last frame is the only one that may be taken for a torn tail.
        assert len(frames) in (2, 3)
        for frame in frames:
            assert rows_of(decode_batch(frame.payload, SCHEMA.stored_fields)) == rows_of(BATCH)

    def read_deletes(found: MemoryDirectory) -> None:
        assert read_alive(found, PATH, segment) == alive

    def read_manifest(found: MemoryDirectory) -> None:
        assert manifests.load_newest(found, PATH) == manifest

    def read_catalog(found: MemoryDirectory) -> None:
        assert load_catalog(found, db_uuid).collections == {"n": COLLECTION}

    def read_identity(found: MemoryDirectory) -> None:
        assert read_format(found) == db_uuid

    checkers: dict[str, Checker] = {
        f"{segment_path(PATH, segment.uuid)}/{name}": read_segment for name in segment.files
    }
    checkers[wal_path(PATH, 1)] = read_log
    checkers[f"{PATH}/{deletes.file}"] = read_deletes
    checkers[f"{PATH}/manifest/{1:020d}.man"] = read_manifest
    checkers[f"catalog/{1:020d}.man"] = read_catalog
    checkers["FORMAT"] = read_identity
    return directory, checkers


def files_below(directory: MemoryDirectory, path: str = "") -> list[str]:
    found: list[str] = []
    for name in directory.list_names(path):
        child = f"{path}/{name}" if path else name
        found += files_below(directory, child) if directory.is_dir(child) else [child]
    return found


def damage_is_found(directory: MemoryDirectory, path: str, raw: bytes, check: Checker) -> bool:
    """Put ``raw`` in place of a file, read it, and put the file back."""
    whole = bytes(directory.read(path))
    directory.delete(path)
    directory.write_new(path, [raw])
    caught: CorruptionError | None = None
    try:
        check(directory)
    except CorruptionError as error:
        caught = error
    finally:
        directory.delete(path)
        directory.write_new(path, [whole])
    assert caught is None or (caught.path == path and path in str(caught))
    return caught is not None


def positions(size: int) -> list[int]:
    """Return every byte of the first 64 and the last 16, and some between."""
    between = random.Random(size).sample(range(size), min(size, 20))
    return sorted({*range(min(64, size)), *between, *range(max(0, size - 16), size)})


def test_every_file_is_covered() -> None:
    directory, checkers = build()
    # What readers look at first tells nothing that is nowhere else: where it is damaged they list
    # the folder, see tests/unit/core/storage/test_catalog.py.
    assert sorted(set(files_below(directory)) - {"catalog/PUB"}) == sorted(checkers)
    for check in checkers.values():
        check(directory)


def test_flipped_bits_are_found_in_every_kind_of_file() -> None:
    directory, checkers = build()
    for path, check in checkers.items():
        whole = bytes(directory.read(path))
        for position in positions(len(whole)):
            raw = bytearray(whole)
            raw[position] ^= 1 << position % 8
            found = damage_is_found(directory, path, bytes(raw), check)
            derivable = path.endswith("pk.idx")
            last_frame = path.endswith(".wal") and position > 2 * len(whole) // 3
            assert found or derivable or last_frame, (path, position)


def test_cut_files_are_found() -> None:
    directory, checkers = build()
    for path, check in checkers.items():
        whole = bytes(directory.read(path))
        for length in {0, 1, 63, 64, len(whole) // 2, len(whole) - 1}:
            if path.endswith(".wal"):
                continue  # a shorter log is a torn tail: test_storage_wal.py
            found = damage_is_found(directory, path, whole[:length], check)
            assert found or path.endswith("pk.idx"), (path, length)


def test_missing_files_of_a_segment_are_named() -> None:
    directory, checkers = build()
    for path, check in checkers.items():
        if "/seg/" not in path and not path.endswith(".roar"):
            continue
        whole = bytes(directory.read(path))
        directory.delete(path)
        if path.endswith("pk.idx"):
            check(directory)
        else:
            with pytest.raises(CorruptionError, match="the file is missing") as caught:
                check(directory)
            assert caught.value.path == path
        directory.write_new(path, [whole])
