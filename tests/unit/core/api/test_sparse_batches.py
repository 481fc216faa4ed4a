"""Texts and sparse vectors: batches, ``drop_ratio_search``, and searches that are ended."""

import numpy as np
import pytest

import elanus
from elanus.errors import EntityError, InvalidArgumentError, SearchTimeoutError
from support.builders import WORDS, paper_schema, papers

NUM_SEALED, NUM_GROWING = 400, 60
TEXTS = [
    "graph",
    "vector index graph segment",
    "nothing of this",
    "query query filter",
    "",
    "token score index vector graph filter",
    "score",
    "segment token",
    "filter graph",
]
VECTORS = [
    {1: 2.0, 7: 0.5, 9: 0.25, 30: 1.0},
    {500: 1.0},
    {3: 1.0, 4: 0.0},
    {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0, 4: 0.01, 5: 0.02},
    *({d: 1.0 + d, d + 1: 0.5} for d in range(6)),
]


@pytest.fixture(scope="module")
def collection():
    """Rows in a segment and in a memtable, some of both deleted."""
    with elanus.connect(":memory:") as database:
        made = database.create_collection("papers", paper_schema())
        made.insert(papers(NUM_SEALED))
        made.flush()
        made.insert(papers(NUM_GROWING, first=NUM_SEALED))
        made.delete([3, 50, NUM_SEALED + 5])
        yield made


def hits(result):
    return [(hit.id, hit.score, hit.entity) for hit in result]


@pytest.mark.parametrize(("field", "queries"), [("bm25", TEXTS), ("sparse", VECTORS)])
@pytest.mark.parametrize("ratio", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("condition", [None, "year < 2000"])
def test_a_batch_answers_as_its_queries_do_one_by_one(collection, field, queries, ratio, condition):
    options = {"filter": condition, "output": ["year"], "drop_ratio_search": ratio, "offset": 1}
    batch = collection.search(queries, field, 7, **options)
    assert len(batch) == len(queries)
    for query, found in zip(queries, batch, strict=True):
        assert hits(found) == hits(collection.search(query, field, 7, **options))


def test_sparse_vectors_are_taken_in_every_form(collection):
    sp = pytest.importorskip("scipy.sparse")
    queries = VECTORS[:4]
    expected = [collection.search(query, "sparse", 7).ids for query in queries]
    rows = np.zeros((4, 600))
    for row, query in enumerate(queries):
        rows[row, list(query)] = list(query.values())
    pairs = [list(query.items()) for query in queries]
    matrices = [sp.csr_matrix(rows), sp.csc_matrix(rows), sp.coo_array(rows)]
    for batch in (*matrices, pairs, tuple(queries), [sp.csr_matrix(row) for row in rows]):
        assert [found.ids for found in collection.search(batch, "sparse", 7)] == expected
    for first in (sp.csr_matrix(rows[:1]), sp.csc_array(rows[:1])):
        assert [found.ids for found in collection.search(first, "sparse", 7)] == expected[:1]
    assert collection.search(pairs[0], "sparse", 7).ids == expected[0]
    legs = [elanus.Leg("sparse", matrices[0]), elanus.Leg("sparse", matrices[1])]
    assert [found.ids for found in collection.hybrid_search(legs, limit=7)] == expected
    with pytest.raises(EntityError, match=r"matrix of one row, got 4 rows.*row 1"):
        collection.search([queries[0], matrices[0]], "sparse", 7)


def test_matrices_of_every_layout_are_stored_by_rows(collection):
    sp = pytest.importorskip("scipy.sparse")
    rows = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("sparse", elanus.SPARSE_FLOAT_VECTOR),
        ]
    )
    with elanus.connect(":memory:") as database:
        made = database.create_collection("matrices", schema)
        for first, layout in enumerate((sp.csr_matrix, sp.csc_matrix, sp.coo_array)):
            made.insert({"id": np.arange(3) + 3 * first, "sparse": layout(rows)})
        stored = [row["sparse"] for row in made.query(output=["sparse"], order_by="id")]
        assert stored == [{1: 2.0}, {0: 1.0, 2: 0.5}, {}] * 3
        assert made.search(sp.csr_matrix(rows[:1]), limit=9)[0].ids == [0, 3, 6]
        made.upsert({"id": [0, 1], "sparse": sp.csr_matrix(rows[1:])}, partial=True)
        assert made.get([0, 1], ["sparse"])[0]["sparse"] == {0: 1.0, 2: 0.5}
        with pytest.raises(EntityError, match="matrix of one row, got 3"):
            made.insert([{"id": 10, "sparse": sp.csr_matrix(rows)}])


def test_rows_that_score_alike_are_ordered_by_key_in_a_batch_too(collection):
    for query, found in zip(TEXTS, collection.search(TEXTS, "bm25", 3), strict=True):
        every = hits(collection.search(query, "bm25", 400))
        assert hits(found) == sorted(every, key=lambda hit: (-hit[1], hit[0]))[:3]


def test_a_batch_explains_the_terms_of_each_query(collection):
    batch = collection.search(TEXTS, "bm25", 2, explain=True)
    for query, found in zip(TEXTS, batch, strict=True):
        alone = collection.search(query, "bm25", 2, explain=True)
        terms = [hit.explanation.terms for hit in found]
        assert terms == [hit.explanation.terms for hit in alone]
        assert all(terms), "every hit holds a term"


def test_no_query_has_no_answer(collection):
    assert collection.search([], "bm25") == []


def sparse_rows():
    rows = {row["id"]: row["sparse"] for row in papers(NUM_SEALED + NUM_GROWING)}
    return {pk: row for pk, row in rows.items() if pk not in (3, 50, NUM_SEALED + 5)}


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.34, 0.5, 0.8, 0.99])
def test_dropped_dimensions_choose_no_hits_and_still_score(collection, ratio):
    query = {1: 3.0, 2: -2.0, 5: 1.0, 8: 0.5, 11: 0.25, 14: 0.125}
    kept = sorted(query, key=lambda d: -abs(query[d]))[: len(query) - int(ratio * len(query))]
    scores = {
        pk: sum(weight * query.get(d, 0.0) for d, weight in row.items())
        for pk, row in sparse_rows().items()
        if set(row) & set(kept)
    }
    # As many as match: all of them are scored by the whole query.
    found = collection.search(query, "sparse", 460, drop_ratio_search=ratio)
    expected = sorted(scores.items(), key=lambda item: -item[1])
    assert sorted(found.ids) == sorted(scores)
    assert [hit.score for hit in found] == pytest.approx([s for _, s in expected], abs=1e-5)


def test_a_ratio_of_0_finds_what_an_exact_search_finds(collection):
    for field, query in (("sparse", VECTORS[0]), ("bm25", TEXTS[5])):
        exact = collection.search(query, field, 20)
        same = collection.search(query, field, 20, drop_ratio_search=0.0)
        assert hits(same) == hits(exact)
        assert same.is_exact


def test_terms_that_weigh_least_are_dropped_from_a_text(collection):
    text = TEXTS[5]
    exact = collection.search(text, "bm25", 460, explain=True)
    scores = {hit.id: hit.score for hit in exact}
    idf = {term.term: term.idf for hit in exact for term in hit.explanation.terms}
    # Terms that weigh the same stay together.
    heaviest = {term for term in idf if idf[term] == max(idf.values())}
    assert len(heaviest) < len(idf)
    has_heaviest = [
        hit.id for hit in exact if heaviest & {term.term for term in hit.explanation.terms}
    ]
    found = collection.search(text, "bm25", 460, drop_ratio_search=0.99)
    assert found.ids == has_heaviest, "by the whole query, in the order of its scores"
    assert [hit.score for hit in found] == [scores[pk] for pk in found.ids]
    assert not found.is_exact


def test_what_is_dropped_loses_few_of_the_best(collection):
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(40):
        dimensions = rng.permutation(20)[:8].tolist()
        query = {d: float(w) for d, w in zip(dimensions, rng.gamma(0.6, 1, 8) + 0.01, strict=True)}
        exact = collection.search(query, "sparse", 10).ids
        found = collection.search(query, "sparse", 10, drop_ratio_search=0.3).ids
        shares.append(len(set(exact) & set(found)) / 10)
    assert np.mean(shares) > 0.95


def test_the_plan_says_what_was_dropped(collection):
    found = collection.search(VECTORS[0], "sparse", 5, drop_ratio_search=0.25)
    steps = found.explanation.legs[0].steps
    assert [step.drop_ratio for step in steps] == [0.25] * len(steps)
    assert "postings drop_ratio=0.25 over" in str(found.explanation)
    legs = [elanus.Leg("bm25", WORDS[0]), elanus.Leg("dense", [1.0, 0.0, 0.0, 0.0])]
    plan = str(collection.hybrid_search(legs, limit=3, drop_ratio_search=0.5).explanation)
    assert plan.count("drop_ratio=0.5") == len(steps)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, float("nan"), "0.2", None, True])
@pytest.mark.parametrize(("field", "query"), [("sparse", {1: 1.0}), ("bm25", "graph")])
def test_a_ratio_out_of_range_is_refused(collection, field, query, ratio):
    with pytest.raises(InvalidArgumentError, match="drop_ratio_search: expected 0 to below 1, got"):
        collection.search(query, field, 5, drop_ratio_search=ratio)


# --- searches that are ended ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def many():
    """Enough rows that a batch takes seconds: sealed with a graph, and growing."""
    rng = np.random.default_rng(5)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("title", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=16, metric="L2"),
            elanus.Field("sparse", elanus.SPARSE_FLOAT_VECTOR),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
        ]
    )

    def rows(first, count):
        return {
            "id": np.arange(first, first + count),
            "title": [" ".join(rng.choice(WORDS, 6)) for _ in range(count)],
            "dense": rng.normal(size=(count, 16)).astype(np.float32),
            "sparse": [{d: float(d + 1) for d in rng.integers(0, 9, 4)} for _ in range(count)],
        }

    with elanus.connect(":memory:") as database:
        made = database.create_collection("many", schema)
        made.create_index("dense", "GRAPH")
        made.insert(rows(0, 6000))
        made.flush()
        made.compact()
        made.wait_indexed()
        made.insert(rows(6000, 3000))
        yield made


@pytest.mark.parametrize(
    ("field", "queries"),
    [
        ("dense", np.random.default_rng(6).normal(size=(60_000, 16)).astype(np.float32)),
        ("bm25", [" ".join(WORDS)] * 20_000),
        ("sparse", [dict.fromkeys(range(9), 1.0)] * 20_000),
    ],
)
def test_a_batch_ends_at_its_timeout_and_the_next_search_is_right(many, field, queries):
    expected = many.search(queries[0], field, 20)
    for timeout in (1e-9, 0.2):
        with pytest.raises(SearchTimeoutError, match="longer than its timeout"):
            many.search(queries, field, 20, timeout=timeout)
        assert hits(many.search(queries[0], field, 20)) == hits(expected)
    legs = [elanus.Leg(field, queries[0])]
    with pytest.raises(SearchTimeoutError):
        many.hybrid_search(legs, limit=5, timeout=1e-9)
