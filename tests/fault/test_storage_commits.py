"""A flush is wholly there or not at all, whichever step fails or is the last before a power loss.

The steps of one flush: next log, segment, tombstones, manifest, and only then deleting the log.
"""

import dataclasses
import errno
import random
import uuid
from pathlib import Path

import numpy as np
import pytest

from elanus.errors import StorageError
from elanus.kernels.bitset import Bitset
from elanus.storage import manifest as manifests
from elanus.storage.batch_codec import decode_batch, encode_batch
from elanus.storage.catalog import (
    Catalog,
    collection_path,
    commit_catalog,
    create_database,
    is_database,
    load_catalog,
)
from elanus.storage.deletes import read_alive, write_deletes
from elanus.storage.directory import FileDirectory
from elanus.storage.leftovers import delete_unreferenced, sweep_leftovers
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.manifest import Manifest, next_version
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.segment_writer import write_segment
from elanus.storage.wal import WalWriter
from elanus.storage.wal_format import Frame, list_wals, wal_path
from elanus.storage.wal_reader import read_wal
from support.fault_directory import FaultDirectory
from support.storage_batches import TEXT_KEY_SCHEMA, rows_of, text_key_batch

COLLECTION = uuid.UUID(int=3)
PATH = collection_path(COLLECTION)
KEYS = ["a", "b", "c", "d"]
BATCH = text_key_batch(KEYS)


def prepare(directory: FileDirectory) -> Manifest:
    """Make a database whose one log holds the rows, and return its manifest."""
    db_uuid = create_database(directory)
    for folder in ("manifest", "wal", "seg", "del"):
        directory.make_dir(f"{PATH}/{folder}")
    manifest = Manifest(1, db_uuid, COLLECTION, "n", {}, 1, 1, 1, "")
    writer = WalWriter.create(directory, wal_path(PATH, 1), db_uuid=db_uuid, number=1)
    manifests.commit(directory, PATH, manifest)
    commit_catalog(directory, Catalog(1, db_uuid, {"n": COLLECTION}))
    writer.append([Frame(1, 1, encode_batch(BATCH))])
    writer.sync()
    writer.close()
    return manifest


def flush(directory: FileDirectory, manifest: Manifest) -> None:
    """Move the rows from the log to a segment in which row 1 is deleted."""
    WalWriter.create(directory, wal_path(PATH, 2), db_uuid=manifest.db_uuid, number=2).close()
    segment = write_segment(
        directory, PATH, schema=TEXT_KEY_SCHEMA, batch=BATCH, seqs=np.ones(4, dtype=np.int64)
    )
    alive = ~Bitset.from_rows(np.array([1]), 4)
    deletes = write_deletes(directory, PATH, segment=segment, alive=alive, version=2)
    segments = (dataclasses.replace(segment, deletes=deletes),)
    current = next_version(manifest, segments=segments, wal_start=2, next_seq=2)
    manifests.commit(directory, PATH, current)
    delete_unreferenced(directory, PATH, [current])


def recover(directory: FileDirectory) -> str:
    """Open the database, check that all is there, and say whether the flush counts."""
    swept = sweep_leftovers(directory)
    assert all(".tmp" in path for path in swept)
    assert sweep_leftovers(directory) == []
    catalog = load_catalog(directory, create_database(directory))
    assert catalog.collections == {"n": COLLECTION}
    manifest = manifests.load_newest(directory, PATH)
    wals = [n for n in list_wals(directory, PATH) if n >= manifest.wal_start]
    frames = [
        frame
        for n in wals
        for frame in read_wal(
            directory, wal_path(PATH, n), db_uuid=manifest.db_uuid, is_last=n == wals[-1]
        ).frames
    ]
    if manifest.version == 1:
        assert wals[0] == 1
        (frame,) = frames
        rows = decode_batch(frame.payload, TEXT_KEY_SCHEMA.stored_fields)
        assert rows_of(rows) == rows_of(BATCH)
        return "old"
    assert (manifest.version, wals, frames) == (2, [2], [])
    (segment,) = manifest.segments
    reader = SegmentReader.open(
        directory, PATH, schema=TEXT_KEY_SCHEMA, info=segment, verify="full"
    )
    assert rows_of(reader.batch()) == rows_of(BATCH)
    assert read_alive(directory, PATH, segment).to_rows().tolist() == [0, 2, 3]
    return "new"


def recorded() -> tuple[FaultDirectory, int, int]:
    """Return a directory after prepare and flush, and the number of steps after each."""
    directory = FaultDirectory(MemoryDirectory())
    manifest = prepare(directory)
    prepared = len(directory.steps)
    flush(directory, manifest)
    return directory, prepared, len(directory.steps)


@pytest.mark.parametrize(
    ("error", "lasting", "on_disk"),
    [
        (errno.ENOSPC, False, False),
        (errno.ENOSPC, True, False),
        (errno.EIO, False, False),
        (errno.EIO, True, False),
        (errno.EIO, True, True),
    ],
)
def test_every_failing_step_leaves_the_old_or_the_new_state(
    error: int, lasting: bool, on_disk: bool, tmp_path: Path
) -> None:
    _, prepared, whole = recorded()
    outcomes = []
    for failing in range(whole - prepared):
        inner = LocalDirectory(tmp_path / str(failing)) if on_disk else MemoryDirectory()
        inner.make_dir("")
        directory = FaultDirectory(inner)
        manifest = prepare(directory)
        directory.fail_after(failing, error=error, lasting=lasting, torn=True)
        try:
            flush(directory, manifest)
        except StorageError:
            failed = True
        else:
            failed = False
        directory.stop_failing()
        outcome = recover(directory)
        assert failed or outcome == "new"
        outcomes.append(outcome)
        delete_unreferenced(directory, PATH, [manifests.load_newest(directory, PATH)])
        assert recover(directory) == outcome
    # Before the link of the manifest the old state stays, after it the new one.
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {"old", "new"}


@pytest.mark.parametrize("chance", [0.0, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_power_loss_at_every_step_leaves_the_old_or_the_new_state(chance: float, seed: int) -> None:
    directory, prepared, whole = recorded()
    chooser = random.Random(seed)
    for steps in range(prepared, whole + 1):
        survivors = directory.after_power_loss(
            steps=steps, chance=chance, seed=chooser.randrange(2**32)
        )
        outcome = recover(survivors)
        if steps == prepared:
            assert outcome == "old"
        if steps == whole:
            assert outcome == "new"


def test_commit_point_is_the_sync_of_the_folder_of_manifests() -> None:
    directory, prepared, whole = recorded()
    outcomes = [
        recover(directory.after_power_loss(steps=steps)) for steps in range(prepared, whole + 1)
    ]
    first_new = prepared + outcomes.index("new")
    assert str(directory.steps[first_new - 1]) == f"sync_dir {PATH}/manifest"
    assert "old" not in outcomes[outcomes.index("new") :]


def test_nothing_is_deleted_before_the_commit_point() -> None:
    directory, prepared, _ = recorded()
    steps = [str(step) for step in directory.steps[prepared:]]
    committed = steps.index(f"sync_dir {PATH}/manifest")
    deleted = [n for n, step in enumerate(steps) if step.startswith("delete")]
    early = [steps[n] for n in deleted if n < committed]
    assert all(step.rstrip().endswith(".tmp") for step in early)
    assert f"delete {wal_path(PATH, 1)}" in steps[committed:]


def test_every_file_is_synced_before_it_is_named() -> None:
    directory, _, _ = recorded()
    unsynced: set[int] = set()
    paths: dict[str, int] = {}
    for step in directory.steps:
        if step.kind == "create":
            paths[step.path] = step.file
        elif step.kind == "write":
            unsynced.add(step.file)
        elif step.kind == "sync":
            unsynced.discard(step.file)
        elif step.kind == "link":
            assert paths[step.path] not in unsynced
        elif step.kind == "rename":
            inside = [n for path, n in paths.items() if path.startswith(f"{step.path}/")]
            assert inside
            assert not unsynced.intersection(inside)


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_power_loss_while_a_database_is_created_leaves_one_or_none(chance: float) -> None:
    directory = FaultDirectory(MemoryDirectory())
    made = create_database(directory)
    for steps in range(len(directory.steps) + 1):
        for seed in range(10):
            survivors = directory.after_power_loss(steps=steps, chance=chance, seed=seed)
            sweep_leftovers(survivors)
            existed = is_database(survivors)
            found = create_database(survivors)
            assert load_catalog(survivors, found) == Catalog(0, found)
            assert found == made or not existed
    assert create_database(directory.after_power_loss()) == made
