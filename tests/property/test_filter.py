"""Filters, however they are written, against a row-by-row reading of the language."""

from __future__ import annotations

import json
import math
import string
import warnings
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elanus.errors import FilterError
from elanus.filter import (
    And,
    Arithmetic,
    ArithmeticOp,
    ArrayLength,
    Between,
    ColumnCache,
    Compare,
    CompareOp,
    Contains,
    ContainsAll,
    ContainsAny,
    Element,
    ElementMatch,
    Exists,
    FieldRef,
    In,
    IsEmpty,
    IsNull,
    JsonPath,
    Like,
    Literal,
    Node,
    Not,
    Or,
    Quantifier,
    RegexMatch,
    TextContains,
    batch_columns,
    compile_filter,
    parse,
    to_text,
)
from elanus.filter.lexer import tokenize
from elanus.schema.batches import ColumnBatch, slice_column, strings_to_column
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType
from support.filter_oracle import allowed_rows, mongo_allows

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

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

TYPED: dict[str, tuple[DataType, st.SearchStrategy[Any]]] = {
    "flag": (DataType.BOOL, st.booleans()),
    "small": (DataType.INT8, SMALL_INTS),
    "big": (DataType.INT64, INT64S),
    "single": (DataType.FLOAT, STORED_FLOATS),
    "double": (DataType.DOUBLE, STORED_FLOATS),
    "name": (DataType.VARCHAR, TEXTS),
    "meta": (DataType.JSON, METADATA),
}
ARRAYS: dict[str, tuple[DataType, st.SearchStrategy[Any]]] = {
    "numbers": (DataType.INT64, INT64S),
    "singles": (DataType.FLOAT, STORED_FLOATS),
    "flags": (DataType.BOOL, st.booleans()),
    "tags": (DataType.VARCHAR, TEXTS),
}


@st.composite
def collections(draw: st.DrawFn) -> tuple[Schema, list[dict[str, Any]]]:
    """Draw a dynamic schema with nullable fields here and there, and rows for it."""
    fields = [Field("id", DataType.INT64, primary=True)]
    values: dict[str, st.SearchStrategy[Any]] = {}
    for name, (dtype, strategy) in TYPED.items():
        nullable = draw(st.booleans())
        fields.append(Field(name, dtype, nullable=nullable))
        values[name] = st.none() | strategy if nullable else strategy
    for name, (dtype, strategy) in ARRAYS.items():
        nullable = draw(st.booleans())
        fields.append(Field(name, DataType.ARRAY, element_type=dtype, nullable=nullable))
        lists = st.lists(strategy, max_size=3)
        values[name] = st.none() | lists if nullable else lists
    schema = Schema(fields, dynamic=True)
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
    st.sampled_from(["small", "big", "single", "double"]).map(FieldRef),
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
TEXT_PATHS: st.SearchStrategy[Node] = st.one_of(st.just(FieldRef("name")), elements("tags"))
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
    st.builds(Between, TEXT_OPERANDS, TEXT_OPERANDS, TEXT_OPERANDS, st.booleans(), st.booleans()),
)
PATHS: st.SearchStrategy[Node] = st.one_of(
    JSON_PATHS, NUMBER_PATHS, TEXT_PATHS, BOOL_PATHS, st.sampled_from([*ARRAYS]).map(FieldRef)
)
CONDITIONS: st.SearchStrategy[Node] = st.recursive(
    st.one_of(
        COMPARISONS,
        memberships(),
        array_conditions(),
        element_matches(),
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


@SETTINGS
@given(collections(), CONDITIONS)
def test_columns_agree_with_rows(
    collection: tuple[Schema, list[dict[str, Any]]], tree: Node
) -> None:
    schema, rows = collection
    bound = compile_filter(tree, schema)
    assert bound is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mask = bound.evaluate(batch_columns(to_batch(schema, rows)))
    assert mask.tolist() == allowed_rows(tree, schema, rows)


@SETTINGS
@given(collections(), CONDITIONS, st.data())
def test_growing_columns_agree_with_rows(
    collection: tuple[Schema, list[dict[str, Any]]], tree: Node, data: st.DataObject
) -> None:
    schema, rows = collection
    batch = to_batch(schema, rows)
    cache = ColumnCache(lambda name, a, b: slice_column(batch.columns[name], a, b))
    bound = compile_filter(tree, schema)
    assert bound is not None
    expected = allowed_rows(tree, schema, rows)
    # Readers of older snapshots ask again after the rows have grown.
    for num_rows in data.draw(st.lists(st.integers(0, len(rows)), min_size=1, max_size=4)):
        assert bound.evaluate(cache.at(num_rows)).tolist() == expected[:num_rows]


@SETTINGS
@given(CONDITIONS)
def test_text_of_a_tree_reads_back_as_the_same_tree(tree: Node) -> None:
    assert parse(to_text(tree)) == tree


SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        *(Field(name, dtype) for name, (dtype, _) in TYPED.items()),
        *(Field(n, DataType.ARRAY, element_type=d) for n, (d, _) in ARRAYS.items()),
    ],
    dynamic=True,
)


@SETTINGS
@given(CONDITIONS)
def test_text_of_a_bound_filter_compiles_to_an_equal_filter(tree: Node) -> None:
    bound = compile_filter(tree, SCHEMA)
    again = compile_filter(str(bound), SCHEMA)
    assert again == bound
    assert hash(again) == hash(bound)


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
DOCUMENTS = Schema([Field("id", DataType.VARCHAR, primary=True), Field("metadata", DataType.JSON)])


@SETTINGS
@given(DICTS, st.lists(st.dictionaries(KEYS, JSON_VALUES, max_size=4), max_size=6))
def test_dicts_agree_with_the_table_of_operators(
    conditions: dict[str, Any], metadata: list[dict[str, Any]]
) -> None:
    batch = entities_to_batch(
        DOCUMENTS, {"id": [str(i) for i in range(len(metadata))], "metadata": metadata}
    )
    bound = compile_filter(conditions, DOCUMENTS, root="metadata")
    assert bound is not None
    found = bound.evaluate(batch_columns(batch)).tolist()
    assert found == [mongo_allows(conditions, one) for one in metadata]
    # The text of a dict says the same as the dict.
    assert compile_filter(str(bound), DOCUMENTS) == bound


# --- hostile text -----------------------------------------------------------------------------

WORDS = [
    "and", "or", "not", "in", "like", "is", "null", "exists", "true", "(", ")", "[", "]", "{", "}",
    ",", "==", "!=", "<", "<=", "+", "-", "**", "!", "&&", "&", "|", "^", "=", "a", "b", "1", "2.5",
    "'x'", '"', "`", "=~", "!~", "json_contains", "$meta", "\\", "is_empty(",
]  # fmt: skip
HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=string.printable, max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=30).map("".join),
)


@settings(max_examples=600, deadline=None)
@given(HOSTILE)
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        tokens = tokenize(text)
    except FilterError:
        return
    assert len(tokens) <= len(text) + 1
    fault: FilterError | None = None
    try:
        tree = parse(text)
    except FilterError as error:
        fault = error
    if fault is None:
        assert parse(to_text(tree)) == tree
    else:
        assert fault.expression == text
        assert fault.position is not None
        assert 0 <= fault.position <= len(text)
