"""Which rows of a segment are deleted?

The tombstones of a segment are one file per change: a roaring bitmap, whole and immutable. The
manifest names the current one.
"""

from __future__ import annotations

import numpy as np
from pyroaring import BitMap

from elanus.errors import CorruptionError
from elanus.kernels.bitset import Bitset
from elanus.storage.block_file import BlockFile, write_block_file
from elanus.storage.directory import Directory, join_path
from elanus.storage.manifest import DeletesEntry, SegmentInfo
from elanus.types import Int64Array

DELETES_FOLDER = "del"
DELETES_KIND = "deletes"


def write_deletes(
    directory: Directory,
    path: str,
    *,
    segment: SegmentInfo,
    alive: Bitset,
    version: int,
) -> DeletesEntry:
    """Write the tombstones of a segment, durably. They count once a manifest names them.

    Args:
        directory: Where the database is.
        path: Folder of the collection; its ``del`` folder exists.
        segment: The segment.
        alive: The rows that are not deleted; ``segment.num_rows`` bits.
        version: Version of the manifest that will name the file, which makes its name unique.

    Raises:
        StorageError: The medium failed.
    """
    deleted = (~alive).to_rows()
    bitmap = BitMap(deleted.astype(np.uint32))
    bitmap.run_optimize()
    file = join_path(DELETES_FOLDER, f"{segment.uuid}-{version:020d}.roar")
    if directory.exists(join_path(path, file)):
        # What an earlier attempt at this version left behind is named by no manifest.
        directory.delete(join_path(path, file))
    written = write_block_file(
        directory,
        join_path(path, file),
        kind=DELETES_KIND,
        header={"segment": str(segment.uuid), "num_rows": segment.num_rows},
        sections={"roaring": bitmap.serialize()},
    )
    return DeletesEntry(file, written.size, written.crc, len(deleted))


def read_alive(directory: Directory, path: str, segment: SegmentInfo) -> Bitset:
    """Return the rows of a segment that are not deleted.

    Raises:
        CorruptionError: The tombstones are missing or damaged. They cannot be rebuilt.
    """
    entry = segment.deletes
    if entry is None:
        return Bitset.full(segment.num_rows)
    deleted = _read_deleted(directory, join_path(path, entry.file), segment, entry)
    return ~Bitset.from_rows(deleted, segment.num_rows)


def _read_deleted(
    directory: Directory, path: str, segment: SegmentInfo, entry: DeletesEntry
) -> Int64Array:
    file = BlockFile.open(directory, path, kind=DELETES_KIND, crc=entry.crc, verify="full")
    if file.header.get("segment") != str(segment.uuid):
        raise CorruptionError(f"{path}: damaged: belongs to another segment", path=path)
    # The bytes are verified: a roaring bitmap is not parsed safely from anything else.
    bitmap = BitMap.deserialize(file.section("roaring").tobytes())
    rows = np.array(bitmap.to_array(), dtype=np.int64)
    if len(rows) != entry.num_deleted or (len(rows) and rows[-1] >= segment.num_rows):
        raise CorruptionError(
            f"{path}: damaged: expected {entry.num_deleted} of {segment.num_rows} rows, found "
            f"{len(rows)}",
            path=path,
        )
    return rows
