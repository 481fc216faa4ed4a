"""Signatures come to a collection that is there, or are made anew, and a step fails meanwhile: they
are there for every text, or not at all."""

from __future__ import annotations

import errno
import itertools
import threading

import pytest

import elanus
from elanus.api.collection import Collection
from elanus.engine.database import DatabaseEngine
from elanus.errors import FieldNotFoundError, StorageError
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.verification import verify_database
from support.disk_model import STRICTEST, SURVIVALS, DiskModel
from support.fault_directory import FaultDirectory
from support.tally import count

SIGNED = elanus.Field(
    "signed",
    elanus.BINARY_VECTOR,
    source=elanus.MinHash("text", num_hashes=64, shingle_size=1),
)
SCHEMA = [
    elanus.Field("id", elanus.INT64, primary=True),
    elanus.Field("text", elanus.VARCHAR, analyzer={"tokenizer": "whitespace"}, nullable=True),
]
WITHOUT, WITH = elanus.Schema(SCHEMA), elanus.Schema([*SCHEMA, SIGNED])
TEXTS = {
    1: "a cat on a mat",
    2: "a dog in fog",
    4: "foxes and a cat",
    5: "a cat a cat",
    6: "late fog",
    7: None,
}
QUERY = "a cat in fog"


def filled(directory, schema):
    """Return a database with texts in two segments and in memory, some of them gone."""
    engine = DatabaseEngine(directory)
    engine.create("notes", schema, {})
    notes = Collection(engine.open("notes"))
    notes.insert({"id": [1, 2, 3], "text": [TEXTS[1], TEXTS[2], "gone"]})
    notes.flush()
    notes.insert({"id": [4, 5, 7], "text": [TEXTS[4], "was another cat", None]})
    notes.flush()
    notes.delete([3])
    notes.upsert({"id": [5, 6], "text": [TEXTS[5], TEXTS[6]]})
    return engine, notes


def ranked(notes):
    return [(hit.id, hit.score) for hit in notes.search(QUERY, "signed", 10)]


def expected():
    """What is found where the field was there from the start."""
    notes = elanus.connect(":memory:").create_collection("notes", WITH)
    notes.insert([{"id": key, "text": text} for key, text in TEXTS.items()])
    return ranked(notes)


EXPECTED = expected()


def is_signed(notes):
    """Whether the field is there, and with every text that is."""
    assert {row["id"]: row["text"] for row in notes.query("id > 0", ["id", "text"])} == TEXTS
    try:
        found = ranked(notes)
    except FieldNotFoundError:
        assert "signed" not in notes.schema
        return False
    assert found == EXPECTED
    return True


def added_files(directory, path=""):
    found = []
    for name in directory.list_names(path):
        child = f"{path}/{name}".lstrip("/")
        if directory.is_dir(child):
            found += added_files(directory, child)
        elif name.startswith("added-"):
            found.append(child)
    return found


def reopened(directory):
    engine = DatabaseEngine(directory)
    try:
        signed = is_signed(Collection(engine.open("notes")))
        assert signed or not added_files(directory)
        return signed
    finally:
        engine.close()


CHANGES = {
    "comes": (WITHOUT, lambda notes: notes.add_field(SIGNED), False, True),
    "anew": (WITH, lambda notes: notes.rebuild_terms("signed"), True, True),
    "goes": (WITH, lambda notes: notes.drop_field("signed"), True, False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_failing_steps_and_power_losses(change):
    schema, act, before, after = CHANGES[change]
    for step in itertools.count():
        inner = MemoryDirectory()
        directory = FaultDirectory(inner)
        engine, notes = filled(directory, schema)
        assert is_signed(notes) is before
        directory.fail_after(step, error=(errno.EIO, errno.ENOSPC)[step % 2], torn=step % 3 == 0)
        try:
            act(notes)
        except StorageError:
            done = False
        else:
            done = True
        is_reached = directory.injected > 0
        directory.stop_failing()
        # The process goes on.
        assert is_signed(notes) in ((after,) if done else (before, after))
        disk = DiskModel(directory.steps)
        for seed, survival in enumerate((STRICTEST, SURVIVALS[step % len(SURVIVALS)])):
            found = reopened(disk.survivors(survival, seed))
            assert found is after or not done
            count("power losses survived")
        engine.close()
        assert reopened(inner) is after or not done
        if not is_reached:
            break
    assert step > 5
    assert done


def test_texts_that_are_written_meanwhile_are_signed(tmp_path):
    """Writers go on while the field comes, is made anew, goes and comes again."""
    with elanus.connect(tmp_path / "kb") as database:
        notes = database.create_collection("notes", WITHOUT)
        notes.insert({"id": [0], "text": ["word0 all"]})
        numbers, stop = itertools.count(1), threading.Event()

        def write():
            while not stop.is_set():
                number = next(numbers)
                notes.insert({"id": [number], "text": [f"word{number} all"]})

        writers = [threading.Thread(target=write) for _ in range(2)]
        for one in writers:
            one.start()
        for act in (lambda: notes.rebuild_terms("signed"), notes.compact):
            notes.add_field(SIGNED)
            act()
            known = notes.count()
            found = notes.search("word0 all", "signed", 1)
            assert known
            assert (found[0].id, found[0].score) == (0, 1.0)
            notes.drop_field("signed")
        notes.add_field(SIGNED)
        stop.set()
        for one in writers:
            one.join()
        ids = {row["id"] for row in notes.query("id >= 0", ["id"])}
        assert ids == set(range(len(ids)))
        found = notes.search("all", "signed", len(ids))
        assert set(found.ids) == ids
        assert min(hit.score for hit in found) > 0.2


def test_a_process_that_only_reads_sees_signatures_once_they_count(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        notes = database.create_collection("notes", WITHOUT)
        notes.insert([{"id": key, "text": text} for key, text in TEXTS.items()])
        notes.flush()
        with elanus.connect(tmp_path / "kb", read_only=True) as reading:
            read = reading.collection("notes")
            assert read.count() == len(TEXTS)
            notes.add_field(SIGNED)
            assert is_signed(read)
            notes.rebuild_terms("signed")
            assert is_signed(read)
            notes.drop_field("signed")
            assert not is_signed(read)
            notes.add_field(SIGNED)
            assert is_signed(read)


def test_a_copy_and_a_snapshot_have_the_signatures(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        notes = database.create_collection("notes", WITHOUT)
        notes.insert([{"id": key, "text": text} for key, text in TEXTS.items()])
        notes.flush()
        database.snapshot("before", collection="notes")
        database.backup(tmp_path / "backups")
        notes.add_field(SIGNED)
        database.snapshot("after", collection="notes")
        database.backup(tmp_path / "backups")
        notes.drop_field("signed")
        notes.compact()
        for name, signed in (("before", False), ("after", True)):
            assert is_signed(database.restore_snapshot(name, "notes", f"restored_{name}")) is signed
    elanus.restore(tmp_path / "backups", tmp_path / "copy")
    with elanus.connect(tmp_path / "copy") as database:
        assert is_signed(database.collection("notes"))
    directory = LocalDirectory(tmp_path / "copy")
    assert [one.findings for one in verify_database(directory)] == [()] * 2
