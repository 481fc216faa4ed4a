import uuid

import numpy as np

from elanus.kernels.bitset import Bitset
from elanus.storage.deletes import write_deletes
from elanus.storage.leftovers import delete_unreferenced, sweep_leftovers
from elanus.storage.manifest import IndexEntry, Manifest, SegmentInfo
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.segment_writer import write_segment
from elanus.storage.wal import WalWriter
from elanus.storage.wal_format import list_wals, wal_path
from support.storage_batches import TEXT_KEY_SCHEMA, text_key_batch

DB = uuid.UUID(int=1)
PATH = "c/1"
INDEX_FILES = (str(uuid.UUID(int=11)), str(uuid.UUID(int=12)))


def manifest(version: int, segments: list[SegmentInfo], wal_start: int) -> Manifest:
    return Manifest(
        version=version,
        db_uuid=DB,
        collection_uuid=uuid.UUID(int=2),
        name="n",
        schema={},
        wal_start=wal_start,
        next_seq=1,
        next_auto_id=1,
        created="",
        segments=tuple(segments),
    )


def files_below(directory: MemoryDirectory, path: str = "") -> list[str]:
    found: list[str] = []
    for name in directory.list_names(path):
        child = f"{path}/{name}" if path else name
        found += files_below(directory, child) if directory.is_dir(child) else [child]
    return found


def test_temporary_files_and_folders_are_swept_and_nothing_else() -> None:
    directory = MemoryDirectory()
    directory.make_dir("c/1/seg/x.tmp/deep")
    directory.make_dir("c/1/manifest")
    kept = ["FORMAT", "c/1/manifest/00000000000000000001.man", "c/1/seg/notes.txt"]
    swept = ["FORMAT.12ab.tmp", "c/1/manifest/2.man.12ab.tmp", "c/1/seg/x.tmp/deep/file"]
    for path in (*kept, *swept):
        directory.write_new(path, [b""])
    assert sweep_leftovers(directory) == [
        "FORMAT.12ab.tmp",
        "c/1/manifest/2.man.12ab.tmp",
        "c/1/seg/x.tmp",
    ]
    assert files_below(directory) == kept
    assert sweep_leftovers(directory) == []


def test_files_that_no_manifest_names_are_deleted() -> None:
    directory = MemoryDirectory()
    directory.make_dir(f"{PATH}/del")
    directory.make_dir(f"{PATH}/wal")
    batch = text_key_batch(["a", "b"])
    seqs = np.array([1, 1])
    old, live = (
        write_segment(directory, PATH, schema=TEXT_KEY_SCHEMA, batch=batch, seqs=seqs)
        for _ in range(2)
    )
    alive = Bitset.from_mask(np.array([True, False]))
    stale = write_deletes(directory, PATH, segment=live, alive=alive, version=1)
    current = write_deletes(directory, PATH, segment=live, alive=alive, version=2)
    for segment in (old, live):
        directory.make_dir(f"{PATH}/idx/{segment.uuid}/vector")
        for name in (*INDEX_FILES, "notes.txt"):
            directory.write_new(f"{PATH}/idx/{segment.uuid}/vector/{name}", [b""])
    for number in (1, 2, 3):
        WalWriter.create(directory, wal_path(PATH, number), db_uuid=DB, number=number).close()
    directory.write_new(f"{PATH}/seg/notes.txt", [b""])
    index = IndexEntry(f"idx/{live.uuid}/vector/{INDEX_FILES[1]}", 0, 0, "FLAT")
    kept = SegmentInfo(
        live.uuid, 2, 1, 1, live.files, live.columns, deletes=current, indexes={"vector": index}
    )

    both = [manifest(1, [old], 2), manifest(2, [kept], 3)]
    assert set(delete_unreferenced(directory, PATH, both)) == {
        f"{PATH}/{stale.file}",
        f"{PATH}/idx/{live.uuid}/vector/{INDEX_FILES[0]}",
        f"{PATH}/idx/{old.uuid}/vector/{INDEX_FILES[0]}",
        f"{PATH}/idx/{old.uuid}/vector/{INDEX_FILES[1]}",
        wal_path(PATH, 1),
    }
    assert list_wals(directory, PATH) == [2, 3]

    assert set(delete_unreferenced(directory, PATH, both[1:])) == {
        f"{PATH}/seg/{old.uuid}",
        f"{PATH}/idx/{old.uuid}",
        wal_path(PATH, 2),
    }
    assert sorted(directory.list_names(f"{PATH}/seg")) == sorted([str(live.uuid), "notes.txt"])
    assert directory.list_names(f"{PATH}/idx/{live.uuid}/vector") == [
        INDEX_FILES[1],
        "notes.txt",
    ]
    assert delete_unreferenced(directory, PATH, both[1:]) == []
