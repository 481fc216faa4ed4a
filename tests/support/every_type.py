"""A schema with every type, and rows with every value that is hard to carry over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

import elanus

NAN = float("nan")
MOMENTS = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)
PLACES = (
    "POINT (13.403683 52.520711)",
    "POLYGON ((30 10, 40 40, 20 40, 10 20, 30 10))",
    "GEOMETRYCOLLECTION (POINT (40 10), LINESTRING (10 10, 20 20, 10 40))",
    "MULTIPOINT ((10 40), (40 30))",
    "POINT Z (1 2 3)",
    "POLYGON EMPTY",
)
TEXTS = ("", "héllo wörld 🌍", 'a,b"c\n\td', "\\n", "null", " padded ")


def every_type_schema() -> elanus.Schema:
    """Return a dynamic schema with every scalar type, arrays, JSON and all kinds of vectors."""
    field = elanus.Field
    return elanus.Schema(
        [
            field("id", elanus.INT64, primary=True),
            field("flag", elanus.BOOL, nullable=True),
            field("tiny", elanus.INT8),
            field("small", elanus.INT16, nullable=True),
            field("medium", elanus.INT32),
            field("big", elanus.INT64, nullable=True),
            field("single", elanus.FLOAT),
            field("double", elanus.DOUBLE, nullable=True),
            field("text", elanus.VARCHAR, nullable=True, analyzer="standard"),
            field("json", elanus.JSON, nullable=True),
            field("at", elanus.TIMESTAMPTZ, nullable=True),
            field("place", elanus.GEOMETRY, nullable=True),
            field("numbers", elanus.ARRAY, element_type=elanus.INT64, nullable=True),
            field("words", elanus.ARRAY, element_type=elanus.VARCHAR),
            field("dense", elanus.FLOAT_VECTOR, dim=3),
            field("half", elanus.FLOAT16_VECTOR, dim=3, metric="L2"),
            field("brain", elanus.BFLOAT16_VECTOR, dim=2),
            field("bytes", elanus.INT8_VECTOR, dim=3, metric="IP"),
            field("bits", elanus.BINARY_VECTOR, dim=16),
            field("sparse", elanus.SPARSE_FLOAT_VECTOR),
            field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ],
        dynamic=True,
    )


def every_type_rows(count: int, *, nulls: bool = True, first: int = 0) -> list[dict[str, Any]]:
    """Return rows; without ``nulls`` every field has a value."""
    rows = []
    for i in range(first, first + count):
        row: dict[str, Any] = {
            "id": i if i % 2 else -i,
            "flag": i % 3 == 1,
            "tiny": i % 256 - 128,
            "small": i % 65_536 - 32_768,
            "medium": [-(2**31), 2**31 - 1, i][i % 3],
            "big": [-(2**63), 2**63 - 1, 2**53 + 1][i % 3],
            "single": [float(np.float32(i / 7)), NAN, float("inf"), -0.0][i % 4],
            "double": [i / 3, 1e308, 5e-324, float("-inf"), NAN][i % 5],
            "text": TEXTS[i % len(TEXTS)],
            "json": [{"a": [1, None, "ß"], "b": {"c": 1.5}}, "text", 5, [1, 2], True][i % 5],
            "at": MOMENTS[i % len(MOMENTS)],
            "place": PLACES[i % len(PLACES)],
            "numbers": [2**63 - 1, -(2**63), 0][: i % 4],
            "words": ["x" * (i % 3), "ü,\n", '"'][: i % 4],
            "dense": [float(i), 0.1, -1e-30],
            "half": np.array([i / 7, -65504.0, 2.0**-24], dtype=np.float16),
            "brain": [i / 3, -(2.0**100)],
            "bytes": [i % 256 - 128, -128, 127],
            "bits": bytes([i % 256, 255]),
            "sparse": {} if i % 5 == 0 else {i: 0.5, 2**32 - 2: 1.25},
        }
        if nulls:
            for place, name in enumerate(
                ("flag", "small", "big", "double", "text", "json", "numbers", "at", "place")
            ):
                if i % (place + 3) == 0:
                    row[name] = None
        if i % 2:
            row |= {"extra": i, "nested": {"k": ["ß"]}}
        rows.append(row)
    return rows


def by_key(rows: list[dict[str, Any]]) -> dict[Any, str]:
    """Return rows in a form that compares: NaN equals NaN, -0.0 differs from 0.0."""
    return {row["id"]: repr({name: row[name] for name in sorted(row)}) for row in rows}


def content(collection: elanus.Collection) -> dict[Any, str]:
    """Return everything that a collection holds."""
    return by_key(collection.query(output=["*"]))
