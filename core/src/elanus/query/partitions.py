"""Which rows belong to which partition?"""

from __future__ import annotations

from collections.abc import Iterable

from elanus.errors import InternalError
from elanus.filter import BoundFilter, FieldRef, In, Literal, compile_filter
from elanus.schema.collection import PARTITION_FIELD, Schema


def within_partitions(schema: Schema, numbers: Iterable[int]) -> BoundFilter:
    """Return the filter that the rows of some partitions pass, by their numbers."""
    node = In(FieldRef(PARTITION_FIELD), Literal(tuple(sorted(set(numbers)))))
    made = compile_filter(node, schema)
    if made is None:
        raise InternalError("a filter of partitions restricts nothing")
    return made
