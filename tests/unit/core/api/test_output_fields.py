"""Which fields come back: names, patterns, paths and vectors."""

import pytest

import elanus
from elanus import Field, Schema
from elanus.errors import InvalidArgumentError

ROWS = [
    {
        "id": 1,
        "title": "one",
        "meta_a": 10,
        "meta_b": "x",
        "meta": {"a": {"b": [5, 6]}, "c d": True},
        "tags": [3, 4],
        "dense": [1.0, 0.0],
        "sparse": {7: 0.5, 2: 1.0},
        "lang": "en",
        "meta_x": {"deep": [1, 2]},
    },
    {
        "id": 2,
        "title": "two",
        "meta_a": 20,
        "meta_b": "y",
        "meta": None,
        "tags": [],
        "dense": [0.0, 1.0],
        "sparse": {},
        "other": 1,
    },
]


def schema(dynamic):
    return Schema(
        [
            Field("id", elanus.INT64, primary=True),
            Field("title", elanus.VARCHAR, analyzer="standard"),
            Field("meta_a", elanus.INT64),
            Field("meta_b", elanus.VARCHAR),
            Field("meta", elanus.JSON, nullable=True),
            Field("tags", elanus.ARRAY, element_type=elanus.INT64),
            Field("dense", elanus.FLOAT_VECTOR, dim=2, metric="IP"),
            Field("sparse", elanus.SPARSE_FLOAT_VECTOR),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
        ],
        dynamic=dynamic,
    )


@pytest.fixture(params=["memory", "both"])
def collection(request, tmp_path):
    with elanus.connect(":memory:" if request.param == "memory" else tmp_path / "db") as db:
        made = db.create_collection("rows", schema(dynamic=True))
        made.insert(ROWS[:1])
        if request.param == "both":
            made.flush()
        made.insert(ROWS[1:])
        yield made


def entities(collection, output):
    found = collection.search([1.0, 0.5], "dense", 2, output=output)
    assert [h.id for h in found] == [1, 2]
    by_key = collection.get([1, 2], output)
    assert by_key == collection.query(output=output)
    assert [
        {**e, "id": i} for i, e in zip((1, 2), [h.entity for h in found], strict=True)
    ] == by_key
    return [h.entity for h in found]


def test_patterns_name_declared_and_undeclared_fields(collection):
    assert entities(collection, ["meta_*"]) == [
        {"meta_a": 10, "meta_b": "x", "meta_x": {"deep": [1, 2]}},
        {"meta_a": 20, "meta_b": "y"},
    ]
    assert entities(collection, ["*_b", "title"]) == [
        {"meta_b": "x", "title": "one"},
        {"meta_b": "y", "title": "two"},
    ]
    assert entities(collection, ["*ther"]) == [{}, {"other": 1}]
    vectors = [{name: row[name] for name in ("dense", "sparse")} for row in ROWS]
    assert entities(collection, ["%"]) == vectors
    both = [{"title": row["title"], **own} for row, own in zip(ROWS, vectors, strict=True)]
    assert entities(collection, ["title", "%"]) == both
    assert entities(collection, ["*"]) == [
        {**ROWS[0], "sparse": {2: 1.0, 7: 0.5}},
        ROWS[1],
    ]


def test_paths_come_under_their_text(collection):
    output = ['meta["a"]["b"]', "meta['a']['b'][1]", 'meta["c d"]', "tags[0]", '$meta["lang"]']
    assert entities(collection, output) == [
        dict(zip(output, ([5, 6], 6, True, 3, "en"), strict=True)),
        dict.fromkeys(output),
    ]
    assert entities(collection, ['meta_x["deep"][1]', "title"]) == [
        {'meta_x["deep"][1]': 2, "title": "one"},
        {'meta_x["deep"][1]': None, "title": "two"},
    ]


def test_vectors_come_back_when_they_are_asked_for(collection):
    assert entities(collection, ["dense", "sparse"]) == [
        {"dense": [1.0, 0.0], "sparse": {2: 1.0, 7: 0.5}},
        {"dense": [0.0, 1.0], "sparse": {}},
    ]
    assert "dense" not in entities(collection, None)[0]


@pytest.mark.parametrize("dynamic", [True, False])
def test_outputs_that_cannot_be(dynamic):
    made = elanus.connect(":memory:").create_collection("rows", schema(dynamic))
    for output, message in (
        (["bm25"], "field 'bm25' is computed for searching and cannot be read back"),
        (['title["a"]'], "output: "),
        (['meta["a'], "output: "),
        ("title", "output must be a list of field names"),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            made.search([1, 0], "dense", output=output)
        assert message in str(caught.value)
    if not dynamic:
        with pytest.raises(
            InvalidArgumentError, match="no field fits 'x\\*'; stored are id, title"
        ):
            made.search([1, 0], "dense", output=["x*"])
        with pytest.raises(InvalidArgumentError, match="output: "):
            made.search([1, 0], "dense", output=['nothing["a"]'])
