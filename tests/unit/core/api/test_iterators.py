"""Iterators give what one large answer gives, over one snapshot, and go on from a token."""

import base64
import json

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import HistoryError, InvalidArgumentError, SearchTimeoutError
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
ROWS = 95


@pytest.fixture(params=["memory", "both"])
def collection(request, tmp_path):
    with elanus.connect(":memory:" if request.param == "memory" else tmp_path / "db") as db:
        made = db.create_collection("papers", paper_schema(metric="L2"))
        made.set_retention(3600)
        made.insert(papers(50))
        if request.param == "both":
            made.flush()
        made.insert(papers(ROWS - 50, first=50))
        yield made


@pytest.mark.parametrize("batch_size", [1, 7, 95, 96, 1000])
@pytest.mark.parametrize("limit", [None, 1, 20, 200])
def test_entities_come_as_query_gives_them(collection, batch_size, limit):
    given = {"filter": "id % 3 != 0", "output": ["year", "title"], "limit": limit}
    batches = list(collection.query_iterator(batch_size=batch_size, **given))
    assert [row for batch in batches for row in batch] == collection.query(**given)
    assert all(len(batch) == batch_size for batch in batches[:-1])


@pytest.mark.parametrize("batch_size", [1, 7, 95, 96, 1000])
@pytest.mark.parametrize("limit", [None, 1, 20, 200])
def test_hits_come_as_search_gives_them(collection, batch_size, limit):
    for field, query in (("dense", QUERY), ("bm25", "graph index"), ("sparse", {3: 1.0, 4: 0.5})):
        given = {"filter": "id % 3 != 0", "output": ["year", "title"], "recall": 1.0}
        whole = collection.search(query, field, limit or 1000, **given)
        iterator = collection.search_iterator(
            query, field, batch_size=batch_size, limit=limit, **given
        )
        batches = list(iterator)
        assert [hit for batch in batches for hit in batch.ids] == whole.ids
        for hit, expected in zip([h for b in batches for h in b], whole, strict=True):
            assert (hit.score, hit.entity) == (expected.score, expected.entity)
            assert hit.explanation.legs[0].rank == expected.explanation.legs[0].rank
        assert all(len(batch) == batch_size for batch in batches[:-1])


def test_writes_meanwhile_are_not_seen(collection):
    whole = collection.search(QUERY, "dense", 1000, recall=1.0).ids
    entities = collection.query()
    hits = collection.search_iterator(QUERY, "dense", batch_size=10, recall=1.0)
    rows = collection.query_iterator(batch_size=10)
    seen, read = next(hits).ids, next(rows)
    collection.delete(filter="id < 60")
    collection.upsert(papers(20, first=60, seed=1))
    collection.insert(papers(30, first=500))
    collection.flush()
    for batch in hits:
        seen += batch.ids
    for part in rows:
        read += part
    assert (seen, read) == (whole, entities)


@pytest.mark.parametrize("batches", [0, 1, 3, 9, 10])
def test_another_iterator_goes_on_from_a_token(collection, batches):
    whole = collection.search(QUERY, "dense", 1000, recall=1.0).ids
    entities = collection.query()
    given = {"batch_size": 10}
    hits = collection.search_iterator(QUERY, "dense", recall=1.0, **given)
    rows = collection.query_iterator(**given)
    seen, read = [], []
    for _ in range(batches):
        seen += next(hits).ids
        read += next(rows)
    collection.delete(filter="id < 60")
    collection.insert(papers(30, first=500))
    again = collection.search_iterator(QUERY, "dense", recall=1.0, token=hits.token, **given)
    for batch in again:
        seen += batch.ids
    for part in collection.query_iterator(token=rows.token, **given):
        read += part
    assert (seen, read) == (whole, entities)
    with pytest.raises(StopIteration):
        next(again)


def test_a_token_goes_on_in_a_later_process(tmp_path):
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("papers", paper_schema())
        made.set_retention(3600)
        made.insert(papers(ROWS))
        whole = made.search(QUERY, "dense", 1000, recall=1.0).ids
        hits = made.search_iterator(QUERY, "dense", batch_size=30, recall=1.0)
        seen, token = next(hits).ids, hits.token
        made.delete(filter="id < 60")
    with elanus.connect(tmp_path / "db") as db:
        made = db.collection("papers")
        rest = made.search_iterator(QUERY, "dense", batch_size=30, recall=1.0, token=token)
        assert seen + [pk for batch in rest for pk in batch.ids] == whole


def test_a_token_repeats_nothing_where_searches_are_approximate(tmp_path):
    """Deeper searches find nearer hits, so going on must search as deep, step by step."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(5_000, 32)).astype(np.float32)
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("dense", DataType.FLOAT_VECTOR, dim=32, metric="L2"),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("rows", Schema(fields))
        made.create_index("dense", "HNSW", {"M": 4, "ef_construction": 8})
        made.insert({"id": np.arange(len(vectors)), "dense": vectors})
        made.compact()
        made.wait_indexed()
        given = {"batch_size": 8, "recall": 0.2, "limit": 100}
        exact, differing = {"batch_size": 100, "recall": 1.0}, 0
        for query in rng.normal(size=(8, 32)).astype(np.float32):
            iterator = made.search_iterator(query, "dense", **given)
            batches = [(batch.ids, iterator.token) for batch in iterator]
            ids = [pk for batch, _ in batches for pk in batch]
            assert len(set(ids)) == len(ids) == 100
            differing += ids != next(made.search_iterator(query, "dense", **exact)).ids
            for served in (1, 2, 3, 6, 12):
                token = batches[served - 1][1]
                rest = made.search_iterator(query, "dense", token=token, **given)
                assert [pk for batch in rest for pk in batch.ids] == ids[8 * served :]
        assert differing  # or the searches would tell nothing


def test_a_snapshot_that_was_not_kept_is_said(tmp_path):
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("papers", paper_schema())
        made.set_retention(0)
        made.insert(papers(10))
        made.flush()
        token = made.query_iterator(batch_size=2).token
        made.delete(filter="id < 5")
        made.flush()
        made.compact()
        with pytest.raises(HistoryError):
            made.query_iterator(batch_size=2, token=token)


def test_more_hits_than_one_search_may_have(tmp_path):
    count = 20_000
    vectors = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("dense", DataType.FLOAT_VECTOR, dim=4, metric="L2"),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("rows", Schema(fields))
        made.create_index("dense", "GRAPH")
        made.insert({"id": np.arange(count), "dense": vectors})
        made.flush()
        made.wait_indexed()
        batches = list(made.search_iterator(vectors[7], "dense", batch_size=500))
        ids = [pk for batch in batches for pk in batch.ids]
        assert sorted(ids) == list(range(count))
        exact = np.argsort(((vectors - vectors[7]) ** 2).sum(axis=1), kind="stable")
        found = [len(set(ids[:n]) & set(exact[:n].tolist())) / n for n in (500, 5000, 19_000)]
        assert min(found) >= 0.94
        assert ids[0] == 7


def test_bounds_of_the_score_end_it(collection):
    scores = [hit.score for hit in collection.search(QUERY, "dense", 1000)]
    given = {"radius": scores[40], "range_filter": scores[9], "recall": 1.0}
    batches = list(collection.search_iterator(QUERY, "dense", batch_size=4, **given))
    whole = collection.search(QUERY, "dense", 1000, **given)
    assert [pk for batch in batches for pk in batch.ids] == whole.ids
    assert len(whole) == 31


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected 1 to 16384, got 0"),
        ({"batch_size": 16_385}, "batch_size: expected 1 to 16384, got 16385"),
        ({"limit": 0}, "limit: expected at least 1, got 0"),
        ({"limit": True}, "limit: expected at least 1, got True"),
        ({"token": "abc"}, "token: expected one of an iterator, got 'abc'"),
        ({"token": 3}, "token: expected one of an iterator, got 3"),
    ],
)
def test_wrong_numbers_and_tokens_are_refused(collection, options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        collection.search_iterator(QUERY, "dense", **options)
    with pytest.raises(InvalidArgumentError, match=message):
        collection.query_iterator(**options)


def test_a_token_of_another_request_is_refused(collection):
    hits = collection.search_iterator(QUERY, "dense", batch_size=5)
    for data, options in (
        ([0.0, 0.0, 0.0, 1.0], {"batch_size": 5}),
        (QUERY, {"batch_size": 6}),
        (QUERY, {"batch_size": 5, "filter": "id > 3"}),
    ):
        with pytest.raises(InvalidArgumentError, match="it belongs to another request"):
            collection.search_iterator(data, "dense", token=hits.token, **options)
    with pytest.raises(InvalidArgumentError, match="it belongs to another request"):
        collection.query_iterator(batch_size=5, token=hits.token)
    said = json.loads(base64.urlsafe_b64decode(hits.token))
    for wrong in ({"served": -5}, {"seq": -1}):
        token = base64.urlsafe_b64encode(json.dumps(said | wrong).encode()).decode()
        with pytest.raises(InvalidArgumentError, match="it belongs to another request"):
            collection.search_iterator(QUERY, "dense", batch_size=5, token=token)


def test_what_an_iterator_does_not_take_is_refused(collection):
    with pytest.raises(InvalidArgumentError, match="offset cannot be given"):
        collection.search_iterator(QUERY, "dense", offset=3)
    with pytest.raises(InvalidArgumentError, match="group_by cannot be given"):
        collection.search_iterator(QUERY, "dense", group_by="year")
    with pytest.raises(InvalidArgumentError, match="expected one query, got several"):
        collection.search_iterator(np.zeros((2, 4), np.float32), "dense")


def test_each_batch_has_the_timeout(collection):
    with pytest.raises(SearchTimeoutError):
        next(collection.search_iterator(QUERY, "dense", timeout=1e-9))
