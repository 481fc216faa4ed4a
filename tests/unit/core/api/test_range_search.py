"""Searches within bounds of the score find what a look at every score finds."""

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import InvalidArgumentError
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
ROWS = 80


@pytest.fixture(params=["memory", "segments", "both"])
def where(request):
    return request.param


def filled(tmp_path, where, schema, rows):
    """Return a collection whose rows lie in memory, in segments, or in both."""
    db = elanus.connect(":memory:" if where == "memory" else tmp_path / "db")
    made = db.create_collection("rows", schema)
    if where == "memory":
        made.insert(rows)
        return made
    cuts = [len(rows) // 3, len(rows)] if where == "segments" else [len(rows) // 2]
    start = 0
    for stop in cuts:
        made.insert(rows[start:stop])
        made.flush()
        start = stop
    made.insert(rows[start:])
    return made


def expected(collection, field, query, *, limit, offset=0, radius=None, range_filter=None, **more):
    """Look at every row's score, as Milvus documents the bounds."""
    metric = collection.schema.field(field).metric_type
    hits = []
    for hit in collection.search(query, field, 1000, recall=1.0, **more):
        score = np.float32(hit.score)
        if metric.is_distance:
            inside = (radius is None or score < np.float32(radius)) and (
                range_filter is None or score >= np.float32(range_filter)
            )
        else:
            inside = (radius is None or score > np.float32(radius)) and (
                range_filter is None or score <= np.float32(range_filter)
            )
        if inside:
            hits.append((hit.id, hit.score))
    return hits[offset : offset + limit]


def bounds_of(collection, field, query):
    """Yield pairs of bounds at, between and outside of the scores that there are."""
    metric = collection.schema.field(field).metric_type
    scores = [hit.score for hit in collection.search(query, field, 1000, recall=1.0)]
    assert len(scores) > 20
    some = [scores[0], scores[3], (scores[5] + scores[6]) / 2, scores[len(scores) // 2], scores[-1]]
    better, worse = (-1, 1) if metric.is_distance else (1, -1)
    beyond = [some[0] + better, some[-1] + worse]
    for value in [*some, *beyond]:
        yield value, None
        yield None, value
    for radius in [*some, *beyond]:
        for near in [*some, *beyond]:
            if (near < radius) if metric.is_distance else (radius < near):
                yield radius, near


def check(collection, field, query):
    for radius, near in bounds_of(collection, field, query):
        for limit, offset in ((3, 0), (10, 0), (7, 4), (200, 0)):
            given = {"limit": limit, "offset": offset, "radius": radius, "range_filter": near}
            found = collection.search(query, field, recall=1.0, **given)
            assert [(hit.id, hit.score) for hit in found] == expected(
                collection, field, query, **given
            ), given


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_dense_vectors(tmp_path, where, metric):
    collection = filled(tmp_path, where, paper_schema(metric=metric), papers(ROWS))
    check(collection, "dense", QUERY)


@pytest.mark.parametrize("metric", ["HAMMING", "JACCARD"])
def test_binary_vectors(tmp_path, where, metric):
    rng = np.random.default_rng(1)
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("bits", DataType.BINARY_VECTOR, dim=32, metric=metric),
    ]
    rows = [{"id": i, "bits": rng.bytes(4)} for i in range(ROWS)]
    check(filled(tmp_path, where, Schema(fields), rows), "bits", rng.bytes(4))


def test_words_and_sparse_vectors(tmp_path, where):
    collection = filled(tmp_path, where, paper_schema(), papers(ROWS))
    text = collection.get(3, output=["title"])[0]["title"]
    check(collection, "bm25", text)
    check(collection, "sparse", {1: 0.5, 2: 1.0, 5: 0.2})


def test_each_query_of_a_batch_has_its_own_hits(tmp_path, where):
    collection = filled(tmp_path, where, paper_schema(metric="L2"), papers(ROWS))
    queries = np.random.default_rng(2).normal(size=(9, 4)).astype(np.float32)
    scores = [hit.score for hit in collection.search(queries[0], "dense", 1000)]
    given = {"limit": 25, "radius": scores[30], "range_filter": scores[12]}
    found = collection.search(queries, "dense", recall=1.0, **given)
    assert [[(hit.id, hit.score) for hit in one] for one in found] == [
        expected(collection, "dense", query, **given) for query in queries
    ]
    assert len({len(one) for one in found}) > 1


def test_filters_hold_as_well(tmp_path, where):
    collection = filled(tmp_path, where, paper_schema(metric="IP"), papers(ROWS))
    scores = [hit.score for hit in collection.search(QUERY, "dense", 1000)]
    given = {"limit": 5, "range_filter": scores[20], "radius": scores[60], "filter": "id % 2 == 0"}
    found = collection.search(QUERY, "dense", recall=1.0, **given)
    assert [(hit.id, hit.score) for hit in found] == expected(collection, "dense", QUERY, **given)
    assert len(found) == 5


def test_legs_of_a_hybrid_search_have_their_own_bounds(tmp_path, where):
    collection = filled(tmp_path, where, paper_schema(metric="L2"), papers(ROWS))
    text = collection.get(3, output=["title"])[0]["title"]
    scores = [hit.score for hit in collection.search(QUERY, "dense", 1000)]
    inside = {hit.id for hit in collection.search(QUERY, "dense", 1000, radius=scores[7])}
    legs = [
        elanus.Leg("dense", QUERY, radius=scores[7], recall=1.0),
        elanus.Leg("bm25", text, radius=1e9),  # no text scores as much
    ]
    found = collection.hybrid_search(legs, limit=50)
    assert {hit.id for hit in found} == inside
    assert len(inside) == 7


def test_a_graph_keeps_the_recall_asked_for(tmp_path):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(4000, 16)).astype(np.float32)
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("dense", DataType.FLOAT_VECTOR, dim=16, metric="L2"),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("rows", Schema(fields))
        made.create_index("dense", "GRAPH")
        made.insert([{"id": i, "dense": vector} for i, vector in enumerate(vectors)])
        made.flush()
        made.wait_indexed()
        found, wanted = 0, 0
        for query in rng.normal(size=(40, 16)).astype(np.float32):
            distances = np.sort(((vectors - query) ** 2).sum(axis=1))
            given = {"limit": 20, "range_filter": float(distances[300]), "radius": 1e6}
            right = {i for i, _ in expected(made, "dense", query, **given)}
            found += len(right & set(made.search(query, "dense", ef=600, **given).ids))
            wanted += len(right)
        # A walk for so many candidates, or a scan of all codes: what costs less here.
        plan = str(made.search(query, "dense", ef=600, **given).explanation)
        assert "graph ef=600" in plan or "codes ef=600" in plan
        assert found / wanted >= 0.94


@pytest.fixture(scope="module", params=["IVF_FLAT", "IVF_SQ8", "IVF_PQ", "FAISS"])
def lists(request, tmp_path_factory):
    """Return a collection of inverted lists, and its vectors."""
    if request.param == "FAISS":
        pytest.importorskip("faiss")
    params = {"factory": "IVF32,Flat"} if request.param == "FAISS" else {"nlist": 32}
    vectors = np.random.default_rng(4).random((3000, 8)).astype(np.float32)
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("dense", DataType.FLOAT_VECTOR, dim=8, metric="L2"),
    ]
    with elanus.connect(tmp_path_factory.mktemp("lists") / "db") as db:
        made = db.create_collection("rows", Schema(fields))
        made.create_index("dense", request.param, params)
        made.insert([{"id": i, "dense": vector} for i, vector in enumerate(vectors)])
        made.flush()
        made.wait_indexed()
        yield made, vectors


LIST_QUERY = np.random.default_rng(5).random(8).astype(np.float32)


def within(vectors, near, far):
    distances = ((vectors - LIST_QUERY) ** 2).sum(axis=1)
    return {i for i, distance in enumerate(distances) if near <= distance < far}


@pytest.mark.parametrize("options", [{}, {"ef": 1}, {"ef": 10}, {"recall": 0.3}])
@pytest.mark.parametrize(("near", "far"), [(0.0, 0.5), (0.0, 1.0), (0.5, 0.7), (0.9, 2.0)])
def test_lists_are_all_read_for_a_range(lists, options, near, far):
    made, vectors = lists
    given = {"radius": far, "range_filter": near, **options}
    inside = within(vectors, near, far)
    assert len(inside) > 20
    assert set(made.search(LIST_QUERY, "dense", 3000, **given).ids) == inside
    even = made.search(LIST_QUERY, "dense", 3000, filter="id % 2 == 0", **given)
    assert set(even.ids) == {i for i in inside if i % 2 == 0}
    batches = made.search_iterator(LIST_QUERY, "dense", batch_size=90, **given)
    found = [pk for batch in batches for pk in batch.ids]
    assert (len(found), set(found)) == (len(inside), inside)


def test_an_iterator_over_few_lists_goes_on_to_the_others(lists):
    made, vectors = lists
    batches = made.search_iterator(LIST_QUERY, "dense", batch_size=200, ef=1)
    found = [pk for batch in batches for pk in batch.ids]
    assert sorted(found) == list(range(len(vectors)))
    # Without a range ``ef`` is obeyed.
    plan = str(made.search(LIST_QUERY, "dense", 3, ef=1).explanation)
    assert "lists ef=1 " in plan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": "near"}, "radius: expected a finite number, got 'near'"),
        ({"range_filter": float("nan")}, "range_filter: expected a finite number, got nan"),
        ({"radius": True}, "radius: expected a finite number, got True"),
        ({"radius": 0.9, "range_filter": 0.5}, "expected radius < range_filter"),
        ({"radius": 0.5, "range_filter": 0.5}, "expected radius < range_filter"),
    ],
)
def test_wrong_bounds_are_refused(options, message):
    with elanus.connect(":memory:") as db:
        made = db.create_collection("papers", paper_schema(metric="COSINE"))
        with pytest.raises(InvalidArgumentError, match=message):
            made.search(QUERY, "dense", **options)


def test_bounds_of_a_whole_hybrid_search_are_refused():
    with elanus.connect(":memory:") as db:
        made = db.create_collection("papers", paper_schema())
        with pytest.raises(InvalidArgumentError, match="radius is of one field's scores"):
            made.hybrid_search([elanus.Leg("dense", QUERY)], radius=0.3)
