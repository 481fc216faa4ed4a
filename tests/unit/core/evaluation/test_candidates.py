"""What is tried over arrays is what a search gives."""

import numpy as np
import pytest

import elanus
from elanus import DBSF, RRF, Leg, Weighted
from elanus.evaluation.candidates import JoinedLegs, LegLists
from elanus.evaluation.judgements import join
from elanus.evaluation.metrics import parse_metric
from support.ir_metrics import ndcg
from support.judged import entities, judged_schema, queries

FIELDS = ("dense", "bm25")


@pytest.fixture(scope="module")
def collection():
    with elanus.connect(":memory:") as db:
        made = db.create_collection("judged", judged_schema())
        made.insert(entities())
        yield made


def lists(collection, asked, name, depth):
    found = [collection.search(query[name], name, depth).answer for query in asked.values()]
    distances = [-np.array(one.scores, dtype=np.float32) for one in found]
    return LegLists(collection.schema.field(name), [one.ids for one in found], distances)


@pytest.mark.parametrize("fusion", [RRF(3), RRF(60), DBSF(), Weighted()])
@pytest.mark.parametrize(("depth", "weights"), [(7, (0.3, 0.7)), (40, (0.9, 0.1))])
def test_orders_and_values_are_those_of_a_search(collection, fusion, depth, weights):
    asked, judged = queries()
    read = join(asked, judged, int)
    legs = [lists(collection, asked, name, 50) for name in FIELDS]
    joined = JoinedLegs(legs, read)
    own = type(fusion)(weights=weights, **({"k": fusion.k} if isinstance(fusion, RRF) else {}))
    searched = [
        collection.hybrid_search([Leg(n, q[n], limit=depth) for n in FIELDS], own, 10).ids
        for q in asked.values()
    ]
    assert joined.rankings(fusion, depth, weights, 10) == searched
    (values,) = joined.values(fusion, depth, [weights], parse_metric("ndcg@10"))
    wanted = [ndcg(ids, judged[q]) for ids, q in zip(searched, asked, strict=True)]
    assert values == pytest.approx(wanted)


def test_a_leg_is_worth_what_its_order_is(collection):
    asked, judged = queries()
    leg = lists(collection, asked, "bm25", 50)
    found = leg.values(join(asked, judged, int), parse_metric("ndcg@10"))
    wanted = [ndcg(ids, judged[q]) for ids, q in zip(leg.keys, asked, strict=True)]
    assert found == pytest.approx(wanted)
