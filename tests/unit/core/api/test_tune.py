"""``Collection.tune`` chooses by some queries what holds for others, or the best leg alone."""

import numpy as np
import pytest

import elanus
from elanus import RRF, Leg, Rerank
from elanus.errors import InvalidArgumentError, ReadOnlyError
from elanus.evaluation.tuning import Halves
from elanus.plugins import RerankerInfo, ScoreKind, get_embedder
from support.judged import entities, judged_schema, queries

ASKED, JUDGED = queries(count=48)
QUICK = {"k1": [1.2, 2.0], "b": [0.5, 0.75], "depths": [50]}


def filled(db, vectors=None):
    made = db.create_collection("judged", judged_schema())
    rows = entities()
    if vectors is not None:
        for row, vector in zip(rows, vectors, strict=True):
            row["dense"] = vector
    made.insert(rows)
    return made


@pytest.fixture
def collection():
    with elanus.connect(":memory:") as db:
        yield filled(db)


@pytest.fixture
def one_good_leg():
    """A collection whose vectors say nothing."""
    with elanus.connect(":memory:") as db:
        yield filled(db, np.random.default_rng(3).normal(size=(len(entities()), 16)))


def test_what_is_chosen_is_better_than_each_leg_and_is_kept(collection):
    result = collection.tune(ASKED, JUDGED, splits=4)
    assert result.applied
    assert collection.search_profile == result.profile
    assert result.profile.fields == ("dense", "bm25")
    assert result.profile.best_leg is None
    assert result.mean_gap > 0.02
    assert result.worst_gap == min(split.gap for split in result.splits)
    assert list(result.held_out) == ["dense", "bm25", "default", "tuned"]
    assert result.over_best_leg.mean == pytest.approx(result.splits[0].gap)
    assert result.num_queries == len(ASKED)
    assert not result.known_items
    assert "4 random halves" in str(result)


def test_the_figures_are_those_of_searches(collection):
    """What is measured over arrays is what ``evaluate`` measures of searches with the profile."""
    result = collection.tune(ASKED, JUDGED, splits=1, **QUICK)
    _, others = Halves(len(ASKED), 0.5, 0).split(0)
    found = collection.evaluate(ASKED, JUDGED, metrics=["ndcg@10"]).of("ndcg@10")[others]
    assert result.held_out["tuned"].mean == pytest.approx(found.mean())
    collection.drop_properties("search.profile")
    for name, fields in (("default", None), ("dense", "dense"), ("bm25", "bm25")):
        values = collection.evaluate(ASKED, JUDGED, fields=fields, metrics=["ndcg@10"])
        assert result.held_out[name].mean == pytest.approx(values.of("ndcg@10")[others].mean())


def test_a_leg_that_is_better_alone_decides_alone(one_good_leg):
    result = one_good_leg.tune(ASKED, JUDGED, splits=20, **QUICK)
    assert result.profile.best_leg == "bm25"
    assert result.mean_gap > -0.005
    assert result.means()["default"] < result.means()["bm25"] - 0.05
    query = ASKED["q0"]
    legs = [Leg("dense", query["dense"]), Leg("bm25", query["bm25"])]
    alone = one_good_leg.search(query["bm25"], "bm25", 10).ids
    # Keywords find fewer than ten; the other leg only fills up.
    assert one_good_leg.hybrid_search(legs, limit=10).ids[: len(alone)] == alone
    assert "bm25 alone decides the order" in str(result)


def test_a_profile_that_is_there_changes_nothing(collection):
    first = collection.tune(ASKED, JUDGED, splits=2, k1=[2.5], b=[0.2], depths=[50])
    assert collection.search_profile is not None
    assert (
        collection.tune(ASKED, JUDGED, splits=2, k1=[2.5], b=[0.2], depths=[50]).splits
        == first.splits
    )


def test_a_seed_repeats_and_another_has_other_halves(collection):
    one = collection.tune(ASKED, JUDGED, splits=2, seed=5, apply=False, **QUICK)
    assert collection.search_profile is None
    assert not one.applied
    assert (
        collection.tune(ASKED, JUDGED, splits=2, seed=5, apply=False, **QUICK).splits == one.splits
    )
    assert (
        collection.tune(ASKED, JUDGED, splits=2, seed=6, apply=False, **QUICK).splits[0]
        == one.splits[1]
    )


def test_known_items_stand_in_for_judgements(collection):
    queries, judged = collection.known_item_queries(30, seed=2)
    assert len(queries) == 30
    texts = {e["id"]: set(e["text"].split()) for e in entities()}
    shares = []
    for name, text in queries.items():
        (pk,) = judged[name]
        shares.append(np.mean([word in texts[pk] for word in text.split()]))
    assert np.mean(shares) > 0.7
    result = collection.tune(fields="bm25", splits=2, **QUICK)
    assert result.known_items
    assert "made of the entities" in str(result)
    assert result.profile.fields == ("bm25",)
    for wrong in ({"queries": ASKED}, {"qrels": JUDGED}):
        with pytest.raises(InvalidArgumentError, match="tune: expected q"):
            collection.tune(**wrong)


def test_analyzers_are_compared_and_left_alone(collection):
    texts = {name: query["bm25"].replace("topic", "topics ") for name, query in ASKED.items()}
    result = collection.tune(
        texts,
        JUDGED,
        fields="bm25",
        analyzers=["english", "standard"],
        splits=2,
        apply=False,
        **QUICK,
    )
    assert set(result.analyzers) == {"standard of bm25", "english of bm25"}
    own = collection.evaluate(texts, JUDGED, fields="bm25", metrics=["ndcg@10"])
    assert result.analyzers["standard of bm25"].mean == pytest.approx(own.mean("ndcg@10"))
    assert collection.schema.field("text").analyzer == "standard"
    assert result.best_analyzer in result.analyzers
    with pytest.raises(elanus.errors.SchemaError, match="klingon"):
        collection.tune(texts, JUDGED, fields="bm25", analyzers=["klingon"], apply=False)


class Knowing:
    """Scores texts that name the topic of the query above others; counts what it reads."""

    info = RerankerInfo("knowing", ScoreKind.LOGIT)

    def __init__(self, sign=1.0):
        self.sign, self.count = sign, 0

    def score(self, query, documents):
        self.count += len(documents)
        topic = query.split()[0]
        return np.array([self.sign * (topic in d.split()) for d in documents], dtype=np.float32)


def test_it_says_how_many_hits_a_reranker_should_read(collection):
    texts = {name: query["bm25"] for name, query in ASKED.items()}
    model = Knowing()
    options = {"splits": 1, **QUICK}
    dims = collection.schema.field("dense").dim
    options["embedder"] = get_embedder("hash", dim=dims)
    result = collection.tune(texts, JUDGED, fields="dense", reranker=Rerank(model), **options)
    assert list(result.reranking) == [0, 10, 20, 50, 100]
    assert 10 * len(texts) < model.count <= 100 * len(texts)
    assert result.profile.rerank_top in (10, 20, 50, 100)
    best = max(result.reranking, key=result.reranking.get)
    assert result.reranking[best] > result.reranking[0]
    harmful = collection.tune(
        texts, JUDGED, fields="bm25", reranker=Rerank(Knowing(-1.0)), **options
    )
    assert harmful.profile.rerank_top is None
    with pytest.raises(InvalidArgumentError, match="queries that are texts"):
        collection.tune(ASKED, JUDGED, reranker=Rerank(model), splits=1)


def test_three_legs_are_weighed_too():
    schema = judged_schema()
    more = schema.replaced(
        fields=[*schema.fields, elanus.Field("other", elanus.FLOAT_VECTOR, dim=16)]
    )
    with elanus.connect(":memory:") as db:
        made = db.create_collection("three", more)
        noise = np.random.default_rng(4).normal(size=(len(entities()), 16))
        made.insert([{**e, "other": v} for e, v in zip(entities(), noise, strict=True)])
        asked = {name: {**query, "other": query["dense"]} for name, query in ASKED.items()}
        result = made.tune(asked, JUDGED, splits=3, k1=[1.2], b=[0.75], depths=[50])
        assert set(result.held_out) == {"dense", "bm25", "other", "default", "tuned"}
        assert result.mean_gap > 0
        if result.profile.best_leg is None:
            assert sum(result.profile.fusion.weights.values()) == pytest.approx(1)


def test_what_cannot_be_tuned_is_refused(collection, tmp_path):
    few = dict(list(ASKED.items())[:3])
    judged = {name: JUDGED[name] for name in few}
    with pytest.raises(InvalidArgumentError, match="at least 4 judged queries"):
        collection.tune(few, judged)
    with pytest.raises(TypeError, match="did you mean 'splits'"):
        collection.tune(ASKED, JUDGED, split=3)
    for wrong in ({"share": 1}, {"splits": 0}, {"metric": "ndcg"}, {"depths": [0]}):
        with pytest.raises(InvalidArgumentError):
            collection.tune(ASKED, JUDGED, **wrong)
    with elanus.connect(tmp_path / "db") as db:
        filled(db)
    with elanus.connect(tmp_path / "db", read_only=True) as db:
        made = db.collection("judged")
        assert made.tune(ASKED, JUDGED, splits=1, apply=False, **QUICK).profile is not None
        with pytest.raises(ReadOnlyError):
            made.tune(ASKED, JUDGED, splits=1, **QUICK)


def test_searches_of_other_fields_stay_as_they_are(collection):
    query = ASKED["q0"]
    legs = [Leg("dense", query["dense"]), Leg("dense", query["dense"])]
    usual = collection.hybrid_search(legs).ids
    collection.tune(ASKED, JUDGED, splits=1, k1=[1.2], b=[0.75])
    assert collection.hybrid_search(legs).ids == usual
    assert collection.hybrid_search(legs).explanation.fusion == str(RRF())
