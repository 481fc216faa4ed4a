"""FLAT_SQ8 verifies what it reads, refuses codes of other rows, and serves a collection."""

import numpy as np
import pytest

import elanus
from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.index.base import VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.flat_sq8 import FlatSQ8Index, FlatSQ8Type
from elanus.kernels.quantized import ScanCodes
from elanus.types import DataType, Float32Array, Int64Array, MetricType

VALUES = np.random.default_rng(0).standard_normal((6_000, 32), dtype=np.float32)
QUERY = VALUES[:1] + 0.1


class Guard:
    """Remembers which rows were checked; one cannot be."""

    def __init__(self, damaged: int) -> None:
        self.checked: set[int] = set()
        self._damaged = damaged

    def check_all(self) -> None:
        self.check_range(0, len(VALUES))

    def check_range(self, start: int, stop: int) -> None:
        self.check_rows(np.arange(start, stop))

    def check_rows(self, rows: Int64Array) -> None:
        self.checked.update(rows.tolist())
        if self._damaged in self.checked:
            raise CorruptionError("damaged", path="a.vec", offset=self._damaged)


def guarded(values: Float32Array, damaged: int) -> tuple[FlatSQ8Index, Guard]:
    guard = Guard(damaged)
    rows = VectorRows(values, None, MetricType.L2, guard)
    return FlatSQ8Index(rows, ScanCodes.encode(MetricType.L2, values, None)), guard


def test_only_rows_that_are_read_are_verified() -> None:
    found = FlatIndex(VectorRows(VALUES, None, MetricType.L2)).search(QUERY, 10)
    index, guard = guarded(VALUES, damaged=-1)
    np.testing.assert_array_equal(index.search(QUERY, 10).row_ids, found.row_ids)
    assert set(found.row_ids[0].tolist()) <= guard.checked
    assert len(guard.checked) < 1_000


def test_damage_of_a_row_that_is_read_is_found() -> None:
    index, _ = guarded(VALUES, damaged=0)
    with pytest.raises(CorruptionError, match="damaged"):
        index.search(QUERY, 1)


def test_all_rows_are_verified_when_all_are_read() -> None:
    same = np.ascontiguousarray(np.broadcast_to(VALUES[0], VALUES.shape))
    index, guard = guarded(same, damaged=-1)
    assert index.search(QUERY, 3).row_ids.tolist() == [[0, 1, 2]]
    assert len(guard.checked) == len(VALUES)


def test_codes_of_other_rows_are_refused() -> None:
    kind = FlatSQ8Type()
    built = kind.build(VectorRows(VALUES, None, MetricType.L2), {}, checkpoint=lambda: None)
    header, arrays = built.to_arrays()
    for rows in (
        VectorRows(VALUES[:-1], None, MetricType.L2),
        VectorRows(np.ascontiguousarray(VALUES[:, :31]), None, MetricType.L2),
        VectorRows(VALUES, None, MetricType.IP),
    ):
        with pytest.raises(CorruptionError, match="scan codes cover 6000 rows of dim 32 for L2"):
            kind.open(rows, header, arrays)
    assert kind.memory_bytes(6_000, 32, DataType.FLOAT_VECTOR, {}) == sum(
        a.nbytes for a in arrays.values()
    )


def test_takes_no_parameters() -> None:
    with pytest.raises(InvalidArgumentError, match="FLAT_SQ8 takes no parameters, got M"):
        FlatSQ8Type().parse_params({"M": 4})


def test_a_collection_is_searched_exactly_before_and_after_opening_again(tmp_path) -> None:
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=32, metric="L2"),
        ]
    )
    nearest = np.argsort(((VALUES - QUERY) ** 2).sum(axis=1))[:10].tolist()
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("c", schema)
        made.create_index("v", "FLAT_SQ8")
        made.insert({"id": np.arange(len(VALUES)), "v": VALUES})
        made.flush()
        made.wait_indexed()
        assert [s.indexes for s in made.stats().segments if s.rows] == [{"v": "FLAT_SQ8"}]
        before = made.search(QUERY[0], limit=10)
        assert before.is_exact
        assert [hit.id for hit in before] == nearest
    with elanus.connect(tmp_path / "db") as db:
        opened = db.collection("c")
        after = opened.search(QUERY[0], limit=10)
        assert [hit.id for hit in after] == nearest
        opened.create_index("v", "FLAT")
        opened.wait_indexed()
        assert [(h.id, h.score) for h in opened.search(QUERY[0], limit=10)] == [
            (h.id, h.score) for h in after
        ]
