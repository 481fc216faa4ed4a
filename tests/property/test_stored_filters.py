"""Filters over rows wherever they lie, against a row-by-row reading of the language."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import elanus
from elanus.filter import And, Node, Not, Or, to_text
from support.filter_oracle import allowed_rows
from support.filter_strategies import CONDITIONS, TYPED, collections

FILTERS = st.lists(CONDITIONS, min_size=1, max_size=5)
STORED = [name for name, (dtype, _) in TYPED.items() if dtype is elanus.JSON]


def given_rows(schema: elanus.Schema, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows as users write them: without a value rather than None where none may be."""
    optional = {f.name for f in schema.stored_fields if f.nullable}
    return [{n: v for n, v in row.items() if v is not None or n in optional} for row in rows]


def check(
    collection: elanus.Collection, filters: list[Node], rows: list[dict[str, Any]], where: str
) -> None:
    schema = collection.schema
    for condition in filters:
        allowed = allowed_rows(condition, schema, rows)
        expected = [row["id"] for row, holds in zip(rows, allowed, strict=True) if holds]
        for source in (condition, to_text(condition)):
            found = [row["id"] for row in collection.query(source, output=["id"])]
            assert found == expected, f"{where}: {to_text(condition)}"
        assert collection.count(condition) == len(expected)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(collections(), FILTERS, st.data())
def test_filters_give_the_same_rows_wherever_they_lie(
    drawn: tuple[elanus.Schema, list[dict[str, Any]]], filters: list[Node], data: st.DataObject
) -> None:
    schema, rows = drawn
    # JSON that may not be null takes no None from users; the columns of such are drawn elsewhere.
    rows = [row for row in rows if all(row[n] is not None for n in STORED)]
    joined = [And(tuple(filters)), Or(tuple(filters)), Not(filters[0])]
    filters = [*filters, *joined]
    gone = set(data.draw(st.sets(st.sampled_from([r["id"] for r in rows])))) if rows else set()
    left = [row for row in rows if row["id"] not in gone]
    half = len(rows) // 2
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # float32 of 1e300 is infinity
        with elanus.connect(folder) as db:
            made = db.create_collection("c", schema)
            for part in (rows[:half], rows[half:]):
                if part:
                    made.insert(given_rows(schema, part))
            check(made, filters, rows, "memtable")
            made.flush()
            check(made, filters, rows, "segment")
            if gone:
                made.delete(sorted(gone))
            check(made, filters, left, "segment with deleted rows")
            if left:
                made.upsert(given_rows(schema, left[:1]))
            check(made, filters, left, "segment and memtable")
            made.compact()
            check(made, filters, left, "merged")
        with elanus.connect(folder) as db:
            check(db.collection("c"), filters, left, "reopened")
