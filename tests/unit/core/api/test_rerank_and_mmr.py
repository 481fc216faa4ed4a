"""Models that read hits, and hits that differ from each other."""

import numpy as np
import pytest

import elanus
from elanus import MMR, RRF, Boost, DataType, Decay, Field, Leg, Rerank, Schema
from elanus.documents import select_diverse
from elanus.errors import InvalidArgumentError, PluginError, PluginNotInstalledError
from elanus.plugins import RerankerInfo, ScoreKind
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
ROWS = 200


class Overlap:
    """Scores a text by the words that it shares with the query, per word of its own."""

    info = RerankerInfo("overlap", ScoreKind.RELEVANCE)

    def __init__(self):
        self.calls = []

    def score(self, query, documents):
        self.calls.append((query, list(documents)))
        words = set(query.split())
        shares = [len(words & set(d.split())) / (len(d.split()) or 1) for d in documents]
        return np.array(shares, dtype=np.float32)


class Broken(Overlap):
    def __init__(self, scores):
        super().__init__()
        self.scores = np.array(scores, dtype=np.float32)

    def score(self, query, documents):
        return self.scores


@pytest.fixture(params=["memory", "both"])
def collection(request, tmp_path):
    with elanus.connect(":memory:" if request.param == "memory" else tmp_path / "db") as db:
        made = db.create_collection("papers", paper_schema(dynamic=True))
        rows = papers(ROWS)
        for row in rows:
            row["note"] = row["title"] if row["id"] % 4 else None
        made.insert(rows[:90])
        if request.param == "both":
            made.flush()
        made.insert(rows[90:])
        yield made


def reranked(hits, query, text_of, limit):
    model = Overlap()
    scores = model.score(query, [text_of(h.entity) or "" for h in hits])
    both = sorted(zip(-scores.astype(float), [h.id for h in hits], strict=True))
    return [(pk, -score) for score, pk in both[:limit]]


def pairs(found):
    return [(h.id, h.score) for h in found]


def test_a_model_ranks_the_candidates_by_the_text_that_is_searched_for(collection):
    words = "graph index token"
    hits = collection.search(words, "bm25", 100)
    found = collection.search(words, "bm25", 10, ranker=Rerank(Overlap(), field="title"))
    assert pairs(found) == reranked(hits, words, lambda e: e["title"], 10)
    found = collection.search(
        words, "bm25", 6, offset=3, ranker=Rerank(Overlap(), field="title", top=30)
    )
    assert pairs(found) == reranked(hits[:30], words, lambda e: e["title"], 9)[3:]


def test_a_search_by_vector_says_what_the_model_reads_for(collection):
    hits = collection.search(QUERY, "dense", 50, recall=1.0, output=["*"])
    model = Overlap()
    for field, text_of in (
        ("title", lambda e: e["title"]),
        ("note", lambda e: e.get("note")),
        ('meta["source"]', lambda e: e["meta"]["source"]),
    ):
        ranker = Rerank(model, field=field, query="graph file3.md", top=50)
        found = collection.search(QUERY, "dense", 5, ranker=ranker, recall=1.0)
        assert pairs(found) == reranked(hits, "graph file3.md", text_of, 5)
    assert model.calls[1][1].count("") == sum(h.id % 4 == 0 for h in hits)
    with pytest.raises(InvalidArgumentError, match="no text to rank by"):
        collection.search(QUERY, "dense", ranker=Rerank(model, field="title"))


def test_each_query_of_a_batch_has_its_text(collection):
    words = ["graph", "index token", "query"]
    together = collection.search(words, "bm25", 5, ranker=Rerank(Overlap(), field="title"))
    for one, text in zip(together, words, strict=True):
        alone = collection.search(text, "bm25", 5, ranker=Rerank(Overlap(), field="title"))
        assert pairs(one) == pairs(alone)
    vectors = [QUERY, [1.0, 0.0, 0.0, 0.0]]
    model = Overlap()
    ranker = Rerank(model, field="title", query=["graph", "index"])
    collection.search(vectors, "dense", 5, ranker=ranker)
    assert [query for query, _ in model.calls] == ["graph", "index"]
    with pytest.raises(InvalidArgumentError, match="a text for each of 2 queries"):
        collection.search(vectors, "dense", 5, ranker=Rerank(model, "title", query=["graph"]))


def test_a_model_after_fusion_and_decay(collection):
    legs = [Leg("dense", QUERY), Leg("bm25", "graph index")]
    decay = Decay("year", origin=2005, scale=5)
    before = collection.hybrid_search(legs, ranker=[RRF(), decay], limit=20)
    ranker = [RRF(), decay, Rerank(Overlap(), field="title", top=20)]
    found = collection.hybrid_search(legs, ranker=ranker, limit=8)
    assert pairs(found) == reranked(before, "graph index", lambda e: e["title"], 8)
    assert [step.rank_before for step in found[0].explanation.steps][1] == 1 + before.ids.index(
        found[0].id
    )


def test_candidates_and_what_a_model_sees(collection):
    model = Overlap()
    ranker = Rerank(model, field="title")
    found = collection.search("graph index", "bm25", 5, ranker=ranker, candidates=17)
    assert [len(documents) for _, documents in model.calls] == [17]
    assert not found.is_exact
    assert "others were not looked at" in str(found.explanation)
    exact = Rerank(model, field="title", top=15)
    boost = Boost("year > 2005", 2.0)
    found = collection.search("graph index", "bm25", 5, ranker=[boost, exact], candidates="exact")
    best = collection.search("graph index", "bm25", 15, ranker=boost, candidates="exact")
    assert sorted(model.calls[-1][1]) == sorted(h.entity["title"] for h in best)
    assert found.is_exact
    assert len(model.calls) == 2
    # What the model would read is only known when every row was looked at.
    far = Decay('meta["page"]', "exp", origin=5, scale=1, decay=0.01)
    found = collection.search("graph index", "bm25", 5, ranker=[far, exact], candidates="exact")
    best = collection.search("graph index", "bm25", 15, ranker=far, candidates="exact")
    assert sorted(model.calls[-1][1]) == sorted(h.entity["title"] for h in best)
    assert (len(model.calls), found.is_exact) == (3, True)
    with pytest.raises(InvalidArgumentError, match="a model would read every row"):
        collection.search("graph", "bm25", 5, ranker=ranker, candidates="exact")


def test_models_that_fail(collection):
    def ask(model, **given):
        return collection.search("graph", "bm25", 2, ranker=Rerank(model, **given))

    with pytest.raises(PluginError, match=r"reranker 'overlap': expected .* finite scores"):
        ask(Broken([1.0]), field="title")
    with pytest.raises(PluginError, match="finite scores"):
        ask(Broken([np.nan] * 2), field="title", top=2)
    with pytest.raises(PluginNotInstalledError):
        ask("no-such-reranker", field="title")
    for name in ("year", "dense", "*"):
        with pytest.raises(InvalidArgumentError, match="expected a field of text"):
            ask(Overlap(), field=name)
    with pytest.raises(InvalidArgumentError, match="expected texts in 'meta\\[\"page\"\\]'"):
        ask(Overlap(), field='meta["page"]')


# --- MMR --------------------------------------------------------------------------------------


def similarity(metric, a, b):
    """Return what the docstring of ``MMR`` says, in plain Python."""
    if metric in ("HAMMING", "JACCARD"):
        bits = [np.unpackbits(np.frombuffer(bytes(x), np.uint8)).tolist() for x in (a, b)]
        both = list(zip(*bits, strict=True))
        differ = sum(x != y for x, y in both)
        if metric == "HAMMING":
            return 1 - differ / len(both)
        either = sum(x | y for x, y in both)
        return 1 - differ / either if either else 1.0
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / lengths) if lengths else 0.0


def diverse(metric, query, vectors, limit, lambda_mult):
    """Return places chosen one by one, by every pair of vectors."""
    chosen, left = [], list(range(len(vectors)))
    while left and len(chosen) < limit:

        def value(i):
            near = similarity(metric, query, vectors[i])
            if not chosen:
                return near
            other = max(similarity(metric, vectors[i], vectors[j]) for j in chosen)
            return lambda_mult * near - (1 - lambda_mult) * other

        values = [value(i) for i in left]
        best = max(values)
        chosen.append(next(i for i, v in zip(left, values, strict=True) if v >= best - 1e-12))
        left.remove(chosen[-1])
    return chosen


KINDS = [
    (dtype, metric)
    for dtype in (
        DataType.FLOAT_VECTOR,
        DataType.FLOAT16_VECTOR,
        DataType.BFLOAT16_VECTOR,
        DataType.INT8_VECTOR,
    )
    for metric in ("COSINE", "IP", "L2")
] + [(DataType.BINARY_VECTOR, "HAMMING"), (DataType.BINARY_VECTOR, "JACCARD")]


@pytest.mark.parametrize(("dtype", "metric"), KINDS)
def test_hits_of_mmr_are_those_of_every_pair(tmp_path, dtype, metric):
    rng = np.random.default_rng(5)

    def vector():
        if dtype is DataType.BINARY_VECTOR:
            return rng.integers(0, 256, 4, dtype=np.uint8)
        if dtype is DataType.INT8_VECTOR:
            return rng.integers(-100, 100, 16, dtype=np.int8)
        return rng.normal(size=16).astype(np.float32)

    with elanus.connect(tmp_path / "db") as db:
        dim = 32 if dtype is DataType.BINARY_VECTOR else 16
        fields = [
            Field("id", elanus.INT64, primary=True),
            Field("v", dtype, dim=dim, metric=metric),
        ]
        made = db.create_collection("rows", Schema(fields))
        made.insert([{"id": i, "v": vector()} for i in range(60)])
        made.flush()
        made.insert([{"id": i, "v": vector()} for i in range(60, 120)])
        query = vector()
        for share, fetch, offset in ((0.5, 30, 0), (0.1, 120, 2), (1.0, 25, 0), (0.0, 40, 0)):
            near = made.search(query, "v", fetch, recall=1.0, output=["v"])
            found = made.search(query, "v", 6, offset=offset, recall=1.0, ranker=MMR(share, fetch))
            vectors = [h.entity["v"] for h in near]
            wanted = diverse(metric, query, vectors, 6 + offset, share)[offset:]
            assert found.ids == [near[i].id for i in wanted]
            assert [h.score for h in found] == pytest.approx([near[i].score for i in wanted])


def test_mmr_after_a_decay_and_in_hybrid_searches(collection):
    decay = Decay("year", origin=2005, scale=3)
    near = collection.search(QUERY, "dense", 20, ranker=decay, output=["dense"])
    found = collection.search(QUERY, "dense", 5, ranker=[decay, MMR(0.3, 20)])
    vectors = [h.entity["dense"] for h in near]
    assert found.ids == [near[i].id for i in diverse("COSINE", QUERY, vectors, 5, 0.3)]
    legs = [Leg("dense", QUERY), Leg("bm25", "graph index"), Leg("sparse", {1: 1.0})]
    near = collection.hybrid_search(legs, limit=24, output=["dense"])
    vectors = [h.entity["dense"] for h in near]
    found = collection.hybrid_search(legs, limit=6, ranker=MMR())
    assert found.ids == [near[i].id for i in diverse("COSINE", QUERY, vectors, 6, 0.5)]
    assert collection.hybrid_search(legs, limit=6, ranker=MMR(field="dense")).ids == found.ids


def test_each_query_of_a_batch_is_spread_by_itself(collection):
    queries = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)
    together = collection.search(queries, "dense", 4, ranker=MMR(0.4))
    alone = [collection.search(query, "dense", 4, ranker=MMR(0.4)) for query in queries]
    assert [pairs(one) for one in together] == [pairs(one) for one in alone]


def test_what_mmr_cannot_compare(collection):
    with pytest.raises(InvalidArgumentError, match=r"expected one dense field .*, got none"):
        collection.search("graph", "bm25", ranker=MMR())
    with pytest.raises(InvalidArgumentError, match="got none"):
        collection.search(QUERY, "dense", ranker=MMR(field="sparse"))
    legs = [Leg("dense", QUERY), Leg("dense", [1, 0, 0, 0])]
    with pytest.raises(InvalidArgumentError, match="got 'dense', 'dense'"):
        collection.hybrid_search(legs, ranker=MMR())


def test_rows_of_an_array_can_be_chosen_alike():
    rng = np.random.default_rng(2)
    vectors, query = rng.normal(size=(40, 8)), rng.normal(size=8)
    for share in (0.0, 0.3, 0.8, 1.0):
        assert select_diverse(query, vectors, 9, share) == diverse(
            "COSINE", query, vectors, 9, share
        )
    assert select_diverse(query, vectors[:3], 9) == diverse("COSINE", query, vectors[:3], 3, 0.5)
    assert select_diverse(query, np.empty((0, 8)), 3) == []
    with pytest.raises(InvalidArgumentError, match="expected a query of shape"):
        select_diverse(query[:5], vectors, 3)
