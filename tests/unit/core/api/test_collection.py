"""What a user sees of a collection: every operation against plain Python."""

import sys

import numpy as np
import pytest

import elanus
from elanus.errors import (
    ClosedError,
    CollectionExistsError,
    CollectionNotFoundError,
    EntityError,
    EntityExistsError,
    FieldNotFoundError,
    FilterError,
    InvalidArgumentError,
    NotFoundError,
    PluginNotInstalledError,
    ReadOnlyError,
    SearchTimeoutError,
)
from support.builders import paper_schema, papers
from support.oracle import bm25_scores, nearest, rrf

QUERY = [0.3, -1.0, 0.5, 0.2]


@pytest.fixture
def db():
    with elanus.connect(":memory:") as database:
        yield database


@pytest.fixture
def collection(db):
    made = db.create_collection("papers", paper_schema())
    made.insert(papers(60))
    return made


def flatten(hits):
    return [(h.id, pytest.approx(h.score, abs=1e-5)) for h in hits]


def test_insert_returns_keys_and_makes_rows_visible(db):
    made = db.create_collection("papers", paper_schema())
    assert made.insert(papers(3)) == [0, 1, 2]
    assert made.count() == 3
    row = papers(3)[1]
    assert made.get(1, output=["*"]) == [
        {**row, "dense": pytest.approx(row["dense"]), "sparse": pytest.approx(row["sparse"])}
    ]


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_dense_search_equals_exact_answer(db, metric):
    made = db.create_collection("papers", paper_schema(metric=metric))
    rows = papers(60)
    made.insert(rows)
    vectors = {r["id"]: r["dense"] for r in rows}
    assert nearest(metric, QUERY, vectors, 7) == flatten(made.search(QUERY, "dense", 7))
    recent = {r["id"] for r in rows if r["year"] >= 2010}
    expected = nearest(metric, QUERY, vectors, 100, lambda pk: pk in recent)
    assert expected == flatten(made.search(QUERY, limit=100, filter="year >= 2010"))


def test_several_queries_give_one_result_each(collection):
    queries = np.array([QUERY, [1, 0, 0, 0]], dtype=np.float32)
    many = collection.search(queries, limit=5)
    assert [r.ids for r in many] == [collection.search(q, limit=5).ids for q in queries]
    assert [r.ids for r in collection.search(queries.tolist(), limit=5)] == [r.ids for r in many]


@pytest.mark.parametrize("metric", ["COSINE", "IP"])
def test_no_similarity_is_written_as_0(db, metric):
    made = db.create_collection("crossed", paper_schema(metric=metric))
    made.insert([{**paper, "dense": [0.0, 1.0, 0.0, 0.0]} for paper in papers(2)])
    for _ in range(3):
        assert str([hit.score for hit in made.search([1, 0, 0, 0], "dense")]) == "[0.0, 0.0]"
    (found,) = made.search(np.eye(4)[:1], "dense")
    assert str(found[0].score) == "0.0"


def test_text_search_equals_bm25_by_hand(collection):
    rows = papers(60)
    scores = bm25_scores(["graph", "query"], {r["id"]: r["title"].split() for r in rows})
    expected = sorted(scores.items(), key=lambda s: (-s[1], s[0]))[:8]
    hits = collection.search("Graph query", limit=8)
    assert expected == flatten(hits)


def test_sparse_search_equals_inner_product(collection):
    query = {1: 1.0, 5: 0.5, 7: 2.0}
    scores = {
        r["id"]: sum(w * r["sparse"].get(i, 0.0) for i, w in query.items()) for r in papers(60)
    }
    expected = sorted(((p, s) for p, s in scores.items() if s), key=lambda s: (-s[1], s[0]))[:9]
    assert expected == flatten(collection.search(query, limit=9))


def test_hybrid_search_is_reciprocal_rank_fusion_of_its_legs(collection):
    legs = [elanus.Leg("dense", QUERY), elanus.Leg("bm25", "graph query")]
    dense = collection.search(QUERY, "dense", 100).ids
    text = collection.search("graph query", limit=100).ids
    hits = collection.hybrid_search(legs, limit=10)
    assert rrf([dense, text])[:10] == flatten(hits)
    parts = hits[0].explanation.legs
    assert [p.name for p in parts] == ["dense", "bm25"]
    assert [p.rank for p in parts] == [dense.index(hits[0].id) + 1, text.index(hits[0].id) + 1]
    assert hits[0].score == pytest.approx(sum(p.contribution for p in parts))


@pytest.mark.parametrize(
    ("fusion", "dense_weight", "text_weight"),
    [
        (elanus.Weighted(dense=1.0, sparse=0.0), 1.0, 0.0),
        (elanus.Weighted(dense=0.3, sparse=0.7), 0.3, 0.7),
        (elanus.Weighted(weights=(0.2, 0.8)), 0.2, 0.8),
        (elanus.Weighted(weights={"bm25": 0.9, "dense": 0.1}), 0.1, 0.9),
    ],
)
def test_weighted_fusion_maps_scores_into_unit_range(collection, fusion, dense_weight, text_weight):
    legs = [elanus.Leg("dense", QUERY), elanus.Leg("bm25", "graph")]
    text = {h.id: h.score for h in collection.search("graph", limit=100)}
    expected = {
        h.id: dense_weight * (1 + h.score) / 2
        + text_weight * 2 / np.pi * np.arctan(text.get(h.id, 0.0))
        for h in collection.search(QUERY, "dense", 100)
    }
    best = sorted(expected.items(), key=lambda s: (-round(s[1], 6), s[0]))[:10]
    assert best == flatten(collection.hybrid_search(legs, fusion, limit=10))


def test_equal_scores_are_ordered_by_key(db):
    made = db.create_collection("papers", paper_schema())
    rows = [{**papers(1)[0], "id": pk} for pk in (9, 3, 7, 1, 5)]
    for row in rows:
        made.insert([row])
    assert made.search(QUERY, limit=3).ids == [1, 3, 5]
    made.flush()
    made.insert([{**rows[0], "id": 2}])
    assert made.search(QUERY, limit=3).ids == [1, 2, 3]
    assert made.search(rows[0]["title"], limit=2).ids == [1, 2]


def test_page_continues_where_the_last_one_ended(collection):
    whole = collection.search(QUERY, limit=20).ids
    assert collection.search(QUERY, limit=5, offset=10).ids == whole[10:15]
    assert [r["id"] for r in collection.query(limit=3, offset=2)] == [2, 3, 4]


def test_upsert_replaces_and_last_of_a_batch_counts(collection):
    row = papers(1)[0]
    keys = collection.upsert([{**row, "title": "first"}, {**row, "title": "second"}])
    assert keys == [0, 0]
    assert collection.get([0], ["title"]) == [{"id": 0, "title": "second"}]
    assert collection.count() == 60
    assert collection.search("first").ids == []
    assert collection.search("second").ids == [0]


def test_insert_of_a_taken_key_changes_nothing(collection):
    with pytest.raises(EntityExistsError) as caught:
        collection.insert([*papers(1, first=100), *papers(1, first=5)])
    assert str(caught.value) == ("primary key 5 exists already (row 1); use upsert to replace it")
    with pytest.raises(EntityExistsError, match="key 200 is given twice in one insert"):
        collection.insert([*papers(1, first=200), *papers(1, first=200)])
    assert collection.count() == 60


def test_refused_batch_changes_nothing(collection):
    with pytest.raises(EntityError):
        collection.upsert([*papers(2, first=70), {**papers(1)[0], "year": "soon"}])
    assert collection.count() == 60


def test_delete_by_keys_by_filter_and_of_nothing(collection):
    assert collection.delete([1, 2, 999]) == 2
    assert collection.delete([]) == 0
    expected = sum(r["year"] < 2000 for r in papers(60) if r["id"] not in (1, 2))
    assert collection.delete("year < 2000") == expected
    assert collection.delete(filter={"year": {"$lt": 2000}}) == 0
    assert collection.count() == 58 - expected
    for arguments in ({}, {"ids": [1], "filter": "year > 1"}, {"filter": {}}, {"filter": ""}):
        with pytest.raises(InvalidArgumentError):
            collection.delete(**arguments)


def test_deleted_rows_leave_every_search_and_every_statistic(collection):
    collection.delete([r["id"] for r in papers(60) if "graph" in r["title"]][1:])
    left = [r for r in papers(60) if collection.get(r["id"])]
    scores = bm25_scores(["graph"], {r["id"]: r["title"].split() for r in left})
    assert list(scores.items()) == flatten(collection.search("graph"))


def test_get_keeps_the_order_of_the_request(collection):
    assert [r["id"] for r in collection.get([5, 99, 3, 5])] == [5, 3, 5]
    assert collection.get([7], output=["year"]) == [{"id": 7, "year": papers(8)[7]["year"]}]


def test_query_and_count_agree_with_python(collection):
    rows = papers(60)
    expected = [r["id"] for r in rows if r["year"] >= 2005 and r["meta"]["page"] % 2 == 0]
    text = "year >= 2005 and meta['page'] % 2 == 0"
    assert [r["id"] for r in collection.query(text, ["id"])] == expected
    assert collection.count(text) == len(expected)
    assert collection.count("meta['source'] in {names}", params={"names": ["file1.md"]}) == 12
    assert collection.count({"source": "file1.md"}, root="meta") == 12


def test_output_fields(collection):
    hit = collection.search(QUERY, limit=1)[0]
    row = papers(60)[hit.id]
    assert hit.entity == {name: row[name] for name in ("id", "title", "year", "meta")}
    assert collection.search(QUERY, limit=1, output=["year"])[0].entity == {"year": row["year"]}
    assert set(collection.search(QUERY, limit=1, output=["*"])[0].entity) == set(row)
    with pytest.raises(InvalidArgumentError, match="no field 'titel'; did you mean 'title'"):
        collection.search(QUERY, output=["titel"])
    with pytest.raises(InvalidArgumentError, match="computed for searching"):
        collection.search(QUERY, output=["bm25"])


def test_dynamic_fields_are_filtered_and_returned_by_name(db):
    made = db.create_collection("notes", paper_schema(dynamic=True))
    made.insert([{**r, "lang": "en" if r["id"] % 2 else "de"} for r in papers(10)])
    assert [r["id"] for r in made.query("lang == 'en'", ["lang"])] == [1, 3, 5, 7, 9]
    assert made.get(1, ["lang"]) == [{"id": 1, "lang": "en"}]
    assert made.get(1)[0]["lang"] == "en"


def test_automatic_keys_grow_and_are_never_reused(db):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True, auto_id=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=2),
        ]
    )
    made = db.create_collection("auto", schema)
    assert made.insert({"v": np.ones((3, 2))}) == [1, 2, 3]
    made.delete([3])
    assert made.insert([{"v": [1, 2]}]) == [4]
    with pytest.raises(EntityError, match="made by the engine"):
        made.insert([{"id": 9, "v": [1, 2]}])
    made.upsert([{"id": 9, "v": [1, 2]}])
    made.delete([9])
    assert made.insert([{"v": [1, 2]}]) == [10]


def test_text_keys(db):
    schema = elanus.Schema(
        [
            elanus.Field("key", elanus.VARCHAR, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=2, metric="L2"),
        ]
    )
    made = db.create_collection("named", schema)
    made.insert([{"key": k, "v": [i, 0]} for i, k in enumerate(["b", "ä", "a", "it's"])])
    made.flush()
    made.upsert([{"key": "ä", "v": [9, 0]}])
    assert [r["key"] for r in made.query()] == ["a", "b", "it's", "ä"]
    assert made.get(["ä", "none", "b"], ["v"]) == [
        {"key": "ä", "v": [9.0, 0.0]},
        {"key": "b", "v": [0.0, 0.0]},
    ]
    assert made.delete(["it's", "none"]) == 1
    assert made.search([0.0, 0.0]).ids == ["b", "a", "ä"]


def test_zero_vector_has_cosine_zero(db):
    made = db.create_collection("papers", paper_schema())
    made.insert([{**papers(1)[0], "dense": [0, 0, 0, 0]}])
    assert [(h.id, h.score) for h in made.search(QUERY)] == [(0, 0.0)]
    assert [(h.id, h.score) for h in made.search([0, 0, 0, 0])] == [(0, 0.0)]


def test_empty_collection_answers_everything(db):
    made = db.create_collection("papers", paper_schema())
    assert made.search(QUERY).ids == []
    assert made.search("graph").ids == []
    assert made.search({1: 1.0}).ids == []
    legs = [elanus.Leg("dense", QUERY), elanus.Leg("bm25", "graph")]
    assert made.hybrid_search(legs).ids == []
    assert (made.query(), made.get([1]), made.count(), made.delete([1])) == ([], [], 0, 0)
    made.flush()
    made.compact()
    assert made.insert([]) == []
    assert made.count() == 0


def test_explanation_prints_plan_terms_and_timings(collection):
    result = collection.hybrid_search(
        [elanus.Leg("dense", QUERY), elanus.Leg("bm25", "graph")], limit=3, explain=True
    )
    text = str(result.explanation)
    assert "dense (COSINE), 100 candidates" in text
    assert "memtable 1: scan over 60/60 rows" in text
    assert "memtable 1: postings over 60/60 rows" in text
    assert "fused by RRF(k=60" in text
    assert list(result.explanation.timings_ms) == [
        "filter", "candidates", "merge", "project", "total",
    ]  # fmt: skip
    terms = next(h for h in result if h.explanation.terms).explanation.terms
    assert [t.term for t in terms] == ["graph"]
    assert result.is_exact
    assert result.recall_estimate == 1.0


def test_term_contributions_add_up_to_the_score(collection):
    for hit in collection.search("graph query graph", limit=10, explain=True):
        parts = sum(t.contribution for t in hit.explanation.terms)
        assert parts == pytest.approx(hit.score, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": QUERY, "field": "dens"}, FieldNotFoundError, "did you mean 'dense'"),
        ({"data": QUERY, "field": "year"}, InvalidArgumentError, "only vector fields"),
        ({"data": [1.0, 2.0]}, EntityError, "expected dim 4, got 2"),
        ({"data": "text", "field": "dense"}, InvalidArgumentError, "searched by vectors of dim 4"),
        ({"data": QUERY, "field": "bm25"}, InvalidArgumentError, "is searched by text"),
        ({"data": QUERY, "limit": 0}, InvalidArgumentError, "limit must be an integer >= 1"),
        ({"data": QUERY, "limit": 20_000}, InvalidArgumentError, "at most 16384"),
        ({"data": QUERY, "offset": -1}, InvalidArgumentError, "offset must be an integer >= 0"),
        ({"data": QUERY, "recall": 1.5}, InvalidArgumentError, "recall must lie in (0, 1]"),
        ({"data": QUERY, "ef": 0}, InvalidArgumentError, "ef must be a positive number"),
        ({"data": QUERY, "filter": "yaer > 1"}, FilterError, "year"),
        ({"data": QUERY, "recal": 0.9}, TypeError, "did you mean 'recall'"),
        ({"data": QUERY, "top_k": 9}, TypeError, "no option 'top_k'; did you mean 'limit'?"),
        ({"data": QUERY, "output_fields": ["id"]}, TypeError, "did you mean 'output'?"),
    ],
)
def test_wrong_search_says_what_was_expected(collection, arguments, error, message):
    data = arguments.pop("data")
    with pytest.raises(error) as caught:
        collection.search(data, **arguments)
    assert message in str(caught.value)


def test_wrong_hybrid_search_says_what_was_expected(collection):
    leg = elanus.Leg("dense", QUERY)
    for legs, fusion, message in [
        ([], None, "at least one Leg"),
        ([QUERY], None, "expected Leg"),
        ([leg], "rrf", "expected RRF"),
        ([leg, leg], elanus.RRF(weights=(1.0,)), "expected 2 weights"),
        ([leg, elanus.Leg("bm25", "x")], elanus.RRF(weights={"b": 1.0}), "legs search dense, bm25"),
        ([leg, elanus.Leg("dense", [QUERY, QUERY])], None, "got 1 for 'dense' and 2 for 'dense'"),
    ]:
        with pytest.raises(InvalidArgumentError) as caught:
            collection.hybrid_search(legs, fusion)
        assert message in str(caught.value)


def test_collections_are_created_listed_and_dropped(db):
    db.create_collection("b", paper_schema(), properties={"owner": "me"})
    db.create_collection("a", paper_schema())
    assert db.list_collections() == ["a", "b"]
    assert db.has_collection("a")
    with pytest.raises(CollectionExistsError):
        db.create_collection("a", paper_schema())
    held = db.collection("a")
    held.insert(papers(2))
    db.drop_collection("a")
    assert db.list_collections() == ["b"]
    with pytest.raises(ClosedError):
        held.count()
    with pytest.raises(CollectionNotFoundError) as caught:
        db.collection("c")
    assert caught.value.name == "c"
    description = db.collection("b").describe()
    assert description.properties == {"owner": "me"}
    assert description.indexes == {"dense": "AUTO"}
    assert (description.name, description.count, description.schema) == ("b", 0, paper_schema())


def test_properties_are_merged_and_removed(db):
    made = db.create_collection("a", paper_schema(), properties={"x": 1, "y": [2]})
    made.set_properties({"x": None, "z": {"k": "v"}})
    assert made.properties == {"y": [2], "z": {"k": "v"}}
    with pytest.raises(InvalidArgumentError):
        made.set_properties({"bad": object()})


def test_index_choice_is_checked(collection):
    for field, kind, params, message in [
        ("dense", "TREE", {}, "no index type 'TREE'"),
        ("dense", "HNSW", {"m": 4}, "HNSW has no parameter 'm'"),
        ("dense", "HNSW", {"M": 1}, "HNSW M must be an integer in 2..2048"),
        ("dense", "FLAT", {"M": 4}, "FLAT takes no parameters"),
        ("bm25", "FLAT", {}, "create_index is for dense vectors and scalars"),
    ]:
        with pytest.raises(InvalidArgumentError) as caught:
            collection.create_index(field, kind, params)
        assert message in str(caught.value)


def test_closed_database_refuses(tmp_path):
    database = elanus.connect(tmp_path / "kb")
    made = database.create_collection("papers", paper_schema())
    database.close()
    database.close()
    with pytest.raises(ClosedError):
        database.list_collections()
    with pytest.raises(ClosedError):
        made.insert(papers(1))


def test_two_handles_of_one_folder_share_it(tmp_path):
    first = elanus.connect(tmp_path / "kb")
    second = elanus.connect(str(tmp_path / "kb"))
    first.create_collection("papers", paper_schema()).insert(papers(2))
    assert second.collection("papers").count() == 2
    first.close()
    assert second.collection("papers").count() == 2
    second.close()


def test_read_only_handle_reads_and_refuses_writes(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        database.create_collection("papers", paper_schema()).insert(papers(3))
        with elanus.connect(tmp_path / "kb", read_only=True) as reader:
            assert (
                reader.collection("papers").search(QUERY, limit=1).ids
                == database.collection("papers").search(QUERY, limit=1).ids
            )
            with pytest.raises(ReadOnlyError):
                reader.collection("papers").insert(papers(1, first=9))
            with pytest.raises(ReadOnlyError):
                reader.drop_collection("papers")


def test_connect_refuses_what_it_cannot_open(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidArgumentError, match="is a file"):
        elanus.connect(tmp_path / "file")
    with pytest.raises(NotFoundError, match="no elanus database"):
        elanus.connect(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()
    with pytest.raises(InvalidArgumentError, match="expected a folder"):
        elanus.connect("ftp://localhost:19530")
    with pytest.raises(InvalidArgumentError, match="token is only for servers"):
        elanus.connect(tmp_path, token="secret")


def test_a_search_takes_no_longer_than_its_timeout(db):
    vectors = np.zeros((30_000, 64), dtype=np.float32)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=64, metric="L2"),
        ]
    )
    made = db.create_collection("many", schema)
    made.insert({"id": np.arange(len(vectors)), "v": vectors})
    with pytest.raises(SearchTimeoutError, match="longer than its timeout"):
        made.search(vectors, "v", 1, timeout=0.05)
    assert made.search(vectors[0], "v", 2, timeout=60).ids == [0, 1]
    with pytest.raises(InvalidArgumentError, match="timeout must be"):
        made.search(vectors[0], "v", 1, timeout=-1)


def test_a_batch_answers_as_its_queries_do_one_by_one(collection):
    queries = [QUERY, [1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.2, 0.4]]
    batch = collection.search(queries, "dense", limit=7, offset=2, filter="id < 40", output=["id"])
    for query, found in zip(queries, batch, strict=True):
        alone = collection.search(
            query, "dense", limit=7, offset=2, filter="id < 40", output=["id"]
        )
        assert list(found) == list(alone)


def test_a_filter_that_comes_again_sees_new_rows_and_deletes(collection):
    def found():
        return collection.query("id >= 50", output=["id"])

    before = len(found())
    collection.insert([{**papers(1)[0], "id": 1_000}])
    assert len(found()) == before + 1
    collection.delete([1_000, 50])
    assert len(found()) == before - 1
    collection.flush()
    assert len(found()) == before - 1
    collection.delete([51])
    assert len(found()) == before - 2


@pytest.mark.parametrize(("kind", "package"), [("HNSW", "hnswlib"), ("FAISS", "faiss")])
def test_an_index_whose_package_is_missing_is_refused_at_once(db, monkeypatch, kind, package):
    made = db.create_collection("papers", paper_schema())
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PluginNotInstalledError, match=f"index type {kind} needs the package"):
        made.create_index("dense", kind)
    assert "dense" not in {index.name for index in made.list_indexes() if index.type == kind}
