"""The plan follows from counts and measured costs; no index is needed to test it."""

from dataclasses import dataclass, field

import pytest

from elanus.index.base import Approximation, SearchCost
from elanus.query.plan import plan_dense


@dataclass
class Index:
    """Costs of a graph over 100,000 rows: 10 ns a scanned row, 1 µs a candidate."""

    num_rows: int = 100_000
    cost: SearchCost = field(default_factory=lambda: SearchCost(10.0, 1_000.0))
    reachable: float = 0.99
    index_type: str = "HNSW"

    def ef_for(self, recall, limit):
        return max(50, limit) if recall <= self.reachable else None

    def estimated_recall(self, ef, limit):
        return 0.97

    def approximate(self, allowed, limit, ef):
        if self.cost.ns_per_candidate == 0:
            return Approximation("scan", allowed * self.cost.ns_per_scanned_row, 1.0)
        ns = 15_000 + ef * self.cost.ns_per_candidate * self.num_rows / allowed
        return Approximation("graph", ns, self.estimated_recall(ef, limit))


@pytest.mark.parametrize(
    ("allowed", "recall", "ef", "method", "chosen"),
    [
        (0, 0.95, None, "skip", None),
        (100_000, 0.95, None, "graph", 50),
        (50_000, 0.95, None, "graph", 50),  # 500 µs against 15 + 100
        (30_000, 0.95, None, "graph", 50),  # 300 µs against 15 + 167
        (20_000, 0.95, None, "scan", None),  # 200 µs against 15 + 250
        (1_000, 0.95, None, "scan", None),
        (5, 0.95, None, "scan", None),
        (100_000, 0.999, None, "scan", None),  # no candidate list reaches it
        (20_000, 0.95, 64, "graph", 64),  # the user said so
        (100_000, 0.999, 64, "graph", 64),
        (100_000, 1.0, 64, "graph", 64),
    ],
)
def test_cheapest_way_that_reaches_the_recall(allowed, recall, ef, method, chosen):
    step = plan_dense("s", Index(), allowed, 10, recall, ef)
    assert (step.method, step.ef, step.allowed) == (method, chosen, allowed)
    assert step.recall == (0.97 if method == "graph" else 1.0)


def test_recall_of_one_is_a_scan_even_when_the_curve_reaches_it():
    step = plan_dense("s", Index(reachable=1.0), 100_000, 10, 1.0, None)
    assert (step.method, step.recall) == ("scan", 1.0)


def test_index_without_a_graph_is_scanned():
    index = Index(cost=SearchCost(10.0, 0.0))
    assert plan_dense("s", index, 100_000, 10, 0.95, None).method == "scan"


def test_step_prints_what_is_done():
    step = plan_dense("segment 1", Index(), 50_000, 10, 0.95, None)
    assert str(step) == "segment 1: graph ef=50 over 50000/100000 rows recall≈0.970"
