import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import (
    CorruptionError,
    FormatVersionError,
    InternalError,
    InvalidArgumentError,
)
from elanus.index.sparse.inverted import (
    GrowingSparse,
    SealedSparse,
    joined_sections,
    merge_sealed,
)
from elanus.index.sparse.merging import materialized
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import SparseVectorColumn, slice_column

DIMENSIONS = [0, 1, 7, 300, 2**31, 2**32 - 1]
# Quarters add up exactly in float32, so that whole values can be compared.
WEIGHTS = st.integers(-8, 8).map(lambda quarters: quarters / 4)
VECTORS = st.dictionaries(st.sampled_from(DIMENSIONS), WEIGHTS, max_size=5)
ROWS = st.lists(VECTORS, max_size=12)


def column(rows):
    """Return sparse vectors, given as dicts or None, as a column."""
    vectors = [dict(sorted((row or {}).items())) for row in rows]
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(v) for v in vectors], out=offsets[1:])
    validity = np.array([row is not None for row in rows], dtype=np.bool_)
    return SparseVectorColumn(
        offsets,
        np.array([d for v in vectors for d in v], dtype=np.uint32),
        np.array([w for v in vectors for w in v.values()], dtype=np.float32),
        None if validity.all() else validity,
    )


def growing(rows):
    index = GrowingSparse()
    index.append(column(rows))
    return index


def sealed(rows):
    return growing(rows).seal(len(rows))


def reopened(index):
    header, arrays = index.to_arrays()
    for array in arrays.values():
        array.flags.writeable = False
    return SealedSparse.from_arrays(json.loads(json.dumps(header)), arrays)


def search(view, query, limit=100, allowed=None):
    """Return (row, inner product) of every hit, best first."""
    indices = np.array(list(query), dtype=np.uint32)
    values = np.array(list(query.values()), dtype=np.float32)
    found = view.search(indices, values, limit, allowed)
    assert (found.row_ids.dtype, found.distances.dtype) == (np.int64, np.float32)
    return [
        (row, -distance)
        for row, distance in zip(found.row_ids.tolist(), found.distances.tolist(), strict=True)
    ]


def plain_search(rows, query):
    """Return every row that shares a weighted dimension with the query, best first."""
    query = {d: w for d, w in query.items() if w}
    hits = []
    for i, row in enumerate(rows):
        shared = [d for d, w in (row or {}).items() if w and d in query]
        if shared:
            hits.append((i, sum(row[d] * query[d] for d in shared)))
    return sorted(hits, key=lambda hit: (-hit[1], hit[0]))


@pytest.mark.parametrize(
    "make", [lambda r: growing(r).snapshot(len(r)), lambda r: reopened(sealed(r))]
)
def test_inner_products_worked_out_by_hand(make):
    rows = [{1: 2.0, 7: 1.0}, None, {}, {7: 4.0, 2**32 - 1: 1.0}, {1: -1.0}, {0: 9.0}, {7: 0.0}]
    query = {7: 0.5, 1: 3.0, 5: 100.0, 0: 0.0, 2**32 - 1: -2.0}
    assert search(make(rows), query) == [(0, 6.5), (3, 0.0), (4, -3.0)]
    assert search(make(rows), {9: 1.0}) == []
    assert search(make(rows), {}) == []
    assert search(make([]), query) == []


@pytest.mark.parametrize(
    "make", [lambda r: growing(r).snapshot(len(r)), lambda r: reopened(sealed(r))]
)
@given(rows=ROWS, query=VECTORS, data=st.data())
def test_hits_are_those_of_the_plain_twin(make, rows, query, data):
    view = make(rows)
    expected = plain_search(rows, query)
    assert search(view, query) == expected
    limit = data.draw(st.integers(1, 5))
    assert search(view, query, limit) == expected[:limit]
    allowed = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    bits = Bitset.from_mask(np.array(allowed, dtype=np.bool_))
    assert search(view, query, allowed=bits) == [hit for hit in expected if allowed[hit[0]]]


@pytest.mark.parametrize(
    "make", [lambda r: growing(r).snapshot(len(r)), lambda r: reopened(sealed(r))]
)
def test_dropped_weights_choose_no_rows_but_score_those_that_are_found(make):
    rows = [{0: 1.0, 1: 8.0}, {1: 9.0}, {0: 2.0}, {0: 2.0, 7: 1.0}, {300: 5.0}]
    indices = np.array([0, 1, 7, 5], dtype=np.uint32)
    values = np.array([3.0, -0.5, 1.0, 2.0], dtype=np.float32)

    def found(ratio, limit=10):
        hits = make(rows).search(indices, values, limit, drop_ratio_search=ratio)
        return list(zip(hits.row_ids.tolist(), (-hits.distances).tolist(), strict=True))

    assert found(0.0) == [(3, 7.0), (2, 6.0), (0, -1.0), (1, -4.5)]
    # Dimensions 1 and 7 have the smallest weights; row 1 has nothing else.
    assert found(0.24) == found(0.0)
    assert found(0.5) == [(3, 7.0), (2, 6.0), (0, -1.0)]
    assert found(0.5, 1) == [(3, 7.0)]
    for ratio in (-0.1, 1.0, float("nan")):
        with pytest.raises(InvalidArgumentError, match="drop_ratio_search: expected 0 to below 1"):
            found(ratio)


def test_rows_appended_as_slices_are_the_rows_appended_whole():
    rows = [{1: 2.0, 7: 0.0}, None, {7: 1.0}, {}, {0: 0.0, 1: 1.0}]
    index, whole = GrowingSparse(), column(rows)
    for start, stop in ((0, 2), (2, 2), (2, 4), (4, 5)):
        index.append(slice_column(whole, start, stop))
    assert index.num_rows == 5
    assert_same_arrays(index.seal(5), sealed(rows))
    assert index.seal(5).dimensions.tolist() == [1, 7]


def test_snapshot_does_not_see_rows_that_come_later():
    index = growing([{1: 1.0}, {7: 1.0}])
    view = index.snapshot(2)
    index.append(column([{1: 5.0}] * 3))
    assert search(view, {1: 1.0}) == [(0, 1.0)]
    assert search(index.snapshot(5), {1: 1.0}) == [(2, 5.0), (3, 5.0), (4, 5.0), (0, 1.0)]
    assert_same_arrays(index.seal(2), sealed([{1: 1.0}, {7: 1.0}]))
    with pytest.raises(InternalError, match="at most the 5 rows appended, got 6"):
        index.snapshot(6)


@given(rows=ROWS, data=st.data())
def test_merging_gives_what_sealing_the_kept_rows_gives(rows, data):
    cut = data.draw(st.integers(0, len(rows)))
    order = data.draw(st.permutations(range(len(rows))))
    kept = order[: data.draw(st.integers(0, len(rows)))]
    mapping = np.full(len(rows), -1, dtype=np.int64)
    mapping[kept] = np.arange(len(kept))
    parts = [(sealed(rows[:cut]), mapping[:cut]), (sealed(rows[cut:]), mapping[cut:])]
    expected = sealed([rows[i] for i in kept])
    assert_same_arrays(merge_sealed(parts), expected)
    header, sections = joined_sections(parts, at_once=data.draw(st.integers(1, 9)))
    assert_same_arrays(SealedSparse.from_arrays(header, materialized(sections)), expected)


def test_merging_nothing_gives_an_empty_segment():
    assert_same_arrays(merge_sealed([]), sealed([]))


def assert_same_arrays(index, expected):
    header, arrays = index.to_arrays()
    expected_header, expected_arrays = expected.to_arrays()
    assert header == expected_header
    assert arrays.keys() == expected_arrays.keys()
    for name, array in arrays.items():
        assert array.dtype == expected_arrays[name].dtype, name
        assert array.tolist() == expected_arrays[name].tolist(), name


def test_opening_copies_nothing():
    arrays = sealed([{1: 2.0}, {7: 1.0, 1: 1.0}]).to_arrays()[1]
    opened = SealedSparse.from_arrays({"format": 2, "num_rows": 2}, arrays).to_arrays()[1]
    assert all(np.shares_memory(opened[name], array) for name, array in arrays.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, a: a.pop("dimensions"), "array 'dimensions' is missing"),
        (lambda h, a: a.update(dimensions=a["dimensions"][:1]), "1 dimensions but postings of 2"),
        (lambda h, a: a.update(posting_starts=a["posting_starts"][:0]), "postings: 2 entries, 0 "),
        (lambda h, a: h.pop("num_rows"), "the header is damaged"),
    ],
)
def test_damaged_arrays_are_refused(change, message):
    header, arrays = sealed([{1: 2.0}, {7: 1.0}]).to_arrays()
    change(header, arrays)
    with pytest.raises(CorruptionError, match=message):
        SealedSparse.from_arrays(header, arrays)


def test_a_newer_format_is_refused():
    header, arrays = sealed([{1: 2.0}]).to_arrays()
    with pytest.raises(FormatVersionError, match="format 3 is newer than 2"):
        SealedSparse.from_arrays({**header, "format": 3}, arrays)
