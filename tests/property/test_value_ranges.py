"""Bounds of columns against the least and the largest of their values."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.filter import batch_columns, compile_filter
from elanus.filter.columns import ColumnCache
from elanus.schema import ranges
from elanus.schema.batches import FixedColumn, slice_column, strings_to_column
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.ranges import ValueRange, range_of
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType

# Texts that begin alike, over the length of a bound, with zeros and the last code points.
HEADS = st.sampled_from(["", "a", "a" * 31, "a" * 32, "a" * 40, "ä" * 16, "\U0010ffff" * 8])
TAILS = st.text(alphabet="\0ab\ud7ff\ue000\U0010ffff", max_size=4)
TEXTS = st.tuples(HEADS, TAILS).map("".join)


@given(st.lists(TEXTS | st.none(), min_size=1, max_size=8))
def test_texts_lie_within_their_bounds(texts: list[str | None]) -> None:
    found = range_of(strings_to_column(texts))
    assert found is not None
    assert ValueRange.from_json(json.loads(json.dumps(found.to_json()))) == found
    present = [text for text in texts if text is not None]
    assert found.has_null == (None in texts)
    if not present:
        assert found.low is None
        assert found.high is None
        return
    least, largest = min(present), max(present)
    assert isinstance(found.low, str)
    assert found.low <= least
    assert least.startswith(found.low)
    if len(least.encode()) <= ranges.BOUND_BYTES:
        assert found.low == least
    if len(largest.encode()) <= ranges.BOUND_BYTES:
        assert found.high == largest
    else:
        assert found.high is None or (isinstance(found.high, str) and found.high > largest)


def test_bounds_of_texts_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "CHUNK_ROWS", 2)
    long = "x" * 31
    column = strings_to_column(["b", long + "yz", "", None, "ab"])
    assert range_of(column) == ValueRange("", "x" * 31 + "z", has_null=True)
    assert range_of(slice_column(column, 3, 5)) == ValueRange("ab", "ab", has_null=True)
    assert range_of(strings_to_column(["\U0010ffff" * 9])) == ValueRange("\U0010ffff" * 8, None)
    assert range_of(strings_to_column([long + "\ud7ff..."])) == ValueRange(long, "x" * 30 + "y")
    assert range_of(strings_to_column(["x" * 10_000])) is None


@pytest.mark.parametrize(
    ("values", "valid", "expected"),
    [
        (np.array([3, -1, 0], np.int8), [True, True, False], ValueRange(-1, 3, has_null=True)),
        (np.array([True, True]), None, ValueRange(1, 1)),
        (np.array([np.nan, 0.5], np.float32), None, ValueRange(0.5, 0.5, has_nan=True)),
        (np.array([np.nan, 0.0]), [True, False], ValueRange(None, None, True, True)),
        (np.array([math.inf, -math.inf]), None, ValueRange(-math.inf, math.inf)),
        (np.array([2**63 - 1, -(2**63)]), None, ValueRange(-(2**63), 2**63 - 1)),
    ],
)
def test_bounds_of_numbers(values: Any, valid: Any, expected: ValueRange) -> None:
    validity = None if valid is None else np.array(valid)
    found = range_of(FixedColumn(values, validity))
    assert found == expected
    assert found is not None
    assert ValueRange.from_json(json.loads(json.dumps(found.to_json()))) == expected


# --- what is decided by bounds ----------------------------------------------------------------

SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("v", DataType.FLOAT_VECTOR, dim=1),
        Field("x", DataType.DOUBLE, nullable=True),
        Field("t", DataType.VARCHAR, nullable=True),
    ]
)
NUMBERS = [1.0, 2.0, 3.0, math.nan, None]
OPERATORS = ["==", "!=", "<", "<=", ">", ">="]


class Bounds:
    """Bounds, and nothing else."""

    size_bytes = 0

    def __init__(self, found: dict[str, ValueRange | None]) -> None:
        self._found = found

    def value_range(self, name: str) -> ValueRange | None:
        return self._found.get(name)

    def index(self, name: str, keys: Any) -> None:
        return None

    def shredded(self, name: str) -> None:
        return None

    def clear(self) -> None:
        return None


@pytest.mark.parametrize("values", [[1.0], [2.0, 3.0], [2.0, None], [2.0, math.nan], [None]])
@pytest.mark.parametrize("op", OPERATORS)
def test_every_comparison_is_decided_as_rows_decide_it(values: list[Any], op: str) -> None:
    texts = [None if v is None else f"t{v}" for v in values]
    rows = [
        {"id": i, "v": [1.0], "x": x, "t": t}
        for i, (x, t) in enumerate(zip(values, texts, strict=True))
    ]
    batch = entities_to_batch(SCHEMA, rows)
    found = {name: range_of(batch.columns[name]) for name in ("id", "x", "t")}
    read: list[str] = []

    def column(name: str, start: int, stop: int) -> Any:
        read.append(name)
        return slice_column(batch.columns[name], start, stop)

    is_decided = set()
    for constant in (1, 1.5, 2, 2.5, 3, 4):
        for text in (
            f"x {op} {constant}",
            f't {op} "t{constant}"',
            f"not (x {op} {constant})",
            f"x {op} {constant} and id >= 0",
            f"x {op} {constant} or id < 0",
            f"x in [{constant}, 7]",
            f't like "t{constant}%"',
            "x is null",
            "exists t",
        ):
            bound = compile_filter(text, SCHEMA)
            assert bound is not None
            read.clear()
            cache = ColumnCache(column, derived=Bounds(found))  # type: ignore[arg-type]
            allowed = bound.allowed(cache.at(len(rows))).to_mask().tolist()
            assert allowed == bound.evaluate(batch_columns(batch)).tolist(), text
            (step, *_) = bound.explain(cache.at(len(rows)))
            is_decided.add(step[1] == "ranges")
            if step[1] == "ranges":
                assert not read
    assert True in is_decided
