"""Filters, however they are written, against a row-by-row reading of the language."""

from __future__ import annotations

import string
import warnings
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elanus.errors import FilterError
from elanus.filter import ColumnCache, Node, batch_columns, compile_filter, parse, to_text
from elanus.filter.language.lexer import tokenize
from elanus.schema.batches import slice_column
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType
from support.filter_oracle import allowed_rows, mongo_allows
from support.filter_strategies import (
    CONDITIONS,
    DICTS,
    EVERY_FIELD,
    JSON_VALUES,
    KEYS,
    collections,
    to_batch,
)
from tools.fuzz.filter_parser import corpus

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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


@SETTINGS
@given(CONDITIONS)
def test_text_of_a_bound_filter_compiles_to_an_equal_filter(tree: Node) -> None:
    bound = compile_filter(tree, EVERY_FIELD)
    again = compile_filter(str(bound), EVERY_FIELD)
    assert again == bound
    assert hash(again) == hash(bound)


# --- dicts ------------------------------------------------------------------------------------

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
CORPUS = corpus()


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """Draw an example of the page about the language with a few pieces cut out or put in."""
    text = draw(st.sampled_from(CORPUS))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 8)))
        piece = draw(
            st.one_of(
                st.just(""),
                st.just(2 * text[start:stop]),
                st.sampled_from(WORDS),
                st.text(max_size=3),
                st.sampled_from(CORPUS),
            )
        )
        text = text[:start] + piece + text[stop:]
    return text


HOSTILE = st.one_of(
    mutants(),
    st.text(max_size=40),
    st.text(alphabet=string.printable, max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=30).map("".join),
)


@settings(max_examples=600, deadline=None)
@given(HOSTILE)
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        tokens = list(tokenize(text))
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
        try:
            bound = compile_filter(tree, EVERY_FIELD, params={"ids": [1, 2]})
        except FilterError:
            return
        assert bound is None or compile_filter(str(bound), EVERY_FIELD) == bound
    else:
        assert fault.expression == text
        assert fault.position is not None
        assert 0 <= fault.position <= len(text)
