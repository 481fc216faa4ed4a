"""Conditions that follow others look at the rows that are left only."""

from __future__ import annotations

import numpy as np

from elanus.filter import batch_columns, compile_filter
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType

SCHEMA = Schema([Field("id", DataType.INT64, primary=True), Field("title", DataType.VARCHAR)])
NUM_ROWS = 10_000
COLUMNS = batch_columns(
    entities_to_batch(SCHEMA, [{"id": i, "title": f"w{i % 5} {i}"} for i in range(NUM_ROWS)])
)


def rows_of(text: str) -> list[int]:
    bound = compile_filter(text, SCHEMA)
    assert bound is not None
    return np.flatnonzero(bound.evaluate(COLUMNS)).tolist()


def test_a_calculation_with_a_constant_before_a_condition_on_the_rows_left() -> None:
    """Where `id % 7` is unknown, one bool said for all rows; the rows left were taken of it."""
    assert rows_of("id % 7 == 3 and title like '%1%2%' and title like '%4%'") == [
        i
        for i in range(3, NUM_ROWS, 7)
        if "4" in (t := f"w{i % 5} {i}") and "2" in t.partition("1")[2]
    ]
    assert rows_of("id % 0 == 3 and title like '%1%'") == []
    assert rows_of("not (id % 0 == 3) and title like '%1%'") == []
