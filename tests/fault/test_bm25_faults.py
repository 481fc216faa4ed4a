"""BM25 comes to a collection that is there, or goes, and a step fails meanwhile: it is there for
every text, or not at all."""

from __future__ import annotations

import errno
import itertools
import threading

import pytest

import elanus
from elanus.api.collection import Collection
from elanus.engine.database import DatabaseEngine
from elanus.errors import FieldNotFoundError, StorageError
from elanus.storage.memory_directory import MemoryDirectory
from support.disk_model import STRICTEST, SURVIVALS, DiskModel
from support.fault_directory import FaultDirectory
from support.oracle import bm25_scores
from support.tally import count

BM25_FIELD = elanus.Field("words", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text"))
SCHEMA = [
    elanus.Field("id", elanus.INT64, primary=True),
    elanus.Field("text", elanus.VARCHAR, analyzer={"tokenizer": "whitespace"}, nullable=True),
]
WITHOUT, WITH = elanus.Schema(SCHEMA), elanus.Schema([*SCHEMA, BM25_FIELD])
LEFT = {
    1: "a cat on a mat",
    2: "a dog in fog",
    4: "foxes and a cat",
    5: "a cat a cat",
    6: "late fog",
}
SCORES = bm25_scores(["cat", "fog"], {pk: text.split() for pk, text in LEFT.items()})


def filled(directory, schema):
    """Return a database with texts in two segments and in memory, some of them gone."""
    engine = DatabaseEngine(directory)
    engine.create("notes", schema, {})
    notes = Collection(engine.open("notes"))
    notes.insert({"id": [1, 2, 3], "text": [LEFT[1], LEFT[2], "gone"]})
    notes.flush()
    notes.insert({"id": [4, 5, 7], "text": [LEFT[4], "was another cat", None]})
    notes.flush()
    notes.delete([3])
    notes.upsert({"id": [5, 6], "text": [LEFT[5], LEFT[6]]})
    return engine, notes


def has_words(notes):
    """Whether the field is there, and with every text that is."""
    assert sorted(row["id"] for row in notes.query("id > 0")) == [1, 2, 4, 5, 6, 7]
    try:
        found = notes.search("cat fog", "words")
    except FieldNotFoundError:
        assert "words" not in notes.schema
        return False
    assert {hit.id: hit.score for hit in found} == pytest.approx(SCORES, rel=1e-6)
    return True


def reopened(directory):
    engine = DatabaseEngine(directory)
    try:
        return has_words(Collection(engine.open("notes")))
    finally:
        engine.close()


CHANGES = {
    "comes": (WITHOUT, lambda notes: notes.add_field(BM25_FIELD), False),
    "goes": (WITH, lambda notes: notes.drop_field("words"), True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_failing_steps_and_power_losses(change):
    schema, act, before = CHANGES[change]
    for step in itertools.count():
        inner = MemoryDirectory()
        directory = FaultDirectory(inner)
        engine, notes = filled(directory, schema)
        assert has_words(notes) is before
        directory.fail_after(step, error=(errno.EIO, errno.ENOSPC)[step % 2], torn=step % 3 == 0)
        try:
            act(notes)
        except StorageError:
            done = None
        else:
            done = True
        is_reached = directory.injected > 0
        directory.stop_failing()
        # The process goes on.
        assert has_words(notes) is not before or not done
        disk = DiskModel(directory.steps)
        for seed, survival in enumerate((STRICTEST, SURVIVALS[step % len(SURVIVALS)])):
            found = reopened(disk.survivors(survival, seed))
            assert done is None or found is not before
            count("power losses survived")
        engine.close()
        assert done is None or reopened(inner) is not before
        if not is_reached:
            break
    assert step > 5
    assert done


def test_texts_that_are_written_meanwhile_are_found(tmp_path):
    """Writers go on while the field comes, goes and comes again."""
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
        for _ in range(3):
            notes.add_field(BM25_FIELD)
            known = notes.count()
            assert len(notes.search("all", "words", 16_384)) >= known
            notes.drop_field("words")
        notes.add_field(BM25_FIELD)
        stop.set()
        for one in writers:
            one.join()
        ids = {row["id"] for row in notes.query("id >= 0", ["id"])}
        found = notes.search("all", "words", 16_384)
        assert {hit.id for hit in found} == ids == set(range(len(ids)))
        assert notes.search(f"word{max(ids)}", "words").ids == [max(ids)]
