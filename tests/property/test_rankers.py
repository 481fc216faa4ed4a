"""Chains of rankers: what claims to be exact is what a look at every row gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elanus
from elanus import Boost, Decay, FunctionScore, RandomScore
from support.builders import paper_schema, papers

ROWS = 60
NUMBERS = st.floats(-2, 3).map(lambda x: round(x, 2))


@pytest.fixture(scope="module", params=["COSINE", "IP", "L2"])
def collection(request, tmp_path_factory):
    with elanus.connect(tmp_path_factory.mktemp("db")) as db:
        made = db.create_collection("papers", paper_schema(metric=request.param))
        made.insert(papers(ROWS)[:25])
        made.flush()
        made.insert(papers(ROWS)[25:])
        yield made


FILTERS = st.sampled_from([None, "year > 2005", "id % 3 == 0", "year < 1995 or id > 50"])
BOOSTS = st.builds(
    Boost, FILTERS, NUMBERS, st.sampled_from([None, RandomScore(1), RandomScore(2, "year")])
)
MODES = st.sampled_from(["multiply", "sum"])
DECAYS = st.builds(
    Decay,
    st.sampled_from(["year", 'meta["page"]']),
    st.sampled_from(["gauss", "exp", "linear"]),
    origin=st.sampled_from([0, 20, 2000]),
    scale=st.sampled_from([0.5, 5, 40]),
    decay=st.sampled_from([0.1, 0.5, 0.99]),
    missing=st.sampled_from([0.0, 1.0, 2.0]),
)
SCORES = st.builds(FunctionScore, st.lists(BOOSTS, min_size=1, max_size=3), MODES, MODES)
CHAINS = st.lists(DECAYS | BOOSTS | SCORES, min_size=1, max_size=3)


@given(CHAINS, st.integers(1, 8), st.integers(0, 20), st.integers(0, 5))
def test_exact_is_what_every_row_gives(collection, chain, limit, more, seed):
    query = np.random.default_rng(seed).normal(size=4)
    asked = {"ranker": chain, "recall": 1.0, "output": ["id"]}
    whole = collection.search(query, "dense", limit, candidates=ROWS + 1, **asked)
    assert whole.is_exact
    wanted = [(hit.id, hit.score) for hit in whole]
    exact = collection.search(query, "dense", limit, candidates="exact", **asked)
    assert exact.is_exact
    assert [(hit.id, hit.score) for hit in exact] == wanted
    some = collection.search(query, "dense", limit, candidates=limit + more, **asked)
    if some.is_exact:
        assert [(hit.id, hit.score) for hit in some] == wanted
