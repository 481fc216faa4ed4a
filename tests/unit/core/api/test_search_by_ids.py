"""A search by keys is a search by what the entities hold."""

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import FieldNotFoundError, InvalidArgumentError, NotFoundError
from support.builders import paper_schema, papers

DENSE = [
    (DataType.FLOAT_VECTOR, "COSINE"),
    (DataType.FLOAT_VECTOR, "L2"),
    (DataType.FLOAT16_VECTOR, "IP"),
    (DataType.BFLOAT16_VECTOR, "L2"),
    (DataType.INT8_VECTOR, "COSINE"),
    (DataType.BINARY_VECTOR, "HAMMING"),
]


@pytest.fixture(params=["memory", "segment"])
def db(request, tmp_path):
    with elanus.connect(":memory:" if request.param == "memory" else tmp_path / "db") as database:
        yield database


@pytest.fixture
def collection(db):
    made = db.create_collection("papers", paper_schema())
    made.insert(papers(60))
    if db.stats().disk_bytes:
        made.flush()
    return made


def shown(result):
    return [(hit.id, hit.score) for hit in result]


@pytest.mark.parametrize("field", ["dense", "sparse", "bm25"])
def test_what_an_entity_holds_is_the_query(collection, field):
    rows = {row["id"]: row for row in papers(60)}
    held = "title" if field == "bm25" else field
    given = {"limit": 7, "filter": "year > 1995"}
    assert shown(collection.search(field=field, ids=8, **given)) == shown(
        collection.search(rows[8][held], field, **given)
    )
    many = collection.search(field=field, ids=[8, 3, 8], **given)
    queries = [rows[key][held] for key in (8, 3, 8)]
    assert [shown(one) for one in many] == [
        shown(one) for one in collection.search(queries, field, **given)
    ]
    assert len(collection.search(field=field, ids=[8], **given)) == 1


@pytest.mark.parametrize(("dtype", "metric"), DENSE)
def test_an_entity_is_nearest_to_itself(db, dtype, metric):
    rng = np.random.default_rng(4)
    fields = [
        Field("key", DataType.VARCHAR, primary=True),
        Field("v", dtype, dim=32, metric=metric),
    ]
    made = db.create_collection("rows", Schema(fields))
    values = {
        DataType.BINARY_VECTOR: lambda: rng.integers(0, 256, 4, dtype=np.uint8),
        DataType.INT8_VECTOR: lambda: rng.integers(-99, 99, 32).astype(np.int8),
    }.get(dtype, lambda: (lambda v: v / np.linalg.norm(v))(rng.normal(size=32)).astype(np.float32))
    made.insert([{"key": f"k{i}", "v": values()} for i in range(50)])
    found = made.search(field="v", limit=3, ids=[f"k{i}" for i in range(50)], recall=1.0)
    assert [one.ids[0] for one in found] == [f"k{i}" for i in range(50)]
    assert made.search(field="v", ids="k7", recall=1.0).ids[0] == "k7"


def test_the_past_is_searched_by_what_was_held_then(collection):
    collection.set_retention(3600)
    seq = collection.last_seq
    before = shown(collection.search(field="dense", ids=5))
    collection.upsert([{**papers(60)[5], "dense": [1.0, 1.0, 1.0, 1.0]}])
    assert shown(collection.search(field="dense", ids=5)) != before
    assert shown(collection.search(field="dense", ids=5, as_of=seq)) == before


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"field": "dense", "ids": 99}, NotFoundError, "no entity has the key 99"),
        ({"field": "dense", "ids": [1, 99]}, NotFoundError, "no entity has the key 99"),
        ({"field": "dense", "ids": []}, InvalidArgumentError, "at least one key in ids, got none"),
        ({"ids": 1}, InvalidArgumentError, "expected the field that ids are searched by"),
        ({"data": [1.0] * 4, "field": "dense", "ids": 1}, InvalidArgumentError, "got both"),
        ({"field": "dence", "ids": 1}, FieldNotFoundError, "dense"),
        ({"field": "year", "ids": 1}, InvalidArgumentError, "only vector fields"),
    ],
)
def test_wrong_keys_are_said(collection, given, error, message):
    with pytest.raises(error, match=message):
        collection.search(**given)
