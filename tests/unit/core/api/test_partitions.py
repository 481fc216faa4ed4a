"""Partitions: every read and write, within some of them, is the same call over fewer rows."""

import numpy as np
import pytest

import elanus
from elanus import BM25, RRF, DataType, Field, Leg, Schema
from elanus.errors import (
    AlreadyExistsError,
    EntityExistsError,
    InvalidArgumentError,
    NotFoundError,
    SchemaError,
)

VECTORS = np.random.default_rng(3).normal(size=(90, 4)).astype(np.float32)
NAMES = ["_default", "left", "right"]


def entity(pk):
    return {"id": pk, "v": VECTORS[pk], "text": f"word{pk % 2}", "n": pk % 5}


def partition_of(pk):
    return NAMES[pk % 3]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kb"


@pytest.fixture
def collection(folder):
    """Some of the default partition from before there were any, some sealed, some in memory."""
    with elanus.connect(folder) as database:
        fields = [
            Field("id", DataType.INT64, primary=True),
            Field("v", DataType.FLOAT_VECTOR, dim=4),
            Field("text", DataType.VARCHAR, analyzer="standard"),
            Field("n", DataType.INT64),
            Field("bm25", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ]
        made = database.create_collection("kb", Schema(fields, dynamic=True))
        made.insert([entity(pk) for pk in range(0, 30, 3)])
        made.flush()
        made.create_partition("left")
        made.create_partition("right")
        for name, pks in (
            ("_default", range(30, 90, 3)),
            ("left", range(1, 90, 3)),
            ("right", range(2, 60, 3)),
        ):
            made.insert([entity(pk) for pk in pks], partition=name)
        made.flush()
        made.upsert([entity(pk) for pk in range(62, 90, 3)], partition="right")
        yield made


def expected(names, passes=lambda pk: True):
    return [pk for pk in range(90) if partition_of(pk) in names and passes(pk)]


@pytest.mark.parametrize("names", [["left"], ["_default"], ["right", "left"], "right"])
def test_reads_within_partitions(collection, names):
    inside = [names] if isinstance(names, str) else names
    keys = expected(inside)
    assert collection.count(partitions=names) == len(keys)
    assert [e["id"] for e in collection.query(partitions=names)] == keys
    few = expected(inside, lambda pk: pk % 5 == 2)
    assert [e["id"] for e in collection.query("n == 2", partitions=names)] == few
    nearest = sorted(keys, key=lambda pk: -_cosine(VECTORS[pk], VECTORS[7]))
    hits = collection.search(VECTORS[7], "v", 12, partitions=names)
    assert hits.ids == nearest[:12]
    assert set(collection.search("word1", "bm25", 90, partitions=names).ids) == {
        pk for pk in keys if pk % 2
    }
    legs = [Leg("v", VECTORS[7]), Leg("bm25", "word1")]
    fused = collection.hybrid_search(legs, RRF(), 90, partitions=names)
    assert set(fused.ids) == set(keys)
    seen = [
        hit.id
        for batch in collection.search_iterator(VECTORS[7], "v", batch_size=7, partitions=names)
        for hit in batch
    ]
    assert seen == nearest
    read = [
        e["id"]
        for batch in collection.query_iterator(batch_size=7, partitions=names)
        for e in batch
    ]
    assert read == keys
    assert collection.aggregate("count(*)", partitions=names) == [{"count(*)": len(keys)}]
    counts = dict(collection.facets("n", partitions=names)["n"])
    assert counts == {n: len([pk for pk in keys if pk % 5 == n]) for n in range(5)}


def _cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_partitions_outlive_merges_readers_and_processes(collection, folder):
    collection.compact()
    reader = elanus.connect(folder, read_only=True)
    for held in (collection, reader.collection("kb")):
        for name in NAMES:
            assert held.count(partitions=name) == 30
        assert held.list_partitions() == NAMES
    reader.close()
    database = elanus.connect(folder)
    database.close()
    assert collection.count(partitions="left") == 30


def test_the_hidden_column_stays_hidden(collection):
    assert set(collection.get(1, ["*"])[0]) == {"id", "v", "text", "n"}
    assert set(collection.to_arrow().schema.names) == {"id", "v", "text", "n", "$meta"}
    collection.insert([{**entity(0), "id": 500, "$partition": 2}], partition="left")
    assert collection.get(500, ["$partition"]) == [{"id": 500, "$partition": 2}]
    assert collection.count(partitions="left") == 31


def test_keys_are_unique_across_partitions(collection):
    with pytest.raises(EntityExistsError):
        collection.insert([entity(1)], partition="right")
    collection.upsert([entity(1)], partition="right")
    assert collection.count("id == 1", partitions="left") == 0
    assert collection.count("id == 1", partitions="right") == 1
    assert collection.count() == 90


def test_deletes_within_partitions(collection):
    assert collection.delete([1, 2, 3], partitions="left") == 1
    assert collection.delete("n == 2", partitions=["left", "right"]) == 12
    assert collection.count(partitions="_default") == 30
    with pytest.raises(InvalidArgumentError, match="empty filter"):
        collection.delete(filter="", partitions="left")


def test_a_dropped_partition_takes_its_entities(collection, folder):
    collection.drop_partition("left")
    assert collection.list_partitions() == ["_default", "right"]
    assert collection.count() == 60
    with pytest.raises(NotFoundError):
        collection.insert([entity(1)], partition="left")
    collection.create_partition("left")
    assert collection.count(partitions="left") == 0
    assert collection.get(1) == []
    with elanus.connect(folder, read_only=True) as reader:
        assert reader.collection("kb").count() == 60


def test_a_drop_that_was_interrupted_is_finished_at_the_next_opening(tmp_path, monkeypatch):
    with elanus.connect(tmp_path / "kb") as database:
        made = database.create_collection(
            "kb", Schema([Field("id", DataType.INT64, primary=True), Field("n", DataType.INT64)])
        )
        made.create_partition("left")
        made.insert([{"id": pk, "n": pk} for pk in range(5)], partition="left")
        made.insert([{"id": 9, "n": 9}])
        engine = made._engine
        settings = engine.state.settings.without_partition("left", 0)
        engine.state.commit_settings(settings)
    with elanus.connect(tmp_path / "kb") as database:
        again = database.collection("kb")
        assert [e["id"] for e in again.query()] == [9]
        assert again._engine.state.settings.dropping == ()


def test_imports_into_a_partition(collection, tmp_path):
    rows = [{**entity(pk), "id": 1000 + pk, "v": VECTORS[pk].tolist()} for pk in range(20)]
    collection.import_data(rows, partition="right")
    assert collection.count(partitions="right") == 50
    assert collection.count("id >= 1000", partitions="right") == 20
    with pytest.raises(NotFoundError):
        collection.import_data(rows, partition="up")


def test_the_past_has_its_own_partitions(folder, collection):
    """Names mean what they meant: iterators and snapshots go on where one is dropped, and made."""
    collection.set_retention(3600)
    seq, left = collection.last_seq, list(range(1, 90, 3))
    rows = collection.query_iterator(batch_size=20, partitions="left")
    hits = collection.search_iterator(VECTORS[0], "v", batch_size=20, partitions="left")
    read, found = [row["id"] for row in next(rows)], next(hits).ids
    collection.drop_partition("left")
    collection.create_partition("new")
    collection.create_partition("left")
    collection.insert([{**entity(0), "id": 700}], partition="left")
    again = collection.last_seq
    collection.drop_partition("left")
    with elanus.connect(folder, read_only=True) as reader:
        for handle in (collection, reader.collection("kb")):
            assert [r["id"] for r in handle.query(as_of=seq, partitions="left")] == left
            assert handle.search("word1", as_of=seq, partitions=["left", "new"], limit=99).ids == [
                pk for pk in left if pk % 2
            ]
            assert [r["id"] for r in handle.query(as_of=again, partitions="left")] == [700]
            assert handle.why_not(2, VECTORS[0], as_of=seq, partitions="left").cause == "filter"
            with pytest.raises(NotFoundError, match="no partition 'left'"):
                handle.count(partitions="left")
        given = {"batch_size": 20, "partitions": "left"}
        for batch in reader.collection("kb").query_iterator(token=rows.token, **given):
            read += [row["id"] for row in batch]
    for result in collection.search_iterator(VECTORS[0], "v", token=hits.token, **given):
        found += result.ids
    assert read == left
    assert sorted(found) == left


def test_before_there_were_partitions_all_is_in_the_default_one(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        made = database.create_collection("kb", Schema([Field("id", DataType.INT64, primary=True)]))
        made.insert([{"id": 1}])
        database.snapshot("before", collection="kb")
        made.create_partition("left")
        assert made.count(as_of="before", partitions=["left", "_default"]) == 1
        assert made.count(as_of="before", partitions="left") == 0


def test_truncate_leaves_the_rest(collection, folder):
    collection.truncate()
    assert (collection.count(), collection.list_partitions()) == (0, NAMES)
    assert collection.search(VECTORS[0], "v", 3).ids == []
    collection.insert([entity(1)], partition="left")
    with elanus.connect(folder, read_only=True) as reader:
        assert reader.collection("kb").search("word1", "bm25", 3).ids == [1]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda c: c.create_partition("left"), AlreadyExistsError, "exists already"),
        (lambda c: c.create_partition("_default"), AlreadyExistsError, "exists already"),
        (lambda c: c.create_partition("no good"), SchemaError, "partition name 'no good'"),
        (lambda c: c.drop_partition("_default"), InvalidArgumentError, "cannot be dropped"),
        (lambda c: c.drop_partition("lef"), NotFoundError, "did you mean 'left'"),
        (lambda c: c.count(partitions=["lef"]), NotFoundError, "did you mean 'left'"),
        (lambda c: c.count(partitions=[]), InvalidArgumentError, "got an empty list"),
        (lambda c: c.insert([entity(1)], partition="up"), NotFoundError, "no partition 'up'"),
    ],
)
def test_refused(collection, act, error, message):
    with pytest.raises(error, match=message):
        act(collection)
    assert collection.list_partitions() == NAMES
    assert collection.count() == 90


def test_a_write_to_a_partition_that_goes_meanwhile_is_refused(collection, monkeypatch):
    """Entities that were on their way would otherwise be there without a partition."""
    engine = collection._engine
    make_room = engine._make_room

    def drop_first(batch):
        monkeypatch.undo()
        collection.drop_partition("left")
        make_room(batch)

    monkeypatch.setattr(engine, "_make_room", drop_first)
    with pytest.raises(NotFoundError, match="no partition 'left'"):
        collection.insert([{**entity(0), "id": 700}], partition="left")
    assert collection.count() == 60
    assert collection.get(700) == []


@pytest.mark.parametrize("partial", [False, True])
def test_a_partition_of_the_same_name_is_another_one(collection, monkeypatch, partial):
    """Nothing is written under the number of one that was dropped meanwhile."""
    engine, submit = collection._engine, collection._engine._commits.submit

    def replaced_meanwhile(write):
        monkeypatch.undo()
        collection.drop_partition("left")
        collection.create_partition("left")
        return submit(write)

    before = collection.count()
    gone = collection.count(partitions="left")
    monkeypatch.setattr(engine._commits, "submit", replaced_meanwhile)
    with pytest.raises(NotFoundError, match="'left' was dropped while it was written to"):
        collection.upsert([entity(1), entity(4)], partition="left", partial=partial)
    assert collection.count() == before - gone
    collection.upsert([entity(1)], partition="left", partial=partial)
    assert [row["id"] for row in collection.query(partitions="left")] == [1]
