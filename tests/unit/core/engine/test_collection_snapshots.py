"""Snapshots of one collection: what they keep, and how they become collections of their own."""

import os

import numpy as np
import pytest

import elanus
from elanus.engine.kept_states import restoring
from elanus.errors import (
    AlreadyExistsError,
    CollectionExistsError,
    CollectionNotFoundError,
    NotFoundError,
    StateError,
)
from support.builders import paper_schema, papers


def contents(collection, **when):
    output = ["title", "year", "dense"]
    return {
        row["id"]: (row["title"], row["year"], tuple(row["dense"]))
        for row in collection.query(output=output, **when)
    }


def filled(db, name="papers", rows=40):
    """Entities in a segment and in the log, with deletes and replacements in both."""
    collection = db.create_collection(name, paper_schema(), properties={"own": "kept"})
    collection.insert(papers(rows))
    collection.delete([1, 2])
    collection.flush()
    collection.delete([3])
    collection.upsert(papers(3, first=5, seed=9))
    collection.insert(papers(4, first=rows))
    collection.delete([rows + 1])
    return collection


def test_restored_collection_is_what_the_other_was(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = filled(db)
        expected = contents(collection)
        assert len(expected) == 40 - 3 + 3
        query = papers(1, seed=4)[0]["dense"]
        hits = collection.search(query, field="dense", limit=10)
        texts = collection.search("graph", field="bm25", limit=10)
        made = db.snapshot("before", collection="papers", description="why")
        collection.delete(list(range(20)))
        collection.upsert(papers(2, first=90))
        collection.compact()
        restored = db.restore_snapshot("before", "papers", "old", properties={"more": 1})
        assert contents(restored) == expected
        assert contents(collection, as_of="before") == expected
        found = restored.search(query, field="dense", limit=10)
        assert [(h.id, h.score) for h in found] == [(h.id, h.score) for h in hits]
        found = restored.search("graph", field="bm25", limit=10)
        assert [h.id for h in found] == [h.id for h in texts]
        assert np.allclose([h.score for h in found], [h.score for h in texts])
        assert restored.properties["own"] == "kept"
        assert restored.properties["more"] == 1
        assert db.list_snapshots("papers") == {"before": made}
        assert made.description == "why"
        assert db.list_snapshots() == db.list_snapshots("old") == {}
    with elanus.connect(tmp_path) as db:
        assert contents(db.collection("old")) == expected
        assert db.list_snapshots("papers")["before"].description == "why"


def test_both_collections_go_their_own_way(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = filled(db)
        db.snapshot("s", collection="papers")
        restored = db.restore_snapshot("s", "papers", "copy")
        before = contents(collection)
        restored.delete([10])
        restored.insert(papers(2, first=200))
        restored.flush()
        restored.compact()
        assert contents(collection) == before
        db.drop_snapshot("s", collection="papers")
        kept = contents(restored)
        db.drop_collection("papers")
        assert contents(restored) == kept
        assert restored.count() == 40 - 1 + 2
    with elanus.connect(tmp_path) as db:
        assert contents(db.collection("copy")) == kept


def test_restored_files_share_their_space(tmp_path):
    with elanus.connect(tmp_path) as db:
        filled(db)
        db.snapshot("s", collection="papers")
        db.restore_snapshot("s", "papers", "copy")
        inodes = {}
        for file in tmp_path.glob("c/*/seg/*/*"):
            inodes.setdefault(os.stat(file).st_ino, set()).add(file.parts[-4])
        assert sum(len(owners) == 2 for owners in inodes.values()) >= 1


@pytest.mark.parametrize("is_sealed", [False, True])
def test_restored_automatic_keys_go_on(tmp_path, is_sealed):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True, auto_id=True),
            elanus.Field("n", elanus.INT64),
        ]
    )
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("rows", schema)
        first = collection.insert([{"n": n} for n in range(5)])
        if is_sealed:
            collection.flush()
        db.snapshot("s", collection="rows")
        restored = db.restore_snapshot("s", "rows", "copy")
        assert not set(restored.insert([{"n": 9}])) & set(first)
        assert restored.count() == 6


def test_restored_rows_of_the_log_are_in_the_order_of_the_key(tmp_path):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("n", elanus.INT64, clustering_key=True),
        ]
    )
    rows = [{"id": pk, "n": (7 * pk) % 60} for pk in range(60)]
    with elanus.connect(tmp_path) as db:
        db.create_collection("rows", schema).insert(rows)
        db.snapshot("s", collection="rows")
        restored = db.restore_snapshot("s", "rows", "copy")
        (segment,) = restored._engine.state.sealed()
        assert segment.info.sorted_by == "n"
        assert segment.reader.column("n").to_pylist() == list(range(60))
        for low, high in ((0, 0), (13, 41), (59, 59)):
            wanted = [row for row in rows if low <= row["n"] <= high]
            assert restored.query(f"n >= {low} and n <= {high}", output=["n"]) == wanted


def test_a_restore_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    with elanus.connect(tmp_path) as db:
        filled(db)
        db.snapshot("s", collection="papers")
        folders = sorted(tmp_path.glob("c/*"))
        files = len(os.listdir("/proc/self/fd"))
        monkeypatch.setattr(restoring, "write_sealed", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            db.restore_snapshot("s", "papers", "copy")
        monkeypatch.undo()
        assert sorted(tmp_path.glob("c/*")) == folders
        assert len(os.listdir("/proc/self/fd")) == files
        assert contents(db.restore_snapshot("s", "papers", "copy")) == contents(
            db.collection("papers")
        )


def test_names_of_snapshots_belong_to_their_collection(tmp_path):
    with elanus.connect(tmp_path) as db:
        one, other = filled(db), filled(db, "others", rows=10)
        db.snapshot("s", collection="papers")
        db.snapshot("s", collection="others")
        db.snapshot("s")
        with pytest.raises(AlreadyExistsError, match="snapshot 's' exists already"):
            db.snapshot("s", collection="papers")
        one.delete([7])
        assert 7 in contents(one, as_of="s")
        assert 7 in contents(db.restore_snapshot("s", "papers", "back"))
        db.rename_collection("papers", "renamed")
        assert list(db.list_snapshots("renamed")) == ["s"]
        with pytest.raises(NotFoundError, match="no snapshot 'x'"):
            db.drop_snapshot("x", collection="renamed")
        db.drop_snapshot("s", collection="renamed")
        assert list(db.list_snapshots("others")) == ["s"]
        with pytest.raises(StateError, match="part of snapshot 's'"):
            db.drop_collection("others")
        db.drop_snapshot("s")
        db.drop_collection("others")
        with pytest.raises(CollectionNotFoundError):
            db.list_snapshots("others")
        del other


def test_refused_restores_change_nothing(tmp_path):
    with elanus.connect(tmp_path) as db:
        filled(db)
        db.snapshot("s", collection="papers")
        db.snapshot("whole")
        filled(db, "later", rows=12)
        folders = sorted(tmp_path.glob("c/*"))
        with pytest.raises(CollectionExistsError):
            db.restore_snapshot("s", "papers", "later")
        with pytest.raises(NotFoundError, match="no snapshot 'x'"):
            db.restore_snapshot("x", "papers", "new")
        with pytest.raises(NotFoundError, match="not part of snapshot 'whole'"):
            db.restore_snapshot("whole", "later", "new")
        with pytest.raises(NotFoundError, match="no database 'nowhere'"):
            db.restore_snapshot("s", "papers", "new", database="nowhere")
        assert sorted(tmp_path.glob("c/*")) == folders
        assert db.list_collections() == ["later", "papers"]


def test_restore_into_another_database(tmp_path):
    with elanus.connect(tmp_path) as db:
        expected = contents(filled(db))
        db.snapshot("s", collection="papers")
        db.create_database("archive")
        db.restore_snapshot("s", "papers", "papers", database="archive")
        with db.use_database("archive") as archive:
            assert contents(archive.collection("papers")) == expected


def test_restore_keeps_what_was_added_to_the_schema_since_out(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = filled(db)
        db.snapshot("s", collection="papers")
        collection.add_field(elanus.Field("late", elanus.INT64, nullable=True))
        collection.create_partition("new")
        collection.alter_properties({"own": "other"})
        state = db.describe_snapshot("s", "papers")
        assert state.partitions == ("_default",)
        assert state.properties == {"own": "kept"}
        assert "late" not in state.schema
        assert "late" not in db.restore_snapshot("s", "papers", "copy").schema


def test_restore_in_memory():
    with elanus.connect(":memory:") as db:
        expected = contents(filled(db))
        db.snapshot("s", collection="papers")
        assert contents(db.restore_snapshot("s", "papers", "copy")) == expected
