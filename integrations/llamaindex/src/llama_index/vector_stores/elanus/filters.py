"""How do LlamaIndex's metadata filters become a filter tree?

The meaning is that of ``build_metadata_filter_fn`` in LlamaIndex: ``!=`` and ``nin`` hold for a
missing key, ``not`` holds when none of its members does. Beyond it, filters nest to any depth, and
comparing values of different types is no match instead of an error. Values are data: no key or
value can change what an expression says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from elanus.documents import FieldNames
from elanus.errors import InvalidArgumentError
from elanus.filter import (
    And,
    Compare,
    CompareOp,
    Contains,
    ContainsAll,
    ContainsAny,
    Exists,
    FieldRef,
    In,
    IsEmpty,
    IsNull,
    JsonPath,
    Literal,
    Node,
    Not,
    Or,
    TextContains,
)

_SOURCE_KEYS = ("doc_id", "document_id", "ref_doc_id")
"""Keys under which other stores keep the id of the source document."""


def metadata_filters_to_tree(filters: MetadataFilters | None, names: FieldNames) -> Node | None:
    """Return the tree that ``filters`` describe, or None when they restrict nothing.

    Args:
        filters: As LlamaIndex has them, nested to any depth; None and an empty list allow all.
        names: Names of the collection's fields.

    Raises:
        InvalidArgumentError: A ``ValueError``: they are something else.
    """
    if filters is None:
        return None
    if not isinstance(filters, MetadataFilters):
        raise InvalidArgumentError(
            f"filters: expected MetadataFilters(...), got {type(filters).__name__}; "
            f"vector_store_kwargs={{'filter': ...}} takes a dict or a text"
        )
    terms: list[Node] = []
    for member in filters.filters:
        if isinstance(member, MetadataFilters):
            nested = metadata_filters_to_tree(member, names)
            if nested is not None:
                terms.append(nested)
        else:
            terms.append(_filter_to_tree(member, names))
    if not terms:
        return None
    if filters.condition is FilterCondition.OR:
        return Or(tuple(terms))
    if filters.condition is FilterCondition.NOT:
        return Not(Or(tuple(terms)))
    return And(tuple(terms))


def _filter_to_tree(member: MetadataFilter, names: FieldNames) -> Node:
    operator = _NEGATED.get(member.operator, member.operator)
    holds = _OPERATORS[operator]
    path = JsonPath(names.metadata, (member.key,))
    condition = holds(path, member.value)
    if member.key in _SOURCE_KEYS:
        # The node's own metadata goes before the source document that the field holds. That field
        # may be null; asking so first keeps the answer from being unknown.
        field = FieldRef(names.ref_doc_id)
        source = And((Not(Exists(path)), _holds_for_text(operator, field, member.value)))
        condition = Or((And((Exists(path), condition)), source))
    return Not(condition) if operator is not member.operator else condition


def _holds_for_text(operator: FilterOperator, field: FieldRef, value: Any) -> Node:
    """Return the condition on a nullable text field, which no value of another type fits."""
    if operator is FilterOperator.IS_EMPTY or value is None:
        return _OPERATORS[operator](field, value)
    texts = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]
    if not texts:
        return _nothing(field)
    fitting = texts if isinstance(value, list) else texts[0]
    return And((Not(IsNull(field)), _OPERATORS[operator](field, fitting)))


def _compare(op: CompareOp) -> Callable[[Node, Any], Node]:
    return lambda operand, value: Compare(op, operand, Literal(value))


def _equals(operand: Node, value: Any) -> Node:
    return IsNull(operand) if value is None else Compare(CompareOp.EQ, operand, Literal(value))


def _nothing(operand: Node) -> Node:
    return And((IsNull(operand), Not(IsNull(operand))))


def _has_text(operand: Node, value: Any, *, ignore_case: bool) -> Node:
    """Return the condition that a text is part of another; nothing but a text is part of one."""
    if not isinstance(value, str):
        return _nothing(operand)
    return TextContains(operand, Literal(value), ignore_case=ignore_case)


def _listed(value: Any) -> Literal:
    return Literal(tuple(value) if isinstance(value, list) else (value,))


_NEGATED = {FilterOperator.NE: FilterOperator.EQ, FilterOperator.NIN: FilterOperator.IN}
"""Operators that hold exactly where another one does not, missing keys included."""

_OPERATORS: dict[FilterOperator, Callable[[Node, Any], Node]] = {
    FilterOperator.EQ: _equals,
    FilterOperator.GT: _compare(CompareOp.GT),
    FilterOperator.GTE: _compare(CompareOp.GE),
    FilterOperator.LT: _compare(CompareOp.LT),
    FilterOperator.LTE: _compare(CompareOp.LE),
    FilterOperator.IN: lambda operand, value: In(operand, _listed(value)),
    FilterOperator.CONTAINS: lambda operand, value: Contains(operand, Literal(value)),
    FilterOperator.ANY: lambda operand, value: ContainsAny(operand, _listed(value)),
    FilterOperator.ALL: lambda operand, value: ContainsAll(operand, _listed(value)),
    FilterOperator.TEXT_MATCH: partial(_has_text, ignore_case=False),
    FilterOperator.TEXT_MATCH_INSENSITIVE: partial(_has_text, ignore_case=True),
    FilterOperator.IS_EMPTY: lambda operand, _: IsEmpty(operand),
}
