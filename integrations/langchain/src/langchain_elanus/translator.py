"""How does a query that a model structured become a filter?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
    Visitor,
)

_COMPARATORS = {
    Comparator.EQ: "$eq",
    Comparator.NE: "$ne",
    Comparator.GT: "$gt",
    Comparator.GTE: "$gte",
    Comparator.LT: "$lt",
    Comparator.LTE: "$lte",
    Comparator.CONTAIN: "$contains",
    Comparator.LIKE: "$like",
    Comparator.IN: "$in",
    Comparator.NIN: "$nin",
}
_DATE_TYPES = ("date", "datetime")


class ElanusTranslator(Visitor):
    """Translator for ``SelfQueryRetriever(structured_query_translator=ElanusTranslator())``.

    Takes every comparator and operator. Dates become ISO 8601 text, as they are stored. ``like``
    without a wildcard finds the value anywhere in the text.
    """

    allowed_comparators = tuple(Comparator)
    allowed_operators = tuple(Operator)

    def visit_operation(self, operation: Operation) -> dict[str, Any]:
        self._validate_func(operation.operator)
        members = [argument.accept(self) for argument in operation.arguments]
        if operation.operator is Operator.NOT:
            return {"$not": members[0] if len(members) == 1 else {"$or": members}}
        return {f"${operation.operator.value}": members}

    def visit_comparison(self, comparison: Comparison) -> dict[str, Any]:
        self._validate_func(comparison.comparator)
        operator = _COMPARATORS[comparison.comparator]
        value = _plain(comparison.value)
        if comparison.comparator is Comparator.LIKE and "%" not in str(value):
            operator = "$text_match"
        if comparison.comparator in (Comparator.IN, Comparator.NIN) and not isinstance(value, list):
            value = [value]
        return {comparison.attribute: {operator: value}}

    def visit_structured_query(
        self, structured_query: StructuredQuery
    ) -> tuple[str, dict[str, Any]]:
        if structured_query.filter is None:
            return structured_query.query, {}
        return structured_query.query, {"filter": structured_query.filter.accept(self)}


def _plain(value: Any) -> Any:
    """Return dates as text; ``{"type": "date", "date": "2024-01-31"}`` is what the parser makes."""
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping) and value.get("type") in _DATE_TYPES:
        return value[value["type"]]
    return value
