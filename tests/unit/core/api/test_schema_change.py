"""Fields that come and go while entities are there, read on every path."""

import json
import threading

import numpy as np
import pytest

import elanus
from elanus import BM25, DataType, Field, Schema
from elanus.cli.main import main
from elanus.errors import EntityError, FieldNotFoundError, SchemaError

RNG = np.random.default_rng(4)
VECTORS = RNG.normal(size=(60, 4)).astype(np.float32)
LATER = [
    Field("year", DataType.INT64, default=7),
    Field("score", DataType.DOUBLE, nullable=True),
    Field("flag", DataType.BOOL, default=True),
    Field("lang", DataType.VARCHAR, default="none"),
    Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, nullable=True),
    Field("meta", DataType.JSON, nullable=True),
    Field("half", DataType.FLOAT16_VECTOR, dim=3, nullable=True, metric="L2"),
    Field("bits", DataType.BINARY_VECTOR, dim=16, nullable=True),
    Field("weights", DataType.SPARSE_FLOAT_VECTOR, nullable=True),
    Field("words", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
]
OLD = {"year": 7, "score": None, "flag": True, "lang": "none", "tags": None, "meta": None}
NEW = {"year": 2, "score": 0.5, "flag": False, "lang": "de", "tags": ["a"], "meta": {"k": [1]}}


def entity(pk, **more):
    return {"id": pk, "dense": VECTORS[pk % 60], "text": f"word{pk % 3} all", **more}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kb"


def filled(folder):
    """A segment of 40 entities and 20 in memory, all written before the fields of LATER."""
    database = elanus.connect(folder)
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("dense", DataType.FLOAT_VECTOR, dim=4),
        Field("text", DataType.VARCHAR, analyzer="standard"),
    ]
    collection = database.create_collection("kb", Schema(fields))
    collection.insert([entity(pk) for pk in range(40)])
    collection.flush()
    collection.insert([entity(pk) for pk in range(40, 60)])
    return database, collection


def check_reads(collection):
    assert collection.count() == 61
    assert collection.count("year == 7 and flag and lang == 'none'") == 60
    assert collection.count("score is null and tags is null and meta is null") == 60
    found = collection.get([3, 59, 100], [*OLD])
    assert found == [{"id": 3, **OLD}, {"id": 59, **OLD}, {"id": 100, **NEW}]
    with_vectors = collection.get([3, 100], ["half", "bits", "weights"])
    assert (with_vectors[0]["half"], with_vectors[0]["weights"]) == (None, None)
    assert with_vectors[1]["half"].tolist() == [1, 2, 3]
    # Only who has a vector can be near.
    for field, query in (("half", [0.0, 0, 0]), ("bits", b"\x00\x00"), ("weights", {7: 1.0})):
        assert collection.search(query, field, 5).ids == [100]
    assert len(collection.search("word1", "words", 50)) == 21
    assert collection.search(VECTORS[5], "dense", 1).ids == [5]


def test_old_entities_have_defaults_and_nulls_on_every_path(folder):
    database, collection = filled(folder)
    reader = elanus.connect(folder, read_only=True).collection("kb")
    assert reader.count() == 60
    for field in LATER:
        collection.add_field(field)
    vectors = {"half": [1, 2, 3], "bits": b"\xff\x00", "weights": {7: 2.0}}
    collection.insert([entity(100, **NEW, **vectors)])
    for held in (collection, reader):
        check_reads(held)
    collection.compact()
    for held in (collection, reader):
        check_reads(held)
    database.close()
    with elanus.connect(folder) as again:
        check_reads(again.collection("kb"))


def test_check_finds_nothing_wrong_with_absent_columns(folder, capsys):
    database, collection = filled(folder)
    for field in LATER:
        collection.add_field(field)
    collection.drop_field("score")
    database.close()
    assert main(["check", str(folder)]) == 0, capsys.readouterr()


def test_a_dropped_name_can_mean_something_else(folder):
    database, collection = filled(folder)
    collection.add_field(Field("extra", DataType.FLOAT_VECTOR, dim=2, nullable=True))
    collection.upsert([entity(5, extra=[1.0, 2.0])])
    collection.flush()
    assert collection.search([1.0, 2.0], "extra", 9).ids == [5]
    collection.drop_field("extra")
    with pytest.raises(FieldNotFoundError):
        collection.search([1.0, 2.0], "extra", 9)
    collection.add_field(Field("extra", DataType.VARCHAR, default="x"))
    assert collection.count("extra == 'x'") == 60
    collection.compact()
    assert collection.get(5, ["extra"]) == [{"id": 5, "extra": "x"}]
    database.close()
    with elanus.connect(folder) as again:
        assert again.collection("kb").get(5, ["extra"]) == [{"id": 5, "extra": "x"}]


def test_an_added_field_takes_the_name_of_what_was_undeclared(folder):
    database = elanus.connect(folder)
    fields = [Field("id", DataType.INT64, primary=True), Field("v", DataType.FLOAT_VECTOR, dim=2)]
    collection = database.create_collection("kb", Schema(fields, dynamic=True))
    collection.insert([{"id": 1, "v": [1.0, 0.0], "kind": "old", "other": 5}])
    collection.add_field(Field("kind", DataType.VARCHAR, default="new"))
    whole = {"id": 1, "kind": "new", "other": 5}
    for output in (["*"], ["kind", "$meta"], ["k*", "o*"]):
        assert collection.query(None, output, limit=9)[0].items() >= whole.items()
    assert collection.query(None, ["$meta"], limit=9) == [{"other": 5, "id": 1}]
    assert collection.query('$meta["kind"] == "old"', ['$meta["kind"]']) == [
        {'$meta["kind"]': "old", "id": 1}
    ]
    exported = folder.parent / "all.jsonl"
    collection.export_data(exported)
    assert json.loads(exported.read_text()).items() >= whole.items()
    database.close()


def test_the_past_keeps_its_fields(folder):
    database, collection = filled(folder)
    collection.set_retention(3600)
    before = collection.last_seq
    collection.drop_field("text")
    collection.upsert([{"id": 5, "dense": VECTORS[6]}])
    past = collection.query("id == 5", as_of=before)
    assert past == [{"id": 5, "text": "word2 all"}]
    assert collection.search(VECTORS[5], "dense", 1, as_of=before).ids == [5]
    database.close()


def test_a_field_of_mostly_nulls_gets_no_graph(folder):
    database, collection = filled(folder)
    collection.add_field(Field("rare", DataType.FLOAT_VECTOR, dim=4, nullable=True))
    collection.create_index("rare", "GRAPH")
    collection.create_index("dense", "GRAPH")
    collection.upsert([entity(pk, rare=VECTORS[pk]) for pk in range(0, 60, 2)])
    collection.compact()
    collection.wait_indexed()
    (segment,) = [s for s in collection.stats().segments if s.rows]
    assert set(segment.indexes) == {"dense"}
    wanted = sorted(range(0, 60, 2), key=lambda pk: -float(_cosine(VECTORS[pk], VECTORS[1])))
    assert collection.search(VECTORS[1], "rare", 10).ids == wanted[:10]
    database.close()


def _cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_limits_hold_for_what_is_written_from_then_on(folder):
    database, collection = filled(folder)
    collection.add_field(Field("name", DataType.VARCHAR, default="x", max_length=3))
    with pytest.raises(EntityError, match="max_length=3"):
        collection.upsert([entity(1, name="four")])
    collection.alter_field("name", max_length=4)
    collection.upsert([entity(1, name="four")])
    collection.alter_field("name", max_length=3)
    with pytest.raises(EntityError, match="max_length=3"):
        collection.upsert([entity(2, name="five")])
    assert collection.query("name == 'four'", ["name"]) == [{"id": 1, "name": "four"}]
    with pytest.raises(SchemaError, match="dtype cannot be changed"):
        collection.alter_field("name", dtype=DataType.INT64)
    database.close()


def test_longer_values_than_the_limit_stay_as_they_are(folder):
    fields = [
        Field("id", DataType.VARCHAR, primary=True, max_length=8),
        Field("name", DataType.VARCHAR, default="none"),
        Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_length=6, max_capacity=4),
        Field("number", DataType.INT64, default=0),
        Field("dense", DataType.FLOAT_VECTOR, dim=2),
    ]
    long = {"id": "first", "name": "a long name", "tags": ["longer", "c", "d"], "number": 1}
    with elanus.connect(folder) as database:
        collection = database.create_collection("c", Schema(fields))
        collection.insert([{**long, "dense": [1.0, 2.0]}])
        with pytest.raises(SchemaError, match=r"id.*smaller than 8, got 7: longer keys"):
            collection.alter_field("id", max_length=7)
        with pytest.raises(SchemaError, match=r"default of field 'name'.*4 bytes exceed"):
            collection.alter_field("name", max_length=3)
        collection.alter_field("name", max_length=4)
        collection.alter_field("tags", max_length=2, max_capacity=2)
        for wrong in ({"name": "names"}, {"tags": ["abc"]}, {"tags": ["a", "b", "c"]}):
            with pytest.raises(EntityError, match="exceed max_"):
                collection.upsert([{"id": "first", **wrong}], partial=True)
        collection.upsert([{"id": "first", "number": 2}], partial=True)
        collection.upsert(
            [{"id": "first", "tags": ["c"]}], partial=True, array_ops={"tags": "remove"}
        )
        with pytest.raises(EntityError, match="exceed max_capacity=2"):
            collection.upsert(
                [{"id": "first", "tags": ["e"]}], partial=True, array_ops={"tags": "append"}
            )
        collection.compact()
        database.snapshot("kept", collection="c")
        restored = database.restore_snapshot("kept", "c", "again")
        kept = {**long, "tags": ["longer", "d"], "number": 2}
        assert restored.get("first", ["name", "tags", "number"]) == [kept]
    with elanus.connect(folder) as database:
        collection = database.collection("c")
        assert collection.get("first", ["name", "tags", "number"]) == [kept]
        assert collection.schema.field("name").max_length == 4
    assert main(["check", str(folder)]) == 0


def nearest(metric, query, limit):
    products = VECTORS @ query
    if metric == "L2":
        scores = ((VECTORS - query) ** 2).sum(axis=1)
        return sorted(range(60), key=lambda pk: (scores[pk], pk))[:limit]
    if metric == "COSINE":
        products = products / np.linalg.norm(VECTORS, axis=1)
    return sorted(range(60), key=lambda pk: (-products[pk], pk))[:limit]


@pytest.mark.parametrize("metric", ["L2", "IP"])
def test_another_metric_changes_what_is_nearest(folder, metric):
    database, collection = filled(folder)
    collection.create_index("dense", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    query = VECTORS[1] * 3 + VECTORS[7]
    reader = elanus.connect(folder, read_only=True).collection("kb")
    assert collection.search(query, "dense", 10).ids == nearest("COSINE", query, 10)
    assert reader.search(query, "dense", 10).ids == nearest("COSINE", query, 10)
    token = collection.search_iterator(query, "dense", batch_size=5)

    collection.alter_field("dense", metric=metric)
    wanted = nearest(metric, query, 10)
    assert wanted != nearest("COSINE", query, 10)
    for found in (collection, reader):
        assert found.search(query, "dense", 10).ids == wanted
    assert next(token).ids == nearest("COSINE", query, 5)
    collection.wait_indexed()
    (segment,) = [s for s in collection.stats().segments if s.rows]
    assert segment.indexes == {"dense": "GRAPH"}
    hits = collection.search(query, "dense", 10, recall=1.0)
    assert hits.ids == wanted
    if metric == "L2":
        assert hits[0].score == pytest.approx(((VECTORS[wanted[0]] - query) ** 2).sum(), rel=1e-5)
    reader_database = elanus.connect(folder, read_only=True)
    assert reader_database.collection("kb").search(query, "dense", 10).ids == wanted
    database.close()
    with elanus.connect(folder) as database:
        assert database.collection("kb").search(query, "dense", 10).ids == wanted


def test_a_part_of_a_struct_is_altered(folder):
    with elanus.connect(folder) as database:
        text = Field("text", DataType.VARCHAR, max_length=3)
        struct = [text, Field("v", DataType.FLOAT_VECTOR, dim=2)]
        parts = Field("parts", DataType.ARRAY, element_type=DataType.STRUCT, struct=struct)
        collection = database.create_collection(
            "c", Schema([Field("id", DataType.INT64, primary=True), parts])
        )
        collection.insert(
            [
                {"id": 1, "parts": [{"text": "a", "v": [1.0, 0.0]}]},
                {"id": 2, "parts": [{"text": "b", "v": [5.0, 1.0]}]},
            ]
        )
        assert collection.search([1.0, 0.0], "parts[v]", 2).ids == [1, 2]
        collection.alter_field("parts[v]", metric="IP")
        collection.alter_field("parts[text]", max_length=4)
        assert collection.search([1.0, 0.0], "parts[v]", 2).ids == [2, 1]
        collection.upsert([{"id": 3, "parts": [{"text": "four", "v": [0.0, 1.0]}]}])
        assert collection.count() == 3
        with pytest.raises(SchemaError, match="HAMMING"):
            collection.alter_field("parts[v]", metric="HAMMING")


def test_bm25_gets_other_parameters(folder):
    with elanus.connect(folder) as database:
        fields = [
            Field("id", DataType.INT64, primary=True),
            Field("text", DataType.VARCHAR, analyzer="standard"),
            Field("words", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ]
        collection = database.create_collection("c", Schema(fields))
        collection.insert([{"id": 1, "text": "fox " * 5}, {"id": 2, "text": "fox and dog"}])
        collection.flush()
        collection.alter_field("words", source=BM25("text", k1=2.0, b=0.0))
        found = {hit.id: hit.score for hit in collection.search("fox", "words", 2)}
        idf = np.log(1 + 0.5 / 2.5)
        assert found[1] == pytest.approx(idf * 5 * 3 / (5 + 2), rel=1e-5)
        assert found[2] == pytest.approx(idf * 1 * 3 / (1 + 2), rel=1e-5)
        for wrong in (BM25("id"), None, "BM25"):
            with pytest.raises(SchemaError, match="only k1 and b"):
                collection.alter_field("words", source=wrong)
        with pytest.raises(SchemaError, match="only k1 and b"):
            collection.alter_field("text", source=BM25("text"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.add_field(Field("new", DataType.INT64)), "nullable=True or a default"),
        (lambda c: c.add_field(Field("id2", DataType.INT64, primary=True)), "primary key from"),
        (lambda c: c.add_field(Field("text", DataType.INT64, nullable=True)), "used twice: text"),
        (lambda c: c.add_field(Field("new", DataType.INT64, default="x")), "got str 'x'"),
        (lambda c: c.add_field(Field("new", DataType.INT64, default=True)), "got bool True"),
        (lambda c: c.add_field(Field("new", DataType.INT8, default=300)), "does not fit into INT8"),
        (lambda c: c.add_field(Field("new", DataType.BOOL, default=1)), "expected BOOL, got int 1"),
        (
            lambda c: c.add_field(Field("new", DataType.VARCHAR, max_length=2, default="xyz")),
            "3 bytes exceed max_length=2",
        ),
        (lambda c: c.drop_field("id"), "primary key cannot be dropped"),
        (lambda c: c.drop_field("text"), "'words' is computed from it"),
    ],
)
def test_refused_changes_change_nothing(folder, change, message):
    database, collection = filled(folder)
    collection.add_field(LATER[-1])
    schema = collection.schema
    with pytest.raises(SchemaError, match=message):
        change(collection)
    assert collection.schema is schema
    database.close()


@pytest.mark.parametrize(
    ("dtype", "options", "given"),
    [
        (DataType.INT64, {}, "x"),
        (DataType.INT64, {}, 1.5),
        (DataType.FLOAT, {}, "x"),
        (DataType.VARCHAR, {}, 3),
        (DataType.JSON, {}, {1}),
        (DataType.ARRAY, {"element_type": DataType.INT64}, ["x"]),
        (DataType.TIMESTAMPTZ, {}, "yesterday"),
        (DataType.GEOMETRY, {}, "nowhere"),
    ],
)
def test_a_default_is_refused_as_when_a_collection_is_made(folder, dtype, options, given):
    field = Field("new", dtype, nullable=True, default=given, **options)
    with elanus.connect(folder) as database:
        key = Field("id", DataType.INT64, primary=True)
        collection = database.create_collection("kb", Schema([key]))
        with pytest.raises(SchemaError) as made:
            database.create_collection("other", Schema([key, field]))
        with pytest.raises(SchemaError) as added:
            collection.add_field(field)
        assert str(added.value) == str(made.value)
        assert database.list_collections() == ["kb"]
        assert [f.name for f in collection.schema.fields] == ["id"]


def test_writes_beside_a_change_are_checked_again(folder):
    """Entities that were checked against the old fields are not lost and not half-written."""
    database, collection = filled(folder)
    failures = []

    def write(first):
        try:
            for pk in range(first, first + 150):
                collection.insert([entity(pk)])
        except Exception as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=write, args=(1000 * n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for number in range(8):
        collection.add_field(Field(f"f{number}", DataType.INT64, default=number))
    for thread in threads:
        thread.join()
    assert failures == []
    assert collection.count("f0 == 0 and f7 == 7") == 360
    database.close()
