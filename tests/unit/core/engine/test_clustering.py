"""Segments whose rows are kept in the order of a key hold the same entities, in that order."""

import math

import numpy as np
import pytest

import elanus
from elanus import BM25, DataType, Field, Schema
from elanus.errors import SchemaError, StateError

RNG = np.random.default_rng(12)
DIM = 8
VECTORS = RNG.normal(size=(9000, DIM)).astype(np.float32)


def fields(**key):
    return [
        Field("id", DataType.INT64, primary=True),
        Field("v", DataType.FLOAT_VECTOR, dim=DIM),
        Field("text", DataType.VARCHAR, analyzer="standard"),
        Field("tenant", DataType.VARCHAR, **key),
        Field("n", DataType.DOUBLE, nullable=True),
        Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
        Field("numbers", DataType.ARRAY, element_type=DataType.INT32, nullable=True),
        Field("weights", DataType.SPARSE_FLOAT_VECTOR),
        Field("meta", DataType.JSON, nullable=True),
        Field("bm25", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
    ]


def entity(pk, rng):
    return {
        "id": pk,
        "v": VECTORS[pk % len(VECTORS)],
        "text": f"word{rng.integers(30)} word{rng.integers(30)}",
        "tenant": f"t{rng.integers(12)}",
        "n": [None, math.nan, float(rng.integers(5))][rng.integers(3)],
        "tags": [f"tag{i}" for i in range(rng.integers(4))],
        "numbers": None if rng.random() < 0.2 else rng.integers(9, size=rng.integers(4)).tolist(),
        "weights": {int(d): 1.5 for d in rng.choice(40, size=rng.integers(1, 4), replace=False)},
        "meta": None if rng.random() < 0.2 else {"k": int(rng.integers(7))},
    }


def segments(collection):
    return collection._engine.state.sealed()


def values(segment, name):
    return segment.reader.column(name).to_pylist()


def check_order(collection, name):
    for segment in segments(collection):
        assert segment.info.sorted_by == name
        found = [(v is None, v != v, v) for v in values(segment, name)]
        ranks = [(null, nan, 0 if null or nan else v) for null, nan, v in found]
        assert ranks == sorted(ranks)


def same(collection, plain):
    """Whatever is asked, an ordered collection answers as one without an order does."""
    assert repr(collection.query(output=["*"])) == repr(plain.query(output=["*"]))
    for query in range(5):
        a = collection.search(VECTORS[query * 7], "v", 20, recall=1.0)
        b = plain.search(VECTORS[query * 7], "v", 20, recall=1.0)
        assert [(h.id, h.score) for h in a] == [(h.id, h.score) for h in b]
        for field, asked in (("bm25", f"word{query}"), ("weights", {query: 1.0, 7: 2.0})):
            a, b = collection.search(asked, field, 50), plain.search(asked, field, 50)
            assert [(h.id, h.score) for h in a] == [(h.id, h.score) for h in b]


@pytest.mark.parametrize("name", ["tenant", "n"])
def test_flushes_merges_and_imports_keep_the_order(tmp_path, name):
    keys = {"tenant": {"partition_key": True}, "n": {}}[name]
    with elanus.connect(tmp_path / "kb") as database:
        ordered = [
            Field(f.name, f.dtype, nullable=True, clustering_key=True)
            if f.name == name == "n"
            else f
            for f in fields(**keys)
        ]
        collection = database.create_collection("ordered", Schema(ordered))
        plain = database.create_collection("plain", Schema(fields()))
        rng = np.random.default_rng(5)
        for step in range(4):
            rows = [entity(pk, rng) for pk in range(step * 100, step * 100 + 150)]
            for held in (collection, plain):
                held.upsert(rows)
                held.delete([step * 100 + 3, step * 100 + 60])
                held.flush()
            check_order(collection, name)
        same(collection, plain)
        for held in (collection, plain):
            held.compact()
        assert len(segments(collection)) == 1
        check_order(collection, name)
        same(collection, plain)
        more = [{**entity(pk, rng), "v": VECTORS[pk].tolist()} for pk in range(2000, 2100)]
        for held in (collection, plain):
            held.import_data(more)
        check_order(collection, name)
        same(collection, plain)
    with elanus.connect(tmp_path / "kb") as database:
        collection, plain = database.collection("ordered"), database.collection("plain")
        check_order(collection, name)
        same(collection, plain)


@pytest.mark.parametrize("given", [{"nullable": True}, {"default": 2}])
def test_a_clustering_key_that_comes_later(tmp_path, given):
    rng = np.random.default_rng(6)
    with elanus.connect(tmp_path / "kb") as database:
        collection = database.create_collection("ordered", Schema(fields()))
        plain = database.create_collection("plain", Schema(fields()))
        for first in (0, 100):  # a segment, and rows in memory
            rows = [entity(pk, rng) for pk in range(first, first + 100)]
            for held in (collection, plain):
                held.insert(rows)
            if first == 0:
                collection.flush()
        collection.add_field(Field("late", DataType.INT64, clustering_key=True, **given))
        plain.add_field(Field("late", DataType.INT64, **given))
        assert {s.info.sorted_by for s in segments(collection)} == {None}
        same(collection, plain)
        rows = [{**entity(pk, rng), "late": int(rng.integers(5))} for pk in range(150, 300)]
        for held in (collection, plain):
            held.upsert(rows)
            held.flush()
        same(collection, plain)
        for held in (collection, plain):
            held.compact()
        assert len(segments(collection)) == 1
        check_order(collection, "late")
        schema = collection.schema
        with pytest.raises(SchemaError, match="at most one clustering_key, got late, second"):
            collection.add_field(Field("second", DataType.INT8, default=1, clustering_key=True))
        with pytest.raises(SchemaError, match="partition key from the start"):
            collection.add_field(Field("third", DataType.INT64, default=1, partition_key=True))
        assert collection.schema is schema
    with elanus.connect(tmp_path / "kb") as database:
        collection, plain = database.collection("ordered"), database.collection("plain")
        check_order(collection, "late")
        same(collection, plain)
        for asked in ("late == 2", "late > 2", "late is null"):
            assert collection.count(asked) == plain.count(asked)
        assert "late" in {one.name for one in collection.list_indexes()}


def test_deletes_during_a_merge_hit_the_right_rows(tmp_path):
    """Rows move in a merge, and those that die meanwhile are found where they have gone."""
    with elanus.connect(tmp_path / "kb") as database:
        collection = database.create_collection("kb", Schema(fields(partition_key=True)))
        rng = np.random.default_rng(7)
        for step in range(3):
            collection.insert([entity(pk, rng) for pk in range(step * 50, step * 50 + 50)])
            collection.flush()
        engine = collection._engine
        compaction = engine._upkeep._compaction
        done = []

        def checkpoint():
            if not done:
                done.append(collection.delete([5, 60, 120]))

        compaction.run(everything=True, checkpoint=checkpoint)
        assert done == [3]
        left = set(range(150)) - {5, 60, 120}
        assert {e["id"] for e in collection.query()} == left
        assert collection.get([5, 60, 120]) == []
        check_order(collection, "tenant")


def test_a_graph_is_adopted_by_rows_in_another_order(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        collection = database.create_collection("kb", Schema(fields(partition_key=True)))
        collection.create_index("v", "GRAPH")
        rng = np.random.default_rng(9)
        first = [entity(pk, rng) for pk in range(6000)]
        collection.insert(first)
        collection.compact()
        collection.wait_indexed()
        collection.insert([entity(pk, rng) for pk in range(6000, 7500)])
        collection.compact()
        collection.wait_indexed()
        check_order(collection, "tenant")
        (segment,) = segments(collection)
        assert set(segment.info.indexes) >= {"v"}
        unit = VECTORS[:7500] / np.linalg.norm(VECTORS[:7500], axis=1, keepdims=True)
        hits = 0
        for query in range(100):
            wanted = set(np.argsort(-(unit @ unit[query * 61]), kind="stable")[:10].tolist())
            found = collection.search(VECTORS[query * 61], "v", 10, recall=0.95)
            hits += len(wanted & set(found.ids))
        assert hits / 1000 >= 0.94


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ([("a", DataType.INT64, "partition_key"), ("b", DataType.INT64, "partition_key")], "most"),
        ([("a", DataType.DOUBLE, "partition_key")], "INT64 or VARCHAR"),
        ([("a", DataType.JSON, "clustering_key")], "a number, text or bool"),
    ],
)
def test_keys_that_cannot_be(declared, message):
    with pytest.raises(SchemaError, match=message):
        Schema(
            [
                Field("id", DataType.INT64, primary=True),
                *(Field(name, dtype, **{key: True}) for name, dtype, key in declared),
            ]
        )


def test_a_partition_key_takes_the_place_of_partitions(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        collection = database.create_collection("kb", Schema(fields(partition_key=True)))
        with pytest.raises(StateError, match="filter by it"):
            collection.create_partition("left")
        with pytest.raises(SchemaError, match="cannot be dropped"):
            collection.drop_field("tenant")


def rich_fields(**key):
    return [
        Field("id", DataType.INT64, primary=True),
        Field("tenant", DataType.VARCHAR, **key),
        Field("meta", DataType.JSON, nullable=True),
        Field("at", DataType.TIMESTAMPTZ, nullable=True),
        Field(
            "chunks",
            DataType.ARRAY,
            element_type="STRUCT",
            nullable=True,
            struct=[
                Field("page", DataType.INT64),
                Field("words", DataType.VARCHAR),
                Field("v", DataType.FLOAT_VECTOR, dim=4, metric="MAX_SIM_COSINE"),
            ],
        ),
        Field("tokens", DataType.ARRAY, element_type="FLOAT_VECTOR", dim=4, metric="MAX_SIM_IP"),
    ]


def rich_entity(pk, rng):
    chunks = [
        {"page": page, "words": f"w{pk} {page}", "v": rng.normal(size=4).astype(np.float32)}
        for page in range(rng.integers(4))
    ]
    meta = {
        "k": int(rng.integers(7)),
        "s": f"s{rng.integers(3)}",
        "a": rng.integers(5, size=rng.integers(4)).tolist(),
        **({"rare": pk} if pk % 40 == 0 else {}),
    }
    return {
        "id": pk,
        "tenant": f"t{rng.integers(12)}",
        "meta": None if rng.random() < 0.1 else meta,
        "at": None if rng.random() < 0.1 else f"2024-01-{1 + pk % 28:02}T00:00:00Z",
        "chunks": None if rng.random() < 0.2 else chunks,
        "tokens": rng.normal(size=(rng.integers(1, 5), 4)).astype(np.float32),
    }


FILTERS = [
    "meta['k'] == 2",
    "meta['s'] in ['s1', 's2'] and meta['k'] > 3",
    "meta['rare'] > 500",
    "json_contains(meta['a'], 3)",
    "match_any(chunks, $[page] == 2)",
    "match_least(chunks, $[page] >= 0, threshold=2)",
    "at >= ISO '2024-01-15T00:00:00Z' and tenant == 't3'",
    "tenant > 't4' and meta is not null",
]


def test_rich_rows_move_together(tmp_path):
    """Every column and what is derived of it is where its row has gone in a merge."""
    with elanus.connect(tmp_path / "kb") as database:
        held = [
            database.create_collection("ordered", Schema(rich_fields(partition_key=True))),
            database.create_collection("plain", Schema(rich_fields())),
        ]
        rng = np.random.default_rng(11)
        queries = [rng.normal(size=(3, 4)).astype(np.float32) for _ in range(4)]
        parts = [[rich_entity(pk, rng) for pk in range(n * 1100, n * 1100 + 1200)] for n in (0, 1)]
        for collection in held:
            collection.create_index("meta['k']", "INVERTED", {"json_cast_type": "DOUBLE"})
            for rows in parts:
                collection.upsert(rows)
                collection.flush()
            collection.compact()
            collection.wait_indexed()
        ordered, plain = held
        check_order(ordered, "tenant")
        assert repr(ordered.query(output=["*"])) == repr(plain.query(output=["*"]))
        for text in FILTERS:
            found = [e["id"] for e in ordered.query(text)]
            assert found == [e["id"] for e in plain.query(text)], text
            assert 0 < len(found) < 2300
        for query in queries:
            for field in ("chunks[v]", "tokens"):
                a, b = (c.search(query, field, 10, recall=1.0) for c in held)
                assert a.ids == b.ids
                assert [h.score for h in a] == pytest.approx([h.score for h in b], rel=1e-5)
