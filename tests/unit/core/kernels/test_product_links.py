"""Links by inner product against a slow twin, and what they are for."""

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.index.base import VectorRows
from elanus.index.dense.graph_type import GraphType
from elanus.kernels.distance import scan_topk
from elanus.kernels.graph import NO_ROW, GraphHits, ProductLinks
from elanus.types import MetricType

DEGREE, MOST = 16, 12


def rows_of(count, dim=24, spread=0.5, seed=0):
    """Return rows whose lengths are log-normal, around a direction that all have in common."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim)) + 0.3
    rows *= rng.lognormal(0, spread, (count, 1)) / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def base_links(count, seed=0):
    rng = np.random.default_rng(seed)
    links = np.full((count, DEGREE), NO_ROW, dtype=np.uint32)
    for row in range(count):
        others = rng.permutation(np.delete(np.arange(count), row))[:DEGREE]
        links[row, : len(others)] = others
    return links


class Twin:
    """The same, row by row."""

    def __init__(self, rows, links):
        # As the kernel scores: float32 products, one with the other.
        every = np.arange(len(rows))
        ids, distances = scan_topk(MetricType.IP, rows, rows, None, None, len(rows))
        self.scores = np.empty((len(rows), len(rows)), dtype=np.float32)
        np.put_along_axis(self.scores, ids, distances, axis=1)
        assert (np.sort(ids, axis=1) == every).all()
        self.base = [[int(r) for r in row if r != NO_ROW] for row in links]
        self.linked = [[] for _ in rows]

    def prune(self, row, candidates):
        left = sorted(set(candidates) - {row}, key=lambda c: (self.scores[row, c], c))
        kept = []
        while left and len(kept) < MOST:
            best = left.pop(0)
            kept.append(best)
            left = [c for c in left if self.scores[best, c] >= self.scores[row, c]]
        return kept

    def add(self, rows, candidates):
        for row, found in zip(rows, candidates, strict=True):
            self.linked[row] = self.prune(row, [*found, *self.linked[row]])
        back = {}
        for row in rows:
            for target in self.linked[row]:
                back.setdefault(target, []).append(row)
        for target, sources in back.items():
            self.linked[target] = self.prune(target, [*sources, *self.linked[target]])

    def lists(self):
        both = [dict.fromkeys([*a, *b]) for a, b in zip(self.linked, self.base, strict=True)]
        return [list(one)[:DEGREE] for one in both]


def hits(rows, some, count):
    ids, distances = scan_topk(MetricType.IP, rows[some], rows, None, None, count)
    return GraphHits(ids, distances, count)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.5])
def test_links_are_those_of_the_twin(variant, spread, threads):
    rows = rows_of(150, spread=spread)
    links = base_links(150)
    twin, linker = Twin(rows, links), ProductLinks(rows, links, most=MOST, threads=threads)
    order = np.random.default_rng(1).permutation(150).astype(np.uint32)
    for some in (order[:10], order[10:70], order[70:]):
        found = hits(rows, some, 40)
        linker.add(some, found)
        twin.add(some.tolist(), found.row_ids.tolist())
    assert [[int(r) for r in row if r != NO_ROW] for row in links] == twin.lists()
    assert any(len(linked) > 1 for linked in twin.linked)


def test_rows_that_occur_twice_and_zero_rows_are_linked_without_end():
    rows = np.repeat(rows_of(20), 3, axis=0)
    rows[::7] = 0
    links = base_links(60)
    twin, linker = Twin(rows, links), ProductLinks(rows, links, most=MOST, threads=1)
    some = np.arange(60, dtype=np.uint32)
    found = hits(rows, some, 60)
    linker.add(some, found)
    twin.add(some.tolist(), found.row_ids.tolist())
    assert [[int(r) for r in row if r != NO_ROW] for row in links] == twin.lists()


def test_places_that_are_not_filled_are_no_candidates():
    rows, links = rows_of(30), base_links(30)
    before = links.copy()
    none = GraphHits(np.full((1, 4), -1), np.full((1, 4), np.inf, dtype=np.float32), 0)
    ProductLinks(rows, links, most=MOST, threads=1).add(np.zeros(1, dtype=np.uint32), none)
    assert (links == before).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_of_unlike_length_are_found(dtype):
    rows = rows_of(3000, dim=40, spread=0.6).astype(dtype)
    queries = rows_of(200, dim=40, seed=9)
    kind = GraphType()
    index = kind.build(
        VectorRows(rows, None, MetricType.IP), kind.parse_params({}), checkpoint=lambda: None
    )
    exact, _ = scan_topk(MetricType.IP, queries, rows, None, None, 10)
    found = index.search(queries, 10, ef=24).row_ids
    shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(found, exact, strict=True)]
    # Without these links it is 0.67, and with entry rows that are not long 0.44.
    assert np.mean(shares) > 0.95


def test_wrong_shapes_and_rows_are_refused():
    rows, links = rows_of(30), base_links(30)
    with pytest.raises(InvalidArgumentError, match="links: expected some of each of 30 rows"):
        ProductLinks(rows, links[:29], most=MOST, threads=1)
    with pytest.raises(InvalidArgumentError, match="at most all of them"):
        ProductLinks(rows, links, most=17, threads=1)
    linker = ProductLinks(rows, links, most=MOST, threads=1)
    some = np.arange(2, dtype=np.uint32)
    with pytest.raises(InvalidArgumentError, match="as many of each of 2 rows"):
        linker.add(some, hits(rows, some[:1], 5))
    with pytest.raises(InvalidArgumentError, match="below 30, got 30"):
        linker.add(np.array([30], dtype=np.uint32), hits(rows, some[:1], 5))
    wrong = hits(rows, some[:1], 5)
    wrong.row_ids[0, 3] = 30
    with pytest.raises(InvalidArgumentError, match="candidates: expected values below 30, got 30"):
        linker.add(some[:1], wrong)
