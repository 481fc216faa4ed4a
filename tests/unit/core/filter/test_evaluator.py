"""Which rows a filter allows: tables worked out by hand."""

from __future__ import annotations

import math
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import numpy as np
import pytest

from elanus.errors import FilterError
from elanus.filter import ColumnCache, FilterColumns, batch_columns, compile_filter
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import slice_column, strings_to_column
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType


def rows_of(source: Any, schema: Schema, columns: FilterColumns, **options: Any) -> list[int]:
    bound = compile_filter(source, schema, **options)
    assert bound is not None
    mask = bound.evaluate(columns)
    assert mask.dtype == np.bool_
    assert mask.shape == (columns.num_rows,)
    # The same as bits, where a condition on its own may take another way.
    assert bound.allowed(columns) == Bitset.from_mask(mask)
    return np.flatnonzero(mask).tolist()


NULLABLE = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("n", DataType.INT32, nullable=True),
        Field("s", DataType.VARCHAR, nullable=True),
        Field("b", DataType.BOOL, nullable=True),
        Field("a", DataType.ARRAY, element_type=DataType.INT64, nullable=True),
    ]
)
NULLABLE_ROWS = batch_columns(
    entities_to_batch(
        NULLABLE,
        [
            {"id": 0, "n": 1, "s": "x", "b": True, "a": [1, 2]},
            {"id": 1, "n": 2, "s": "y", "b": False, "a": []},
            {"id": 2, "n": None, "s": None, "b": None, "a": None},
            {"id": 3, "n": 0, "s": "", "b": True, "a": [3]},
        ],
    )
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        # A comparison with null is unknown, and so is its negation.
        ("n == 1", [0]),
        ("n != 1", [1, 3]),
        ("not n == 1", [1, 3]),
        ("n in [1]", [0]),
        ("n not in [1]", [1, 3]),
        ("not (id >= 0 and not (id == 2 or n == 1))", [0, 2]),
        ("n not in []", [0, 1, 3]),
        ("n + 1 > 0", [0, 1, 3]),
        ("not n + 1 > 0", []),
        ("n & 1 == 1", [0]),
        ("not n & 1 == 1", [1, 3]),
        ("0 <= n <= 1", [0, 3]),
        ("not 0 <= n <= 1", [1]),
        ("b", [0, 3]),
        ("not b", [1]),
        ("s like '%'", [0, 1, 3]),
        ("s not like 'x'", [1, 3]),
        ("s =~ '^[xz]?$'", [0, 3]),
        ("s !~ '^[xz]?$'", [1]),
        ("not s =~ '[xz]'", [1, 3]),
        ("not contains(s, 'x')", [1, 3]),
        ("n in [7 / 3, 9 % 3, 2**3 / 8]", [0, 1, 3]),
        ("n in [-1 * -(3 - 1), 5]", [1]),
        ("array_contains(a, 1)", [0]),
        ("array_contains(a, 1 + 1)", [0]),
        ("array_contains_any(a, [2 * 2 - 1])", [3]),
        ("not array_contains(a, 1)", [1, 3]),
        ("a[0] == 1", [0]),
        ("not a[0] == 1", [1, 3]),
        ("array_length(a) == 0", [1]),
        ("not array_length(a) == 0", [0, 3]),
        ("match_any(a, $ > 1)", [0, 3]),
        ("not match_any(a, $ > 1)", [1]),
        ("match_all(a, $ < 3)", [0, 1]),
        ("not match_all(a, $ < 3)", [3]),
        ("match_least(a, $ > 0, threshold=2)", [0]),
        ("match_most(a, $ > 0, threshold=1)", [1, 3]),
        ("match_exact(a, $ & 1 == 1, threshold=1)", [0, 3]),
        ("match_exact(a, $ > 5, threshold=0)", [0, 1, 3]),
        ("match_least(a, $ > 5, threshold=0)", [0, 1, 3]),
        # An element for which it is unknown does not count.
        ("match_any(a, not 1 / ($ - 3) == 9)", [0]),
        ("a == []", [1]),
        ("a != []", [0, 3]),
        ("a == [1, 2]", [0]),
        # False decides "and", true decides "or"; else unknown stays.
        ("n == 1 and id == 2", []),
        ("not (n == 1 and id == 2)", [0, 1, 3]),
        ("not (n == 1 and id == 0)", [1, 2, 3]),
        ("n == 1 or id == 2", [0, 2]),
        ("not (n == 1 or id == 0)", [1, 3]),
        ("not (n == 1 or id == 2)", [1, 3]),
        ("n == 1 or not n == 1", [0, 1, 3]),
        # These are never unknown.
        ("n is null", [2]),
        ("n is not null", [0, 1, 3]),
        ("exists n", [0, 1, 3]),
        ("not exists n", [2]),
        ("is_empty(s)", [2, 3]),
        ("is_empty(a)", [1, 2]),
        ("is_empty(n)", [2]),
        ("a[0] is null", [1, 2]),
        ("exists a[1]", [0]),
        ("true", [0, 1, 2, 3]),
        ("not true", []),
    ],
)
def test_nulls_of_typed_fields(text: str, rows: list[int]) -> None:
    assert rows_of(text, NULLABLE, NULLABLE_ROWS) == rows


DOCUMENTS = Schema([Field("id", DataType.INT64, primary=True), Field("m", DataType.JSON)])
JSON_ROWS = batch_columns(
    entities_to_batch(
        DOCUMENTS,
        [
            {"id": i, "m": m}
            for i, m in enumerate(
                [
                    {"k": 1, "o": {"x": [10, {"y": "deep"}]}},
                    {"k": "1", "tags": ["a", "b"], "a.b": 5},
                    {"k": None, "tags": "xay"},
                    {},
                    {"k": True, "tags": []},
                    {"k": 1.0, "tags": ["a", [1, 2], None, 2**63]},
                    {"k": [1], "tags": ""},
                    {"k": 2**63, "o": {"x": "text"}},
                    {"k": {"z": 1}, "o": None},
                ]
            )
        ],
    )
)


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        # bools are 0 and 1, as in Python; text is not a number.
        ('m["k"] == 1', [0, 4, 5]),
        ('m["k"] == true', [0, 4, 5]),
        ('m["k"]', [0, 4, 5]),
        ('m["k"] == "1"', [1]),
        ('m["k"] in [1, "1", 7]', [0, 1, 4, 5]),
        ('m["k"] == [true]', [6]),
        ('m["k"] != [2]', [6]),
        ('m["k"] > 0', [0, 4, 5, 7]),
        ('m["k"] >= "0"', [1]),
        # What is missing or of another type is no match, so the negation matches it.
        ('not m["k"] == 1', [1, 2, 3, 6, 7, 8]),
        ('m["k"] != 1', [7]),
        ('m["k"] != "x"', [1]),
        ('m["k"] not in [1]', [1, 2, 3, 6, 7, 8]),
        # Without a number there is nothing to calculate, and the division is not reached.
        ('not m["k"] / 0 == 1', [1, 2, 3, 6, 8]),
        # Bits are those of integers; a double is not one, however whole.
        ('m["k"] & 1 == 1', [0, 4]),
        ('m["k"] & 1 == 0', []),
        ('not m["k"] & 1 == 1', [1, 2, 3, 5, 6, 7, 8]),
        ({"k": {"$ne": 1}}, [1, 2, 3, 6, 7, 8]),
        ({"k": {"$nin": [1, "1"]}}, [2, 3, 6, 7, 8]),
        ('m["k"] =~ "1"', [1]),
        ('m["k"] !~ "1"', [0, 2, 3, 4, 5, 6, 7, 8]),
        ({"tags": {"$regex": "^x.y$"}}, [2]),
        # null is there, but null.
        ('m["k"] is null', [2, 3]),
        ('exists m["k"]', [0, 1, 2, 4, 5, 6, 7, 8]),
        ({"k": None}, [2, 3]),
        ({"k": {"$in": [None, "1"]}}, [1, 2, 3]),
        ({"k": {"$exists": False}}, [3]),
        ({"tags": {"$empty": True}}, [0, 3, 4, 6, 7, 8]),
        # Arrays, and text as an array of parts.
        ('json_contains(m["tags"], "a")', [1, 5]),
        ('contains(m["tags"], "a")', [1, 2, 5]),
        ('json_contains(m["tags"], [1, 2.0])', [5]),
        ('json_contains(m["tags"], null)', [5]),
        ('json_contains(m["tags"], 9223372036854775808)', [5]),
        ('json_contains_any(m["tags"], ["b", 3])', [1]),
        ('contains_all(m["tags"], ["a", "x"])', [2]),
        ('json_contains_all(m["tags"], ["a", "b"])', [1]),
        ('contains_all(m["tags"], [])', [1, 2, 4, 5, 6]),
        ('match_any(m["tags"], $ == "a")', [1, 5]),
        ('match_any(m["tags"], $ in [9223372036854775808, "b"])', [1, 5]),
        ('match_any(m["tags"], $ in [[1, 2]])', [5]),
        ('match_all(m["tags"], $ like "_")', [1, 4]),
        # Unknown where no array stands.
        ('not match_all(m["tags"], $ like "_")', [5]),
        ('not match_any(m["nothing"], $ > 1)', []),
        ('match_most(m["tags"], $ > 90, threshold=0)', [1, 4]),
        ({"tags": {"$not": {"$elemMatch": {"$like": "_"}}}}, [0, 2, 3, 4, 6, 7, 8]),
        ({"$not": {"$not": {"tags": {"$elemMatch": {"$like": "_"}}}}}, [1, 5]),
        ('match_exact(m["tags"], $ > 0, threshold=1)', [5]),
        ({"tags": {"$elemMatch": {"$in": ["b", 2**63]}}}, [1, 5]),
        ({"tags": {"$elemMatch": {"$gt": "a", "$not": {"$regex": "c"}}}}, [1]),
        ('array_length(m["tags"]) >= 2', [1, 5]),
        ('array_length(m["tags"]) == 0', [4]),
        ('m["tags"][1] == "b"', [1]),
        # Nested values and literal keys.
        ('m["o"]["x"][1]["y"] == "deep"', [0]),
        ('m["o"]["x"][0] * 2 == 20', [0]),
        ({"o": {"x": "text"}}, [7]),
        ({"a.b": 5}, [1]),
        ({"a": {"b": 5}}, []),
        # Integers outside int64 are doubles.
        ('m["k"] == 9223372036854775808', [7]),
        # The whole value.
        ('m["k"]["z"] == 1 or exists m["k"]["z"]', [8]),
        ("m is null", []),
        ('not m["nothing"] == 1 and m["nothing"] is null', [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_values_inside_json(source: Any, rows: list[int]) -> None:
    root = "m" if isinstance(source, dict) else None
    assert rows_of(source, DOCUMENTS, JSON_ROWS, root=root) == rows


NUMBERS = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("i", DataType.INT64),
        Field("d", DataType.DOUBLE),
        Field("f", DataType.FLOAT),
        Field("t", DataType.INT8),
    ]
)
NUMBER_ROWS = batch_columns(
    entities_to_batch(
        NUMBERS,
        {
            "id": np.arange(6),
            "i": np.array([2**63 - 1, -(2**63), 2**53 + 1, 7, -7, 0]),
            "d": np.array([2.0**63, -(2.0**63), 2.0**53, math.nan, math.inf, 0.1]),
            "f": np.array([0.1, 0.5, 16777216.0, math.nan, -math.inf, 0.0]),
            "t": np.array([127, -128, 1, 2, -3, 0], dtype=np.int8),
        },
    )
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        # int64 against doubles, by true value: rounding would call these equal.
        ("i == 9223372036854775807", [0]),
        ("i == 9223372036854775808.0", []),
        ("i < 9223372036854775808.0", [0, 1, 2, 3, 4, 5]),
        ("i == 9007199254740992.0", []),
        ("i > 9007199254740992.0", [0, 2]),
        ("i == -9223372036854775808.0", [1]),
        ("i < 6.5", [1, 4, 5]),
        ("i >= 6.5", [0, 2, 3]),
        ("i != 6.5", [0, 1, 2, 3, 4, 5]),
        ("i in [7.0, 7.5, 1e300]", [3]),
        ("i < 1e999", [0, 1, 2, 3, 4, 5]),
        ("i > 100000000000000000000", []),
        ("i == d", [1]),
        ("i > d", [2]),
        ("i < d", [0, 4, 5]),
        ("i != d", [0, 2, 3, 4, 5]),
        ("d == 9007199254740993", []),
        ("d < 9007199254740993", [1, 2, 5]),
        ("d > 9007199254740991", [0, 2, 4]),
        ("d in [9007199254740992, 0.1]", [2, 5]),
        # NaN equals nothing.
        ("d == d", [0, 1, 2, 4, 5]),
        ("d != d", [3]),
        ("not d > 0", [1, 3]),
        # Constants meet FLOAT fields in single precision.
        ("f == 0.1", [0]),
        ("f > 0.1", [1, 2]),
        ("f in [0.1, 16777217]", [0, 2]),
        ("f == 16777217", [2]),
        # A small type never wraps.
        ("t < 300", [0, 1, 2, 3, 4, 5]),
        ("t in [383, -129, 127]", [0]),
        # Results outside int64 have no value: neither the condition nor its negation holds.
        ("i + 1 > i", [1, 2, 3, 4, 5]),
        ("not i + 1 > i", []),
        ("i - 1 < i", [0, 2, 3, 4, 5]),
        ("i * 2 == 14", [3]),
        ("not i * 2 == 14", [2, 4, 5]),
        ("i * -1 > 0", [4]),
        ("not -1 * i > 0", [0, 2, 3, 5]),
        ("not i * -1 > 0", [0, 2, 3, 5]),
        ("t * t == 16384", [1]),
        # Integers divide towards zero; the remainder has the sign of the dividend.
        ("i / 2 == 3", [3]),
        ("i / 2 == -3", [4]),
        ("i / 2.0 == -3.5", [4]),
        ("i % 4 == 3", [0, 3]),
        ("i % 4 == -3", [4]),
        ("i % -1 == 0", [0, 1, 2, 3, 4, 5]),
        ("i / -1 == -7", [3]),
        ("1 / i == 0", [0, 1, 2, 3, 4]),
        ("not 1 / i == 1", [0, 1, 2, 3, 4]),
        ("1 / 0 == 1 or 1 % 0 == 1 or i == 7", [3]),
        ("1.5 / 0 > 1", []),
        ("d % 2 == 0", [0, 1, 2]),
        ("i ** 2 == 49", [3, 4]),
        ("2 ** 3 ** 2 == 64 and i == 7", [3]),
        ("-2 ** 2 == -4 and i == 7", [3]),
        ("i & 7 == 7", [0, 3]),
        ("i & 1 == 1", [0, 2, 3, 4]),
        ("i | 8 == 15", [3]),
        ("i ^ -1 == 6", [4]),
        ("i ^ i == 0", [0, 1, 2, 3, 4, 5]),
        ("t & 255 == 128", [1]),
        ("6 & 3 == 2 and 6 | 3 == 7 and 6 ^ 3 == 5 and i == 7", [3]),
        ("i & 3 in [2, 3]", [0, 3]),
        ("3 / 2 == 1 and 3 / 2.0 == 1.5 and -3 / 2 == -1 and -3 % 2 == -1", [0, 1, 2, 3, 4, 5]),
        ("i + 9223372036854775808 > 0", [0, 2, 3, 4, 5]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_numbers_are_exact(text: str, rows: list[int]) -> None:
    assert rows_of(text, NUMBERS, NUMBER_ROWS) == rows


TEXTS = Schema(
    [
        Field("id", DataType.VARCHAR, primary=True),
        Field("other", DataType.VARCHAR),
        Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
    ],
    dynamic=True,
)
TEXT_ROWS = batch_columns(
    entities_to_batch(
        TEXTS,
        [
            {"id": "a", "other": "a", "tags": ["x", "é"], "color": "red"},
            {"id": "b", "other": "a", "tags": []},
            {"id": "é", "other": "z", "tags": ["y"], "color": "Red"},
            {"id": "\U0001d4b3", "other": "\uffff", "tags": ["x"], "color": 1},
            {"id": "50%", "other": "5_", "tags": ["50%"]},
        ],
    )
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("id == 'a'", [0]),
        ("id != 'a'", [1, 2, 3, 4]),
        ("id == 'nowhere'", []),
        ("id != 'nowhere'", [0, 1, 2, 3, 4]),
        # The order is that of code points: U+FFFF is before U+1D4B3.
        ("id > 'b'", [2, 3]),
        ("id >= 'b'", [1, 2, 3]),
        ("id < 'b'", [0, 4]),
        ("id <= 'aa'", [0, 4]),
        ("'a' <= id < 'c'", [0, 1]),
        ("id == other", [0]),
        ("id > other", [1, 2, 3]),
        ("id in ['b', 'é', 'q']", [1, 2]),
        (r"id like '50\%'", [4]),
        ("id like '_'", [0, 1, 2, 3]),
        ("id like '5%'", [4]),
        ("array_contains(tags, 'x')", [0, 3]),
        ("array_contains_any(tags, ['é', 'y'])", [0, 2]),
        ("array_contains_all(tags, ['x', 'é', 'x'])", [0]),
        ("array_contains_all(tags, [])", [0, 1, 2, 3, 4]),
        ("tags == ['x']", [3]),
        ("tags != ['x']", [0, 1, 2, 4]),
        ("tags[0] == id", [4]),
        ("tags[0] like '%'", [0, 2, 3, 4]),
        ("match_any(tags, $ > 'x')", [0, 2]),
        ("match_all(tags, $ =~ '^[xy]$')", [1, 2, 3]),
        ("tags[0] =~ '[x-z0]'", [0, 2, 3, 4]),
        (r"id =~ r'^\pL$'", [0, 1, 2, 3]),
        ("color =~ '(?i)^RED'", [0, 2]),
        ("color == 'red'", [0]),
        ("color ilike 'RED'", [0, 2]),
        ("text_icontains(color, 'E')", [0, 2]),
        ("color is null", [1, 4]),
        ("color == 1", [3]),
    ],
)
def test_texts(text: str, rows: list[int]) -> None:
    assert rows_of(text, TEXTS, TEXT_ROWS) == rows


@pytest.mark.parametrize("dtype", ["INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE"])
def test_numbers_of_every_type_against_constants(dtype: str) -> None:
    schema = Schema([Field("id", DataType.INT64, primary=True), Field("n", DataType[dtype])])
    values: list[float] = [-3, 0, 1, 2, 127, 0, -128] * 40
    if dtype in ("FLOAT", "DOUBLE"):
        values += [0.5, math.inf, -math.inf, -0.0]
    entities = [{"id": i, "n": value} for i, value in enumerate(values)]
    columns = batch_columns(entities_to_batch(schema, entities))
    for op, compare in (("==", eq), ("!=", ne), ("<", lt), ("<=", le), (">", gt), (">=", ge)):
        for constant in (0, 1, 1.0, 0.5, -2.5, 127, 128, -129, 40_000, 2**40, -(2**63), 1e300):
            # Stored values were rounded to their type, so the constant is, too.
            with np.errstate(over="ignore"):
                bound = float(np.float32(constant)) if dtype == "FLOAT" else constant
            wanted = [i for i, value in enumerate(values) if compare(value, bound)]
            assert rows_of(f"n {op} {constant!r}", schema, columns) == wanted


@pytest.mark.parametrize(
    "text", ["n == 1", "not n == 1", "s like 'x'", "array_contains(a, 1)", "a[0] == 1", "true"]
)
def test_no_rows(text: str) -> None:
    cache = ColumnCache(lambda name, a, b: slice_column(NULLABLE_ROWS.column(name), a, b))
    assert rows_of(text, NULLABLE, cache.at(0)) == []


def json_columns(texts: list[str | None]) -> FilterColumns:
    column = strings_to_column(texts)
    return ColumnCache(lambda name, a, b: slice_column(column, a, b)).at(len(texts))


def test_deeply_nested_json_equals_no_constant() -> None:
    deep = "[" * 500 + "]" * 500
    columns = json_columns([f'{{"k": {deep}}}', '{"k": [[]]}', None])
    assert rows_of('m["k"] == [[]]', DOCUMENTS, columns) == [1]
    assert rows_of('json_contains(m["k"], [])', DOCUMENTS, columns) == [1]
    assert rows_of('m["k"] is null', DOCUMENTS, columns) == [2]


def test_json_too_deep_to_decode_is_an_error() -> None:
    columns = json_columns(["[" * 5000 + "]" * 5000])
    with pytest.raises(FilterError, match="rows 0 to 1 is nested too deeply"):
        rows_of('m["k"] == 1', DOCUMENTS, columns)


def test_each_json_row_is_read_once_while_rows_grow() -> None:
    whole = JSON_ROWS.column("m")
    reads: list[tuple[int, int]] = []

    def read(name: str, start: int, stop: int) -> Any:
        reads.append((start, stop))
        return slice_column(whole, start, stop)

    cache = ColumnCache(read)
    queries = ['m["k"] == 1', 'json_contains(m["tags"], "a")', 'm["o"]["x"] == "text"']
    expected = [[0, 4, 5], [1, 5], [7]]
    for num_rows in (2, 2, 5, 3, 9, 9):
        found = [rows_of(query, DOCUMENTS, cache.at(num_rows)) for query in queries]
        assert found == [[row for row in rows if row < num_rows] for rows in expected]
    assert reads == [(0, 2), (2, 5), (5, 9)]


def test_columns_that_are_views_into_longer_ones() -> None:
    def read(name: str, start: int, stop: int) -> Any:
        return slice_column(TEXT_ROWS.column(name), start + 1, stop + 1)

    columns = ColumnCache(read).at(3)
    assert rows_of("array_contains(tags, 'x')", TEXTS, columns) == [2]
    assert rows_of("tags[0] == 'y'", TEXTS, columns) == [1]
    assert rows_of("tags == ['x']", TEXTS, columns) == [2]
    assert rows_of("id > 'b'", TEXTS, columns) == [1, 2]

    def read_numbers(name: str, start: int, stop: int) -> Any:
        return slice_column(NULLABLE_ROWS.column(name), start + 3, stop + 3)

    numbers = ColumnCache(read_numbers).at(1)
    assert rows_of("array_contains(a, 3)", NULLABLE, numbers) == [0]
    assert rows_of("array_contains(a, 1)", NULLABLE, numbers) == []
    assert rows_of("a[0] == 3 and a == [3]", NULLABLE, numbers) == [0]


def test_older_snapshots_of_objects_with_mixed_keys() -> None:
    texts: list[str | None] = ['{"k":[1],"a":1}', '{"k":[2]}', '{"k":[3],"a":1}', '{"k":[4]}']
    column = strings_to_column(texts)
    cache = ColumnCache(lambda name, a, b: slice_column(column, a, b))
    for num_rows in (4, 3, 2, 1):
        columns = cache.at(num_rows)
        expected = list(range(num_rows))
        assert rows_of('json_contains_any(m["k"], [1, 2, 3, 4])', DOCUMENTS, columns) == expected
        assert rows_of('m["k"] == [2] or m["k"] == [4]', DOCUMENTS, columns) == [
            row for row in (1, 3) if row < num_rows
        ]
