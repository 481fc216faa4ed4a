import numpy as np
import pytest

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.kernels import reference
from elanus.kernels.bitset import Bitset
from elanus.kernels.ivf import (
    NO_ROW,
    CentredRows,
    Codebooks,
    Coding,
    InvertedLists,
    code_stride,
    rescore,
    to_panels,
)
from elanus.types import MetricType
from support.ivf_oracle import decode_product, decode_scalar, nearest

DIMS = [1, 3, 16, 24, 33, 65]


def vectors(seed, n, dim):
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def lists_of(num_rows, nlist, granule=1):
    """Deal rows out in turn; return offsets, row ids and the list of each slot."""
    counts = np.array([len(range(i, num_rows, nlist)) for i in range(nlist)])
    padded = -(-counts // granule) * granule
    offsets = np.concatenate([[0], np.cumsum(padded)]).astype(np.int64)
    row_ids = np.full(offsets[-1], NO_ROW, dtype=np.uint32)
    for i in range(nlist):
        row_ids[offsets[i] : offsets[i] + counts[i]] = np.arange(i, num_rows, nlist)
    return offsets, row_ids, np.repeat(np.arange(nlist, dtype=np.uint32), padded)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("k", [1, 15, 16, 17, 70])
def test_nearest_centroid_agrees_with_twin(variant, dim, k):
    rows, centroids, mean = vectors(1, 205, dim), vectors(2, k, dim), vectors(3, 1, dim)[0]
    scale = np.random.default_rng(4).uniform(0.5, 2, 205).astype(np.float32)
    got = CentredRows(rows, scale, mean).nearest(*to_panels(centroids), 5, 200)
    squared = nearest((rows * scale[:, None] - mean)[5:], centroids)
    chosen = squared[np.arange(200), got]
    np.testing.assert_allclose(chosen, squared.min(axis=1), rtol=1e-4, atol=1e-4)
    assert got.dtype == np.uint32


def test_equally_near_centroids_go_to_the_smaller_one(variant):
    rows = np.ones((30, 4), dtype=np.float32)
    centroids = np.repeat(np.array([[5.0], [2.0], [2.0], [0.0]], np.float32), 4, axis=1)
    centroids = np.concatenate([centroids] * 9)
    source = CentredRows(rows, None, np.zeros(4, np.float32))
    assert set(source.nearest(*to_panels(centroids), 0, 30).tolist()) == {1}


@pytest.mark.parametrize("dim", DIMS)
def test_scalar_codes_are_rounded_residuals(variant, dim):
    rows, centroids = vectors(1, 40, dim), vectors(2, 3, dim)
    _, row_ids, lists = lists_of(40, 3)
    steps = np.array([0.1, 0.02, 0.05], dtype=np.float32)
    source = CentredRows(rows, None, np.zeros(dim, np.float32))
    codes, terms = source.encode_scalar(centroids, row_ids, lists, steps)
    residuals = rows[row_ids] - centroids[lists]
    expected = np.clip(np.rint(residuals / steps[lists][:, None]), -128, 127) + 128
    assert np.abs(codes[:, :dim] - expected).max() <= 1  # a half may round either way
    assert (codes[:, dim:] == 128).all()
    assert codes.shape == (40, code_stride(dim))
    decoded = decode_scalar(codes, steps[lists][:, None], dim)
    wanted = (decoded**2 + 2 * decoded * centroids[lists]).sum(axis=1)
    np.testing.assert_allclose(terms, wanted, rtol=1e-3, atol=1e-3)


def product_books(seed, dim, num_subs, bits):
    sub_dim = -(-dim // num_subs)
    codewords = np.zeros((num_subs, 1 << bits, sub_dim), dtype=np.float32)
    for sub in range(num_subs):
        used = min(sub_dim, dim - sub * sub_dim)
        codewords[sub, :, :used] = vectors(seed + sub, 1 << bits, used)
    turned = [to_panels(words) for words in codewords]
    panels = np.concatenate([panels for panels, _ in turned])
    halves = np.concatenate([halves for _, halves in turned])
    return codewords, Codebooks(panels, halves, num_subs, sub_dim, bits)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("dim", "num_subs"), [(8, 4), (25, 5), (23, 12), (7, 7), (3, 1)])
def test_product_codes_are_the_nearest_codewords(variant, bits, dim, num_subs):
    rows, centroids = vectors(1, 70, dim), vectors(2, 2, dim)
    _, row_ids, lists = lists_of(70, 2, granule=32)
    codewords, books = product_books(5, dim, num_subs, bits)
    source = CentredRows(rows, None, np.zeros(dim, np.float32))
    codes, terms = source.encode_product(centroids, row_ids, lists, books)
    decoded = decode_product(codes, codewords, bits)[:, :dim]
    is_row = row_ids != NO_ROW
    residuals = rows[row_ids[is_row]] - centroids[lists[is_row]]
    sub_dim = codewords.shape[2]
    for sub in range(num_subs):
        part = slice(sub * sub_dim, min((sub + 1) * sub_dim, dim))
        used = part.stop - part.start
        best = nearest(residuals[:, part], codewords[sub][:, :used]).min(axis=1)
        got = ((residuals[:, part] - decoded[is_row][:, part]) ** 2).sum(axis=1)
        np.testing.assert_allclose(got, best, rtol=1e-4, atol=1e-4)
    wanted = (decoded**2 + 2 * decoded * centroids[lists]).sum(axis=1)
    np.testing.assert_allclose(terms[is_row], wanted[is_row], rtol=1e-3, atol=1e-3)


def make_lists(metric, coding, dim, bits=4, num_rows=150, nlist=5):
    """Return lists over random rows, and the rows that their codes stand for."""
    rows, centroids = vectors(1, num_rows, dim), vectors(2, nlist, dim)
    mean = vectors(9, 1, dim)[0]
    source = CentredRows(rows, None, mean)
    origin = np.zeros((1, dim), dtype=np.float32)
    step = np.abs(centroids).max() / 127
    probe_codes, probe_terms = CentredRows(centroids, None, origin[0]).encode_scalar(
        origin,
        np.arange(nlist, dtype=np.uint32),
        np.zeros(nlist, np.uint32),
        np.array([step], np.float32),
    )
    offsets, row_ids, lists = lists_of(num_rows, nlist, 32 if coding == Coding.PRODUCT else 1)
    arrays = {
        "mean": mean,
        "centroids": centroids,
        "probe_codes": probe_codes,
        "probe_terms": probe_terms,
        "offsets": offsets,
        "row_ids": row_ids,
    }
    is_row = row_ids != NO_ROW
    order = np.argsort(row_ids[is_row])
    books, decoded = None, rows
    if coding == Coding.SCALAR:
        steps = np.full(nlist, 0.05, dtype=np.float32)
        arrays["codes"], terms = source.encode_scalar(centroids, row_ids, lists, steps)
        arrays["steps"] = steps
        decoded = (decode_scalar(arrays["codes"], 0.05, dim) + centroids[lists] + mean)[order]
    elif coding == Coding.PRODUCT:
        codewords, books = product_books(5, dim, -(-dim // 2), bits)
        arrays["codes"], terms = source.encode_product(centroids, row_ids, lists, books)
        residuals = decode_product(arrays["codes"], codewords, bits)[:, :dim]
        decoded = (residuals + centroids[lists] + mean)[is_row][order]
    if coding != Coding.NONE and metric is MetricType.L2:
        arrays["terms"] = terms
    return rows, decoded, arrays, books, float(step)


CODINGS = [(Coding.NONE, 4), (Coding.SCALAR, 4), (Coding.PRODUCT, 4), (Coding.PRODUCT, 8)]


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP])
@pytest.mark.parametrize(("coding", "bits"), CODINGS)
@pytest.mark.parametrize("dim", [3, 24, 70, 385])
def test_distances_in_the_lists_are_those_of_what_the_codes_stand_for(
    variant, metric, coding, bits, dim
):
    rows, decoded, arrays, books, step = make_lists(metric, coding, dim, bits)
    lists = InvertedLists(arrays, books, metric, coding, num_rows=150, probe_step=step)
    query = vectors(7, 1, dim)
    found, distances = lists.search(
        query, 150, num_probes=5, least_rows=1, rows=rows, row_scale=None
    )
    assert sorted(found[0].tolist()) == list(range(150))
    exact = reference.distances_to_rows(
        metric, query[0], decoded.astype(np.float32), None, found[0]
    )
    if coding != Coding.NONE:
        # Codes leave out what all rows share: compare differences.
        shift = np.median(distances[0] - exact)
        # The query has 8 bits, tables of 4-bit codes as well.
        spread = np.abs(exact).max() * (0.02 if coding == Coding.SCALAR else 0.03)
        np.testing.assert_allclose(distances[0], exact + shift, atol=max(spread, 0.05))
    else:
        np.testing.assert_allclose(distances[0], exact, rtol=1e-4, atol=1e-4)
    assert (np.diff(distances[0]) >= 0).all()


@pytest.mark.parametrize(("coding", "bits"), CODINGS)
def test_variants_agree_on_the_distances_of_codes(coding, bits):
    from elanus.kernels.cpu import active_variant, available_variants, set_active_variant

    rows, _, arrays, books, step = make_lists(MetricType.L2, coding, 70, bits)
    before = active_variant()
    results = []
    try:
        for name in available_variants():
            set_active_variant(name)
            lists = InvertedLists(
                arrays, books, MetricType.L2, coding, num_rows=150, probe_step=step
            )
            results.append(
                lists.search(vectors(7, 9, 70), 20, num_probes=2, least_rows=1, rows=rows)
            )
    finally:
        set_active_variant(before)
    for ids, distances in results[1:]:
        np.testing.assert_allclose(distances, results[0][1], rtol=1e-4)
        assert np.mean(ids == results[0][0]) > 0.95


@pytest.mark.parametrize(("coding", "bits"), CODINGS)
def test_search_goes_on_until_it_has_met_enough_allowed_rows(variant, coding, bits):
    rows, _, arrays, books, step = make_lists(MetricType.L2, coding, 24, bits)
    lists = InvertedLists(arrays, books, MetricType.L2, coding, num_rows=150, probe_step=step)
    mask = np.zeros(150, dtype=np.bool_)
    mask[::7] = True
    allowed = Bitset.from_mask(mask)
    wanted = int(mask.sum())
    found, _ = lists.search(
        vectors(7, 4, 24), 30, num_probes=1, least_rows=wanted, allowed=allowed, rows=rows
    )
    for row in found:
        assert sorted(row[:wanted].tolist()) == np.flatnonzero(mask).tolist()
        assert (row[wanted:] == -1).all()
    # One list holds 30 rows here, four or five of them allowed.
    found, _ = lists.search(
        vectors(7, 4, 24), 30, num_probes=1, least_rows=1, allowed=allowed, rows=rows
    )
    assert ((found >= 0).sum(axis=1) <= 5).all()


def test_query_that_is_no_number_gives_rows_and_no_crash(variant):
    for coding, bits in CODINGS:
        rows, _, arrays, books, step = make_lists(MetricType.L2, coding, 24, bits)
        lists = InvertedLists(arrays, books, MetricType.L2, coding, num_rows=150, probe_step=step)
        for value in (np.nan, np.inf, -np.inf, 3e38):
            query = np.full((1, 24), value, dtype=np.float32)
            found, distances = lists.search(query, 5, num_probes=5, least_rows=5, rows=rows)
            assert (found >= 0).all()
            assert not np.isnan(distances).any()


def test_rescore_is_the_scan_of_the_candidates(variant):
    rows, queries = vectors(1, 90, 33), vectors(2, 4, 33)
    rng = np.random.default_rng(3)
    candidates = np.stack([rng.choice(90, 20, replace=False) for _ in range(4)]).astype(np.int64)
    candidates[:, 5] = -1
    ids, distances = rescore(MetricType.IP, queries, rows, None, candidates, 7)
    for i in range(4):
        allowed = Bitset.from_rows(candidates[i][candidates[i] >= 0], 90)
        expected = reference.scan_topk(MetricType.IP, queries[i : i + 1], rows, None, allowed, 7)
        assert ids[i].tolist() == expected[0][0].tolist()
        np.testing.assert_allclose(distances[i], expected[1][0], rtol=1e-5, atol=1e-5)


def test_rescore_refuses_rows_that_are_none_or_twice():
    rows, query = vectors(1, 9, 4), vectors(2, 1, 4)
    with pytest.raises(InvalidArgumentError, match="got 9"):
        rescore(MetricType.L2, query, rows, None, np.array([[1, 9]]), 1)
    with pytest.raises(CorruptionError, match="twice"):
        rescore(MetricType.L2, query, rows, None, np.array([[1, 1]]), 1)


def test_wrong_arrays_are_refused_with_what_was_expected():
    rows = vectors(1, 9, 4)
    with pytest.raises(InvalidArgumentError, match="mean: expected 4"):
        CentredRows(rows, None, np.zeros(3, np.float32))
    with pytest.raises(InvalidArgumentError, match="dtype float64"):
        CentredRows(rows.astype(np.float64), None, np.zeros(4, np.float32))
    source = CentredRows(rows, None, np.zeros(4, np.float32))
    with pytest.raises(InvalidArgumentError, match="panels"):
        source.nearest(np.zeros(60, np.float32), np.zeros(16, np.float32), 0, 9)
    with pytest.raises(InvalidArgumentError, match="outside"):
        source.residual_peaks(rows[:2], np.array([9], np.uint32), np.array([0], np.uint32))
