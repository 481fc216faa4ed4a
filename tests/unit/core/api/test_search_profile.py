"""A profile says how searches are done that do not say it: plain ones too, and in all processes."""

import numpy as np
import pytest

import elanus
from elanus import DBSF, RRF, Leg, Rerank
from elanus.errors import InvalidArgumentError, ReadOnlyError
from elanus.plugins import RerankerInfo, ScoreKind
from elanus.query.profile import PROFILE, SearchProfile
from support.judged import entities, judged_schema, queries

ASKED = list(queries()[0].values())
FUSION = RRF(5, weights={"dense": 0.3, "bm25": 0.7})
K1, B = 3.0, 0.1


@pytest.fixture
def folder(tmp_path):
    with elanus.connect(tmp_path / "db") as db:
        db.create_collection("judged", judged_schema()).insert(entities())
    return tmp_path / "db"


@pytest.fixture
def collection(folder):
    with elanus.connect(folder) as db:
        yield db.collection("judged")


def legs(query, **options):
    return [Leg(name, query[name], **options) for name in ("dense", "bm25")]


def set_profile(collection, **options):
    profile = SearchProfile(("dense", "bm25"), **options)
    collection.alter_properties({PROFILE: profile})
    return profile


def pairs(result):
    return [(hit.id, hit.score) for hit in result]


def test_fusion_and_depth_are_those_of_the_profile(collection):
    wanted = [pairs(collection.hybrid_search(legs(q, limit=30), FUSION)) for q in ASKED]
    usual = [pairs(collection.hybrid_search(legs(q))) for q in ASKED]
    assert wanted != usual
    set_profile(collection, fusion=FUSION, depth=30)
    # Each is asked twice: later searches are prepared ones.
    for _ in range(2):
        found = [collection.hybrid_search(legs(q)) for q in ASKED]
        assert [pairs(result) for result in found] == wanted
        assert all(result.explanation.legs[0].limit == 30 for result in found)
        assert all(
            r.explanation.fusion == "RRF(k=5, weights=(0.3, 0.7)) of the profile" for r in found
        )
    swapped = [collection.hybrid_search(legs(q)[::-1]) for q in ASKED]
    assert [pairs(result) for result in swapped] == wanted
    explained = collection.hybrid_search(legs(ASKED[0]), explain=True)
    assert explained.explanation.fusion.endswith("of the profile")
    assert "of the profile" in str(explained[0].explanation)
    collection.drop_properties(PROFILE)
    assert [pairs(collection.hybrid_search(legs(q))) for q in ASKED] == usual


def test_what_a_search_says_goes_before_it(collection):
    usual = [pairs(collection.hybrid_search(legs(q), RRF())) for q in ASKED]
    limited = [pairs(collection.hybrid_search(legs(q, limit=7), FUSION)) for q in ASKED]
    set_profile(collection, fusion=FUSION, depth=30)
    for _ in range(2):
        assert [pairs(collection.hybrid_search(legs(q), RRF())) for q in ASKED] == usual
        assert [pairs(collection.hybrid_search(legs(q, limit=7))) for q in ASKED] == limited
    assert "profile" not in collection.hybrid_search(legs(ASKED[0]), RRF()).explanation.fusion
    alone = collection.hybrid_search([Leg("bm25", ASKED[0]["bm25"])])
    assert alone.explanation.fusion == ""


def test_more_hits_than_its_depth_are_still_found(collection):
    set_profile(collection, fusion=FUSION, depth=5)
    assert len(collection.hybrid_search(legs(ASKED[0]), limit=40)) == 40


def test_k1_and_b_are_those_of_every_keyword_search(folder):
    # What another collection finds that was declared with them.
    schema = judged_schema()
    declared = schema.replaced(
        fields=[
            f
            if f.name != "bm25"
            else elanus.Field("bm25", f.dtype, source=elanus.BM25("text", k1=K1, b=B))
            for f in schema.fields
        ]
    )
    with elanus.connect(folder) as db:
        other = db.create_collection("declared", declared)
        other.insert(entities())
        texts = [query["bm25"] for query in ASKED]
        wanted = [pairs(other.search(text, "bm25")) for text in texts]
        joined = [pairs(other.hybrid_search(legs(q))) for q in ASKED]
        collection = db.collection("judged")
        usual = [pairs(collection.search(text, "bm25")) for text in texts]
        assert usual != wanted
        set_profile(collection, bm25={"bm25": (K1, B)})
        for _ in range(2):
            assert [pairs(collection.search(text, "bm25")) for text in texts] == wanted
            assert [pairs(collection.hybrid_search(legs(q))) for q in ASKED] == joined
        assert [pairs(result) for result in collection.search(texts, "bm25")] == wanted
        collection.compact()
        assert [pairs(collection.search(text, "bm25")) for text in texts] == wanted
        best = collection.search(texts[0], "bm25", explain=True)[0]
        assert sum(t.contribution for t in best.explanation.terms) == pytest.approx(best.score)


def test_it_is_durable_and_other_processes_follow_it(folder):
    with elanus.connect(folder) as db, elanus.connect(folder, read_only=True) as reading:
        collection, reader = db.collection("judged"), reading.collection("judged")
        usual = pairs(reader.hybrid_search(legs(ASKED[0])))
        set_profile(collection, fusion=FUSION, depth=30)
        wanted = pairs(collection.hybrid_search(legs(ASKED[0])))
        assert wanted != usual
        assert pairs(reader.hybrid_search(legs(ASKED[0]))) == wanted
        assert reader.search_profile == collection.search_profile
        with pytest.raises(ReadOnlyError):
            reader.alter_properties({PROFILE: None})
    with elanus.connect(folder) as db:
        assert pairs(db.collection("judged").hybrid_search(legs(ASKED[0]))) == wanted


def test_describe_shows_it(collection):
    assert collection.describe().profile is None
    profile = set_profile(collection, fusion=FUSION, depth=30, bm25={"bm25": (K1, B)})
    assert collection.describe().profile == profile == collection.search_profile
    assert str(profile) == (
        "dense and bm25 joined by RRF(k=5, weights={'dense': 0.3, 'bm25': 0.7}); 30 candidates of "
        "each leg; bm25: k1=3, b=0.1"
    )
    assert collection.properties[PROFILE]["depth"] == 30
    collection.alter_properties({PROFILE: None})
    assert collection.search_profile is None


@pytest.mark.parametrize(
    "profile",
    [
        SearchProfile(("dense", "bm25"), FUSION, 30, {"bm25": (1.5, 0.5)}, 20, measured={"n": 1}),
        SearchProfile(("dense", "bm25"), DBSF({"dense": 1.0, "bm25": 0.0}), best_leg="dense"),
        SearchProfile(("dense", "bm25"), elanus.Weighted(weights={"dense": 0.5, "bm25": 0.5})),
        SearchProfile(("bm25",)),
    ],
)
def test_it_comes_back_as_it_was(collection, profile):
    collection.alter_properties({PROFILE: profile})
    assert collection.search_profile == profile
    assert SearchProfile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fields": ["x"]}, "'x' is no vector field"),
        ({"fields": ["text"]}, "'text' is no vector field"),
        ({"fields": ["dense"], "bm25": {"dense": [1, 0.5]}}, "'dense' is no BM25 field"),
        ({"fields": ["bm25"], "bm25": {"bm25": [1, 7]}}, r"b must lie in \[0, 1\]"),
        ({"fields": ["bm25"], "depth": 0}, "depth from 1 to"),
        ({"fields": ["bm25"], "fusion": {"kind": "sum"}}, "expected a profile"),
        ({"fields": ["bm25"], "fusion": {"kind": "rrf", "weights": {"x": 1}}}, "weights by field"),
        ({"fields": ["bm25"], "best_leg": "x"}, "expected best_leg to be one of bm25"),
        ({"legs": []}, "expected a profile"),
        ("dense", "expected a profile"),
    ],
)
def test_what_does_not_fit_is_refused(collection, wrong, message):
    with pytest.raises(InvalidArgumentError, match=message):
        collection.alter_properties({PROFILE: wrong})
    assert collection.search_profile is None


def test_it_goes_with_a_field_that_it_is_for(collection):
    set_profile(collection, fusion=FUSION)
    collection.add_field(elanus.Field("n", elanus.INT64, nullable=True))
    assert collection.search_profile is not None
    collection.drop_field("dense")
    assert collection.search_profile is None


class Longest:
    """Prefers long texts."""

    info = RerankerInfo("longest", ScoreKind.LOGIT)

    def __init__(self):
        self.read = []

    def score(self, query, documents):
        self.read.append(len(documents))
        return np.array([len(text) for text in documents], dtype=np.float32)


def test_a_reranker_reads_as_many_hits_as_it_says(collection):
    set_profile(collection, fusion=FUSION, depth=50, rerank_top=15)
    model = Longest()
    query = ASKED[0]
    ranker = Rerank(model, query="?")
    assert len(collection.hybrid_search(legs(query), ranker=ranker)) == 10
    collection.hybrid_search(legs(query), limit=20, ranker=ranker)
    collection.hybrid_search(legs(query), ranker=Rerank(model, query="?", top=12))
    collection.hybrid_search(legs(query), ranker=ranker, candidates=30)
    assert model.read[:3] == [15, 20, 12]
    assert model.read[3] >= 30  # the caller's word goes before the profile's
