"""What is ``$``, one element of an array, in each row of elements?

A condition on elements is evaluated once, over the elements of all arrays one after the other, as
if each were a row. There is nothing else in such a row: ``$`` is all that it can be asked about,
and in an array of structs ``$[name]``, a field of an element.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.errors import InternalError
from elanus.filter.ast import Element
from elanus.filter.columns import FilterColumns, RowFilter, Trace
from elanus.filter.json.json_columns import JsonColumn, JsonElements
from elanus.filter.json.json_operands import JsonValue, json_is_in, json_values
from elanus.filter.names import Scope
from elanus.filter.spatial.geometry_store import Geometries
from elanus.filter.strings import CodedStrings
from elanus.filter.values.operands import Constants, Values, ValueType
from elanus.filter.values.struct_operands import ListField, parts_by_name
from elanus.filter.values.typed_operands import ArrayField, ElementOf
from elanus.filter.words.term_store import TermStore
from elanus.index.scalar.registry import ScalarIndex
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import Column
from elanus.schema.collection import did_you_mean
from elanus.schema.ranges import ValueRange
from elanus.types import BoolArray, Int64Array


@dataclass(frozen=True, slots=True)
class ElementColumns:
    """Elements as rows.

    Attributes:
        num_rows: How many elements there are.
        values: The elements.
        json: The elements of JSON arrays, with what ``values`` leaves out; None for an ARRAY.
        outer: The rows that hold the elements, of an array of structs; None elsewhere.
    """

    num_rows: int
    values: Values
    json: JsonColumn | None = None
    outer: FilterColumns | None = None

    @property
    def trace(self) -> Trace | None:
        """Only rows are counted."""
        return None

    def traced(self, trace: Trace) -> FilterColumns:
        """Only rows are counted."""
        return self

    def column(self, name: str) -> Column:
        """Elements have no fields."""
        _refuse(name)

    def strings(self, name: str) -> CodedStrings:
        """Elements have no fields."""
        _refuse(name)

    def num_texts(self, name: str) -> int | None:
        """Elements have no fields."""
        _refuse(name)

    def terms(self, name: str, analyzer: Analyzer) -> TermStore:
        """Elements have no fields."""
        _refuse(name)

    def geometries(self, name: str) -> Geometries:
        """Elements have no fields."""
        _refuse(name)

    def json_column(self, name: str, keys: tuple[str | int, ...]) -> JsonColumn:
        """Elements have no fields."""
        _refuse(name)

    def json_elements(self, name: str, keys: tuple[str | int, ...]) -> JsonElements:
        """Elements have no fields."""
        _refuse(name)

    def index(self, name: str, keys: tuple[str | int, ...]) -> ScalarIndex | None:
        """Elements have no index of their own."""
        return None

    def value_range(self, name: str) -> ValueRange | None:
        """Elements have no bounds of their own."""
        return None

    def select(self, rows: Int64Array) -> FilterColumns | None:
        """Elements are few: all of them are looked at."""
        return None

    def matching(self, condition: RowFilter) -> Bitset:
        """Elements have no filters of their own."""
        _refuse(str(condition))


@dataclass(frozen=True, slots=True)
class ArrayElement:
    """``$`` of an ARRAY field."""

    array: ArrayField

    @property
    def type(self) -> ValueType:
        return ElementOf(self.array, 0).type

    def describe(self) -> str:
        return f"an element of {self.array.describe()}"

    def load(self, columns: FilterColumns) -> Values:
        return _elements(columns).values


@dataclass(frozen=True, slots=True)
class StructElement:
    """``$[name]`` of an array of structs."""

    array: ArrayField

    @property
    def type(self) -> ValueType:
        return ElementOf(self.array, 0).type

    def describe(self) -> str:
        return f"an element of {self.array.describe()}"

    def load(self, columns: FilterColumns) -> Values:
        outer = _elements(columns).outer
        if outer is None:
            raise InternalError(f"{self.describe()} is no part of a struct")
        return self.array.elements(outer)[1]


@dataclass(frozen=True, slots=True)
class JsonElement:
    """``$`` of an array inside JSON."""

    array: JsonValue

    @property
    def type(self) -> ValueType:
        return ValueType.JSON

    def describe(self) -> str:
        return f"an element of {self.array.describe()}"

    def load(self, columns: FilterColumns) -> Values:
        return _elements(columns).values

    def is_in(self, columns: FilterColumns, wanted: Constants) -> BoolArray:
        """Return where the element equals one of the constants."""
        column = _elements(columns).json
        if column is None:
            raise InternalError(f"{self.describe()} is no JSON value")
        return json_is_in(column, wanted)


Elements = ArrayField | JsonValue | ListField
"""What has elements."""


def element_of(container: Elements) -> ArrayElement | JsonElement | ListField:
    """Return what ``$`` means in a condition on the elements of a container.

    Of an array of structs it is the container itself: only ``$[name]`` is a value.
    """
    if isinstance(container, ListField):
        return container
    return ArrayElement(container) if isinstance(container, ArrayField) else JsonElement(container)


def element_operand(
    element: ArrayElement | JsonElement | ListField | None, node: Element, scope: Scope
) -> ArrayElement | JsonElement | StructElement:
    """Return what ``$`` or ``$[name]`` is.

    Args:
        element: As ``element_of`` returns it; None outside of conditions on elements.
        node: Where it stands.
        scope: For errors.

    Raises:
        FilterError: There is no element here, or it has no such field.
    """
    if element is None:
        hint = "write match_any(tags, $ == 1), where '$' is each element"
        raise scope.error("'$' stands outside of a condition on elements", node, hint)
    if isinstance(element, ListField):
        parts = parts_by_name(element)
        if node.key is None or node.key not in parts:
            near = did_you_mean(node.key, list(parts))
            what = "'$'" if node.key is None else f"'$[{node.key}]'"
            raise scope.error(
                f"{what} is no value of an element of {element.describe()}{near}",
                node,
                f"ask about a scalar of it, as $[{next(iter(parts), 'name')}]",
            )
        return StructElement(parts[node.key])
    if node.key is not None:
        raise scope.error(f"{element.describe()} is a single value, so '$' has no keys", node)
    return element


def elements_of(container: Elements, columns: FilterColumns) -> tuple[Int64Array, ElementColumns]:
    """Return the row in which each element stands, ascending, and the elements."""
    if isinstance(container, ListField):
        lengths, _ = container.lengths(columns)
        rows = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        return rows, ElementColumns(len(rows), Values(), outer=columns)
    if isinstance(container, ArrayField):
        rows, values = container.elements(columns)
        return rows, ElementColumns(len(rows), values)
    elements = container.elements(columns)
    return elements.rows, ElementColumns(
        len(elements.rows), json_values(elements.values), elements.values
    )


def _elements(columns: FilterColumns) -> ElementColumns:
    if not isinstance(columns, ElementColumns):
        raise InternalError("'$' is read outside of a condition on elements")
    return columns


def _refuse(what: str) -> NoReturn:
    raise InternalError(f"a condition on elements reads {what!r}")
