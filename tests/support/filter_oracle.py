"""The filter language, one row at a time, as plainly as it can be said.

Slow and obvious: the twin that the columnar evaluator is held against. ``None`` as a truth means
unknown. ``NULL`` is a null of a typed field or a result without a value, ``MISSING`` nothing.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from elanus.filter import (
    And,
    Arithmetic,
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
    Spatial,
    TextContains,
    TextMatch,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType
from support.filter_functions_oracle import drawn, has_terms, moment, shifted, spatial

NULL = object()
MISSING = object()


def allowed_rows(node: Node, schema: Schema, rows: list[dict[str, Any]]) -> list[bool]:
    """Return for each row whether the filter is true."""
    return [truth(node, schema, row) is True for row in rows]


def truth(node: Node, schema: Schema, row: dict[str, Any]) -> bool | None:
    """Return whether a condition holds in a row; None when that is unknown."""
    match node:
        case And(terms):
            found = [truth(t, schema, row) for t in terms]
            return False if False in found else (None if None in found else True)
        case Or(terms):
            found = [truth(t, schema, row) for t in terms]
            return True if True in found else (None if None in found else False)
        case Not(term):
            found_one = truth(term, schema, row)
            return None if found_one is None else not found_one
        case Compare(op, left, right):
            return _compare(op, left, right, schema, row)
        case Between(operand, low, high, includes_low, includes_high):
            low_op = CompareOp.LE if includes_low else CompareOp.LT
            high_op = CompareOp.LE if includes_high else CompareOp.LT
            parts = (Compare(low_op, low, operand), Compare(high_op, operand, high))
            return truth(And(parts), schema, row)
        case In(operand, Literal(values)):
            if value_of(operand, schema, row) is NULL:
                return None
            assert isinstance(values, tuple)
            return any(
                _compare(CompareOp.EQ, operand, Literal(v), schema, row) is True for v in values
            )
        case RandomSample(Literal(fraction), Literal(seed)):
            return drawn(row["id"], seed) < fraction * 2**64  # type: ignore[operator, arg-type]
        case Spatial():
            return spatial(node, row[node.operand.name])  # type: ignore[attr-defined]
        case TextMatch() | FuzzyMatch() | PhraseMatch():
            text = row[node.operand.name]  # type: ignore[attr-defined]
            return None if text is None else has_terms(node, text)
        case Literal(bool(value)):
            return value
        case FieldRef() | JsonPath():
            return _compare(CompareOp.EQ, node, Literal(True), schema, row)
    return _test(node, schema, row)


def _test(node: Node, schema: Schema, row: dict[str, Any]) -> bool | None:
    value = value_of(node.operand, schema, row)  # type: ignore[attr-defined]
    match node:
        case IsNull():
            return value is NULL or value is MISSING or value is None
        case Exists():
            return value is not NULL and value is not MISSING
        case IsEmpty():
            return value is NULL or value is MISSING or value in (None, "", [])
    if value is NULL:
        return None
    is_single = _is_single(node.operand, schema)  # type: ignore[attr-defined]

    def rounded(constant: Any) -> Any:
        return _single(constant) if is_single and _is_number(constant) else constant

    match node:
        case Like(_, Literal(str(pattern)), ignore_case):
            if not isinstance(value, str):
                return False
            return like(value.lower(), pattern.lower()) if ignore_case else like(value, pattern)
        case RegexMatch(_, Literal(str(pattern))):
            return isinstance(value, str) and regex(pattern, value)
        case TextContains(_, Literal(str(part)), ignore_case):
            if not isinstance(value, str):
                return False
            return part.lower() in value.lower() if ignore_case else part in value
        case ElementMatch():
            return _elements_meet(node, value, schema) if isinstance(value, list) else None
        case Contains(_, Literal(wanted), arrays_only):
            return _holds(value, rounded(wanted), arrays_only)
        case ContainsAny(_, Literal(tuple(wanted)), arrays_only):
            return any(_holds(value, rounded(w), arrays_only) for w in wanted)
        case ContainsAll(_, Literal(tuple(wanted)), arrays_only):
            wanted = tuple(map(rounded, wanted))
            is_container = isinstance(value, list) or (isinstance(value, str) and not arrays_only)
            return is_container and all(_holds(value, w, arrays_only) for w in wanted)
    raise AssertionError(node)


def _elements_meet(node: ElementMatch, elements: list[Any], schema: Schema) -> bool:
    """Ask each element on its own, as a row whose only field is ``$``."""
    count = node.count.value  # type: ignore[attr-defined]
    asked = _about_element(node.condition)
    element = _element_type(node.operand, schema)
    alone = Schema([schema.primary, Field("element", element, nullable=True)])
    found = sum(truth(asked, alone, {"element": e}) is True for e in elements)
    return {
        Quantifier.ANY: found > 0,
        Quantifier.ALL: found == len(elements),
        Quantifier.LEAST: found >= count,
        Quantifier.MOST: found <= count,
        Quantifier.EXACT: found == count,
    }[node.quantifier]


def _element_type(array: Node, schema: Schema) -> DataType:
    if isinstance(array, FieldRef) and array.name in schema:
        return schema.field(array.name).element_type or DataType.JSON
    return DataType.JSON


def _about_element(node: Any) -> Any:
    """Return a condition with a field in the place of ``$``."""
    if isinstance(node, Element):
        return FieldRef("element")
    if isinstance(node, tuple):
        return tuple(map(_about_element, node))
    if not isinstance(node, Node) or isinstance(node, Literal):
        return node
    names = [f.name for f in dataclasses.fields(node)]
    return dataclasses.replace(node, **{n: _about_element(getattr(node, n)) for n in names})


def _holds(value: Any, wanted: Any, arrays_only: bool) -> bool:
    if isinstance(value, list):
        return any(_equal(element, wanted) for element in value)
    if isinstance(value, str) and isinstance(wanted, str) and not arrays_only:
        return wanted in value
    return False


def like(text: str, pattern: str) -> bool:
    """Match by the definition: try every length for ``%``."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[i:], pattern[1:]) for i in range(len(text) + 1))
    if pattern[0] == "\\" and len(pattern) > 1:
        return text[:1] == pattern[1] and like(text[1:], pattern[2:])
    if pattern[0] == "_":
        return bool(text) and like(text[1:], pattern[1:])
    return text[:1] == pattern[0] and like(text[1:], pattern[1:])


def regex(pattern: str, text: str) -> bool:
    """Search with Python's own engine, for patterns of the syntax that it shares with RE2."""
    return re.search(pattern.replace("$", r"\Z"), text, re.ASCII | re.DOTALL) is not None


# --- values -----------------------------------------------------------------------------------


def value_of(node: Node, schema: Schema, row: dict[str, Any]) -> Any:
    """Return the value of an operand in a row."""
    match node:
        case Literal(value):
            return _stored(value)
        case FieldRef(name):
            return _place(name, (), schema, row)
        case JsonPath(name, keys):
            return _place(name, keys, schema, row)
        case ArrayLength(operand):
            array = value_of(operand, schema, row)
            if array is NULL:
                return NULL
            return len(array) if isinstance(array, list) else MISSING
        case Moment(iso):
            return moment(iso, schema)
        case Arithmetic(op, left, Interval(iso)):
            start = value_of(left, schema, row)
            made = None if start is NULL else shifted(start, iso, 1 if op == "+" else -1)
            return NULL if made is None else made
        case Arithmetic(op, left, right):
            return calculate(op, value_of(left, schema, row), value_of(right, schema, row))
    raise AssertionError(node)


def _place(name: str, keys: tuple[str | int, ...], schema: Schema, row: dict[str, Any]) -> Any:
    if name not in schema and name != "$meta":
        name, keys = "$meta", (name, *keys)
    field = schema.field(name)
    value = row.get(name)
    if field.dtype is DataType.JSON:
        value = MISSING if value is None and field.nullable else _stored(value)
    elif value is None:
        return NULL
    elif field.dtype is DataType.TIMESTAMPTZ:
        return moment(value, schema)
    elif DataType.FLOAT in (field.dtype, field.element_type):
        is_array = isinstance(value, list)
        value = [_single(v) for v in value] if is_array else _single(value)
    for key in keys:
        if isinstance(key, str):
            value = value.get(key, MISSING) if isinstance(value, dict) else MISSING
        else:
            is_there = isinstance(value, list) and key < len(value)
            value = value[key] if is_there else MISSING
    return value


def _stored(value: Any) -> Any:
    """Return a value as a segment holds it: integers outside int64 are doubles."""
    if isinstance(value, list | tuple):
        return [_stored(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _stored(v) for k, v in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


def calculate(op: str, left: Any, right: Any) -> Any:
    """Calculate with two values of a row."""
    if left is NULL or right is NULL:
        return NULL
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return MISSING
    if op == "**":
        with np.errstate(all="ignore"):
            return float(np.power(np.array([float(left)]), np.array([float(right)]))[0])
    if op in ("&", "|", "^"):
        if isinstance(left, float) or isinstance(right, float):
            return MISSING
        return {"&": left & right, "|": left | right, "^": left ^ right}[op]
    if op in ("/", "%") and right == 0:
        return NULL
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right or 1) * (1 if (left < 0) == (right < 0) else -1)
        result = {
            "+": left + right,
            "-": left - right,
            "*": left * right,
            "/": quotient,
            "%": left - quotient * right,
        }[op]
        return result if -(2**63) <= result < 2**63 else NULL
    left, right = float(left), float(right)
    if op == "%":
        return math.nan if math.isinf(left) else math.fmod(left, right)
    if op == "/":
        return left / right
    return {"+": left + right, "-": left - right, "*": left * right}[op]


def _compare(
    op: CompareOp, left: Node, right: Node, schema: Schema, row: dict[str, Any]
) -> bool | None:
    a, b = value_of(left, schema, row), value_of(right, schema, row)
    if a is NULL or b is NULL:
        return None
    if isinstance(a, datetime) or isinstance(b, datetime):
        a, b = moment(a, schema).astimezone(UTC), moment(b, schema).astimezone(UTC)
    # A constant meets a FLOAT field as the stored value did: in single precision.
    if _is_single(left, schema) and isinstance(right, Literal) and _is_number(b):
        b = _single(b)
    if _is_single(right, schema) and isinstance(left, Literal) and _is_number(a):
        a = _single(a)
    # Arrays are compared with constants only; those of two fields or paths never match.
    has_constant = isinstance(left, Literal) or isinstance(right, Literal)
    if has_constant and isinstance(a, list) and isinstance(b, list):
        return _equal(a, b) if op is CompareOp.EQ else not _equal(a, b)
    both_times = isinstance(a, datetime) and isinstance(b, datetime)
    same_type = (
        both_times
        or (_is_number(a) and _is_number(b))
        or (isinstance(a, str) and isinstance(b, str))
    )
    if not same_type:
        return False
    return {
        CompareOp.EQ: a == b,
        CompareOp.NE: a != b,
        CompareOp.LT: a < b,
        CompareOp.LE: a <= b,
        CompareOp.GT: a > b,
        CompareOp.GE: a >= b,
    }[op]


def _is_single(node: Node, schema: Schema) -> bool:
    match node:
        case FieldRef(name) | JsonPath(name, _):
            is_field = name in schema
            return is_field and DataType.FLOAT in (
                schema.field(name).dtype,
                schema.field(name).element_type,
            )
    return False


def _single(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: numbers by value, everything else by type."""
    left, right = _stored(left), _stored(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


# --- dicts of conditions ----------------------------------------------------------------------


def mongo_allows(conditions: dict[str, Any], metadata: Any) -> bool:
    """Return whether metadata meets a dict of conditions, by the table of operators."""
    return all(_mongo_key(key, value, metadata) for key, value in conditions.items())


def _mongo_key(key: str, value: Any, metadata: Any) -> bool:
    if key == "$and":
        return all(mongo_allows(member, metadata) for member in value)
    if key == "$or":
        return any(mongo_allows(member, metadata) for member in value)
    if key == "$not":
        members = value if isinstance(value, list) else [value]
        return not any(mongo_allows(member, metadata) for member in members)
    stored = metadata.get(key, MISSING) if isinstance(metadata, dict) else MISSING
    return _mongo_value(stored, value)


def _mongo_value(stored: Any, condition: Any) -> bool:
    if not isinstance(condition, dict):
        return mongo_operator("$eq", stored, condition)
    if all(name.startswith("$") for name in condition):
        return all(
            not _mongo_value(stored, value)
            if name == "$not"
            else mongo_operator(name, stored, value)
            for name, value in condition.items()
        )
    return all(
        _mongo_value(stored.get(k, MISSING) if isinstance(stored, dict) else MISSING, v)
        for k, v in condition.items()
    )


def mongo_operator(name: str, stored: Any, value: Any) -> bool:
    """Return whether one operator holds for a stored value, which may be MISSING."""
    absent = stored is MISSING or stored is None
    match name:
        case "$eq":
            return absent if value is None else not absent and _equal(stored, value)
        case "$ne":
            return not mongo_operator("$eq", stored, value)
        case "$in":
            return any(mongo_operator("$eq", stored, v) for v in value)
        case "$nin":
            return not mongo_operator("$in", stored, value)
        case "$between":
            return mongo_operator("$gte", stored, value[0]) and mongo_operator(
                "$lte", stored, value[1]
            )
        case "$exists":
            return (stored is not MISSING) == value
        case "$empty":
            return (absent or stored in ("", [])) == value
    return False if absent else _mongo_present(name, stored, value)


def _mongo_present(name: str, stored: Any, value: Any) -> bool:
    match name:
        case "$gt" | "$gte" | "$lt" | "$lte":
            stored, value = _stored(stored), _stored(value)
            if not (
                (_is_number(stored) and _is_number(value))
                or (isinstance(stored, str) and isinstance(value, str))
            ):
                return False
            return {
                "$gt": stored > value,
                "$gte": stored >= value,
                "$lt": stored < value,
                "$lte": stored <= value,
            }[name]
        case "$contains":
            return _holds(stored, value, arrays_only=False)
        case "$contains_any":
            return any(_holds(stored, v, arrays_only=False) for v in value)
        case "$contains_all":
            return isinstance(stored, list | str) and all(
                _holds(stored, v, arrays_only=False) for v in value
            )
    if not isinstance(stored, str):
        return False
    if name == "$regex":
        return regex(value, stored)
    return {
        "$like": like(stored, value),
        "$ilike": like(stored.lower(), value.lower()),
        "$text_match": value in stored,
        "$itext_match": value.lower() in stored.lower(),
    }[name]
