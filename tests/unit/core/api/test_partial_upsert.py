"""Some fields change, the others stay, against dicts that are merged in Python."""

import threading

import numpy as np
import pytest

import elanus
from elanus import BM25, DataType, Field, Schema
from elanus.errors import EntityError, InvalidArgumentError, NotFoundError

VECTORS = np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32)
FIELDS = [
    Field("id", DataType.INT64, primary=True),
    Field("v", DataType.FLOAT_VECTOR, dim=4),
    Field("text", DataType.VARCHAR, analyzer="standard"),
    Field("n", DataType.INT32, nullable=True),
    Field("kind", DataType.VARCHAR, default="plain"),
    Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4, nullable=True),
    Field("meta", DataType.JSON, nullable=True),
    Field("weights", DataType.SPARSE_FLOAT_VECTOR),
    Field("bm25", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
]


def entity(pk):
    return {
        "id": pk,
        "v": VECTORS[pk].tolist(),
        "text": f"word{pk}",
        "n": pk,
        "kind": "a",
        "tags": ["x", "y"],
        "meta": {"k": pk},
        "weights": {pk: 1.0},
        "extra": pk,
        "more": "old",
    }


class Model:
    """The entities as dicts, changed as the collection is."""

    def __init__(self, collection):
        self.collection = collection
        self.rows = {}

    def insert(self, pks):
        self.collection.insert([entity(pk) for pk in pks])
        self.rows |= {pk: entity(pk) for pk in pks}

    def change(self, parts):
        assert self.collection.upsert(parts, partial=True) == [part["id"] for part in parts]
        for part in parts:
            self.rows[part["id"]] = {**self.rows.get(part["id"], {}), **part}

    def check(self):
        found = self.collection.query(output=["*"])
        assert len(found) == len(self.rows)
        for row in found:
            wanted = self.rows[row["id"]]
            assert {name: row[name] for name in wanted} == wanted
        for pk, row in self.rows.items():
            assert self.collection.search(row["v"], "v", 1).ids == [pk]
            assert pk in self.collection.search(row["text"], "bm25", 60).ids


@pytest.fixture
def model(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        made = database.create_collection("kb", Schema(FIELDS, dynamic=True))
        yield Model(made)


def test_entities_of_several_segments_are_named_in_any_order(model):
    for first in (0, 20, 40):
        model.insert(range(first, first + 20))
        if first < 40:
            model.collection.flush()
    pks = [41, 3, 22, 1, 45, 21, 19, 40]
    model.change([{"id": pk, "n": -pk, "extra": f"of {pk}"} for pk in pks])
    model.check()
    # New ones between them.
    model.collection.delete([3, 22])
    renewed = {pk: {**entity(pk), "n": 7} for pk in (3, 22)}
    del model.rows[3], model.rows[22]
    model.change([{**renewed.get(pk, entity(pk)), "kind": "c"} for pk in pks])
    model.check()


def test_given_fields_change_wherever_the_entity_is(model):
    model.insert(range(20))
    model.collection.flush()
    model.insert(range(20, 40))
    model.change([{"id": 3, "n": 100}, {"id": 25, "n": 200}])
    model.change([{"id": 4, "text": "other", "kind": "b"}, {"id": 24, "v": VECTORS[50].tolist()}])
    model.change([{"id": 5, "meta": {"z": [1]}}, {"id": 6, "extra": "new"}, {"id": 7, "n": None}])
    # A new entity, all fields given.
    model.change([{**entity(41)}, {"id": 8, "tags": []}])
    model.check()
    model.collection.compact()
    model.check()


def test_of_a_key_given_twice_the_last_value_of_each_field_counts(model):
    model.insert(range(3))
    collection = model.collection
    keys = collection.upsert(
        [{"id": 1, "n": 5}, {"id": 1, "kind": "z"}, {"id": 1, "n": 6}], partial=True
    )
    assert keys == [1, 1, 1]
    assert collection.get(1, ["n", "kind", "text"]) == [
        {"id": 1, "n": 6, "kind": "z", "text": "word1"}
    ]


def test_columns_are_taken_too(model):
    model.insert(range(5))
    model.collection.upsert({"id": [1, 2], "n": np.array([7, 8])}, partial=True)
    assert [e["n"] for e in model.collection.get([1, 2, 3], ["n"])] == [7, 8, 3]


def test_array_operations(model):
    collection = model.collection
    model.insert(range(4))
    collection.upsert([{"id": 3, "tags": None}], partial=True)
    collection.upsert(
        [{"id": 1, "tags": ["z"]}, {"id": 3, "tags": ["q"]}],
        partial=True,
        array_ops={"tags": "append"},
    )
    collection.upsert(
        [{"id": 2, "tags": ["x", "nothing"], "n": 9}], partial=True, array_ops={"tags": "remove"}
    )
    found = [e["tags"] for e in collection.get([0, 1, 2, 3], ["tags"])]
    assert found == [["x", "y"], ["x", "y", "z"], ["y"], ["q"]]
    new = [{**entity(pk), "tags": ["a", "b", "c"]} for pk in (7, 8)]
    collection.upsert(new[:1], partial=True, array_ops={"tags": "append"})
    collection.upsert(new[1:], partial=True, array_ops={"tags": "remove"})
    assert [e["tags"] for e in collection.get([7, 8], ["tags"])] == [["a", "b", "c"], []]
    with pytest.raises(EntityError, match="max_capacity=4"):
        collection.upsert(
            [{"id": 1, "tags": ["1", "2"]}], partial=True, array_ops={"tags": "append"}
        )
    assert collection.get(1, ["tags"])[0]["tags"] == ["x", "y", "z"]


def test_a_new_entity_needs_its_fields(model):
    model.insert(range(2))
    with pytest.raises(EntityError, match=r"field 'v'.*entity 77 is not there yet"):
        model.collection.upsert([{"id": 1, "n": 3}, {"id": 77, "n": 3}], partial=True)
    assert model.collection.get(1, ["n"]) == [{"id": 1, "n": 1}]
    whole = {k: v for k, v in entity(33).items() if k not in ("n", "kind", "tags", "meta")}
    model.collection.upsert([whole], partial=True)
    assert model.collection.get(33, ["n", "kind", "tags"]) == [
        {"id": 33, "n": None, "kind": "plain", "tags": None}
    ]


def test_partitions_stay_unless_named(model):
    collection = model.collection
    collection.create_partition("left")
    collection.insert([entity(1)], partition="left")
    collection.upsert([{"id": 1, "n": 8}], partial=True)
    assert collection.count("n == 8", partitions="left") == 1
    collection.upsert([{"id": 1, "n": 9}], partial=True, partition="_default")
    assert collection.count("n == 9", partitions="_default") == 1


def test_no_change_between_reading_and_writing_is_lost(model):
    """Two threads append to one array: every element is there in the end."""
    collection = model.collection
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("items", DataType.ARRAY, element_type=DataType.INT64),
    ]
    del collection
    database = elanus.connect(":memory:")
    lists = database.create_collection("lists", Schema(fields))
    lists.insert([{"id": 1, "items": []}])

    def append(first):
        for value in range(first, first + 100):
            lists.upsert([{"id": 1, "items": [value]}], partial=True, array_ops={"items": "append"})

    threads = [threading.Thread(target=append, args=(1000 * n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (row,) = lists.get(1)
    assert sorted(row["items"]) == [*range(100), *range(1000, 1100)]
    database.close()


def test_what_has_expired_is_not_there(model):
    collection = model.collection
    collection.add_field(Field("until", DataType.DOUBLE, nullable=True))
    collection.insert([{**entity(1), "until": 5.0}])
    collection.set_ttl(field="until")
    with pytest.raises(EntityError, match="not there yet"):
        collection.upsert([{"id": 1, "n": 2}], partial=True)


@pytest.mark.parametrize(
    ("parts", "options", "error", "message"),
    [
        ([{"n": 1}], {}, EntityError, "field 'id': missing"),
        ([{"id": 1, "n": "x"}], {}, EntityError, "field 'n'"),
        ([{"id": 1, "bm25": {1: 2.0}}], {}, EntityError, "computed from 'text'"),
        (
            [{"id": 1, "tags": ["a"]}],
            {"array_ops": {"tags": "add"}},
            InvalidArgumentError,
            "append",
        ),
        ([{"id": 1, "n": 1}], {"array_ops": {"n": "append"}}, InvalidArgumentError, "is INT32"),
        ([{"id": 1, "n": 1}], {"partition": "up"}, NotFoundError, "no partition 'up'"),
        (
            [{"id": 1, "tags": ["a"]}, {"id": 1, "tags": ["b"]}],
            {"array_ops": {"tags": "append"}},
            EntityError,
            "given twice",
        ),
    ],
)
def test_refused(model, parts, options, error, message):
    model.insert(range(3))
    with pytest.raises(error, match=message):
        model.collection.upsert(parts, partial=True, **options)
    model.check()


def test_operations_need_a_partial_upsert(model):
    with pytest.raises(InvalidArgumentError, match="only with partial=True"):
        model.collection.upsert([entity(1)], array_ops={"tags": "append"})
