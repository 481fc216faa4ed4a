"""Groups of hits that are ranked anew, against grouping the whole ranking in Python."""

import numpy as np
import pytest

import elanus
from elanus import DBSF, MMR, Boost, Decay, Field, FunctionScore, Leg, RandomScore, Rerank, Schema
from elanus.errors import InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
ROWS = 160
CHAINS = [
    [Decay("year", "exp", origin=2005, scale=4)],
    [Boost("id % 3 == 0", weight=1.7), Decay('meta["page"]', "linear", origin=20, scale=9)],
    [FunctionScore([Boost(random_score=RandomScore(3))], boost_mode="sum")],
    [Boost("id > 100", weight=-2.0)],
]


@pytest.fixture(scope="module", params=["memory", "both"])
def collection(request, tmp_path_factory):
    path = ":memory:" if request.param == "memory" else tmp_path_factory.mktemp("db") / "db"
    with elanus.connect(path) as db:
        made = db.create_collection("papers", paper_schema(metric="COSINE"))
        made.insert(papers(ROWS)[:70])
        if request.param == "both":
            made.flush()
        made.insert(papers(ROWS)[70:])
        yield made


def grouped(hits, name, limit, size, offset=0):
    """Return the groups of a whole ranking: value, and ids with scores."""
    groups = {}
    for hit in hits:
        groups.setdefault(hit.entity[name], []).append((hit.id, hit.score))
    return [(value, rows[:size]) for value, rows in list(groups.items())[offset : offset + limit]]


def shown(result):
    assert [hit.id for group in result.groups for hit in group.hits] == result.ids
    return [(g.value, [(hit.id, hit.score) for hit in g.hits]) for g in result.groups]


def everything(collection, chain):
    return collection.search(
        QUERY, "dense", ROWS, ranker=chain, candidates=ROWS + 1, recall=1.0, output=["*"]
    )


@pytest.mark.parametrize("chain", CHAINS, ids=range(len(CHAINS)))
@pytest.mark.parametrize(("limit", "offset"), [(1, 0), (3, 2), (60, 0)])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_exact_groups_are_those_of_every_row(collection, chain, limit, offset, size):
    found = collection.search(
        QUERY, "dense", limit, offset=offset, ranker=chain, candidates="exact", recall=1.0,
        group_by="year", group_size=size,
    )  # fmt: skip
    assert found.is_exact
    assert shown(found) == grouped(everything(collection, chain), "year", limit, size, offset)


@pytest.mark.parametrize("metric", ["L2", "IP"])
def test_exact_groups_of_other_metrics(metric):
    with elanus.connect(":memory:") as db:
        made = db.create_collection("papers", paper_schema(metric=metric))
        made.insert(papers(ROWS))
        for chain in CHAINS[:3]:
            found = made.search(
                QUERY, "dense", 4, ranker=chain, candidates="exact", group_by="year", group_size=3,
                recall=1.0,
            )  # fmt: skip
            assert shown(found) == grouped(everything(made, chain), "year", 4, 3)


@pytest.mark.parametrize("chain", CHAINS[:2], ids=range(2))
def test_candidates_say_which_groups_and_all_rows_what_is_in_them(collection, chain):
    first = collection.search(
        QUERY, "dense", 10, ranker=chain, candidates=10, recall=1.0, output=["*"]
    )
    wanted = [value for value, _ in grouped(first, "year", 3, 1)]
    found = collection.search(
        QUERY, "dense", 3, ranker=chain, candidates=10, group_by="year", group_size=4, recall=1.0
    )
    # Among rows of other years a chosen year may have become better still: groups stay in order.
    rows = [hit for hit in everything(collection, chain) if hit.entity["year"] in wanted]
    assert shown(found) == grouped(rows, "year", 3, 4)
    assert not found.is_exact
    assert found.explanation.ranking.num_candidates == 10


def test_a_group_that_fills_the_front_hides_no_other():
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("tenant", elanus.VARCHAR),
        Field("dense", elanus.FLOAT_VECTOR, dim=2, metric="IP"),
    ]
    with elanus.connect(":memory:") as db:
        made = db.create_collection("rows", Schema(fields))
        near = [{"id": i, "tenant": "large", "dense": [1.0, 1 - i / 1000]} for i in range(900)]
        far = [{"id": 1000 + i, "tenant": f"t{i}", "dense": [1.0, -i / 10]} for i in range(5)]
        made.insert([*near, *far])
        boost = Boost("id % 2 == 0", weight=1.5)
        found = made.search(
            [1.0, 1.0], "dense", 3, ranker=boost, group_by="tenant", group_size=2, recall=1.0
        )
        assert [group.value for group in found.groups] == ["large", "t0", "t2"]
        assert [[hit.id for hit in group.hits] for group in found.groups] == [
            [0, 2], [1000], [1002],
        ]  # fmt: skip
        # Of candidates alone "t1" with a score of 0.9 would not be seen behind "t2" with 1.2.
        assert found.groups[2].hits[0].score == pytest.approx(1.2)


class Longest:
    """Prefers long texts, and remembers what it read."""

    info = RerankerInfo("longest", ScoreKind.LOGIT)

    def __init__(self):
        self.read = []

    def score(self, query, documents):
        self.read.append((query, len(documents)))
        return np.array([len(text) for text in documents], dtype=np.float32)


def test_groups_of_what_a_model_read(collection):
    model = Longest()
    ranker = Rerank(model, "title", query="q", top=30)
    options = {"ranker": ranker, "recall": 1.0}
    whole = collection.search(QUERY, "dense", 30, output=["*"], **options)
    found = collection.search(QUERY, "dense", 4, group_by="year", group_size=2, **options)
    assert shown(found) == grouped(whole, "year", 4, 2)
    assert model.read == [("q", 30), ("q", 30)]


def test_groups_in_the_order_in_which_mmr_reaches_them(collection):
    whole = collection.search(
        QUERY, "dense", 25, ranker=MMR(0.4, fetch_k=25), recall=1.0, output=["*"]
    )
    found = collection.search(
        QUERY, "dense", 4, ranker=MMR(0.4, fetch_k=25), recall=1.0, group_by="year", group_size=2
    )
    assert shown(found) == grouped(whole, "year", 4, 2)


@pytest.mark.parametrize("size", [1, 3])
def test_groups_of_a_fused_list(collection, size):
    recent = Decay("year", "exp", origin=2005, scale=4)
    small, large = (
        [Leg("dense", QUERY, limit=n, recall=1.0), Leg("bm25", "graph index", limit=n)]
        for n in (5, 1000)
    )
    whole = collection.hybrid_search(large, limit=1000, ranker=recent, output=["*"])
    found = collection.hybrid_search(
        small, limit=100, ranker=recent, group_by="year", group_size=size
    )
    assert shown(found) == grouped(whole, "year", 100, size)
    few = collection.hybrid_search(
        small, limit=2, ranker=[DBSF(), Rerank(Longest(), "title")], group_by="year"
    )
    assert len(few.groups) == 2


def test_each_query_of_a_batch_has_its_own_text(collection):
    model = Longest()
    ranker = Rerank(model, "title", query=["a", "b"], top=20)
    queries = np.random.default_rng(1).normal(size=(2, 4))
    both = collection.search(queries, "dense", 3, ranker=ranker, group_by="year")
    assert model.read == [("a", 20), ("b", 20)]
    alone = Rerank(model, "title", query="b", top=20)
    assert shown(both[1]) == shown(
        collection.search(queries[1], "dense", 3, ranker=alone, group_by="year")
    )
    model.read.clear()
    collection.search(["graph", "index"], "bm25", 3, group_by="year",
                      ranker=Rerank(model, "title", top=20))  # fmt: skip
    assert [text for text, _ in model.read] == ["graph", "index"]
    wrong = Rerank(model, "title", query=["a"], top=20)
    with pytest.raises(InvalidArgumentError, match="a text for each of 2 queries"):
        collection.search(queries, "dense", 3, ranker=wrong, group_by="year")


def test_hits_explain_what_was_done_to_them(collection):
    chain = CHAINS[1]
    found = collection.search(
        QUERY, "dense", 2, ranker=chain, candidates=10, group_by="year", group_size=5, recall=1.0
    )
    assert len(found) > 5
    for hit in found:
        boost, decay = hit.explanation.steps
        assert boost.score_before == hit.explanation.legs[0].score
        assert (boost.score_after, hit.score) == (decay.score_before, decay.score_after)
