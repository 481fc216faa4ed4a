"""The suite that every dense index type has to pass.

Subclass ``VectorIndexContract`` and override ``index_type``; pytest runs the rest.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pytest

from elanus.errors import CorruptionError
from elanus.index.base import CandidateTable, VectorIndex, VectorIndexType, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import inverse_norms
from elanus.types import Float32Array, Int64Array, MetricType

NUM_ROWS = 3_000
DIM = 24
EF = 200
_BUILT: dict[tuple[type, MetricType], VectorIndex] = {}
"""Candidate list with which an approximate index has to reach ``min_recall``."""


class VectorIndexContract(ABC):
    """What ``index.base.VectorIndex`` promises, as tests."""

    min_recall = 0.9
    survives_damage = False
    """Whether damaged arrays raise ``CorruptionError`` at worst; a foreign library may crash on
    them, which the checksums of index files keep from happening."""

    @abstractmethod
    def index_type(self) -> VectorIndexType:
        """Return the index type under test."""

    def vectors(self, count: int = NUM_ROWS, seed: int = 0) -> Float32Array:
        """Return clustered vectors, float32 ``(count, DIM)``."""
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(40, DIM)) * 2
        rows = centres[rng.integers(0, 40, count)] + rng.normal(size=(count, DIM))
        return rows.astype(np.float32)

    def rows(self, metric: MetricType, count: int = NUM_ROWS) -> VectorRows:
        """Return rows of one metric."""
        return self.made(self.vectors(count), metric)

    def made(self, values: Float32Array, metric: MetricType) -> VectorRows:
        """Return vectors as rows of a metric."""
        scale = inverse_norms(values) if metric is MetricType.COSINE else None
        return VectorRows(values, scale, metric)

    def queries(self, metric: MetricType, count: int = 30) -> Float32Array:
        """Return queries; of unit length for COSINE."""
        queries = self.vectors(count, seed=1)
        if metric is MetricType.COSINE:
            queries = queries * inverse_norms(queries)[:, None]
        return np.ascontiguousarray(queries, dtype=np.float32)

    def build(self, rows: VectorRows, **params: Any) -> VectorIndex:
        """Build an index."""
        kind = self.index_type()
        return kind.build(rows, kind.parse_params(params), checkpoint=lambda: None)

    def built(self, metric: MetricType) -> VectorIndex:
        """Return an index of the rows of a metric, built once for all tests that only search."""
        key = (type(self), metric)
        if key not in _BUILT:
            _BUILT[key] = self.build(self.rows(metric))
        return _BUILT[key]

    @pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
    def test_finds_the_nearest_rows(self, metric: MetricType) -> None:
        rows, queries = self.rows(metric), self.queries(metric)
        exact = FlatIndex(rows).search(queries, 10)
        found = self.built(metric).search(queries, 10, ef=EF)
        same = [
            len(np.intersect1d(a, b)) for a, b in zip(exact.row_ids, found.row_ids, strict=True)
        ]
        assert sum(same) / exact.row_ids.size >= self.min_recall
        assert (np.diff(found.distances, axis=1) >= 0).all()

    @pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
    def test_distances_are_those_of_an_exact_scan(self, metric: MetricType) -> None:
        rows, queries = self.rows(metric, 500), self.queries(metric, 5)
        every = FlatIndex(rows).search(queries, 500)
        found = self.build(rows).search(queries, 10, ef=EF)
        for i in range(len(queries)):
            exact = dict(zip(every.row_ids[i].tolist(), every.distances[i].tolist(), strict=True))
            expected = [exact[row] for row in found.row_ids[i].tolist()]
            assert found.distances[i].tolist() == expected

    @pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001, 0.0])
    def test_filter_returns_all_that_it_can(self, share: float) -> None:
        rows, queries = self.rows(MetricType.COSINE), self.queries(MetricType.COSINE, 10)
        mask = np.zeros(NUM_ROWS, dtype=np.bool_)
        mask[np.random.default_rng(2).choice(NUM_ROWS, int(NUM_ROWS * share), replace=False)] = True
        self._check_filtered(rows, queries, mask)

    def test_filter_that_is_far_from_the_query(self) -> None:
        rows, queries = self.rows(MetricType.L2), self.queries(MetricType.L2, 5)
        far = FlatIndex(rows).search(queries[:1], NUM_ROWS).row_ids[0][-200:]
        mask = np.zeros(NUM_ROWS, dtype=np.bool_)
        mask[far] = True
        self._check_filtered(rows, queries[:1], mask)

    def _check_filtered(self, rows: VectorRows, queries: Float32Array, mask: Any) -> None:
        allowed = Bitset.from_mask(mask)
        found = self.built(rows.metric).search(queries, 10, allowed=allowed, ef=EF)
        exact = FlatIndex(rows).search(queries, 10, allowed=allowed)
        wanted = min(10, int(mask.sum()))
        assert ((found.row_ids >= 0).sum(axis=1) == wanted).all()
        assert mask[found.row_ids[found.row_ids >= 0]].all()
        hits = sum(
            len(np.intersect1d(a[:wanted], b[:wanted]))
            for a, b in zip(exact.row_ids, found.row_ids, strict=True)
        )
        assert hits >= self.min_recall * wanted * len(queries)

    def test_missing_places_are_padded(self) -> None:
        rows = self.rows(MetricType.L2, 3)
        found = self.build(rows).search(self.queries(MetricType.L2, 2), 5, ef=EF)
        assert (found.row_ids[:, 3:] == -1).all()
        assert np.isinf(found.distances[:, 3:]).all()
        assert [sorted(row) for row in found.row_ids[:, :3].tolist()] == [[0, 1, 2], [0, 1, 2]]

    def test_equal_distances_are_ordered_by_row(self) -> None:
        values = np.ascontiguousarray(np.repeat(self.vectors(1), 50, axis=0))
        found = self.build(self.made(values, MetricType.L2)).search(values[:1], 50, ef=EF)
        assert found.row_ids[0].tolist() == list(range(50))

    def test_batch_equals_single_queries(self) -> None:
        rows, queries = self.rows(MetricType.IP), self.queries(MetricType.IP)
        index = self.build(rows)
        batch = index.search(queries, 7, ef=EF)
        for i in range(len(queries)):
            single = index.search(queries[i : i + 1], 7, ef=EF)
            assert single.row_ids[0].tolist() == batch.row_ids[i].tolist()

    def test_stored_form_answers_the_same(self) -> None:
        rows, queries = self.rows(MetricType.COSINE), self.queries(MetricType.COSINE)
        built = self.build(rows)
        header, arrays = built.to_arrays()
        for array in arrays.values():
            array.flags.writeable = False  # as a mapped file is
        opened = self.index_type().open(rows, json.loads(json.dumps(header)), arrays)
        assert opened.index_type == built.index_type
        before, after = built.search(queries, 10, ef=EF), opened.search(queries, 10, ef=EF)
        assert after.row_ids.tolist() == before.row_ids.tolist()
        assert after.distances.tolist() == before.distances.tolist()
        assert opened.ef_for(0.9, 10) == built.ef_for(0.9, 10)

    @pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
    @pytest.mark.parametrize("dead_share", [0.0, 0.2])
    def test_adopted_index_is_as_good_as_a_built_one(
        self, metric: MetricType, dead_share: float
    ) -> None:
        rows, queries = self.rows(metric), self.queries(metric, 300)
        mapping, part = self._split(rows, dead_share)
        adopted = self._adopt(part, rows, mapping)
        if adopted is None:
            pytest.skip("this index type is always built anew")
        assert (adopted.num_rows, adopted.index_type) == (NUM_ROWS, self.index_type().name)
        exact = FlatIndex(rows).search(queries, 10)
        hits = []
        for index in (adopted, self.built(metric)):
            found = index.search(queries, 10, ef=EF)
            pairs = zip(exact.row_ids, found.row_ids, strict=True)
            hits.append(sum(len(np.intersect1d(a, b)) for a, b in pairs) / exact.row_ids.size)
        assert hits[0] >= hits[1] - 0.01
        every = FlatIndex(rows).search(queries[:30], NUM_ROWS)
        found = adopted.search(queries[:30], 10, ef=EF)
        for i in range(30):
            known = dict(zip(every.row_ids[i].tolist(), every.distances[i].tolist(), strict=True))
            expected = [known[row] for row in found.row_ids[i].tolist()]
            assert found.distances[i].tolist() == expected

    def test_adopted_index_finds_every_row_and_is_stored(self) -> None:
        rows = self.rows(MetricType.L2)
        mapping, part = self._split(rows, 0.2)
        adopted = self._adopt(part, rows, mapping)
        if adopted is None:
            pytest.skip("this index type is always built anew")
        header, arrays = adopted.to_arrays()
        opened = self.index_type().open(rows, json.loads(json.dumps(header)), arrays)
        for index in (adopted, opened):
            nearest = index.search(rows.values, 1, ef=EF).row_ids[:, 0]
            assert np.count_nonzero(nearest == np.arange(NUM_ROWS)) >= 0.995 * NUM_ROWS
        # What was adopted from is not touched: it still serves.
        assert part.search(rows.values[:1], 1, ef=EF).row_ids.shape == (1, 1)

    def test_adopting_a_graph_of_few_of_the_rows_is_declined_or_whole(self) -> None:
        rows = self.rows(MetricType.L2)
        mapping, part = self._split(rows, 0.0, share=0.05)
        adopted = self._adopt(part, rows, mapping)
        assert adopted is None or adopted.num_rows == NUM_ROWS

    def _split(
        self, rows: VectorRows, dead_share: float, share: float = 0.7
    ) -> tuple[Int64Array, VectorIndex]:
        """Return an index of other rows, some of which have a place among ``rows``, and where."""
        living = int(NUM_ROWS * share)
        total = int(living / (1 - dead_share))
        rng = np.random.default_rng(3)
        mapping = np.full(total, -1, dtype=np.int64)
        places = np.sort(rng.choice(total, living, replace=False))
        mapping[places] = np.sort(rng.choice(NUM_ROWS, living, replace=False))
        values = self.vectors(total, seed=4)
        values[places] = rows.values[mapping[places]]
        return mapping, self.build(self.made(values, rows.metric))

    def _adopt(
        self, part: VectorIndex, rows: VectorRows, mapping: Int64Array
    ) -> VectorIndex | None:
        kind = self.index_type()
        params = kind.parse_params({})
        return kind.adopt(part, rows, mapping, params, checkpoint=lambda: None)

    def test_larger_recall_never_asks_for_less_work(self) -> None:
        index = self.build(self.rows(MetricType.COSINE))
        asked = [index.ef_for(recall, 10) for recall in (0.5, 0.8, 0.9, 0.95, 0.99)]
        sizes = [float("inf") if ef is None else ef for ef in asked]
        assert sizes == sorted(sizes)

    def test_cancelling_stops_the_build(self) -> None:
        class StopError(Exception):
            pass

        def stop() -> None:
            raise StopError

        kind = self.index_type()
        if kind.name == "FLAT":
            return
        with pytest.raises(StopError):
            kind.build(self.rows(MetricType.L2), kind.parse_params({}), checkpoint=stop)

    @pytest.mark.parametrize("dim", [1, 7, 33])
    def test_any_dimension_with_zero_rows_and_twins(self, dim: int) -> None:
        rng = np.random.default_rng(5)
        values = rng.normal(size=(400, dim)).astype(np.float32)
        values[100:130] = 0
        values[200:240] = values[200]
        queries = np.concatenate([np.zeros((1, dim), np.float32), values[200:201], values[:3]])
        for metric in (MetricType.L2, MetricType.COSINE):
            scale = inverse_norms(values) if metric is MetricType.COSINE else None
            rows = VectorRows(values, scale, metric)
            found = self.build(rows).search(queries, 10, ef=EF)
            every = FlatIndex(rows).search(queries, 400)
            self._check_sound(found, every)
            # A list of the twins alone, in the order of their rows.
            if metric is MetricType.L2:
                assert found.row_ids[1].tolist() == list(range(200, 210))

    @pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
    def test_every_answer_is_sound_at_any_effort(self, metric: MetricType) -> None:
        rows, queries = self.rows(metric, 1_000), self.queries(metric, 5)
        index, every = self.build(rows), FlatIndex(rows).search(queries, 1_000)
        near = np.zeros(1_000, dtype=np.bool_)
        near[every.row_ids[0, :100]] = True  # correlated with one query, far from another
        for mask in (None, near, ~near):
            allowed = None if mask is None else Bitset.from_mask(mask)
            for limit in (1, 10, 60):
                for ef in (1, 5, 50, 5_000):
                    found = index.search(queries, limit, allowed=allowed, ef=ef)
                    assert (found.row_ids >= 0).all()
                    assert mask is None or mask[found.row_ids].all()
                    self._check_sound(found, every)

    def _check_sound(self, found: CandidateTable, every: CandidateTable) -> None:
        """Check that rows are different, and in the order of their exact distances."""
        for i in range(len(found.row_ids)):
            known = dict(zip(every.row_ids[i].tolist(), every.distances[i].tolist(), strict=True))
            rows = found.row_ids[i].tolist()
            assert len(set(rows)) == len(rows)
            assert found.distances[i].tolist() == [known[row] for row in rows]
            pairs = list(zip(found.distances[i].tolist(), rows, strict=True))
            assert pairs == sorted(pairs)

    def test_the_same_rows_give_the_same_index(self) -> None:
        if not self.survives_damage:
            pytest.skip("several threads may build a graph in another order")
        rows = self.rows(MetricType.L2, 1_000)
        first, second = (self.build(rows).to_arrays()[1] for _ in range(2))
        for name, array in first.items():
            np.testing.assert_array_equal(array, second[name])

    def test_damaged_arrays_raise_and_never_crash(self) -> None:
        if not self.survives_damage:
            pytest.skip("a foreign library reads the arrays")
        rows, queries = self.rows(MetricType.L2, 1_000), self.queries(MetricType.L2, 3)
        header, arrays = self.build(rows).to_arrays()
        rng = np.random.default_rng(6)
        for _ in range(60):
            damaged = {name: array.copy() for name, array in arrays.items()}
            self._damage(damaged, sorted(damaged)[rng.integers(len(damaged))], rng)
            try:
                index = self.index_type().open(rows, header, damaged)
                found = index.search(queries, 20, ef=int(rng.choice([1, 4, 1_000])))
            except CorruptionError:
                continue
            assert found.row_ids.max() < 1_000
            assert not np.isnan(found.distances).any()

    def _damage(self, arrays: dict[str, Any], name: str, rng: np.random.Generator) -> None:
        """Drop, cut, retype, or overwrite one array."""
        array = arrays[name]
        kind = rng.integers(5)
        if kind == 0:
            del arrays[name]
        elif kind == 1:
            arrays[name] = array[: rng.integers(len(array) + 1)]
        elif kind == 2:
            arrays[name] = array.astype(np.float64)
        else:
            raw = array.view(np.uint8).reshape(-1)
            places = rng.integers(0, max(raw.size, 1), size=20 if kind == 3 else raw.size)
            if raw.size:
                raw[places] = rng.integers(0, 256, len(places))

    def test_damaged_headers_raise(self) -> None:
        if not self.survives_damage:
            pytest.skip("a foreign library reads the header")
        rows = self.rows(MetricType.L2, 500)
        header, arrays = self.build(rows).to_arrays()
        wrong: tuple[Any, ...] = (None, "x", [], -1)
        for name in header:
            for value in wrong:
                with pytest.raises(CorruptionError):
                    self.index_type().open(rows, {**header, name: value}, arrays)
            left = {key: value for key, value in header.items() if key != name}
            with pytest.raises(CorruptionError):
                self.index_type().open(rows, left, arrays)
