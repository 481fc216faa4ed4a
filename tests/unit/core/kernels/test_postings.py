import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import InvalidArgumentError
from elanus.kernels import reference
from elanus.kernels.bitset import Bitset
from elanus.kernels.growing_postings import GrowingPostings
from elanus.kernels.packing import FrequencyCoding, PackedPostings
from elanus.kernels.postings import Bm25Scoring, SealedPostings
from elanus.types import Float32Array, Int64Array, UInt32Array


@dataclass(frozen=True)
class SparseRows:
    """Sparse vectors of consecutive rows, as ``GrowingPostings.append`` takes them."""

    offsets: Int64Array
    terms: UInt32Array
    weights: Float32Array

    @property
    def num_rows(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> UInt32Array:
        sums = np.add.reduceat(np.append(self.weights, 0), self.offsets[:-1])
        return np.where(np.diff(self.offsets) > 0, sums, 0).astype(np.uint32)


def sparse_rows(rows: list[dict[int, float]]) -> SparseRows:
    return SparseRows(
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array([term for row in rows for term in row], dtype=np.uint32),
        np.array([weight for row in rows for weight in row.values()], dtype=np.float32),
    )


def random_rows(seed: int, num_rows: int, num_terms: int) -> SparseRows:
    """Rows of Zipf-like terms with small term frequencies."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(num_rows):
        terms = np.unique((num_terms * rng.random(12) ** 3).astype(int))
        rows.append({int(t): float(rng.integers(1, 9)) for t in terms})
    return sparse_rows(rows)


def grown(rows: SparseRows) -> GrowingPostings:
    postings = GrowingPostings()
    postings.append(rows.offsets, rows.terms, rows.weights)
    return postings


def sealed(rows: SparseRows, num_terms: int) -> SealedPostings:
    packed = PackedPostings.pack(*grown(rows).export_csr(rows.num_rows, num_terms), rows.num_rows)
    return SealedPostings(packed, rows.num_rows)


def sealed_frequencies(rows: SparseRows, num_terms: int) -> SealedPostings:
    """Return postings whose weights, whole numbers, are coded as term frequencies."""
    lengths = rows.lengths()
    coding = FrequencyCoding(1.2, 0.75, float(lengths.mean()), lengths)
    arrays = grown(rows).export_csr(rows.num_rows, num_terms)
    return SealedPostings(
        PackedPostings.pack(*arrays, rows.num_rows, coding), rows.num_rows, coding
    )


def twin(rows: SparseRows, num_rows: int) -> reference.Postings:
    return reference.Postings.from_rows(rows.offsets, rows.terms, rows.weights, num_rows)


def query(*pairs: tuple[int, float]) -> tuple[UInt32Array, Float32Array]:
    terms = np.array([term for term, _ in pairs], dtype=np.uint32)
    return terms, np.array([weight for _, weight in pairs], dtype=np.float32)


def assert_same(
    got: tuple[Int64Array, Float32Array], expected: tuple[Int64Array, Float32Array]
) -> None:
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    assert (got[0].dtype, got[1].dtype) == (np.int64, np.float32)


def bm25_of(rows: SparseRows) -> Bm25Scoring:
    lengths = rows.lengths()
    return Bm25Scoring(1.2, 0.75, float(lengths.mean()), lengths)


# --- values ---------------------------------------------------------------------------------

THREE = sparse_rows([{0: 1.0, 2: 2.0}, {1: 3.0}, {0: -1.0, 1: 1.0}])


def test_inner_product_worked_by_hand() -> None:
    hits = sealed(THREE, 3).search(*query((0, 2.0), (1, 1.0)), 10)
    assert (hits[0].tolist(), hits[1].tolist()) == ([1, 0, 2], [-3.0, -2.0, 1.0])


def test_bm25_worked_by_hand() -> None:
    bm25 = Bm25Scoring(1.0, 0.5, 2.0, np.array([3, 3, 2], dtype=np.uint32))
    hits = sealed(sparse_rows([{0: 1, 1: 2}, {1: 3}, {0: 1, 1: 1}]), 2).search(
        *query((1, 4.0)), 10, bm25=bm25
    )
    # tf * 2 / (tf + 1 - 0.5 + 0.5 * length / 2), four times.
    assert hits[0].tolist() == [1, 0, 2]
    np.testing.assert_allclose(hits[1], [-4 * 6 / 4.25, -4 * 4 / 3.25, -4.0], rtol=1e-6)


def test_matched_rows_are_found_also_with_score_zero_or_below() -> None:
    rows = sparse_rows([{0: 0.0}, {0: -0.0}, {0: 1.0, 1: -1.0}, {2: 1.0}, {0: -5.0}, {}])
    for postings in (sealed(rows, 3), grown(rows)):
        extra = {"num_rows": 6} if isinstance(postings, GrowingPostings) else {}
        hits = postings.search(*query((0, 1.0), (1, 1.0)), 10, **extra)
        assert (hits[0].tolist(), hits[1].tolist()) == ([0, 1, 2, 4], [0.0, 0.0, 0.0, 5.0])
        assert not np.signbit(hits[1]).any()


def test_ties_go_to_the_smaller_row() -> None:
    rows = sparse_rows([{0: 1.0}] * 1000)
    assert sealed(rows, 1).search(*query((0, 1.0)), 5)[0].tolist() == [0, 1, 2, 3, 4]


def test_scores_that_are_no_numbers_sort_last() -> None:
    rows = sparse_rows([{0: np.nan}, {0: 1.0}, {0: np.inf}, {0: -np.inf}, {0: 2.0}])
    hits = sealed(rows, 1).search(*query((0, 1.0)), 9)
    assert hits[0].tolist() == [2, 4, 1, 0, 3]
    assert hits[1].tolist() == [-np.inf, -2.0, -1.0, np.inf, np.inf]


# --- against the twin -----------------------------------------------------------------------


@pytest.mark.parametrize("num_rows", [1, 63, 64, 65, 255, 256, 257, 3000])
@pytest.mark.parametrize("share", [None, 0.0, 0.003, 0.5])
@pytest.mark.parametrize("uses_bm25", [False, True])
def test_search_has_the_bits_of_the_twin(
    num_rows: int, share: float | None, uses_bm25: bool
) -> None:
    rng = np.random.default_rng(num_rows)
    rows = random_rows(num_rows, num_rows, 40)
    allowed = None if share is None else Bitset.from_mask(rng.random(num_rows) < share)
    bm25 = bm25_of(rows) if uses_bm25 else None
    # Repeated, common, rare and negative.
    wanted = query((0, 1.37), (7, 0.2), (0, 0.11), (39, 5.3), (3, -0.7))
    expected_from = twin(rows, num_rows)
    growing = grown(rows)
    fixed = sealed_frequencies(rows, 40) if uses_bm25 else sealed(rows, 40)
    for k in (1, 10, 100, num_rows + 1):
        expected = expected_from.search(*wanted, k, allowed=allowed, bm25=bm25)
        assert_same(fixed.search(*wanted, k, allowed=allowed, bm25=bm25), expected)
        got = growing.search(*wanted, k, num_rows=num_rows, allowed=allowed, bm25=bm25)
        assert_same(got, expected)
    every_row = rng.permutation(num_rows)
    expected_distances = expected_from.distances_to_rows(*wanted, every_row, bm25=bm25)
    got_distances = fixed.distances_to_rows(*wanted, every_row, bm25=bm25)
    np.testing.assert_array_equal(got_distances, expected_distances)
    got_distances = growing.distances_to_rows(*wanted, every_row, num_rows=num_rows, bm25=bm25)
    np.testing.assert_array_equal(got_distances, expected_distances)


weights_of_terms = st.floats(-4, 4, width=16).map(float)
documents = st.lists(st.dictionaries(st.integers(0, 6), weights_of_terms, max_size=5), max_size=90)
queries = st.lists(st.tuples(st.integers(0, 6), weights_of_terms), max_size=5)


@given(documents, queries, st.integers(1, 20), st.data())
def test_any_postings_agree_with_the_twin(
    documents: list[dict[int, float]],
    wanted: list[tuple[int, float]],
    k: int,
    data: st.DataObject,
) -> None:
    rows = sparse_rows(documents)
    num_rows = data.draw(st.integers(0, rows.num_rows))
    bits = data.draw(st.lists(st.booleans(), min_size=num_rows, max_size=num_rows))
    allowed = data.draw(st.sampled_from([None, Bitset.from_mask(np.array(bits, dtype=bool))]))
    expected_from = twin(rows, num_rows)
    growing = grown(rows)
    packed = PackedPostings.pack(*growing.export_csr(num_rows, 7), num_rows)
    fixed = SealedPostings(packed, num_rows)
    terms = np.arange(7, dtype=np.uint32)

    expected = expected_from.search(*query(*wanted), k, allowed=allowed)
    assert_same(fixed.search(*query(*wanted), k, allowed=allowed), expected)
    got = growing.search(*query(*wanted), k, num_rows=num_rows, allowed=allowed)
    assert_same(got, expected)
    frequencies = expected_from.document_frequencies(terms, alive=allowed)
    np.testing.assert_array_equal(fixed.document_frequencies(terms, alive=allowed), frequencies)
    np.testing.assert_array_equal(
        growing.document_frequencies(terms, num_rows=num_rows, alive=allowed), frequencies
    )


# --- growing --------------------------------------------------------------------------------


def test_batches_number_rows_consecutively_and_offsets_may_start_later() -> None:
    growing = GrowingPostings()
    assert growing.append(THREE.offsets[:2], THREE.terms, THREE.weights) == 0
    assert growing.append(THREE.offsets[1:], THREE.terms, THREE.weights) == 1
    assert growing.append(np.zeros(1, np.int64), THREE.terms, THREE.weights) == 3
    assert (growing.num_rows, growing.num_postings) == (3, 5)
    for got, expected in zip(growing.export_csr(3, 3), grown(THREE).export_csr(3, 3), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_export_lists_postings_by_term() -> None:
    offsets, rows, weights = grown(THREE).export_csr(3, 5)
    assert offsets.tolist() == [0, 2, 4, 5, 5, 5]
    assert rows.tolist() == [0, 2, 1, 2, 0]
    assert weights.tolist() == [1.0, -1.0, 3.0, 1.0, 2.0]
    assert (rows.dtype, weights.dtype) == (np.uint32, np.float32)
    with pytest.raises(InvalidArgumentError, match=r"num_terms: .* largest term id 2, got 2"):
        grown(THREE).export_csr(3, 2)


def test_export_keeps_any_32_bit_term() -> None:
    growing = grown(sparse_rows([{4294967295: 1.0, 7: 2.0}, {7: 3.0}, {9: 1.0}]))
    assert growing.terms(2).tolist() == [7, 4294967295]
    terms = np.array([4294967295, 8, 7], dtype=np.uint32)
    exported = [array.tolist() for array in growing.export_postings(terms, 2)]
    assert exported == [[0, 1, 1, 3], [0, 0, 1], [1.0, 2.0, 3.0]]


def test_lists_of_near_and_far_terms_grow_side_by_side() -> None:
    """Small numbers of terms are places in an array, others are in a map, and some move up."""
    rng = np.random.default_rng(8)
    near, far = np.arange(3000), rng.integers(5000, 2**32, size=40)
    rows = [
        {int(t): float(i) for t in {*rng.choice(near[: 8 * i + 8], 5), *rng.choice(far, 2), 4000}}
        for i in range(400)
    ]
    growing = grown(sparse_rows(rows))
    expected = sorted({term for row in rows[:333] for term in row})
    terms = growing.terms(333)
    assert terms.tolist() == expected
    offsets, got_rows, weights = growing.export_postings(terms, 333)
    for place, term in enumerate(expected):
        start, stop = offsets[place], offsets[place + 1]
        assert got_rows[start:stop].tolist() == [i for i, r in enumerate(rows[:333]) if term in r]
        assert weights[start:stop].tolist() == got_rows[start:stop].tolist()


def test_unknown_terms_match_nothing() -> None:
    hits = grown(THREE).search(*query((12345, 1.0)), 3, num_rows=3)
    assert (hits[0].tolist(), hits[1].tolist()) == ([], [])


def test_readers_see_their_snapshot_while_a_writer_appends() -> None:
    rows = random_rows(5, 1200, 20)
    growing = GrowingPostings()
    wanted = query((0, 1.0), (1, 0.5), (7, 2.0))
    failures: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            num_rows = growing.num_rows
            got = growing.search(*wanted, 10, num_rows=num_rows)
            expected = twin(rows, num_rows).search(*wanted, 10)
            if not (np.array_equal(got[0], expected[0]) and np.array_equal(got[1], expected[1])):
                failures.append(f"{num_rows} rows: got {got}, expected {expected}")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for start in range(0, 1200, 10):
        growing.append(rows.offsets[start : start + 11], rows.terms, rows.weights)
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert growing.num_rows == 1200


def test_a_refused_batch_changes_nothing() -> None:
    growing = grown(THREE)
    for offsets in ([0, 9], [3, 1], [], [-1, 2]):
        with pytest.raises(InvalidArgumentError, match="offsets"):
            growing.append(np.array(offsets, dtype=np.int64), THREE.terms, THREE.weights)
    with pytest.raises(InvalidArgumentError, match="weights: expected one for each of 5"):
        growing.append(THREE.offsets, THREE.terms, THREE.weights[:4])
    assert (growing.num_rows, growing.num_postings) == (3, 5)


def test_snapshots_larger_than_the_postings_are_refused() -> None:
    growing = grown(THREE)
    for call in (
        lambda: growing.search(*query((0, 1.0)), 1, num_rows=4),
        lambda: growing.terms(4),
        lambda: growing.export_postings(np.zeros(1, np.uint32), 4),
        lambda: growing.document_frequencies(np.zeros(1, np.uint32), num_rows=4),
    ):
        with pytest.raises(InvalidArgumentError, match="num_rows: expected at most the 3 rows"):
            call()


# --- damaged and wrong input ----------------------------------------------------------------


def test_wrong_queries_are_named() -> None:
    postings = sealed(THREE, 3)
    terms, weights = query((0, 1.0))
    with pytest.raises(InvalidArgumentError, match=r"terms: expected values in \[0, 3\), got 3"):
        postings.search(*query((3, 1.0)), 1)
    with pytest.raises(InvalidArgumentError, match="weights: expected one for each of 1 query"):
        postings.search(terms, weights[:0], 1)
    with pytest.raises(InvalidArgumentError, match=r"terms: .* got dtype int64"):
        postings.search(terms.astype(np.int64), weights, 1)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="k: expected 1 to"):
        postings.search(terms, weights, 0)
    with pytest.raises(InvalidArgumentError, match="bitset: expected 1 words for 3 rows"):
        postings.search(terms, weights, 1, allowed=Bitset.full(70))
    with pytest.raises(InvalidArgumentError, match=r"row_ids: expected values in \[0, 3\)"):
        postings.distances_to_rows(terms, weights, np.array([3]))


def test_wrong_arrays_are_named() -> None:
    offsets, rows, weights = grown(THREE).export_csr(3, 3)
    with pytest.raises(InvalidArgumentError, match="offsets: expected at least 1 value"):
        PackedPostings.pack(offsets[:0], rows, weights, 3)
    with pytest.raises(InvalidArgumentError, match="weights: expected one for each of 5 postings"):
        PackedPostings.pack(offsets, rows, weights[:4], 3)
    with pytest.raises(InvalidArgumentError, match=r"rows: .* uint32 .* got dtype int64"):
        PackedPostings.pack(offsets, rows.astype(np.int64), weights, 3)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"rows: .* ascend .*, below 2, got 2"):
        PackedPostings.pack(offsets, rows, weights, 2)
    packed = PackedPostings.pack(offsets, rows, weights, 3)
    with pytest.raises(InvalidArgumentError, match="starts: expected one for each of 3 terms"):
        SealedPostings(PackedPostings(packed.entries, packed.starts[:2], packed.data), 3)
    with pytest.raises(InvalidArgumentError, match="bytes: expected at least 128, got 127"):
        SealedPostings(PackedPostings(packed.entries, packed.starts, packed.data[:127]), 3)
    with pytest.raises(InvalidArgumentError, match=r"bytes: .* multiple of 4"):
        SealedPostings(PackedPostings(packed.entries, packed.starts, packed.data[1:]), 3)


@pytest.mark.parametrize(
    ("k1", "b", "average", "message"),
    [
        (-1.0, 0.5, 1.0, "k1: "),
        (np.inf, 0.5, 1.0, "k1: "),
        (1.2, 1.5, 1.0, "b: expected 0 to 1"),
        (1.2, np.nan, 1.0, "b: expected 0 to 1"),
        (1.2, 0.5, -1.0, "average_length: "),
        (1.2, 0.5, np.nan, "average_length: "),
    ],
)
def test_bm25_numbers_out_of_range_are_named(
    k1: float, b: float, average: float, message: str
) -> None:
    bm25 = Bm25Scoring(k1, b, average, np.ones(3, np.uint32))
    with pytest.raises(InvalidArgumentError, match=message):
        sealed(THREE, 3).search(*query((0, 1.0)), 1, bm25=bm25)


def test_bm25_needs_a_length_for_each_row() -> None:
    bm25 = Bm25Scoring(1.2, 0.75, 1.0, np.ones(2, np.uint32))
    with pytest.raises(InvalidArgumentError, match=r"lengths: .* 3 rows, got 2"):
        sealed(THREE, 3).search(*query((0, 1.0)), 1, bm25=bm25)
    with pytest.raises(InvalidArgumentError, match=r"lengths: .* uint32 .* got dtype float64"):
        Bm25Scoring(1.2, 0.75, 1.0, np.ones(3))  # type: ignore[arg-type]


def test_postings_read_memory_mapped_arrays_and_keep_them_alive(tmp_path: Path) -> None:
    mapped = []
    packed = PackedPostings.pack(*grown(THREE).export_csr(3, 3), 3)
    for array in (packed.entries, packed.starts, packed.data):
        np.save(tmp_path / "array.npy", array)
        mapped.append(np.load(tmp_path / "array.npy", mmap_mode="r"))
        (tmp_path / "array.npy").unlink()
    postings = SealedPostings(PackedPostings(*mapped), 3)
    mapped.clear()
    assert postings.search(*query((1, 1.0)), 3)[0].tolist() == [1, 2]
    assert (postings.num_terms, postings.num_rows) == (3, 3)
