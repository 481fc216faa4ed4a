"""The nearest of several lists, with ties by primary key."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elanus.index.base import Candidates
from elanus.query.merge import MOST_TIES, merge, search_with_ties, table_of


def candidates(pairs):
    rows = np.array([row for row, _ in pairs], dtype=np.int64)
    return Candidates(rows, np.array([d for _, d in pairs], dtype=np.float32))


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=4), st.integers(1, 15), st.randoms()
)
def test_merge_equals_sorting_everything(distances, limit, random):
    per_source = [candidates(list(enumerate(sorted(d)))) for d in distances]
    pks = {(s, row): random.random() for s, d in enumerate(distances) for row in range(len(d))}
    tables = [table_of([c]) for c in per_source]

    def read_pks(sources, rows):
        return [pks[place] for place in zip(sources.tolist(), rows.tolist(), strict=True)]

    found = merge(tables, 1, limit, read_pks)
    everything = sorted(
        (float(distance), pks[s, row], s, row)
        for s, d in enumerate(distances)
        for row, distance in enumerate(sorted(d))
    )
    assert [
        (distance, pks[source, row], source, row)
        for distance, source, row in zip(
            found.distances[0].tolist(),
            found.sources[0].tolist(),
            found.row_ids[0].tolist(),
            strict=True,
        )
    ] == everything[:limit]


def test_more_is_fetched_only_when_the_cut_falls_between_equals():
    asked = []

    def search(distances):
        def nearest(n):
            asked.append(n)
            return candidates(list(enumerate(distances))[:n])

        return nearest

    assert len(search_with_ties(search([1, 2, 3, 4, 5]), 3, 5)) == 4
    assert asked == [4]
    asked.clear()
    assert len(search_with_ties(search([1, 2, 2, 2, 2, 5, 6]), 2, 7)) == 7
    assert asked == [3, 12]


def test_a_sea_of_equals_is_bounded():
    sizes = []

    def nearest(n):
        sizes.append(n)
        return candidates([(row, 1.0) for row in range(min(n, 100_000))])

    search_with_ties(nearest, 10, 100_000)
    assert sizes[-1] == 10 + MOST_TIES
