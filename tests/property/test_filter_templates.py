"""Filters that differ in their constants alone, read as forms, against each read by itself."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elanus.errors import FilterError
from elanus.filter import Literal, Node, batch_columns, compile_filter, to_text
from elanus.filter.constants import Constant
from elanus.filter.templates import FilterTemplates
from elanus.filter.trees import rebuild
from elanus.schema.collection import Schema
from support.filter_strategies import CONDITIONS, TEXTS, collections, to_batch

SETTINGS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALUES: dict[type, st.SearchStrategy[Any]] = {
    int: st.sampled_from([0, 1, -1, 3, 2**31, 2**53 + 1, 2**60, 2**63 - 1, -(2**63), 2**63]),
    float: st.sampled_from([0.0, -0.0, 1.0, 0.5, -1.5, 2.0**53, 1e300]),
    str: TEXTS | st.sampled_from(["1", "1.0", "true", "x\x010", "\x010", "and", "2024-01-01"]),
    bool: st.booleans(),
}


def other(value: Constant, data: st.DataObject) -> Constant:
    """Draw a constant of mostly the same type."""
    if isinstance(value, tuple):
        return tuple(other(one, data) for one in value)
    kind = type(value)
    if data.draw(st.integers(0, 9)) == 0:
        kind = data.draw(st.sampled_from([*VALUES]))
    return data.draw(VALUES[kind]) if kind in VALUES else value


def with_others(tree: Node, data: st.DataObject) -> Node:
    def changed(node: Node) -> Node:
        if isinstance(node, Literal):
            return Literal(other(node.value, data))
        return rebuild(node, changed)

    return changed(tree)


@SETTINGS
@given(collections(), CONDITIONS, st.data())
def test_a_form_with_other_constants_is_what_its_text_says(
    collection: tuple[Schema, list[dict[str, Any]]], tree: Node, data: st.DataObject
) -> None:
    schema, rows = collection
    columns = batch_columns(to_batch(schema, rows))
    templates = FilterTemplates(schema)
    for _ in range(5):
        text = to_text(tree)
        made = templates.filled(text, None, None, frozenset())
        try:
            wanted = compile_filter(text, schema)
        except FilterError:
            assert made is None
        else:
            assert wanted is not None
            if made is not None:
                assert made.tree == wanted.tree
                assert made == wanted
                assert wanted == made
                assert hash(made) == hash(wanted)
                assert (made.fields, str(made)) == (wanted.fields, str(wanted))
                assert made.evaluate(columns).tolist() == wanted.evaluate(columns).tolist()
        tree = with_others(tree, data)
