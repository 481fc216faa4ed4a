"""Every kind of filter gives the same rows wherever they lie: in memory, in a segment, in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import elanus
from elanus import DataType, Field, Schema

WORDS = ["graph", "index", "searches", "of", "2024", "Data"]


def rows(start: int, stop: int) -> list[dict[str, Any]]:
    return [
        {
            "id": i,
            "v": [float(i % 7), 1.0],
            "bits": None if i % 11 == 0 else i * 37 % 64,
            "text": None if i % 13 == 0 else " ".join(WORDS[(i * k) % 6] for k in (1, 2, 5)),
            "tags": [WORDS[(i + k) % 6] for k in range(i % 4)],
        }
        for i in range(start, stop)
    ]


def words(row: dict[str, Any]) -> list[str]:
    return str(row["text"]).lower().split() if row["text"] else []


CASES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "bits & 5 == 5": lambda r: r["bits"] is not None and r["bits"] & 5 == 5,
    "not bits ^ 1 > 9": lambda r: r["bits"] is not None and not r["bits"] ^ 1 > 9,
    r"text =~ r'^2024\b.*s$'": lambda r: words(r)[:1] == ["2024"] and words(r)[-1][-1:] == "s",
    "text !~ '(?i)DATA'": lambda r: bool(words(r)) and "data" not in words(r),
    "text_match(text, 'data index', minimum_should_match=2)": lambda r: (
        {"data", "index"} <= set(words(r))
    ),
    "not text_match(text, 'data')": lambda r: bool(words(r)) and "data" not in words(r),
    "text_match_fuzzy(text, 'dta', max_edit_distance=1)": lambda r: "data" in words(r),
    "phrase_match(text, 'graph of', slop=1)": lambda r: (
        words(r)[:2] == ["graph", "of"]
        or words(r)[1:] == ["graph", "of"]
        or (words(r)[:1] == ["graph"] and words(r)[2:] == ["of"])
    ),
}


def mixed(value: int) -> int:
    """SplitMix64, by the paper."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


CASES |= {
    "match_any(tags, $ =~ '^[gs]')": lambda r: any(t[0] in "gs" for t in r["tags"]),
    "match_least(tags, $ > 'g', threshold=2)": lambda r: sum(t > "g" for t in r["tags"]) >= 2,
}
CASES["random_sample(0.3, seed=7)"] = lambda r: mixed(mixed(r["id"]) ^ mixed(7)) < 0.3 * 2**64


@pytest.fixture
def database() -> Iterator[elanus.Database]:
    with elanus.connect(":memory:") as made:
        yield made


@pytest.mark.parametrize("expression", CASES)
def test_rows_are_the_same_in_memory_and_in_segments(
    database: elanus.Database, expression: str
) -> None:
    collection = database.create_collection(
        "c",
        Schema(
            [
                Field("id", DataType.INT64, primary=True),
                Field("v", DataType.FLOAT_VECTOR, dim=2, metric="L2"),
                Field("bits", DataType.INT32, nullable=True),
                Field("text", DataType.VARCHAR, nullable=True, analyzer="standard"),
                Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
            ]
        ),
    )
    holds = CASES[expression]
    written: list[dict[str, Any]] = []
    for flushed, (start, stop) in [(False, (0, 40)), (True, (40, 80)), (False, (80, 120))]:
        added = rows(start, stop)
        collection.insert(added)
        written += added
        if flushed:
            collection.flush()
        wanted = [row["id"] for row in written if holds(row)]
        assert 0 < len(wanted) < len(written)
        found = collection.query(filter=expression, limit=200)
        assert sorted(row["id"] for row in found) == wanted
        hits = collection.search([3.0, 1.0], limit=200, filter=expression)
        assert sorted(hits.ids) == wanted


def test_where_no_array_stands_elements_are_unknown_in_memory_and_in_segments(
    database: elanus.Database,
) -> None:
    held: list[Any] = [None, {}, {"a": None}, {"a": 95}, {"a": []}, {"a": [1]}, {"a": [1, 95]}]
    expected = {
        'match_any(j["a"], $ > 90)': {6},
        'not match_any(j["a"], $ > 90)': {4, 5},
        'not match_all(j["a"], $ > 90)': {5, 6},
        'not match_exact(j["a"], $ > 90, threshold=1)': {4, 5},
        'not (match_any(j["a"], $ > 90) and id < 0)': set(range(7)),
        'match_any(j["a"], $ > 90) or not match_any(j["a"], $ > 90)': {4, 5, 6},
    }
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("v", DataType.FLOAT_VECTOR, dim=2, metric="L2"),
        Field("j", DataType.JSON, nullable=True),
    ]
    collection = database.create_collection("c", Schema(fields))
    collection.insert([{"id": i, "v": [0.0, 1.0], "j": held[i % 7]} for i in range(2100)])

    def kinds() -> dict[str, set[int]]:
        found = {text: collection.query(text, limit=None) for text in expected}
        return {text: {row["id"] % 7 for row in rows} for text, rows in found.items()}

    assert kinds() == expected
    collection.flush()
    assert kinds() == expected
    collection.create_index('j["a"]', "AUTO", {"json_cast_type": "ARRAY_DOUBLE"})
    collection.wait_indexed()
    assert kinds() == expected
