"""Which scalar index types are there, and what does each take?

Names, parameters and what may be indexed with what are Milvus'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.index.scalar.ngram import NgramIndex
from elanus.index.scalar.rtree import RTree
from elanus.index.scalar.sorted_index import IndexedValues, SortedIndex
from elanus.types import DataType

ScalarIndex: TypeAlias = SortedIndex | NgramIndex | RTree

AUTO: Final = "AUTO"
NOTHING: Final = "NONE"
"""Type of the file of an index that could not answer exactly, so that columns are asked."""
AUTO_NAMES: Final = frozenset({"AUTO", "AUTOINDEX", ""})
MAX_BITMAP_VALUES = 100
"""Distinct values up to which AUTO takes a set of rows for each: Milvus' bound for its hybrid."""
MAX_BITMAP_BYTES = 1 << 30
"""Largest BITMAP: with more distinct values it is stored as INVERTED, which answers the same."""
MAX_GRAM = 32
"""Longest run of characters of an NGRAM index."""

CAST_TYPES: Final = {
    "BOOL": (DataType.BOOL, False),
    "DOUBLE": (DataType.DOUBLE, False),
    "VARCHAR": (DataType.VARCHAR, False),
    "ARRAY_BOOL": (DataType.BOOL, True),
    "ARRAY_DOUBLE": (DataType.DOUBLE, True),
    "ARRAY_VARCHAR": (DataType.VARCHAR, True),
}
"""Values of ``json_cast_type``: what is indexed, and whether it is the elements of arrays."""

CAST_FUNCTIONS: Final = {"STRING_TO_DOUBLE": DataType.DOUBLE}
"""Values of ``json_cast_function``, and the ``json_cast_type`` that each goes with."""

_INTEGERS: Final = frozenset({DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64})
_NUMBERS: Final = _INTEGERS | {DataType.FLOAT, DataType.DOUBLE, DataType.TIMESTAMPTZ}


@dataclass(frozen=True, slots=True)
class ScalarTarget:
    """What an index is over.

    Attributes:
        field: Name of the field.
        keys: Keys of the path inside a JSON field.
        dtype: Type of the field, or of the elements of an ARRAY; for JSON that of the cast.
        of_elements: Elements of arrays are indexed.
        is_json: It is a path of a JSON field.
        is_cast: Texts that are numbers are indexed as numbers.
    """

    field: str
    keys: tuple[str | int, ...]
    dtype: DataType
    of_elements: bool
    is_json: bool
    is_cast: bool = False


def scalar_type(name: str) -> str | None:
    """Return the canonical name of a scalar index type; None: there is none of that name."""
    upper = name.upper()
    if upper in AUTO_NAMES:
        return AUTO
    return upper if upper in _TAKES else None


def check_scalar(
    type_name: str, target: ScalarTarget, params: Mapping[str, Any], shown: str
) -> dict[str, Any]:
    """Return the checked parameters of an index, those of JSON paths left out.

    Args:
        type_name: Canonical.
        target: What is indexed.
        params: As given.
        shown: Name of the target for errors.

    Raises:
        InvalidArgumentError: The type does not take such values, or a parameter is wrong.
    """
    if type_name != AUTO and (target.dtype, target.of_elements) not in _TAKES[type_name]:
        of = "an ARRAY of " if target.of_elements else ""
        fitting = [n for n, takes in _TAKES.items() if (target.dtype, target.of_elements) in takes]
        raise InvalidArgumentError(
            f"{shown}: {type_name} does not take {of}{target.dtype.name}; "
            f"take AUTO or {', '.join(fitting)}"
        )
    names = ("min_gram", "max_gram") if type_name == "NGRAM" else ()
    unknown = sorted(params.keys() - set(names))
    if unknown:
        known = " and ".join(names) or "none"
        raise InvalidArgumentError(
            f"{shown}: unknown parameter {unknown[0]!r} of {type_name}; it takes {known}"
        )
    if type_name != "NGRAM":
        return {}
    sizes = {name: params.get(name) for name in names}
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_GRAM:
            raise InvalidArgumentError(
                f"{shown}: {name} must be an integer in 1..{MAX_GRAM}, got {size!r}"
            )
    if sizes["min_gram"] > sizes["max_gram"]:  # type: ignore[operator]
        raise InvalidArgumentError(
            f"{shown}: min_gram must be at most max_gram, got {sizes['min_gram']} and "
            f"{sizes['max_gram']}"
        )
    return sizes


def build_sorted(type_name: str, given: IndexedValues) -> SortedIndex:
    """Build an index of a type, or of the type that AUTO takes for these values."""
    num_values = len(given.values)
    is_number = hasattr(given.values, "dtype")
    if type_name == AUTO:
        if num_values <= MAX_BITMAP_VALUES:
            type_name = "BITMAP"
        else:
            type_name = "STL_SORT" if is_number and not given.of_elements else "INVERTED"
    if type_name == "BITMAP" and num_values * given.num_rows > 8 * MAX_BITMAP_BYTES:
        type_name = "INVERTED"
    return SortedIndex.build(type_name, given)


def open_index(header: Mapping[str, Any], arrays: Mapping[str, Any]) -> ScalarIndex:
    """Return a stored index.

    Raises:
        CorruptionError: It is not understood.
    """
    stored = header.get("type")
    if stored == NgramIndex.type:
        return NgramIndex.from_arrays(header, arrays)
    if stored == RTree.type:
        return RTree.from_arrays(header, arrays)
    if stored not in _TAKES:
        raise CorruptionError(f"a scalar index is of the unknown type {stored!r}")
    return SortedIndex.from_arrays(header, arrays)


def _both(dtypes: frozenset[DataType] | set[DataType]) -> frozenset[tuple[DataType, bool]]:
    return frozenset((dtype, of_elements) for dtype in dtypes for of_elements in (False, True))


_TAKES: Final[dict[str, frozenset[tuple[DataType, bool]]]] = {
    "INVERTED": _both(_NUMBERS | {DataType.BOOL, DataType.VARCHAR}),
    "BITMAP": _both(_INTEGERS | {DataType.BOOL, DataType.VARCHAR}),
    "STL_SORT": frozenset((d, False) for d in _NUMBERS | {DataType.VARCHAR}),
    "TRIE": frozenset({(DataType.VARCHAR, False)}),
    "NGRAM": frozenset({(DataType.VARCHAR, False)}),
    "RTREE": frozenset({(DataType.GEOMETRY, False)}),
}
"""For each type the dtypes it takes, and whether as elements of arrays."""
