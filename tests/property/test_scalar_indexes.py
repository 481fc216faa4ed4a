"""Filters answered by indexes and shredded JSON, against a row-by-row reading of the language."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elanus.engine.indexing.scalar_builds import built_index
from elanus.filter import ColumnCache, Node, batch_columns, compile_filter, logic
from elanus.filter.json.json_paths import JsonPathStore
from elanus.filter.json.shredded import PathColumns, ShreddedPaths
from elanus.index.scalar.registry import CAST_TYPES, NOTHING, ScalarTarget, open_index
from elanus.schema.batches import ColumnBatch, slice_column
from elanus.schema.collection import Schema
from elanus.schema.ranges import RANGED_TYPES, ValueRange, range_of
from elanus.types import DataType
from support.filter_oracle import allowed_rows
from support.filter_strategies import ARRAYS, CONDITIONS, KEYS, collections, to_batch

SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck])
NUMBER_TYPES = ["INVERTED", "STL_SORT", "AUTO"]
KINDS = {
    "flag": ["INVERTED", "BITMAP", "AUTO"],
    "small": [*NUMBER_TYPES, "BITMAP"],
    "big": [*NUMBER_TYPES, "BITMAP"],
    "single": NUMBER_TYPES,
    "double": NUMBER_TYPES,
    "name": ["INVERTED", "BITMAP", "STL_SORT", "TRIE", "NGRAM", "AUTO"],
    "at": NUMBER_TYPES,
    "place": ["RTREE", "AUTO"],
    **{name: ["INVERTED", "AUTO"] for name in ARRAYS},
}
PLACE_KINDS = [["INVERTED", "AUTO"], ["INVERTED", "TRIE", "NGRAM", "BITMAP", "AUTO"]]
PATHS = st.tuples(
    st.sampled_from(["meta", "$meta"]), st.lists(KEYS | st.integers(0, 2), max_size=2).map(tuple)
)
JSON_INDEXES = st.dictionaries(
    PATHS, st.tuples(st.sampled_from([*CAST_TYPES]), st.sampled_from(["INVERTED", "AUTO"]))
)


class Written:
    """Indexes and paths as they are read back from what was stored."""

    def __init__(
        self, schema: Schema, batch: ColumnBatch, choices: dict[Any, tuple[ScalarTarget, str]]
    ) -> None:
        columns = batch_columns(batch)
        self._indexes = {}
        for key, (target, kind) in choices.items():
            header, arrays = built_index(columns, target, kind, {"min_gram": 1, "max_gram": 2})
            if header["type"] != NOTHING:
                self._indexes[key] = open_index(header, arrays)
        ranged = [f.name for f in schema.stored_fields if f.dtype in RANGED_TYPES]
        found = {name: range_of(batch.columns[name]) for name in ranged}
        self._ranges = {n: ValueRange.from_json(r.to_json()) for n, r in found.items() if r}
        self._shredded = {name: shredded(paths(batch, name)) for name in ("meta", "$meta")}

    size_bytes = 0

    def index(self, name: str, keys: Any) -> Any:
        return self._indexes.get((name, keys))

    def shredded(self, name: str) -> ShreddedPaths | None:
        return self._shredded.get(name)

    def value_range(self, name: str) -> ValueRange | None:
        return self._ranges.get(name)


def paths(batch: ColumnBatch, name: str) -> PathColumns:
    column = batch.columns[name]
    store = JsonPathStore(lambda a, b: slice_column(column, a, b))
    return PathColumns.of(store, batch.num_rows)


def shredded(columns: PathColumns) -> ShreddedPaths:
    header, arrays = columns.to_arrays()
    if columns.num_rows % 2:
        for path in header["paths"]:
            path.pop("ascends", None)  # as files of before
    return ShreddedPaths(header, [*arrays], arrays.__getitem__, pytest.fail)


def choices(schema: Schema, data: st.DataObject) -> dict[Any, tuple[ScalarTarget, str]]:
    made: dict[Any, tuple[ScalarTarget, str]] = {}
    for name, kinds in KINDS.items():
        field = schema.field(name)
        of_elements = field.dtype is DataType.ARRAY
        dtype = field.element_type if of_elements else field.dtype
        assert dtype is not None
        kind = data.draw(st.sampled_from(kinds))
        made[name, ()] = ScalarTarget(name, (), dtype, of_elements, False), kind
        for place in range(2 if of_elements else 0):
            kind = data.draw(st.sampled_from(PLACE_KINDS[dtype is DataType.VARCHAR]))
            made[name, (place,)] = ScalarTarget(name, (place,), dtype, False, False), kind
    for (name, keys), (cast, kind) in data.draw(JSON_INDEXES).items():
        dtype, of_elements = CAST_TYPES[cast]
        made[name, keys] = ScalarTarget(name, keys, dtype, of_elements, True), kind
    return made


@pytest.fixture(params=["indexes", "columns of few rows", "as estimated"])
def costs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the same filters be answered in every way, whatever it would cost."""
    if request.param == "indexes":
        for name in ("INDEX_NS", "GATHERED_NS", "ROW_NS", "VERIFIED_NS", "VERIFIED_FACTOR"):
            monkeypatch.setattr(logic, name, 0.0)
        monkeypatch.setattr(logic, "FEW_ROWS", 1)
    elif request.param == "columns of few rows":
        monkeypatch.setattr(logic, "INDEX_NS", 1e18)
        for name in ("NUMBERED_NS", "TAKEN_NS", "MIN_TAKEN_ROWS"):
            monkeypatch.setattr(logic, name, -1e18)


@pytest.mark.usefixtures("costs")
@SETTINGS
@given(collections(), CONDITIONS, st.data())
def test_indexes_agree_with_rows(
    collection: tuple[Schema, list[dict[str, Any]]], tree: Node, data: st.DataObject
) -> None:
    schema, rows = collection
    batch = to_batch(schema, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = Written(schema, batch, choices(schema, data))
        cache = ColumnCache(
            lambda name, a, b: slice_column(batch.columns[name], a, b), derived=written
        )
        bound = compile_filter(tree, schema)
        assert bound is not None
        expected = allowed_rows(tree, schema, rows)
        assert bound.allowed(cache.at(len(rows))).to_mask().tolist() == expected
        assert bound.evaluate(cache.at(len(rows))).tolist() == expected


@SETTINGS
@given(st.lists(collections(), min_size=1, max_size=3), CONDITIONS, st.data())
def test_joined_paths_agree_with_rows(
    parts: list[tuple[Schema, list[dict[str, Any]]]], tree: Node, data: st.DataObject
) -> None:
    schema = parts[0][0]
    sources, kept = [], []
    for _, rows in parts:
        alive = [
            row
            for row in rows
            if all(row[f.name] is not None or f.nullable for f in schema.stored_fields)
        ]
        lives = data.draw(st.lists(st.booleans(), min_size=len(alive), max_size=len(alive)))
        mapping = np.cumsum(lives, dtype=np.int64) - 1 + len(kept)
        mapping[~np.array(lives, dtype=np.bool_)] = -1
        sources.append((to_batch(schema, alive), mapping))
        kept += [row for row, lives_on in zip(alive, lives, strict=True) if lives_on]
    batch = to_batch(schema, kept)
    written = Written(schema, batch, {})
    for name in ("meta", "$meta"):
        joined = PathColumns.joined([(paths(b, name), m) for b, m in sources], len(kept))
        written._shredded[name] = shredded(joined)
    cache = ColumnCache(lambda name, a, b: slice_column(batch.columns[name], a, b), derived=written)
    bound = compile_filter(tree, schema)
    assert bound is not None
    assert bound.evaluate(cache.at(len(kept))).tolist() == allowed_rows(tree, schema, kept)
