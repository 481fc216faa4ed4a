"""Schemas, rows and filters for tests that draw them.

Few distinct values, so that rows and constants meet; the edges of every type among them.
"""

from __future__ import annotations

import json
import math
import warnings
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import shapely
from hypothesis import strategies as st

from elanus.filter import (
    And,
    Arithmetic,
    ArithmeticOp,
    ArrayLength,
    Between,
    Compare,
    CompareOp,
    Contains,
    ContainsAll,
    ContainsAny,
    Element,
    ElementMatch,
    Exists,
    FieldRef,
    FuzzyMatch,
    In,
    Interval,
    IsEmpty,
    IsNull,
    JsonPath,
    Like,
    Literal,
    Moment,
    Node,
    Not,
    Or,
    PhraseMatch,
    Quantifier,
    RandomSample,
    RegexMatch,
    Relation,
    Spatial,
    TextContains,
    TextMatch,
)
from elanus.schema.batches import ColumnBatch, strings_to_column
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType

# Few distinct values, so that rows and constants meet; the edges of every type among them.
TEXTS = st.one_of(
    st.sampled_from(
        ["", "a", "A", "ab", "b", "a%b", "a_b", "ä", "Ä", "é\u0301", "日本", "\U0001d4b3", "\\"]
    ),
    st.text(alphabet="abA%_\\ä\U0001d4b3\n\"'", max_size=4),
)
PATTERNS = st.sampled_from(
    ["", "a", "^a", "b$", "^$", "a|ä", "[^a]", "(ab?)+$", r"\\", r"\bA", r"^.$", r"(?i)^Ä", r"[\W]"]
)
SMALL_INTS = st.integers(-3, 3)
INT64S = st.one_of(
    SMALL_INTS,
    st.sampled_from([2**63 - 1, -(2**63), 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**31]),
)
WIDE_INTS = st.one_of(INT64S, st.sampled_from([2**63, -(2**63) - 1, 10**30, -(10**400)]))
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, -1.5, 0.1, 2.0**53, 2.0**63, -(2.0**63), 1e300]),
    st.sampled_from([math.inf, -math.inf, 9007199254740994.0, 16777217.0]),
)
STORED_FLOATS = st.one_of(FLOATS, st.just(math.nan))
KEYS = st.sampled_from(["a", "b", "a.b", "", "in", "ä"])
JSON_SCALARS = st.one_of(st.none(), st.booleans(), WIDE_INTS, STORED_FLOATS, TEXTS)
JSON_VALUES = st.recursive(
    JSON_SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
METADATA = st.one_of(st.dictionaries(KEYS, JSON_VALUES, max_size=4), JSON_VALUES)

MOMENTS = st.one_of(
    st.sampled_from(
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime.max.replace(tzinfo=UTC),
            datetime(2024, 2, 29, tzinfo=UTC),
            datetime(2024, 1, 31, 8, tzinfo=UTC),
            datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ]
    ),
    st.datetimes(datetime(2024, 1, 28), datetime(2024, 3, 3), timezones=st.just(UTC)),
)
INTERVALS = st.sampled_from(
    ["P1M", "-P1M", "P1Y", "P28D", "PT1S", "PT0.000001S", "P9998Y", "P1Y2M3DT4H5M6S", "P0D"]
)
SHAPES = st.one_of(
    st.sampled_from(["POINT EMPTY", "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))", "POINT (179.5 89)"]),
    st.builds("POINT ({} {})".format, st.integers(0, 3), st.integers(0, 3)),
    st.builds("LINESTRING ({} {}, {} {})".format, *[st.integers(0, 3)] * 4),
    st.builds("POLYGON (({0} {1}, {2} {1}, {2} {3}, {0} {1}))".format, *[st.integers(0, 3)] * 4),
).filter(lambda wkt: bool(shapely.from_wkt(wkt).is_valid))
WORDS = st.lists(
    st.sampled_from(["graph", "Graph", "garph", "grap", "index", "search", "a", "42", "x-y", ","]),
    max_size=6,
).map(" ".join)

TYPED: dict[str, tuple[DataType, st.SearchStrategy[Any]]] = {
    "flag": (DataType.BOOL, st.booleans()),
    "small": (DataType.INT8, SMALL_INTS),
    "short": (DataType.INT16, st.sampled_from([-(2**15), -1, 0, 3, 2**15 - 1])),
    "medium": (DataType.INT32, st.sampled_from([-(2**31), -1, 0, 3, 2**31 - 1])),
    "big": (DataType.INT64, INT64S),
    "single": (DataType.FLOAT, STORED_FLOATS),
    "double": (DataType.DOUBLE, STORED_FLOATS),
    "name": (DataType.VARCHAR, TEXTS),
    "title": (DataType.VARCHAR, WORDS),
    "meta": (DataType.JSON, METADATA),
    "at": (DataType.TIMESTAMPTZ, MOMENTS),
    "until": (DataType.TIMESTAMPTZ, MOMENTS),
    "place": (DataType.GEOMETRY, SHAPES),
}
ARRAYS: dict[str, tuple[DataType, st.SearchStrategy[Any]]] = {
    "numbers": (DataType.INT64, INT64S),
    "singles": (DataType.FLOAT, STORED_FLOATS),
    "flags": (DataType.BOOL, st.booleans()),
    "tags": (DataType.VARCHAR, TEXTS),
}


def declared(name: str, dtype: DataType, nullable: bool = False) -> Field:
    """Return one of the fields that are not arrays."""
    return Field(name, dtype, nullable=nullable, analyzer="standard" if name == "title" else None)


EVERY_FIELD = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        *(declared(name, dtype) for name, (dtype, _) in TYPED.items()),
        *(Field(n, DataType.ARRAY, element_type=d) for n, (d, _) in ARRAYS.items()),
    ],
    dynamic=True,
)


@st.composite
def collections(draw: st.DrawFn) -> tuple[Schema, list[dict[str, Any]]]:
    """Draw a dynamic schema with nullable fields here and there, and rows for it."""
    fields = [Field("id", DataType.INT64, primary=True)]
    values: dict[str, st.SearchStrategy[Any]] = {}
    for name, (dtype, strategy) in TYPED.items():
        nullable = draw(st.booleans())
        fields.append(declared(name, dtype, nullable))
        values[name] = st.none() | strategy if nullable else strategy
    for name, (dtype, strategy) in ARRAYS.items():
        nullable = draw(st.booleans())
        fields.append(Field(name, DataType.ARRAY, element_type=dtype, nullable=nullable))
        lists = st.lists(strategy, max_size=3)
        values[name] = st.none() | lists if nullable else lists
    timezone = draw(st.sampled_from([None, "Europe/Berlin", "Asia/Kathmandu"]))
    schema = Schema(fields, dynamic=True, timezone=timezone)
    dynamic = st.none() | st.dictionaries(KEYS, JSON_VALUES, max_size=2)
    drawn = draw(st.lists(st.fixed_dictionaries({**values, "$meta": dynamic}), max_size=6))
    return schema, [{"id": i, **row} for i, row in enumerate(drawn)]


def to_batch(schema: Schema, rows: list[dict[str, Any]]) -> ColumnBatch:
    given = {f.name: [row[f.name] for row in rows] for f in schema.stored_fields}
    jsons = {f.name for f in schema.stored_fields if f.dtype is DataType.JSON}
    typed = Schema([f for f in schema.fields if f.name not in jsons])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # float32 of 1e300 is infinity
        batch = entities_to_batch(typed, {f.name: given[f.name] for f in typed.fields})
    # Written by hand, because validation takes None for a value that is not given.
    texts = {
        name: [
            None if v is None and schema.field(name).nullable else json.dumps(v)
            for v in given[name]
        ]
        for name in jsons
    }
    columns = {name: strings_to_column(t) for name, t in texts.items()}
    return ColumnBatch(len(rows), {**batch.columns, **columns})


# --- expressions ------------------------------------------------------------------------------

JSON_PATHS = st.one_of(
    st.builds(
        JsonPath,
        st.sampled_from(["meta", "$meta"]),
        st.lists(KEYS | st.integers(0, 2), min_size=1, max_size=2).map(tuple),
    ),
    KEYS.map(FieldRef),
    st.just(FieldRef("meta")),
)
NUMBERS = st.one_of(WIDE_INTS, FLOATS)
PLACES = st.integers(0, 2)


def elements(*names: str) -> st.SearchStrategy[Node]:
    return st.builds(lambda n, i: JsonPath(n, (i,)), st.sampled_from(names), PLACES)


BITS = [op for op in ArithmeticOp if op.is_bitwise]
SUMS = st.sampled_from([op for op in ArithmeticOp if not op.is_bitwise])
NUMBER_PATHS: st.SearchStrategy[Node] = st.one_of(
    st.sampled_from(["small", "short", "medium", "big", "single", "double"]).map(FieldRef),
    elements("numbers", "singles"),
)
LENGTHS = st.builds(ArrayLength, JSON_PATHS | st.sampled_from([*ARRAYS]).map(FieldRef))
NUMBER_OPERANDS: st.SearchStrategy[Node] = st.recursive(
    st.one_of(NUMBER_PATHS, JSON_PATHS, LENGTHS, NUMBERS.map(Literal)),
    lambda inner: st.builds(Arithmetic, SUMS, inner, inner),
    max_leaves=3,
)
INTEGER_OPERANDS: st.SearchStrategy[Node] = st.recursive(
    st.one_of(
        st.sampled_from(["small", "big"]).map(FieldRef),
        elements("numbers"),
        JSON_PATHS,
        LENGTHS,
        INT64S.map(Literal),
    ),
    lambda inner: st.builds(Arithmetic, st.sampled_from([*BITS, ArithmeticOp.ADD]), inner, inner),
    max_leaves=3,
)
TEXT_PATHS: st.SearchStrategy[Node] = st.one_of(
    st.sampled_from(["name", "title"]).map(FieldRef), elements("tags")
)
TIME_FIELDS: st.SearchStrategy[Node] = st.sampled_from(["at", "until"]).map(FieldRef)
OFFSETS = st.sampled_from([UTC, timezone(timedelta(hours=-11)), ZoneInfo("Europe/Berlin"), None])
# Years that have these moments on every clock.
CLOCKS = MOMENTS.filter(lambda m: 1 < m.year < 9999)
ISO_TEXTS = st.builds(
    lambda m, z: m.replace(tzinfo=None).isoformat() if z is None else m.astimezone(z).isoformat(),
    CLOCKS,
    OFFSETS,
)
SHIFTED: st.SearchStrategy[Node] = st.builds(
    lambda moment, op, iso: Arithmetic(op, moment, Interval(iso)),
    TIME_FIELDS | ISO_TEXTS.map(Moment),
    st.sampled_from([ArithmeticOp.ADD, ArithmeticOp.SUB]),
    INTERVALS,
)
TIMES = TIME_FIELDS | SHIFTED
TIME_OPERANDS = TIMES | ISO_TEXTS.map(Moment) | ISO_TEXTS.map(Literal)
BOOL_PATHS: st.SearchStrategy[Node] = st.one_of(st.just(FieldRef("flag")), elements("flags"))
TEXT_OPERANDS = TEXT_PATHS | JSON_PATHS | TEXTS.map(Literal)
OPS = st.sampled_from(CompareOp)
EQUALITY = st.sampled_from([CompareOp.EQ, CompareOp.NE])
CONSTANTS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.booleans(), NUMBERS, TEXTS), lambda i: st.lists(i, max_size=2), max_leaves=3
)
ELEMENT_CONSTANTS = {"numbers": NUMBERS, "singles": NUMBERS, "flags": st.booleans(), "tags": TEXTS}


@st.composite
def array_conditions(draw: st.DrawFn) -> Node:
    arrays_only = draw(st.booleans())
    operand: Node
    if draw(st.booleans()):
        operand, constants = draw(JSON_PATHS), CONSTANTS | st.none()
    elif draw(st.booleans()) and not arrays_only:
        operand, constants = FieldRef("name"), TEXTS
    else:
        name = draw(st.sampled_from([*ARRAYS]))
        operand, constants = FieldRef(name), ELEMENT_CONSTANTS[name]
        if draw(st.booleans()):
            values = draw(st.lists(constants, max_size=2))
            return Compare(draw(EQUALITY), operand, Literal(values))
    kind = draw(st.sampled_from([Contains, ContainsAny, ContainsAll]))
    if kind is Contains:
        return Contains(operand, Literal(draw(constants)), arrays_only)
    return kind(operand, Literal(draw(st.lists(constants, max_size=3))), arrays_only)


@st.composite
def element_matches(draw: st.DrawFn) -> Node:
    name = draw(st.sampled_from([*ARRAYS, "json"]))
    constants = ELEMENT_CONSTANTS.get(name, NUMBERS | TEXTS)
    operator = draw(EQUALITY if name == "flags" else OPS)
    conditions: list[Node] = [
        Compare(operator, Element(), Literal(draw(constants))),
        In(Element(), Literal(draw(st.lists(constants, max_size=3)))),
    ]
    if name in ("tags", "json"):
        conditions.append(Like(Element(), Literal(draw(TEXTS)), draw(st.booleans())))
    if name in ("numbers", "singles", "json"):
        total = Arithmetic(draw(SUMS), Element(), Literal(draw(SMALL_INTS)))
        conditions.append(Compare(operator, total, Literal(draw(NUMBERS))))
    chosen = draw(st.sampled_from(conditions))
    if draw(st.booleans()):
        chosen = draw(st.sampled_from([Not(chosen), Or((chosen, conditions[0]))]))
    operand = draw(JSON_PATHS) if name == "json" else FieldRef(name)
    quantifier = draw(st.sampled_from(Quantifier))
    count = draw(st.integers(0, 3)) if quantifier.has_count else 1
    return ElementMatch(operand, chosen, quantifier, Literal(count))


@st.composite
def memberships(draw: st.DrawFn) -> Node:
    operand, constants = draw(
        st.sampled_from(
            [
                (NUMBER_PATHS, NUMBERS),
                (TEXT_PATHS, TEXTS),
                (BOOL_PATHS, st.booleans()),
                (JSON_PATHS, CONSTANTS),
                (TIME_FIELDS, ISO_TEXTS),
                (
                    st.builds(Arithmetic, SUMS, NUMBER_PATHS, JSON_PATHS),
                    NUMBERS,
                ),
            ]
        )
    )
    return In(draw(operand), Literal(draw(st.lists(constants, max_size=3))))


COMPARISONS: st.SearchStrategy[Node] = st.one_of(
    st.builds(Compare, OPS, NUMBER_OPERANDS, NUMBER_OPERANDS),
    st.builds(Compare, OPS, INTEGER_OPERANDS, NUMBER_OPERANDS),
    st.builds(Compare, OPS, NUMBER_PATHS | JSON_PATHS, NUMBERS.map(Literal)),
    st.builds(Compare, OPS, NUMBERS.map(Literal), NUMBER_PATHS | JSON_PATHS),
    st.builds(Compare, OPS, TEXT_OPERANDS, TEXT_OPERANDS),
    st.builds(Compare, EQUALITY, BOOL_PATHS | JSON_PATHS, BOOL_PATHS | JSON_PATHS),
    st.builds(Compare, EQUALITY, BOOL_PATHS, st.booleans().map(Literal)),
    st.builds(Compare, OPS, JSON_PATHS, st.booleans().map(Literal)),
    st.builds(Compare, EQUALITY, JSON_PATHS, CONSTANTS.map(Literal)),
    st.builds(
        Between, NUMBER_OPERANDS, NUMBER_OPERANDS, NUMBER_OPERANDS, st.booleans(), st.booleans()
    ),
    st.builds(Compare, OPS, TIMES, TIME_OPERANDS),
    st.builds(Compare, OPS, TIME_OPERANDS, TIMES),
    st.builds(Between, TIMES, TIME_OPERANDS, TIME_OPERANDS, st.booleans(), st.booleans()),
    st.builds(Between, TEXT_OPERANDS, TEXT_OPERANDS, TEXT_OPERANDS, st.booleans(), st.booleans()),
)
SPATIAL: st.SearchStrategy[Node] = st.one_of(
    st.builds(
        lambda relation, wkt: Spatial(relation, FieldRef("place"), Literal(wkt)),
        st.sampled_from([r for r in Relation if r not in (Relation.DWITHIN, Relation.IS_VALID)]),
        SHAPES,
    ),
    st.builds(
        lambda x, y, meters: Spatial(
            Relation.DWITHIN, FieldRef("place"), Literal(f"POINT ({x} {y})"), Literal(meters)
        ),
        st.integers(-180, 180),
        st.integers(-90, 90),
        st.sampled_from([0, 1.5, 120_000, 10_000_000.0, 21_000_000]),
    ),
    st.just(Spatial(Relation.IS_VALID, FieldRef("place"))),
)
TERMS: st.SearchStrategy[Node] = st.one_of(
    st.builds(
        FuzzyMatch, st.just(FieldRef("title")), WORDS.map(Literal), st.integers(0, 2).map(Literal)
    ),
    st.builds(
        TextMatch, st.just(FieldRef("title")), WORDS.map(Literal), st.integers(1, 3).map(Literal)
    ),
    st.builds(
        PhraseMatch, st.just(FieldRef("title")), WORDS.map(Literal), st.integers(0, 3).map(Literal)
    ),
)
SAMPLES: st.SearchStrategy[Node] = st.builds(
    RandomSample,
    st.sampled_from([0.01, 0.5, 0.999, 1]).map(Literal),
    st.sampled_from([0, 7, 2**63 - 1]).map(Literal),
)
PATHS: st.SearchStrategy[Node] = st.one_of(
    TIME_FIELDS,
    st.just(FieldRef("place")),
    JSON_PATHS,
    NUMBER_PATHS,
    TEXT_PATHS,
    BOOL_PATHS,
    st.sampled_from([*ARRAYS]).map(FieldRef),
)
CONDITIONS: st.SearchStrategy[Node] = st.recursive(
    st.one_of(
        COMPARISONS,
        memberships(),
        array_conditions(),
        element_matches(),
        SPATIAL,
        TERMS,
        SAMPLES,
        st.builds(
            Compare, st.just(CompareOp.EQ), st.just(FieldRef("id")), st.integers(-1, 6).map(Literal)
        ),
        st.builds(
            In, st.just(FieldRef("id")), st.lists(st.integers(-1, 6), max_size=3).map(Literal)
        ),
        st.builds(Like, TEXT_PATHS | JSON_PATHS, TEXTS.map(Literal), st.booleans()),
        st.builds(RegexMatch, TEXT_PATHS | JSON_PATHS, PATTERNS.map(Literal)),
        st.builds(TextContains, TEXT_PATHS | JSON_PATHS, TEXTS.map(Literal), st.booleans()),
        st.builds(IsNull, PATHS),
        st.builds(Exists, PATHS),
        st.builds(IsEmpty, PATHS),
        BOOL_PATHS,
        JSON_PATHS,
        st.booleans().map(Literal),
    ),
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=5,
)


# --- dicts ------------------------------------------------------------------------------------

ORDERED = st.one_of(NUMBERS, TEXTS, st.booleans())
OPERATORS: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne", "$contains"]), CONSTANTS | st.none()),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), ORDERED),
    st.tuples(st.just("$between"), st.tuples(ORDERED, ORDERED).map(list)),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(CONSTANTS | st.none(), max_size=3)),
    st.tuples(st.sampled_from(["$contains_any", "$contains_all"]), st.lists(CONSTANTS, max_size=3)),
    st.tuples(st.sampled_from(["$like", "$ilike", "$text_match", "$itext_match"]), TEXTS),
    st.tuples(st.just("$regex"), PATTERNS),
    st.tuples(st.sampled_from(["$exists", "$empty"]), st.booleans()),
)
VALUE_CONDITIONS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(CONSTANTS | st.none(), st.lists(OPERATORS, min_size=1, max_size=2).map(dict)),
    lambda inner: st.one_of(
        st.dictionaries(KEYS, inner, min_size=1, max_size=2),
        st.fixed_dictionaries({"$not": inner}),
    ),
    max_leaves=3,
)
DICTS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(KEYS, VALUE_CONDITIONS, min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"$not": st.lists(inner, min_size=1, max_size=2) | inner}),
    ),
    max_leaves=3,
)
