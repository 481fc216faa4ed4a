"""How does a search of lists become one of their elements?"""

from __future__ import annotations

from collections.abc import Sequence

from elanus.errors import InvalidArgumentError
from elanus.filter import BoundFilter, split_elements
from elanus.query.requests import LegRequest
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.structs import element_field, struct_of


def as_elements(
    schema: Schema, field: Field, filters: Sequence[BoundFilter]
) -> tuple[str, Field, tuple[BoundFilter, ...]]:
    """Return a field of lists, what one of its elements is, and the filters of elements.

    Raises:
        InvalidArgumentError: The field has no lists of vectors, or they are compared as a whole.
    """
    if not field.is_vector_list:
        raise InvalidArgumentError(
            f"per_element: expected a field of lists of vectors, got {field.name!r}"
        )
    if field.metric_type.is_max_sim:
        raise InvalidArgumentError(
            f"per_element: the lists of field {field.name!r} are compared as a whole "
            f"({field.metric_type}); declare it with {field.metric_type.of_vectors}"
        )
    made: list[BoundFilter] = []
    for bound in filters:
        rest, chosen = split_elements(bound, schema, struct_of(field.name))
        made += chosen if rest is None else [rest, *chosen]
    return field.name, element_field(field), tuple(made)


def legs_of_elements(legs: Sequence[LegRequest]) -> str:
    """Return the first field of legs that are joined element by element.

    Raises:
        InvalidArgumentError: They search the elements of several fields.
    """
    names = [leg.field.name for leg in legs]
    structs = {struct_of(name) for name in names}
    if len(structs) > 1 or (len(set(names)) > 1 and structs <= set(names)):
        raise InvalidArgumentError(
            f"per_element: legs are joined by element, so that all must be of one array of "
            f"structs, got {', '.join(names)}"
        )
    return names[0]
